//! Fuzz target: recordings, and the device run from them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::recording(data));
