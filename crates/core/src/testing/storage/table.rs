use std::collections::BTreeMap;

use super::atomics::Slots;
use super::mutant::Mutant;
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::fence::{CELLS, Stamp, cell_of_key, cell_of_tag};
use crate::key::{Glob, GlobPart, Key, KeyPattern, Tag, Tags};
use crate::storage::{
    Budget, InvalidationMode, Maintenance, Outcome, Selector, StorageStats, WriteAction,
};

/// Entries and their fence: what a store is. Its methods are one atomic step each, by the lock
/// around it.
#[derive(Debug)]
pub(super) struct Table {
    entries: BTreeMap<Key, Entry>,
    counter: u64,
    floor: u64,
    cells: Vec<u64>,
    origin: u64,
    expired: u64,
    slots: Slots,
    /// Tags that [`Mutant::TagsNotReplaced`] has left behind; otherwise empty.
    leftover: BTreeMap<Key, Vec<Tag>>,
}

/// When a call is carried out, how large a payload may be, and which rule is broken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) now: Timestamp,
    pub(super) value_bytes_max: u64,
    pub(super) mutant: Option<Mutant>,
}

impl Rules {
    fn breaks(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn keeps(&self, entry: &Entry) -> bool {
        entry.is_kept(self.now)
            || self.breaks(Mutant::ExpiryInclusive) && entry.kept_until == self.now
    }
}

/// What an invalidated entry is fresh until; by it, a touch tells that there was an invalidation.
const EXPIRED: Timestamp = Timestamp::from_unix_ms(0);

impl Table {
    pub(super) fn new(now: Timestamp) -> Self {
        let mark = micros(now);
        Self {
            entries: BTreeMap::new(),
            counter: mark,
            // A new table refuses every load that began before it.
            floor: mark,
            cells: vec![0; CELLS],
            origin: fastrand::u64(..),
            expired: 0,
            slots: Slots::default(),
            leftover: BTreeMap::new(),
        }
    }

    /// Counters, locks and the like, which stand beside the entries.
    pub(super) fn slots(&mut self) -> &mut Slots {
        &mut self.slots
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp { mark: self.counter, origin: self.origin }
    }

    pub(super) fn stored(&self, key: &Key) -> Option<Entry> {
        self.entries.get(key).cloned()
    }

