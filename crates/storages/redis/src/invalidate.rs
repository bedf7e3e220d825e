//! Invalidations: the fence is raised first, in every bucket that is meant; what was there then is
//! removed by the same script or the ones that follow, a page at a time.

use std::collections::HashMap;

use cache_core::fence::cell_of_key;
use cache_core::key::{Key, Tag};
use cache_core::storage::{
    Invalidated, InvalidationMode, Selector, StorageError, StorageErrorKind,
};
use futures_util::future::try_join_all;
use redis::cluster_routing::Slot;
use redis::{FromRedisValue, Value};

use crate::error::{closed, error, unexpected};
use crate::fence::{cells_bytes, fenced_call};
use crate::layout::Bucket;
use crate::read::{FIRST_PAGE, Page, Pages};
use crate::script::{self, Call};
use crate::storage::Shared;

const OPERATION: &str = "invalidate";
/// Entries that one script removes.
const ENTRIES_PER_SCRIPT: usize = 500;
/// How often a walk over a tag or over all keys is begun because the server became another, or slots
/// were moved meanwhile.
const WALKS_MAX: usize = 5;

/// What becomes of the entries that are found, as scripts take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Remove,
    Expire,
    /// Those go that are fresh. What is only made stale keeps its token, and between two pages can
    /// be replaced by what was made of it while it was fresh and the fence already raised. By a
    /// second raise that is refused; what came before it is fresh, and goes.
    RemoveFresh,
}

impl Ending {
    /// What an invalidation does, each with a raise of its own before it.
    fn of(selector: &Selector, mode: InvalidationMode) -> &'static [Self] {
        match (mode, selector) {
            (InvalidationMode::Remove, _) => &[Self::Remove],
            // Raise and change are one step for each script's keys.
            (InvalidationMode::Expire, Selector::Keys(_)) => &[Self::Expire],
            (InvalidationMode::Expire, _) => &[Self::Expire, Self::RemoveFresh],
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Remove => "R",
            Self::Expire => "E",
            Self::RemoveFresh => "F",
        }
    }
}

/// A mark as scripts take and answer it; empty where the script is to raise it.
type Mark = Vec<u8>;

/// What the script that removes a page by a tag answers: the mark, where the next page begins, how many
/// entries were changed, and the fence's incarnation.
type TagPage = (Mark, Vec<u8>, u64, Vec<u8>);

/// A walk over the set of a tag in one bucket.
struct TagWalk {
    /// The bucket's place in the list of marks.
    at: usize,
    cursor: Vec<u8>,
    /// That of the first page. A cursor is good for the process that gave it, and a fence on another
    /// process is of another incarnation.
    incarnation: Option<Vec<u8>>,
    /// How often it was begun.
    walks: usize,
}

impl TagWalk {
    fn new(at: usize) -> Self {
        Self { at, cursor: FIRST_PAGE.to_vec(), incarnation: None, walks: 1 }
    }

    /// Takes what was answered for a page; tells whether another one is to be asked for.
    fn goes_on(&mut self, next: Vec<u8>, incarnation: Vec<u8>) -> Result<bool, StorageError> {
        let is_other = self.incarnation.as_ref().is_some_and(|first| *first != incarnation);
        self.incarnation = Some(incarnation);
        if is_other {
            if self.walks == WALKS_MAX {
                return Err(restless());
            }
            self.walks += 1;
            self.cursor = FIRST_PAGE.to_vec();
            return Ok(true);
        }
        self.cursor = next;
        Ok(self.cursor != FIRST_PAGE)
    }
}

/// A bucket whose floor was raised.
struct Raised {
    mark: Mark,
    incarnation: Vec<u8>,
    /// The run of the server that has the bucket.
    run: Vec<u8>,
}

fn restless() -> StorageError {
    let message = "servers were replaced or slots moved again and again meanwhile";
    error(OPERATION, StorageErrorKind::Unavailable, message)
}

