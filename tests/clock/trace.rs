//! Traces of networks with a clock.

use std::time::Instant;

use virtnet::Clock;
use virtnet::pipenet::Network;
use virtnet::trace::Trace;

use super::bed::*;

#[test]
fn silence_is_told_at_once_on_a_virtual_clock() {
    within_a_minute(|| {
        let (clock, trace) = (Clock::auto(), Trace::new());
        let _me = clock.enter();
        let net = Network::builder("t").clock(clock.clone()).layer(trace.clone()).build().unwrap();
        let (a, b) = (net.host("a").unwrap(), net.host("b").unwrap());
        let _listener = a.listen(":10").unwrap();
        let mut check = trace.check();
        let dialler = clock.spawn({
            let clock = clock.clone();
            move || {
                clock.sleep(hours(1)).wait();
                b.dial("a:10").wait().map(drop)
            }
        });
        check.expect("b", "dial b:1->a:10").wait().unwrap();
        assert_eq!(clock.now() - virtnet::clock::Time::ZERO, hours(1));
        let start = Instant::now();
        let failure = check.expect("b", "connect *").wait().unwrap_err();
        assert!(start.elapsed() < std::time::Duration::from_secs(3), "nobody waits in real time");
        assert_eq!(failure.to_string(), "stream b: nothing more can happen; want: connect *");
        let picture = format!("{failure:?}");
        let line = picture.lines().find(|line| line.starts_with("dialling")).unwrap_or_else(|| panic!("{picture}"));
        assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["dialling", "0", "0", "1", "to", "dial", "b:1"]);
        assert_eq!(clock.timers(), Ok(0));
        net.close().unwrap();
        assert!(dialler.join().unwrap().is_err());
    });
}

#[test]
fn an_expectation_waits_while_something_can_happen() {
    within_a_minute(|| {
        let (clock, trace) = (Clock::auto(), Trace::new());
        let _me = clock.enter();
        let net = Network::builder("t").clock(clock.clone()).layer(trace.clone()).build().unwrap();
        let mut check = trace.check();
        for round in 1..=100 {
            let maker = clock.spawn({
                let (clock, net) = (clock.clone(), net.clone());
                move || {
                    clock.sleep(hours(1)).wait();
                    net.host(&format!("h{round}")).unwrap();
                }
            });
            check.expect(&format!("h{round}"), "host *").wait().unwrap();
            maker.join().unwrap();
        }
        check.end().unwrap();
        assert_eq!((clock.now() - virtnet::clock::Time::ZERO, clock.timers()), (hours(100), Ok(0)));
    });
}

#[test]
fn events_have_the_time_of_the_clock() {
    let (clock, trace) = (Clock::manual(), Trace::new());
    let net = Network::builder("t").clock(clock.clone()).layer(trace.clone()).build().unwrap();
    net.host("a").unwrap();
    clock.advance(ms(10)).unwrap();
    net.host("b").unwrap();
    clock.advance(ms(110)).unwrap();
    trace.note("late");
    let view = trace.view();
    let lines: String = view.events().map(|event| format!("{event:#}\n")).collect();
    assert_eq!(lines, "1 @0.000s #1 pipet host a\n2 @0.010s #1 pipet host b\n3 @0.120s #1 note: late\n");
}

#[test]
fn a_quiet_time_passes_on_the_clock() {
    within_a_minute(|| {
        let (clock, trace) = (Clock::auto(), Trace::new());
        let net = Network::builder("t").clock(clock.clone()).layer(trace.clone()).build().unwrap();
        let _me = clock.enter();
        let maker = clock.spawn({
            let (clock, net) = (clock.clone(), net.clone());
            move || {
                clock.sleep(hours(2)).wait();
                net.host("a").unwrap();
            }
        });
        trace.check().quiet(hours(1)).wait().unwrap();
        assert_eq!(clock.now() - virtnet::clock::Time::ZERO, hours(1));
        let failure = trace.check().quiet(hours(3)).wait().unwrap_err();
        assert_eq!(failure.to_string(), "not quiet for 10800 s: host a");
        maker.join().unwrap();
        assert_eq!(clock.timers(), Ok(0));
    });
}
