//! Reads and loads.

use std::collections::BTreeSet;

use super::{Answer, Failure, Held, Life, Loaded, Model, Read, Seen};
use crate::operation::*;

impl Model {
    /// Memory's answer to a read: counted, and a use of the entry.
    fn hit_memory(&mut self, process: usize, node: NodeId) -> Option<Read> {
        if !self.has_memory(process) {
            return None;
        }
        let now = self.mono;
        match self.memories[process].get_mut(&node) {
            Some(held) if now < held.fresh_until => {
                if let Some(idle) = held.idle {
                    held.fresh_until = held.kept_until.min(now + idle);
                }
                let read = held.number.ok_or(Failure::Absent);
                self.memory_counts(process, node).hits += 1;
                return Some(read);
            }
            Some(_) => {
                self.memories[process].remove(&node);
                self.memory_counts(process, node).stale += 1;
            }
            None => {}
        }
        self.memory_counts(process, node).misses += 1;
        None
    }

    pub(super) fn get(&mut self, process: usize, node: NodeId, with: Option<&Plan>) -> Read {
        if let Some(read) = self.hit_memory(process, node) {
            if read.is_ok() || read == Err(Failure::Absent) {
                self.counts(process, node).hits += 1;
            }
            return read;
        }
        let reads = self.fly(process, &[node], with);
        reads.into_iter().next().expect("one node, one answer")
    }

