//! Lists of slots that share one array of links: a slot is in one of them at most.

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
}

/// The links of all slots of a shard.
#[derive(Debug, Default)]
pub(crate) struct Links(Vec<Link>);

/// A list of slots, the oldest in front, with the sum of their weights.
///
/// Its links make a ring, so that the oldest becomes the youngest without any of them being written.
#[derive(Debug)]
pub(crate) struct List {
    front: u32,
    len: u32,
    weight: u64,
}

impl Default for List {
    fn default() -> Self {
        Self { front: NONE, len: 0, weight: 0 }
    }
}

impl Links {
    /// Makes room for a slot; `slots_max` is how many there can be, if that is known.
    fn reach(&mut self, slot: u32, slots_max: usize) {
        let wanted = slot as usize + 1;
        if wanted > self.0.len() {
            reserve(&mut self.0, wanted, slots_max);
            self.0.resize(wanted, Link { before: NONE, after: NONE });
        }
    }

    fn at(&mut self, slot: u32) -> &mut Link {
        &mut self.0[slot as usize]
    }
}

/// Makes room for this many, by doubling, and never for more than there can be.
pub(crate) fn reserve<T>(room: &mut Vec<T>, wanted: usize, wanted_max: usize) {
    if wanted > room.capacity() {
        let doubled = (room.capacity() * 2).max(16).min(wanted_max.max(wanted));
        room.reserve_exact(doubled.max(wanted) - room.len());
    }
}

impl List {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn weight(&self) -> u64 {
        self.weight
    }

    pub(crate) fn front(&self) -> Option<u32> {
        (self.front != NONE).then_some(self.front)
    }

    pub(crate) fn push_back(
        &mut self,
        links: &mut Links,
        slot: u32,
        weight: u64,
        slots_max: usize,
    ) {
        links.reach(slot, slots_max);
        self.link(links, slot);
        self.len += 1;
        self.weight += weight;
    }

    fn link(&mut self, links: &mut Links, slot: u32) {
        if self.front == NONE {
            *links.at(slot) = Link { before: slot, after: slot };
            self.front = slot;
            return;
        }
        let front = links.at(self.front);
        let back = std::mem::replace(&mut front.before, slot);
        *links.at(slot) = Link { before: back, after: self.front };
        links.at(back).after = slot;
    }

    /// The slot behind this one of the list; none behind the youngest.
    pub(crate) fn after(&self, links: &Links, slot: u32) -> u32 {
        let after = links.0[slot as usize].after;
        if after == self.front { NONE } else { after }
    }

    /// Takes out a slot of this list.
    pub(crate) fn unlink(&mut self, links: &mut Links, slot: u32, weight: u64) {
        self.cut(links, slot);
        self.len -= 1;
        self.weight -= weight;
    }

    fn cut(&mut self, links: &mut Links, slot: u32) {
        let Link { before, after } = *links.at(slot);
        if after == slot {
            self.front = NONE;
            return;
        }
        links.at(before).after = after;
        links.at(after).before = before;
        if self.front == slot {
            self.front = after;
        }
    }

    /// One of its slots weighs something else from now on.
    pub(crate) fn reweigh(&mut self, from: u64, to: u64) {
        self.weight = self.weight - from + to;
    }

    /// Moves a slot of this list to its end.
    pub(crate) fn move_to_back(&mut self, links: &mut Links, slot: u32) {
        if self.front == slot {
            self.front = links.at(slot).after;
        } else {
            self.cut(links, slot);
            self.link(links, slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(list: &List, links: &Links) -> Vec<u32> {
        let after = |slot: &u32| Some(list.after(links, *slot)).filter(|slot| *slot != NONE);
        std::iter::successors(list.front(), after).collect()
    }

    #[test]
    fn slots_stand_in_the_order_in_which_they_came() {
        let (mut list, mut links) = (List::default(), Links::default());
        for slot in 0..5 {
            list.push_back(&mut links, slot, 2, 5);
        }
        assert_eq!((order(&list, &links), list.weight()), (vec![0, 1, 2, 3, 4], 10));
        list.move_to_back(&mut links, 0);
        list.move_to_back(&mut links, 2);
        list.move_to_back(&mut links, 2);
        assert_eq!(order(&list, &links), [1, 3, 4, 0, 2]);
        for slot in [4, 1, 2] {
            list.unlink(&mut links, slot, 2);
        }
        assert_eq!((order(&list, &links), list.len(), list.weight()), (vec![3, 0], 2, 4));
        list.unlink(&mut links, 3, 2);
        list.unlink(&mut links, 0, 2);
        assert!(list.is_empty() && list.front().is_none());
    }

    #[test]
    fn room_is_made_exactly_once_the_most_is_near() {
        let mut room: Vec<u8> = Vec::new();
        reserve(&mut room, 1, 100);
        assert_eq!(room.capacity(), 16);
        room.resize(70, 0);
        reserve(&mut room, 71, 100);
        assert!(room.capacity() <= 140);
        let mut room: Vec<u8> = vec![0; 64];
        room.shrink_to_fit();
        reserve(&mut room, 65, 100);
        assert_eq!(room.capacity(), 100);
    }
}
