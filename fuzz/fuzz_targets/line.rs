//! The lines of handshakes between processes, and their quoted strings.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| virtnet_proof::line(data));