    pub(super) fn get_many(&mut self, process: usize, nodes: &[NodeId]) -> Vec<Read> {
        let mut reads: Vec<Option<Read>> = vec![None; nodes.len()];
        let mut missing: Vec<NodeId> = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            if missing.contains(node) {
                continue;
            }
            reads[at] = self.hit_memory(process, *node);
            match reads[at] {
                Some(_) => self.counts(process, *node).hits += 1,
                None => missing.push(*node),
            }
        }
        let answers = self.fly(process, &missing, None);
        for (node, answer) in missing.iter().zip(answers) {
            let mut again = false;
            for (at, _) in nodes.iter().enumerate().filter(|(_, other)| *other == node) {
                if again {
                    let counts = self.counts(process, *node);
                    counts.misses += 1;
                    counts.coalesced += 1;
                }
                again = true;
                reads[at] = Some(answer.clone());
            }
        }
        reads.into_iter().map(|read| read.expect("found or missing")).collect()
    }

    /// The storages from the nearest to the farthest, then the source.
    fn fly(&mut self, process: usize, nodes: &[NodeId], with: Option<&Plan>) -> Vec<Read> {
        let mut reads: Vec<Option<Read>> = vec![None; nodes.len()];
        let mut stale: Vec<Option<Held>> = vec![None; nodes.len()];
        for storage in 0..self.storages.len() {
            for (at, node) in nodes.iter().enumerate() {
                if reads[at].is_some() {
                    continue;
                }
                let found = self.kept(storage, *node).cloned();
                let is_fresh = found.as_ref().is_some_and(|held| self.wall < held.fresh_until);
                let counts = self.storage_counts(process, *node, storage);
                match found {
                    Some(held) if is_fresh => {
                        counts.hits += 1;
                        self.counts(process, *node).hits += 1;
                        self.copy_up(process, *node, storage, &held);
                        self.renew(*node, storage, &held);
                        reads[at] = Some(held.number.ok_or(Failure::Absent));
                    }
                    Some(held) => {
                        counts.misses += 1;
                        counts.stale += 1;
                        stale[at] = Some(held);
                    }
                    None => counts.misses += 1,
                }
            }
        }
        let flying: Vec<usize> = (0..nodes.len()).filter(|at| reads[*at].is_none()).collect();
        for at in &flying {
            self.counts(process, nodes[*at]).misses += 1;
        }
        let alone = flying.len() == 1;
        let flying_nodes: Vec<(NodeId, Option<Held>)> = flying
            .iter()
            // Only a load of one node may go by the copy at hand.
            .map(|at| (nodes[*at], stale[*at].take().filter(|_| alone && with.is_none())))
            .collect();
        for (at, read) in flying.into_iter().zip(self.load(process, flying_nodes, with, false)) {
            reads[at] = Some(read);
        }
        reads.into_iter().map(|read| read.expect("found or loaded")).collect()
    }

    /// Fills the tiers above `storage` with what it holds; none may outlive it.
    fn copy_up(&mut self, process: usize, node: NodeId, storage: usize, held: &Held) {
        let left = super::left(held.fresh_until, self.wall);
        // A copy in memory of what slides ends earlier, so that reads reach the original again.
        let remaining = if held.idle.is_some() { left.map(half) } else { left };
        let answer = Answer {
            number: held.number,
            bytes: held.bytes,
            created: held.created,
            tags: held.tags.clone(),
            asked: None,
            token: held.token,
        };
        let life = Life { asked: None, remaining };
        for above in 0..storage {
            self.fill_storage(process, node, above, &answer, life);
        }
        self.fill_memory(process, node, &answer, life);
    }

    /// A use of what slides is written once an eighth of its idle time has passed.
    fn renew(&mut self, node: NodeId, storage: usize, found: &Held) {
        let slides = self.definition(node).storages[storage].idle.is_some();
        let (Some(idle), true) = (found.idle, slides) else { return };
        let fresh_until = (self.wall + idle).min(found.kept_until);
        // The engine compares durations: half a millisecond counts.
        if fresh_until.saturating_sub(found.fresh_until) * 8 >= idle
            && let Some(held) = self.storages[storage].get_mut(&node)
        {
            held.fresh_until = fresh_until;
        }
    }

    pub(super) fn refresh(&mut self, process: usize, node: NodeId) -> Read {
        self.counts(process, node).misses += 1;
        let mut previous = None;
        if self.setup.compares {
            if self.storages.is_empty() {
                previous = self.in_memory(process, node).cloned();
            }
            let far_first = (0..self.storages.len()).rev();
            for storage in far_first {
                if let Some(held) = self.kept(storage, node) {
                    previous = Some(held.clone());
                    break;
                }
            }
        }
        let reads = self.load(process, vec![(node, previous)], None, true);
        reads.into_iter().next().expect("one node, one answer")
    }

    /// Asks the source for all nodes in one call, fills the tiers, and gives the answers.
    fn load(
        &mut self,
        process: usize,
        nodes: Vec<(NodeId, Option<Held>)>,
        with: Option<&Plan>,
        refreshes: bool,
    ) -> Vec<Read> {
        let plans: Vec<Plan> =
            nodes.iter().map(|(node, _)| with.unwrap_or(&self.plans[*node]).clone()).collect();
        if plans.iter().any(|plan| plan.kind == PlanKind::Panics) {
            for (at, (node, _)) in nodes.iter().enumerate() {
                self.counts(process, *node).loads_failed += 1;
                // Those before it were answered, in vain.
                let before = plans[..at].iter().all(|plan| plan.kind != PlanKind::Panics);
                if before && matches!(plans[at].kind, PlanKind::Short | PlanKind::Long) {
                    self.number();
                }
            }
            return vec![Err(Failure::LoadPanicked); nodes.len()];
        }
        let loads: Vec<(NodeId, Read, Loaded)> = nodes
            .into_iter()
            .zip(plans)
            .map(|((node, previous), plan)| {
                let (read, loaded) = self.load_one(node, previous, &plan);
                (node, read, loaded)
            })
            .collect();
        let mut reads = Vec::new();
        for (node, read, loaded) in loads {
            let counts = self.counts(process, node);
            match &loaded {
                Loaded::Failed => counts.loads_failed += 1,
                _ => counts.loads_succeeded += 1,
            }
            match loaded {
                Loaded::Answer(answer) => {
                    for storage in 0..self.storages.len() {
                        let life = Life { asked: answer.asked, remaining: None };
                        let taken = self.fill_storage(process, node, storage, &answer, life);
                        if !taken && refreshes {
                            self.storages[storage].remove(&node);
                        }
                    }
                    let life = Life { asked: answer.asked, remaining: None };
                    let taken = self.fill_memory(process, node, &answer, life);
                    if !taken && refreshes {
                        self.memories[process].remove(&node);
                    }
                }
                Loaded::NotKept if refreshes => {
                    for storage in &mut self.storages {
                        storage.remove(&node);
                    }
                    self.memories[process].remove(&node);
                }
                Loaded::NotKept | Loaded::Failed => {}
            }
            reads.push(read);
        }
        reads
    }

    fn load_one(&mut self, node: NodeId, previous: Option<Held>, plan: &Plan) -> (Read, Loaded) {
        match plan.kind {
            PlanKind::Short | PlanKind::Long => {
                let answer = self.answer(node, plan);
                (Ok(answer.number.expect("a value")), Loaded::Answer(answer))
            }
            PlanKind::Absent => {
                let kept = plan.ttl.or(self.definition(node).absent_ttl);
                let loaded = match kept {
                    Some(asked) => {
                        let tags = self.tags(node, plan.tag);
                        let token = self.token();
                        Loaded::Answer(Answer {
                            number: None,
                            bytes: 0,
                            created: self.wall,
                            tags,
                            asked: Some(asked),
                            token,
                        })
                    }
                    None => Loaded::NotKept,
                };
                (Err(Failure::Absent), loaded)
            }
            PlanKind::NotModified => match previous {
                Some(held) => {
                    let absent_ttl = self.definition(node).absent_ttl;
                    let asked = plan.ttl.or(absent_ttl.filter(|_| held.number.is_none()));
                    // The copy is filled anew.
                    let answer = Answer {
                        number: held.number,
                        bytes: held.bytes,
                        created: held.created,
                        tags: held.tags,
                        asked,
                        token: held.token,
                    };
                    (held.number.ok_or(Failure::Absent), Loaded::Answer(answer))
                }
                None => (Err(Failure::Load), Loaded::Failed),
            },
            PlanKind::Fails => (Err(Failure::Load), Loaded::Failed),
            PlanKind::Panics | PlanKind::Hangs => unreachable!("not predicted"),
        }
    }

    /// A new value of a node.
    pub(super) fn answer(&mut self, node: NodeId, plan: &Plan) -> Answer {
        let bytes = if plan.kind == PlanKind::Long { LONG_BYTES } else { SHORT_BYTES };
        Answer {
            number: Some(self.number()),
            bytes,
            created: self.wall,
            tags: self.tags(node, plan.tag),
            asked: plan.ttl,
            token: self.token(),
        }
    }

    pub(super) fn tags(&self, node: NodeId, tag: Option<u8>) -> BTreeSet<String> {
        labels_of(node).into_iter().chain(tag.map(|tag| format!("extra{tag}"))).collect()
    }

    pub(super) fn look(&self, process: usize, node: NodeId) -> Option<Seen> {
        let seen = |tier, held: &Held, now| Seen {
            tier,
            number: held.number,
            created: held.created,
            remaining: super::left(held.fresh_until, now),
            tags: held.tags.clone(),
        };
        if let Some(held) = self.in_memory(process, node) {
            return Some(seen(0, held, self.mono));
        }
        (0..self.storages.len()).find_map(|storage| {
            self.fresh(storage, node).map(|held| seen(storage + 1, held, self.wall))
        })
    }

    pub(super) fn keys(
        &self,
        process: usize,
        binding: usize,
        pattern: Option<&str>,
    ) -> BTreeSet<String> {
        (0..NODES)
            .filter(|node| binding_of(*node) == binding)
            .filter(|node| self.look(process, *node).is_some())
            .map(name_of)
            .filter(|name| pattern.is_none_or(|like| is_like(like.as_bytes(), name.as_bytes())))
            .collect()
    }
}

fn half(left: u64) -> u64 {
    left / 2
}
