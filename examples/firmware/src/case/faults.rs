//! Faults on a clock that the program advances. The scenarios are those of the tests of the library.

use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use cortex_m_semihosting::hprintln;
use virtnet::clock::ManualClock;
use virtnet::pipenet::fixed::{Faulty, Network};
use virtnet::sim::FixedFaults;

use crate::executor;

#[path = "../../../../tests/fixed_faults/scenario.rs"]
mod scenario;

static CLOCK: ManualClock = ManualClock::new();
static FAULTS: FixedFaults<2> = FixedFaults::new(&CLOCK);
static NET: Network<'static, Faulty> = virtnet::fixed!("t", 2, 5, 2, 64; faults = &FAULTS);

pub fn scenarios() {
    for (name, scenario) in scenario::SCENARIOS {
        scenario(scenario::Bed { clock: &CLOCK, faults: &FAULTS, net: &NET });
        hprintln!("    {name}");
    }
}

pub fn tasks() {
    let start = CLOCK.now();
    let (a, b) = (NET.host("a").unwrap(), NET.host("b").unwrap());
    FAULTS.route("a", "b").unwrap().latency(Duration::from_millis(50));
    let listener = a.listen(":10").unwrap();
    let server = async {
        let accepted = listener.accept().await.unwrap();
        let mut buf = [0; 8];
        assert_eq!(poll_fn(|cx| accepted.poll_read(cx, &mut buf)).await.unwrap(), 4);
        assert_eq!(CLOCK.now() - start, Duration::from_millis(150));
    };
    let client = async {
        let dialled = b.dial("a:10").await.unwrap();
        assert_eq!(CLOCK.now() - start, Duration::from_millis(100));
        assert_eq!(dialled.try_write(b"ping").unwrap(), 4);
    };
    // Moves the time once the others have had some rounds, in which they wake each other.
    let mut rounds = 0;
    let idle = poll_fn(|cx| {
        cx.waker().wake_by_ref();
        rounds += 1;
        if rounds % 4 > 0 || CLOCK.advance_to_next() { Poll::Pending } else { Poll::Ready(()) }
    });
    executor::run([pin!(server), pin!(client), pin!(idle)]);
    FAULTS.route("a", "b").unwrap().clear();
}
