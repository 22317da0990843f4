//! Bandwidth, jitter and loss: when bytes arrive, never which.

use std::time::Duration;

use virtnet::clock::Time;
use virtnet::pipenet;

use crate::bed::{Bed, Conn, L, ms, read, waits, write};

/// Sends `total` bytes on each connection, which are read at once. Returns when the last byte of each arrived.
fn transfer(bed: &Bed, pairs: &[[Conn; 2]], total: usize) -> Vec<Time> {
    let mut left = vec![(total, total); pairs.len()];
    let mut done = vec![Time::ZERO; pairs.len()];
    let (bytes, mut buf) = (vec![7; 16 << 10], vec![0; 64 << 10]);
    while left.iter().any(|&(_, to_read)| to_read > 0) {
        for (at, [near, far]) in pairs.iter().enumerate() {
            let (to_write, to_read) = &mut left[at];
            while *to_read > 0
                && let Ok(count) = far.try_read(&mut buf)
            {
                *to_read -= count;
                done[at] = bed.clock.now();
            }
            while *to_write > 0
                && let Ok(count) = near.try_write(&bytes[..bytes.len().min(*to_write)])
            {
                *to_write -= count;
            }
        }
        if left.iter().any(|&(_, to_read)| to_read > 0) {
            assert_eq!(bed.clock.advance_to_next(), Ok(true), "something is on its way");
        }
    }
    done
}

fn close_to(time: Time, millis: u64) -> bool {
    let wanted = Time::ZERO + ms(millis);
    time + ms(1) >= wanted && time <= wanted + ms(1)
}

#[test]
fn bandwidth_is_shared_by_a_direction() {
    let bed = Bed::new();
    let one = [bed.pair()];
    bed.faults.oneway("b", "a").latency(ms(10)).bandwidth(1_000_000);
    let done = transfer(&bed, &one, 1_000_000);
    assert!(close_to(done[0], 1010), "{done:?}");
    drop(one);

    let bed = Bed::new();
    let two = [bed.pair(), bed.pair()];
    bed.faults.oneway("b", "a").latency(ms(10)).bandwidth(1_000_000);
    // The other direction is as fast as ever.
    assert_eq!(write(&two[0][1], "back"), Ok(4));
    assert_eq!(read(&two[0][0]), Ok("back".into()));
    let done = transfer(&bed, &two, 1_000_000);
    let (later, other) = (done[0].max(done[1]), done[0].min(done[1]));
    assert!(close_to(later, 2010) && later - other <= ms(66), "{done:?}");
    drop(two);
    bed.finish();
}

#[test]
fn a_cut_stops_the_wire() {
    let bed = Bed::new();
    let [b, a] = bed.pair();
    bed.faults.oneway("b", "a").bandwidth(1000);
    assert_eq!(write(&b, "0123456789"), Ok(10));
    bed.at(5);
    assert_eq!(read(&a), Ok("01234".into()));
    bed.route().partition();
    assert_eq!(write(&b, "ab"), Ok(2));
    bed.at(105);
    bed.route().repair();
    bed.at(110);
    assert_eq!(read(&a), Ok("56789".into()));
    bed.at(112);
    assert_eq!(read(&a), Ok("ab".into()));
    drop((a, b));
    bed.finish();
}

/// When each of `writes` arrives that are made 1 ms apart, in nanoseconds.
fn arrivals(seed: u64, writes: usize, second: bool, set: impl Fn(&Bed)) -> Vec<u64> {
    let bed = Bed::over(pipenet::Network::builder("t"), seed);
    let [b, a] = bed.pair();
    let other = second.then(|| bed.pair());
    set(&bed);
    let (mut arrived, mut next, mut buf) = (Vec::new(), 0u8, [0; 4096]);
    let mut drain = |bed: &Bed| {
        while let Ok(count) = a.try_read(&mut buf) {
            for &byte in &buf[..count] {
                assert_eq!(byte, next, "bytes arrive in order");
                next = next.wrapping_add(1);
                arrived.push(bed.clock.now().as_nanos());
            }
        }
        for [_, far] in other.iter() {
            let _ = far.try_read(&mut buf);
        }
    };
    for at in 0..writes {
        bed.at(at as u64);
        assert_eq!(b.try_write(&[at as u8]), Ok(1));
        for [near, _] in other.iter() {
            assert_eq!(write(near, "noise"), Ok(5));
        }
        drain(&bed);
        let until = if at + 1 == writes { u64::MAX } else { (at as u64 + 1) * 1_000_000 };
        while bed.clock.next().expect("a manual clock").is_some_and(|next| next.as_nanos() <= until) {
            assert_eq!(bed.clock.advance_to_next(), Ok(true));
            drain(&bed);
        }
    }
    assert_eq!(arrived.len(), writes);
    arrived
}

