//! The fixtures of the tests: networks of either kind, connections, wakers.

use std::fmt::Display;
use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{RawWaker, RawWakerVTable, Wake, Waker};
use std::thread;
use std::time::Duration;

use virtnet::{Conn, Host, Listener, NetRef, NetRefExt as _, pipenet};

/// A growable network.
pub(crate) fn heap() -> pipenet::NetHandle {
    pipenet::Network::new("t").subnetwork().clone()
}

/// A growable rendezvous network, whose writes are done when they were read.
pub(crate) fn heap_rendezvous() -> pipenet::NetHandle {
    let net = pipenet::Network::builder("t").rendezvous(true).build();
    net.expect("valid options").subnetwork().clone()
}

/// A fixed-size network that lives as long as the process.
pub(crate) type Fixed = &'static pipenet::fixed::Network<'static>;

/// A network of three hosts, 12 sockets, four connections and buffers of 64 bytes.
pub(crate) fn fixed() -> Fixed {
    let memory = Box::leak(Box::new(pipenet::fixed::Memory::<3, 12, 4, 64>::new()));
    Box::leak(Box::new(pipenet::fixed::Network::new("t", memory)))
}

/// A fixed-size rendezvous network, whose writes are done when they were read.
pub(crate) fn fixed_rendezvous() -> Fixed {
    let memory = Box::leak(Box::new(pipenet::fixed::Memory::<3, 12, 4, 64>::new()));
    Box::leak(Box::new(pipenet::fixed::Network::new("t", memory).rendezvous(true)))
}

/// Two hosts, and a connection between them.
pub(crate) struct Pair<N: NetRef> {
    pub(crate) net: N,
    pub(crate) a: Host<N>,
    pub(crate) b: Host<N>,
    /// `a:1`.
    pub(crate) listener: Listener<N>,
    /// `b:1->a:2`.
    pub(crate) dialled: Conn<N>,
    /// `a:2->b:1`.
    pub(crate) accepted: Conn<N>,
}

pub(crate) fn pair<N: NetRef>(net: N) -> Pair<N> {
    let host = |name: &str| net.new_host(name).wait().expect("a new name");
    let (a, b) = (host("a"), host("b"));
    let listener = a.listen("").expect("a free port");
    let (dialled, accepted) = connect(&b, &listener);
    Pair { net, a, b, listener, dialled, accepted }
}

/// The dialled and the accepted end of a connection, made on one thread.
pub(crate) fn connect<N: NetRef>(from: &Host<N>, to: &Listener<N>) -> (Conn<N>, Conn<N>) {
    let mut dial = pin!(from.dial(to.local_addr()));
    assert!(dial.as_mut().try_wait().is_none());
    let accepted = to.try_accept().expect("a dial waits");
    (dial.try_wait().expect("it was accepted").expect("it was accepted"), accepted)
}

/// Asserts that two hosts work fully, and leaves nothing behind.
#[track_caller]
pub(crate) fn assert_unharmed<N: NetRef>(a: &Host<N>, b: &Host<N>) {
    let before = (a.sockets(), b.sockets());
    let listener = a.listen("").expect("a free port");
    let (dialled, accepted) = connect(b, &listener);
    assert_carries(&dialled, &accepted);
    assert_carries(&accepted, &dialled);
    drop((listener, dialled, accepted));
    assert_eq!((a.sockets(), b.sockets()), before);
}

/// Asserts that a byte arrives.
#[track_caller]
pub(crate) fn assert_carries<N: NetRef>(from: &Conn<N>, to: &Conn<N>) {
    let mut buf = [0; 4];
    let sent = from.try_write(b"x");
    assert_eq!(to.try_read(&mut buf).map(|count| buf[..count].to_vec()), Ok(b"x".to_vec()));
    if sent.is_err() {
        // In a rendezvous network, a write is done when it was read.
        assert_eq!(from.try_write(b"x"), Ok(1));
    }
}

/// The text of an error.
#[track_caller]
pub(crate) fn text<T, E: Display>(outcome: Result<T, E>) -> String {
    match outcome {
        Ok(_) => panic!("no failure"),
        Err(error) => error.to_string(),
    }
}

/// Runs code that may hang, under a time limit.
#[track_caller]
pub(crate) fn within_limit<T: Send + 'static>(test: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    thread::spawn(move || done.send(panic::catch_unwind(AssertUnwindSafe(test))));
    match outcome.recv_timeout(Duration::from_secs(8)) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => panic::resume_unwind(panic),
        Err(_) => panic!("it hangs"),
    }
}

/// A waker that counts its wakes.
pub(crate) struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Counting {
    pub(crate) fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

pub(crate) fn counting() -> (Arc<Counting>, Waker) {
    let count = Arc::new(Counting(AtomicUsize::new(0)));
    (count.clone(), Waker::from(count))
}

/// The events of a waker's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Clone,
    Wake,
    Drop,
}

/// A waker that calls `hook` at each of its events.
pub(crate) fn hooked(hook: impl Fn(Event) + Send + Sync + 'static) -> Waker {
    let hook: &'static Hook = Box::leak(Box::new(Hook(Box::new(hook))));
    let data = std::ptr::from_ref(hook).cast();
    // SAFETY: the data is a `Hook` that lives as long as the process, and may be used from any thread.
    #[allow(unsafe_code, reason = "nothing else makes a waker whose clone or drop does something")]
    unsafe {
        Waker::new(data, &VTABLE)
    }
}

struct Hook(Box<dyn Fn(Event) + Send + Sync>);

const VTABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        hook(data, Event::Clone);
        RawWaker::new(data, &VTABLE)
    },
    |data| hook(data, Event::Wake),
    |data| hook(data, Event::Wake),
    |data| hook(data, Event::Drop),
);

fn hook(data: *const (), event: Event) {
    // SAFETY: see `hooked`.
    #[allow(unsafe_code, reason = "see `hooked`")]
    let hook = unsafe { &*data.cast::<Hook>() };
    (hook.0)(event);
}

/// A waker that panics at one kind of event, once it is armed.
pub(crate) fn panicking(at: Event) -> (Waker, Arc<AtomicBool>) {
    let armed = Arc::new(AtomicBool::new(true));
    let waker = hooked({
        let armed = armed.clone();
        move |event| assert!(event != at || !armed.load(SeqCst), "a waker that panics at {event:?}")
    });
    (waker, armed)
}

/// Whether `f` panics.
pub(crate) fn panics(f: impl FnOnce()) -> bool {
    panic::catch_unwind(AssertUnwindSafe(f)).is_err()
}
