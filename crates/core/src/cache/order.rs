use std::sync::Arc;

use parking_lot::RwLock;

use super::registered::Registered;

/// The one order in which all node types of a cache go through its storages, nearest first.
///
/// It grows with each chain that is bound; a chain that runs against it is refused, since no
/// invalidation of a tag could then go from the farthest to the nearest for all of them.
#[derive(Debug)]
pub(crate) struct TierOrder {
    storages: Vec<Arc<Registered>>,
    /// Pairs of positions in `storages`: the first is asked right before the second.
    steps: RwLock<Vec<(usize, usize)>>,
    /// The same as other processes have announced it.
    announced: RwLock<Vec<(usize, usize)>>,
}

/// The names of two storages that other chains go through the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderConflict {
    pub(crate) near: String,
    pub(crate) far: String,
}

impl TierOrder {
    pub(super) fn new(storages: Vec<Arc<Registered>>) -> Self {
        Self { storages, steps: RwLock::default(), announced: RwLock::default() }
    }

    /// Adds a chain, nearest first.
    pub(super) fn add(&self, chain: &[Arc<Registered>]) -> Result<(), OrderConflict> {
        let mut steps = self.steps.write();
        let mut added = steps.clone();
        let announced = self.announced.read();
        for pair in chain.windows(2) {
            let (near, far) = (self.position(&pair[0]), self.position(&pair[1]));
            let all = [&added[..], &announced[..]].concat();
            if reaches(&all, far, near) {
                return Err(OrderConflict {
                    near: pair[0].name.to_string(),
                    far: pair[1].name.to_string(),
                });
            }
            if !added.contains(&(near, far)) {
                added.push((near, far));
            }
        }
        *steps = added;
        Ok(())
    }

    /// Pairs of shared storages, the nearer one first, for other processes.
    pub(crate) fn announced(&self) -> Vec<(String, String)> {
        let steps = self.steps.read();
        let shared = |at: &usize| self.storages[*at].is_shared();
        let mut pairs = Vec::new();
        for near in (0..self.storages.len()).filter(shared) {
            for far in (0..self.storages.len()).filter(shared) {
                if near != far && reaches(&steps, near, far) {
                    let name = |at: usize| self.storages[at].name.to_string();
                    pairs.push((name(near), name(far)));
                }
            }
        }
        pairs
    }

    /// Sets the pairs that other processes announce; chains that run against them are refused from
    /// now on. Gives those that a chain of this process runs against already.
    pub(crate) fn set_announced(&self, pairs: &[(String, String)]) -> Vec<OrderConflict> {
        let find = |name: &String| {
            self.storages.iter().position(|one| *one.name == **name && one.is_shared())
        };
        let known = pairs.iter().filter_map(|(near, far)| Some((find(near)?, find(far)?)));
        let announced: Vec<(usize, usize)> = known.filter(|(near, far)| near != far).collect();
        let steps = self.steps.read();
        let name = |at: usize| self.storages[at].name.to_string();
        let conflicts = announced.iter().filter(|(near, far)| reaches(&steps, *far, *near));
        let conflicts = conflicts
            .map(|(near, far)| OrderConflict { near: name(*far), far: name(*near) })
            .collect();
        drop(steps);
        *self.announced.write() = announced;
        conflicts
    }

    /// All storages in the order in which an invalidation tells them: the shared ones from the
    /// farthest to the nearest, then the local ones likewise.
    pub(crate) fn far_first(&self) -> Vec<Arc<Registered>> {
        self.sort_far_first(self.storages.clone())
    }

    /// These storages in the order in which an invalidation tells them.
    pub(crate) fn sort_far_first(&self, storages: Vec<Arc<Registered>>) -> Vec<Arc<Registered>> {
        let steps = self.steps.read();
        let mut left: Vec<usize> = storages.iter().map(|storage| self.position(storage)).collect();
        let mut sorted = Vec::with_capacity(left.len());
        while !left.is_empty() {
            // The last one from which none that is left can be reached; without cycles there is one.
            let farthest = left
                .iter()
                .rposition(|one| {
                    !left.iter().any(|other| other != one && reaches(&steps, *one, *other))
                })
                .unwrap_or(left.len() - 1);
            sorted.push(Arc::clone(&self.storages[left.remove(farthest)]));
        }
        // Stable: the order among the shared and among the local ones stays.
        sorted.sort_by_key(|storage| !storage.is_shared());
        if cfg!(mutant = "near_first") {
            sorted.reverse();
        }
        sorted
    }

    /// The storages that an invalidation tells after this one.
    pub(super) fn nearer_than(&self, storage: &Arc<Registered>) -> Vec<Arc<Registered>> {
        let all = self.far_first();
        let after = all.iter().position(|one| Arc::ptr_eq(one, storage)).map_or(0, |at| at + 1);
        all[after..].to_vec()
    }

    fn position(&self, storage: &Arc<Registered>) -> usize {
        // Every chain is made of registered storages; were it not, it would count as the farthest.
        let found = self.storages.iter().position(|one| Arc::ptr_eq(one, storage));
        found.unwrap_or(self.storages.len().saturating_sub(1))
    }
}

/// Whether `to` can be reached from `from` by steps from near to far.
fn reaches(steps: &[(usize, usize)], from: usize, to: usize) -> bool {
    let mut reached = vec![from];
    let mut next = 0;
    while let Some(at) = reached.get(next).copied() {
        if at == to {
            return true;
        }
        for (near, far) in steps {
            if *near == at && !reached.contains(far) {
                reached.push(*far);
            }
        }
        next += 1;
    }
    false
}
