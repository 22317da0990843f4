//! Faults in a rendezvous: a write is offered when it arrives.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Waker};

use virtnet::pipenet;

use crate::bed::{Bed, Conn, L, ms, read, waits};

fn bed() -> Bed {
    Bed::over(pipenet::Network::builder("t").rendezvous(true), 0)
}

/// A write that has begun, and waits.
macro_rules! writing {
    ($conn:expr, $text:expr) => {{
        let conn: &Conn = $conn;
        let mut write = Box::pin(poll_fn(move |cx| conn.poll_write(cx, $text)));
        assert!(write.as_mut().poll(&mut cx()).is_pending());
        write
    }};
}

fn cx() -> Context<'static> {
    Context::from_waker(task())
}

/// The waker of the one task of these tests.
fn task() -> &'static Waker {
    use std::sync::{Arc, OnceLock};
    struct Task;
    impl std::task::Wake for Task {
        fn wake(self: Arc<Self>) {}
    }
    static TASK: OnceLock<Waker> = OnceLock::new();
    TASK.get_or_init(|| Arc::new(Task).into())
}

#[test]
fn a_write_is_offered_when_it_arrives() {
    let bed = bed();
    let [b, a] = bed.pair();
    bed.route().latency(L);
    let mut write = writing!(&b, b"hello");
    bed.before(50);
    assert!(waits(&a) && write.as_mut().poll(&mut cx()).is_pending());
    bed.at(50);
    // The task was woken, and offers its bytes.
    assert!(write.as_mut().poll(&mut cx()).is_pending());
    assert_eq!(read(&a), Ok("hello".into()));
    assert!(write.as_mut().poll(&mut cx()).ready_and(|outcome| outcome == Ok(5)));
    drop(write);
    drop((a, b));
    bed.finish();
}

#[test]
fn a_partition_delays_the_offer() {
    let bed = bed();
    let [b, a] = bed.pair();
    bed.route().latency(L);
    let mut write = writing!(&b, b"hello");
    bed.at(20);
    bed.route().partition();
    bed.at(220);
    bed.route().repair();
    bed.before(250);
    assert!(waits(&a) && write.as_mut().poll(&mut cx()).is_pending());
    bed.at(250);
    assert!(write.as_mut().poll(&mut cx()).is_pending());
    assert_eq!(read(&a), Ok("hello".into()));
    assert!(write.as_mut().poll(&mut cx()).ready_and(|outcome| outcome == Ok(5)));
    drop(write);
    drop((a, b));
    bed.finish();
}

#[test]
fn a_write_that_times_out_on_its_way_has_written_nothing() {
    let bed = bed();
    let [b, a] = bed.pair();
    bed.route().partition();
    b.set_write_timeout(Some(ms(10))).expect("more than zero");
    let clock = bed.clock.clone();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| std::io::Write::write(&mut &b, b"hello"));
        while clock.timers() == Ok(0) {
            std::thread::yield_now();
        }
        clock.advance(ms(10)).expect("a manual clock");
        let error = writer.join().expect("no panic").unwrap_err();
        assert!(error.to_string().ends_with("timed out"), "{error}");
    });
    bed.route().repair();
    assert!(waits(&a));
    let mut write = writing!(&b, b"again");
    assert_eq!(read(&a), Ok("again".into()));
    assert!(write.as_mut().poll(&mut cx()).ready_and(|outcome| outcome == Ok(5)));
    drop(write);
    drop((a, b));
    bed.finish();
}

#[test]
fn a_close_withdraws_what_is_on_its_way_and_arrives_itself() {
    let bed = bed();
    let [b, a] = bed.pair();
    bed.route().latency(L);
    let mut write = writing!(&b, b"hello");
    bed.at(10);
    b.close();
    let outcome = pin!(write.as_mut()).poll(&mut cx());
    assert!(outcome.ready_and(|outcome| outcome.unwrap_err().to_string().ends_with("socket is down")));
    bed.before(60);
    assert!(waits(&a));
    bed.at(60);
    assert_eq!(read(&a), Ok(String::new()));
    drop(write);
    drop((a, b));
    bed.finish();
}

#[test]
fn a_write_to_a_host_without_power_waits_and_is_reset_after_its_restart() {
    let mut bed = bed();
    let [b, a] = bed.pair();
    bed.route().latency(L);
    bed.net.power_off("a").expect("there is such a host");
    drop(a);
    let mut write = writing!(&b, b"hello");
    bed.at(1000);
    assert!(waits(&b) && write.as_mut().poll(&mut cx()).is_pending());
    bed.restart_a();
    bed.before(1100);
    assert!(waits(&b) && write.as_mut().poll(&mut cx()).is_pending());
    bed.at(1100);
    assert_eq!(read(&b), Err("read pipet a:1->b:1: connection reset".into()));
    assert!(write.as_mut().poll(&mut cx()).ready_and(|outcome| outcome.is_err()));
    drop(write);
    drop(b);
    bed.listen();
    bed.finish();
}

trait ReadyAnd<T> {
    fn ready_and(self, check: impl FnOnce(T) -> bool) -> bool;
}

impl<T> ReadyAnd<T> for std::task::Poll<T> {
    fn ready_and(self, check: impl FnOnce(T) -> bool) -> bool {
        match self {
            std::task::Poll::Ready(value) => check(value),
            std::task::Poll::Pending => false,
        }
    }
}
