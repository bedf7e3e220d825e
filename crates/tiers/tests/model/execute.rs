//! One operation on the real thing: its answer, and what the ledger has to know about it.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, TryStreamExt};
use tiers::cache::Invalidation;
use tiers::clock::{Clock, ManualClock};
use tiers::handle::CachedEntry;
use tiers::prelude::*;

use crate::ledger::{BarrierId, Scope, Server};
use crate::model::{Failure, Read, Reply, Seen};
use crate::operation::*;
use crate::source::{Item, Script, decode, encode};

/// Who calls: a process' cache, with what it takes to judge the answers.
#[derive(Clone)]
pub(crate) struct Caller {
    /// Nothing else runs, and nothing fails.
    pub(crate) is_alone: bool,
    /// A change may be done and still be pending somewhere, which its answer does not tell.
    pub(crate) is_faulty: bool,
    /// By binding: an expired copy may still be served, where the source fails.
    pub keeps_expired: [bool; BINDINGS],
    pub process: usize,
    pub cache: Cache,
    pub handles: [Handle<Item>; BINDINGS],
    pub script: Script,
    pub clock: ManualClock,
}

/// When an operation was called: what it answers may have been found then.
#[derive(Clone, Copy)]
struct Asked {
    moment: u64,
    mono: u64,
}

/// What an operation answered; an error if that is not sound whatever else happened.
pub(crate) type Executed = Result<Reply, String>;

impl Caller {
    pub(crate) async fn execute(self, operation: Operation) -> Executed {
        let call = AssertUnwindSafe(self.perform(operation)).catch_unwind();
        call.await.unwrap_or(Ok(Reply::Panicked))
    }

    fn handle(&self, node: NodeId) -> &Handle<Item> {
        &self.handles[binding_of(node)]
    }

    fn mono(&self) -> u64 {
        self.clock.monotonic().ms()
    }

    async fn perform(&self, operation: Operation) -> Executed {
        let asked = Asked { moment: self.script.state().ledger.now(), mono: self.mono() };
        let reads = match operation {
            Operation::Get(node) => {
                vec![self.read(node, asked, self.handle(node).get(&Item(node)).await)]
            }
            Operation::GetOptional(node) => {
                let absent = || Failure::Absent;
                let read = self.handle(node).get_optional(&Item(node)).await;
                vec![match read {
                    Ok(Some(value)) => self.read(node, asked, Ok(value)),
                    Ok(None) => self.judge(node, asked, Err(absent())),
                    Err(error) => self.read(node, asked, Err(error)),
                }]
            }
            Operation::GetMany(nodes) => {
                let binding = nodes.first().map_or(0, |node| binding_of(*node));
                let items: Vec<Item> = nodes.iter().map(|node| Item(*node)).collect();
                let answers = self.handles[binding].get_many(&items).await;
                if answers.len() != nodes.len() {
                    return Err(format!("{} answers to {nodes:?}", answers.len()));
                }
                let answers = nodes.iter().zip(answers);
                answers.map(|(node, answer)| self.read(*node, asked, answer)).collect()
            }
            Operation::GetWith(node, plan) => {
                let script = self.script.clone();
                let load = move || async move {
                    script.state().closures += 1;
                    script.answer(node, &plan, None).await
                };
                vec![self.read(node, asked, self.handle(node).get_with(&Item(node), load).await)]
            }
            Operation::Refresh(node) => {
                vec![self.read(node, asked, self.handle(node).refresh(&Item(node)).await)]
            }
            other => return self.perform_other(other, asked).await,
        };
        reads.into_iter().collect::<Result<_, _>>().map(Reply::Read)
    }

