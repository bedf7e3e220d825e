use super::ghost::Ghost;
use super::mode::{Mode, Turn};
use super::word::{Word, aged};
use crate::policy::links::{Links, List};
use crate::policy::{Capacity, Slots};

/// How many that leave the window may go on at once without a look.
const MOVES_MAX: u32 = 4;

/// A window, a main queue with second chances, and what was evicted from the window of late.
///
/// The mode is handed in with each step: a change of mode changes what the window is to have, and
/// the contents drift there.
#[derive(Debug)]
pub(super) struct Queues {
    links: Links,
    window: List,
    main: List,
    ghost: Ghost,
    capacity: Capacity,
    has_been_full: bool,
}

impl Queues {
    pub(super) fn new(capacity: Capacity) -> Self {
        Self {
            links: Links::default(),
            window: List::default(),
            main: List::default(),
            ghost: Ghost::default(),
            capacity,
            has_been_full: false,
        }
    }

    pub(super) fn resize(&mut self, capacity: Capacity) {
        self.capacity = capacity;
    }

    /// The next victim of the main queue: those that were used go round once for each use.
    fn hand(&mut self, slots: &impl Slots) -> Option<u32> {
        loop {
            let slot = self.main.front()?;
            let word = Word::of(slots.meta(slot));
            if word.recent() == 0 {
                return Some(slot);
            }
            word.spent().store(slots.meta(slot));
            self.main.move_to_back(&mut self.links, slot);
        }
    }

    /// Whether something with this count is worth more than the next victim.
    fn beats(&mut self, count: u8, turn: Turn, slots: &impl Slots) -> bool {
        if turn.mode != Mode::Guarded {
            return true;
        }
        let Some(victim) = self.hand(slots) else { return true };
        let against = Word::of(slots.meta(victim)).count(turn.epoch);
        let wins = count > against + against / 4;
        if !wins {
            self.main.move_to_back(&mut self.links, victim);
        }
        wins
    }

    /// Brings in a slot that has just been filled.
    pub(super) fn admit(&mut self, slot: u32, turn: Turn, slots: &impl Slots) {
        let remembered = self.ghost.take(slots.hash(slot), turn.epoch);
        let count = remembered.map_or(1, |(count, age)| aged(count, age) + 1);
        let is_main = !self.has_been_full
            || turn.mode == Mode::Clock
            || (remembered.is_some() && self.beats(count, turn, slots));
        Word::new(count, turn.epoch, is_main).store(slots.meta(slot));
        let (weight, slots_max) = (slots.weight(slot), self.capacity.slots_max());
        let queue = if is_main { &mut self.main } else { &mut self.window };
        queue.push_back(&mut self.links, slot, weight, slots_max);
    }

    /// Takes out who has to go.
    pub(super) fn evict(&mut self, turn: Turn, slots: &impl Slots) -> Option<u32> {
        self.has_been_full = true;
        self.fit_ghost();
        let capacity = match self.capacity {
            Capacity::Entries(entries) => entries,
            Capacity::Weight => self.window.weight() + self.main.weight(),
        };
        let window = turn.mode.window(capacity);
        if turn.mode == Mode::Clock {
            for _ in 0..MOVES_MAX {
                let Some(slot) = self.window.front() else { break };
                self.promote(slot, true, slots);
            }
        } else if self.window.weight() >= window || self.main.is_empty() {
            let evicted = self.evict_from_window(capacity.saturating_sub(window), turn, slots);
            if evicted.is_some() {
                return evicted;
            }
        }
        self.evict_from_main(slots)
    }

    fn evict_from_window(&mut self, main_max: u64, turn: Turn, slots: &impl Slots) -> Option<u32> {
        let mut moves = 0;
        while let Some(slot) = self.window.front() {
            let is_guarded = turn.mode == Mode::Guarded;
            let main_has_room = self.main.weight() < main_max;
            if is_guarded && moves < MOVES_MAX && main_has_room && self.window.len() > 1 {
                self.promote(slot, false, slots);
                moves += 1;
                continue;
            }
            let word = Word::of(slots.meta(slot));
            let count = word.count(turn.epoch);
            let is_promoted = (word.recent() >= 2 && self.beats(count, turn, slots))
                || (is_guarded && self.victim_is_dead(turn, slots));
            if !is_promoted {
                self.window.unlink(&mut self.links, slot, slots.weight(slot));
                self.ghost.put(slots.hash(slot), count, turn.epoch);
                return Some(slot);
            }
            self.promote(slot, false, slots);
            if self.main.weight() > main_max {
                return self.evict_from_main(slots);
            }
        }
        None
    }

    /// Whether the next victim has not been used for so long that its count says nothing.
    fn victim_is_dead(&mut self, turn: Turn, slots: &impl Slots) -> bool {
        let victim = self.hand(slots);
        victim.is_some_and(|slot| Word::of(slots.meta(slot)).age(turn.epoch) >= 4)
    }

    fn promote(&mut self, slot: u32, keeps_recent: bool, slots: &impl Slots) {
        let weight = slots.weight(slot);
        self.window.unlink(&mut self.links, slot, weight);
        Word::of(slots.meta(slot)).in_main(keeps_recent).store(slots.meta(slot));
        self.main.push_back(&mut self.links, slot, weight, self.capacity.slots_max());
    }

    fn evict_from_main(&mut self, slots: &impl Slots) -> Option<u32> {
        // Where the main queue is empty the window is all there is.
        let Some(slot) = self.hand(slots) else {
            let slot = self.window.front()?;
            self.window.unlink(&mut self.links, slot, slots.weight(slot));
            return Some(slot);
        };
        self.main.unlink(&mut self.links, slot, slots.weight(slot));
        Some(slot)
    }

    /// Takes out a slot for another reason than want of room.
    pub(super) fn remove(&mut self, slot: u32, slots: &impl Slots) {
        let weight = slots.weight(slot);
        let is_main = Word::of(slots.meta(slot)).is_main();
        let queue = if is_main { &mut self.main } else { &mut self.window };
        queue.unlink(&mut self.links, slot, weight);
    }

    /// Takes note that a slot, still with its old weight, is about to get another one.
    pub(super) fn reweigh(&mut self, slot: u32, weight: u64, slots: &impl Slots) {
        let is_main = Word::of(slots.meta(slot)).is_main();
        let queue = if is_main { &mut self.main } else { &mut self.window };
        queue.reweigh(slots.weight(slot), weight);
    }

    /// Has room to remember twice as many as are held. Where the capacity is a weight, how many
    /// that is shows with time.
    fn fit_ghost(&mut self) {
        let held = u64::from(self.window.len() + self.main.len());
        let entries = match self.capacity {
            Capacity::Entries(entries) => entries,
            Capacity::Weight if held * 2 > self.ghost.room() => held * 2,
            Capacity::Weight => return,
        };
        if self.ghost.room() < entries * 2 || self.ghost.room() > entries * 2 + 64 {
            self.ghost = Ghost::new(entries * 2);
        }
    }
}
