//! Each method of an engine reaches the engine within a layer.
#![cfg(all(feature = "trace", feature = "std"))]

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use virtnet::trace::Traced;
use virtnet::{
    Accept, Addr, AnyNotifier, Cause, Engine, LinkStatus, Notifier, Observer, RawEvent, Registry, RegistryError,
    Shutdown, Ticket,
};

/// An engine that does nothing but count the calls of its methods.
#[derive(Default)]
struct Idle(Mutex<BTreeMap<&'static str, u32>>);

impl Idle {
    fn count(&self, method: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(method).or_default() += 1;
    }

    /// The methods that were called.
    fn called(&self) -> BTreeSet<String> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.keys().map(|&name| name.to_owned()).collect()
    }
}

impl Engine for Idle {
    type Link = u8;
    type Data = ();

    fn start<N: Notifier<Link = u8> + 'static>(&self, notifier: impl FnOnce() -> N) {
        self.count("start");
        let (net, addr) = (AnyNotifier::new(notifier()), "b:1".parse().expect("an address"));
        assert_eq!(now(net.connect(&addr, &addr, 1)), Ok(addr));
        assert_eq!(now(net.accept(&addr, &addr, 1)).map(|accept| accept.local_addr().port()), Ok(1));
        now(net.accept(&addr, &addr, 1)).expect("the core accepts").refuse();
        assert_eq!(now(net.accept(&addr, &addr, 1)).expect("the core accepts").acknowledge(), Ok(()));
        now(net.down(Cause::NetworkDown));
    }

    async fn new_host<R: Registry<Data = ()>>(&self, _: &str, _: &R) -> Result<(), Cause> {
        self.count("new_host");
        Ok(())
    }

    async fn dial<N: Notifier<Link = u8>>(&self, src: &Addr, dst: &Addr, (): (), net: &N) -> Result<(u8, Addr), Cause> {
        self.count("dial");
        net.down(Cause::NetworkDown).await;
        net.accept(src, dst, 2).await?.acknowledge()?;
        net.accept(src, dst, 2).await?.refuse();
        let peer = net.connect(src, dst, 1).await?;
        Ok((0, peer))
    }

    fn poll_read(&self, _: &u8, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<usize, Cause>> {
        self.count("poll_read");
        Poll::Ready(Ok(1))
    }

    fn poll_peek(&self, _: &u8, _: &mut Context<'_>, _: &mut [u8]) -> Poll<Result<usize, Cause>> {
        self.count("poll_peek");
        Poll::Ready(Ok(1))
    }

    fn poll_write(&self, _: &u8, _: &mut Context<'_>, _: &[u8]) -> Poll<Result<usize, Cause>> {
        self.count("poll_write");
        Poll::Ready(Ok(1))
    }

    fn is_rendezvous(&self) -> bool {
        self.count("is_rendezvous");
        true
    }

    fn poll_writable(&self, _: &u8, _: &mut Context<'_>) -> Poll<()> {
        self.count("poll_writable");
        Poll::Ready(())
    }

    fn poll_flush(&self, _: &u8, _: &mut Context<'_>) -> Poll<Result<(), Cause>> {
        self.count("poll_flush");
        Poll::Ready(Ok(()))
    }

    fn cancel_read(&self, _: &u8, _: &Waker) {
        self.count("cancel_read");
    }

    fn cancel_write(&self, _: &u8, _: &Waker) {
        self.count("cancel_write");
    }

    fn withdraw_write(&self, _: &u8, _: &Waker) -> usize {
        self.count("withdraw_write");
        3
    }

    fn status(&self, _: &u8) -> LinkStatus {
        self.count("status");
        let mut status = LinkStatus::default();
        status.to_read = 4;
        status
    }

    fn number(&self, _: &u8) -> u64 {
        self.count("number");
        5
    }

    fn watch(&self, _: &u8, _: &Waker) {
        self.count("watch");
    }

    fn attend(&self, _: &mut Context<'_>) {
        self.count("attend");
    }

    fn answer(&self, _: &u8, accepted: bool) {
        self.count(if accepted { "answer" } else { "refusal" });
    }

    fn shutdown(&self, _: &u8, how: Shutdown) -> bool {
        self.count("shutdown");
        how == Shutdown::Abort
    }

    fn release(&self, _: &u8) {
        self.count("release");
    }

    fn power(&self, _: &str, _: bool) -> bool {
        self.count("power");
        true
    }

    async fn close(&self) -> Result<(), Cause> {
        self.count("close");
        Err(Cause::WouldBlock)
    }
}

