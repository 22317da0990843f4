//! Wakers that misbehave, and many that wait for one thing.
#![cfg(all(feature = "std", feature = "pipenet"))]

use std::future::Future;
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use virtnet::pipenet;

struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Panicking;

impl Wake for Panicking {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

struct CallingBack(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for CallingBack {
    fn wake(self: Arc<Self>) {
        let call = self.0.lock().expect("no panic under this lock").take();
        if let Some(call) = call {
            call();
        }
    }
}

fn counting() -> (Arc<Counting>, Waker) {
    let count = Arc::new(Counting(AtomicUsize::new(0)));
    (count.clone(), Waker::from(count))
}

fn pair(net: &pipenet::Network) -> (pipenet::Conn, pipenet::Conn) {
    let (a, b) = (net.host("a").expect("a host"), net.host("b").expect("a host"));
    let listener = a.listen("").expect("a free port");
    let mut dial = pin!(b.dial(listener.local_addr()));
    assert!(dial.as_mut().try_wait().is_none());
    let accepted = listener.try_accept().expect("a dial waits");
    (dial.try_wait().expect("it was accepted").expect("it was accepted"), accepted)
}

#[test]
fn a_waker_that_panics_harms_nobody_else() {
    std::panic::set_hook(Box::new(|_| {}));
    let net = pipenet::Network::new("t");
    let (mut writer, reader) = pair(&net);
    let (count, waker) = counting();
    let mut buf = [0];
    for waker in [Waker::from(Arc::new(Panicking)), waker] {
        assert!(reader.poll_read(&mut Context::from_waker(&waker), &mut buf).is_pending());
    }
    writer.write_all(b"x").expect("the reader is there");
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert_eq!(reader.try_read(&mut buf).map(|count| (count, buf)), Ok((1, *b"x")));

    let listener = net.host("a").expect("a host").listen(":9").expect("a free port");
    let panicking = Waker::from(Arc::new(Panicking));
    assert!(listener.poll_accept(&mut Context::from_waker(&panicking)).is_pending());
    let host = net.host("b").expect("a host");
    let mut dial = pin!(host.dial("a:9"));
    assert!(dial.as_mut().try_wait().is_none());
    listener.try_accept().expect("a dial waits");
    net.close().expect("nothing fails to close");
}

#[test]
fn a_waker_may_call_back_into_the_network() {
    let net = pipenet::Network::new("t");
    let (mut writer, reader) = pair(&net);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let call = {
        let (net, seen) = (net.clone(), seen.clone());
        Box::new(move || {
            let host = net.host("c").expect("a host");
            let listener = host.listen("").expect("a free port");
            seen.lock().expect("no panic under this lock").push(listener.local_addr().to_string());
            net.close().expect("nothing fails to close");
        })
    };
    let waker = Waker::from(Arc::new(CallingBack(Mutex::new(Some(call)))));
    assert!(reader.poll_read(&mut Context::from_waker(&waker), &mut [0]).is_pending());
    writer.write_all(b"x").expect("the reader is there");
    assert_eq!(*seen.lock().expect("no panic under this lock"), ["c:1"]);
    let error = writer.write_all(b"x").expect_err("the network is closed");
    assert_eq!(error.to_string(), "write pipet b:1->a:2: network is down");
}

#[test]
fn all_who_wait_to_read_are_woken() {
    let net = pipenet::Network::new("t");
    let (mut writer, reader) = pair(&net);
    let waiting: Vec<_> = (0..5).map(|_| counting()).collect();
    for (_, waker) in &waiting {
        // Polling again with the same waker does not make it wait twice.
        for _ in 0..2 {
            assert!(reader.poll_read(&mut Context::from_waker(waker), &mut [0]).is_pending());
        }
    }
    writer.write_all(b"x").expect("the reader is there");
    let woken: Vec<_> = waiting.iter().map(|(count, _)| count.0.load(Ordering::SeqCst)).collect();
    assert_eq!(woken, [1; 5]);
}

#[test]
fn a_third_waiter_of_a_fixed_network_makes_the_first_look_again() {
    static NET: pipenet::fixed::Network<'_> = virtnet::fixed!("t", 2, 4, 1, 8);
    let listener = NET.host("a").expect("a host").listen("").expect("a free port");
    let waiting: Vec<_> = (0..3).map(|_| counting()).collect();
    for (_, waker) in &waiting {
        assert!(listener.poll_accept(&mut Context::from_waker(waker)).is_pending());
    }
    let woken = || waiting.iter().map(|(count, _)| count.0.load(Ordering::SeqCst)).collect::<Vec<_>>();
    assert_eq!(woken(), [1, 0, 0]);
    let host = NET.host("b").expect("a host");
    let mut dial = pin!(host.dial("a:1"));
    assert!(dial.as_mut().try_wait().is_none());
    assert_eq!(woken(), [1, 1, 1]);
}

#[test]
fn a_blocking_timeout_leaves_no_waker_behind() {
    let net = pipenet::Network::new("t");
    let (_writer, mut reader) = pair(&net);
    reader.set_read_timeout(Some(std::time::Duration::from_millis(1))).expect("it is not zero");
    for _ in 0..3 {
        let error = reader.read(&mut [0]).expect_err("nobody writes");
        assert_eq!(error.to_string(), "read pipet b:1->a:2: timed out");
    }
    let zero = reader.set_read_timeout(Some(std::time::Duration::ZERO)).expect_err("zero is no timeout");
    assert_eq!(zero.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn a_future_may_move_between_threads_and_wakers() {
    let net = pipenet::Network::new("t");
    let listener = net.host("a").expect("a host").listen(":1").expect("a free port");
    let host = net.host("b").expect("a host");
    let mut dial = Box::pin(async move { host.dial("a:1").await });
    let (first, one) = counting();
    let (second, two) = counting();
    assert!(dial.as_mut().poll(&mut Context::from_waker(&one)).is_pending());
    let mut dial = std::thread::spawn(move || {
        assert!(dial.as_mut().poll(&mut Context::from_waker(&two)).is_pending());
        dial
    })
    .join()
    .expect("no panic");
    listener.try_accept().expect("a dial waits");
    assert_eq!(second.0.load(Ordering::SeqCst), 1);
    assert!(first.0.load(Ordering::SeqCst) <= 1);
    let done = dial.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(done, Poll::Ready(Ok(_))));
}
