//! Changes, invalidations, and what fills a tier.

use super::{Answer, Failure, Held, Life, Model, NEVER, Reply};
use crate::operation::*;

impl Model {
    /// Whether the storage took it.
    pub(super) fn fill_storage(
        &mut self,
        process: usize,
        node: NodeId,
        storage: usize,
        answer: &Answer,
        life: Life,
    ) -> bool {
        let tier = self.definition(node).storages[storage];
        let counts = self.storage_counts(process, node, storage);
        if !tier.takes(answer.bytes) {
            counts.fills_skipped += 1;
            return false;
        }
        counts.fills += 1;
        let (fresh_until, kept_until) = super::ends(&tier, life, self.wall);
        let held = held(answer, fresh_until, kept_until, tier.idle);
        self.storages[storage].insert(node, held);
        true
    }

    /// Whether memory took it.
    pub(super) fn fill_memory(
        &mut self,
        process: usize,
        node: NodeId,
        answer: &Answer,
        life: Life,
    ) -> bool {
        if !self.has_memory(process) {
            return true;
        }
        let tier = self.definition(node).memory;
        let counts = self.memory_counts(process, node);
        if !tier.takes(answer.bytes) {
            counts.fills_skipped += 1;
            return false;
        }
        counts.fills += 1;
        let (fresh_until, kept_until) = super::ends(&tier, life, self.mono);
        if kept_until <= self.mono {
            self.memories[process].remove(&node);
        } else {
            let held = held(answer, fresh_until, kept_until, tier.idle);
            self.memories[process].insert(node, held);
        }
        true
    }

    /// Stores into the farthest storage that takes it and into memory, and removes from the rest.
    pub(super) fn set(
        &mut self,
        process: usize,
        values: &[(NodeId, bool, u64)],
        ttl: Option<u64>,
        tag: Option<u8>,
    ) {
        for (node, long, number) in values {
            let answer = Answer {
                number: Some(*number),
                bytes: if *long { LONG_BYTES } else { SHORT_BYTES },
                created: self.wall,
                tags: self.tags(*node, tag),
                asked: ttl,
                token: self.token(),
            };
            self.store(process, *node, &answer, true);
            self.memories[process].remove(node);
            let life = Life { asked: ttl, remaining: None };
            self.fill_memory(process, *node, &answer, life);
        }
    }

    fn store(&mut self, process: usize, node: NodeId, answer: &Answer, sets: bool) {
        let mut settled = false;
        for (nth, storage) in self.far_first().into_iter().enumerate() {
            let takes = self.definition(node).storages[storage].takes(answer.bytes);
            if settled || !takes {
                self.storages[storage].remove(&node);
                continue;
            }
            settled = true;
            if sets || nth == 0 {
                let life = Life { asked: answer.asked, remaining: None };
                self.fill_storage(process, node, storage, answer, life);
            } else {
                // The stamp of an update is the farthest storage's, and of no use elsewhere.
                self.storages[storage].remove(&node);
                self.storage_counts(process, node, storage).fills_refused += 1;
            }
        }
    }

    pub(super) fn update(&mut self, process: usize, node: NodeId, plan: &Plan) -> Reply {
        match plan.kind {
            PlanKind::Short | PlanKind::Long => {
                let answer = self.answer(node, plan);
                self.memories[process].remove(&node);
                if self.storages.is_empty() {
                    let life = Life { asked: answer.asked, remaining: None };
                    self.fill_memory(process, node, &answer, life);
                } else {
                    self.store(process, node, &answer, false);
                }
                Reply::Updated(Ok(answer.number))
            }
            // Whatever else it says, nobody knows what the source holds now.
            kind => {
                self.end(process, false, |other, _| other == node);
                match kind {
                    PlanKind::Panics => Reply::Panicked,
                    // It has nothing to compare with.
                    PlanKind::Fails | PlanKind::NotModified => Reply::Updated(Err(Failure::Load)),
                    _ => Reply::Updated(Ok(None)),
                }
            }
        }
    }

    pub(super) fn touch(&mut self, process: usize, node: NodeId, ttl: Option<u64>) -> bool {
        let mut touched = false;
        let mut remaining = None;
        let absent_ttl = self.definition(node).absent_ttl;
        let asked = |held: &Held| ttl.or(absent_ttl.filter(|_| held.number.is_none()));
        for storage in self.far_first() {
            let Some(found) = self.fresh(storage, node).cloned() else { continue };
            let tier = self.definition(node).storages[storage];
            let life = Life { asked: asked(&found), remaining };
            let (fresh_until, kept_until) = super::ends(&tier, life, self.wall);
            let held = self.storages[storage].get_mut(&node).expect("was found");
            (held.fresh_until, held.kept_until) = (fresh_until, kept_until);
            touched = true;
            remaining = super::left(fresh_until, self.wall);
        }
        if let Some(found) = self.in_memory(process, node).cloned() {
            touched = true;
            let answer = Answer {
                number: found.number,
                bytes: found.bytes,
                created: found.created,
                tags: found.tags.clone(),
                asked: None,
                token: found.token,
            };
            // A copy is not kept longer: its original may be another one by now.
            let left =
                super::left(found.kept_until, self.mono).filter(|_| !self.storages.is_empty());
            let remaining = [remaining, left].into_iter().flatten().min();
            let life = Life { asked: asked(&found), remaining };
            self.fill_memory(process, node, &answer, life);
        }
        touched
    }

    /// Removes or expires in every storage, and in the process' own memory.
    pub(super) fn end(
        &mut self,
        process: usize,
        expires: bool,
        is_meant: impl Fn(NodeId, &Held) -> bool,
    ) -> Reply {
        self.end_where(process, expires, &is_meant, &is_meant)
    }

    pub(super) fn end_where(
        &mut self,
        process: usize,
        expires: bool,
        in_storages: impl Fn(NodeId, &Held) -> bool,
        in_memory: impl Fn(NodeId, &Held) -> bool,
    ) -> Reply {
        let mut entries = 0;
        for storage in 0..self.storages.len() {
            let meant: Vec<NodeId> = (0..NODES)
                .filter(|node| {
                    self.kept(storage, *node).is_some_and(|held| in_storages(*node, held))
                })
                .collect();
            entries = entries.max(meant.len() as u64);
            for node in meant {
                end_in(&mut self.storages[storage], node, expires);
            }
        }
        let memory = &self.memories[process];
        let meant: Vec<NodeId> = memory
            .iter()
            .filter(|(node, held)| in_memory(**node, held))
            .map(|(node, _)| *node)
            .collect();
        for node in meant {
            end_in(&mut self.memories[process], node, expires);
        }
        Reply::Invalidated { done: true, entries }
    }
}

fn end_in(contents: &mut super::Contents, node: NodeId, expires: bool) {
    if !expires {
        contents.remove(&node);
    } else if let Some(held) = contents.get_mut(&node) {
        held.fresh_until = 0;
    }
}

fn held(answer: &Answer, fresh_until: u64, kept_until: u64, idle: Option<u64>) -> Held {
    debug_assert!(fresh_until <= kept_until || kept_until == NEVER);
    Held {
        number: answer.number,
        bytes: answer.bytes,
        created: answer.created,
        fresh_until,
        kept_until,
        idle,
        tags: answer.tags.clone(),
        token: answer.token,
    }
}
