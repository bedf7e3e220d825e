//! The byte form of an event, the same for processes of every language.
//!
//! Little-endian, version 1; a text is 2 bytes of length and its UTF-8:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 2 | magic `0xC7 0x1B` |
//! | 2 | 1 | version |
//! | 3 | 1 | kind: 0 hello, 1 intent, 2 final, 3 goodbye |
//! | 4 | 8 | sender: a random number that every open cache has of its own |
//! | 12 | 8 | origin: the sender that the operation is of |
//! | 20 | 8 | number of the operation, by its origin |
//! | 28 | .. | text: prefix of the cache |
//! | .. | .. | of a hello: heartbeat in ms (4), number of pairs (2), of each pair two texts: the nearer storage, the farther one |
//! | .. | .. | of an intent and a final: mode (1: 0 remove, 1 expire), cause (1: 0 invalidated, 1 changed), selector |
//! | last 8 | 8 | XXH3 of all before it |
//!
//! A selector is its kind (1: 0 keys, 1 any tag, 2 all tags, 3 pattern, 4 namespace), a number of
//! texts (4) and the texts: keys and tags whole; a pattern and, if it has one, its version; nothing
//! for the namespace. Prefixes of patterns and namespaces are that of the cache.

use std::time::Duration;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use crate::key::{Glob, Key, KeyPattern, Tag};
use crate::storage::{InvalidationMode, Selector};

/// The version that this release writes.
pub const EVENT_VERSION: u8 = 1;

const MAGIC: [u8; 2] = [0xC7, 0x1B];
const TRAILER_BYTES: usize = 8;

/// What processes tell each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The cache that sends it, of all that are open.
    pub sender: u64,
    /// The prefix that the cache has: caches with another one have nothing to do with it.
    pub prefix: String,
    /// What it says.
    pub message: Message,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The sender is there.
    Hello {
        /// It says so again after this long.
        heartbeat: Duration,
        /// Shared storages in the order in which the sender goes through them: of each pair the
        /// nearer one stands first.
        order: Vec<(String, String)>,
    },
    /// An invalidation has begun with the farthest storage. It promises nothing: where its end is
    /// not told in time, the sender has died, and whoever reads this ends it.
    Intent(Told),
    /// An invalidation has been through all shared storages.
    Final(Told),
    /// The sender was closed.
    Goodbye,
}

/// An invalidation, as told to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which one.
    pub operation: Operation,
    /// What it names.
    pub selector: Selector,
    /// What happens to that.
    pub mode: InvalidationMode,
    /// What it comes from.
    pub cause: Cause,
}

/// An invalidation, told from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation {
    /// The cache that began it.
    pub origin: u64,
    /// Its number there.
    pub number: u64,
}

/// What an invalidation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It was asked for.
    Invalidated,
    /// A new value was stored in the farthest tier.
    Changed,
}

/// Why bytes are not an event that this release can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// Not one of ours.
    #[error("it does not begin as an event does")]
    Foreign,
    /// Written by a newer release.
    #[error("the event has version {0}, newer than this release reads")]
    Newer(u8),
    /// Shorter than it says, or changed.
    #[error("the event is torn or changed")]
    Torn,
    /// A field holds what it cannot.
    #[error("the event's {0} is not valid")]
    Field(&'static str),
}

