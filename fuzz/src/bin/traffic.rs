//! Fuzz target: wild registers, context images, submissions and accesses, among the commands.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::traffic(data));
