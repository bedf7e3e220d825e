use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, Ordering};

use crate::policy::{Slots, reserve};

/// Never goes for want of room, and is unknown to the policy.
pub(crate) const PINNED: u8 = 1;
/// Each use moves its end.
pub(super) const IDLE: u8 = 2;
/// Stands in the wheel.
pub(super) const TIMED: u8 = 4;

/// One entry with all that a hit touches, in half a cache line where key and value take a word each.
#[derive(Debug)]
#[repr(align(32))]
pub(crate) struct Node<K, V> {
    /// `None` where the slot is free.
    pair: Option<(K, V)>,
    /// When it expires; zero if it does not.
    expires_ms: AtomicU64,
    hash: u32,
    meta: AtomicU16,
    flags: AtomicU8,
}

/// How an entry slides.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Idle {
    pub(crate) idle_ms: u64,
    /// The end that no use moves.
    pub(crate) last_ms: u64,
}

/// The entries of a shard, by slot. First what each hit looks at.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Slab<K, V> {
    nodes: Vec<Node<K, V>>,
    free: Vec<u32>,
    /// Weights, where they are not all one.
    weights: Option<Vec<u32>>,
    /// Only as long as there were entries that slide.
    idles: Vec<Idle>,
    /// How often each is passed over yet. Only as long as there were entries dear to load.
    reprieves: Vec<u8>,
    slots_max: usize,
}

impl<K, V> Slab<K, V> {
    pub(super) fn new(slots_max: usize, has_weights: bool) -> Self {
        let weights = has_weights.then(Vec::new);
        Self {
            nodes: Vec::new(),
            free: Vec::new(),
            weights,
            idles: Vec::new(),
            reprieves: Vec::new(),
            slots_max,
        }
    }

    pub(super) fn resize(&mut self, slots_max: usize) {
        self.slots_max = slots_max;
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    pub(super) fn node(&self, slot: u32) -> &Node<K, V> {
        &self.nodes[slot as usize]
    }

    pub(crate) fn pair(&self, slot: u32) -> Option<&(K, V)> {
        self.nodes.get(slot as usize)?.pair.as_ref()
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = u32> + use<K, V> {
        0..self.nodes.len() as u32
    }

    pub(super) fn fill(&mut self, hash: u32, key: K, value: V, weight: u32) -> u32 {
        let node = Node {
            pair: Some((key, value)),
            expires_ms: AtomicU64::new(0),
            hash,
            meta: AtomicU16::new(0),
            flags: AtomicU8::new(0),
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.nodes[slot as usize] = node;
                slot
            }
            None => {
                let wanted = self.nodes.len() + 1;
                reserve(&mut self.nodes, wanted, self.slots_max);
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        };
        if let Some(weights) = &mut self.weights {
            if weights.len() <= slot as usize {
                weights.resize(slot as usize + 1, 0);
            }
            weights[slot as usize] = weight;
        }
        slot
    }

    pub(super) fn clear(&mut self, slot: u32) -> Option<(K, V)> {
        let pair = self.nodes[slot as usize].pair.take();
        if pair.is_some() {
            self.free.push(slot);
        }
        pair
    }

    /// Puts a value in the place of another.
    pub(super) fn replace(&mut self, slot: u32, value: V, weight: u32) -> Option<V> {
        if let Some(weights) = &mut self.weights {
            weights[slot as usize] = weight;
        }
        let pair = self.nodes[slot as usize].pair.as_mut()?;
        Some(std::mem::replace(&mut pair.1, value))
    }

    pub(super) fn set_reprieves(&mut self, slot: u32, reprieves: u8) {
        if let Some(held) = self.reprieves.get_mut(slot as usize) {
            *held = reprieves;
        } else if reprieves > 0 {
            self.reprieves.resize(slot as usize, 0);
            self.reprieves.push(reprieves);
        }
    }

    /// Says whether this one is to be passed over once more.
    pub(super) fn spend_reprieve(&mut self, slot: u32) -> bool {
        let left = self.reprieves.get_mut(slot as usize).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    }

    pub(super) fn idle(&self, slot: u32) -> Idle {
        self.idles.get(slot as usize).copied().unwrap_or_default()
    }

    pub(super) fn set_idle(&mut self, slot: u32, idle: Idle) {
        if self.idles.len() <= slot as usize {
            self.idles.resize(slot as usize + 1, Idle::default());
        }
        self.idles[slot as usize] = idle;
        self.node(slot).set(IDLE, true);
    }
}

impl<K, V> Slots for Slab<K, V> {
    fn meta(&self, slot: u32) -> &AtomicU16 {
        &self.nodes[slot as usize].meta
    }

    fn hash(&self, slot: u32) -> u32 {
        self.nodes[slot as usize].hash
    }

    fn weight(&self, slot: u32) -> u64 {
        match &self.weights {
            Some(weights) => u64::from(weights[slot as usize]),
            None => 1,
        }
    }
}

impl<K, V> Node<K, V> {
    /// The entry, if it has this hash and is the one that is meant.
    pub(super) fn is(&self, hash: u32, meant: impl FnOnce(&K) -> bool) -> bool {
        self.hash == hash && self.pair.as_ref().is_some_and(|pair| meant(&pair.0))
    }

    pub(super) fn value(&self) -> Option<&V> {
        self.pair.as_ref().map(|pair| &pair.1)
    }

    pub(super) fn meta(&self) -> &AtomicU16 {
        &self.meta
    }

    pub(super) fn expires_ms(&self) -> u64 {
        self.expires_ms.load(Ordering::Relaxed)
    }

    pub(super) fn set_expires_ms(&self, expires_ms: u64) {
        self.expires_ms.store(expires_ms, Ordering::Relaxed);
    }

    /// Whether its time has passed; asks for the time only where there is an end to it.
    #[inline]
    pub(super) fn has_expired(&self, now_ms: impl FnOnce() -> u64) -> bool {
        let expires_ms = self.expires_ms();
        expires_ms != 0 && expires_ms <= now_ms()
    }

    /// Whether it has one of these.
    pub(super) fn has(&self, flags: u8) -> bool {
        self.flags.load(Ordering::Relaxed) & flags != 0
    }

    /// Under the exclusive lock only.
    pub(super) fn set(&self, flag: u8, is_set: bool) {
        let flags = self.flags.load(Ordering::Relaxed);
        let flags = if is_set { flags | flag } else { flags & !flag };
        self.flags.store(flags, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_small_entry_lies_in_half_a_line() {
        assert_eq!(size_of::<Node<u64, Arc<u64>>>(), 32);
        assert_eq!(size_of::<Node<Arc<u64>, Arc<u64>>>(), 32);
    }

    #[test]
    fn freed_slots_are_filled_again() {
        let mut slab = Slab::new(10, true);
        let slots: Vec<u32> = (0..4).map(|n| slab.fill(n, n, n, n)).collect();
        assert_eq!(slots, [0, 1, 2, 3]);
        assert_eq!(slab.clear(2), Some((2, 2)));
        assert_eq!(slab.clear(2), None);
        assert_eq!(slab.len(), 3);
        assert_eq!(slab.fill(9, 9, 9, 9), 2);
        assert_eq!((slab.len(), slab.weight(2), slab.pair(2)), (4, 9, Some(&(9, 9))));
        assert!(slab.nodes.capacity() <= 10);
    }
}