impl Event {
    /// The event as bytes.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(64 + self.prefix.len());
        out.extend(MAGIC);
        out.push(EVENT_VERSION);
        out.push(match &self.message {
            Message::Hello { .. } => 0,
            Message::Intent(_) => 1,
            Message::Final(_) => 2,
            Message::Goodbye => 3,
        });
        out.extend(self.sender.to_le_bytes());
        let operation = match &self.message {
            Message::Intent(told) | Message::Final(told) => told.operation,
            _ => Operation { origin: self.sender, number: 0 },
        };
        out.extend(operation.origin.to_le_bytes());
        out.extend(operation.number.to_le_bytes());
        put_text(&mut out, &self.prefix);
        match &self.message {
            Message::Hello { heartbeat, order } => {
                let heartbeat_ms = u32::try_from(heartbeat.as_millis()).unwrap_or(u32::MAX);
                out.extend(heartbeat_ms.to_le_bytes());
                let pairs = u16::try_from(order.len()).unwrap_or(u16::MAX);
                out.extend(pairs.to_le_bytes());
                for (near, far) in order.iter().take(usize::from(pairs)) {
                    put_text(&mut out, near);
                    put_text(&mut out, far);
                }
            }
            Message::Intent(told) | Message::Final(told) => told.put(&mut out),
            Message::Goodbye => {}
        }
        let checksum = xxh3_64(&out);
        out.extend(checksum.to_le_bytes());
        out.into()
    }

    /// Reads an event.
    ///
    /// # Errors
    /// [`EventError`] if it is foreign, newer, torn or changed.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EventError> {
        if bytes.len() < 3 || bytes[..2] != MAGIC {
            return Err(EventError::Foreign);
        }
        if bytes[2] == 0 || bytes[2] > EVENT_VERSION {
            return Err(EventError::Newer(bytes[2]));
        }
        let body_bytes = bytes.len().checked_sub(TRAILER_BYTES).ok_or(EventError::Torn)?;
        let (body, trailer) = bytes.split_at(body_bytes);
        if trailer != xxh3_64(body).to_le_bytes() {
            return Err(EventError::Torn);
        }
        let mut reader = Reader(body.get(3..).ok_or(EventError::Torn)?);
        let kind = reader.u8()?;
        let sender = reader.u64()?;
        let operation = Operation { origin: reader.u64()?, number: reader.u64()? };
        let prefix = reader.text()?.to_owned();
        let message = match kind {
            0 => {
                let heartbeat = Duration::from_millis(u64::from(reader.u32()?));
                let pairs = reader.u16()?;
                let mut order = Vec::new();
                for _ in 0..pairs {
                    order.push((reader.text()?.to_owned(), reader.text()?.to_owned()));
                }
                Message::Hello { heartbeat, order }
            }
            1 => Message::Intent(Told::take(&mut reader, operation, &prefix)?),
            2 => Message::Final(Told::take(&mut reader, operation, &prefix)?),
            3 => Message::Goodbye,
            _ => return Err(EventError::Field("kind")),
        };
        if !reader.0.is_empty() {
            return Err(EventError::Field("length"));
        }
        Ok(Self { sender, prefix, message })
    }
}