    async fn perform_other(&self, operation: Operation, asked: Asked) -> Executed {
        Ok(match operation {
            Operation::Peek(node) => {
                // What `peek` leaves out, `entry` tells.
                let peeked = self.handle(node).peek(&Item(node)).await;
                let seen = self.handle(node).entry(&Item(node)).await;
                if let (Ok(peeked), Ok(seen)) = (&peeked, &seen)
                    && peeked.is_some() != seen.as_ref().is_some_and(|seen| seen.value.is_some())
                    && self.is_alone
                {
                    return Err("`peek` and `entry` do not agree".to_owned());
                }
                self.seen(node, asked, seen)?
            }
            Operation::Entry(node) => {
                self.seen(node, asked, self.handle(node).entry(&Item(node)).await)?
            }
            Operation::Contains(node) => match self.handle(node).contains(&Item(node)).await {
                Ok(contains) => Reply::Contains(contains),
                Err(error) => Reply::Failed(failure(&error)),
            },
            Operation::Keys(binding, pattern) => self.keys(binding, pattern).await?,
            Operation::Set(node, new) => {
                let (number, barrier, value) = self.begin_set(node, &new, &new);
                let handle = self.handle(node).clone();
                let result = handle.set_with(&Item(node), value, options(&new)).await;
                if result.is_ok() {
                    self.end_set(number, barrier);
                }
                Reply::Done(vec![result.map_err(|error| failure(&error))])
            }
            Operation::WriteBehind(node, new) => {
                let (number, value) = {
                    let mut state = self.script.state();
                    let life = state.life(node, new.ttl);
                    let mut tags = labels_of(node);
                    tags.extend(new.tag.map(|tag| format!("extra{tag}")));
                    let number = state.ledger.bear(node, false, life, tags);
                    (number, encode(number, node, new.long))
                };
                let handle = self.handle(node).clone();
                let accepted = handle.write_behind_with(&Item(node), value, options(&new)).await;
                let result = match accepted {
                    Ok(()) => handle.flush_node(&Item(node)).await.map(|_| ()),
                    Err(error) => Err(error),
                };
                // It outdates nothing: to others it is a load among others.
                self.script.state().ledger.done_setting(number);
                Reply::Done(vec![result.map_err(|error| failure(&error))])
            }
            Operation::SetMany(values, ttl) => {
                let all = New { ttl, ..New::default() };
                let mut begun = Vec::new();
                let mut items = Vec::new();
                for (node, new) in &values {
                    let (number, barrier, value) = self.begin_set(*node, new, &all);
                    begun.push((number, barrier));
                    items.push((Item(*node), Arc::new(value)));
                }
                let binding = values.first().map_or(0, |(node, _)| binding_of(*node));
                let results = self.handles[binding].set_many_with(items, options(&all)).await;
                for ((number, barrier), result) in begun.into_iter().zip(&results) {
                    if result.is_ok() {
                        self.end_set(number, barrier);
                    }
                }
                Reply::Done(
                    results
                        .into_iter()
                        .map(|result| result.map_err(|error| failure(&error)))
                        .collect(),
                )
            }
            Operation::Update(node, plan) => {
                let barrier = self.begin(Scope::Nodes(vec![node]));
                let script = self.script.clone();
                let change = move || async move { script.answer(node, &plan, None).await };
                let result = self.handle(node).update(&Item(node), change).await;
                if result.is_ok() {
                    self.end_change(barrier);
                }
                Reply::Updated(match result {
                    Ok(Some(value)) => {
                        Ok(Some(decode(&value, node).ok_or("the value of another node")?))
                    }
                    Ok(None) => Ok(None),
                    Err(error) => Err(failure(&error)),
                })
            }
            Operation::WriteThrough(node, new) => {
                let asks_nothing = New::default();
                let (_, barrier, value) = self.begin_set(node, &new, &asks_nothing);
                let result = self.handle(node).write_through(&Item(node), value).await;
                if result.is_ok() {
                    self.end_change(barrier);
                }
                Reply::Done(vec![result.map_err(|error| failure(&error))])
            }
            Operation::Touch(node, ttl) => {
                {
                    let mut state = self.script.state();
                    let life = state.life(node, ttl);
                    state.ledger.touch(node, life);
                }
                let ttl = ttl.map(Duration::from_millis);
                let touched = self.handle(node).touch(&Item(node), ttl).await;
                Reply::Touched(touched.map_err(|error| failure(&error)))
            }
            Operation::Warm(nodes) => {
                let binding = nodes.first().map_or(0, |node| binding_of(*node));
                let items: Vec<Item> = nodes.into_iter().map(Item).collect();
                let report = self.handles[binding].warm(items, WarmOptions::new()).await;
                let (warmed, absent, failed) = (report.warmed, report.absent, report.failed);
                Reply::Warmed { warmed, absent, failed }
            }
            other => self.invalidate(other).await,
        })
    }

