//! Sockets: waiting for them, closing them, and the end of the thread that waits.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use virtnet::wire_model::{Door, End, Sweeping, Thread};
use virtnet::{Cause, OnTimeout, Op};

use crate::act::*;
use crate::explore::*;

fn read(end: &End) -> String {
    told(Op::new(poll_fn(|cx| end.poll_read(cx))).wait())
}

/// A read that may give up.
struct Reading<'a>(&'a End);

impl Future for Reading<'_> {
    type Output = Result<usize, Cause>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_read(cx)
    }
}

impl OnTimeout for Reading<'_> {
    fn expire(self: Pin<&mut Self>, waker: &Waker) -> Self::Output {
        self.0.cancel_read(waker);
        Err(Cause::TimedOut)
    }
}

/// Reads, and gives up in some orders.
fn read_for_a_while(end: &End) -> String {
    told(Op::new(Reading(end)).wait_timeout(SOON))
}

fn write(end: &End) -> String {
    told(Op::new(poll_fn(|cx| end.poll_write(cx))).wait())
}

/// Runs `act` on another thread, beside `here`.
fn beside<T>(end: &End, act: impl FnOnce(&End) -> T + 'static, here: impl FnOnce(&End) -> String) -> (String, T)
where
    T: 'static,
{
    let other = spawn({
        let end = end.clone();
        move || act(&end)
    });
    (here(end), join(other))
}

#[test]
fn a_change_between_attempt_and_registration_is_seen() {
    let model = || beside(&End::default(), |end| end.arrive(1), read).0;
    assert_eq!(explore(All, model), set(["1"]));
}

#[test]
fn each_of_two_readers_gets_its_byte() {
    let model = || {
        let end = End::default();
        let other = spawn({
            let end = end.clone();
            move || read(&end)
        });
        let (mine, ()) = beside(&end, |end| end.arrive(2), read);
        format!("{mine} {}", join(other))
    };
    assert_eq!(explore(Preemptions(3), model), set(["1 1"]));
}

/// Reads by another waker than that of a thread.
fn read_as_task(end: &End) -> String {
    struct Task(Waker);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.wake_by_ref();
        }
    }

    told(
        Op::new(poll_fn(|cx| {
            let waker = Waker::from(Arc::new(Task(cx.waker().clone())));
            end.poll_read(&mut Context::from_waker(&waker))
        }))
        .wait(),
    )
}

#[test]
fn a_thread_with_a_queue_reads_what_arrives() {
    let model = || beside(&End::with_queue(), |end| end.arrive(1), read).0;
    assert_eq!(explore(All, model), set(["1"]));
}

#[test]
fn a_close_wakes_a_thread_in_its_queue() {
    let model = || {
        let (got, reset) = beside(&End::with_queue(), End::close, read);
        format!("{got} {reset}")
    };
    assert_eq!(explore(All, model), set(["socket is down false"]));
}

/// The thread times out, or gets a byte. If it has detached the socket of the task, nothing wakes the task after that.
#[test]
fn a_task_beside_a_thread_with_a_queue_is_woken() {
    let model = || {
        let end = End::with_queue();
        let task = spawn({
            let end = end.clone();
            move || read_as_task(&end)
        });
        let arriving = |end: &End| {
            end.arrive(1);
            end.arrive(1);
        };
        let (mine, ()) = beside(&end, arriving, read_for_a_while);
        format!("{mine} {}", join(task))
    };
    assert_eq!(explore(Preemptions(3), model), set(["1 1", "timed out 1"]));
}

#[test]
fn a_close_wakes_a_reader() {
    let model = || {
        let (got, reset) = beside(&End::default(), End::close, read);
        format!("{got} {reset}")
    };
    assert_eq!(explore(All, model), set(["socket is down false"]));
}

#[test]
fn a_close_wakes_a_reader_whose_byte_arrives_meanwhile() {
    let model = || {
        let end = End::default();
        let arriving = spawn({
            let end = end.clone();
            move || end.arrive(1)
        });
        let (got, reset) = beside(&end, End::close, read);
        join(arriving);
        format!("{got} {reset}")
    };
    // The byte was read before the close, was unread at the close, or came after it.
    assert_eq!(explore(Preemptions(3), model), set(["1 false", "socket is down true", "socket is down false"]));
}

#[test]
fn a_reset_is_reported_in_both_directions() {
    let model = || {
        let end = End::default();
        let other = spawn({
            let end = end.clone();
            move || write(&end)
        });
        let (got, ()) = beside(&end, End::reset_by_peer, read);
        format!("{got}, {}", join(other))
    };
    assert_eq!(explore(Preemptions(3), model), set(["connection reset, connection reset"]));
}

#[test]
fn the_last_release_leaves_no_drain_behind() {
    let model = || {
        let thread = Arc::new(Thread::default());
        let user = spawn({
            let thread = thread.clone();
            move || {
                thread.leave();
                thread.submit()
            }
        });
        let mut done = 0;
        let mut rounds = 0;
        // A thread that is woken: after the user's last call, a round ends it.
        let ended = loop {
            let (count, ended) = thread.round();
            done += count;
            rounds += 1;
            if ended || rounds == 2 {
                break ended;
            }
        };
        let taken = join(user);
        if !ended {
            let (count, ended) = thread.round();
            done += count;
            assert!(ended, "nobody needs it");
        }
        assert_eq!(done, usize::from(taken), "work that was taken is done, and no other");
        assert!(!thread.join(), "it has ended");
        format!("{taken}")
    };
    assert_eq!(explore(All, model), set(["true", "false"]));
}

#[test]
fn a_thing_is_swept_whenever_it_comes() {
    let model = || {
        let swept = Arc::new(Sweeping::default());
        assert!(swept.push(), "the first thing starts the task");
        let user = spawn({
            let swept = swept.clone();
            move || swept.push()
        });
        let mut seen = swept.sweep();
        let starts = join(user);
        if starts {
            seen += swept.sweep();
        }
        assert_eq!(seen, 2, "each thing is seen once");
        format!("{starts}")
    };
    assert_eq!(explore(All, model), set(["false", "true"]));
}

#[test]
fn a_connection_is_accepted_by_a_thread_or_told_to_the_reactor() {
    let model = || {
        let door = Arc::new(Door::default());
        let threads = [(); 2].map(|()| {
            let door = door.clone();
            spawn(move || door.attend())
        });
        door.arrive();
        let by_threads: usize = threads.map(join).into_iter().sum();
        assert_eq!(by_threads + door.react(), 1, "it is accepted once");
        format!("{by_threads}")
    };
    assert_eq!(explore(Preemptions(3), model), set(["0", "1"]));
}
