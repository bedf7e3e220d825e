//! Listing: by `SCAN` on every master, by the sets of tags, or key by key.

use std::collections::HashSet;

use cache_core::key::{Key, Tag};
use cache_core::storage::{EntryDetails, Selector, StorageError, StorageErrorKind};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use redis::cluster_routing::Slot;
use redis::{Cmd, FromRedisValue, Value};

use super::damaged;
use crate::connection::{Node, Routed};
use crate::error::{closed, error, unexpected};
use crate::layout::{Bucket, Details, ENTRY_HEAD_BYTES};
use crate::script;
use crate::storage::Shared;

const OPERATION: &str = "scan";
/// Keys that the server looks at for a page.
const PAGE_KEYS: usize = 1000;

/// The place where the first page begins, and what stands for the place after the last.
pub(crate) const FIRST_PAGE: &[u8] = b"0";
/// How often a walk is begun because the server became another meanwhile.
const WALKS_MAX: usize = 5;

/// Keys, with the names of their entries.
pub(crate) type Page = Vec<(Key, Vec<u8>)>;

/// What pages are read from.
enum Walk<'a> {
    /// All keys of a server whose name fits a pattern.
    Server { key: Option<String>, pattern: String, selector: &'a Selector },
    /// The keys that bear a tag, in one bucket.
    TagSet { name: String, bucket: Bucket },
}

/// The pages of one walk. Each key that is there all the while is on one of them at least: where a page
/// comes from another run of a server than the one before, the walk begins anew.
pub(crate) struct Pages<'a> {
    shared: &'a Shared,
    operation: &'static str,
    walk: Walk<'a>,
    slot: Slot,
    /// `None` at the end.
    cursor: Option<Vec<u8>>,
    /// The run of the server that all pages since the last beginning came from.
    run: Option<Vec<u8>>,
    walks: usize,
}

impl<'a> Pages<'a> {
    /// The keys of a node that a pattern or a namespace names.
    pub(crate) fn of_node(
        shared: &'a Shared,
        operation: &'static str,
        selector: &'a Selector,
        node: Node,
    ) -> Self {
        let pattern = pattern_of(shared, selector);
        Self::new(shared, operation, Walk::Server { key: None, pattern, selector }, node.slot)
    }

    /// The same of the server that has a bucket.
    pub(crate) fn of_server(
        shared: &'a Shared,
        operation: &'static str,
        selector: &'a Selector,
        bucket: Bucket,
    ) -> Self {
        let pattern = pattern_of(shared, selector);
        let key = Some(shared.names.fence(bucket));
        let walk = Walk::Server { key, pattern, selector };
        Self::new(shared, operation, walk, shared.slot(bucket))
    }

    /// The keys of a bucket that bear a tag, or bore it.
    fn of_tag(shared: &'a Shared, bucket: Bucket, tag: &Tag) -> Self {
        let walk = Walk::TagSet { name: shared.names.tag_set(bucket, tag), bucket };
        Self::new(shared, OPERATION, walk, shared.slot(bucket))
    }

    fn new(shared: &'a Shared, operation: &'static str, walk: Walk<'a>, slot: Slot) -> Self {
        let cursor = Some(FIRST_PAGE.to_vec());
        Self { shared, operation, walk, slot, cursor, run: None, walks: 1 }
    }

    /// The run of the server that the pages came from, since the walk was begun last.
    pub(crate) fn run(&self) -> Option<&[u8]> {
        self.run.as_deref()
    }

    /// How often the walk was begun.
    pub(crate) fn walks(&self) -> usize {
        self.walks
    }

    /// The next page, which may be empty; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Page>, StorageError> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let mut call = script::SCAN.call();
        call.argument(&cursor[..]).argument(PAGE_KEYS.to_string());
        match &self.walk {
            Walk::Server { key, pattern, .. } => {
                if let Some(key) = key {
                    call.key(&key[..]);
                }
                call.argument(&pattern[..]);
            }
            Walk::TagSet { name, .. } => {
                call.key(&name[..]);
            }
        }
        let answers = self.shared.connections.run(self.operation, &[(self.slot, call)]).await?;
        let answer = answers.into_iter().next().ok_or_else(|| unexpected(self.operation))?;
        let (run, cursor, found): (Vec<u8>, Vec<u8>, Vec<Vec<u8>>) =
            FromRedisValue::from_redis_value(answer?).map_err(|_| unexpected(self.operation))?;
        if self.run.as_ref().is_some_and(|before| *before != run) {
            if self.walks == WALKS_MAX {
                let message = "the server became another again and again meanwhile";
                return Err(error(self.operation, StorageErrorKind::Unavailable, message));
            }
            self.walks += 1;
            self.run = Some(run);
            self.cursor = Some(FIRST_PAGE.to_vec());
            return Ok(Some(Page::new()));
        }
        self.run = Some(run);
        self.cursor = Some(cursor).filter(|cursor| cursor != FIRST_PAGE);
        Ok(Some(self.keys(found)))
    }

    fn keys(&self, found: Vec<Vec<u8>>) -> Page {
        let names = &self.shared.names;
        match &self.walk {
            Walk::Server { selector, .. } => {
                let named = |key: &Key| match selector {
                    Selector::Pattern(pattern) => pattern.matches(key),
                    Selector::Namespace(prefix) => key.prefix() == prefix,
                    _ => true,
                };
                let key = |name: Vec<u8>| Some((names.key_of(&name)?, name));
                found.into_iter().filter_map(key).filter(|(key, _)| named(key)).collect()
            }
            Walk::TagSet { bucket, .. } => {
                // Members and their ends in turn.
                let keys = found.into_iter().step_by(2).filter_map(|member| {
                    let key = Key::parse(std::str::from_utf8(&member).ok()?).ok()?;
                    (names.bucket_of(&key) == *bucket)
                        .then(|| (key.clone(), names.entry(&key).into()))
                });
                keys.collect()
            }
        }
    }
}

