//! `Clock::tokio`: a network and a runtime have one time, paused, resumed or real.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Builder;
use tokio::time::{Instant, pause, resume, timeout};
use virtnet::Clock;
use virtnet::clock::{Class, ClockError, Time};
use virtnet::pipenet::Network;

use crate::support::{on_each_runtime, with_paused_clock};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Notes its name when it is woken.
struct Note(Mutex<Vec<&'static str>>);

fn note(notes: &Arc<Note>, name: &'static str) -> Waker {
    struct Named(Arc<Note>, &'static str);

    impl Wake for Named {
        fn wake(self: Arc<Self>) {
            self.0.0.lock().unwrap().push(self.1);
        }
    }

    Waker::from(Arc::new(Named(notes.clone(), name)))
}

#[test]
fn a_paused_runtime_and_its_clock_have_one_time() {
    with_paused_clock(|| async {
        let (clock, start) = (Clock::tokio(), Instant::now());
        clock.sleep(HOUR).await;
        assert_eq!((clock.now(), start.elapsed()), (Time::ZERO + HOUR, HOUR));
        tokio::time::sleep(HOUR).await;
        assert_eq!((clock.now(), start.elapsed()), (Time::ZERO + 2 * HOUR, 2 * HOUR));
        assert!(timeout(HOUR, clock.sleep(HOUR + MS)).await.is_err());
        assert!(timeout(HOUR + MS, clock.sleep(HOUR)).await.is_ok());
        assert_eq!((clock.timers(), clock.next()), (Ok(0), Ok(None)));
        assert_eq!(clock.advance(HOUR), Err(ClockError::Advance));
    });
}

#[test]
fn timers_fire_at_whole_milliseconds_in_the_order_of_their_keys() {
    with_paused_clock(|| async {
        let (clock, notes) = (Clock::tokio(), Arc::new(Note(Mutex::default())));
        for (micros, class, name) in [
            (4900, Class::Timeout, "timeout"),
            (4900, Class::Delivery, "delivery"),
            (4100, Class::Timeout, "earlier timeout"),
        ] {
            clock.wake_at(Time::ZERO + Duration::from_micros(micros), class, note(&notes, name));
        }
        clock.sleep(Duration::from_micros(4901)).await;
        assert_eq!(clock.now(), Time::ZERO + 5 * MS);
        assert_eq!(*notes.0.lock().unwrap(), ["earlier timeout", "delivery", "timeout"]);
    });
}

#[test]
fn a_clock_goes_on_when_its_runtime_is_resumed() {
    with_paused_clock(|| async {
        let clock = Clock::tokio();
        clock.sleep(HOUR).await;
        resume();
        let real = std::time::Instant::now();
        clock.sleep(20 * MS).await;
        assert!(real.elapsed() >= 19 * MS, "real time has passed");
        pause();
        let before = clock.now();
        assert!(before >= Time::ZERO + HOUR + 20 * MS);
        clock.sleep(HOUR).await;
        assert!(clock.now() >= before + HOUR);
    });
}

#[test]
fn a_real_runtime_gives_real_time() {
    on_each_runtime(|| async {
        let (clock, real) = (Clock::tokio(), std::time::Instant::now());
        clock.sleep(20 * MS).await;
        assert!(real.elapsed() >= 20 * MS && clock.now() >= Time::ZERO + 20 * MS);
    });
}

#[test]
fn an_earlier_timer_is_not_kept_waiting_by_a_later_one() {
    with_paused_clock(|| async {
        let clock = Clock::tokio();
        let late = clock.clone();
        let late = tokio::spawn(async move { late.sleep(2 * HOUR).await });
        tokio::task::yield_now().await;
        clock.sleep(HOUR).await;
        assert_eq!((clock.now(), clock.timers()), (Time::ZERO + HOUR, Ok(1)));
        late.abort();
        assert!(late.await.is_err());
        assert_eq!(clock.timers(), Ok(0));
    });
}

#[test]
fn dropping_the_clock_drops_its_wakers() {
    with_paused_clock(|| async {
        let (clock, notes) = (Clock::tokio(), Arc::new(Note(Mutex::default())));
        clock.wake_at(Time::ZERO + HOUR, Class::Timeout, note(&notes, "never"));
        tokio::task::yield_now().await;
        drop(clock);
        assert_eq!(Arc::strong_count(&notes), 1);
        tokio::time::sleep(2 * HOUR).await;
        assert!(notes.0.lock().unwrap().is_empty());
    });
}

#[test]
fn a_thread_does_not_wait_for_a_network_of_a_paused_runtime() {
    with_paused_clock(|| async {
        let net = Network::builder("t").clock(Clock::tokio()).build().unwrap();
        let listener = net.host("a").unwrap().listen(":1").unwrap();
        let waits = thread::spawn(move || {
            let refused = catch_unwind(AssertUnwindSafe(|| listener.accept().wait().map(drop))).unwrap_err();
            refused.downcast::<String>().map_or_else(|_| "no text".into(), |text| *text)
        });
        let text = waits.join().unwrap();
        assert!(text.contains("paused tokio runtime") && text.contains("Clock::auto()"), "{text}");
    });
}

#[test]
fn a_thread_waits_for_a_network_of_a_real_runtime() {
    let runtime = Builder::new_multi_thread().enable_time().build().unwrap();
    let net = {
        let _within = runtime.enter();
        Network::builder("t").clock(Clock::tokio()).build().unwrap()
    };
    let listener = net.host("a").unwrap().listen(":1").unwrap();
    let error = listener.accept().wait_timeout(5 * MS).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "accept pipet a:1: timed out");
    assert!(net.clock().unwrap().now() >= Time::ZERO + 5 * MS);
}

#[test]
fn a_network_with_a_paused_clock_serves_tasks() {
    with_paused_clock(|| async {
        let net = Network::builder("t").clock(Clock::tokio()).build().unwrap();
        let listener = net.host("a").unwrap().listen(":1").unwrap();
        let server = tokio::spawn(async move {
            let mut conn = listener.accept().await.unwrap();
            tokio::time::sleep(HOUR).await;
            conn.write_all(b"hi").await.unwrap();
        });
        let mut conn = net.host("b").unwrap().dial("a:1").await.unwrap();
        let mut text = String::new();
        conn.read_to_string(&mut text).await.unwrap();
        server.await.unwrap();
        assert_eq!((&*text, net.clock().unwrap().now()), ("hi", Time::ZERO + HOUR));
    });
}
