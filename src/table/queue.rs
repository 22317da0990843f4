//! How a request becomes a connection: the queue of a listener, one lock step at a time.
//!
//! ```text
//!  enqueue ──┬─> Direct ──────────────── next_delivery ───────────────────────┬─> State::Connected
//!            └─> Queued ── next_delivery ──> Claimed ── acknowledge ──> Ready ┘   (a later next_delivery)
//!
//!  out of the queue:  Refused   the listener or its host is closed (refuse_next)
//!                     NoPort    the host has no free port left for the connection (next_delivery)
//!                     removed   the backend dropped the request before it was Ready (drop_request)
//! ```
//!
//! A request waits as `Direct` if the backend needs no say, and as `Queued` if it does: an engine that reaches another
//! process first asks its peer whether the dial still stands. A claimed request stays in its place in the queue, and
//! those behind it may overtake it. **There is at most one claim for each task that waits to accept**, so that a
//! request which a backend is slow to acknowledge takes no connection from others, and none is claimed that no task
//! waits for. Each step that may let another task get further returns its wakers; the caller wakes them when the lock
//! is free.

use core::task::Waker;

use super::{Bind, MaybeBoxed, NIL, Peer, PortHold, Ports, Queue, Request, RequestPhase, State, U24};
use crate::error::cause::{Cause, Resource};
use crate::wait::waker::Wakers;

impl<W: Default> Queue<W> {
    pub(crate) fn new() -> Self {
        Self { head: U24::NIL, tail: U24::NIL, len: U24::ZERO, claimed: U24::ZERO, acceptors: W::default() }
    }
}

/// Appends a request to the queue of the listener at `port`, and takes `link` for it. Returns its slot, and the tasks
/// that wait to accept. `peer` is called once there is room. In a network that shares ports, the request holds the
/// listener's port, and so its pair of addresses, from this step on.
#[cfg_attr(feature = "std", inline)]
pub(crate) fn enqueue<P: Ports<Wakers: Wakers>>(
    ports: &mut P,
    port: u16,
    (backlog, share_port): (u32, bool),
    peer: impl FnOnce(&mut P) -> Result<Peer, Cause>,
    link: &mut Option<P::Link>,
    phase: RequestPhase,
) -> Result<(u32, P::Wakers), Cause> {
    if !ports.is_open() || port == 0 {
        return Err(Cause::ConnectionRefused);
    }
    let listener = ports.listener(port).ok_or(Cause::ConnectionRefused)?;
    let tail = queue(ports, listener).map_or(NIL, |queue| queue.tail.get());
    if queue(ports, listener).is_some_and(|queue| queue.len.get() >= backlog) {
        return Err(Cause::Full(Resource::Backlog, backlog));
    }
    let slot = ports.insert(Bind::None, State::Closed)?;
    let peer = peer(ports).and_then(|peer| {
        if share_port {
            ports.bind(slot, Bind::Shared(port, peer))?;
        }
        Ok(peer)
    });
    let peer = peer.inspect_err(|_| {
        ports.remove(slot);
    })?;
    if let Some(socket) = ports.socket(slot)
        && let Some(link) = link.take()
    {
        (socket.handles, socket.awaited, socket.peer) = (0, true, peer);
        let backend = P::Wakers::default();
        let [listener, prev, next] = [listener, tail, NIL].map(U24::new);
        socket.state = State::Request(Request { listener, prev, next, link, backend, phase }.into());
    }
    if let Some(last) = request_at(ports, tail) {
        last.next = U24::new(slot);
    }
    let acceptors = queue(ports, listener).map(|queue| {
        queue.tail = U24::new(slot);
        queue.len = U24::new(queue.len.get() + 1);
        if tail == NIL {
            queue.head = U24::new(slot);
        }
        queue.acceptors.take()
    });
    Ok((slot, acceptors.unwrap_or_default()))
}

/// The state of a socket of `P`.
type StateOf<P> = State<<P as Ports>::Link, <P as Ports>::Wakers>;

/// The outcome of one look into a listener's queue.
pub(crate) enum Delivery<L, W> {
    /// The slot of a new connection, its link, and its backend's task, which the caller wakes.
    Connection(u32, L, W),
    /// A request was claimed, or failed because no port was free: its slot, and its backend's task, which the caller
    /// wakes to try again.
    Progress(u32, W),
    /// No request is ready.
    Nothing,
    /// The listener is closed.
    Closed,
}

