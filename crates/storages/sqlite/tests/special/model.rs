//! Random calls, compared with a plain map.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cache_core::clock::{Clock, ManualClock};
use cache_core::entry::Entry;
use cache_core::fence::Stamp;
use cache_core::key::{Glob, Key, KeyPattern, Tags};
use cache_core::storage::{Budget, InvalidationMode, Outcome, Selector, Storage, WriteAction};
use cache_sqlite::Sqlite;
use futures_util::StreamExt;
use proptest::prelude::*;

use crate::common::{entry, folder, key, tag, until, write};

/// Names that look alike to whoever mixes up data and patterns.
const NAMES: [&str; 8] = ["a%", "a_", "a*", "a?", "a[b", "a\\", "ab", "b:ab"];
const TAGS: [&str; 3] = ["one", "two", "o_e"];
const GLOBS: [&str; 9] = ["*", "a*", "a?", "a\\*", "a\\?", "a%", "a_", "?[b", "b:*"];

#[derive(Clone, Debug)]
enum Step {
    Get(usize),
    Many(Vec<usize>),
    Fill { name: usize, tags: Vec<usize>, ttl_s: Option<u64> },
    FillOld { name: usize, tags: Vec<usize> },
    Set { name: usize, tags: Vec<usize>, ttl_s: Option<u64> },
    Update { name: usize, tags: Vec<usize>, old: bool },
    Conditional { name: usize, right: bool },
    Touch { name: usize, right: bool, ttl_s: u64 },
    Keys(Vec<usize>, bool),
    AnyTag(Vec<usize>, bool),
    AllTags(Vec<usize>, bool),
    Pattern(usize, bool),
    Namespace,
    Pass(u64),
    Remember,
    Maintain,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES.len();
    let names = || proptest::collection::vec(0..NAMES.len(), 0..4);
    let tags = || proptest::collection::vec(0..TAGS.len(), 0..3);
    let ttl = || proptest::option::of(1..5u64);
    prop_oneof![
        3 => name().prop_map(Step::Get),
        1 => proptest::collection::vec(0..NAMES.len(), 0..12).prop_map(Step::Many),
        4 => (name(), tags(), ttl()).prop_map(|(name, tags, ttl_s)| Step::Fill { name, tags, ttl_s }),
        3 => (name(), tags()).prop_map(|(name, tags)| Step::FillOld { name, tags }),
        4 => (name(), tags(), ttl()).prop_map(|(name, tags, ttl_s)| Step::Set { name, tags, ttl_s }),
        2 => (name(), tags(), any::<bool>()).prop_map(|(name, tags, old)| Step::Update { name, tags, old }),
        2 => (name(), any::<bool>()).prop_map(|(name, right)| Step::Conditional { name, right }),
        2 => (name(), any::<bool>(), 0..5u64)
            .prop_map(|(name, right, ttl_s)| Step::Touch { name, right, ttl_s }),
        2 => (names(), any::<bool>()).prop_map(|(names, expire)| Step::Keys(names, expire)),
        2 => (tags(), any::<bool>()).prop_map(|(tags, expire)| Step::AnyTag(tags, expire)),
        2 => (tags(), any::<bool>()).prop_map(|(tags, expire)| Step::AllTags(tags, expire)),
        2 => (0..GLOBS.len(), any::<bool>()).prop_map(|(glob, expire)| Step::Pattern(glob, expire)),
        1 => Just(Step::Namespace),
        2 => (0..3u64).prop_map(Step::Pass),
        2 => Just(Step::Remember),
        1 => Just(Step::Maintain),
        1 => Just(Step::Reopen),
    ]
}

/// What should be there: entries, and which loads were overtaken by what.
#[derive(Default)]
struct Model {
    entries: BTreeMap<Key, Entry>,
    /// Selectors named since the remembered stamp was taken; sets as their key.
    since: Vec<Selector>,
    /// Keys filled since with a newer stamp.
    newer: Vec<Key>,
}

impl Model {
    fn overtaken(&self, key: &Key, tags: &Tags) -> bool {
        // No two names or tags of this test share a cell, which is checked below.
        self.since.iter().any(|selector| match selector {
            Selector::Pattern(_) | Selector::Namespace(_) => true,
            Selector::AllTags(wanted) => wanted.iter().min().is_some_and(|tag| tags.contains(tag)),
            selector => selector.selects(key, tags),
        })
    }

    fn live(&self, key: &Key, clock: &ManualClock) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.is_kept(clock.wall()))
    }
}

struct Run {
    storage: Sqlite,
    clock: ManualClock,
    options: cache_sqlite::SqliteOptions,
    model: Model,
    remembered: Stamp,
}

fn tags_of(indexes: &[usize]) -> Vec<&'static str> {
    indexes.iter().map(|index| TAGS[*index]).collect()
}

fn mode(expire: bool) -> InvalidationMode {
    if expire { InvalidationMode::Expire } else { InvalidationMode::Remove }
}

