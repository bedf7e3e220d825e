//! Filling tiers on the way back: each with its own stamp, its own TTL and its own bounds on size.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::batch::Item;
use super::decode::BLOCKING_BYTES_MIN;
use crate::cache::{Binding, MemoryFill, Shared, StorageTier};
use crate::clock::Timestamp;
use crate::entry::{CodecError, Compression, Entry, EntryKind, Token};
use crate::events::Refused;
use crate::fence::{Stamp, cell_of_key};
use crate::key::{Key, Tags};
use crate::node::{Abandoned, Node};
use crate::policy::lifetime::Lifetime;
use crate::policy::write_behind::Destination;
use crate::storage::{InvalidationMode, Outcome, Selector, Write, WriteAction};
use crate::write_behind::Queue;

/// The fills of one batch.
pub(super) struct Fills<'a, N: Node> {
    binding: &'a Arc<Binding<N>>,
    gathered: Gathered,
}

/// What is to be written, by tier.
struct Gathered {
    by_tier: Vec<Vec<Write>>,
    /// For each of them the mark of the process' fence that it must not be older than.
    marks: Vec<Vec<u64>>,
    /// What tiers may hold an older value of than a refresh has brought, and do not take that one.
    outdated: Vec<Vec<Key>>,
}

impl<'a, N: Node> Fills<'a, N> {
    pub(super) fn new(binding: &'a Arc<Binding<N>>) -> Self {
        let by_tier = binding.tiers.iter().map(|_| Vec::new()).collect();
        let marks = binding.tiers.iter().map(|_| Vec::new()).collect();
        let outdated = binding.tiers.iter().map(|_| Vec::new()).collect();
        Self { binding, gathered: Gathered { by_tier, marks, outdated } }
    }

    /// What a load brought is stored nowhere. A refresh did not ask the tiers: what they hold is
    /// older than its answer, and goes.
    pub(super) fn not_kept(&mut self, item: &Item<N>) {
        if item.led.bypasses() {
            self.gathered.outdated.iter_mut().for_each(|keys| keys.push(item.key.clone()));
            self.binding.remove_from_memory(&item.led.node);
        }
    }

    /// Copies what the tier at `depth` holds into those above it, none of which may outlive it.
    pub(super) fn copy(
        &mut self,
        depth: usize,
        item: &Item<N>,
        entry: &Entry,
        value: Option<&Arc<N::Value>>,
    ) {
        let now = self.binding.cache.clock.wall();
        let slides = entry.idle.is_some();
        // The copy in memory ends while the original still slides, so that some reads of a busy
        // entry reach it and renew it.
        let remaining =
            entry.fresh_until.remaining(now).map(|left| if slides { left / 2 } else { left });
        let remaining = remaining.filter(|_| !cfg!(mutant = "ttl_grows"));
        let remaining_kept = entry.kept_until.remaining(now);
        for above in 0..depth {
            let tier = &self.binding.tiers[above];
            let lifetime =
                Lifetime { remaining, remaining_kept, ..tier.lifetime(&self.binding.definition) };
            let outdates = item.led.is_refresh();
            self.storage(above, item, entry, lifetime, (now, item.led.flight.begun), outdates);
        }
        self.binding.fill_memory(MemoryFill {
            node: &item.led.node,
            key: &item.key,
            value,
            tags: entry.tags.clone(),
            created: entry.created,
            stamp: item.led.flight.begun,
            encoded_bytes: Some(u64::from(entry.decoded_bytes)),
            asked_ttl: None,
            remaining,
            remaining_kept,
        });
    }

    /// Stores what a load brought into every storage tier. `mark` is the one of the process' fence
    /// under which it fills memory. `outdates`: what is still on its way under the same stamp, of a
    /// load or of the queue, is older.
    pub(super) fn load(
        &mut self,
        item: &Item<N>,
        entry: &Entry,
        asked_ttl: Option<Duration>,
        mark: u64,
        outdates: bool,
    ) {
        let now = self.binding.cache.clock.wall();
        for depth in 0..self.binding.tiers.len() {
            let tier = &self.binding.tiers[depth];
            let lifetime = Lifetime { asked_ttl, ..tier.lifetime(&self.binding.definition) };
            self.storage(depth, item, entry, lifetime, (now, mark), outdates);
        }
    }

