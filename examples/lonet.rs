//! A server and two clients in three processes. One of the clients is killed, and the server goes on.
//!
//! ```sh
//! cargo run --example lonet --features lonet
//! ```

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::time::Duration;
use std::{env, fs, thread};

use virtnet::lonet::{self, Child, Network, child_name};

fn main() -> Result<(), Box<dyn Error>> {
    match child_name() {
        None => server(),
        Some(name) => client(&lonet::join(&env::var(NETWORK)?).wait()?, &name),
    }
}

/// The first process: it makes a network with a name of its own, and starts the others.
fn server() -> Result<(), Box<dyn Error>> {
    let net = lonet::join("").wait()?;
    let listener = net.host("server").wait()?.listen(":1")?;
    let start = |name| Child::this_program(name, |command| _ = command.env(NETWORK, net.short_name()));
    let (mut anna, mut boris) = (start("anna")?, start("boris")?);

    // Each connection has a thread, which returns the number of lines that it answered.
    let accept =
        || listener.accept().wait_timeout(LIMIT).map(|conn| (conn.peer_addr(), thread::spawn(|| answer(conn))));
    let answered = [accept()?, accept()?];
    // One client says goodbye by itself. The other waits for ever: its end comes from the system.
    assert!(boris.wait()?.success());
    anna.kill()?;
    for (peer, lines) in answered {
        println!("{} sent {} lines", peer.host(), lines.join().expect("a thread that answers does not panic")?);
    }

    // The name of a killed process stays taken.
    let error = net.new_host("anna").wait().unwrap_err();
    println!("{error}");
    net.close().wait()?;
    fs::remove_dir_all(net.registry_path().parent().expect("a file is in a folder"))?;
    Ok(())
}

/// Answers each line, until there is none.
fn answer(mut conn: lonet::Conn) -> io::Result<usize> {
    let mut lines = 0;
    for line in BufReader::new(conn.try_clone()?).lines() {
        // A process that is killed may not have read its answer, or not all of it has been written.
        let Ok(line) = line else { break };
        lines += 1;
        if writeln!(conn, "{line}, {}", conn.peer_addr()).is_err() {
            break;
        }
    }
    Ok(lines)
}

/// Another process: a host that bears the process's name.
fn client(net: &Network, name: &str) -> Result<(), Box<dyn Error>> {
    let mut conn = net.host(name).wait()?.dial("server:1").wait_timeout(LIMIT)?;
    let mut answers = BufReader::new(conn.try_clone()?).lines();
    for word in ["hello", "hi", "bye"] {
        writeln!(conn, "{word}")?;
        let answer = answers.next().expect("the server answers each line")?;
        println!("{answer}");
        if name == "anna" {
            loop {
                thread::park();
            }
        }
    }
    Ok(())
}

/// The variable by which the clients know the network.
const NETWORK: &str = "NETWORK";
/// Long enough for everything.
const LIMIT: Duration = Duration::from_secs(20);