impl Run {
    fn entry(&self, key: &Key, tags: &[usize], ttl_s: Option<u64>) -> Entry {
        let plain = entry(key, fastrand_payload(), &tags_of(tags));
        match ttl_s {
            Some(ttl) => until(plain, self.clock.wall().after(Duration::from_secs(ttl))),
            None => plain,
        }
    }

    async fn stamp(&self, key: &Key) -> Stamp {
        self.storage.get(key).await.unwrap().stamp
    }

    async fn check(&self, key: &Key) {
        let found = self.storage.get(key).await.unwrap();
        self.compare(key, found.entry);
    }

    fn compare(&self, key: &Key, found: Option<Entry>) {
        let expected = self.model.live(key, &self.clock).cloned();
        // The mark of a set is the storage's own.
        let plain = |entry: Option<Entry>| entry.map(|entry| Entry { stamp: 0, ..entry });
        assert_eq!(plain(found), plain(expected), "{key}");
    }

    async fn invalidate(&mut self, selector: Selector, mode: InvalidationMode) {
        let now = self.clock.wall();
        let mut listed: Vec<Key> = self
            .storage
            .scan(&selector)
            .map(|details| details.unwrap().key)
            .collect::<Vec<_>>()
            .await;
        listed.sort();
        let named: Vec<Key> = self
            .model
            .entries
            .iter()
            .filter(|(key, entry)| entry.is_kept(now) && selector.selects(key, &entry.tags))
            .map(|(key, _)| key.clone())
            .collect();
        assert_eq!(listed, named, "scan of {selector:?}");
        let done = self.storage.invalidate(&selector, mode).await.unwrap();
        assert_eq!(done.entries, named.len() as u64, "{selector:?}");
        for key in named {
            match mode {
                InvalidationMode::Remove => drop(self.model.entries.remove(&key)),
                InvalidationMode::Expire => {
                    let entry = self.model.entries.get_mut(&key).unwrap();
                    entry.fresh_until = cache_core::clock::Timestamp::from_unix_ms(0);
                }
            }
        }
        self.model.since.push(selector);
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Get(name) => self.check(&key(NAMES[name])).await,
            Step::Many(names) => {
                let keys: Vec<Key> = names.iter().map(|name| key(NAMES[*name])).collect();
                let found = self.storage.get_many(&keys).await.unwrap();
                assert_eq!(found.len(), keys.len());
                for (key, found) in keys.iter().zip(found) {
                    self.compare(key, found.unwrap().entry);
                }
            }
            Step::Fill { name, tags, ttl_s } => {
                let key = key(NAMES[name]);
                let stamp = self.stamp(&key).await;
                let entry = self.entry(&key, &tags, ttl_s);
                let fill = WriteAction::Fill { entry: entry.clone(), stamp };
                assert_eq!(write(&self.storage, &key, fill).await, Outcome::Stored);
                if stamp.mark > self.remembered.mark {
                    self.model.newer.push(key.clone());
                }
                self.model.entries.insert(key, entry);
            }
            Step::FillOld { name, tags } => {
                let key = key(NAMES[name]);
                let entry = self.entry(&key, &tags, None);
                let newer =
                    self.model.live(&key, &self.clock).is_some() && self.model.newer.contains(&key);
                let refused = newer || self.model.overtaken(&key, &entry.tags);
                let fill = WriteAction::Fill { entry: entry.clone(), stamp: self.remembered };
                let outcome = write(&self.storage, &key, fill).await;
                assert_eq!(outcome == Outcome::Fenced, refused, "{outcome:?} of {key}");
                if !refused {
                    self.model.newer.retain(|newer| *newer != key);
                    self.model.entries.insert(key, entry);
                }
            }
            Step::Set { name, tags, ttl_s } => {
                let key = key(NAMES[name]);
                let entry = self.entry(&key, &tags, ttl_s);
                let set = WriteAction::Set { entry: entry.clone() };
                assert_eq!(write(&self.storage, &key, set).await, Outcome::Stored);
                self.model.since.push(Selector::Keys(vec![key.clone()]));
                self.model.entries.insert(key, entry);
            }
            Step::Update { name, tags, old } => {
                let key = key(NAMES[name]);
                let entry = self.entry(&key, &tags, None);
                let stamp = if old { self.remembered } else { self.stamp(&key).await };
                let old_tags = self.model.live(&key, &self.clock).map(|entry| entry.tags.clone());
                let old_tags = old_tags.unwrap_or(Tags::NONE);
                let refused = old
                    && (self.model.overtaken(&key, &entry.tags)
                        || self.model.overtaken(&key, &old_tags));
                let update = WriteAction::Update { entry: entry.clone(), stamp };
                let outcome = write(&self.storage, &key, update).await;
                assert_eq!(outcome == Outcome::Fenced, refused, "{outcome:?} of {key}");
                self.model.since.push(Selector::Keys(vec![key.clone()]));
                if refused {
                    self.model.entries.remove(&key);
                } else {
                    self.model.entries.insert(key, entry);
                }
            }
            Step::Conditional { name, right } => {
                let key = key(NAMES[name]);
                let found = self.storage.get(&key).await.unwrap();
                let there = found.entry.as_ref().map(|entry| entry.token);
                let expected = if right { there } else { Some(cache_core::entry::Token(1)) };
                // One that bears less would be refused where what it leaves out was named since.
                let borne = |tag: &usize| {
                    let label = TAGS[*tag];
                    let mut tags = found.entry.iter().flat_map(|entry| &entry.tags);
                    *tag == 0 || tags.any(|tag| tag.label() == label)
                };
                let tags: Vec<usize> = (0..TAGS.len()).filter(borne).collect();
                let entry = self.entry(&key, &tags, None);
                let put = WriteAction::PutIfUnchanged {
                    entry: entry.clone(),
                    expected,
                    stamp: found.stamp,
                };
                let outcome = write(&self.storage, &key, put).await;
                let wanted = if right { Outcome::Stored } else { Outcome::ConditionFailed };
                assert_eq!(outcome, wanted);
                if right {
                    // In the place of another it is no newer than that.
                    if there.is_none() && found.stamp.mark > self.remembered.mark {
                        self.model.newer.push(key.clone());
                    }
                    self.model.entries.insert(key, entry);
                }
            }
            Step::Touch { name, right, ttl_s } => {
                let key = key(NAMES[name]);
                let there = self.model.live(&key, &self.clock).cloned();
                let token = there.as_ref().filter(|_| right).map(|entry| entry.token);
                let end = self.clock.wall().after(Duration::from_secs(ttl_s));
                let touch = WriteAction::Touch {
                    token: token.unwrap_or(cache_core::entry::Token(1)),
                    fresh_until: end,
                    kept_until: end,
                };
                let takes = there.is_some_and(|entry| right && entry.fresh_until.unix_ms() != 0);
                let outcome = write(&self.storage, &key, touch).await;
                assert_eq!(outcome == Outcome::Stored, takes, "{outcome:?}");
                if takes && let Some(entry) = self.model.entries.get_mut(&key) {
                    entry.fresh_until = end;
                    entry.kept_until = end;
                }
            }
            Step::Keys(names, expire) => {
                let keys = names.iter().map(|name| key(NAMES[*name])).collect();
                self.invalidate(Selector::Keys(keys), mode(expire)).await;
            }
            Step::AnyTag(tags, expire) => {
                let tags = tags_of(&tags).into_iter().map(tag).collect();
                self.invalidate(Selector::AnyTag(tags), mode(expire)).await;
            }
            Step::AllTags(tags, expire) => {
                let tags = tags_of(&tags).into_iter().map(tag).collect();
                self.invalidate(Selector::AllTags(tags), mode(expire)).await;
            }
            Step::Pattern(glob, expire) => {
                let glob = Glob::parse(GLOBS[glob]).unwrap();
                let pattern = KeyPattern::new("t", glob, None);
                self.invalidate(Selector::Pattern(pattern), mode(expire)).await;
            }
            Step::Namespace => {
                self.invalidate(Selector::Namespace("t".to_owned()), mode(false)).await;
            }
            Step::Pass(seconds) => self.clock.advance(Duration::from_secs(seconds)),
            Step::Remember => {
                self.remembered = self.stamp(&key("nowhere")).await;
                self.model.since.clear();
                self.model.newer.clear();
            }
            Step::Maintain => {
                let now = self.clock.wall();
                let before = self.model.entries.len();
                self.model.entries.retain(|_, entry| entry.is_kept(now));
                let done = self.storage.maintain(Budget::UNLIMITED).await.unwrap();
                // Some may have been taken by an invalidation, past their time or not.
                assert!(done.expired as usize <= before - self.model.entries.len());
                let stats = self.storage.stats().await.unwrap();
                assert_eq!(stats.entries as usize, self.model.entries.len());
                let bytes: usize = self.model.entries.values().map(|e| e.payload.len()).sum();
                assert_eq!(stats.payload_bytes as usize, bytes);
            }
            Step::Reopen => {
                self.storage.close().await.unwrap();
                self.storage = self.options.clone().open().await.unwrap();
            }
        }
    }
}

fn fastrand_payload() -> Vec<u8> {
    let token = cache_core::entry::Token::random().0;
    vec![token as u8; (token % 300) as usize]
}

#[test]
fn nothing_of_the_model_shares_a_cell() {
    use cache_core::fence::{cell_of_key, cell_of_tag};
    let keys = NAMES.iter().map(|name| cell_of_key(&key(name)));
    let cells: std::collections::BTreeSet<usize> =
        keys.chain(TAGS.iter().map(|label| cell_of_tag(&tag(label)))).collect();
    assert_eq!(cells.len(), NAMES.len() + TAGS.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_store_does_what_a_map_does(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_folder, options) = folder();
            let clock = ManualClock::new();
            let options = options.clock(Arc::new(clock.clone())).cleanup_interval(None);
            let storage = options.clone().open().await.unwrap();
            let remembered = storage.get(&key("nowhere")).await.unwrap().stamp;
            let model = Model::default();
            let mut run = Run { storage, clock, options, model, remembered };
            for step in steps {
                run.take(step).await;
            }
            for name in NAMES {
                run.check(&key(name)).await;
            }
            run.storage.close().await.unwrap();
        });
    }
}