#[test]
fn a_fault_of_one_link_changes_no_delay_of_another() {
    let jitter = |bed: &Bed| {
        bed.faults.all().jitter(ms(100));
    };
    let loss = |bed: &Bed| {
        bed.faults.all().jitter(ms(100));
        bed.faults.oneway("a", "b").loss(0.5).latency(L);
        bed.faults.route("c", "a").jitter(ms(1)).partition();
    };
    assert_eq!(arrivals(7, 500, false, jitter), arrivals(7, 500, false, loss));
}

#[test]
fn a_latency_between_two_is_drawn_for_each_write() {
    let late = arrivals(3, 500, false, |bed| {
        bed.route().latency_between(ms(20)..ms(21));
    });
    let late: Vec<u64> = late.iter().enumerate().map(|(at, arrived)| arrived - at as u64 * 1_000_000).collect();
    assert!(late.iter().all(|late| (20_000_000..=21_000_000).contains(late)));
    assert!(late.iter().min() < late.iter().max());
}

#[test]
fn the_latency_of_a_pair_is_drawn_once() {
    let of = |seed| {
        let late = arrivals(seed, 50, false, |bed| {
            bed.route().pair_latency(ms(20)..ms(40));
        });
        let late: Vec<u64> = late.iter().enumerate().map(|(at, arrived)| arrived - at as u64 * 1_000_000).collect();
        assert!((20_000_000..=40_000_000).contains(&late[0]) && late.iter().all(|one| *one == late[0]), "{late:?}");
        late[0]
    };
    assert_ne!(of(1), of(2));
    assert_eq!(of(1), of(1));
}

#[test]
fn a_loss_is_a_stall() {
    // At a probability of 0 nothing is delayed, at 1 all as long as it can be.
    for (probability, late) in [(0.0, 0), (1.0, 6_200_000_000u64)] {
        let arrived = arrivals(7, 20, false, |bed| {
            bed.route().loss(probability).latency(ms(1));
        });
        assert!(arrived.iter().enumerate().all(|(at, arrived)| *arrived == (at as u64 + 1) * 1_000_000 + late));
    }
    // A loss holds up what comes after it on the same connection.
    let arrived = arrivals(7, 2000, false, |bed| {
        bed.route().loss(0.1);
    });
    let lost = arrived.iter().enumerate().filter(|(at, arrived)| **arrived == *at as u64 * 1_000_000 + 200_000_000);
    assert!(arrived.is_sorted() && lost.count() > 0);
    let late = |arrived: &[u64]| arrived.iter().enumerate().any(|(at, arrived)| *arrived == at as u64 * 1_000_000);
    assert!(late(&arrived), "most are not lost");
}

#[test]
fn a_slow_close_delays_only_the_end() {
    let bed = Bed::new();
    let pairs = [bed.pair(), bed.pair()];
    bed.route().slow_close(ms(30));
    let [[b, a], [d, c]] = pairs;
    assert_eq!(write(&b, "x"), Ok(1));
    drop(b);
    assert_eq!(read(&a), Ok("x".into()));
    bed.before(30);
    assert!(waits(&a));
    bed.at(30);
    assert_eq!(read(&a), Ok(String::new()));
    // Not a reset.
    d.abort();
    assert_eq!(read(&c), Err("read pipet b:2->a:2: connection reset".into()));
    drop((a, c, d));
    bed.finish();
}

#[test]
fn a_partition_for_a_time_ends_by_itself() {
    let bed = Bed::new();
    let [b, a] = bed.pair();
    bed.route().partition_for(ms(100)).partition_for(ms(20));
    assert_eq!(write(&b, "x"), Ok(1));
    bed.before(100);
    assert!(waits(&a));
    bed.at(100);
    assert_eq!(read(&a), Ok("x".into()));
    bed.route().partition_for(ms(20)).partition_for(ms(100));
    assert_eq!(write(&b, "y"), Ok(1));
    bed.at(199);
    assert!(waits(&a));
    bed.at(200);
    assert_eq!(read(&a), Ok("y".into()));
    // One without an end stays.
    bed.route().partition().partition_for(ms(10));
    assert_eq!(write(&b, "z"), Ok(1));
    bed.at(1000);
    assert!(waits(&a));
    bed.route().repair();
    assert_eq!(read(&a), Ok("z".into()));
    drop((a, b));
    bed.finish();
}

#[test]
fn a_change_of_the_latency_is_for_what_is_sent_from_then_on() {
    let bed = Bed::new();
    let [b, a] = bed.pair();
    bed.route().latency(L);
    assert_eq!(write(&b, "1"), Ok(1));
    bed.at(10);
    bed.route().latency(Duration::ZERO);
    // It does not overtake.
    assert_eq!(write(&b, "2"), Ok(1));
    bed.before(50);
    assert!(waits(&a));
    bed.at(50);
    assert_eq!(read(&a), Ok("12".into()));
    assert_eq!(write(&b, "3"), Ok(1));
    assert_eq!(read(&a), Ok("3".into()));
    drop((a, b));
    bed.finish();
}
