//! README's table of the crates that are tested over virtnet: their versions are those of `Cargo.lock`.
//!
//! `VIRTNET_WRITE=1 cargo test --test crates` writes the table.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

/// Each crate with the file that uses it.
const CRATES: [(&str, &str); 17] = [
    ("axum", "examples/http.rs"),
    ("edge-http", "members/embedded/tests/http.rs"),
    ("embassy-executor", "examples/firmware/src/case/embassy.rs"),
    ("h2", "members/async/tests/http2.rs"),
    ("hyper", "members/async/tests/http1.rs"),
    ("imap", "members/crates/tests/mail.rs"),
    ("redis", "members/real/tests/database.rs"),
    ("reqwless", "members/embedded/tests/http.rs"),
    ("russh", "members/crates/tests/shell.rs"),
    ("rust-mqtt", "members/embedded/tests/mqtt.rs"),
    ("rustls", "members/async/tests/tls.rs"),
    ("tarpc", "members/crates/tests/rpc.rs"),
    ("tokio-postgres", "members/real/tests/database.rs"),
    ("tokio-tungstenite", "members/async/tests/websocket.rs"),
    ("tonic", "examples/grpc/main.rs"),
    ("tungstenite", "examples/quickstart.rs"),
    ("yamux", "members/crates/tests/mux.rs"),
];

#[test]
fn readme_lists_the_crates_with_their_versions() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let locks = ["Cargo.lock", "examples/firmware/Cargo.lock"].map(read);
    let mut table = String::from("| crate | version | used in |\n|---|---|---|\n");
    for (name, path) in CRATES {
        let module = name.replace('-', "_");
        assert!(read(path).contains(&module), "{path} does not use {name}");
        let marker = format!("name = \"{name}\"\nversion = \"");
        let mut versions: Vec<_> = locks
            .iter()
            .flat_map(|lock| lock.split(&marker).skip(1).filter_map(|rest| rest.split('"').next()))
            .collect();
        versions.dedup();
        assert!(!versions.is_empty(), "{name} is in no lock file");
        writeln!(table, "| {name} | {} | `{path}` |", versions.join(", ")).expect("a string takes it");
    }
    let readme = read("README.md");
    let (begin, end) = ("<!-- crates:begin -->\n", "<!-- crates:end -->");
    let (before, rest) = readme.split_once(begin).expect("README has the marker of the beginning");
    let (found, after) = rest.split_once(end).expect("README has the marker of the end");
    if env::var_os("VIRTNET_WRITE").is_some() {
        let written = format!("{before}{begin}{table}{end}{after}");
        fs::write(root.join("README.md"), written).expect("README can be written");
    } else {
        assert_eq!(found, table, "VIRTNET_WRITE=1 cargo test --test crates writes the table");
    }
}
