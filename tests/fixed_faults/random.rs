//! Random faults on a connection in mid-transfer: no byte is lost, repeated or reordered, and all arrive in the end.

use core::pin::pin;
use core::time::Duration;

use virtnet::ErrorKind;

use crate::scenario::Bed;

/// How many sequences of steps.
fn sequences() -> u64 {
    std::env::var("VIRTNET_SEQUENCES").map_or(300, |count| count.parse().expect("a number"))
}

/// A number below `limit`, by a generator of Steele, Lea and Flood ("Fast splittable pseudorandom number generators").
fn next(seed: &mut u64, limit: u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ (*seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % limit
}

pub(crate) fn run(bed: Bed) {
    let (a, b) = (bed.net.host("a").unwrap(), bed.net.host("b").unwrap());
    let listener = a.listen(":10").unwrap();
    for seed in 0..sequences() {
        let mut random = seed;
        let mut dial = pin!(b.dial("a:10"));
        assert!(dial.as_mut().try_wait().is_none());
        let accepted = listener.try_accept().unwrap();
        let dialled = dial.try_wait().unwrap().unwrap();
        let ends = [Some(dialled), Some(accepted)];
        let [mut written, mut read] = [[0_u64; 2]; 2];
        let byte = |at: u64, side: usize| (at * 7 + side as u64 + seed) as u8;
        for step in 0..200 {
            let route = if next(&mut random, 2) == 0 {
                bed.faults.route("a", "b").unwrap()
            } else {
                bed.faults.oneway("b", "a").unwrap()
            };
            let side = next(&mut random, 2) as usize;
            let [Some(end), _] = [&ends[side], &ends[1 - side]] else { unreachable!("both are open") };
            match next(&mut random, 12) {
                0 => _ = route.partition(),
                1 => _ = route.repair(),
                2 => _ = route.hold(),
                3 => _ = route.release(),
                4 => _ = route.latency(Duration::from_nanos(next(&mut random, 30))),
                5 => _ = route.clear(),
                6..=7 => bed.clock.advance(Duration::from_nanos(next(&mut random, 20))),
                8..=9 => {
                    let bytes: Vec<u8> =
                        (0..1 + next(&mut random, 20)).map(|at| byte(written[side] + at, side)).collect();
                    match end.try_write(&bytes) {
                        Ok(count) => written[side] += count as u64,
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error} in step {step} of {seed}")
                        }
                    }
                }
                _ => {
                    let mut buf = [0; 9];
                    match end.try_read(&mut buf) {
                        Ok(count) => {
                            for &found in &buf[..count] {
                                assert_eq!(found, byte(read[side], 1 - side), "byte in step {step} of {seed}");
                                read[side] += 1;
                            }
                            assert!(count > 0 && read[side] <= written[1 - side], "step {step} of {seed}");
                        }
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error} in step {step} of {seed}")
                        }
                    }
                }
            }
        }
        // One end is closed while its last bytes are on their way.
        let [dialled, accepted] = ends;
        let mut rest = Vec::new();
        if seed % 2 == 0 {
            bed.faults.route("a", "b").unwrap().clear();
            bed.clock.advance(Duration::from_nanos(1000));
            let (Some(dialled), Some(accepted)) = (&dialled, &accepted) else { unreachable!("both are open") };
            let mut buf = [0; 64];
            while let Ok(count @ 1..) = dialled.try_read(&mut buf) {
                read[0] += count as u64;
            }
            assert_eq!(read[0], written[1], "{seed}");
            bed.faults.route("a", "b").unwrap().partition();
            assert_eq!(accepted.try_read(&mut []), Ok(0));
        }
        drop(dialled);
        bed.faults.route("a", "b").unwrap().clear();
        bed.clock.advance(Duration::from_nanos(1000));
        let accepted = accepted.expect("it is open");
        let end = loop {
            let mut buf = [0; 7];
            match accepted.try_read(&mut buf) {
                Ok(0) => break None,
                Ok(count) => rest.extend_from_slice(&buf[..count]),
                Err(error) => break Some(error.kind()),
            }
        };
        for &found in &rest {
            assert_eq!(found, byte(read[1], 0), "{seed}");
            read[1] += 1;
        }
        match end {
            None => assert_eq!(read[1], written[0], "{seed}"),
            // Bytes that had arrived at the end that closed were unread.
            Some(kind) => assert_eq!(kind, ErrorKind::ConnectionReset, "{seed}"),
        }
        assert!(end.is_none() || seed % 2 == 1, "{seed}");
        drop(accepted);
        assert_eq!([b.sockets(), bed.net.pipes(), bed.clock.timers()], [0; 3], "{seed}");
    }
}
