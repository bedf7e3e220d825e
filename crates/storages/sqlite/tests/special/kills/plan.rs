//! What a process does, from a seed: both it and its judge know the whole of it.

use bytes::Bytes;
use cache_core::clock::Timestamp;
use cache_core::entry::Entry;
use cache_core::key::{Key, Tag};
use cache_core::storage::InvalidationMode;

use crate::common;

/// How many tasks write side by side, each to keys and tags of its own.
pub(super) const TASKS: u64 = 4;
pub(super) const NAMES: u64 = 24;
const TAGS: u64 = 3;

#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// One or many in one call.
    Set(Vec<Content>),
    Update(Content),
    /// Makes an entry fresh until this moment.
    Touch {
        name: u64,
        until: Timestamp,
    },
    Keys {
        names: Vec<u64>,
        mode: InvalidationMode,
    },
    AnyTag {
        tag: u64,
        mode: InvalidationMode,
    },
    Flush,
    Maintain,
}

#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) name: u64,
    pub(super) value: u64,
    pub(super) tags: Vec<u64>,
}

/// The operations of one task, without end.
pub(super) struct Plan {
    random: fastrand::Rng,
}

impl Plan {
    pub(super) fn new(seed: u64, task: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed.wrapping_mul(TASKS).wrapping_add(task)) }
    }

    fn name(&mut self) -> u64 {
        self.random.u64(..NAMES)
    }

    /// The value too is chosen here.
    fn content(&mut self, name: u64) -> Content {
        let tags = (0..TAGS).filter(|_| self.random.u8(..3) == 0).collect();
        Content { name, value: self.random.u64(..), tags }
    }

    fn mode(&mut self) -> InvalidationMode {
        if self.random.bool() { InvalidationMode::Remove } else { InvalidationMode::Expire }
    }

    pub(super) fn next(&mut self) -> Operation {
        match self.random.u8(..32) {
            0..10 => {
                let name = self.name();
                Operation::Set(vec![self.content(name)])
            }
            10..16 => {
                // Each name once: what holds in the end depends on no order.
                let names = (0..NAMES).filter(|_| self.random.bool()).collect::<Vec<_>>();
                Operation::Set(names.into_iter().map(|name| self.content(name)).collect())
            }
            16..20 => {
                let name = self.name();
                Operation::Update(self.content(name))
            }
            20..23 => Operation::Touch {
                name: self.name(),
                until: Timestamp::from_unix_ms(4_000_000_000_000 + self.random.u64(..1000)),
            },
            23..27 => Operation::Keys {
                names: (0..self.random.u8(1..5)).map(|_| self.name()).collect(),
                mode: self.mode(),
            },
            27..30 => Operation::AnyTag { tag: self.random.u64(..TAGS), mode: self.mode() },
            30 => Operation::Flush,
            _ => Operation::Maintain,
        }
    }
}

pub(super) fn key(task: u64, name: u64) -> Key {
    common::key(&format!("{task}.{name}"))
}

pub(super) fn tag(task: u64, tag: u64) -> Tag {
    common::tag(&label(task, tag))
}

fn label(task: u64, tag: u64) -> String {
    format!("{task}.{tag}")
}

pub(super) fn entry(task: u64, content: &Content) -> Entry {
    let labels: Vec<String> = content.tags.iter().map(|tag| label(task, *tag)).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    common::entry(&key(task, content.name), payload(content.value), &labels)
}

/// Mostly short; some take many pages.
pub(super) fn payload(value: u64) -> Bytes {
    let mut random = fastrand::Rng::with_seed(value);
    let length = if random.u8(..16) == 0 { random.usize(..40_000) } else { random.usize(..2000) };
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}
