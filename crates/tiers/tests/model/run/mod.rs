//! Runs a sequence over the real thing and the model side by side.

mod check;

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tiers::clock::{ManualClock, Timestamp};
use tiers::core::testing::Operation as StorageCall;
use tokio::runtime::Handle as Runtime;
use tokio::task::yield_now;

use crate::execute::{Caller, Executed};
use crate::ledger::Server;
use crate::model::{Contents, Model, Reply};
use crate::operation::*;
use crate::world::{Client, File, LOAD_TIMEOUT, Process, World};

/// Where and how a sequence failed.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub step: usize,
    pub message: String,
}

/// What ran in steps, for a summary.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub predicted: u64,
    pub judged: u64,
    /// Reads that a copy past its time has answered.
    pub stale: u64,
    /// How often a storage came to be left alone.
    pub opened: u64,
}

/// More calls than a sequence makes.
const FOREVER: usize = 10_000;
/// What a storage does not do while it is away.
const CALLS: [StorageCall; 6] = [
    StorageCall::Get,
    StorageCall::GetMany,
    StorageCall::Write,
    StorageCall::Invalidate,
    StorageCall::Stamps,
    StorageCall::Scan,
];

/// Longer than anything takes, by the machine's clock.
const STUCK: Duration = Duration::from_secs(60);

pub(crate) async fn run(
    sequence: &Sequence,
    prefix: String,
    clock: ManualClock,
    file: &mut File,
    tally: &mut Tally,
) -> Result<(), Failed> {
    // The engine's own chances, such as pauses between tries.
    fastrand::seed(sequence.seed);
    let world = World::new(&sequence.setup, sequence.seed, prefix, clock, file).await;
    let model = Model::new(&sequence.setup, world.wall(), world.mono());
    let baseline = alive();
    let mut runner = Runner { world, model, baseline, faulty: false };
    for (at, step) in sequence.steps.iter().enumerate() {
        let done = runner.step(step, tally).await;
        done.map_err(|message| Failed { step: at, message })?;
    }
    let end = sequence.steps.len();
    let done = runner.step(&Step::Heal, tally).await;
    done.map_err(|message| Failed { step: end, message })?;
    for Process { cache, handles, .. } in &runner.world.processes {
        tally.stale += handles.iter().map(|handle| handle.stats().stale_hits).sum::<u64>();
        let storages = cache.stats().await.storages;
        tally.opened += storages.iter().map(|storage| storage.health.breaker_opened).sum::<u64>();
    }
    Ok(())
}

fn alive() -> usize {
    Runtime::current().metrics().num_alive_tasks()
}

struct Runner<'a> {
    world: World<'a>,
    model: Model,
    /// Tasks that run whenever nothing is going on.
    baseline: usize,
    /// Faults may be waiting, or invalidations pending.
    faulty: bool,
}

