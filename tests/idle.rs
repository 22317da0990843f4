//! Waiting until no socket of a host or of a network is in use.
#![cfg(all(feature = "pipenet", feature = "std"))]

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use virtnet::{Conn, ErrorKind, Host, Listener, NetRef, NetRefExt, pipenet};

/// Runs a test in both kinds of networks, on hosts `a` and `b`.
macro_rules! in_both_kinds {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            let net = pipenet::Network::new("t");
            super::$name(net.subnetwork(), [net.host("a"), net.host("b")].map(|host| host.expect("a new host")));
            let memory = pipenet::fixed::Memory::<2, 6, 3, 16>::new();
            let net = pipenet::fixed::Network::new("t", &memory);
            super::$name(&net.subnetwork(), [net.host("a"), net.host("b")].map(|host| host.expect("a new host")));
        }
    )*};
}

mod both {
    use virtnet::pipenet;

    in_both_kinds! {
        a_host_is_idle_when_its_last_socket_is_dropped
        a_closed_socket_counts_until_its_handle_is_dropped
        a_withdrawn_dial_wakes_the_task_that_waits
        a_host_that_another_task_waits_for_disturbs_no_task
        a_closed_host_is_idle_once_its_sockets_are_dropped
        the_network_is_idle_when_all_hosts_are
        a_wait_that_times_out_names_the_host
        a_dropped_wait_leaves_no_waker
    }
}

/// Counts how often its task is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn task() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (count.clone(), Waker::from(count))
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn connected<N: NetRef>([a, b]: &[Host<N>; 2]) -> (Listener<N>, [Conn<N>; 2]) {
    let listener = a.listen(":1").expect("the port is free");
    let mut dial = pin!(b.dial("a:1"));
    assert!(dial.as_mut().try_wait().is_none());
    let accepted = listener.try_accept().expect("the dial is queued");
    let dialled = dial.try_wait().expect("it is accepted").expect("it is connected");
    (listener, [accepted, dialled])
}

fn a_host_is_idle_when_its_last_socket_is_dropped<N: NetRef>(_: &N, hosts: [Host<N>; 2]) {
    let (listener, [accepted, dialled]) = connected(&hosts);
    let (woken, waker) = Count::task();
    let mut cx = Context::from_waker(&waker);
    let mut idle = pin!(hosts[0].idle());
    let mut poll = || idle.as_mut().poll(&mut cx);
    assert_eq!(poll(), Poll::Pending);
    drop(listener);
    assert_eq!((woken.get(), poll()), (0, Poll::Pending), "a connection is left");
    drop(accepted);
    assert_eq!((woken.get(), poll()), (1, Poll::Ready(Ok(()))));
    assert_eq!([hosts[0].sockets(), hosts[1].sockets()], [0, 1]);
    drop(dialled);
    assert_eq!(woken.get(), 1);
}

fn a_closed_socket_counts_until_its_handle_is_dropped<N: NetRef>(_: &N, [a, _]: [Host<N>; 2]) {
    let listener = a.listen("").expect("there is a port");
    listener.close();
    let mut idle = pin!(a.idle());
    assert!(idle.as_mut().try_wait().is_none());
    drop(listener);
    assert_eq!(idle.try_wait(), Some(Ok(())));
}

fn a_withdrawn_dial_wakes_the_task_that_waits<N: NetRef>(net: &N, [a, b]: [Host<N>; 2]) {
    let listener = a.listen(":1").expect("the port is free");
    let (woken, waker) = Count::task();
    let mut cx = Context::from_waker(&waker);
    let (mut idle_b, mut idle) = (pin!(b.idle()), pin!(net.idle()));
    {
        let mut dial = pin!(b.dial("a:1"));
        assert!(dial.as_mut().try_wait().is_none());
        assert_eq!(idle_b.as_mut().poll(&mut cx), Poll::Pending);
    }
    assert_eq!((woken.get(), idle_b.as_mut().poll(&mut cx)), (1, Poll::Ready(Ok(()))));
    {
        let mut dial = pin!(b.dial("a:1"));
        assert!(dial.as_mut().try_wait().is_none());
        // The request stays at the listener's host until the dial is dropped.
        drop(listener);
        assert_eq!(idle.as_mut().poll(&mut cx), Poll::Pending);
    }
    assert!(woken.get() > 1);
    assert_eq!(idle.poll(&mut cx), Poll::Ready(Ok(())));
}

