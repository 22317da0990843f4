//! The subnetwork's interface to a backend: connections are offered to it, claimed, and acknowledged or not.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use virtnet::{Accept as _, Cause, ClaimedRequest, NetRefExt as _, Notifier as _, Op};

use super::outsider::{End, Handle, Listener, Net, ends_of, within};
use super::{Two, addr, text};

/// Offers a connection from `src` to `dst`; the test keeps the near end.
async fn offer(
    net: Weak<Net>,
    src: &'static str,
    dst: &'static str,
    far: End,
) -> Result<ClaimedRequest<Handle>, Cause> {
    net.accept(&addr(src), &addr(dst), far).await
}

impl Two {
    /// Offers a connection to the left subnetwork; returns the offer and the near end.
    fn offer(&self, src: &'static str, dst: &'static str) -> (Offer, End) {
        let (near, far) = self.lab.wire();
        (Box::pin(Op::new(Box::pin(offer(Arc::downgrade(&self.left), src, dst, far)))), near)
    }

    /// A listener at `a:1` and an offer to it from `b:5` that was claimed, with the near end.
    fn claimed(&self) -> (Listener, ClaimedRequest<Handle>, End) {
        let listener = self.a.listen(":1").unwrap();
        let (mut offer, near) = self.offer("b:5", "a:1");
        assert!(offer.as_mut().try_wait().is_none());
        assert_eq!(text(listener.try_accept()), "accept lab a:1: would block");
        let incoming = offer.as_mut().try_wait().expect("it was claimed").unwrap();
        (listener, incoming, near)
    }
}

type Offer = Pin<Box<Op<Pin<Box<dyn Future<Output = Result<ClaimedRequest<Handle>, Cause>> + Send>>>>>;

/// The outcomes of a read and a write at the near end.
fn state(near: &End) -> (Outcome, Outcome) {
    let mut cx = Context::from_waker(Waker::noop());
    (near.poll_read(&mut cx, &mut [0]), near.poll_write(&mut cx, &[0]))
}

/// The outcomes of [`state`] when the far end is closed.
const GONE: (Outcome, Outcome) = (Poll::Ready(Ok(0)), Poll::Ready(Err(Cause::BrokenPipe)));

type Outcome = Poll<Result<usize, Cause>>;

#[test]
fn a_claimed_connection_has_its_port_reserved() {
    within(|| {
        let two = Two::new();
        let (listener, incoming, near) = two.claimed();
        assert_eq!(incoming.local_addr().to_string(), "a:2");
        assert_eq!(two.a.listen("").unwrap().local_addr().to_string(), "a:3");
        assert_eq!(text(two.a.listen(":2")), "listen lab a:2: address already in use");
        incoming.acknowledge().unwrap();
        let accepted = listener.try_accept().unwrap();
        assert_eq!(ends_of(&accepted), ("a:2".into(), "b:5".into()));
        assert_eq!(state(&near), (Poll::Pending, Poll::Ready(Ok(1))));
        assert_eq!(accepted.try_read(&mut [7, 7]).unwrap(), 1);
    });
}

#[test]
fn a_snapshot_shows_an_offers_state_and_nothing_unreported_by_its_engine() {
    within(|| {
        let two = Two::new();
        let rows = || two.left.snapshot().sockets().map(|row| row.to_string()).collect::<Vec<_>>();
        let listener = two.a.listen(":1").unwrap();
        let (mut offer, _near) = two.offer("b:5", "a:1");
        assert!(offer.as_mut().try_wait().is_none());
        let listening = "listening        1    4096  -                     a:1";
        assert_eq!(rows(), [listening, "queued           0       0  -                     a:1 <- b:5"]);

        assert_eq!(text(listener.try_accept()), "accept lab a:1: would block");
        let incoming = offer.as_mut().try_wait().expect("it was claimed").unwrap();
        let claimed = "queued           0       0  -                     a:2 <- b:5";
        assert_eq!(rows(), [listening, claimed]);
        incoming.acknowledge().unwrap();
        assert_eq!(rows(), [listening, claimed]);

        let _accepted = listener.try_accept().unwrap();
        let listening = "listening        0    4096  -                     a:1";
        assert_eq!(rows(), [listening, "connected        0       0  -                     a:2 <-> b:5"]);
        // The host of the other subnetwork is not listed here.
        assert_eq!(two.left.snapshot().hosts().map(|host| host.to_string()).collect::<Vec<_>>(), ["host a: open"]);
    });
}

