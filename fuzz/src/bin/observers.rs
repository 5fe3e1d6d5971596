//! Fuzz target: wild traffic under every observer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::observers(data));
