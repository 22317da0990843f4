//! A thread sleeps until it is woken.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::sync::Mutex;
use virtnet::Op;

use crate::act::*;
use crate::explore::*;

fn wait(events: &[&Event]) {
    Op::new(poll_fn(|cx| {
        if events.iter().all(|event| event.poll(cx).is_ready()) { Poll::Ready(()) } else { Poll::Pending }
    }))
    .wait();
}

#[test]
fn a_wake_is_never_lost() {
    let model = || {
        let event = Arc::new(Event::default());
        let other = spawn({
            let event = event.clone();
            move || event.set()
        });
        wait(&[&event]);
        join(other);
        "woken".into()
    };
    assert_eq!(explore(All, model), set(["woken"]));
}

#[test]
fn of_two_wakes_neither_is_lost() {
    let model = || {
        let events = [(); 2].map(|()| Arc::new(Event::default()));
        let others = events.clone().map(|event| spawn(move || event.set()));
        wait(&[&events[0], &events[1]]);
        others.into_iter().for_each(join);
        "woken".into()
    };
    assert_eq!(explore(All, model), set(["woken"]));
}

#[test]
fn a_wake_after_its_wait_does_not_disturb_other_waits() {
    let model = || {
        let events = [(); 2].map(|()| Arc::new(Event::default()));
        let others = events.clone().map(|event| spawn(move || event.set()));
        // Both events may wake this wait, which ends with either of them.
        Op::new(poll_fn(|cx| match events.each_ref().map(|event| event.poll(cx).is_ready()) {
            [false, false] => Poll::Pending,
            _ => Poll::Ready(()),
        }))
        .wait();
        wait(&[&events[0]]);
        wait(&[&events[1]]);
        others.into_iter().for_each(join);
        "woken".into()
    };
    assert_eq!(explore(All, model), set(["woken"]));
}

#[test]
fn two_threads_hand_a_turn_to_and_fro() {
    let model = || {
        let events = [(); 4].map(|()| Arc::new(Event::default()));
        let other = spawn({
            let events = events.clone();
            move || {
                wait(&[&events[0]]);
                events[1].set();
                wait(&[&events[2]]);
                events[3].set();
            }
        });
        events[0].set();
        wait(&[&events[1]]);
        events[2].set();
        wait(&[&events[3]]);
        join(other);
        "woken".into()
    };
    assert_eq!(explore(All, model), set(["woken"]));
}

#[test]
fn a_waker_that_is_called_twice_wakes_once() {
    let model = || {
        let event = Arc::new(Event::default());
        let kept = Arc::new(Mutex::new(None::<Waker>));
        let other = spawn({
            let (event, kept) = (event.clone(), kept.clone());
            move || {
                event.set();
                let kept = kept.lock().expect("no panic under this lock").take();
                kept.into_iter().for_each(|waker| waker.wake_by_ref());
            }
        });
        let polls = RefCell::new(0);
        Op::new(poll_fn(|cx| {
            *polls.borrow_mut() += 1;
            *kept.lock().expect("no panic under this lock") = Some(cx.waker().clone());
            event.poll(cx)
        }))
        .wait();
        join(other);
        assert!(polls.into_inner() <= 3, "one poll for each wake, and the first");
        "woken".into()
    };
    assert_eq!(explore(All, model), set(["woken"]));
}