impl Runner<'_> {
    async fn step(&mut self, step: &Step, tally: &mut Tally) -> Result<(), String> {
        match step {
            Step::Calls(calls) => match &**calls {
                [Call { process, operation, polls: None, .. }] if self.is_predictable() => {
                    tally.predicted += 1;
                    return self.predicted(*process, operation).await;
                }
                calls => {
                    tally.judged += 1;
                    return self.judged(calls).await;
                }
            },
            Step::Advance(ms) => self.world.clock.advance(Duration::from_millis(*ms)),
            Step::SetWall(ms) => {
                let wall = self.world.wall().saturating_add_signed(*ms);
                self.world.clock.step_wall(Timestamp::from_unix_ms(wall));
                if *ms < 0 {
                    self.world.script.state().ledger.slack += ms.unsigned_abs();
                    // Whether what was past its time is back depends on the pace of clean-up.
                    self.settle().await?;
                    self.read_clock();
                    return self.adopt().await;
                }
            }
            Step::Change(node, plan) => {
                self.model.plans[*node] = plan.clone();
                self.world.script.state().plans[*node] = plan.clone();
            }
            Step::Fault { process, storage, call, count, carried_out } => {
                self.faulty = true;
                let kind = tiers::storage::StorageErrorKind::Unavailable;
                if let Client::Test(storage) = &self.world.processes[*process].clients[*storage] {
                    match carried_out {
                        true => storage.lose_next_answers(*call, *count, kind),
                        false => storage.fail_next(*call, *count, kind),
                    }
                }
            }
            Step::Down { process, storage } => {
                self.faulty = true;
                let kind = tiers::storage::StorageErrorKind::Unavailable;
                if let Client::Test(storage) = &self.world.processes[*process].clients[*storage] {
                    for call in CALLS {
                        storage.fail_next(call, FOREVER, kind);
                    }
                }
            }
            Step::Heal => self.heal().await?,
            Step::Reopen(process) => {
                self.heal().await?;
                let before = alive();
                self.world.reopen(*process).await?;
                self.model.reopen(*process);
                if alive() > before {
                    return Err("tasks of a closed cache live on".to_owned());
                }
                self.baseline = alive();
            }
        }
        self.settle().await?;
        self.read_clock();
        if self.faulty { self.adopt().await } else { self.compare().await }
    }

    /// Whether the model can say exactly what happens.
    fn is_predictable(&self) -> bool {
        !self.faulty
            && !self.model.setup.memories.contains(&MemoryKind::Tiny)
            && !self.hangs()
            && !self.serves_stale()
    }

    fn serves_stale(&self) -> bool {
        self.model.setup.bindings.iter().any(|binding| binding.stale.is_on())
    }

    fn hangs(&self) -> bool {
        self.model.plans.iter().any(|plan| plan.kind == PlanKind::Hangs)
    }

    fn read_clock(&mut self) {
        (self.model.wall, self.model.mono) = (self.world.wall(), self.world.mono());
    }

    fn caller(&self, process: usize, is_alone: bool) -> Caller {
        let Process { cache, handles, .. } = &self.world.processes[process];
        Caller {
            is_alone,
            is_faulty: self.faulty,
            keeps_expired: std::array::from_fn(|binding| {
                self.model.setup.bindings[binding].stale.if_error.is_some()
            }),
            process,
            cache: cache.clone(),
            handles: handles.clone(),
            script: self.world.script.clone(),
            clock: self.world.clock.clone(),
        }
    }

    async fn predicted(&mut self, process: usize, operation: &Operation) -> Result<(), String> {
        self.model.next = self.world.script.state().ledger.next_number();
        let predicted = self.model.apply(process, operation);
        let call = self.caller(process, true).execute(operation.clone());
        let answered = tokio::time::timeout(STUCK, call);
        let answered = answered.await.map_err(|_| format!("{operation:?} does not end"))??;
        self.settle().await?;
        if !agrees(&predicted, &answered) {
            return Err(format!("{operation:?} answered {answered:?}, not {predicted:?}"));
        }
        self.compare().await
    }

    /// Operations whose order is not known: what they answer must be sound, and so must what they
    /// leave behind, which the model takes over.
    async fn judged(&mut self, calls: &[Call]) -> Result<(), String> {
        let before: Vec<_> =
            (0..self.world.processes.len()).map(|at| self.world.counts(at)).collect();
        let (loads_before, closures_before) = {
            let state = self.world.script.state();
            (state.loads, state.closures)
        };
        self.world.script.pace(calls.len() > 1 || calls[0].polls.is_some());
        let executed = self.drive(calls).await;
        self.world.script.pace(false);
        let executed = executed?;
        self.settle().await?;
        if executed.contains(&Reply::Dropped) {
            self.world.drain().await?;
        }
        for (call, executed) in calls.iter().zip(&executed) {
            self.check_reply(call, executed, calls)?;
        }
        let (loads, closures): ([u64; NODES], u64) = {
            let state = self.world.script.state();
            let loads = std::array::from_fn(|node| state.loads[node] - loads_before[node]);
            (loads, state.closures - closures_before)
        };
        self.check_counts(calls, &executed, &before, loads.iter().sum::<u64>() + closures)?;
        self.check_loads(calls, &loads)?;
        self.read_clock();
        self.adopt().await
    }

    /// Runs calls side by side; answers stand in their order.
    async fn drive(&mut self, calls: &[Call]) -> Result<Vec<Reply>, String> {
        let running = FuturesUnordered::new();
        for (at, call) in calls.iter().enumerate() {
            let execute = self.caller(call.process, false).execute(call.operation.clone());
            let (delay, polls) = (call.delay, call.polls);
            running.push(async move {
                for _ in 0..delay {
                    yield_now().await;
                }
                (at, limited(execute, polls).await)
            });
        }
        let mut running = std::pin::pin!(running);
        let mut replies: Vec<Option<Reply>> = vec![None; calls.len()];
        let begun = std::time::Instant::now();
        let hangs = self.hangs();
        loop {
            let next = if hangs {
                // Turn by turn, and when nothing more moves, the time-out comes.
                let mut next = running.next();
                let mut turns = 0;
                loop {
                    match futures_util::poll!(&mut next) {
                        std::task::Poll::Ready(next) => break next,
                        std::task::Poll::Pending => self.turn(&mut turns).await,
                    }
                    if begun.elapsed() > STUCK {
                        return Err(format!("{calls:?} do not end"));
                    }
                }
            } else {
                let next = tokio::time::timeout(STUCK, running.next()).await;
                next.map_err(|_| format!("{calls:?} do not end"))?
            };
            let Some((at, executed)) = next else { break };
            replies[at] = Some(match executed {
                Some(executed) => executed?,
                None => Reply::Dropped,
            });
        }
        Ok(replies.into_iter().map(|reply| reply.expect("each call ends once")).collect())
    }

    /// One turn for the others; now and then the load time-out passes.
    async fn turn(&self, turns: &mut u32) {
        yield_now().await;
        *turns += 1;
        if turns.is_multiple_of(100) {
            if self.model.setup.storages == Storages::Sqlite {
                std::thread::sleep(Duration::from_micros(500));
            }
            self.world.clock.advance(LOAD_TIMEOUT);
        }
    }

    /// Waits until nothing runs any more but what waits for a storage to come back.
    async fn settle(&mut self) -> Result<(), String> {
        let begun = std::time::Instant::now();
        let hangs = self.hangs();
        let mut turns = 0;
        let mut pending: Vec<bool>;
        loop {
            let mut replaying = 0;
            pending = vec![false; self.world.processes.len()];
            if self.faulty {
                for _ in 0..60 {
                    yield_now().await;
                }
                for (process, pending) in pending.iter_mut().enumerate() {
                    let count = self.world.pending(process).await;
                    replaying += count;
                    *pending = count > 0;
                }
            }
            let flying: usize =
                self.world.processes.iter().map(|process| process.cache.loads_in_flight()).sum();
            if alive() <= self.baseline + replaying && flying == 0 {
                break;
            }
            if begun.elapsed() > STUCK {
                return Err(format!("{} tasks and {flying} loads are left over", alive()));
            }
            if hangs {
                self.turn(&mut turns).await;
            } else if self.model.setup.storages == Storages::Sqlite && turns > 20 {
                tokio::time::sleep(Duration::from_micros(100)).await;
            } else {
                turns += 1;
                yield_now().await;
            }
        }
        let mono = self.world.mono();
        self.world.script.state().ledger.settle(mono, &pending);
        Ok(())
    }

    async fn heal(&mut self) -> Result<(), String> {
        self.world.heal();
        self.settle().await?;
        for _ in 0..40 {
            let mut pending = 0;
            for process in 0..self.world.processes.len() {
                pending += self.world.pending(process).await;
            }
            if pending == 0 {
                self.settle().await?;
                self.ask_all().await?;
                if std::mem::take(&mut self.faulty) {
                    self.read_clock();
                    self.adopt().await?;
                }
                return Ok(());
            }
            // Longer than any pause between two tries.
            self.world.clock.advance(Duration::from_secs(11));
            self.settle().await?;
        }
        Err("an invalidation is pending, and its storage is not away any more".to_owned())
    }

    /// Storages that were left alone are asked again, and answer.
    async fn ask_all(&mut self) -> Result<(), String> {
        let Some(breaker) = self.model.setup.breaker else { return Ok(()) };
        for process in 0..self.world.processes.len() {
            if self.world.asks_all(process).await {
                continue;
            }
            // Its time passes, and what tries names nothing: as many as have to succeed.
            self.world.clock.advance(breaker.open_for);
            for _ in 0..breaker.probes_max {
                let handle = &self.world.processes[process].handles[0];
                let nothing = handle.invalidate_pattern("item:nothing").await;
                let is_done = nothing.is_ok_and(|nothing| nothing.is_done());
                if !is_done {
                    return Err("a storage that is back does not answer".to_owned());
                }
            }
            if !self.world.asks_all(process).await {
                return Err("a storage that is back is left alone".to_owned());
            }
        }
        self.settle().await
    }

    /// What stands everywhere is what the model says, and so is what was counted.
    async fn compare(&mut self) -> Result<(), String> {
        if self.model.setup.memories.contains(&MemoryKind::Tiny) || self.serves_stale() {
            return self.adopt().await;
        }
        let (wall, mono) = (self.model.wall, self.model.mono);
        for process in 0..self.world.processes.len() {
            let held = self.world.memory(process);
            let is_fresh = |until: u64| mono < until;
            differ(&self.model.memories[process], &held, |held| is_fresh(held.fresh_until))
                .map_err(|problem| format!("memory of process {process}: {problem}"))?;
            self.model.memories[process] = held;
            let counts = self.world.counts(process);
            if counts != self.model.counts[process] {
                let at = (0..BINDINGS).find(|at| counts[*at] != self.model.counts[process][*at]);
                let at = at.unwrap_or_default();
                return Err(format!(
                    "process {process} counted for binding {at} {:?}, not {:?}",
                    counts[at], self.model.counts[process][at]
                ));
            }
        }
        for storage in 0..self.model.storages.len() {
            let held = self.world.storage(storage).await?;
            differ(&self.model.storages[storage], &held, |held| wall < held.kept_until)
                .map_err(|problem| format!("storage {storage}: {problem}"))?;
            self.model.storages[storage] = held;
        }
        Ok(())
    }

    /// Checks that what stands everywhere is sound, and goes on from there.
    async fn adopt(&mut self) -> Result<(), String> {
        let (wall, mono) = (self.model.wall, self.model.mono);
        for process in 0..self.world.processes.len() {
            let held = self.world.memory(process);
            self.check_contents(&held, Server::Process(process), mono, mono)?;
            self.model.memories[process] = held;
            self.model.counts[process] = self.world.counts(process);
        }
        for storage in 0..self.model.storages.len() {
            let held = self.world.storage(storage).await?;
            self.check_contents(&held, Server::Storage, wall, mono)?;
            self.model.storages[storage] = held;
        }
        Ok(())
    }
}

