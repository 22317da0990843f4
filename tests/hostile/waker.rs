//! Wakers that panic, wakers that call back, and many wakers that wait for one event.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use virtnet::{NetRef, NetRefExt as _, pipenet};

use super::bed::*;

#[test]
fn a_waker_that_panics_when_woken_harms_no_other_task() {
    panicking_when_woken(heap());
    panicking_when_woken(heap_rendezvous());
    panicking_when_woken(fixed().subnetwork());
    panicking_when_woken(fixed_rendezvous().subnetwork());
}

fn panicking_when_woken<N: NetRef>(net: N) {
    let all = pair(net);
    let (panicking, _) = panicking(Event::Wake);
    let mut panicking = Context::from_waker(&panicking);
    let (count, waker) = counting();
    let mut counting = Context::from_waker(&waker);

    // Another task waits to read as well.
    for cx in [&mut panicking, &mut counting] {
        assert!(all.accepted.poll_read(cx, &mut [0]).is_pending());
    }
    assert_carries(&all.dialled, &all.accepted);
    assert_eq!(count.count(), 1);

    // Other tasks wait for a connection, and one in a dial.
    for cx in [&mut panicking, &mut counting] {
        assert!(all.listener.poll_accept(cx).is_pending());
    }
    let mut dial = pin!(all.b.dial("a:1"));
    assert!(dial.as_mut().poll(&mut panicking).is_pending());
    assert_eq!(count.count(), 2);
    let accepted = all.listener.try_accept().expect("a dial waits");
    let Poll::Ready(Ok(dialled)) = dial.poll(&mut counting) else { panic!("it was accepted") };
    assert_carries(&dialled, &accepted);

    // The same when everything is closed.
    assert!(all.accepted.poll_read(&mut panicking, &mut [0]).is_pending());
    assert!(all.listener.poll_accept(&mut panicking).is_pending());
    assert_unharmed(&all.a, &all.b);
    all.a.close().wait().expect("nothing fails to close");
    assert_eq!(dialled.try_read(&mut [0]), Ok(0));
    all.net.close().wait().expect("nothing fails to close");
    drop((all.listener, all.dialled, all.accepted, dialled, accepted));
    assert_eq!((all.a.sockets(), all.b.sockets()), (0, 0));
}

#[test]
fn a_waker_that_panics_when_cloned_harms_only_its_own_poll() {
    panicking_when_cloned(heap());
    panicking_when_cloned(heap_rendezvous());
    panicking_when_cloned(fixed().subnetwork());
    panicking_when_cloned(fixed_rendezvous().subnetwork());
}

fn panicking_when_cloned<N: NetRef>(net: N) {
    let all = pair(net);
    let (waker, _) = panicking(Event::Clone);
    let mut cx = Context::from_waker(&waker);
    assert!(panics(|| _ = all.accepted.poll_read(&mut cx, &mut [0])));
    assert!(panics(|| _ = all.accepted.poll_read_ready(&mut cx)));
    assert!(panics(|| drop(all.listener.poll_accept(&mut cx))));
    assert!(panics(|| drop(pin!(all.listener.accept()).poll(&mut cx))));
    assert!(panics(|| drop(pin!(all.b.dial("a:1")).poll(&mut cx))));
    assert!(panics(|| {
        // The buffer is filled first; in a rendezvous network, the first write waits.
        while all.dialled.poll_write(&mut cx, &[7; 100_000]).is_ready() {}
    }));
    let mut buf = vec![0; 100_000];
    let _ = all.accepted.try_read(&mut buf);
    assert_carries(&all.accepted, &all.dialled);
    assert_unharmed(&all.a, &all.b);
}

#[test]
fn a_waker_that_panics_when_dropped_harms_no_task() {
    panicking_when_dropped(heap());
    panicking_when_dropped(heap_rendezvous());
    panicking_when_dropped(fixed().subnetwork());
    panicking_when_dropped(fixed_rendezvous().subnetwork());
}

fn panicking_when_dropped<N: NetRef>(net: N) {
    let all = pair(net);
    let (waker, armed) = panicking(Event::Drop);
    let mut cx = Context::from_waker(&waker);

    // A dial that is dropped.
    let mut dial = Box::pin(all.b.dial("a:1"));
    assert!(dial.as_mut().poll(&mut cx).is_pending());
    drop(dial);
    assert_eq!(text(all.listener.try_accept()), "accept pipet a:1: would block");
    assert_eq!(all.b.sockets(), 1);

    // A dial that is accepted.
    let mut dial = Box::pin(all.b.dial("a:1"));
    assert!(dial.as_mut().poll(&mut cx).is_pending());
    let accepted = all.listener.try_accept().expect("a dial waits");
    assert!(dial.as_mut().poll(&mut cx).is_ready());
    drop((dial, accepted));
    assert_eq!((all.a.sockets(), all.b.sockets()), (2, 1));

    // A dial that is refused because its listener closes.
    let listener = all.a.listen(":9").expect("a free port");
    let mut dial = Box::pin(all.b.dial("a:9"));
    assert!(dial.as_mut().poll(&mut cx).is_pending());
    drop(listener);
    assert!(dial.as_mut().poll(&mut cx).is_ready());
    drop(dial);

    // All other operations that leave a waker behind.
    assert!(all.listener.poll_accept(&mut cx).is_pending());
    assert!(all.accepted.poll_read(&mut cx, &mut [0]).is_pending());
    assert_unharmed(&all.a, &all.b);
    drop((all.listener, all.accepted, all.dialled));
    assert_eq!((all.a.sockets(), all.b.sockets()), (0, 0));
    armed.store(false, SeqCst);
}

