use std::sync::Arc;

use super::drain::{Jobs, Verdict};
use super::queue::{Accepted, Queue};
use crate::cache::Binding;
use crate::error::Error;
use crate::fence::Stamp;
use crate::handle::{Change, Claim, Stored, through_storages};
use crate::node::Node;
use crate::storage::StorageErrorKind;

/// Writes a batch to the storages: the farthest that takes a value has it, the nearer ones forget
/// what they hold.
pub(super) async fn write<N: Node>(
    binding: &Arc<Binding<N>>,
    queue: &Queue<N>,
    jobs: &Jobs<N>,
) -> Vec<Verdict> {
    // Loads of this process that are filling now may bring what is older, under the same stamp, and
    // would take the place of what is written here. Those that come later see that they are older.
    queue.filling.earlier().await;
    let mut verdicts: Vec<Option<Verdict>> =
        jobs.iter().map(|job| unsent(binding, &job.value)).collect();
    let sent = || jobs.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_none());
    let changes: Vec<&Change<N>> = sent().map(|(job, _)| &*job.value.change).collect();
    let claim = |value: &Accepted<N>| Claim::Queued {
        into: late_stamp(value.into),
        accepted: value.accepted,
    };
    let claims: Vec<Claim> = sent().map(|(job, _)| claim(&job.value)).collect();
    let results = match changes.is_empty() {
        true => Vec::new(),
        false => through_storages(binding, &changes, &claims).await,
    };
    let mut results = results.into_iter().map(verdict);
    // One result for each that was sent.
    verdicts.iter_mut().for_each(|verdict| *verdict = verdict.take().or_else(|| results.next()));
    verdicts.into_iter().map(|verdict| verdict.unwrap_or(Verdict::Refused)).collect()
}

/// What becomes of a value that is not sent now, of which nobody has to be told either.
fn unsent<N: Node>(binding: &Binding<N>, value: &Accepted<N>) -> Option<Verdict> {
    if !value.is_fresh(binding) {
        // It would only take the place of what was loaded after it.
        return Some(Verdict::Refused);
    }
    let (at, _) = value.into?;
    let storage = &binding.tiers[at].storage;
    let Change { key, tags, .. } = value.change();
    let waits = storage.is_left_alone()
        || storage.pending.covers(key, tags)
        || binding.awaiting(at, key, tags).is_some();
    waits.then_some(Verdict::Failed { permanent: false })
}

/// Where a mutant takes the stamp that belongs to the acceptance.
fn late_stamp(into: Option<(usize, Stamp)>) -> Option<(usize, Stamp)> {
    let late = |(at, stamp)| (at, Stamp { mark: u64::MAX, ..stamp });
    if cfg!(mutant = "queued_late_stamp") { into.map(late) } else { into }
}

fn verdict(result: Result<Stored, Error>) -> Verdict {
    match result {
        Ok(Stored::Yes) => Verdict::Written,
        Ok(Stored::OnlyInvalidated) => Verdict::Refused,
        Err(Error::Storage { source, .. }) => {
            let permanent = matches!(
                source.kind(),
                StorageErrorKind::Invalid
                    | StorageErrorKind::Denied
                    | StorageErrorKind::Incompatible
                    | StorageErrorKind::Closed
            );
            Verdict::Failed { permanent }
        }
        Err(_) => Verdict::Failed { permanent: true },
    }
}