/// A core that accepts each connection, and counts how it was asked.
struct Core<L>(Mutex<Vec<&'static str>>, std::marker::PhantomData<fn(L)>);

impl<L> Core<L> {
    fn called(&self, how: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(how);
    }
}

impl<L: Clone + Send + Sync> Notifier for &Core<L> {
    type Link = L;
    type Accept = Accepted;

    async fn accept(&self, _: &Addr, _: &Addr, _: L) -> Result<Accepted, Cause> {
        self.called("accept");
        Ok(Accepted)
    }

    async fn connect(&self, _: &Addr, dst: &Addr, _: L) -> Result<Addr, Cause> {
        self.called("connect");
        Ok(*dst)
    }

    async fn down(&self, _: Cause) {
        self.called("down");
    }
}

struct Accepted;

impl Accept for Accepted {
    fn local_addr(&self) -> Addr {
        "a:1".parse().expect("an address")
    }

    fn acknowledge(self) -> Result<(), Cause> {
        Ok(())
    }

    fn refuse(self) {}
}

struct NoHosts;

impl Registry for NoHosts {
    type Data = ();

    async fn announce(&self, _: &str, (): ()) -> Result<(), RegistryError> {
        Ok(())
    }

    async fn query(&self, _: &str) -> Result<(), RegistryError> {
        Ok(())
    }

    async fn close(&self) -> Result<(), Cause> {
        Ok(())
    }
}

/// An observer that keeps nothing.
#[derive(Clone)]
struct Blind;

impl Observer for Blind {
    fn ticket(&self) -> Ticket {
        Ticket::NONE
    }

    fn void(&self, _: Ticket) {}

    fn record(&self, _: Ticket, _: &RawEvent<'_>) {}
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("nothing here waits"),
    }
}

/// Calls each method of an engine once, and checks that what the engine within answered comes back.
fn call_each<E: Engine<Data = (), Link: 'static> + 'static>(engine: &E) {
    let (a, b): (Addr, Addr) = ("a:1".parse().expect("an address"), "b:1".parse().expect("an address"));
    let core = Core(Mutex::default(), std::marker::PhantomData);
    assert_eq!(now(engine.new_host("a", &NoHosts)), Ok(()));
    let (link, peer) = now(engine.dial(&a, &b, (), &&core)).expect("the core accepts");
    assert_eq!(peer, b);
    assert_eq!(*core.0.lock().unwrap(), ["down", "accept", "accept", "connect"]);
    let cx = &mut Context::from_waker(Waker::noop());
    assert_eq!(engine.poll_read(&link, cx, &mut [0; 2]), Poll::Ready(Ok(1)));
    assert_eq!(engine.poll_peek(&link, cx, &mut [0; 2]), Poll::Ready(Ok(1)));
    assert_eq!(engine.poll_write(&link, cx, b"xy"), Poll::Ready(Ok(1)));
    assert!(engine.is_rendezvous());
    assert_eq!(engine.poll_writable(&link, cx), Poll::Ready(()));
    assert_eq!(engine.poll_flush(&link, cx), Poll::Ready(Ok(())));
    engine.cancel_read(&link, Waker::noop());
    engine.cancel_write(&link, Waker::noop());
    assert_eq!(engine.withdraw_write(&link, Waker::noop()), 3);
    assert_eq!(engine.status(&link).to_read, 4);
    assert_eq!(engine.number(&link), 5);
    engine.watch(&link, Waker::noop());
    engine.attend(cx);
    engine.answer(&link, true);
    assert!(!engine.shutdown(&link, Shutdown::Close));
    assert!(engine.shutdown(&link, Shutdown::Abort));
    engine.release(&link);
    assert!(engine.power("a", false));
    assert_eq!(now(engine.close()), Err(Cause::WouldBlock));
}

/// Starts an engine, and checks that what it hands over in the background reaches the core.
fn start<E: Engine<Data = (), Link: 'static> + 'static>(engine: &E) {
    let outside: &'static Core<E::Link> = Box::leak(Box::new(Core(Mutex::default(), std::marker::PhantomData)));
    engine.start(|| outside);
    assert_eq!(*outside.0.lock().unwrap(), ["connect", "accept", "accept", "accept", "down"]);
}

/// The methods of `Engine`, as its source lists them, without those that a layer answers itself.
fn methods() -> BTreeSet<String> {
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/contract/engine.rs")).unwrap();
    let body = source.split("pub trait Engine").nth(1).and_then(|rest| rest.split("\n}\n").next()).expect("the trait");
    let named = body.split("\n    fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
    let own = [
        "clock",
        "delay_io",
        "fast_io",
        "ticket",
        "observe",
        "holds",
        "poll_pass",
        "cancel_pass",
        "hold_thread",
        "attach",
    ];
    named.filter(|name| !own.contains(name)).map(String::from).collect()
}

#[test]
fn a_traced_engine_forgets_no_method_of_the_one_within() {
    let engine = Traced::new(Idle::default(), Blind);
    start(&engine);
    call_each(&engine);
    assert_eq!(engine.inner().called(), methods());
}

#[cfg(feature = "sim")]
#[test]
fn an_engine_with_faults_forgets_no_method_of_the_one_within() {
    use virtnet::Layer as _;

    let engine = virtnet::sim::Faults::new().wrap(Idle::default());
    start(&engine);
    call_each(&engine);
    assert_eq!(engine.inner().called(), methods());
}

#[cfg(feature = "sim")]
#[test]
fn an_engine_with_fixed_faults_forgets_no_method_of_the_one_within() {
    use virtnet::clock::ManualClock;
    use virtnet::sim::{FixedFaults, FixedFaulty};

    static CLOCK: ManualClock = ManualClock::new();
    static FAULTS: FixedFaults<1> = FixedFaults::new(&CLOCK);
    let engine = FixedFaulty::new(Idle::default(), &FAULTS);
    call_each(&engine);
    let mut methods = methods();
    assert!(methods.remove("start"), "pipes of a fixed size hand nothing over in the background");
    assert_eq!(engine.inner().called(), methods);
}
