//! Closing engine and registry: each is closed once, in this order, and every caller gets the same errors.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::{Context, Wake};

use virtnet::{Cause, CloseError, NetRefExt as _, Notifier as _, Op};

use super::outsider::rigged::Rig;
use super::outsider::within;
use super::{Two, text};

/// A rig whose engine and registry fail to close.
fn failing() -> Rig {
    Rig {
        engine_close: Some(Cause::backend(&"eng err")),
        registry_close: Some(Cause::backend(&"reg err")),
        ..Rig::default()
    }
}

const BOTH: &str = "virtnet \"x\": close: 2 errors:\n\t- eng err\n\t- reg err\n";

/// The close calls of engine and registry.
const CLOSES: [&str; 2] = ["engine: close", "registry: close"];

#[test]
fn a_network_closes_its_engine_and_then_its_registry_once() {
    within(|| {
        let (net, rig) = Rig::default().build();
        assert_eq!(net.close().wait(), Ok(()));
        assert_eq!(net.close().wait(), Ok(()));
        drop(net);
        assert_eq!(rig.calls(), CLOSES);
    });
}

#[test]
fn a_failure_of_closing_is_reported_by_every_close() {
    within(|| {
        let (net, rig) = Rig { registry_close: None, ..failing() }.build();
        assert_eq!(text(net.close().wait()), "virtnet \"x\": close: eng err");
        assert_eq!(text(net.close().wait()), "virtnet \"x\": close: eng err");
        assert_eq!(rig.calls(), CLOSES);
        let (net, rig) = Rig { engine_close: None, ..failing() }.build();
        assert_eq!(text(net.close().wait()), "virtnet \"x\": close: reg err");
        assert_eq!(text(net.close().wait()), "virtnet \"x\": close: reg err");
        assert_eq!(rig.calls(), CLOSES);
    });
}

#[test]
fn several_failures_of_closing_are_listed_by_every_close() {
    within(|| {
        let (net, rig) = failing().build();
        let first = net.close().wait().unwrap_err();
        assert_eq!(first.to_string(), BOTH);
        let causes: Vec<_> = first.causes().collect();
        assert_eq!(causes, [Cause::backend(&"eng err"), Cause::backend(&"reg err")]);
        assert_eq!(net.close().wait(), Err(first));
        assert_eq!(rig.calls(), CLOSES);
    });
}

#[test]
fn a_failure_of_the_network_comes_first() {
    within(|| {
        let (net, rig) = failing().build();
        let a = net.new_host("a").wait().unwrap();
        let listener = a.listen(":1").unwrap();
        Op::new(net.notifier().down(Cause::backend(&"cable unplugged"))).wait();
        assert_eq!(text(listener.accept().wait()), "accept x a:1: network is down");
        Op::new(net.notifier().down(Cause::backend(&"too late"))).wait();
        let all = "virtnet \"x\": close: 3 errors:\n\t- cable unplugged\n\t- eng err\n\t- reg err\n";
        assert_eq!(text(net.close().wait()), all);
        assert_eq!(text(net.close().wait()), all);
        assert_eq!(rig.calls()[2..], CLOSES);
    });
}

#[test]
fn a_failure_after_the_close_is_ignored() {
    within(|| {
        let (net, rig) = Rig::default().build();
        net.close().wait().unwrap();
        Op::new(net.notifier().down(Cause::backend(&"too late"))).wait();
        assert_eq!(net.close().wait(), Ok(()));
        assert_eq!(rig.calls(), CLOSES);
    });
}

#[test]
fn a_weak_notifier_takes_the_network_down_and_keeps_nothing_alive() {
    within(|| {
        let two = Two::new();
        let weak = Arc::downgrade(&two.left);
        let listener = two.a.listen(":1").unwrap();
        drop(weak.down(Cause::backend(&"cable unplugged")));
        assert_eq!(text(listener.accept().wait()), "accept lab a:1: network is down", "down at once");
        assert_eq!(text(two.left.close().wait()), "virtnet \"lab\": close: cable unplugged");
        assert_eq!(two.lab.closed(), ["engine left", "registry left"]);
        drop((listener, two));
        assert!(weak.upgrade().is_none());
        Op::new(weak.down(Cause::backend(&"too late"))).wait();
    });
}

#[test]
fn a_close_that_is_dropped_is_finished_by_the_next() {
    within(|| {
        let (net, rig) = failing().build();
        let a = net.new_host("a").wait().unwrap();
        rig.gate.shut();
        {
            let mut close = pin!(net.close());
            assert!(close.as_mut().try_wait().is_none());
            assert_eq!(text(a.listen("")), "listen x a:0: network is down");
        }
        rig.gate.open();
        assert_eq!(text(net.close().wait()), BOTH);
        assert_eq!(rig.calls()[2..], ["engine: close", "engine: close", "registry: close"]);
    });
}

#[test]
fn a_close_that_is_dropped_between_engine_and_registry_does_not_close_the_engine_again() {
    within(|| {
        let (net, rig) = Rig { registry_gate: true, ..failing() }.build();
        {
            rig.gate.shut();
            let mut close = pin!(net.close());
            assert!(close.as_mut().try_wait().is_none());
        }
        rig.gate.open();
        assert_eq!(text(net.close().wait()), BOTH);
        assert_eq!(rig.calls(), ["engine: close", "registry: close", "registry: close"]);
    });
}