fn a_host_that_another_task_waits_for_disturbs_no_task<N: NetRef>(_: &N, [a, b]: [Host<N>; 2]) {
    let listeners = [&a, &b].map(|host| host.listen("").expect("there is a port"));
    let tasks = [(); 2].map(|()| Count::task());
    let (mut idle_a, mut idle_b) = (pin!(a.idle()), pin!(b.idle()));
    let mut poll_a = || idle_a.as_mut().poll(&mut Context::from_waker(&tasks[0].1));
    let mut poll_b = || idle_b.as_mut().poll(&mut Context::from_waker(&tasks[1].1));
    assert_eq!((poll_a(), poll_b()), (Poll::Pending, Poll::Pending));
    let [of_a, of_b] = listeners;
    drop(of_a);
    assert_eq!((poll_a(), poll_b()), (Poll::Ready(Ok(())), Poll::Pending));
    let before = tasks[1].0.get();
    drop(of_b);
    assert_eq!((tasks[1].0.get() - before, poll_b()), (1, Poll::Ready(Ok(()))));
}

fn a_closed_host_is_idle_once_its_sockets_are_dropped<N: NetRef>(net: &N, [a, b]: [Host<N>; 2]) {
    let listeners = [&a, &b].map(|host| host.listen("").expect("there is a port"));
    let (mut idle_a, mut idle) = (pin!(a.idle()), pin!(net.idle()));
    a.close().wait().expect("nothing goes wrong");
    net.close().wait().expect("nothing goes wrong");
    assert_eq!((idle_a.as_mut().try_wait(), idle.as_mut().try_wait()), (None, None));
    drop(listeners);
    assert_eq!((idle_a.try_wait(), idle.try_wait()), (Some(Ok(())), Some(Ok(()))));
}

fn the_network_is_idle_when_all_hosts_are<N: NetRef>(net: &N, hosts: [Host<N>; 2]) {
    assert_eq!(net.idle().wait(), Ok(()));
    let (listener, [accepted, dialled]) = connected(&hosts);
    let (woken, waker) = Count::task();
    let mut cx = Context::from_waker(&waker);
    let mut idle = pin!(net.idle());
    let mut poll = || idle.as_mut().poll(&mut cx);
    assert_eq!(poll(), Poll::Pending);
    drop((listener, accepted));
    assert_eq!((woken.get(), poll()), (1, Poll::Pending), "host b has a connection");
    drop(dialled);
    assert_eq!((woken.get(), poll()), (2, Poll::Ready(Ok(()))));
}

fn a_wait_that_times_out_names_the_host<N: NetRef>(net: &N, [a, _]: [Host<N>; 2]) {
    let listener = a.listen("").expect("there is a port");
    let error = a.idle().wait_timeout(Duration::ZERO).unwrap_err();
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::TimedOut, "idle pipet a:0: timed out".into()));
    assert_eq!(net.idle().wait_timeout(Duration::ZERO).unwrap_err().to_string(), "idle pipet: timed out");
    drop(listener);
    assert_eq!(a.idle().wait_timeout(Duration::ZERO), Ok(()));
}

fn a_dropped_wait_leaves_no_waker<N: NetRef>(_: &N, [a, _]: [Host<N>; 2]) {
    let listener = a.listen("").expect("there is a port");
    let (count, waker) = Count::task();
    {
        let mut idle = pin!(a.idle());
        assert_eq!(idle.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
    }
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 1);
    drop(listener);
}

#[test]
fn a_blocked_thread_is_woken_by_the_last_drop() {
    let net = pipenet::Network::new("t");
    let a = net.host("a").expect("a new host");
    let listener = a.listen("").expect("there is a port");
    thread::scope(|scope| {
        let waiting = [scope.spawn(|| a.idle().wait()), scope.spawn(|| net.idle().wait())];
        scope.spawn(move || drop(listener));
        assert_eq!(waiting.map(|thread| thread.join().expect("it does not panic")), [Ok(()), Ok(())]);
    });
}
