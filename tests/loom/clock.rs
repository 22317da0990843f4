//! The clock that moves when none of its threads can run: who counts, and when.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use virtnet::clock::Time;
use virtnet::{Clock, Op, pipenet};

use crate::act::*;
use crate::explore::*;

const TICK: Duration = Duration::from_secs(1);

fn wait(event: &Event) {
    Op::new(poll_fn(|cx| event.poll(cx))).wait();
}

/// The time in seconds.
fn seconds(clock: &Clock) -> u64 {
    (clock.now() - Time::ZERO).as_secs()
}

#[test]
fn no_time_passes_between_a_wake_up_and_its_thread() {
    let model = || {
        let clock = Clock::auto();
        let _me = clock.enter();
        let (there, back) = (Arc::new(Event::default()), Arc::new(Event::default()));
        let other = spawn({
            let (invitation, clock) = (clock.invite(), clock.clone());
            let (there, back) = (there.clone(), back.clone());
            move || {
                let _me = invitation.enter();
                wait(&there);
                let now = seconds(&clock);
                back.set();
                now
            }
        });
        // Time would move to here.
        let passing = Task::default();
        let mut sleep = std::pin::pin!(clock.sleep(TICK));
        assert!(Arc::new(passing).poll(sleep.as_mut()).is_pending());
        there.set();
        wait(&back);
        format!("{} {}", seconds(&clock), join(other))
    };
    assert_eq!(explore(All, model), set(["0 0"]));
}

#[test]
fn sleeps_of_two_threads_are_exact() {
    let model = || {
        let clock = Clock::auto();
        let _me = clock.enter();
        let other = spawn({
            let (invitation, clock) = (clock.invite(), clock.clone());
            move || {
                let _me = invitation.enter();
                clock.sleep(TICK).wait();
                let first = seconds(&clock);
                clock.sleep(2 * TICK).wait();
                (first, seconds(&clock))
            }
        });
        clock.sleep(2 * TICK).wait();
        let own = seconds(&clock);
        clock.outside(|| format!("{own} {:?}", join(other)))
    };
    assert_eq!(explore(All, model), set(["2 (1, 3)"]));
}

#[test]
fn a_thread_that_an_outsider_wakes_counts() {
    let model = || {
        let clock = Clock::auto();
        let event = Arc::new(Event::default());
        let outsider = spawn({
            let event = event.clone();
            move || event.set()
        });
        {
            let _me = clock.enter();
            wait(&event);
            // It would not end if the thread counted once too often, and would end early if it did once too seldom.
            clock.sleep(TICK).wait();
        }
        join(outsider);
        format!("{} {:?}", seconds(&clock), clock.timers())
    };
    assert_eq!(explore(All, model), set(["1 Ok(0)"]));
}

#[test]
fn the_last_to_fall_asleep_tells_a_deadlock() {
    let model = || {
        let clock = Clock::auto();
        let _me = clock.enter();
        let net = pipenet::Network::builder("t").clock(clock.clone()).build().expect("the options are valid");
        let listeners = [":1", ":2"].map(|addr| net.host("a").expect("room").listen(addr).expect("a free port"));
        let [first, second] = listeners;
        let other = spawn({
            let invitation = clock.invite();
            move || {
                let _me = invitation.enter();
                told(first.accept().wait().map(|_| "accepted"))
            }
        });
        let own = told(second.accept().wait().map(|_| "accepted"));
        clock.outside(|| format!("{own}, {}", join(other)))
    };
    let both = "accept pipet a:2: network is down, accept pipet a:1: network is down";
    assert_eq!(explore(Preemptions(2), model), set([both]));
}
