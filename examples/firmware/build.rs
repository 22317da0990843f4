//! Tells the linker the memory layout of the machine for the target.

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let ram = match env::var("TARGET").expect("cargo says the target").as_str() {
        "thumbv6m-none-eabi" => "16K", // microbit
        _ => "64K",                    // lm3s6965evb
    };
    let memory = format!(
        "MEMORY\n{{\n  FLASH : ORIGIN = 0x00000000, LENGTH = 256K\n  RAM : ORIGIN = 0x20000000, LENGTH = {ram}\n}}\n"
    );
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo says where to write"));
    fs::write(out.join("memory.x"), memory).expect("the directory can be written");
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    // Keeps the relocations, in which `sizes.sh` looks for calls into `core::panicking`.
    println!("cargo::rustc-link-arg-bin=size_both=--emit-relocs");
    println!("cargo::rerun-if-changed=build.rs");
}
