//! An executor of one page: runs a few futures concurrently, and sleeps while none of them is awake.

use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, RawWaker, RawWakerVTable, Waker};

/// The maximum number of tasks.
const TASKS: usize = 4;

/// Which tasks are awake. A Cortex-M0 has only loads and stores, which suffice on one core.
static AWAKE: [AtomicBool; TASKS] = [const { AtomicBool::new(false) }; TASKS];

/// Runs `tasks` until all are done. Returns how often they were polled.
pub fn run<const N: usize>(mut tasks: [Pin<&mut dyn Future<Output = ()>>; N]) -> usize {
    const { assert!(N <= TASKS) };
    let (mut done, mut polls) = ([false; N], 0);
    AWAKE.iter().for_each(|awake| awake.store(true, Ordering::Release));
    while done.contains(&false) {
        let mut slept = true;
        for ((task, done), awake) in tasks.iter_mut().zip(&mut done).zip(&AWAKE) {
            if *done || !awake.load(Ordering::Acquire) {
                continue;
            }
            awake.store(false, Ordering::Release);
            (slept, polls) = (false, polls + 1);
            *done = task.as_mut().poll(&mut Context::from_waker(&waker(awake))).is_ready();
        }
        if slept {
            // An interrupt since the last check is remembered as an event.
            cortex_m::asm::wfe();
        }
    }
    polls
}

fn waker(awake: &'static AtomicBool) -> Waker {
    // SAFETY: the functions of `TABLE` do what a waker's must, with a pointer to a static `AtomicBool`.
    unsafe { Waker::from_raw(raw(core::ptr::from_ref(awake).cast())) }
}

const fn raw(awake: *const ()) -> RawWaker {
    RawWaker::new(awake, &TABLE)
}

static TABLE: RawWakerVTable = RawWakerVTable::new(raw_clone, wake, wake, forget);

fn raw_clone(awake: *const ()) -> RawWaker {
    raw(awake)
}

fn wake(awake: *const ()) {
    // SAFETY: `waker` made the pointer of a static `AtomicBool`.
    let awake: &AtomicBool = unsafe { &*awake.cast() };
    awake.store(true, Ordering::Release);
}

fn forget(_: *const ()) {}