    fn storage(
        &mut self,
        depth: usize,
        item: &Item<N>,
        entry: &Entry,
        lifetime: Lifetime,
        (now, mark): (Timestamp, u64),
        outdates: bool,
    ) {
        let tier = &self.binding.tiers[depth];
        let takes = tier.size.takes(u64::from(entry.decoded_bytes));
        let Some(stamp) = item.stamps[depth].filter(|_| takes) else {
            tier.recorder.fills_skipped(1);
            if !takes && item.led.bypasses() {
                self.gathered.outdated[depth].push(item.key.clone());
            }
            return;
        };
        if tier.storage.pending.covers(&item.key, &entry.tags) {
            tier.recorder.fills_skipped(1);
            return;
        }
        let entry = with_lifetime(entry.clone(), lifetime, now);
        let action = if outdates {
            // It keeps them out.
            WriteAction::Update { entry, stamp }
        } else {
            WriteAction::Fill { entry, stamp: late_stamp(stamp) }
        };
        self.gathered.by_tier[depth].push(Write { key: item.key.clone(), action });
        self.gathered.marks[depth].push(mark);
    }

    /// Carries the writes out, one batch a tier. What fails is counted; a value that could not be
    /// stored is still good for its waiters.
    pub(super) async fn write(self) {
        let Self { binding, gathered } = self;
        let may_be_cancelled = binding.definition.abandoned == Abandoned::Cancel;
        if may_be_cancelled && to_storages(binding).is_some() {
            // What a load has sent when it is cancelled may arrive later. What is queued waits for it.
            let writing = Arc::clone(binding);
            to_its_end(&binding.cache, async move { gathered.write(&writing).await }).await;
        } else {
            gathered.write(binding).await;
        }
    }
}

/// The queue of values that go to the storages, too.
fn to_storages<N: Node>(binding: &Binding<N>) -> Option<&Queue<N>> {
    binding.queue.as_deref().filter(|queue| queue.options.to == Destination::Storages)
}

/// Runs this to its end, even where the load is cancelled meanwhile. A panic in it is the load's.
async fn to_its_end(shared: &Shared, work: impl Future<Output = ()> + Send + 'static) {
    let (tell, told) = oneshot::channel();
    shared.spawn(async move {
        let done = AssertUnwindSafe(work).catch_unwind().await;
        // Nobody may wait any more, which is fine.
        let _ = tell.send(done);
    });
    // Closing gives up the load together with it.
    if let Ok(Err(panic)) = told.await {
        resume_unwind(panic);
    }
}

impl Gathered {
    /// Leaves out what is older than a value that was accepted since its flight began: under the
    /// same stamp, it would take that one's place.
    fn leave_out_older<N: Node>(&mut self, binding: &Binding<N>) {
        let tiers = binding.tiers.iter();
        for ((tier, writes), marks) in tiers.zip(&mut self.by_tier).zip(&mut self.marks) {
            let mut marks = marks.drain(..);
            writes.retain(|write| {
                let mark = marks.next().unwrap_or_default();
                let digest = write.key.digest();
                let is_newest = binding.cache.fence.is_unpassed(mark, digest, &Tags::NONE);
                tier.recorder.fills_skipped(u64::from(!is_newest));
                is_newest
            });
        }
    }

    async fn write<N: Node>(mut self, binding: &Binding<N>) {
        let queue = to_storages(binding);
        let _filling = match queue {
            Some(_) if cfg!(mutant = "queue_no_barrier") => None,
            Some(queue) if self.by_tier.iter().any(|writes| !writes.is_empty()) => {
                // First: a batch that does not wait for this one was accepted before the look.
                let filling = queue.filling.begin();
                self.leave_out_older(binding);
                Some(filling)
            }
            _ => None,
        };
        let mut raised = Vec::new();
        for (tier, writes) in binding.tiers.iter().zip(&mut self.by_tier) {
            if writes.is_empty() {
                continue;
            }
            let writes = std::mem::take(writes);
            if queue.is_some() {
                let raises = |write: &&Write| matches!(write.action, WriteAction::Update { .. });
                raised.extend(writes.iter().filter(raises).map(|write| cell_of_key(&write.key)));
            }
            let writes = if cfg!(fencing_off) { unfenced(writes) } else { writes };
            write_counted(binding, tier, writes).await;
        }
        for (tier, keys) in binding.tiers.iter().zip(&mut self.outdated) {
            if keys.is_empty() {
                continue;
            }
            if queue.is_some() {
                raised.extend(keys.iter().map(cell_of_key));
            }
            let keys = Selector::Keys(std::mem::take(keys));
            // What is not reached lives on until its time, as it does where a refresh fails.
            if let Err(error) = tier.storage.invalidate(&keys, InvalidationMode::Remove).await {
                tier.failed(1, &error);
            }
        }
        if !raised.is_empty() {
            binding.queue_passed(raised);
        }
    }
}

/// Where the model's mutant "stamp taken when filling" would take it.
fn late_stamp(stamp: Stamp) -> Stamp {
    if cfg!(mutant = "late_stamp") { Stamp { mark: u64::MAX, ..stamp } } else { stamp }
}

