//! The entries of the fuzz targets, run on a corpus that fuzzing found and on random bytes.
//!
//! `VIRTNET_INPUTS` sets the number of random inputs for each entry.

use std::path::Path;
use std::time::Instant;

use virtnet_proof::random::Random;
use virtnet_proof::{address, equality, hostile, json, line, operations, say};

/// The default number of random inputs for each entry.
const INPUTS: u64 = 4_000;

fn run(name: &str, entry: fn(&[u8]), longest: usize) {
    let start = Instant::now();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).expect("a corpus").map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "there is a corpus in {}", folder.display());
    for file in &files {
        let data = std::fs::read(file).expect("a file that can be read");
        told(|| file.display().to_string(), &data, entry);
    }
    let inputs = std::env::var("VIRTNET_INPUTS").map_or(INPUTS, |text| text.parse().expect("a number"));
    for seed in 0..inputs {
        let mut random = Random::new(seed);
        let len = random.below(longest);
        let data = random.bytes(len);
        told(|| format!("seed {seed}"), &data, entry);
    }
    let took = start.elapsed();
    say(&format!("{name}: {} inputs of the corpus, {inputs} random ones, in {took:.1?}", files.len()));
}

/// Runs an entry, and reports the input with which it fails.
fn told(which: impl Fn() -> String, data: &[u8], entry: fn(&[u8])) {
    if let Err(panic) = std::panic::catch_unwind(|| entry(data)) {
        println!("{}: {data:?}", which());
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn addresses_are_parsed_as_another_parser_does() {
    run("address", address, 90);
    // Random bytes are rarely an address.
    let mut random = Random::new(0);
    let pieces =
        ["a", ":", "[", "]", "1", "0", "-", "+", "65536", "α", "\u{85}", "%", " ", "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh"];
    for _ in 0..20_000 {
        let text: String = (0..random.below(9)).map(|_| pieces[random.below(pieces.len())]).collect();
        told(|| text.clone(), text.as_bytes(), address);
    }
    // So are the names that mean the local host.
    for name in
        ["localhost", "LOCALHOST", "0.0.0.0", "0.0.0.1", "127.0.0.1", "127.9.9.9", "10.0.0.1", "10.0.0.2", "10.0.0.01"]
    {
        [":1", ":0", "", "::1"].iter().for_each(|port| {
            let text = format!("{name}{port}");
            told(|| text.clone(), text.as_bytes(), address);
        });
    }
    for ip in ["::", "::1", "::2", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "::10.0.0.1", "10.0.0.1"] {
        let text = format!("[{ip}]:7");
        told(|| text.clone(), text.as_bytes(), address);
    }
}

#[test]
fn operations_agree_with_the_model() {
    run("operations", operations, 300);
}

#[test]
fn a_hostile_backend_does_no_harm() {
    run("hostile", hostile, 500);
}

#[test]
fn traces_are_read_as_they_were_written() {
    run("json", json, 200);
}

#[test]
fn lines_are_read_as_they_are_sent() {
    run("line", line, 200);
    // Random bytes are rarely a line.
    let mut random = Random::new(0);
    let pieces: [&[u8]; 20] = [
        b"> lonet",
        b"< lonet",
        b" dial ",
        b" connected ",
        b" E ",
        b"\"n\"",
        b"`n`",
        b"\"a:1\"",
        b"\"",
        b"`",
        b"\\x41",
        b"\\u03b1",
        b"\\U0010ffff",
        b"\\377",
        b"\\'",
        b"\xff",
        b"\x00",
        b" \t",
        b"\r",
        b"\n",
    ];
    let shapes: [&[usize]; 3] = [&[0, 5, 2, 7, 17, 7, 19], &[1, 6, 3, 7, 19], &[1, 5, 4, 7, 18, 19]];
    for round in 0..20_000 {
        let mut shape = shapes[round % shapes.len()].to_vec();
        for _ in 0..random.below(3) {
            shape.insert(random.below(shape.len()), random.below(pieces.len()));
        }
        let data: Vec<u8> = shape.iter().flat_map(|&piece| pieces[piece]).copied().collect();
        told(|| format!("round {round}"), &data, line);
    }
}

#[test]
fn equality_is_an_equivalence() {
    for seed in 0..200 {
        equality::addresses(&mut Random::new(seed));
        equality::names(&mut Random::new(seed));
    }
}
