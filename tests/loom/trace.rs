//! Tickets of a trace, and the watermark below which its events can be seen.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic;
use std::task::{Context, Wake, Waker};

use loom::sync::atomic::{AtomicBool, Ordering};
use virtnet::trace::{CoreEvent, Observer, RawEvent, Ticket, Trace};

use crate::act::*;
use crate::explore::*;

fn made(trace: &Trace, ticket: Option<Ticket>, host: &str) {
    let made = CoreEvent::HostMade { host };
    let event = RawEvent::Core(&made, None);
    match ticket {
        Some(ticket) => trace.record(ticket, &event),
        None => trace.now(&event),
    }
}

/// Whether a task was woken. The thread that looks at it has joined the one that wakes.
struct Woken(atomic::AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, atomic::Ordering::SeqCst);
    }
}

fn lines(trace: &Trace) -> String {
    trace.view().to_string().replace("host ", "").replace('\n', "")
}

#[test]
fn a_consequence_is_never_seen_without_its_cause() {
    let model = || {
        let trace = Trace::new();
        let done = Arc::new(AtomicBool::new(false));
        // The cause is in the shard that is looked at first.
        let consequence = spawn({
            let (trace, done) = (trace.clone(), done.clone());
            move || {
                if done.load(Ordering::Acquire) {
                    made(&trace, None, "e");
                }
            }
        });
        let cause = spawn({
            let trace = trace.clone();
            move || {
                let ticket = trace.ticket();
                done.store(true, Ordering::Release);
                made(&trace, Some(ticket), "c");
            }
        });
        let seen = lines(&trace);
        join(cause);
        join(consequence);
        let all = lines(&trace);
        assert!(all.starts_with(&seen), "{seen} {all}");
        assert_eq!(trace.open_tickets(), 0);
        format!("{seen} {all}")
    };
    assert_eq!(explore(Preemptions(3), model), set([" c", " ce", "c c", "c ce", "ce ce"]));
}

#[test]
fn a_ticket_that_is_given_back_holds_nothing_back() {
    let model = || {
        let trace = Trace::new();
        let voided = spawn({
            let trace = trace.clone();
            move || {
                let ticket = trace.ticket();
                trace.void(ticket);
            }
        });
        made(&trace, None, "e");
        let seen = lines(&trace);
        join(voided);
        format!("{seen} {}", lines(&trace))
    };
    assert_eq!(explore(Preemptions(3), model), set([" e", "e e"]));
}

#[test]
fn a_task_that_expects_an_event_is_woken_by_it() {
    let model = || {
        let trace = Trace::new();
        let woken = Arc::new(Woken(atomic::AtomicBool::new(false)));
        let mut check = trace.check().limit(std::time::Duration::MAX);
        let recording = spawn({
            let trace = trace.clone();
            move || made(&trace, None, "e")
        });
        let waker = Waker::from(woken.clone());
        let mut expecting = pin!(check.expect("e", "host e"));
        let ready = expecting.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        join(recording);
        assert!(ready || woken.0.load(atomic::Ordering::SeqCst), "it sleeps through the event");
        if ready { "there".into() } else { "woken".into() }
    };
    assert_eq!(explore(Preemptions(3), model), set(["there", "woken"]));
}
