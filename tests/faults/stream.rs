//! Faults that come and go while bytes flow.

use std::time::Duration;

use virtnet::pipenet::{self, Network};
use virtnet::sim::{Cut, Faults, Limit, Route, Verdict};
use virtnet::{Bare, Clock};

use crate::bed::{Bed, Conn, L, ms, write};

/// The byte at an offset of a stream.
fn byte(offset: usize) -> u8 {
    (offset * 31 + (offset >> 8)) as u8
}

/// A stream from one end to the other, read as it arrives.
#[derive(Default)]
struct Stream {
    written: usize,
    read: usize,
}

impl Stream {
    /// Writes and reads what can be without waiting.
    fn flow(&mut self, from: &Conn, to: &Conn, total: usize) {
        let mut buf = [0; 5000];
        loop {
            let next = total.min(self.written + 3000);
            let bytes: Vec<u8> = (self.written..next).map(byte).collect();
            let wrote = if bytes.is_empty() { 0 } else { from.try_write(&bytes).unwrap_or_default() };
            let count = to.try_read(&mut buf).unwrap_or_default();
            for (at, got) in buf[..count].iter().enumerate() {
                assert_eq!(*got, byte(self.read + at), "at byte {}", self.read + at);
            }
            (self.written, self.read) = (self.written + wrote, self.read + count);
            if wrote == 0 && count == 0 {
                return;
            }
        }
    }
}

#[test]
fn every_fault_comes_and_goes_in_mid_transfer() {
    const TOTAL: usize = 200_000;
    type Set = fn(&Route);
    let faults: [(&str, Set); 16] = [
        ("partition", |route| drop(route.partition().clone())),
        ("partition for a time", |route| drop(route.partition_for(ms(3)).clone())),
        ("hold", |route| drop(route.hold().clone())),
        ("latency", |route| drop(route.latency(L).clone())),
        ("latency between", |route| drop(route.latency_between(ms(1)..ms(9)).clone())),
        ("pair latency", |route| drop(route.pair_latency(ms(1)..ms(9)).clone())),
        ("jitter", |route| drop(route.jitter(ms(7)).clone())),
        ("bandwidth", |route| drop(route.bandwidth(1_000_000).clone())),
        ("loss", |route| drop(route.loss(0.2).clone())),
        ("certain loss", |route| drop(route.loss(1.0).clone())),
        ("slow close", |route| drop(route.slow_close(ms(9)).clone())),
        ("limit", |route| drop(route.limit_data(Some((1000, Limit::Stall))).clone())),
        ("slicer", |route| drop(route.slicer(100, 50).short_reads(true).clone())),
        ("user timeout", |route| drop(route.user_timeout(Some(Duration::from_secs(3600))).clone())),
        ("refuse", |route| drop(route.refuse(true).blackhole(true).accept_delay(L).clone())),
        ("lanes", |route| drop(route.lanes(true).clone())),
    ];
    for (name, set) in faults {
        for buffer in [1000, 64 << 10] {
            let bed = Bed::over(pipenet::Network::builder("t").buffer(buffer), 7);
            let [b, a] = bed.pair();
            let mut stream = Stream::default();
            stream.flow(&b, &a, TOTAL / 4);
            set(&bed.route());
            for _ in 0..20 {
                stream.flow(&b, &a, TOTAL);
                assert!(bed.clock.advance_to_next().is_ok());
            }
            bed.route().clear();
            while stream.read < TOTAL {
                stream.flow(&b, &a, TOTAL);
                assert!(stream.read == TOTAL || bed.clock.advance_to_next() == Ok(true), "{name}: {}", stream.read);
            }
            // The fast path is open again, and nothing is left of the fault.
            assert_eq!(write(&b, "x"), Ok(1));
            assert_eq!(a.try_read(&mut [0; 9]), Ok(1), "{name}");
            drop((a, b));
            bed.finish();
        }
    }
}

#[test]
fn a_rule_that_passes_changes_nothing() {
    let bed = Bed::new();
    bed.faults.rule(|_| Verdict::Pass);
    let [b, a] = bed.pair();
    let mut stream = Stream::default();
    stream.flow(&b, &a, 50_000);
    assert_eq!((stream.read, bed.clock.timers()), (50_000, Ok(0)));
    drop((a, b));
    bed.finish();
}

#[test]
fn dials_of_a_direction_arrive_in_the_order_in_which_they_were_sent() {
    let bed = Bed::over(pipenet::Network::builder("t"), 11);
    bed.route().jitter(ms(100));
    let mut dials = Vec::new();
    for at in 0..50 {
        bed.at(at);
        dials.push(bed.dial());
    }
    let mut ports = Vec::new();
    while bed.clock.advance_to_next() == Ok(true) {
        while let Ok(conn) = bed.listener.try_accept() {
            ports.push(conn.peer_addr().port());
        }
    }
    assert_eq!(ports, (1..=50).collect::<Vec<u16>>());
    drop(dials);
    bed.finish();
}

/// On threads and in real time: a fault is switched on and off while bytes take the fast path.
#[test]
fn a_write_during_the_switch_is_before_or_after_it() {
    use std::io::{Read as _, Write as _};

    const TOTAL: usize = 300_000;
    let faults = Faults::new().clock(Clock::real());
    let builder = Network::builder("t").buffer(500).layer(faults.clone());
    let net: Network<(Faults, Bare)> = builder.build().expect("valid options");
    let [a, b] = ["a", "b"].map(|name| net.host(name).expect("a new host"));
    let listener = a.listen(":10").expect("a free port");
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut conn = listener.accept().wait().expect("a dial comes");
            let mut bytes = Vec::new();
            conn.read_to_end(&mut bytes).expect("no fault resets");
            bytes
        });
        let writer = scope.spawn(move || {
            let mut conn = b.dial("a:10").wait().expect("no fault refuses");
            let bytes: Vec<u8> = (0..TOTAL).map(byte).collect();
            bytes.chunks(37).for_each(|chunk| conn.write_all(chunk).expect("no fault resets"));
        });
        let route = faults.route("a", "b");
        for at in 0.. {
            if writer.is_finished() {
                break;
            }
            match at % 4 {
                0 => route.latency(Duration::from_micros(at % 50)),
                1 => route.partition(),
                2 => route.clear(),
                _ => route.lanes(true),
            };
            std::thread::yield_now();
        }
        route.clear();
        writer.join().expect("no panic");
        let bytes = reader.join().expect("no panic");
        assert_eq!(bytes.len(), TOTAL);
        assert!(bytes.iter().enumerate().all(|(at, got)| *got == byte(at)));
    });
}

#[test]
fn a_cut_with_reset_can_be_turned_into_a_partition() {
    let bed = Bed::new();
    bed.route().cut(Cut::Reset);
    bed.route().partition();
    let dial = bed.dial();
    bed.at(1000);
    assert!(bed.listener.try_accept().is_err());
    bed.route().repair();
    assert!(bed.listener.try_accept().is_ok());
    drop(dial);
    bed.finish();
}
