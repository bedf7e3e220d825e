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
use crate::fence::{cells_bytes, fenced_call, mark_from};
use crate::layout::Bucket;
use crate::read::{Page, Pages};
use crate::script::{self, Call};
use crate::storage::Shared;

const OPERATION: &str = "invalidate";
/// Entries that one script removes.
const ENTRIES_PER_SCRIPT: usize = 500;
/// How often a scan begins anew because slots were moved meanwhile.
const SCANS_MAX: usize = 5;

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
        // Place in `marks`, and where the next page begins.
        let mut left: Vec<(usize, Vec<u8>)> =
            (0..marks.len()).map(|at| (at, b"0".to_vec())).collect();
        while !left.is_empty() {
            let calls: Vec<_> = left
                .iter()
                .map(|(at, cursor)| {
                    let (bucket, mark) = &marks[*at];
                    let mut call = fenced_call(&script::REMOVE_TAG, &self.names, *bucket);
                    call.key(self.names.tag_set(*bucket, &borne[0]));
                    call.argument(&mark[..]).argument(ending.text()).argument(cells);
                    call.argument(&cursor[..]).argument(ENTRIES_PER_SCRIPT.to_string());
                    for tag in borne {
                        call.argument(tag.as_str());
                    }
                    (self.slot(*bucket), call)
                })
                .collect();
            let answers = self.connections.run(OPERATION, &calls).await?;
            let mut next = Vec::new();
            for ((at, _), answer) in left.into_iter().zip(answers) {
                let (mark, cursor, changed) = page_of(answer?)?;
                marks[at].1 = mark;
                entries += changed;
                if cursor != b"0" {
                    next.push((at, cursor));
                }
            }
            left = next;
        }
        Ok((entries, marks))
    }

    /// Finds entries by looking at all keys of every master.
    async fn invalidate_scanned(
        &self,
        selector: &Selector,
        ending: Ending,
    ) -> Result<u64, StorageError> {
        let marks = self.raise_floors().await?;
        let mut entries = 0;
        for _ in 0..SCANS_MAX {
            let before = self.connections.nodes(OPERATION).await?;
            let marks = &marks;
            let passes = before.each().into_iter().map(|node| async move {
                let mut pages = Pages::of_selector(self, OPERATION, selector, node);
                let mut entries = 0;
                while let Some(page) = pages.next().await? {
                    entries += self.invalidate_page(marks, page, ending).await?;
                }
                Ok::<u64, StorageError>(entries)
            });
            entries += try_join_all(passes).await?.into_iter().sum::<u64>();
            // A slot that went from a master not yet looked at to one that was is looked at again.
            if self.connections.nodes(OPERATION).await? == before {
                return Ok(entries);
            }
        }
        let message = "the cluster's slots did not stay where they were for long enough";
        Err(error(OPERATION, StorageErrorKind::Unavailable, message))
    }

    async fn raise_floors(&self) -> Result<HashMap<Bucket, Mark>, StorageError> {
        let buckets: Vec<Bucket> = self.names.buckets().collect();
        let calls: Vec<_> = buckets
            .iter()
            .map(|bucket| (self.slot(*bucket), fenced_call(&script::RAISE, &self.names, *bucket)))
            .collect();
        let answers = self.connections.run(OPERATION, &calls).await?;
        let mut marks = HashMap::with_capacity(buckets.len());
        for (bucket, answer) in buckets.into_iter().zip(answers) {
            let mark = mark_from(&answer?).ok_or_else(|| unexpected(OPERATION))?;
            marks.insert(bucket, mark);
        }
        Ok(marks)
    }

    async fn invalidate_page(
        &self,
        marks: &HashMap<Bucket, Mark>,
        page: Page,
        ending: Ending,
    ) -> Result<u64, StorageError> {
        let mut by_bucket: HashMap<Bucket, Vec<Vec<u8>>> = HashMap::new();
        for (key, name) in page {
            by_bucket.entry(self.names.bucket_of(&key)).or_default().push(name);
        }
        let mut calls = Vec::new();
        for (bucket, names) in by_bucket {
            let Some(mark) = marks.get(&bucket) else { continue };
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

/// Mark, place of the next page, and how many entries were changed.
fn page_of(answer: Value) -> Result<(Mark, Vec<u8>, u64), StorageError> {
    <(Mark, Vec<u8>, u64)>::from_redis_value(answer).map_err(|_| unexpected(OPERATION))
}
