//! Fuzz target: batches of wild commands over wild page tables.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::commands(data));
