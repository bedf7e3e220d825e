//! What becomes of writes to entries that are known and locked: decided here, done by one script.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cache_core::entry::Entry;
use cache_core::fence::{Stamp, cell_of_tag};
use cache_core::key::{Key, Tag, Tags};
use cache_core::storage::{Outcome, Write, WriteAction};
use cache_sql::{EXPIRED, cells_of, time_column};

use super::is_too_large;
use super::script::cell;

/// What is there, all of it locked, and what the fence says.
#[derive(Debug, Default)]
pub(super) struct Ground {
    /// The stamp that the fence gives now; of no origin where it has none.
    pub(super) stamp: Option<Stamp>,
    /// The mark to which the counter was raised for this batch.
    pub(super) raised: i64,
    /// The server's time.
    pub(super) now_ms: i64,
    pub(super) cells: HashMap<i16, i64>,
    pub(super) entries: HashMap<String, Held>,
}

/// What is kept under a key.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    pub(super) token: i64,
    pub(super) stamp: i64,
    pub(super) expire_at: i64,
    pub(super) fresh_until: i64,
    /// Its tags with their cells, where they count.
    pub(super) tags: Vec<(String, i16)>,
}

/// What is done with a key in the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change<'a> {
    Put { entry: &'a Entry, mark: i64 },
    Remove,
}

/// What was decided.
#[derive(Debug, Default)]
pub(super) struct Decision<'a> {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) changes: BTreeMap<&'a Key, Change<'a>>,
    /// Tokens and times of entries that are touched, after all else.
    pub(super) touches: BTreeMap<&'a Key, (i64, (i64, i64))>,
    /// Cells that are raised.
    pub(super) raises: BTreeSet<i16>,
}

/// Decides one write after the other, each on what those before it leave.
pub(super) fn decide<'a>(
    mut ground: Ground,
    writes: &[&'a Write],
    value_bytes_max: u64,
) -> Decision<'a> {
    let mut decision = Decision::default();
    for write in writes {
        let outcome = decision.add(&mut ground, write, value_bytes_max);
        decision.outcomes.push(outcome);
    }
    decision
}

impl Ground {
    fn held(&self, key: &Key) -> Option<&Held> {
        let is_kept = |held: &&Held| held.expire_at < 0 || held.expire_at > self.now_ms;
        self.entries.get(key.as_str()).filter(is_kept)
    }

    /// Whether the fence lets pass what has this stamp and touches these cells.
    fn admits(&self, stamp: Stamp, cells: impl IntoIterator<Item = i16>) -> bool {
        // A cell that is not known refuses.
        let passes = |cell| self.cells.get(&cell).is_some_and(|mark| *mark <= stamp.mark as i64);
        self.stamp.is_some_and(|now| now.origin == stamp.origin && stamp.mark <= now.mark)
            && cells.into_iter().all(passes)
    }

    /// Whether nothing was raised since `held` was stored of those of its tags that are not among
    /// `kept`.
    fn lets_go(&self, held: &Held, kept: &Tags) -> bool {
        let is_kept = |text: &str| kept.into_iter().any(|tag| tag.as_str() == text);
        held.tags.iter().all(|(text, cell)| {
            is_kept(text) || self.cells.get(cell).is_some_and(|mark| *mark <= held.stamp)
        })
    }
}

fn with_cell(tag: &Tag) -> (String, i16) {
    // 4,096 cells fit.
    (tag.as_str().to_owned(), cell_of_tag(tag) as i16)
}

