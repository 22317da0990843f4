//! The operations that behaviours are made of.

use core::future::{Future, poll_fn};
use core::time::Duration;
use std::format;
use std::io;
use std::string::{String, ToString};
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use std::vec;
use std::vec::Vec;

use crate::error::Error;
use crate::net::conn::Conn;
use crate::net::host::Host;
use crate::net::listener::Listener;
use crate::net::net_ref::NetRef;

/// Listens at a free port.
#[track_caller]
pub(super) fn server<N: NetRef>(host: &Host<N>, addr: &str) -> Arc<Listener<N>> {
    Arc::new(host.listen(addr).expect("a free port"))
}

/// Accepts the next connection.
pub(super) fn accept<N: NetRef + 'static>(
    listener: &Arc<Listener<N>>,
) -> impl Future<Output = Result<Conn<N>, Error>> + Send + 'static {
    let listener = listener.clone();
    poll_fn(move |cx| listener.poll_accept(cx))
}

/// Reads at most `len` bytes, once.
pub(super) fn read<N: NetRef + 'static>(
    conn: &Arc<Conn<N>>,
    len: usize,
) -> impl Future<Output = Result<Vec<u8>, Error>> + Send + 'static {
    let conn = conn.clone();
    let mut buf = vec![0; len];
    poll_fn(move |cx| {
        conn.poll_read(cx, &mut buf).map_ok(|count| {
            buf.truncate(count);
            core::mem::take(&mut buf)
        })
    })
}

/// Writes once.
pub(super) fn write<N: NetRef + 'static>(
    conn: &Arc<Conn<N>>,
    bytes: &[u8],
) -> impl Future<Output = Result<usize, Error>> + Send + 'static {
    let (conn, bytes) = (conn.clone(), bytes.to_vec());
    poll_fn(move |cx| conn.poll_write(cx, &bytes))
}

/// Reads until there are `len` bytes or the stream ends.
pub(super) async fn read_all<N: NetRef + 'static>(conn: Arc<Conn<N>>, len: usize) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    while all.len() < len {
        match read(&conn, 4096.min(len - all.len())).await? {
            end if end.is_empty() => break,
            bytes => all.extend(bytes),
        }
    }
    Ok(all)
}

/// Writes until all `bytes` are written.
pub(super) async fn write_all<N: NetRef + 'static>(conn: Arc<Conn<N>>, mut bytes: Vec<u8>) -> Result<(), Error> {
    while !bytes.is_empty() {
        let count = write(&conn, &bytes).await?;
        bytes.drain(..count);
    }
    Ok(())
}

/// The text of an operation's error.
#[track_caller]
pub(super) fn text<T, E: ToString>(outcome: Result<T, E>) -> String {
    match outcome {
        Ok(_) => panic!("the operation did not fail"),
        Err(error) => error.to_string(),
    }
}

/// Polls for an effect of other threads that has no wake-up.
#[track_caller]
pub(super) fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "an expected effect did not happen in time");
        thread::yield_now();
    }
}

/// How long to poll for an effect that has no wake-up.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The text of the error of an operation on `conn`, with both ends in the direction of the bytes.
pub(super) fn failed<N: NetRef>(operation: &str, conn: &Conn<N>, cause: &str) -> String {
    let (local, peer) = (conn.local_addr(), conn.peer_addr());
    match operation {
        "read" => format!("read {} {peer}->{local}: {cause}", local.network_name()),
        _ => format!("{operation} {} {local}->{peer}: {cause}", local.network_name()),
    }
}

/// The kind of a read or write timeout, which is that of the platform's TCP.
pub(super) fn timed_out() -> io::ErrorKind {
    if cfg!(windows) { io::ErrorKind::TimedOut } else { io::ErrorKind::WouldBlock }
}

/// Long enough for an operation to start waiting.
pub(super) const SHORT: Duration = Duration::from_millis(2);
/// Long enough for everything else.
pub(super) const LONG: Duration = Duration::from_millis(300);