#[test]
fn a_refused_connection_gives_its_port_back_and_accept_waits_on() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        let accepting = thread::spawn(move || listener.accept().wait().map(|conn| ends_of(&conn)));
        let (first, near) = two.offer("b:5", "a:1");
        Op::new(first).wait().unwrap().refuse();
        assert_eq!(state(&near), GONE);
        let (second, near) = two.offer("b:6", "a:1");
        drop(Op::new(second).wait().unwrap());
        assert_eq!(state(&near), GONE);
        assert_eq!(two.a.sockets(), 1);

        let (third, _near) = two.offer("b:7", "a:1");
        Op::new(third).wait().unwrap().acknowledge().unwrap();
        assert_eq!(accepting.join().unwrap(), Ok(("a:2".into(), "b:7".into())));
    });
}

#[test]
fn a_connection_acknowledged_after_its_accept_was_dropped_goes_to_the_next() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        let (mut offer, _near) = two.offer("b:5", "a:1");
        assert!(offer.as_mut().try_wait().is_none());
        {
            let mut accept = pin!(listener.accept());
            assert!(accept.as_mut().try_wait().is_none());
        }
        let incoming = offer.as_mut().try_wait().unwrap().unwrap();
        incoming.acknowledge().unwrap();
        assert_eq!(two.a.sockets(), 2);
        assert_eq!(ends_of(&listener.accept().wait().unwrap()), ("a:2".into(), "b:5".into()));
    });
}

#[test]
fn a_connection_acknowledged_while_the_next_accept_waits_goes_to_it() {
    within(|| {
        let two = Two::new();
        let (listener, incoming, _near) = two.claimed();
        let mut accept = pin!(listener.accept());
        assert!(accept.as_mut().try_wait().is_none());
        incoming.acknowledge().unwrap();
        assert_eq!(ends_of(&accept.try_wait().unwrap().unwrap()), ("a:2".into(), "b:5".into()));
    });
}

#[test]
fn an_acknowledged_connection_that_is_accepted_and_dropped_at_once_leaves_the_next_alone() {
    within(|| {
        let two = Two::new();
        let (listener, incoming, _near) = two.claimed();
        let (next, _next_near) = two.offer("b:6", "a:1");
        let (listener, next) = (Arc::new(listener), Arc::new(Mutex::new(next)));
        // This is done before the acknowledgement returns, as another thread could do it.
        let waker = calling({
            let (listener, next) = (listener.clone(), next.clone());
            move || {
                drop(listener.try_accept());
                assert!(next.lock().unwrap().as_mut().try_wait().is_none());
            }
        });
        let mut accept = pin!(listener.accept());
        assert!(accept.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        incoming.acknowledge().unwrap();

        assert_eq!(two.a.sockets(), 2);
        assert_eq!(text(listener.try_accept()), "accept lab a:1: would block");
        next.lock().unwrap().as_mut().try_wait().expect("it was claimed").unwrap().acknowledge().unwrap();
        assert_eq!(ends_of(&listener.try_accept().unwrap()), ("a:2".into(), "b:6".into()));
    });
}

/// A waker that calls `act` when it is first woken.
fn calling(act: impl FnOnce() + Send + 'static) -> Waker {
    struct Calling<F>(Mutex<Option<F>>);

    impl<F: FnOnce() + Send + 'static> Wake for Calling<F> {
        fn wake(self: Arc<Self>) {
            let act = self.0.lock().unwrap().take();
            act.into_iter().for_each(|act| act());
        }
    }

    Waker::from(Arc::new(Calling(Mutex::new(Some(act)))))
}