/// The pattern of the names that a selector may name.
fn pattern_of(shared: &Shared, selector: &Selector) -> String {
    let head = match selector {
        Selector::Pattern(pattern) => pattern.literal_head(),
        Selector::Namespace(prefix) => format!("{prefix}:"),
        _ => String::new(),
    };
    shared.names.entries_pattern(&head)
}

/// Where the next page begins, and what is on this one.
pub(crate) fn scanned(answer: Value) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    FromRedisValue::from_redis_value(answer).ok()
}

impl Shared {
    pub(crate) fn scan<'a>(
        &'a self,
        selector: &'a Selector,
    ) -> BoxStream<'a, Result<EntryDetails, StorageError>> {
        if self.connections.is_closed() {
            return stream::once(async { Err(closed(OPERATION)) }).boxed();
        }
        // A page may hold what an earlier one held: the server's tables are resized meanwhile.
        let mut seen = HashSet::new();
        self.pages(selector)
            .and_then(move |page| self.details(page))
            .map_ok(|details| stream::iter(details.into_iter().map(Ok)))
            .try_flatten()
            .try_filter(move |details| {
                let listed = selector.selects(&details.key, &details.tags)
                    && seen.insert(details.key.digest());
                std::future::ready(listed)
            })
            .boxed()
    }

    fn pages<'a>(&'a self, selector: &'a Selector) -> BoxStream<'a, Result<Page, StorageError>> {
        match selector {
            Selector::Keys(keys) => {
                let page = |keys: &[Key]| {
                    Ok(keys.iter().map(|key| (key.clone(), self.names.entry(key).into())).collect())
                };
                stream::iter(keys.chunks(PAGE_KEYS).map(page)).boxed()
            }
            Selector::AnyTag(tags) => self.pages_of_tags(tags),
            // Whatever bears all bears the first.
            Selector::AllTags(tags) => self.pages_of_tags(&tags[..tags.len().min(1)]),
            _ => {
                let nodes = stream::once(self.connections.nodes(OPERATION));
                nodes
                    .map_ok(move |nodes| {
                        let walks = nodes.each().into_iter();
                        stream::iter(walks).map(Ok).and_then(move |node| async move {
                            Ok(unfold(Pages::of_node(self, OPERATION, selector, node)))
                        })
                    })
                    .try_flatten()
                    .try_flatten()
                    .boxed()
            }
        }
    }

    fn pages_of_tags<'a>(&'a self, tags: &'a [Tag]) -> BoxStream<'a, Result<Page, StorageError>> {
        let walks = tags.iter().flat_map(move |tag| {
            self.names.buckets().map(move |bucket| Pages::of_tag(self, bucket, tag))
        });
        stream::iter(walks).flat_map(unfold).boxed()
    }

    /// What is known of the entries of a page that are there.
    async fn details(&self, page: Page) -> Result<Vec<EntryDetails>, StorageError> {
        let heads = self.heads(OPERATION, &page, ENTRY_HEAD_BYTES).await?;
        let mut details = Vec::new();
        let mut longer = Vec::new();
        for ((key, name), head) in page.into_iter().zip(heads) {
            if head.is_empty() {
                continue;
            }
            let damage = |source| damaged(OPERATION, &key, source);
            let read = Details::read(&head).map_err(damage)?;
            if head.len() >= read.bytes_needed() || head.len() < ENTRY_HEAD_BYTES {
                details.push(read.of_entry(key.clone(), &head).map_err(damage)?);
            } else {
                longer.push(((key, name), read.bytes_needed()));
            }
        }
        // Tags that are longer than was read: hardly ever.
        for (entry, bytes) in longer {
            let page = [entry];
            let heads = self.heads(OPERATION, &page, bytes).await?;
            let [(key, _)] = page;
            if let Some(head) = heads.first().filter(|head| !head.is_empty()) {
                let damage = |source| damaged(OPERATION, &key, source);
                let read = Details::read(head).map_err(damage)?;
                details.push(read.of_entry(key.clone(), head).map_err(damage)?);
            }
        }
        Ok(details)
    }

    /// The first bytes of entries; none of one that is not there.
    pub(crate) async fn heads(
        &self,
        operation: &'static str,
        page: &[(Key, Vec<u8>)],
        bytes: usize,
    ) -> Result<Vec<Vec<u8>>, StorageError> {
        if page.is_empty() {
            return Ok(Vec::new());
        }
        let commands = page.iter().map(|(key, name)| {
            let mut command = Cmd::new();
            command.arg("GETRANGE").arg(name).arg(0).arg(bytes - 1);
            Routed { slot: self.slot(self.names.bucket_of(key)), command }
        });
        let answers = self.connections.many(operation, commands.collect()).await?;
        let head = |answer: Result<Value, StorageError>| match answer? {
            Value::BulkString(bytes) => Ok(bytes),
            _ => Err(unexpected(operation)),
        };
        answers.into_iter().map(head).collect()
    }
}

fn unfold(pages: Pages<'_>) -> BoxStream<'_, Result<Page, StorageError>> {
    stream::try_unfold(pages, |mut pages| async move {
        Ok(pages.next().await?.map(|page| (page, pages)))
    })
    .boxed()
}