/// What a cache without a fence does: whatever comes is stored. Storages with that flag ask for no
/// stamp when they store a fill.
fn unfenced(writes: Vec<Write>) -> Vec<Write> {
    let stored = |Write { key, action }| match action {
        WriteAction::Update { entry, stamp } => {
            Write { key, action: WriteAction::Fill { entry, stamp } }
        }
        action => Write { key, action },
    };
    writes.into_iter().map(stored).collect()
}

async fn write_counted<N: Node>(binding: &Binding<N>, tier: &StorageTier, writes: Vec<Write>) {
    let count = writes.len() as u64;
    let keys: Vec<Key> = writes.iter().map(|write| write.key.clone()).collect();
    let bytes: Vec<u64> = writes.iter().map(payload_bytes).collect();
    let outcomes = match tier.write(writes).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            tier.failed(count, &error);
            return;
        }
    };
    for ((outcome, bytes), key) in outcomes.into_iter().zip(bytes).zip(&keys) {
        let tell = |refused| binding.tell_fill(&tier.storage.name, key, refused);
        match outcome {
            Ok(Outcome::Stored) => {
                tier.recorder.fills(1);
                tier.recorder.bytes_written(bytes);
                tell(None);
            }
            Ok(Outcome::Fenced | Outcome::ConditionFailed) => {
                tier.recorder.fills_refused(1);
                tell(Some(Refused::Fenced));
            }
            Ok(Outcome::TooLarge) => {
                tier.recorder.fills_skipped(1);
                tell(Some(Refused::TooLarge));
            }
            Err(error) => {
                tier.failed(1, &error);
            }
        }
    }
}

fn payload_bytes(write: &Write) -> u64 {
    match &write.action {
        WriteAction::Fill { entry, .. } | WriteAction::Update { entry, .. } => {
            entry.payload.len() as u64
        }
        _ => 0,
    }
}

/// An entry with the times that it has in a tier.
pub(crate) fn with_lifetime(mut entry: Entry, lifetime: Lifetime, now: Timestamp) -> Entry {
    // Nobody is told in bad times that there is no such thing.
    let stale = lifetime.stale.filter(|_| entry.kind == EntryKind::Value);
    let spans = Lifetime { stale, ..lifetime }.spans(fastrand::f64());
    entry.fresh_until = now.after_ttl(spans.fresh);
    entry.kept_until = now.after_ttl(spans.kept);
    entry.idle = lifetime.idle;
    entry
}

/// Encodes a value, or a negative result, as the entry that all storage tiers store, still without
/// an end.
pub(crate) async fn encode<N: Node>(
    binding: &Binding<N>,
    key: &Key,
    value: Option<&Arc<N::Value>>,
    tags: Tags,
    created: Timestamp,
) -> Result<Entry, CodecError> {
    let codec = binding.codec;
    let payload = match value {
        Some(value) => codec.encode(value)?,
        None => Bytes::new(),
    };
    let decoded_bytes = u32::try_from(payload.len())
        .map_err(|_| CodecError::message(codec.id(), "the value takes 4 GiB or more"))?;
    let policy = binding.definition.compression;
    let compress = move || policy.compress(payload);
    let compressed = if (decoded_bytes as usize) < BLOCKING_BYTES_MIN {
        compress()
    } else {
        binding.cache.blocking(compress).await
    };
    let (compression, payload): (Compression, Bytes) =
        compressed.map_err(|error| CodecError::new(codec.id(), error))?;
    let entry = Entry {
        kind: if value.is_some() { EntryKind::Value } else { EntryKind::Absent },
        codec: codec.id(),
        compression,
        decoded_bytes,
        created,
        fresh_until: Timestamp::NEVER,
        kept_until: Timestamp::NEVER,
        idle: None,
        stamp: 0,
        token: Token::random(),
        tags,
        payload,
        checksum: 0,
    };
    Ok(entry.sealed(key))
}

/// The renewal of a sliding entry that was used, once a good part of its idle time has passed:
/// one write for many uses.
pub(super) fn renew<N: Node>(
    binding: &Binding<N>,
    tier: &StorageTier,
    key: &Key,
    entry: &Entry,
) -> Option<Write> {
    let idle = entry.idle.filter(|_| tier.idle.is_some())?;
    let now = binding.cache.clock.wall();
    let fresh_until = now.after(idle).min(entry.kept_until);
    if fresh_until.since(entry.fresh_until) < idle / 8 {
        return None;
    }
    let action =
        WriteAction::Touch { token: entry.token, fresh_until, kept_until: entry.kept_until };
    Some(Write { key: key.clone(), action })
}
