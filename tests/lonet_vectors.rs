//! What a peer in Go answered when it was sent these bytes, and what this crate answers: the same, but where it says so.
//!
//! `lonet/vectors.jsonl` was recorded from peers in Go and Python. Its first line explains the others.
#![cfg(all(feature = "lonet", unix))]

#[path = "lonet/support.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use support::{Folder, LIMIT};

/// What was sent in one exchange, and what came of it.
#[derive(Clone, Debug, Default)]
struct Exchange {
    scenario: String,
    /// The bytes that the test sends.
    ours: Vec<u8>,
    /// The bytes that the peer sent.
    theirs: Vec<u8>,
    result: BTreeMap<String, String>,
}

/// The exchanges with the peer in Go whose scenario begins like this.
fn exchanges(kind: &str) -> Vec<Exchange> {
    let mut found: BTreeMap<u32, Exchange> = BTreeMap::new();
    for line in include_str!("lonet/vectors.jsonl").lines() {
        let fields = fields(line);
        let get = |key: &str| fields.get(key).map_or("", |value| value);
        if get("source") != "raw" || get("peer") != "go" || !get("scenario").starts_with(kind) {
            continue;
        }
        let exchange = found.entry(get("id").parse().expect("a number")).or_default();
        exchange.scenario = get("scenario")[kind.len()..].into();
        match get("by") {
            "us" => exchange.ours.extend(unescaped(get("bytes"))),
            "peer" => exchange.theirs.extend(unescaped(get("bytes"))),
            _ => exchange.result = fields,
        }
    }
    found.into_values().collect()
}