impl<'a> Decision<'a> {
    fn add(&mut self, ground: &mut Ground, write: &'a Write, value_bytes_max: u64) -> Outcome {
        let key = &write.key;
        let held = ground.held(key);
        match &write.action {
            WriteAction::Fill { entry, stamp } => {
                let newer = held.is_some_and(|held| held.stamp > stamp.mark as i64);
                if newer || !ground.admits(*stamp, cells_of(key, &entry.tags)) {
                    return Outcome::Fenced;
                }
                // Made of what a load brought, and not of what it takes the place of.
                self.put(ground, key, entry, stamp.mark as i64)
            }
            WriteAction::PutIfUnchanged { entry, expected, stamp } => {
                // Sent again after an answer that was lost, it finds what it stored.
                if held.is_some_and(|held| held.token == entry.token.0 as i64) {
                    return Outcome::Stored;
                }
                if held.map(|held| held.token) != expected.map(|token| token.0 as i64) {
                    return Outcome::ConditionFailed;
                }
                let newer = held.is_some_and(|held| held.stamp > stamp.mark as i64);
                if newer || !ground.admits(*stamp, cells_of(key, &entry.tags)) {
                    return Outcome::Fenced;
                }
                // It may be made of what it takes the place of, and is no newer: an invalidation
                // that was raised before that was read, and has not come to it yet, removes what
                // stands there. It would not find what no longer bears the tag that it names.
                let mark = match held {
                    None => stamp.mark as i64,
                    Some(held) if ground.lets_go(held, &entry.tags) => held.stamp,
                    Some(_) => return Outcome::Fenced,
                };
                self.put(ground, key, entry, mark)
            }
            WriteAction::Set { entry } | WriteAction::Update { entry, .. }
                if is_too_large(entry, value_bytes_max) =>
            {
                self.raise(ground, key);
                self.remove(ground, key);
                Outcome::TooLarge
            }
            WriteAction::Set { entry } => {
                self.raise(ground, key);
                self.put(ground, key, entry, ground.raised)
            }
            WriteAction::Update { entry, stamp } => {
                let old = held.map(|held| held.tags.clone()).unwrap_or_default();
                let old = old.into_iter().map(|(_, cell)| cell);
                let cells = cells_of(key, &entry.tags).into_iter().chain(old);
                let admitted = ground.admits(*stamp, cells);
                self.raise(ground, key);
                if admitted {
                    self.put(ground, key, entry, ground.raised)
                } else {
                    self.remove(ground, key);
                    Outcome::Fenced
                }
            }
            WriteAction::Touch { token, fresh_until, kept_until } => {
                let token = token.0 as i64;
                let is_meant =
                    |held: &&Held| held.token == token && held.fresh_until != time_column(EXPIRED);
                if held.filter(is_meant).is_none() {
                    return Outcome::ConditionFailed;
                }
                let times = (time_column(*fresh_until), time_column(*kept_until));
                if let Some(held) = ground.entries.get_mut(key.as_str()) {
                    (held.fresh_until, held.expire_at) = times;
                }
                self.touches.insert(key, (token, times));
                Outcome::Stored
            }
            // An action that this release does not know finds no entry.
            _ => Outcome::ConditionFailed,
        }
    }

    fn put(&mut self, ground: &mut Ground, key: &'a Key, entry: &'a Entry, mark: i64) -> Outcome {
        let tags = &entry.tags;
        let held = Held {
            token: entry.token.0 as i64,
            stamp: mark,
            expire_at: time_column(entry.kept_until),
            fresh_until: time_column(entry.fresh_until),
            tags: tags.into_iter().map(with_cell).collect(),
        };
        ground.entries.insert(key.as_str().to_owned(), held);
        self.touches.remove(key);
        self.changes.insert(key, Change::Put { entry, mark });
        Outcome::Stored
    }

    fn remove(&mut self, ground: &mut Ground, key: &'a Key) {
        ground.entries.remove(key.as_str());
        self.touches.remove(key);
        self.changes.insert(key, Change::Remove);
    }

