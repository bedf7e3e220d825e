use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

const ROOM: usize = 64;

/// Hits in order, for a policy that goes by order, until somebody holds the exclusive lock.
///
/// Noted under the shared lock and taken under the exclusive one, so that a slot still holds what
/// was hit. Some are lost where many threads hit at once.
#[derive(Debug)]
pub(super) struct Touches {
    len: AtomicUsize,
    slots: [AtomicU32; ROOM],
}

impl Default for Touches {
    fn default() -> Self {
        Self { len: AtomicUsize::new(0), slots: [const { AtomicU32::new(0) }; ROOM] }
    }
}

impl Touches {
    /// Says whether they should be taken now.
    pub(super) fn note(&self, slot: u32) -> bool {
        // Not counted up without end while nobody comes to take them.
        if self.len.load(Ordering::Relaxed) >= ROOM {
            return true;
        }
        let place = self.len.fetch_add(1, Ordering::Relaxed);
        if let Some(place) = self.slots.get(place) {
            place.store(slot, Ordering::Relaxed);
        }
        place + 1 >= ROOM
    }

    /// Takes out the oldest ones that there are, all at once.
    pub(super) fn take(&mut self) -> impl Iterator<Item = u32> + '_ {
        let noted = std::mem::take(self.len.get_mut()).min(ROOM);
        self.slots[..noted].iter_mut().map(|slot| *slot.get_mut())
    }

    pub(super) fn is_empty(&mut self) -> bool {
        *self.len.get_mut() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touches_come_out_in_order_and_are_bounded() {
        let mut touches = Touches::default();
        let full: Vec<bool> = (0..100).map(|slot| touches.note(slot)).collect();
        assert_eq!(full.iter().position(|full| *full), Some(ROOM - 1));
        assert_eq!(touches.take().collect::<Vec<_>>(), (0..ROOM as u32).collect::<Vec<_>>());
        assert!(touches.is_empty() && !touches.note(1));
    }
}
