//! Hosts that die and come back, and what reaches their peers of that.

use super::super::setup::Setup;
use super::bed::{Bed, L, ok, on_each_clock};
use crate::net::conn::Conn;
use crate::net::net_ref::NetRef;

fn is_down<N: NetRef + 'static>(bed: &Bed<'_, N>, conn: &Conn<N>) {
    assert_eq!(bed.read(conn), bed.unread(conn, "host is down"));
    assert_eq!(bed.write(conn, "x"), bed.unwritten(conn, "host is down"));
}

pub(in super::super) fn a_crash_reaches_peers_and_a_restart_is_new<N: NetRef + 'static>(setup: &Setup<N>) {
    on_each_clock(setup, |bed| {
        let mut bed = bed.slow();
        let [b, a] = bed.connect();
        let from = bed.now();
        bed.crash("a");
        is_down(&bed, &a);
        assert!(bed.accept().is_none());
        bed.before(from + 50);
        assert!(bed.waits(&b));
        bed.at(from + 50);
        assert_eq!(bed.read(&b), bed.unread(&b, "connection reset"));
        assert_eq!(bed.write(&b, "x"), bed.unwritten(&b, "connection reset"));
        for restarted in [false, true] {
            if restarted {
                bed.restart_a();
            }
            let (dial, sent) = (bed.dial(), bed.now());
            bed.before(sent + 100);
            assert!(bed.is_pending(dial));
            bed.at(sent + 100);
            bed.fails(dial, ": connection refused");
        }
        assert_eq!(bed.a.listen("").expect("a free port").local_addr(), "a:1");
        bed.listen();
        let [new, its_peer] = bed.connect();
        // A handle of the dead host that is dropped tells its peers nothing.
        is_down(&bed, &a);
        drop(a);
        bed.send(&new, "hi");
        bed.at(bed.now() + 500);
        assert_eq!([bed.read(&its_peer), bed.read(&b)], [ok("hi"), bed.unread(&b, "connection reset")]);
        drop((new, its_peer, b));
        bed.finish();
    });
}

pub(in super::super) fn power_off_leaves_peers_half_open<N: NetRef + 'static>(setup: &Setup<N>) {
    const HOUR: u64 = 3_600_000;
    on_each_clock(setup, |mut bed| {
        let [b, a] = bed.pair();
        let idle = bed.pair();
        bed.route().latency(L);
        if setup.bytes_in_flight {
            // What was written is on the wire.
            bed.send(&a, "end");
        }
        bed.power_off("a");
        is_down(&bed, &a);
        drop(a);
        bed.at(50);
        if setup.bytes_in_flight {
            assert_eq!(bed.read(&b), ok("end"));
        }
        bed.send(&b, &"0123456789abcdef".repeat(8 << 10));
        bed.at(HOUR);
        assert!(bed.waits(&b) && bed.waits(&idle[0]));
        assert_eq!(bed.write(&b, "x"), bed.unwritten(&b, "would block"));
        bed.restart_a();
        bed.listen();
        // The bytes are sent again, and answered by a reset.
        bed.before(HOUR + 100);
        assert!(bed.waits(&b));
        bed.at(HOUR + 100);
        assert_eq!(bed.read(&b), bed.unread(&b, "connection reset"));
        assert_eq!(bed.write(&b, "x"), bed.unwritten(&b, "connection reset"));
        // A new connection has none of the old bytes, though it has the same addresses.
        let addrs = [b.local_addr(), b.peer_addr()];
        drop(b);
        let [new, its_peer] = bed.connect();
        assert_eq!([new.local_addr(), new.peer_addr()], addrs);
        assert!(bed.waits(&its_peer) && bed.waits(&new));
        // A peer that only reads knows nothing until it sends something, were it the end of its stream.
        assert!(bed.waits(&idle[0]));
        let sent = bed.now();
        idle[0].close_write().expect("an open end");
        bed.before(sent + 100);
        assert!(bed.waits(&idle[0]));
        bed.at(sent + 100);
        assert_eq!(bed.read(&idle[0]), bed.unread(&idle[0], "connection reset"));
        drop((new, its_peer, idle));
        bed.finish();
    });
}

pub(in super::super) fn dials_to_a_host_without_power_wait_for_its_restart<N: NetRef + 'static>(setup: &Setup<N>) {
    on_each_clock(setup, |bed| {
        let mut bed = bed.slow();
        let queued = bed.dial();
        bed.at(40);
        let on_its_way = bed.dial();
        bed.at(60);
        bed.power_off("a");
        let later = bed.dial();
        let withdrawn = bed.dial();
        bed.at(1000);
        assert!([queued, on_its_way, later].into_iter().all(|dial| bed.is_pending(dial)));
        bed.drop_dial(withdrawn);
        bed.restart_a();
        bed.before(1050);
        bed.listen();
        assert!(bed.accept().is_none());
        bed.at(1050);
        let accepted = [(); 3].map(|()| bed.accept().expect("it was sent again"));
        assert!(bed.accept().is_none());
        bed.before(1100);
        assert!(bed.is_pending(later));
        bed.at(1100);
        let dialled = [queued, on_its_way, later].map(|dial| bed.connected(dial));
        // Nothing listens at the next return.
        bed.power_off("a");
        drop((accepted, dialled));
        let dial = bed.dial();
        bed.restart_a();
        bed.before(1200);
        assert!(bed.is_pending(dial));
        bed.at(1200);
        bed.fails(dial, ": connection refused");
        bed.listen();
        bed.finish();
    });
}