    async fn invalidate(&self, operation: Operation) -> Reply {
        let label = |label: &&str| (*label).to_owned();
        let like = |pattern: &str, binding: Option<usize>| {
            (0..NODES)
                .filter(|node| binding.is_none_or(|binding| binding_of(*node) == binding))
                .filter(|node| is_like(pattern.as_bytes(), name_of(*node).as_bytes()))
                .collect::<Vec<NodeId>>()
        };
        let scope = match &operation {
            Operation::Invalidate(nodes) => Scope::Nodes(nodes.clone()),
            Operation::Expire(node) if self.keeps_expired[binding_of(*node)] => {
                Scope::Nodes(vec![])
            }
            Operation::Expire(node) => Scope::Nodes(vec![*node]),
            Operation::InvalidatePattern(binding, pattern) => {
                Scope::Nodes(like(pattern, Some(*binding)))
            }
            Operation::Clear(binding) => Scope::Nodes(like("*", Some(*binding))),
            Operation::InvalidateAnyTag(labels) => {
                Scope::AnyTag(labels.iter().map(label).collect())
            }
            Operation::InvalidateAllTags(labels) => {
                Scope::AllTags(labels.iter().map(label).collect())
            }
            Operation::InvalidateEverywhere(pattern) => Scope::Nodes(like(pattern, None)),
            _ => Scope::Nodes((0..NODES).collect()),
        };
        let barrier = self.begin(scope);
        let result: Result<Invalidation, Error> = match operation {
            Operation::Invalidate(nodes) => {
                let binding = nodes.first().map_or(0, |node| binding_of(*node));
                let items: Vec<Item> = nodes.into_iter().map(Item).collect();
                match &*items {
                    [item] => self.handles[binding].invalidate(item).await,
                    items => self.handles[binding].invalidate_many(items).await,
                }
            }
            Operation::Expire(node) => self.handle(node).expire(&Item(node)).await,
            Operation::InvalidatePattern(binding, pattern) => {
                self.handles[binding].invalidate_pattern(pattern).await
            }
            Operation::Clear(binding) => self.handles[binding].clear().await,
            Operation::InvalidateAnyTag(labels) => match &*labels {
                [label] => self.cache.invalidate_tag(label).await,
                labels => self.cache.invalidate_any_tag(labels).await,
            },
            Operation::InvalidateAllTags(labels) => self.cache.invalidate_all_tags(labels).await,
            Operation::InvalidateEverywhere(pattern) => {
                self.cache.invalidate_pattern(pattern).await
            }
            _ => self.cache.clear().await,
        };
        match result {
            Ok(invalidation) => {
                self.script.state().ledger.tell(barrier);
                if invalidation.is_done() {
                    self.end(barrier);
                }
                let done = invalidation.is_done();
                Reply::Invalidated { done, entries: invalidation.entries }
            }
            Err(error) => Reply::Failed(failure(&error)),
        }
    }

    async fn keys(&self, binding: usize, pattern: Option<&'static str>) -> Executed {
        let handle = &self.handles[binding];
        let keys = match pattern {
            None => handle.keys(),
            Some(pattern) => handle.keys_like(pattern).map_err(|error| error.to_string())?,
        };
        let keys: Vec<_> = match keys.try_collect().await {
            Ok(keys) => keys,
            Err(error) => return Ok(Reply::Failed(failure(&error))),
        };
        let names: BTreeSet<String> = keys.iter().map(|key| key.name().to_owned()).collect();
        if names.len() != keys.len() {
            return Err(format!("keys are listed twice: {keys:?}"));
        }
        let is_own = |name: &String| {
            let nodes = (0..NODES).filter(|node| binding_of(*node) == binding);
            nodes.map(name_of).any(|own| own == *name)
                && pattern.is_none_or(|like| is_like(like.as_bytes(), name.as_bytes()))
        };
        if !names.iter().all(is_own) {
            return Err(format!("{names:?} are listed for {pattern:?} of binding {binding}"));
        }
        Ok(Reply::Keys(names))
    }

