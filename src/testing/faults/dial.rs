//! Dials on their way.

use std::format;
use std::string::ToString;

use super::super::setup::Setup;
use super::bed::{Bed, L, ms, ok, on_each_clock};
use crate::net::net_ref::NetRef;
use crate::sim::Cut;

pub(in super::super) fn latency_is_paid_by_syn_answer_and_bytes<N: NetRef + 'static>(setup: &Setup<N>) {
    on_each_clock(setup, |bed| {
        let bed = bed.slow();
        let dial = bed.dial();
        bed.before(50);
        assert!(bed.accept().is_none());
        bed.at(50);
        let a = bed.accept().expect("the request has arrived");
        bed.send(&a, "hi");
        bed.before(100);
        assert!(bed.is_pending(dial));
        bed.at(100);
        let b = bed.connected(dial);
        assert_eq!(bed.read(&b), ok("hi"));
        bed.send(&b, "there");
        bed.before(150);
        assert!(bed.waits(&a));
        bed.at(150);
        assert_eq!(bed.read(&a), ok("there"));
        drop((a, b));
        bed.finish();
    });
}

pub(in super::super) fn refusal_takes_a_round_trip<N: NetRef + 'static>(setup: &Setup<N>) {
    on_each_clock(setup, |bed| {
        let (bed, n) = (bed.slow(), setup.name());
        let dial = bed.dial_to("a:11");
        bed.before(100);
        assert!(bed.is_pending(dial));
        bed.at(100);
        let error = bed.outcome(dial).expect("the answer has arrived").map(drop).unwrap_err();
        assert_eq!(error.to_string(), format!("dial {n} b:1->a:11: connection refused"));
        // A dial that is dropped gives its port back at once.
        bed.drop_dial(bed.dial_to("a:11"));
        assert_eq!(bed.b.sockets(), 0);
        if bed.is_auto() {
            let error = bed.b.dial("a:11").wait_timeout(ms(60)).map(drop).unwrap_err();
            assert_eq!(error.to_string(), format!("dial {n} b:1->a:11: timed out"));
            assert_eq!((bed.now(), bed.b.sockets()), (160, 0));
        }
        let before = bed.clock.now();
        let error = bed.b.dial("c:1").wait().map(drop).unwrap_err().to_string();
        assert!(error.starts_with(&format!("dial {n} b:1->c:1: ")) && error.ends_with("no such host"), "{error}");
        assert_eq!(bed.clock.now(), before);
        bed.finish();
    });
}

pub(in super::super) fn a_partition_freezes_a_syn<N: NetRef + 'static>(setup: &Setup<N>) {
    on_each_clock(setup, |bed| {
        let bed = bed.slow();
        let dial = bed.dial();
        bed.at(20);
        bed.route().partition();
        let withdrawn = bed.dial();
        if bed.is_auto() {
            let error = bed.b.dial("a:10").wait_timeout(ms(480)).map(drop).unwrap_err().to_string();
            assert!(error.ends_with(": timed out"), "{error}");
            assert_eq!(bed.now(), 500);
        }
        bed.at(500);
        bed.drop_dial(withdrawn);
        bed.at(1020);
        bed.route().repair();
        bed.before(1050);
        assert!(bed.accept().is_none());
        bed.at(1050);
        let accepted = bed.accept().expect("the request has arrived");
        assert!(bed.accept().is_none(), "a dial that is gone is never seen");
        bed.before(1100);
        assert!(bed.is_pending(dial));
        bed.at(1100);
        drop((accepted, bed.connected(dial)));
        bed.finish();
    });
}

pub(in super::super) fn one_way_cut_lets_the_other_way_flow<N: NetRef + 'static>(setup: &Setup<N>) {
    on_each_clock(setup, |bed| {
        let [b, a] = bed.pair();
        bed.route().latency(L);
        bed.faults.oneway("a", "b").partition();
        bed.send(&a, "from a");
        bed.send(&b, "from b");
        let dial = bed.dial();
        bed.at(50);
        assert_eq!(bed.read(&a), ok("from b"));
        let accepted = bed.accept().expect("a request is not cut");
        bed.at(1000);
        assert!(bed.is_pending(dial) && bed.waits(&b));
        bed.faults.oneway("a", "b").repair();
        bed.before(1050);
        assert!(bed.is_pending(dial) && bed.waits(&b));
        bed.at(1050);
        // Sent at 0, and cut for all of its way.
        assert_eq!(bed.read(&b), ok("from a"));
        drop((a, b, accepted, bed.connected(dial)));
        bed.finish();
    });
}

pub(in super::super) fn reset_cut_fails_both_ends_and_refuses<N: NetRef + 'static>(setup: &Setup<N>) {
    on_each_clock(setup, |bed| {
        let pair = bed.pair();
        bed.send(&pair[0], "abc");
        let queued = bed.dial();
        bed.route().latency(L);
        let travelling = bed.dial();
        bed.route().cut(Cut::Reset);
        // What had arrived is lost, too.
        is_reset(&bed, &pair);
        for dial in [queued, travelling] {
            bed.fails(dial, ": connection refused");
        }
        assert!(bed.accept().is_none());
        let new = bed.dial();
        bed.before(50);
        assert!(bed.is_pending(new));
        bed.at(50);
        bed.fails(new, ": connection refused");
        bed.route().clear();
        is_reset(&bed, &pair);
        let next = bed.pair();
        bed.send(&next[0], "new");
        assert_eq!(bed.read(&next[1]), ok("new"));
        drop((pair, next));
        bed.finish();
    });
}

fn is_reset<N: NetRef + 'static>(bed: &Bed<'_, N>, ends: &[std::sync::Arc<crate::net::conn::Conn<N>>; 2]) {
    for end in ends {
        assert_eq!(bed.read(end), bed.unread(end, "connection reset"));
        assert_eq!(bed.write(end, "x"), bed.unwritten(end, "connection reset"));
    }
}
