//! What must hold whatever ran together.

use super::Runner;
use crate::ledger::Server;
use crate::model::{Contents, Counts, Failure, NEVER, Reply};
use crate::operation::*;

impl Runner<'_> {
    pub(super) fn check_contents(
        &self,
        contents: &Contents,
        server: Server,
        now: u64,
        mono: u64,
    ) -> Result<(), String> {
        let state = self.world.script.state();
        for (node, held) in contents.iter().filter(|(_, held)| now < held.fresh_until) {
            let sound = state.ledger.check(server, *node, held.number, NEVER, mono);
            sound.map_err(|problem| format!("{server:?} holds {held:?} for {node}: {problem}"))?;
        }
        Ok(())
    }

    pub(super) fn check_reply(
        &self,
        call: &Call,
        reply: &Reply,
        calls: &[Call],
    ) -> Result<(), String> {
        let plans = |wanted: fn(&PlanKind) -> bool| {
            let of_calls = calls.iter().filter_map(|call| match &call.operation {
                Operation::GetWith(_, plan) | Operation::Update(_, plan) => Some(&plan.kind),
                _ => None,
            });
            self.model.plans.iter().map(|plan| &plan.kind).chain(of_calls).any(wanted)
        };
        let is_expected = |failure: &Failure| match failure {
            Failure::Absent => true,
            Failure::Load => plans(|kind| matches!(kind, PlanKind::Fails | PlanKind::NotModified)),
            Failure::LoadPanicked => plans(|kind| *kind == PlanKind::Panics),
            Failure::LoadTimeout => self.hangs(),
            Failure::Storage => self.faulty,
            // Nobody who still waits is told that nobody does.
            Failure::LoadCancelled | Failure::Closed | Failure::Other(_) => false,
        };
        let failures: Vec<&Failure> = match reply {
            Reply::Read(reads) => {
                reads.iter().filter_map(|(_, read)| read.as_ref().err()).collect()
            }
            Reply::Done(results) => {
                results.iter().filter_map(|result| result.as_ref().err()).collect()
            }
            Reply::Updated(Err(failure))
            | Reply::Touched(Err(failure))
            | Reply::Failed(failure) => {
                vec![failure]
            }
            Reply::Panicked if !matches!(&call.operation, Operation::Update(_, plan) if plan.kind == PlanKind::Panics) =>
            {
                return Err(format!("{:?} panicked", call.operation));
            }
            Reply::Invalidated { done: false, .. } if !self.faulty => {
                return Err(format!("{:?} is pending, and no storage is away", call.operation));
            }
            _ => vec![],
        };
        match failures.into_iter().find(|failure| !is_expected(failure)) {
            Some(failure) => Err(format!("{:?} failed by {failure:?}", call.operation)),
            None => Ok(()),
        }
    }

    /// Requests are hits and misses, and loads are what the source was asked for.
    pub(super) fn check_counts(
        &self,
        calls: &[Call],
        replies: &[Reply],
        before: &[[Counts; BINDINGS]],
        loads: u64,
    ) -> Result<(), String> {
        let requests = |call: &Call| match &call.operation {
            Operation::Get(_)
            | Operation::GetOptional(_)
            | Operation::GetWith(..)
            | Operation::Refresh(_) => 1,
            Operation::GetMany(nodes) | Operation::Warm(nodes) => nodes.len() as u64,
            _ => 0,
        };
        let mut loads_counted = 0;
        for process in 0..before.len() {
            let own = || calls.iter().zip(replies).filter(|(call, _)| call.process == process);
            let asked: u64 = own().map(|(call, _)| requests(call)).sum();
            let answered: u64 = own()
                .filter(|(_, reply)| **reply != Reply::Dropped)
                .map(|(call, _)| requests(call))
                .sum();
            let after = self.world.counts(process);
            let mut counted = 0;
            for (after, before) in after.iter().zip(&before[process]) {
                counted += after.hits + after.misses - before.hits - before.misses;
                loads_counted += after.loads_succeeded + after.loads_failed
                    - before.loads_succeeded
                    - before.loads_failed;
                if after.coalesced > after.misses {
                    return Err(format!("more were coalesced than missed: {after:?}"));
                }
            }
            if counted < answered || counted > asked {
                return Err(format!(
                    "process {process} was asked {asked} times, answered {answered} times, and \
                     counted {counted} requests"
                ));
            }
        }
        // A cancelled load may have been counted before the source was asked.
        if !self.model.setup.cancels_abandoned && loads_counted != loads {
            return Err(format!("{loads} loads were counted as {loads_counted}"));
        }
        Ok(())
    }

    /// Where many only read, each process loads a node once at most.
    pub(super) fn check_loads(&self, calls: &[Call], loads: &[u64; NODES]) -> Result<(), String> {
        let plans = &self.model.plans;
        let is_plain = !self.faulty
            && !self.model.setup.cancels_abandoned
            && !self.model.setup.memories.contains(&MemoryKind::Tiny)
            && calls.iter().all(|call| call.operation.reads())
            && !plans.iter().any(|plan| matches!(plan.kind, PlanKind::Panics | PlanKind::Hangs));
        if !is_plain {
            return Ok(());
        }
        let mut processes: Vec<usize> = calls.iter().map(|call| call.process).collect();
        processes.sort_unstable();
        processes.dedup();
        for (node, loads) in loads.iter().enumerate() {
            if plans[node].kind == PlanKind::Short && *loads > processes.len() as u64 {
                return Err(format!("node {node} was loaded {loads} times at once"));
            }
        }
        Ok(())
    }
}