impl Shared {
    pub(crate) async fn invalidate(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError> {
        if self.connections.is_closed() {
            return Err(closed(OPERATION));
        }
        let mut entries = 0;
        for ending in Ending::of(selector, mode) {
            entries += match selector {
                Selector::Keys(keys) => self.invalidate_keys(keys, *ending).await?,
                Selector::AnyTag(tags) => self.invalidate_any_tag(tags, *ending).await?,
                Selector::AllTags(tags) => self.invalidate_all_tags(tags, *ending).await?,
                _ => self.invalidate_scanned(selector, *ending).await?,
            };
        }
        Ok(Invalidated { entries })
    }

    async fn invalidate_keys(&self, keys: &[Key], ending: Ending) -> Result<u64, StorageError> {
        let mut by_bucket: HashMap<Bucket, Vec<&Key>> = HashMap::new();
        for key in keys {
            by_bucket.entry(self.names.bucket_of(key)).or_default().push(key);
        }
        let mut calls = Vec::new();
        for (bucket, keys) in by_bucket {
            for keys in keys.chunks(ENTRIES_PER_SCRIPT) {
                let cells = cells_bytes(keys.iter().copied().map(cell_of_key));
                let names = keys.iter().map(|key| self.names.entry(key).into_bytes());
                calls.push(self.removal(bucket, &Mark::new(), ending, cells, names));
            }
        }
        self.count(&calls).await
    }

    fn removal(
        &self,
        bucket: Bucket,
        mark: &Mark,
        ending: Ending,
        cells: Vec<u8>,
        names: impl Iterator<Item = Vec<u8>>,
    ) -> (Slot, Call) {
        let mut call = fenced_call(&script::REMOVE, &self.names, bucket);
        for name in names {
            call.key(name);
        }
        call.argument(&mark[..]).argument(ending.text()).argument(cells);
        (self.slot(bucket), call)
    }

    /// Runs scripts that answer how many entries they changed.
    async fn count(&self, calls: &[(Slot, Call)]) -> Result<u64, StorageError> {
        if calls.is_empty() {
            return Ok(0);
        }
        let mut entries = 0;
        for answer in self.connections.run(OPERATION, calls).await? {
            match answer? {
                Value::Int(changed) => entries += changed.unsigned_abs(),
                _ => return Err(unexpected(OPERATION)),
            }
        }
        Ok(entries)
    }

    async fn invalidate_any_tag(&self, tags: &[Tag], ending: Ending) -> Result<u64, StorageError> {
        let Some((first, rest)) = tags.split_first() else { return Ok(0) };
        // Cells of all tags are raised at once, with the first page of the first of them.
        let cells = cells_of(tags);
        let buckets: Vec<_> = self.names.buckets().map(|bucket| (bucket, Mark::new())).collect();
        let (mut entries, marks) =
            self.invalidate_tag(&buckets, std::slice::from_ref(first), ending, &cells).await?;
        for tag in rest {
            let tag = std::slice::from_ref(tag);
            entries += self.invalidate_tag(&marks, tag, ending, &cells).await?.0;
        }
        Ok(entries)
    }

    async fn invalidate_all_tags(&self, tags: &[Tag], ending: Ending) -> Result<u64, StorageError> {
        let mut tags = tags.to_vec();
        tags.sort_unstable();
        // Whatever bears all bears the first: one cell is enough.
        let Some(first) = tags.first() else { return Ok(0) };
        let cells = cells_of(std::slice::from_ref(first));
        let buckets: Vec<_> = self.names.buckets().map(|bucket| (bucket, Mark::new())).collect();
        Ok(self.invalidate_tag(&buckets, &tags, ending, &cells).await?.0)
    }

    /// Goes through the set of the first tag in every bucket, a page of each at a time. Gives how
    /// many entries were changed, and the mark of each bucket.
    async fn invalidate_tag(
        &self,
        buckets: &[(Bucket, Mark)],
        borne: &[Tag],
        ending: Ending,
        cells: &[u8],
    ) -> Result<(u64, Vec<(Bucket, Mark)>), StorageError> {
        let mut marks = buckets.to_vec();
        let mut entries = 0;
        let mut left: Vec<TagWalk> = (0..marks.len()).map(TagWalk::new).collect();
        while !left.is_empty() {
            let calls: Vec<_> = left
                .iter()
                .map(|walk| {
                    let (bucket, mark) = &marks[walk.at];
                    let mut call = fenced_call(&script::REMOVE_TAG, &self.names, *bucket);
                    call.key(self.names.tag_set(*bucket, &borne[0]));
                    call.argument(&mark[..]).argument(ending.text()).argument(cells);
                    call.argument(&walk.cursor[..]).argument(ENTRIES_PER_SCRIPT.to_string());
                    for tag in borne {
                        call.argument(tag.as_str());
                    }
                    (self.slot(*bucket), call)
                })
                .collect();
            let answers = self.connections.run(OPERATION, &calls).await?;
            let mut next = Vec::new();
            for (mut walk, answer) in left.into_iter().zip(answers) {
                let (mark, cursor, changed, incarnation) =
                    TagPage::from_redis_value(answer?).map_err(|_| unexpected(OPERATION))?;
                marks[walk.at].1 = mark;
                entries += changed;
                if walk.goes_on(cursor, incarnation)? {
                    next.push(walk);
                }
            }
            left = next;
        }
        Ok((entries, marks))
    }

    /// Finds entries by looking at all keys of every server that has a bucket.
    ///
    /// A key that goes from a server not yet looked at to one that was is not found. So it counts only
    /// where every bucket was at rest before and is afterwards, on the same run of the same server.
    async fn invalidate_scanned(
        &self,
        selector: &Selector,
        ending: Ending,
    ) -> Result<u64, StorageError> {
        let mut entries = 0;
        for _ in 0..WALKS_MAX {
            let raised = self.raise_floors().await?;
            let mut servers: HashMap<&[u8], Bucket> = HashMap::new();
            for (bucket, raised) in self.names.buckets().zip(&raised) {
                servers.entry(&raised.run).or_insert(bucket);
            }
            let raised = &raised;
            let passes = servers.into_iter().map(|(run, bucket)| async move {
                let mut pages = Pages::of_server(self, OPERATION, selector, bucket);
                let mut entries = 0;
                while let Some(page) = pages.next().await? {
                    entries += self.invalidate_page(raised, page, ending).await?;
                }
                Ok::<_, StorageError>((entries, pages.run() == Some(run)))
            });
            let mut is_whole = true;
            for (changed, is_of_server) in try_join_all(passes).await? {
                entries += changed;
                is_whole &= is_of_server;
            }
            let after = self.fences_at_rest(OPERATION).await?;
            let mut fences = after.iter().zip(raised);
            if is_whole
                && fences.all(|(now, raised)| now.origin.to_le_bytes() == *raised.incarnation)
            {
                return Ok(entries);
            }
        }
        Err(restless())
    }

    /// Raises the floor of every bucket, in order.
    async fn raise_floors(&self) -> Result<Vec<Raised>, StorageError> {
        let call = |bucket| (self.slot(bucket), self.call_at_rest(&script::RAISE, bucket));
        let calls: Vec<_> = self.names.buckets().map(call).collect();
        let raised = |answer: Result<Value, StorageError>| {
            let (mark, incarnation, run) =
                FromRedisValue::from_redis_value(answer?).map_err(|_| unexpected(OPERATION))?;
            Ok(Raised { mark, incarnation, run })
        };
        self.connections.run(OPERATION, &calls).await?.into_iter().map(raised).collect()
    }

    async fn invalidate_page(
        &self,
        raised: &[Raised],
        page: Page,
        ending: Ending,
    ) -> Result<u64, StorageError> {
        let mut by_bucket: HashMap<Bucket, Vec<Vec<u8>>> = HashMap::new();
        for (key, name) in page {
            by_bucket.entry(self.names.bucket_of(&key)).or_default().push(name);
        }
        let mut calls = Vec::new();
        for (bucket, names) in by_bucket {
            let mark = &raised[usize::from(bucket.0)].mark;
            for names in names.chunks(ENTRIES_PER_SCRIPT) {
                calls.push(self.removal(bucket, mark, ending, Vec::new(), names.iter().cloned()));
            }
        }
        self.count(&calls).await
    }
}

fn cells_of(tags: &[Tag]) -> Vec<u8> {
    cells_bytes(tags.iter().map(cache_core::fence::cell_of_tag))
}