#[test]
fn a_waker_may_call_back_into_the_network_when_woken_cloned_or_dropped() {
    for at in [Event::Wake, Event::Clone, Event::Drop] {
        within_limit(move || calling_back(heap, at));
        within_limit(move || calling_back(heap_rendezvous, at));
        within_limit(move || calling_back(|| fixed().subnetwork(), at));
        within_limit(move || calling_back(|| fixed_rendezvous().subnetwork(), at));
    }
}

fn calling_back<N: NetRef + 'static>(net: impl Fn() -> N, at: Event) {
    let use_all = |all: &Pair<N>| {
        let _ = (all.accepted.try_read(&mut [0; 9]), all.dialled.try_write(b"x"), all.listener.try_accept());
        assert!(all.b.dial("a:1").wait_timeout(Duration::ZERO).is_err());
        drop(all.a.listen(""));
        assert_eq!(format!("{:?}", all.dialled), "Conn(pipet b:1->a:2)");
    };
    call_back(net(), at, use_all);
    call_back(net(), at, |all| all.dialled.close());
    call_back(net(), at, |all| all.accepted.abort());
    call_back(net(), at, |all| all.listener.close());
    call_back(net(), at, |all| all.a.close().wait().expect("nothing fails to close"));
    call_back(net(), at, |all| all.b.close().wait().expect("nothing fails to close"));
    call_back(net(), at, |all| all.net.close().wait().expect("nothing fails to close"));
}

/// The waker calls `callback` on the objects that it waits for.
fn call_back<N: NetRef + 'static>(net: N, at: Event, callback: fn(&Pair<N>)) {
    let all = Arc::new(pair(net));
    let calls = Arc::new(AtomicUsize::new(0));
    let waker = hooked({
        let (all, calls) = (Arc::downgrade(&all), calls.clone());
        move |event| {
            // A callback may trigger further callbacks.
            if event == at && calls.fetch_add(1, SeqCst) < 10 {
                all.upgrade().iter().for_each(|all| callback(all));
            }
        }
    });
    let mut cx = Context::from_waker(&waker);
    for _ in 0..3 {
        let _ = all.accepted.poll_read(&mut cx, &mut [0; 9]);
        let _ = all.dialled.try_write(b"x");
        while let Poll::Ready(Ok(_)) = all.dialled.poll_write(&mut cx, &[7; 100_000]) {}
        let _ = pin!(all.listener.accept()).poll(&mut cx);
        let _ = pin!(all.b.dial("a:1")).poll(&mut cx);
        let mut dial = pin!(all.b.dial("a:1"));
        let _ = (dial.as_mut().poll(&mut cx), all.listener.try_accept(), dial.poll(&mut cx));
        let _ = all.accepted.try_read(&mut [0; 9]);
    }
    assert_ne!(calls.load(SeqCst), 0, "nothing has called back");
    all.net.close().wait().expect("nothing fails to close");
    let (a, b) = (all.a.clone(), all.b.clone());
    drop(Arc::into_inner(all).expect("the waker has none"));
    assert_eq!((a.sockets(), b.sockets()), (0, 0));
}

#[test]
fn a_replaced_waker_may_call_back_into_the_network_when_dropped() {
    within_limit(|| replaced(heap(), Event::Drop));
    within_limit(|| replaced(heap_rendezvous(), Event::Drop));
}

#[test]
fn an_evicted_waker_may_call_back_into_the_network_when_woken() {
    within_limit(|| replaced(fixed().subnetwork(), Event::Wake));
    within_limit(|| replaced(fixed_rendezvous().subnetwork(), Event::Wake));
}

fn replaced<N: NetRef + 'static>(net: N, at: Event) {
    let all = Arc::new(pair(net));
    let (waker, calls) = using(&all, at);
    let mut dial = pin!(all.b.dial("a:1"));
    assert!(dial.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let before = calls.load(SeqCst);
    for (_, other) in [counting(), counting()] {
        assert!(dial.as_mut().poll(&mut Context::from_waker(&other)).is_pending());
    }
    assert!(calls.load(SeqCst) > before, "the waker was not replaced");
}