/// All fields of a line of JSON, also those of objects within it.
fn fields(line: &str) -> BTreeMap<String, String> {
    let mut texts = Vec::new();
    let mut rest = line.chars();
    let mut number = String::new();
    while let Some(character) = rest.next() {
        match character {
            '"' => texts.push(json_string(&mut rest)),
            '0'..='9' => number.push(character),
            ',' if !number.is_empty() => texts.push(std::mem::take(&mut number)),
            // The name of an object is no field.
            '{' => drop((texts.len() % 2 == 1).then(|| texts.pop())),
            _ => {}
        }
    }
    texts.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

fn json_string(rest: &mut std::str::Chars<'_>) -> String {
    let mut text = String::new();
    loop {
        match rest.next().expect("a string ends") {
            '"' => return text,
            '\\' => match rest.next().expect("an escape ends") {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'b' => text.push('\u{8}'),
                'f' => text.push('\u{c}'),
                'u' => {
                    let code =
                        u32::from_str_radix(&rest.by_ref().take(4).collect::<String>(), 16).expect("hexadecimal");
                    text.push(char::from_u32(code).unwrap_or('?'));
                }
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

/// Bytes by the escapes of Python.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match (character, (character == '\\').then(|| rest.next().expect("an escape ends"))) {
            (_, Some('n')) => bytes.push(b'\n'),
            (_, Some('r')) => bytes.push(b'\r'),
            (_, Some('t')) => bytes.push(b'\t'),
            (_, Some('x')) => {
                let code = rest.by_ref().take(2).collect::<String>();
                bytes.push(u8::from_str_radix(&code, 16).expect("hexadecimal"));
            }
            (_, Some(other)) => bytes.push(other as u8),
            (other, None) => bytes.extend(other.to_string().bytes()),
        }
    }
    bytes
}

/// The error of a source that can be no host here.
const NO_SOURCE: &[u8] = b"< lonet \"lonetnet\" E \"protocol error: src address invalid\"\n";

/// Where this crate answers otherwise than Go, and what, by the scenario.
fn own_answer(scenario: &str) -> Option<&'static [u8]> {
    match scenario {
        // It reads what Python sends.
        "escape \\' in src" => Some("< lonet \"lonetnet\" connected \"α:2\"\n".as_bytes()),
        // Names here are UTF-8, without control characters, of 63 bytes at most.
        "escapes \\a\\b\\f\\v in src"
        | "raw CR in src"
        | "raw \\x01 in src"
        | "raw NUL in src"
        | "escaped \\xff in src"
        | "longest good line: 1024 bytes with the newline"
        | "1025 bytes with the newline" => Some(NO_SOURCE),
        // It escapes only what has to be.
        "no such host, zero-width" => Some("< lonet \"lonetnet\" E \"address \u{200b}:1: no such host\"\n".as_bytes()),
        _ => None,
    }
}

/// Reads all that comes until the end of the stream, or until nothing comes any more.
fn answer(stream: &mut TcpStream) -> (Vec<u8>, &'static str) {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => (answer, "EOF"),
        Err(error) if error.kind() == ErrorKind::WouldBlock => (answer, "stays open"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_listener_answers_as_it_did_in_go() {
    let folder = Folder::new();
    let net = folder.join("net");
    let listener = net.host("α").wait().unwrap().listen(":1").unwrap();
    let addr = net.subnetwork().engine().addr().to_owned();
    let exchanges = exchanges("to listener: ");
    let mut own = 0;
    for exchange in &exchanges {
        let scenario = &*exchange.scenario;
        let mut stream = TcpStream::connect(&addr).unwrap();
        stream.write_all(&exchange.ours).unwrap();
        if scenario == "EOF at once" {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        let want = own_answer(scenario).inspect(|_| own += 1).unwrap_or(&exchange.theirs);
        let accepts = want.windows(9).any(|part| part == b"connected");
        let conn = accepts
            .then(|| listener.accept().wait_timeout(LIMIT).unwrap_or_else(|error| panic!("{scenario}: {error}")));
        // A stream that stays open is only known not to end for a while.
        let open = if own_answer(scenario).is_some() { accepts } else { exchange.result["end"] == "stays open" };
        stream.set_read_timeout(Some(if open { Duration::from_millis(20) } else { LIMIT })).unwrap();
        let got = answer(&mut stream);
        assert_eq!(
            (String::from_utf8_lossy(&got.0), got.1 == "EOF"),
            (String::from_utf8_lossy(want), !open),
            "{scenario}"
        );
        if let Some(conn) = conn {
            if own_answer(scenario).is_none() {
                let ends = format!("{}<-{}", conn.local_addr(), conn.peer_addr());
                assert_eq!(Some(&*ends), exchange.result["accept"].splitn(3, ' ').last(), "{scenario}");
            }
            if let Some(bytes) = exchange.result.get("read") {
                let mut got = vec![0; bytes.len()];
                (&conn).read_exact(&mut got).unwrap();
                assert_eq!(got, bytes.as_bytes(), "{scenario}");
            }
        }
    }
    println!("{} exchanges, {own} of them with an answer of their own", exchanges.len());
    assert_eq!(own, 9);
}

#[test]
fn a_dialler_understands_as_it_did_in_go() {
    let folder = Folder::new();
    let net = folder.join("net");
    let host = net.host("α").wait().unwrap();
    let _listener = host.listen(":1").unwrap();
    let fake = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = fake.local_addr().unwrap().to_string();
    let names = Connection::open(net.registry_path()).unwrap();
    names.execute("INSERT INTO hosts VALUES ('fake', ?)", [&addr]).unwrap();
    let exchanges = exchanges("to dialer: ");
    for exchange in &exchanges {
        let scenario = &*exchange.scenario;
        let dialling = thread::spawn({
            let host = host.clone();
            move || host.dial("fake:7").wait_timeout(LIMIT)
        });
        let (mut stream, _) = fake.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut request = vec![0; exchange.theirs.len()];
        stream.read_exact(&mut request).unwrap();
        assert_eq!(String::from_utf8_lossy(&request), String::from_utf8_lossy(&exchange.theirs), "{scenario}");
        stream.write_all(&exchange.ours).unwrap();
        let told = exchange.result["dial"].replace("127.0.0.1:<p>", &addr);
        let (kind, want) = told.split_once(' ').unwrap();
        match dialling.join().unwrap() {
            Ok(conn) => {
                let ends = format!("{}<-{}", conn.local_addr(), conn.peer_addr());
                assert_eq!((kind, want.split(' ').next_back()), ("ok", Some(&*ends)), "{scenario}");
                if let Some(bytes) = exchange.result.get("read") {
                    let mut got = vec![0; bytes.len()];
                    (&conn).read_exact(&mut got).unwrap();
                    assert_eq!(got, bytes.as_bytes(), "{scenario}");
                }
            }
            Err(error) if scenario == "connected port 0" => {
                // Port 0 is none here.
                assert_eq!(error.to_string(), "dial lonetnet α:2->fake:7: engine connected to fake:0 instead");
            }
            Err(error) => {
                let error = error.to_string();
                // Texts are cut here.
                let same = error.strip_suffix('…').map_or(want == error, |kept| want.starts_with(kept));
                assert!(kind == "err" && same, "{scenario}: {error:?}, in Go {told:?}");
            }
        }
        assert_eq!(answer(&mut stream), (vec![], "EOF"), "{scenario}");
    }
    println!("{} exchanges", exchanges.len());
}
