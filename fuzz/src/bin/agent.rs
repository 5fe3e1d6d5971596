//! Fuzz target: what an agent in a guest sends.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::agent(data));
