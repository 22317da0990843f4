//! The thread or task that runs at the moment.

#[cfg(feature = "std")]
use core::hash::{Hash, Hasher};

#[cfg(feature = "std")]
use crate::sync::thread;

/// A number of the running thread, without a thread-local of this crate.
#[cfg(feature = "std")]
pub(super) fn thread() -> u64 {
    bits(&thread::current().id())
}

#[cfg(not(feature = "std"))]
pub(super) fn thread() -> u64 {
    0
}

/// The key of the running task, or else of the running thread.
pub(super) fn current(thread: u64) -> u64 {
    task().map_or(thread << 1, |task| task << 1 | 1)
}

#[cfg(feature = "tokio")]
fn task() -> Option<u64> {
    tokio::task::try_id().map(|id| bits(&id))
}

#[cfg(not(feature = "tokio"))]
fn task() -> Option<u64> {
    None
}

/// The last number in an opaque id.
#[cfg(feature = "std")]
fn bits(id: &impl Hash) -> u64 {
    let mut bits = Bits(0);
    id.hash(&mut bits);
    bits.0
}

/// A hasher that keeps what is hashed, up to 8 bytes.
#[cfg(feature = "std")]
struct Bits(u64);

#[cfg(feature = "std")]
impl Hasher for Bits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.0 = self.0 << 8 | u64::from(byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn write_usize(&mut self, number: usize) {
        self.0 = number as u64;
    }
}