    fn raise(&mut self, ground: &mut Ground, key: &Key) {
        let raised = ground.raised;
        self.raises.insert(cell(key));
        // One that is missing stays so: it refuses all.
        if let Some(mark) = ground.cells.get_mut(&cell(key)) {
            *mark = raised.max(*mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use cache_core::clock::Timestamp;
    use cache_core::entry::{CodecId, Compression, EntryKind, Token};

    use super::*;

    const NOW: i64 = 1_000;

    fn entry(token: u64, tags: &[&str]) -> Entry {
        Entry {
            kind: EntryKind::Value,
            codec: CodecId::BYTES,
            compression: Compression::None,
            decoded_bytes: 4,
            created: Timestamp::from_unix_ms(1),
            fresh_until: Timestamp::NEVER,
            kept_until: Timestamp::NEVER,
            idle: None,
            stamp: 0,
            token: Token(token),
            tags: Tags::new(tags.iter().map(|label| Tag::new("p", label).unwrap()).collect()),
            payload: Bytes::from_static(b"four"),
            checksum: 0,
        }
    }

    fn key(name: &str) -> Key {
        Key::parse(&format!("p:{name}:v1")).unwrap()
    }

    fn stamp(mark: u64) -> Stamp {
        Stamp { mark, origin: 7 }
    }

    /// All cells at 10, the counter at 20, raised to 30 for this batch.
    fn ground(held: &[(&str, Held)]) -> Ground {
        Ground {
            stamp: Some(stamp(20)),
            raised: 30,
            now_ms: NOW,
            cells: (0..4096).map(|cell| (cell, 10)).collect(),
            entries: held
                .iter()
                .map(|(name, held)| (key(name).to_string(), held.clone()))
                .collect(),
        }
    }

    fn outcomes(ground: Ground, actions: Vec<WriteAction>) -> Vec<Outcome> {
        let writes: Vec<Write> =
            actions.into_iter().map(|action| Write { key: key("k"), action }).collect();
        decide(ground, &writes.iter().collect::<Vec<_>>(), 4).outcomes
    }

    fn fill(mark: u64) -> WriteAction {
        WriteAction::Fill { entry: entry(1, &["t"]), stamp: stamp(mark) }
    }

    fn held(stamp: i64) -> Held {
        Held { token: 5, stamp, expire_at: -1, fresh_until: -1, tags: Vec::new() }
    }

    use Outcome::{ConditionFailed, Fenced, Stored, TooLarge};

    #[test]
    fn a_fill_passes_the_fence_of_its_key_and_tags() {
        for (mark, expected) in [(9, Fenced), (10, Stored), (20, Stored), (21, Fenced)] {
            assert_eq!(outcomes(ground(&[]), vec![fill(mark)]), [expected], "{mark}");
        }
        let tag = cell("t");
        for mark in [None, Some(16)] {
            let mut hurt = ground(&[]);
            match mark {
                None => drop(hurt.cells.remove(&tag)),
                Some(mark) => drop(hurt.cells.insert(tag, mark)),
            }
            assert_eq!(outcomes(hurt, vec![fill(15)]), [Fenced], "{mark:?}");
        }
        let mut other = ground(&[]);
        other.stamp = Some(Stamp { mark: 20, origin: 8 });
        assert_eq!(outcomes(other, vec![fill(15)]), [Fenced], "of another server");
    }

    fn borne(label: &str) -> (String, i16) {
        with_cell(&Tag::new("p", label).unwrap())
    }

    fn cell(label: &str) -> i16 {
        borne(label).1
    }

    #[test]
    fn a_fill_gives_way_to_a_newer_entry_while_that_is_kept() {
        assert_eq!(outcomes(ground(&[("k", held(16))]), vec![fill(15)]), [Fenced]);
        assert_eq!(outcomes(ground(&[("k", held(15))]), vec![fill(15)]), [Stored]);
        let over = Held { expire_at: NOW, ..held(16) };
        assert_eq!(outcomes(ground(&[("k", over)]), vec![fill(15)]), [Stored]);
    }

    #[test]
    fn a_fill_is_stored_under_its_own_stamp_whatever_it_takes_the_place_of() {
        let tagged = Held { tags: vec![borne("old")], ..held(12) };
        for there in [None, Some(held(12)), Some(tagged)] {
            let there = there.map(|held| ("k", held));
            let mut ground = ground(there.as_slice());
            ground.cells.insert(cell("old"), 14);
            let write = Write { key: key("k"), action: fill(15) };
            let decision = decide(ground, &[&write], 4);
            assert_eq!(decision.outcomes, [Stored], "{there:?}");
            let Change::Put { mark, .. } = decision.changes[&write.key] else { panic!("removed") };
            assert_eq!(mark, 15, "{there:?}");
        }
    }

    #[test]
    fn an_update_asks_the_cells_of_old_tags_too() {
        let update = || WriteAction::Update { entry: entry(1, &[]), stamp: stamp(15) };
        let tagged = Held { tags: vec![borne("old")], ..held(12) };
        let raised = || {
            let mut ground = ground(&[("k", tagged.clone())]);
            ground.cells.insert(cell("old"), 16);
            ground
        };
        assert_eq!(outcomes(raised(), vec![update()]), [Fenced]);
        assert_eq!(outcomes(ground(&[("k", tagged.clone())]), vec![update()]), [Stored]);
        let mut over = raised();
        over.now_ms = i64::MAX;
        over.entries.values_mut().for_each(|held| held.expire_at = 1);
        assert_eq!(outcomes(over, vec![update()]), [Stored], "past its time");
        let writes = [Write { key: key("k"), action: update() }];
        let decision = decide(raised(), &[&writes[0]], 4);
        assert_eq!(decision.changes[&key("k")], Change::Remove, "what gave way leaves nothing");
        assert_eq!(decision.raises.len(), 1);
    }

    #[test]
    fn a_put_that_compares_finds_what_is_expected_or_itself() {
        let put = |expected, mark| WriteAction::PutIfUnchanged {
            entry: entry(1, &[]),
            expected,
            stamp: stamp(mark),
        };
        for (there, expected, mark, outcome) in [
            (None, None, 15, Stored),
            (None, Some(Token(5)), 15, ConditionFailed),
            (Some(5), Some(Token(5)), 15, Stored),
            (Some(5), None, 15, ConditionFailed),
            (Some(5), Some(Token(5)), 9, Fenced),
            (Some(1), Some(Token(5)), 15, Stored),
        ] {
            let there = there.map(|token| ("k", Held { token, ..held(12) }));
            let ground = ground(there.as_slice());
            let found = outcomes(ground, vec![put(expected, mark)]);
            assert_eq!(found, [outcome], "{there:?} {expected:?} {mark}");
        }
    }

    #[test]
    fn a_put_in_the_place_of_an_entry_is_no_newer_than_that() {
        let put = |tags: &[&str]| Write {
            key: key("k"),
            action: WriteAction::PutIfUnchanged {
                entry: entry(1, tags),
                expected: Some(Token(5)),
                stamp: stamp(20),
            },
        };
        let there = |raised| {
            let held = Held { tags: vec![borne("old"), borne("kept")], ..held(12) };
            let mut ground = ground(&[("k", held)]);
            ground.cells.extend([(cell("old"), raised), (cell("kept"), 18)]);
            ground
        };
        for (tags, raised, outcome) in [
            (&["kept", "old"][..], 18, Stored),
            (&["kept"], 12, Stored),
            (&["kept"], 13, Fenced),
            (&["old"], 12, Fenced),
        ] {
            let write = put(tags);
            let decision = decide(there(raised), &[&write], 4);
            assert_eq!(decision.outcomes, [outcome], "{tags:?} {raised}");
            let stored = decision.changes.get(&write.key).map(|change| match change {
                Change::Put { mark, .. } => *mark,
                Change::Remove => panic!("removed"),
            });
            assert_eq!(stored, (outcome == Stored).then_some(12), "an invalidation's own mark");
        }
    }

    #[test]
    fn what_an_invalidation_made_stale_is_not_touched() {
        let touch = |token| WriteAction::Touch {
            token: Token(token),
            fresh_until: Timestamp::from_unix_ms(2_000),
            kept_until: Timestamp::from_unix_ms(NOW as u64),
        };
        let there = |held| ground(&[("k", held)]);
        assert_eq!(outcomes(there(held(1)), vec![touch(5), touch(5)]), [Stored, ConditionFailed]);
        assert_eq!(outcomes(there(held(1)), vec![touch(6)]), [ConditionFailed]);
        let stale = Held { fresh_until: 0, ..held(1) };
        assert_eq!(outcomes(there(stale), vec![touch(5)]), [ConditionFailed]);
    }

    #[test]
    fn writes_to_one_key_follow_each_other() {
        let set = |token| WriteAction::Set { entry: entry(token, &[]) };
        let large = WriteAction::Set {
            entry: Entry { payload: Bytes::from_static(b"five!"), ..entry(9, &[]) },
        };
        let touch = WriteAction::Touch {
            token: Token(2),
            fresh_until: Timestamp::NEVER,
            kept_until: Timestamp::NEVER,
        };
        let actions = vec![fill(15), set(2), fill(15), touch.clone(), large, touch, set(3)];
        let writes: Vec<Write> =
            actions.into_iter().map(|action| Write { key: key("k"), action }).collect();
        let decision = decide(ground(&[]), &writes.iter().collect::<Vec<_>>(), 4);
        let expected = [Stored, Stored, Fenced, Stored, TooLarge, ConditionFailed, Stored];
        assert_eq!(decision.outcomes, expected);
        let last = entry(3, &[]);
        assert_eq!(decision.changes[&key("k")], Change::Put { entry: &last, mark: 30 });
        assert!(decision.touches.is_empty());
    }
}
