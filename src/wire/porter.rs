//! A thread that blocks in an accept goes to the door itself: it accepts the connections of its subnetwork from the system
//! and does their handshakes, without the detour by the reactor's thread.
//!
//! It does so while it waits, for all listeners of the subnetwork, and no other thread does; see `Attended` in
//! `watched.rs`. At the end of its wait it hands over to the reactor, with the handshakes that it has not finished, so it
//! does not matter how long it is away.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::task::{Context, Poll};

use crate::wait::block::sleeper::is_parking;
use crate::wire::listening::{Listening, has_passed};
use crate::wire::own;
use crate::wire::reactor::{Work, poll_work};

/// A thread that attends a listener of the system.
struct Porter {
    listening: Arc<Listening>,
    /// Those that it has begun.
    handshakes: Vec<Work>,
}

std::thread_local! {
    /// What the running thread attends.
    static PORTER: Cell<Option<Box<Porter>>> = const { Cell::new(None) };
}

/// The running thread attends the listener if it is about to sleep, and no other thread does.
pub(crate) fn attend(listening: &Arc<Listening>, cx: &mut Context<'_>) {
    if !is_parking(cx.waker()) {
        return;
    }
    // It is taken out: a waker that is called may wait, too.
    let mut porter = match PORTER.try_with(Cell::take) {
        Ok(Some(porter)) if Arc::ptr_eq(&porter.listening, listening) => porter,
        Ok(None) if listening.attend() => Box::new(Porter { listening: listening.clone(), handshakes: Vec::new() }),
        Ok(other) => {
            PORTER.set(other);
            return;
        }
        // The thread exits.
        Err(_) => return,
    };
    let stays = porter.serve(cx);
    if let Some(porter) = if stays { PORTER.replace(Some(porter)) } else { Some(porter) } {
        porter.leave();
    }
}

/// The running thread sleeps no more.
fn leave() {
    if let Some(porter) = PORTER.try_with(Cell::take).ok().flatten() {
        porter.leave();
    }
}

impl Porter {
    /// One step of the handshakes, or the next connection. Returns whether the thread can stay.
    fn serve(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(door) = self.listening.door() else { return false };
        if !own::watch(&(door.clone() as _), self.listening.common.shared.queues()) {
            return false;
        }
        own::at_end(leave);
        let under_way = self.handshakes.len();
        self.handshakes.retain_mut(|handshake| !poll_work(handshake, cx));
        if self.handshakes.len() < under_way {
            // Probably it is this thread's accept that can go on.
            cx.waker().wake_by_ref();
            return true;
        }
        match door.poll_accept(cx) {
            Poll::Ready(Ok(stream)) => {
                if let Some(mut handshake) = self.listening.begin(stream)
                    && !poll_work(&mut handshake, cx)
                {
                    self.handshakes.push(handshake);
                }
                if self.handshakes.len() > MOST {
                    self.listening.common.shared.take_over(self.handshakes.remove(0));
                }
                cx.waker().wake_by_ref();
                true
            }
            Poll::Ready(Err(error)) if has_passed(&error) => {
                cx.waker().wake_by_ref();
                true
            }
            Poll::Ready(Err(_)) => false,
            Poll::Pending => true,
        }
    }

    fn leave(self) {
        for handshake in self.handshakes {
            self.listening.common.shared.take_over(handshake);
        }
        self.listening.leave();
    }
}

/// How many handshakes a thread has under way. If there are more, the oldest is one for the reactor.
const MOST: usize = 4;