/// `None` if it was not done after so many polls, and dropped.
async fn limited(execute: impl Future<Output = Executed>, polls: Option<u8>) -> Option<Executed> {
    let Some(polls) = polls else { return Some(execute.await) };
    let mut execute = Box::pin(execute);
    for _ in 0..polls {
        if let std::task::Poll::Ready(executed) = futures_util::poll!(&mut execute) {
            return Some(executed);
        }
        yield_now().await;
    }
    None
}

/// Whether an answer is the predicted one. How many entries an invalidation found is told roughly.
fn agrees(predicted: &Reply, answered: &Reply) -> bool {
    match (predicted, answered) {
        (
            Reply::Invalidated { done, entries },
            Reply::Invalidated { done: is_done, entries: found },
        ) => done == is_done && entries <= found && *found <= NODES as u64,
        _ => predicted == answered,
    }
}

fn differ(
    predicted: &Contents,
    held: &Contents,
    counts: impl Fn(&crate::model::Held) -> bool,
) -> Result<(), String> {
    for node in 0..NODES {
        let of = |contents: &Contents| contents.get(&node).filter(|held| counts(held)).cloned();
        let (mut predicted, held) = (of(predicted), of(held));
        if let (Some(predicted), Some(held)) = (&mut predicted, &held) {
            predicted.token = held.token;
        }
        if predicted != held {
            return Err(format!("{} is {held:?}, not {predicted:?}", name_of(node)));
        }
    }
    Ok(())
}
