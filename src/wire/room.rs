//! Room for a number of sockets, such as those with an unfinished handshake. If there are more, the oldest is cut.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::sync::Lock;
use crate::wire::ready::Ready;

/// Room for so many sockets.
pub(crate) struct Room {
    most: usize,
    inside: Lock<Inside>,
}

#[derive(Default)]
struct Inside {
    next: u64,
    all: BTreeMap<u64, Arc<Ready>>,
}

/// The place of a socket; dropping it leaves the room.
pub(crate) struct Place {
    room: Arc<Room>,
    id: u64,
}

impl Room {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, inside: Lock::new(Inside::default()) })
    }

    /// Takes a place for the socket of `ready`. If there is none, cuts the oldest.
    pub(crate) fn enter(self: &Arc<Self>, ready: Arc<Ready>) -> Place {
        let (id, oldest) = self.inside.with(|inside| {
            let id = inside.next;
            inside.next += 1;
            inside.all.insert(id, ready);
            (id, if inside.all.len() > self.most { inside.all.pop_first() } else { None })
        });
        if let Some((_, oldest)) = oldest {
            oldest.cut();
        }
        Place { room: self.clone(), id }
    }

    /// Cuts all.
    pub(crate) fn cut_all(&self) {
        let all = self.inside.with(|inside| core::mem::take(&mut inside.all));
        all.into_values().for_each(|ready| ready.cut());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.room.inside.with(|inside| inside.all.remove(&self.id));
        drop(left);
    }
}