#[test]
fn an_unaccepted_connection_is_closed_with_the_listener() {
    within(|| {
        let two = Two::new();
        let (listener, incoming, near) = two.claimed();
        incoming.acknowledge().unwrap();
        assert_eq!(state(&near), (Poll::Pending, Poll::Ready(Ok(1))));
        listener.close();
        // The byte written by the near end was not read.
        let reset = Poll::Ready(Err(Cause::ConnectionReset));
        assert_eq!(state(&near), (reset, reset));
        drop(listener);
        assert_eq!((two.a.sockets(), two.lab.ends()), (0, 1));
    });
}

#[test]
fn acknowledging_is_refused_once_the_listener_is_gone() {
    let downs: [fn(&Two, &Listener); 4] = [
        |_, listener| listener.close(),
        |two, _| two.a.close().wait().unwrap(),
        |two, _| two.left.close().wait().unwrap(),
        |two, _| Op::new(two.left.notifier().down(Cause::backend(&"fire"))).wait(),
    ];
    within(move || {
        for down in downs {
            let two = Two::new();
            let (listener, incoming, near) = two.claimed();
            down(&two, &listener);
            assert_eq!(incoming.local_addr().to_string(), "a:2");
            assert_eq!(incoming.acknowledge(), Err(Cause::ConnectionRefused));
            assert_eq!(state(&near), GONE);
            drop(listener);
            assert_eq!((two.a.sockets(), two.lab.ends()), (0, 1));
        }
    });
}

#[test]
fn an_offer_that_waits_is_refused_once_the_listener_is_gone() {
    let downs: [fn(&Two, &Listener); 3] = [
        |_, listener| listener.close(),
        |two, _| two.a.close().wait().unwrap(),
        |two, _| two.left.close().wait().unwrap(),
    ];
    within(move || {
        for down in downs {
            let two = Two::new();
            let listener = two.a.listen(":1").unwrap();
            let (mut offer, near) = two.offer("b:5", "a:1");
            assert!(offer.as_mut().try_wait().is_none());
            down(&two, &listener);
            assert_eq!(offer.as_mut().try_wait().unwrap().unwrap_err(), Cause::ConnectionRefused);
            drop((listener, offer));
            assert_eq!(state(&near), GONE);
            assert_eq!((two.a.sockets(), two.lab.ends()), (0, 1));
        }
    });
}

#[test]
fn an_offer_without_a_listener_is_refused_and_its_link_released() {
    within(|| {
        let two = Two::new();
        let refused = |dst| {
            let (offer, near) = two.offer("b:5", dst);
            let told = text(Op::new(offer).wait());
            assert_eq!(state(&near), GONE, "{told}");
            told
        };
        assert_eq!(refused("b:1"), "address b:1: no such host");
        assert_eq!(refused("a:0"), "connection refused");
        assert_eq!(refused("a:1"), "connection refused");
        let listener = two.a.listen(":1").unwrap();
        listener.close();
        assert_eq!(refused("a:1"), "connection refused");
        two.left.close().wait().unwrap();
        assert_eq!(refused("a:1"), "network is down");
        assert_eq!(two.lab.ends(), 5, "the near ends");
    });
}

#[test]
fn an_offer_that_is_never_polled_is_released_all_the_same() {
    within(|| {
        let two = Two::new();
        let _listener = two.a.listen(":1").unwrap();
        let (src, dst) = (addr("b:5"), addr("a:1"));
        let (near, far) = two.lab.wire();
        drop(two.left.notifier().accept(&src, &dst, far));
        assert_eq!(state(&near), GONE, "offered to the subnetwork's own notifier");
        let (near, far) = two.lab.wire();
        drop(Arc::downgrade(&two.left).accept(&src, &dst, far));
        assert_eq!(state(&near), GONE, "offered to a weak one");
        assert_eq!((two.a.sockets(), two.lab.ends()), (1, 2));
    });
}

