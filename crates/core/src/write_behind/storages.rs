use std::sync::Arc;

use super::drain::{Jobs, Verdict};
use super::queue::Queue;
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
    drop(queue.fills.write().await);
    // What has no time left would only take the place of what was loaded after it.
    let is_fresh: Vec<bool> = jobs.iter().map(|job| job.value.is_fresh(binding)).collect();
    let fresh = || jobs.iter().zip(&is_fresh).filter_map(|(job, fresh)| fresh.then_some(job));
    let changes: Vec<&Change<N>> = fresh().map(|job| &*job.value.change).collect();
    let claims: Vec<Claim> =
        fresh().map(|job| Claim::Queued { into: late_stamp(job.value.into) }).collect();
    let results = match changes.is_empty() {
        true => Vec::new(),
        false => through_storages(binding, &changes, &claims).await,
    };
    let mut verdicts = results.into_iter().map(verdict);
    let late = Verdict::Refused;
    is_fresh
        .into_iter()
        .map(|fresh| if fresh { verdicts.next().unwrap_or(late) } else { late })
        .collect()
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
