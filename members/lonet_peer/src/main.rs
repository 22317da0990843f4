//! A peer in networks of several processes that another program drives, to test implementations against each other.
//!
//! It reads one JSON object a line from stdin, as `{"id": 1, "op": "dial", "a": ["β", "α:10", "3000"]}`, and answers each
//! with one line on stdout, as `{"id": 1, "ok": "c1 β:1<-α:1"}` or `{"id": 1, "err": "…"}`, in any order: every request
//! runs on a thread of its own. Strings are bytes, one character U+0000 to U+00FF each. Times are milliseconds, absent or
//! 0 for no limit. At the end of stdin it exits without closing anything, as a killed process would.
//!
//! | op | arguments | ok |
//! |---|---|---|
//! | `join` | key, network name, time | full network name |
//! | `host` | key, host name, time | host name |
//! | `listen` | host name, address | the listener's address |
//! | `accept` | listener's address, time | `cN LOCAL<-REMOTE`, N counts from 1 |
//! | `dial` | host name, address, time | `cN LOCAL<-REMOTE` |
//! | `write` | cN, bytes | count |
//! | `read` | cN | the bytes of one read, `EOF` at the end |
//! | `cclose`, `halfclose`, `abort` | cN | empty |
//! | `lclose` | listener's address | empty |
//! | `hclose` | host name | empty |
//! | `autoclose`, `close` | key | empty |
//! | `exit` | – | none: it ends at once |

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, Read, Write};
use std::process::exit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use virtnet::lonet::{self, Conn, Host, Listener, Network};

/// What requests have made, by the names that later requests have for it.
#[derive(Default)]
struct Made {
    networks: BTreeMap<String, Network>,
    hosts: BTreeMap<String, Host>,
    listeners: BTreeMap<String, Arc<Listener>>,
    conns: Vec<Arc<Conn>>,
}

type Answer = Result<String, Box<dyn Error>>;

fn main() -> io::Result<()> {
    let made = Arc::new(Mutex::new(Made::default()));
    for line in io::stdin().lock().lines() {
        let line = line?;
        let made = made.clone();
        thread::spawn(move || println!("{}", answer(&made, &line)));
    }
    exit(0)
}

/// The line that answers a request.
fn answer(made: &Mutex<Made>, line: &str) -> Value {
    let request: Value = match serde_json::from_str(line) {
        Ok(request) => request,
        Err(error) => return json!({"err": error.to_string()}),
    };
    let args: Vec<&str> =
        request["a"].as_array().into_iter().flatten().map(|arg| arg.as_str().unwrap_or_default()).collect();
    let op = request["op"].as_str().unwrap_or_default();
    match run(made, op, &args) {
        Ok(ok) => json!({"id": request["id"], "ok": ok}),
        Err(error) => json!({"id": request["id"], "err": shown(error.to_string().as_bytes())}),
    }
}

fn run(made: &Mutex<Made>, op: &str, args: &[&str]) -> Answer {
    let arg = |at: usize| args.get(at).copied().unwrap_or_default();
    let first = text(arg(0))?;
    let nothing = Ok(String::new());
    match op {
        "join" => {
            let join = lonet::join(&text(arg(1))?);
            let net = match time(arg(2))? {
                Some(time) => join.wait_timeout(time),
                None => join.wait(),
            }?;
            let name = shown(net.network_name().as_bytes());
            lock(made).networks.insert(first, net);
            Ok(name)
        }
        "host" => {
            let (net, name) = (network(made, &first)?, text(arg(1))?);
            let host = match time(arg(2))? {
                Some(time) => net.new_host(&name).wait_timeout(time),
                None => net.new_host(&name).wait(),
            }?;
            lock(made).hosts.insert(name, host);
            Ok(arg(1).into())
        }
        "listen" => {
            let listener = host(made, &first)?.listen(text(arg(1))?)?;
            let addr = listener.local_addr().to_string();
            lock(made).listeners.insert(addr.clone(), Arc::new(listener));
            Ok(shown(addr.as_bytes()))
        }
        "accept" => {
            let listener = listener(made, &first)?;
            let conn = match time(arg(1))? {
                Some(time) => listener.accept().wait_timeout(time),
                None => listener.accept().wait(),
            }?;
            Ok(keep(made, conn))
        }
        "dial" => {
            let (host, addr) = (host(made, &first)?, text(arg(1))?);
            let conn = match time(arg(2))? {
                Some(time) => host.dial(addr).wait_timeout(time),
                None => host.dial(addr).wait(),
            }?;
            Ok(keep(made, conn))
        }
        "write" => {
            let bytes = bytes(arg(1))?;
            (&*conn(made, &first)?).write_all(&bytes)?;
            Ok(bytes.len().to_string())
        }
        "read" => {
            let mut buf = [0; 65_536];
            match (&*conn(made, &first)?).read(&mut buf)? {
                0 => Ok("EOF".into()),
                count => Ok(shown(&buf[..count])),
            }
        }
        "cclose" => {
            conn(made, &first)?.close();
            nothing
        }
        "halfclose" => {
            conn(made, &first)?.close_write()?;
            nothing
        }
        "abort" => {
            conn(made, &first)?.abort();
            nothing
        }
        "lclose" => {
            listener(made, &first)?.close();
            nothing
        }
        "hclose" => {
            host(made, &first)?.close().wait()?;
            nothing
        }
        "autoclose" => {
            network(made, &first)?.auto_close()?;
            nothing
        }
        "close" => {
            network(made, &first)?.close().wait()?;
            nothing
        }
        "exit" => exit(0),
        _ => Err("unknown op".into()),
    }
}

/// Keeps a connection, and returns its name and its ends.
fn keep(made: &Mutex<Made>, conn: Conn) -> String {
    let ends = format!("{}<-{}", conn.local_addr(), conn.peer_addr());
    let mut made = lock(made);
    made.conns.push(Arc::new(conn));
    format!("c{} {}", made.conns.len(), shown(ends.as_bytes()))
}

fn network(made: &Mutex<Made>, key: &str) -> Result<Network, Box<dyn Error>> {
    Ok(lock(made).networks.get(key).ok_or("unknown network")?.clone())
}

fn host(made: &Mutex<Made>, name: &str) -> Result<Host, Box<dyn Error>> {
    Ok(lock(made).hosts.get(name).ok_or("unknown host")?.clone())
}

fn listener(made: &Mutex<Made>, addr: &str) -> Result<Arc<Listener>, Box<dyn Error>> {
    Ok(lock(made).listeners.get(addr).ok_or("unknown listener")?.clone())
}

fn conn(made: &Mutex<Made>, name: &str) -> Result<Arc<Conn>, Box<dyn Error>> {
    let number = name.strip_prefix('c').and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
    Ok(number.and_then(|at| lock(made).conns.get(at).cloned()).ok_or("unknown connection")?)
}

fn lock(made: &Mutex<Made>) -> MutexGuard<'_, Made> {
    made.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A time limit, if there is one.
fn time(text: &str) -> Result<Option<Duration>, Box<dyn Error>> {
    let time = if text.is_empty() { 0 } else { text.parse()? };
    Ok((time > 0).then(|| Duration::from_millis(time)))
}

/// The bytes of an argument.
fn bytes(arg: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    arg.chars().map(|character| u8::try_from(u32::from(character)).map_err(Into::into)).collect()
}

/// An argument that is a text. Names and addresses here are UTF-8.
fn text(arg: &str) -> Result<String, Box<dyn Error>> {
    Ok(String::from_utf8(bytes(arg)?)?)
}

/// Bytes as one character each.
fn shown(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