#[test]
fn an_accept_that_a_dial_wakes_may_call_back_into_the_network() {
    within_limit(|| woken_by_dial(heap()));
    within_limit(|| woken_by_dial(fixed().subnetwork()));
}

fn woken_by_dial<N: NetRef + 'static>(net: N) {
    let all = Arc::new(pair(net));
    let (waker, calls) = using(&all, Event::Wake);
    assert!(all.listener.poll_accept(&mut Context::from_waker(&waker)).is_pending());
    let mut dial = pin!(all.b.dial("a:1"));
    assert!(dial.as_mut().try_wait().is_none());
    assert_eq!(calls.load(SeqCst), 1);
}

/// A waker that takes each lock of the network at events of one kind, and how often it did.
fn using<N: NetRef + 'static>(all: &Arc<Pair<N>>, at: Event) -> (Waker, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let waker = hooked({
        let (all, calls) = (Arc::downgrade(all), calls.clone());
        move |event| {
            if event == at
                && let Some(all) = all.upgrade()
            {
                calls.fetch_add(1, SeqCst);
                let _ = (all.accepted.try_read(&mut [0; 9]), all.dialled.try_read(&mut [0; 9]));
                drop((all.a.listen(""), all.b.listen("")));
                assert!(all.net.get_host("c").is_none());
            }
        }
    });
    (waker, calls)
}

#[test]
fn the_last_handle_may_be_dropped_by_a_waker() {
    within_limit(|| {
        let all = pair(heap());
        let net = all.net.downgrade();
        let (dialled, accepted) = (all.dialled, Arc::new(all.accepted));
        let kept = Mutex::new(Some((all.a, all.b, all.listener, all.net, accepted.clone())));
        let waker = hooked(move |event| {
            if event == Event::Wake {
                let kept = kept.lock().expect("no panic under this lock").take();
                drop(kept);
            }
        });
        assert!(accepted.poll_read(&mut Context::from_waker(&waker), &mut [0]).is_pending());
        drop(accepted);
        // The wake-up drops the last handle of the accepted end, with this byte unread.
        assert_eq!(dialled.try_write(b"x"), Ok(1));
        assert_eq!(text(dialled.try_write(b"x")), "write pipet b:1->a:2: connection reset");
        drop(dialled);
        assert_eq!(net.strong_count(), 0);
    });
}

#[test]
fn a_waker_may_let_another_task_wait_in_its_place() {
    let all = pair(heap());
    let (count, waker) = counting();
    let (dialled, accepted) = (all.dialled, Arc::new(all.accepted));
    let hook = hooked({
        let accepted = accepted.clone();
        move |event| {
            if event == Event::Wake {
                assert_eq!(accepted.try_read(&mut [0]), Ok(1));
                assert!(accepted.poll_read(&mut Context::from_waker(&waker), &mut [0]).is_pending());
            }
        }
    });
    assert!(accepted.poll_read(&mut Context::from_waker(&hook), &mut [0]).is_pending());
    assert_eq!(dialled.try_write(b"x"), Ok(1));
    assert_eq!(count.count(), 0);
    assert_eq!(dialled.try_write(b"x"), Ok(1));
    assert_eq!(count.count(), 1);
}

#[test]
fn all_waiting_readers_are_woken() {
    let all = pair(heap());
    let waiting: Vec<_> = (0..5).map(|_| counting()).collect();
    for (_, waker) in &waiting {
        // Polling again with the same waker does not register it twice.
        for _ in 0..2 {
            assert!(all.accepted.poll_read(&mut Context::from_waker(waker), &mut [0]).is_pending());
        }
    }
    assert_eq!(all.dialled.try_write(b"x"), Ok(1));
    let woken: Vec<_> = waiting.iter().map(|(count, _)| count.count()).collect();
    assert_eq!(woken, [1; 5]);
}

#[test]
fn a_third_waiter_of_a_fixed_network_makes_the_first_poll_again() {
    static NET: pipenet::fixed::Network<'_> = virtnet::fixed!("t", 2, 4, 1, 8);
    let listener = NET.host("a").expect("a host").listen("").expect("a free port");
    let waiting: Vec<_> = (0..3).map(|_| counting()).collect();
    for (_, waker) in &waiting {
        assert!(listener.poll_accept(&mut Context::from_waker(waker)).is_pending());
    }
    let woken = || waiting.iter().map(|(count, _)| count.count()).collect::<Vec<_>>();
    assert_eq!(woken(), [1, 0, 0]);
    let host = NET.host("b").expect("a host");
    let mut dial = pin!(host.dial("a:1"));
    assert!(dial.as_mut().try_wait().is_none());
    assert_eq!(woken(), [1, 1, 1]);
}