/// Turns the first request that is ready into a connection, or claims the first that may be claimed. `waker` is that of
/// the task that accepts.
#[cfg_attr(feature = "std", inline)]
pub(crate) fn next_delivery<P: Ports<Link: Clone, Wakers: Wakers>>(
    ports: &mut P,
    listener: u32,
    share_port: bool,
    waker: &Waker,
) -> Delivery<P::Link, P::Wakers> {
    if !ports.is_open() {
        return Delivery::Closed;
    }
    // A listener that is being closed no longer holds its port.
    if ports.socket(listener).is_none_or(|socket| socket.hold == PortHold::None) {
        return Delivery::Closed;
    }
    // In a network that shares ports, the request already holds one.
    let bind = |ports: &mut P, slot| if share_port { Ok(()) } else { ports.bind(slot, Bind::Lowest) };
    let Some(queue) = queue(ports, listener) else { return Delivery::Closed };
    // One claim for each task that waits to accept: this one, and the others.
    let others = queue.acceptors.count() - usize::from(queue.acceptors.contains(waker));
    let may_claim = queue.claimed.get() as usize <= others;
    let mut slot = queue.head.get();
    while let Some(request) = request_at(ports, slot) {
        let next = request.next.get();
        match request.phase {
            RequestPhase::Ready => return connect(ports, slot),
            RequestPhase::Direct => match bind(ports, slot) {
                Ok(()) => return connect(ports, slot),
                Err(cause) => return Delivery::Progress(slot, fail(ports, slot, cause)),
            },
            RequestPhase::Queued if may_claim => match bind(ports, slot) {
                Ok(()) => return Delivery::Progress(slot, claim(ports, slot)),
                Err(cause) => return Delivery::Progress(slot, fail(ports, slot, cause)),
            },
            _ => slot = next,
        }
    }
    Delivery::Nothing
}

/// Turns a request that holds a port into a connection.
#[cfg_attr(feature = "std", inline)]
fn connect<P: Ports<Link: Clone, Wakers: Wakers>>(ports: &mut P, slot: u32) -> Delivery<P::Link, P::Wakers> {
    unlink(ports, slot);
    let Some(socket) = ports.socket(slot) else { return Delivery::Nothing };
    socket.handles = 1;
    match core::mem::replace(&mut socket.state, State::Closed) {
        State::Request(request) => {
            let request = request.into_value();
            socket.state = State::Connected(request.link.clone());
            Delivery::Connection(slot, request.link, request.backend)
        }
        other => {
            socket.state = other;
            Delivery::Nothing
        }
    }
}

/// Claims a request that holds a port, so that its backend may acknowledge it. Returns the backend's task.
fn claim<P: Ports<Wakers: Wakers>>(ports: &mut P, slot: u32) -> P::Wakers {
    let Some(request) = request_at(ports, slot) else { return P::Wakers::default() };
    request.phase = RequestPhase::Claimed;
    let (listener, backend) = (request.listener.get(), request.backend.take());
    if let Some(queue) = queue(ports, listener) {
        queue.claimed = U24::new(queue.claimed.get() + 1);
    }
    backend
}

/// Removes a request from the queue and records the reason in its phase. Returns its backend's task.
fn fail<P: Ports<Wakers: Wakers>>(ports: &mut P, slot: u32, cause: Cause) -> P::Wakers {
    unlink(ports, slot);
    let Some(request) = request_at(ports, slot) else { return P::Wakers::default() };
    request.phase = match cause {
        Cause::Full(..) => RequestPhase::NoPort,
        _ => RequestPhase::Refused,
    };
    let backend = request.backend.take();
    ports.unbind(slot);
    backend
}

/// The link of the first request of a listener that is being closed.
pub(crate) fn first_link<P: Ports<Link: Clone>>(ports: &mut P, listener: u32) -> Option<P::Link> {
    let slot = queue(ports, listener)?.head.get();
    Some(request_at(ports, slot)?.link.clone())
}

/// The link of a request that has failed.
pub(crate) fn failed_link<P: Ports<Link: Clone>>(ports: &mut P, slot: u32) -> Option<P::Link> {
    let request = request_at(ports, slot)?;
    matches!(request.phase, RequestPhase::NoPort | RequestPhase::Refused).then(|| request.link.clone())
}

