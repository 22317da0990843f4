//! Talks with hostile backends.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virtnet_proof::hostile(data));
