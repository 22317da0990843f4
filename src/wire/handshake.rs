//! The handshake, at both ends.
//!
//! The listening side reads a request, checks it, and has it queued at the listener. It answers when an accept has claimed
//! the request, and not before. Until then the connection waits in the queue by a link without a socket, which the core
//! may close: the socket is still here for the line that says why.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Instant;

use crate::addr::name::{ErrorText, HostName, NetworkName};
use crate::addr::{Addr, split};
use crate::contract::notifier::{Accept as _, Notifier};
use crate::error::cause::{Cause, Resource};
use crate::wire::line::{Reply, Request};
use crate::wire::link::{Link, Stream as _};
use crate::wire::listening::{Listening, SocketLink};
use crate::wire::own::Source as _;
use crate::wire::room::Place;
use crate::wire::socket::Socket;

/// Serves a connection that the system has accepted.
pub(crate) async fn serve(
    listening: &Arc<Listening>,
    notifier: &impl Notifier<Link = SocketLink>,
    socket: Arc<Socket>,
    place: Place,
) {
    let network = &*listening.network;
    let refused = match read_request(listening, &socket, place).await {
        Some(Ok((src, dst))) => match hand_over(notifier, &src, &dst, &socket, network).await {
            // It is not made yet, so nothing listens there.
            Some(cause) if cause == no_such_host(&dst) && listening.has(&dst.host) => REFUSED.into(),
            Some(cause) => cause,
            None => return,
        },
        Some(Err(refused)) => refused,
        None => return,
    };
    let answer = socket.write_all(&Reply::refused(network, &refused)).await;
    if answer.is_ok() {
        socket.finish();
    }
}

/// Reads the request and checks it. `None` if no answer is due.
async fn read_request(
    listening: &Listening,
    socket: &Arc<Socket>,
    _place: Place,
) -> Option<Result<(Addr, Addr), Vec<u8>>> {
    let shared = &listening.common.shared;
    let mut reading = pin!(socket.read_line());
    let read = poll_fn(|cx| {
        if socket.ready().is_cut() {
            return Poll::Ready(None);
        }
        reading.as_mut().poll(cx).map(Some)
    });
    let line = shared.until(Instant::now() + LINE_TIME, read).await.flatten();
    match line {
        Some(Ok(line)) => Some(check(&line, &listening.network)),
        Some(Err(_)) => None,
        None if listening.is_closed() => Some(Err(REFUSED.into())),
        None => None,
    }
}

/// Both addresses of a request, or the error to answer with.
fn check(line: &[u8], network: &NetworkName) -> Result<(Addr, Addr), Vec<u8>> {
    let request = Request::parse(line).ok_or("protocol error: invalid dial request")?;
    if request.network != network.as_bytes() {
        return Err("protocol error: network mismatch".into());
    }
    let src = str::from_utf8(&request.src).ok().and_then(|text| text.parse::<Addr>().ok());
    let src = src.ok_or("protocol error: src address invalid")?;
    Ok((Addr { network: *network, ..src }, destination(&request.dst, network)?))
}

/// The address that is dialled. A host that cannot be here does not exist, and at a port that cannot be here, nothing
/// listens.
fn destination(text: &[u8], network: &NetworkName) -> Result<Addr, Vec<u8>> {
    let whole = str::from_utf8(text).ok();
    if let Some(Ok(addr)) = whole.map(str::parse::<Addr>) {
        return Ok(Addr { network: *network, ..addr });
    }
    // What bytes there are that are no UTF-8 does not matter to where the parts are.
    let lossy = alloc::string::String::from_utf8_lossy(text);
    let (host, port) = split(&lossy).map_err(|_| "protocol error: dst address invalid")?;
    let digits = port.strip_prefix('+').unwrap_or(port);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) || digits.parse::<i64>().is_err() {
        return Err("protocol error: dst address invalid".into());
    }
    match whole.and(HostName::valid(host, "")) {
        // The port is too large. Port 0 never has a listener.
        Some(host) => Ok(Addr { network: *network, host, port: 0 }),
        None => Err([b"address ", text, b": no such host"].concat()),
    }
}

/// Has a request queued at its listener, and answers it when it is claimed. Returns the error to answer with, if there is
/// one.
async fn hand_over(
    notifier: &impl Notifier<Link = SocketLink>,
    src: &Addr,
    dst: &Addr,
    socket: &Arc<Socket>,
    network: &str,
) -> Option<Vec<u8>> {
    let link = Link::vacant(socket.ready().clone());
    let mut accepting = pin!(notifier.accept(src, dst, SocketLink(link.clone())));
    let mut is_first = true;
    let accepted = poll_fn(|cx| match accepting.as_mut().poll(cx) {
        Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
        // A task that waits for it may take it at once.
        Poll::Pending if core::mem::take(&mut is_first) => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        // Its dialler has given up.
        Poll::Pending => socket.poll_gone(cx).map(|()| None),
    });
    let accepted = accepted.await?;
    // This task does not wait for the socket any more.
    socket.ready().read.change();
    let accept = match accepted {
        Ok(accept) => accept,
        Err(cause) => return Some(answer(&cause)),
    };
    if link.install(socket.clone()).is_err() {
        return Some(REFUSED.into());
    }
    let reply = Reply::connected(network, &accept.local_addr().to_string());
    match socket.write_all(&reply).await {
        // If the listener has been closed, so is the connection.
        Ok(()) => drop(accept.acknowledge()),
        Err(_) => accept.refuse(),
    }
    None
}