#[test]
fn a_withdrawn_offer_is_never_seen() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        let mut offers: Vec<_> = ["b:5", "b:6", "b:7"].map(|src| two.offer(src, "a:1")).into();
        offers.iter_mut().for_each(|(offer, _)| assert!(offer.as_mut().try_wait().is_none()));
        assert_eq!(two.a.sockets(), 4);
        let (withdrawn, near) = offers.remove(1);
        drop(withdrawn);
        assert_eq!(state(&near), GONE);
        for ((mut offer, _near), src) in offers.into_iter().zip(["b:5", "b:7"]) {
            assert_eq!(text(listener.try_accept()), "accept lab a:1: would block");
            offer.as_mut().try_wait().unwrap().unwrap().acknowledge().unwrap();
            assert_eq!(ends_of(&listener.try_accept().unwrap()), ("a:2".into(), src.into()));
        }
        assert_eq!(two.a.sockets(), 1);
    });
}

#[test]
fn as_many_offers_are_claimed_as_accepts_wait() {
    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":9").unwrap();
        thread::scope(|scope| {
            let accepting = [(); 2].map(|()| scope.spawn(|| ends_of(&listener.accept().wait().unwrap())));
            let (first, _near) = two.offer("b:5", "a:9");
            let (second, _near) = two.offer("b:6", "a:9");
            // Both are claimed before either is acknowledged, and the later one is acknowledged first.
            let (first, second) = (Op::new(first).wait().unwrap(), Op::new(second).wait().unwrap());
            assert_eq!((first.local_addr(), second.local_addr()), (two.addr("a", 1), two.addr("a", 2)));
            second.acknowledge().unwrap();
            first.acknowledge().unwrap();
            let mut accepted = accepting.map(|thread| thread.join().unwrap());
            accepted.sort();
            assert_eq!(accepted, [("a:1".into(), "b:5".into()), ("a:2".into(), "b:6".into())]);
        });
    });
}

#[test]
fn a_waiting_offer_is_claimed_when_the_one_before_is_withdrawn() {
    within(|| {
        let two = Two::new();
        let (listener, first, _near) = two.claimed();
        let accepting = thread::spawn(move || ends_of(&listener.accept().wait().unwrap()));
        let (second, _near) = two.offer("b:6", "a:1");
        drop(first);
        Op::new(second).wait().unwrap().acknowledge().unwrap();
        assert_eq!(accepting.join().unwrap(), ("a:2".into(), "b:6".into()));
    });
}

#[test]
fn a_claimed_connection_is_told_apart_from_its_ports_next_owner() {
    within(|| {
        let two = Two::new();
        let (listener, incoming, _near) = two.claimed();
        listener.close();
        // The port of the claim is freed with its listener.
        let next = two.a.listen(":2").unwrap();
        assert_eq!(incoming.acknowledge(), Err(Cause::ConnectionRefused));
        assert_eq!(text(two.a.listen(":2")), "listen lab a:2: address already in use");
        let (dialled, _accepted) = super::connect(&two.b, &next).unwrap();
        assert_eq!(ends_of(&dialled), ("b:1".into(), "a:1".into()));
    });
}

#[test]
fn an_accept_that_another_task_polls_claims_one_connection() {
    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    within(|| {
        let two = Two::new();
        let listener = two.a.listen(":1").unwrap();
        let (mut first, _near) = two.offer("b:5", "a:1");
        let (mut second, _other) = two.offer("b:6", "a:1");
        assert!(first.as_mut().try_wait().is_none() && second.as_mut().try_wait().is_none());
        let mut accept = pin!(listener.accept());
        for waker in [(); 2].map(|()| Waker::from(Arc::new(Nobody))) {
            assert!(accept.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert!(first.as_mut().try_wait().is_some(), "it was claimed");
        assert!(second.as_mut().try_wait().is_none(), "nobody has accepted it");
    });
}