    pub(super) fn keys(&self, now: Timestamp) -> Vec<Key> {
        let kept = self.entries.iter().filter(|(_, entry)| entry.is_kept(now));
        kept.map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn read(&self, key: &Key, rules: Rules) -> Option<Entry> {
        let key = folded(key, rules);
        self.entries.get(&key).filter(|entry| rules.keeps(entry)).cloned()
    }

    pub(super) fn write(&mut self, key: &Key, action: WriteAction, rules: Rules) -> Outcome {
        let key = &folded(key, rules);
        let current = self.read(key, rules);
        match action {
            WriteAction::Fill { entry, stamp } => self.fill(key, entry, stamp, rules),
            WriteAction::Set { entry } => {
                let mark = self.raise_entry(key, &entry, rules);
                self.put(key, entry, mark, rules)
            }
            WriteAction::Update { entry, stamp } => {
                let old_tags = current.as_ref().map_or(&Tags::NONE, |current| &current.tags);
                let passed = !self.admits(stamp, key, &entry.tags, rules)
                    || !self.admits(stamp, key, old_tags, rules);
                let mark = self.raise_entry(key, &entry, rules);
                if passed && !rules.breaks(Mutant::UpdateBlind) {
                    if !rules.breaks(Mutant::UpdateLeavesOld) {
                        self.entries.remove(key);
                    }
                    return Outcome::Fenced;
                }
                self.put(key, entry, mark, rules)
            }
            WriteAction::PutIfUnchanged { entry, expected, stamp } => {
                if current.as_ref().map(|current| current.token) != expected {
                    return Outcome::ConditionFailed;
                }
                if rules.breaks(Mutant::ConditionalPutUnfenced) {
                    return self.put(key, entry, stamp.mark, rules);
                }
                self.fill(key, entry, stamp, rules)
            }
            WriteAction::Touch { token, fresh_until, kept_until } => {
                let any_token = rules.breaks(Mutant::TouchIgnoresToken);
                let any_time = rules.breaks(Mutant::TouchUndoesExpiry);
                match self.entries.get_mut(key) {
                    Some(entry)
                        if rules.keeps(entry)
                            && (entry.token == token || any_token)
                            && (entry.fresh_until != EXPIRED || any_time) =>
                    {
                        entry.fresh_until = fresh_until;
                        entry.kept_until = kept_until;
                        Outcome::Stored
                    }
                    _ => Outcome::ConditionFailed,
                }
            }
        }
    }

    fn fill(&mut self, key: &Key, entry: Entry, stamp: Stamp, rules: Rules) -> Outcome {
        let newer = self.entries.get(key).is_some_and(|stored| stored.stamp > stamp.mark);
        if newer && !rules.breaks(Mutant::NewerEntryReplaced)
            || !self.admits(stamp, key, &entry.tags, rules)
        {
            return Outcome::Fenced;
        }
        if entry.payload.len() as u64 > rules.value_bytes_max {
            return Outcome::TooLarge;
        }
        self.put(key, entry, stamp.mark, rules)
    }

    /// Stores an entry under a mark; one that is too large removes what was there instead.
    fn put(&mut self, key: &Key, mut entry: Entry, mark: u64, rules: Rules) -> Outcome {
        if entry.payload.len() as u64 > rules.value_bytes_max {
            if !rules.breaks(Mutant::TooLargeLeavesOld) {
                self.entries.remove(key);
            }
            return Outcome::TooLarge;
        }
        entry.stamp = mark;
        let replaced = self.entries.insert(key.clone(), entry);
        if let (Some(replaced), true) = (replaced, rules.breaks(Mutant::TagsNotReplaced)) {
            let tags = replaced.tags.into_iter().cloned();
            self.leftover.entry(key.clone()).or_default().extend(tags);
        }
        Outcome::Stored
    }

    /// Whether nothing has been raised past the stamp: not the floor, nor the cell of the key or
    /// of one of the tags.
    fn admits(&self, stamp: Stamp, key: &Key, tags: &Tags, rules: Rules) -> bool {
        if rules.breaks(Mutant::NoFence) {
            return true;
        }
        let mut mark = self.cells[cell_of_key(key)];
        if !rules.breaks(Mutant::FenceIgnoresFloor) {
            mark = mark.max(self.floor);
        }
        if !rules.breaks(Mutant::FenceIgnoresTags) {
            mark = tags.into_iter().map(|tag| self.cells[cell_of_tag(tag)]).fold(mark, u64::max);
        }
        let ours = stamp.origin == self.origin || rules.breaks(Mutant::ForeignStampTaken);
        ours && mark <= stamp.mark
    }

    /// Raises the cell of the key.
    fn raise_entry(&mut self, key: &Key, entry: &Entry, rules: Rules) -> u64 {
        let mark = self.next_mark(rules.now);
        let mut cells = vec![cell_of_key(key)];
        if rules.breaks(Mutant::SetRaisesTags) {
            cells.extend(entry.tags.into_iter().map(cell_of_tag));
        }
        for cell in cells {
            self.cells[cell] = self.cells[cell].max(mark);
        }
        mark
    }

    /// Raises the counter past every stamp that was handed out.
    pub(super) fn next_mark(&mut self, now: Timestamp) -> u64 {
        self.counter = (self.counter + 1).max(micros(now));
        self.counter
    }

    /// Raises what the selector names to at least `mark`.
    pub(super) fn raise(&mut self, selector: &Selector, mark: u64, rules: Rules) {
        match selector.cells() {
            None => self.floor = self.floor.max(mark),
            Some(cells) => {
                for cell in cells {
                    let assigned = rules.breaks(Mutant::CellsAssigned);
                    self.cells[cell] = if assigned { mark } else { self.cells[cell].max(mark) };
                }
            }
        }
    }

    /// Removes or expires what the selector names, and tells how many entries that were.
    pub(super) fn remove(
        &mut self,
        selector: &Selector,
        mode: InvalidationMode,
        rules: Rules,
    ) -> u64 {
        let named = self.select(selector, rules);
        if rules.breaks(Mutant::ClearTakesAtomics) && matches!(selector, Selector::Namespace(_)) {
            self.slots.clear();
        }
        // What is past its time goes too, or it would be back if the clock were set back.
        self.entries
            .retain(|key, entry| rules.keeps(entry) || !selects(selector, key, &entry.tags, rules));
        for key in &named {
            match mode {
                InvalidationMode::Remove => drop(self.entries.remove(key)),
                InvalidationMode::Expire => {
                    if let Some(entry) = self.entries.get_mut(key) {
                        entry.fresh_until = EXPIRED;
                    }
                }
            }
        }
        named.len() as u64
    }

    /// The same, but of what has a stamp below `mark`.
    pub(super) fn remove_older(
        &mut self,
        selector: &Selector,
        mode: InvalidationMode,
        mark: u64,
        rules: Rules,
    ) -> u64 {
        let is_newer = |(_, entry): &(&Key, &Entry)| entry.stamp >= mark;
        let pair = |(key, entry): (&Key, &Entry)| (key.clone(), entry.clone());
        let newer: Vec<_> = self.entries.iter().filter(is_newer).map(pair).collect();
        for (key, _) in &newer {
            self.entries.remove(key);
        }
        let removed = self.remove(selector, mode, rules);
        self.entries.extend(newer);
        removed
    }

    /// The keys that the selector names and that are within their time.
    pub(super) fn select(&self, selector: &Selector, rules: Rules) -> Vec<Key> {
        let listed = rules.breaks(Mutant::ScanListsExpired);
        let entries = self.entries.iter().filter(|(_, entry)| listed || rules.keeps(entry));
        let named = entries.filter(|(key, entry)| match self.leftover.get(*key) {
            None => selects(selector, key, &entry.tags, rules),
            Some(more) => {
                let tags = entry.tags.into_iter().chain(more).cloned().collect();
                selects(selector, key, &Tags::new(tags), rules)
            }
        });
        named.map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn maintain(&mut self, budget: Budget, rules: Rules) -> Maintenance {
        let stale = |entry: &Entry| match rules.breaks(Mutant::CleanUpRemovesFresh) {
            true => !entry.is_fresh(rules.now.after(std::time::Duration::from_secs(3601))),
            false => !rules.keeps(entry),
        };
        self.slots.sweep(rules.now);
        let past: Vec<Key> = self
            .entries
            .iter()
            .filter(|(_, entry)| stale(entry))
            .map(|(key, _)| key.clone())
            .collect();
        let most = match rules.breaks(Mutant::BudgetIgnored) {
            true => usize::MAX,
            false => usize::try_from(budget.entries_max).unwrap_or(usize::MAX),
        };
        let mut done = Maintenance::default();
        for key in past.iter().take(most) {
            if let Some(entry) = self.entries.remove(key) {
                done.expired += 1;
                done.freed_bytes += entry.payload.len() as u64;
            }
        }
        done.unfinished = past.len() > most;
        self.expired += done.expired;
        done
    }

    pub(super) fn stats(&self) -> StorageStats {
        let payload_bytes = self.entries.values().map(|entry| entry.payload.len() as u64).sum();
        StorageStats {
            entries: self.entries.len() as u64,
            payload_bytes,
            stored_bytes: payload_bytes,
            evicted: 0,
            expired: self.expired,
        }
    }
}

fn micros(now: Timestamp) -> u64 {
    now.unix_ms().saturating_mul(1_000)
}

/// The key itself, unless [`Mutant::KeysFolded`].
fn folded(key: &Key, rules: Rules) -> Key {
    match rules.breaks(Mutant::KeysFolded) {
        true => Key::parse(&key.as_str().to_ascii_lowercase()).unwrap_or_else(|_| key.clone()),
        false => key.clone(),
    }
}

fn selects(selector: &Selector, key: &Key, tags: &Tags, rules: Rules) -> bool {
    match (selector, rules.mutant) {
        (Selector::Namespace(prefix), Some(Mutant::NamespaceByBarePrefix)) => {
            key.as_str().starts_with(prefix)
        }
        (Selector::AllTags(wanted), Some(Mutant::AllTagsAsAny)) => {
            wanted.iter().any(|tag| tags.contains(tag))
        }
        (Selector::Pattern(pattern), Some(Mutant::PatternWithoutEscaping)) => {
            let text = pattern.glob().parts().iter().map(|part| match part {
                GlobPart::AnyRun => "*".to_owned(),
                GlobPart::AnyCharacter => "?".to_owned(),
                GlobPart::Literal(text) => {
                    let escaped = text.chars().flat_map(|character| match character {
                        '_' => vec!['?'],
                        '*' | '?' | '\\' => vec!['\\', character],
                        _ => vec![character],
                    });
                    escaped.collect()
                }
            });
            let glob = Glob::parse(&text.collect::<String>());
            let pattern =
                glob.map(|glob| KeyPattern::new(pattern.prefix(), glob, pattern.version()));
            pattern.is_ok_and(|pattern| pattern.matches(key))
        }
        (Selector::Pattern(pattern), Some(Mutant::PatternIgnoresVersion)) => {
            KeyPattern::new(pattern.prefix(), pattern.glob().clone(), None).matches(key)
        }
        _ => selector.selects(key, tags),
    }
}
