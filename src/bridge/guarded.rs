//! A connection of a bridge.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::contract::networker::NetStream;

/// A connection that is aborted when it is dropped, unless its streams have ended.
pub(super) struct Guarded<C: NetStream> {
    pub(super) conn: C,
    ended: AtomicBool,
}

impl<C: NetStream> Guarded<C> {
    pub(super) fn new(conn: C) -> Self {
        Self { conn, ended: AtomicBool::new(false) }
    }

    /// Both streams have ended: from now on, dropping it closes it.
    pub(super) fn set_ended(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl<C: NetStream> Drop for Guarded<C> {
    fn drop(&mut self) {
        if !*self.ended.get_mut() {
            self.conn.abort();
        }
    }
}