impl Told {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self.mode {
            InvalidationMode::Remove => 0,
            InvalidationMode::Expire => 1,
        });
        out.push(match self.cause {
            Cause::Invalidated => 0,
            Cause::Changed => 1,
        });
        let put = |out: &mut Vec<u8>, kind: u8, texts: &[&str]| {
            out.push(kind);
            out.extend(u32::try_from(texts.len()).unwrap_or(u32::MAX).to_le_bytes());
            texts.iter().for_each(|text| put_text(out, text));
        };
        let tag_texts = |tags: &'_ [Tag]| tags.iter().map(|tag| tag.as_str().to_owned()).collect();
        match &self.selector {
            Selector::Keys(keys) => {
                put(out, 0, &keys.iter().map(Key::as_str).collect::<Vec<_>>());
            }
            Selector::AnyTag(tags) => {
                let texts: Vec<String> = tag_texts(tags);
                put(out, 1, &texts.iter().map(String::as_str).collect::<Vec<_>>());
            }
            Selector::AllTags(tags) => {
                let texts: Vec<String> = tag_texts(tags);
                put(out, 2, &texts.iter().map(String::as_str).collect::<Vec<_>>());
            }
            Selector::Pattern(pattern) => {
                let glob = pattern.glob().to_string();
                let mut texts = vec![glob.as_str()];
                texts.extend(pattern.version());
                put(out, 3, &texts);
            }
            Selector::Namespace(_) => put(out, 4, &[]),
        }
    }

    fn take(
        reader: &mut Reader<'_>,
        operation: Operation,
        prefix: &str,
    ) -> Result<Self, EventError> {
        let mode = match reader.u8()? {
            0 => InvalidationMode::Remove,
            1 => InvalidationMode::Expire,
            _ => return Err(EventError::Field("mode")),
        };
        let cause = match reader.u8()? {
            0 => Cause::Invalidated,
            1 => Cause::Changed,
            _ => return Err(EventError::Field("cause")),
        };
        let kind = reader.u8()?;
        let count = reader.u32()?;
        // A declared count is not to be trusted with memory.
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(reader.text()?);
        }
        let tags = |texts: &[&str]| {
            let tags = texts.iter().map(|text| Tag::parse(text));
            tags.collect::<Result<Vec<_>, _>>().map_err(|_| EventError::Field("tag"))
        };
        let selector = match (kind, &texts[..]) {
            (0, texts) => {
                let keys = texts.iter().map(|text| Key::parse(text));
                let keys = keys.collect::<Result<_, _>>().map_err(|_| EventError::Field("key"))?;
                Selector::Keys(keys)
            }
            (1, texts) => Selector::AnyTag(tags(texts)?),
            (2, texts) => Selector::AllTags(tags(texts)?),
            (3, [glob, version @ ..]) if version.len() < 2 => {
                let glob = Glob::parse(glob).map_err(|_| EventError::Field("pattern"))?;
                Selector::Pattern(KeyPattern::new(prefix, glob, version.first().copied()))
            }
            (4, []) => Selector::Namespace(prefix.to_owned()),
            _ => return Err(EventError::Field("selector")),
        };
        Ok(Self { operation, selector, mode, cause })
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // Keys, tags, names and prefixes are far shorter; a longer pattern cannot match a key.
    let bytes = &text.as_bytes()[..text.len().min(usize::from(u16::MAX))];
    out.extend((bytes.len() as u16).to_le_bytes());
    out.extend(bytes);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], EventError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(EventError::Torn)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], EventError> {
        self.take(N)?.try_into().map_err(|_| EventError::Torn)
    }

    fn u8(&mut self) -> Result<u8, EventError> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, EventError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, EventError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, EventError> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<&'a str, EventError> {
        let length = usize::from(self.u16()?);
        std::str::from_utf8(self.take(length)?).map_err(|_| EventError::Field("text"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(selector: Selector) -> Told {
        let operation = Operation { origin: 0x1122, number: 3 };
        Told { operation, selector, mode: InvalidationMode::Remove, cause: Cause::Invalidated }
    }

    fn event(message: Message) -> Event {
        Event { sender: 0x0102_0304_0506_0708, prefix: "app".to_owned(), message }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn key() -> Key {
        Key::parse("app:user:7:v1").expect("a key")
    }

    fn all() -> Vec<Event> {
        let tag = || Tag::new("app", "t").expect("a tag");
        let glob = || Glob::parse(r"user:\**").expect("a pattern");
        let expired = Told {
            mode: InvalidationMode::Expire,
            cause: Cause::Changed,
            ..told(Selector::Keys(vec![key(), key()]))
        };
        let order = vec![("near".to_owned(), "far".to_owned())];
        [
            Message::Hello { heartbeat: Duration::from_millis(1_000), order },
            Message::Intent(told(Selector::Keys(vec![key()]))),
            Message::Final(expired),
            Message::Final(told(Selector::AnyTag(vec![tag()]))),
            Message::Final(told(Selector::AllTags(vec![tag()]))),
            Message::Final(told(Selector::Pattern(KeyPattern::new("app", glob(), None)))),
            Message::Final(told(Selector::Pattern(KeyPattern::new("app", glob(), Some("v1"))))),
            Message::Final(told(Selector::Namespace("app".to_owned()))),
            Message::Goodbye,
        ]
        .into_iter()
        .map(event)
        .collect()
    }

    #[test]
    fn every_event_comes_back_from_its_bytes() {
        for event in all() {
            assert_eq!(Event::from_bytes(&event.to_bytes()), Ok(event));
        }
    }

    /// Bytes of version 1 as they stand in logs: a newer release has to read them.
    #[test]
    fn golden_bytes() {
        let golden = include_str!("golden_v1.txt");
        let lines: Vec<&str> = golden.lines().collect();
        let written: Vec<String> = all().iter().map(|event| hex(&event.to_bytes())).collect();
        assert_eq!(written, lines);
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = event(Message::Goodbye).to_bytes().to_vec();
        bytes[2] = 2;
        assert_eq!(Event::from_bytes(&bytes), Err(EventError::Newer(2)));
        assert_eq!(Event::from_bytes(b"hello"), Err(EventError::Foreign));
        assert_eq!(Event::from_bytes(b""), Err(EventError::Foreign));
    }

    proptest! {
        /// Whatever lies in a log is read or refused, and never taken for what it is not.
        #[test]
        fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Event::from_bytes(&bytes).is_err());
        }

        /// So is a body of arbitrary bytes under a right checksum, which may well be an event.
        #[test]
        fn arbitrary_bodies_are_read_or_refused(
            kind in 0_u8..5,
            body in prop::collection::vec(any::<u8>(), 0..120),
            small in prop::collection::vec(0_u8..6, 0..40),
        ) {
            for rest in [body, small] {
                let mut bytes = vec![MAGIC[0], MAGIC[1], EVENT_VERSION, kind];
                bytes.extend([7; 24]);
                bytes.extend([1, 0, b'p']);
                bytes.extend(rest);
                let checksum = xxh3_64(&bytes);
                bytes.extend(checksum.to_le_bytes());
                if let Ok(event) = Event::from_bytes(&bytes) {
                    prop_assert_eq!(Event::from_bytes(&event.to_bytes()), Ok(event));
                }
            }
        }

        #[test]
        fn a_changed_or_cut_event_is_refused(
            which in 0..9_usize, at in any::<prop::sample::Index>(), change in 1..=255_u8,
        ) {
            let bytes = all()[which].to_bytes().to_vec();
            let at = at.index(bytes.len());
            prop_assert!(Event::from_bytes(&bytes[..at]).is_err());
            let mut changed = bytes;
            changed[at] ^= change;
            prop_assert!(Event::from_bytes(&changed).is_err());
        }
    }
}
