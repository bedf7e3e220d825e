use std::sync::Arc;

use super::drain::{Jobs, Verdict, forget_in_memory, forget_in_storages};
use super::queue::Queue;
use super::unsettled::Unsettled;
use crate::cache::{Binding, within};
use crate::fence::Stamp;
use crate::handle::{Change, Claim, Stored, through_storages};
use crate::key::Key;
use crate::node::Node;
use crate::source::LoadError;

/// Writes a batch to the source, and what it took to the storages as an update would: under a stamp
/// from before the source had it. What was invalidated since it was accepted is stored in the source
/// alone, and invalidated once more.
pub(super) async fn write<N: Node>(
    binding: &Arc<Binding<N>>,
    queue: &Queue<N>,
    jobs: &Jobs<N>,
    unsettled: &mut Unsettled<'_, N>,
) -> Vec<Verdict> {
    let farthest = farthest_stamps(binding, jobs).await;
    unsettled.add(jobs.iter().map(|job| job.key.clone()));
    let stored = store(binding, jobs).await;
    let (mut listed, mut unlisted) = (Vec::new(), Vec::new());
    for (at, stored) in stored.iter().enumerate() {
        if stored.is_ok() {
            let state = queue.state.lock();
            let is_listed = state.values.is_listed(&jobs[at].key, jobs[at].id);
            if is_listed { listed.push(at) } else { unlisted.push(at) }
        }
    }
    let changes: Vec<&Change<N>> = listed.iter().map(|at| &*jobs[*at].value.change).collect();
    let claims: Vec<Claim> =
        listed.iter().map(|at| Claim::Update { process: 0, farthest: farthest[*at] }).collect();
    if !changes.is_empty() {
        let results = through_storages(binding, &changes, &claims).await;
        for (at, result) in listed.into_iter().zip(results) {
            // Somebody else has changed or invalidated it; a storage that failed is told later.
            if matches!(result, Ok(Stored::OnlyInvalidated)) {
                forget_in_memory(binding, queue, &jobs[at]);
            }
        }
    }
    if !unlisted.is_empty() {
        unlisted.iter().for_each(|at| forget_in_memory(binding, queue, &jobs[*at]));
        let keys = unlisted.iter().map(|at| jobs[*at].key.clone()).collect();
        forget_in_storages(binding, keys, unsettled).await;
        unlisted.iter().for_each(|at| forget_in_memory(binding, queue, &jobs[*at]));
    }
    // Of what failed the source may have got something; it stays until it has landed or is given up.
    let landed = jobs.iter().zip(&stored).filter(|(_, stored)| stored.is_ok());
    unsettled.settle(landed.map(|(job, _)| &job.key));
    let verdict = |stored: Result<(), LoadError>| match stored {
        Ok(()) => Verdict::Written,
        Err(error) => Verdict::Failed { permanent: error.is_permanent() },
    };
    stored.into_iter().map(verdict).collect()
}

/// Without a stamp nothing is stored there, only invalidated.
async fn farthest_stamps<N: Node>(binding: &Binding<N>, jobs: &Jobs<N>) -> Vec<Option<Stamp>> {
    let Some(at) = binding.far_first.first() else { return vec![None; jobs.len()] };
    let keys: Vec<Key> = jobs.iter().map(|job| job.key.clone()).collect();
    match binding.tiers[*at].storage.stamps(&keys).await {
        Ok(stamps) => stamps.into_iter().map(Some).collect(),
        Err(_) => vec![None; jobs.len()],
    }
}

async fn store<N: Node>(binding: &Binding<N>, jobs: &Jobs<N>) -> Vec<Result<(), LoadError>> {
    let values: Vec<(N, Arc<N::Value>)> = jobs
        .iter()
        .map(|job| (job.value.change.node.clone(), Arc::clone(&job.value.change.value)))
        .collect();
    let store = binding.source.store_many(&values);
    let mut stored = match binding.definition.load_timeout {
        Some(timeout) => {
            let stored = within(&*binding.cache.clock, timeout, store).await;
            let late = || LoadError::message(format!("a store took longer than {timeout:?}"));
            stored.unwrap_or_else(|| jobs.iter().map(|_| Err(late())).collect())
        }
        None => store.await,
    };
    let answers = stored.len();
    let missing = || Err(LoadError::message(format!("{answers} answers to {} stores", jobs.len())));
    stored.resize_with(jobs.len(), missing);
    stored
}
