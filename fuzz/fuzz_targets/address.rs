//! Addresses and names, against another parser.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virtnet_proof::address(data));