/// The error with which a dial to a host is answered that the subnetwork does not have.
fn no_such_host(dst: &Addr) -> Vec<u8> {
    [b"address ", dst.to_string().as_bytes(), b": no such host"].concat()
}

/// The error with which a dial is answered that is refused for this cause.
fn answer(cause: &Cause) -> Vec<u8> {
    match cause {
        Cause::NetworkDown | Cause::HostDown | Cause::SocketDown => REFUSED.into(),
        cause => cause.to_string().into_bytes(),
    }
}

/// The address of the accepted connection, if the reply to a dial says that there is one.
pub(crate) fn accepted(line: &[u8], network: &str, dst: &Addr) -> Result<Addr, Refusal> {
    let invalid = || {
        Refusal::Protocol(ErrorText::display(&format_args!("protocol error: invalid dial reply: {:?}", Lossy(line))))
    };
    let reply = Reply::parse(line).ok_or_else(invalid)?;
    match &*reply.verb {
        b"E" => Err(known(&reply.text, dst).map_or(Refusal::Peer(reply.text), Refusal::Known)),
        b"connected" => connected(&reply, network, dst).map_err(Refusal::Protocol),
        verb => Err(Refusal::Protocol(ErrorText::display(&format_args!(
            "protocol error: invalid reply verb: {:?}",
            Lossy(verb)
        )))),
    }
}

fn connected(reply: &Reply, network: &str, dst: &Addr) -> Result<Addr, ErrorText> {
    let error = |text: fmt::Arguments<'_>| ErrorText::display(&format_args!("protocol error: connected, but {text}"));
    if reply.network != network.as_bytes() {
        return Err(error(format_args!("network mismatch: {:?}", Lossy(&reply.network))));
    }
    let addr = str::from_utf8(&reply.text).ok().map(str::parse::<Addr>);
    let Some(Ok(addr)) = addr else {
        return Err(error(format_args!("accept address invalid: {:?}", Lossy(&reply.text))));
    };
    if addr.host != dst.host {
        return Err(error(format_args!("accept address is for different host: {:?}", addr.host())));
    }
    Ok(Addr { network: dst.network, ..addr })
}

/// The cause that prints this text.
fn known(text: &[u8], dst: &Addr) -> Option<Cause> {
    let text = str::from_utf8(text).ok()?;
    let number = text.strip_suffix(')').and_then(|text| text.rsplit_once('(')?.1.parse().ok()).unwrap_or(0);
    let ports = u16::try_from(number).unwrap_or(0);
    let causes = [
        Cause::ConnectionRefused,
        Cause::AddrInUse,
        Cause::Full(Resource::Backlog, number),
        Cause::Full(Resource::Ports, number),
        Cause::PeerFull(dst.host().into(), ports),
    ];
    causes.into_iter().find(|cause| cause.to_string() == text)
}

/// Why a reply makes no connection.
pub(crate) enum Refusal {
    /// An error of this crate's own.
    Known(Cause),
    /// Another error that the peer has told.
    Peer(Vec<u8>),
    Protocol(ErrorText),
}

/// Why a dial failed.
pub(crate) struct Failure(Cause);

impl Failure {
    /// The system's failure.
    pub(crate) fn of(at: SocketAddr, error: &io::Error) -> Self {
        match error.kind() {
            // A listener that is closed resets the connections that wait in its queue.
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                Self(Cause::ConnectionRefused)
            }
            ErrorKind::UnexpectedEof => Self::text(format_args!("loconnect {at}: unexpected EOF")),
            _ => Self::text(format_args!("loconnect {at}: {error}")),
        }
    }

    pub(crate) fn refused(at: SocketAddr, refusal: Refusal) -> Self {
        match refusal {
            Refusal::Known(cause) => Self(cause),
            Refusal::Peer(text) => Self::text(format_args!("loconnect {at}: {}", Lossy(&text))),
            Refusal::Protocol(text) => Self::text(format_args!("loconnect {at}: {text}")),
        }
    }

    pub(crate) fn text(text: fmt::Arguments<'_>) -> Self {
        Self(Cause::backend(&text))
    }

    pub(crate) fn into_cause(self) -> Cause {
        self.0
    }
}

/// Bytes of another process in a text.
struct Lossy<'a>(&'a [u8]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.utf8_chunks().try_for_each(|chunk| {
            f.write_str(chunk.valid())?;
            if chunk.invalid().is_empty() { Ok(()) } else { f.write_str("\u{fffd}") }
        })
    }
}

impl fmt::Debug for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*alloc::string::String::from_utf8_lossy(self.0), f)
    }
}

/// The error that every implementation takes for a refused connection.
const REFUSED: &str = "connection refused";
/// How long a request may take to come.
const LINE_TIME: Duration = Duration::from_secs(5);