/// Removes the first request from the queue of a listener that is being closed. Returns the task to wake, and the state
/// of a request that its backend has already dropped.
pub(crate) fn refuse_next<P: Ports<Wakers: Wakers>>(
    ports: &mut P,
    listener: u32,
) -> Option<(P::Wakers, Option<StateOf<P>>)> {
    let slot = queue(ports, listener)?.head.get();
    request_at(ports, slot)?;
    if ports.socket(slot)?.awaited {
        return Some((fail(ports, slot, Cause::ConnectionRefused), None));
    }
    unlink(ports, slot);
    Some((P::Wakers::default(), ports.remove(slot)))
}

/// The backend drops its request, in any phase. Returns the state if nothing else refers to the socket, and the tasks
/// that wait to accept if another request may be claimed now.
#[cfg_attr(feature = "std", inline)]
pub(crate) fn drop_request<P: Ports<Wakers: Wakers>>(ports: &mut P, slot: u32) -> (Option<StateOf<P>>, P::Wakers) {
    let mut acceptors = P::Wakers::default();
    if let Some(request) = request_at(ports, slot) {
        let listener = request.listener.get();
        match request.phase {
            RequestPhase::Claimed => {
                unlink(ports, slot);
                acceptors = queue(ports, listener).map(|queue| queue.acceptors.take()).unwrap_or_default();
            }
            RequestPhase::Direct | RequestPhase::Queued => unlink(ports, slot),
            RequestPhase::Ready | RequestPhase::Refused | RequestPhase::NoPort => {}
        }
    }
    let Some(socket) = ports.socket(slot) else { return (None, acceptors) };
    socket.awaited = false;
    // An acknowledged request belongs to the queue.
    let queued = matches!(&socket.state, State::Request(request) if request.value().phase == RequestPhase::Ready);
    let gone = (socket.handles == 0 && !queued).then(|| ports.remove(slot)).flatten();
    (gone, acceptors)
}

/// Removes a request from its listener's queue.
fn unlink<P: Ports>(ports: &mut P, slot: u32) {
    let Some(request) = request_at(ports, slot) else { return };
    let (listener, prev, next, phase) = (request.listener.get(), request.prev, request.next, request.phase);
    if let Some(before) = request_at(ports, prev.get()) {
        before.next = next;
    }
    if let Some(after) = request_at(ports, next.get()) {
        after.prev = prev;
    }
    let Some(queue) = queue(ports, listener) else { return };
    queue.len = U24::new(queue.len.get() - 1);
    queue.claimed = U24::new(queue.claimed.get() - u32::from(phase == RequestPhase::Claimed));
    if prev.get() == NIL {
        queue.head = next;
    }
    if next.get() == NIL {
        queue.tail = prev;
    }
}

/// The queue of the listener in `slot`, if there is one.
#[cfg_attr(feature = "std", inline)]
pub(crate) fn queue<P: Ports>(ports: &mut P, slot: u32) -> Option<&mut Queue<P::Wakers>> {
    match &mut ports.socket(slot)?.state {
        State::Listener(queue) => Some(queue.value_mut()),
        _ => None,
    }
}

/// The request in `slot`, if there is one.
#[cfg_attr(feature = "std", inline)]
pub(crate) fn request_at<P: Ports>(ports: &mut P, slot: u32) -> Option<&mut Request<P::Link, P::Wakers>> {
    match &mut ports.socket(slot)?.state {
        State::Request(request) => Some(request.value_mut()),
        _ => None,
    }
}

/// Makes a claimed request ready to be accepted: it belongs to the queue from then on. Returns the tasks that wait to
/// accept.
pub(crate) fn acknowledge<P: Ports<Wakers: Wakers>>(ports: &mut P, slot: u32) -> Result<P::Wakers, Cause> {
    let request = request_at(ports, slot).filter(|request| request.phase == RequestPhase::Claimed);
    let request = request.ok_or(Cause::ConnectionRefused)?;
    request.phase = RequestPhase::Ready;
    let listener = request.listener.get();
    let queue = queue(ports, listener).ok_or(Cause::ConnectionRefused)?;
    queue.claimed = U24::new(queue.claimed.get() - 1);
    let acceptors = queue.acceptors.take();
    ports.socket(slot).into_iter().for_each(|socket| socket.awaited = false);
    Ok(acceptors)
}