#[test]
fn a_close_that_times_out_is_finished_by_the_next() {
    within(|| {
        let (net, rig) = failing().build();
        rig.gate.shut();
        let close = net.close().wait_timeout(std::time::Duration::from_millis(1));
        assert_eq!(text(close), "virtnet \"x\": close: timed out");
        rig.gate.open();
        assert_eq!(text(net.close().wait()), BOTH);
    });
}

#[test]
fn concurrent_closes_wait_for_one_another_and_report_the_same() {
    within(|| {
        let (net, rig) = failing().build();
        rig.gate.shut();
        let (mut first, mut second) = (pin!(net.close()), Box::pin(net.close()));
        assert!(first.as_mut().try_wait().is_none());
        assert!(second.as_mut().try_wait().is_none());
        Op::new(net.notifier().down(Cause::backend(&"too late"))).wait();
        rig.gate.open();
        assert!(second.as_mut().try_wait().is_none(), "it is not the second's turn");
        assert_eq!(text(first.try_wait().unwrap()), BOTH);
        assert_eq!(text(second.as_mut().try_wait().unwrap()), BOTH);
        assert_eq!(rig.calls(), CLOSES);
    });
}

#[test]
fn a_close_that_waits_for_another_is_woken() {
    within(|| {
        for dropped in [false, true] {
            let (net, rig) = failing().build();
            rig.gate.shut();
            let (mut first, mut second) = (Box::pin(net.close()), pin!(net.close()));
            let woken = Arc::new(Woken::default());
            let waker = woken.clone().into();
            assert!(first.as_mut().try_wait().is_none());
            assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            rig.gate.open();
            assert!(!woken.0.load(SeqCst));
            if dropped {
                drop(first)
            } else {
                assert_eq!(text(first.as_mut().try_wait().unwrap()), BOTH)
            }
            assert!(woken.0.load(SeqCst));
            assert_eq!(text(second.try_wait().unwrap()), BOTH);
        }
    });
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn a_close_takes_over_from_one_that_is_dropped() {
    within(|| {
        let (net, rig) = failing().build();
        rig.gate.shut();
        let mut first = Box::pin(net.close());
        assert!(first.as_mut().try_wait().is_none());
        let waiting = std::thread::spawn({
            let net = net.clone();
            move || text(net.close().wait())
        });
        rig.gate.open();
        drop(first);
        assert_eq!(waiting.join().unwrap(), BOTH);
        assert_eq!(rig.calls(), ["engine: close", "engine: close", "registry: close"]);
    });
}

#[test]
fn the_last_handle_that_is_dropped_closes_engine_and_registry() {
    within(|| {
        let (net, rig) = failing().build();
        let a = net.new_host("a").wait().unwrap();
        let listener = a.listen("").unwrap();
        drop((net, a));
        assert_eq!(rig.calls(), ["engine: new host a", "registry: announce a"]);
        drop(listener);
        assert_eq!(rig.calls()[2..], CLOSES);
    });
}

#[test]
fn the_last_handle_that_is_dropped_finishes_a_close() {
    within(|| {
        let (net, rig) = failing().build();
        rig.gate.shut();
        assert!(Box::pin(net.close()).as_mut().try_wait().is_none());
        rig.gate.open();
        drop(net);
        assert_eq!(rig.calls(), ["engine: close", "engine: close", "registry: close"]);
    });
}

#[test]
fn closing_the_last_host_closes_the_network_if_configured() {
    within(|| {
        let (net, rig) = failing().build();
        let (a, b) = (net.new_host("a").wait().unwrap(), net.new_host("b").wait().unwrap());
        net.auto_close().unwrap();
        assert_eq!(a.close().wait(), Ok(()));
        assert_eq!(rig.calls().len(), 4);
        assert_eq!(text(b.close().wait()), format!("virtnet \"x\": host \"b\": close: {BOTH}"));
        assert_eq!(rig.calls()[4..], CLOSES);
        assert_eq!(b.close().wait(), Ok(()), "closing it again is ok");
        assert_eq!(a.close().wait(), Ok(()));
        assert_eq!(text(net.close().wait()), BOTH);
        assert_eq!(text(net.auto_close()), "virtnet \"x\": auto close: network is down");
        assert_eq!(rig.calls().len(), 6);
    });
}

#[test]
fn one_failure_of_closing_with_the_last_host_stands_behind_its_name() {
    within(|| {
        let (net, _) = Rig { registry_close: None, ..failing() }.build();
        let a = net.new_host("a").wait().unwrap();
        net.auto_close().unwrap();
        assert_eq!(text(a.close().wait()), "virtnet \"x\": host \"a\": close: virtnet \"x\": close: eng err");
    });
}

#[test]
fn a_network_without_an_open_host_cannot_close_with_its_last() {
    within(|| {
        let (net, rig) = Rig::default().build();
        assert_eq!(text(net.auto_close()), "virtnet \"x\": auto close: no open host");
        net.new_host("a").wait().unwrap().close().wait().unwrap();
        assert_eq!(text(net.auto_close()), "virtnet \"x\": auto close: no open host");
        assert_eq!(rig.calls().len(), 2);
    });
}

#[test]
fn closing_with_the_last_host_concerns_its_own_subnetwork_only() {
    within(|| {
        let two = Two::new();
        two.left.auto_close().unwrap();
        let closed: Result<(), CloseError> = two.a.close().wait();
        assert_eq!(closed, Ok(()));
        assert_eq!(two.lab.closed(), ["engine left", "registry left"]);
        assert_eq!(two.right.new_host("c").wait().unwrap().name(), "c");
    });
}
