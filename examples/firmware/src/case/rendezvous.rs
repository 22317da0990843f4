//! Writes that are done when they were read.

use core::future::poll_fn;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use virtnet::pipenet::fixed::{Memory, Network};

use crate::check::{fails, pair, waits};
use crate::executor;

pub fn write_waits() {
    let memory = Memory::<2, 4, 1, 4>::new();
    let net = Network::new("t", &memory).rendezvous(true);
    let (_listener, dialled, accepted) = pair(&net);
    let mut buf = [0; 8];
    waits(dialled.try_write(b"abcdef"));
    assert_eq!(accepted.try_read(&mut buf[..3]).unwrap(), 3);
    waits(dialled.try_write(b"abcdef"));
    // A write moves at most a buffer's worth, and a read never crosses a write's boundary.
    assert_eq!(accepted.try_read(&mut buf).unwrap(), 1);
    waits(accepted.try_read(&mut buf));
    assert_eq!(dialled.try_write(b"abcdef").unwrap(), 4);

    // The same on an executor, where the order of events is exact.
    let order = core::cell::Cell::new(0);
    let next = || order.replace(order.get() + 1);
    let writer = pin!(async {
        assert_eq!(poll_fn(|cx| dialled.poll_write(cx, b"12")).await.unwrap(), 2);
        assert_eq!(next(), 1);
        assert_eq!(poll_fn(|cx| dialled.poll_write(cx, b"34")).await.unwrap(), 2);
        assert_eq!(next(), 3);
    });
    let reader = pin!(async {
        let mut buf = [0; 8];
        for at in [0, 2] {
            assert_eq!(poll_fn(|cx| accepted.poll_read(cx, &mut buf)).await.unwrap(), 2);
            assert_eq!(next(), at);
        }
    });
    executor::run([writer, reader]);
}

pub fn close_tells() {
    let memory = Memory::<2, 4, 1, 8>::new();
    let net = Network::new("t", &memory).rendezvous(true);
    let (_listener, dialled, accepted) = pair(&net);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(dialled.poll_write(&mut cx, b"abcde").is_pending());
    assert_eq!(accepted.try_read(&mut [0; 2]).unwrap(), 2);
    drop(accepted);
    match dialled.poll_write(&mut cx, b"abcde") {
        Poll::Ready(outcome) => assert_eq!(outcome.unwrap(), 2),
        Poll::Pending => panic!("nobody reads any more"),
    }
    fails(dialled.try_write(b"cde"), "write pipet b:1->a:1: broken pipe");
}