    fn begin(&self, scope: Scope) -> BarrierId {
        self.script.state().ledger.begin(self.process, scope)
    }

    fn end(&self, barrier: BarrierId) {
        let mono = self.mono();
        self.script.state().ledger.end(barrier, mono);
    }

    fn begin_set(&self, node: NodeId, new: &New, asked: &New) -> (u64, BarrierId, Bytes) {
        let mut state = self.script.state();
        let life = state.life(node, asked.ttl);
        let mut tags = labels_of(node);
        tags.extend(asked.tag.map(|tag| format!("extra{tag}")));
        let number = state.ledger.bear(node, false, life, tags);
        let barrier = state.ledger.begin(self.process, Scope::Nodes(vec![node]));
        (number, barrier, encode(number, node, new.long))
    }

    fn end_set(&self, number: u64, barrier: BarrierId) {
        self.script.state().ledger.done_setting(number);
        self.end_change(barrier);
    }

    fn end_change(&self, barrier: BarrierId) {
        if !self.is_faulty {
            self.end(barrier);
        }
    }

    fn read(
        &self,
        node: NodeId,
        asked: Asked,
        answer: Result<Arc<Bytes>, Error>,
    ) -> Result<(NodeId, Read), String> {
        let read = match answer {
            Ok(value) => Ok(decode(&value, node)
                .ok_or_else(|| format!("node {node} was answered {value:?}"))?),
            Err(error) => Err(failure(&error)),
        };
        self.judge(node, asked, read)
    }

    fn judge(&self, node: NodeId, asked: Asked, read: Read) -> Result<(NodeId, Read), String> {
        let served = match &read {
            Ok(number) => Some(Some(*number)),
            Err(Failure::Absent) => Some(None),
            Err(_) => None,
        };
        if let Some(number) = served {
            self.check(node, asked, number)?;
        }
        Ok((node, read))
    }

    fn check(&self, node: NodeId, asked: Asked, number: Option<u64>) -> Result<(), String> {
        let server = Server::Process(self.process);
        let state = self.script.state();
        state.ledger.check(server, node, number, asked.moment, asked.mono).map_err(|problem| {
            format!("process {} served {number:?} for node {node}: {problem}", self.process)
        })
    }

    fn seen(
        &self,
        node: NodeId,
        asked: Asked,
        entry: Result<Option<CachedEntry<Bytes>>, Error>,
    ) -> Executed {
        let entry = match entry {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(Reply::Seen(node, None)),
            Err(error) => return Ok(Reply::Failed(failure(&error))),
        };
        let decoded = |value: Arc<Bytes>| decode(&value, node).ok_or("the value of another node");
        let number = entry.value.map(decoded).transpose()?;
        self.check(node, asked, number)?;
        let tier = match entry.storage.strip_prefix("storage") {
            Some(at) => at.parse::<usize>().map_err(|error| error.to_string())? + 1,
            None => 0,
        };
        Ok(Reply::Seen(
            node,
            Some(Seen {
                tier,
                number,
                created: entry.created.unix_ms(),
                remaining: entry.remaining.map(|remaining| remaining.as_millis() as u64),
                tags: entry.tags.into_iter().collect(),
            }),
        ))
    }
}

fn options(new: &New) -> SetOptions {
    let mut options = SetOptions::new();
    if let Some(ttl) = new.ttl {
        options = options.ttl(Duration::from_millis(ttl));
    }
    if let Some(tag) = new.tag {
        options = options.tag(format!("extra{tag}"));
    }
    options
}

fn failure(error: &Error) -> Failure {
    match error {
        Error::Absent { .. } => Failure::Absent,
        Error::Load { .. } => Failure::Load,
        Error::LoadPanicked { .. } => Failure::LoadPanicked,
        Error::LoadTimeout { .. } => Failure::LoadTimeout,
        Error::LoadCancelled { .. } => Failure::LoadCancelled,
        Error::Storage { .. } => Failure::Storage,
        Error::Closed => Failure::Closed,
        other => Failure::Other(other.to_string()),
    }
}
