//! Traces as JSON lines.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virtnet_proof::json(data));
