//! Connections: a few, each shared by many calls, made when they are needed and again when they
//! break.

mod apart;
mod backoff;
mod channel;
mod link;
mod nodes;
mod once;
mod tls;

pub(crate) use channel::{Connector, Routed};
pub(crate) use nodes::Node;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cache_core::storage::StorageError;
use parking_lot::Mutex;
use redis::cluster_routing::Slot;
use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};

use crate::error::{breaks_connection, closed, failure, is_transient, timed_out};
use crate::script::Call;
use backoff::Backoff;
use channel::Channel;
use link::Link;

/// Calls that a connection carries before another one is opened beside it.
const CALLS_BEFORE_NEXT: usize = 64;

/// Connections that are kept for calls that wait on the server.
const IDLE_MAX: usize = 4;

/// All connections of a storage.
pub(crate) struct Connections {
    connector: Connector,
    links: Box<[Link]>,
    timeout: Duration,
    closed: AtomicBool,
    /// For calls that wait on the server, and hold up whatever is sent after them.
    idle: Mutex<Vec<Channel>>,
}

impl Connections {
    pub(crate) fn new(connector: Connector, pool_size: usize, timeout: Duration) -> Self {
        let links = (0..pool_size).map(|_| Link::new(timeout / 2)).collect();
        let closed = AtomicBool::new(false);
        Self { connector, links, timeout, closed, idle: Mutex::default() }
    }

    pub(crate) fn is_cluster(&self) -> bool {
        self.connector.is_cluster()
    }

    /// How long a call may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Takes no more calls, and lets go of every connection; those in use end with their calls.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for link in &self.links {
            link.leave();
        }
        self.idle.lock().clear();
    }

    /// The longest that a call may wait on the server.
    pub(crate) fn wait_max(&self) -> Duration {
        self.timeout / 2
    }

    /// Sends a command that waits on the server for up to `wait`, on a connection of its own.
    ///
    /// # Errors
    /// [`StorageError`] if it failed, or no answer came in time. It is not sent again.
    pub(crate) async fn waiting(
        &self,
        operation: &'static str,
        command: &Routed,
        wait: Duration,
    ) -> Result<Value, StorageError> {
        if self.is_closed() {
            return Err(closed(operation));
        }
        let idle = self.idle.lock().pop();
        let call = async {
            let channel = match idle {
                Some(channel) => channel,
                None => self.connector.connect().await?,
            };
            let answer = channel.send_one(command).await;
            // One whose call fails or is given up is let go.
            if answer.is_ok() && !self.is_closed() {
                let mut idle = self.idle.lock();
                if idle.len() < IDLE_MAX {
                    idle.push(channel);
                }
            }
            answer
        };
        match tokio::time::timeout(self.timeout + wait, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) if self.is_closed() => Err(closed(operation)),
            Ok(Err(source)) => Err(failure(operation, source)),
            Err(_) => Err(timed_out(operation, self.timeout + wait)),
        }
    }

    /// Sends one command.
    ///
    /// # Errors
    /// [`StorageError`] if it failed, or no answer came in time.
    pub(crate) async fn one(
        &self,
        operation: &'static str,
        command: Routed,
    ) -> Result<Value, StorageError> {
        self.within(operation, self.repeat_one(&command, is_transient)).await
    }

    /// Sends commands in one round trip; to a cluster, one to each node.
    ///
    /// # Errors
    /// The outer error if nothing is known about any of them, an inner one for one that failed.
    pub(crate) async fn many(
        &self,
        operation: &'static str,
        commands: Vec<Routed>,
    ) -> Result<Vec<Result<Value, StorageError>>, StorageError> {
        self.within(operation, self.repeat(commands, is_transient)).await.map(|answers| {
            let name = |source| failure(operation, source);
            answers.into_iter().map(|answer| answer.map_err(name)).collect()
        })
    }

    /// Runs scripts, each in the slot that it is given with, and teaches them to a server that does
    /// not know them.
    ///
    /// # Errors
    /// The outer error if nothing is known about any of them, an inner one for one that failed.
    pub(crate) async fn run(
        &self,
        operation: &'static str,
        calls: &[(Slot, Call)],
    ) -> Result<Vec<Result<Value, StorageError>>, StorageError> {
        let run = async {
            let by_digest =
                calls.iter().map(|(slot, call)| Routed { slot: *slot, command: call.by_digest() });
            let mut answers = self.repeat(by_digest.collect(), is_transient).await?;
            let unknown: Vec<usize> = (0..answers.len())
                .filter(|at| matches!(&answers[*at], Err(source) if is_unknown_script(source)))
                .collect();
            if !unknown.is_empty() {
                let with_text = unknown.iter().map(|at| {
                    let (slot, call) = &calls[*at];
                    Routed { slot: *slot, command: call.with_text() }
                });
                let again = self.repeat(with_text.collect(), is_transient).await?;
                for (at, answer) in unknown.into_iter().zip(again) {
                    answers[at] = answer;
                }
            }
            Ok(answers)
        };
        self.within(operation, run).await.map(|answers| {
            let name = |source| failure(operation, source);
            answers.into_iter().map(|answer| answer.map_err(name)).collect()
        })
    }

    async fn within<T>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, StorageError> {
        if self.is_closed() {
            return Err(closed(operation));
        }
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) if self.is_closed() => Err(closed(operation)),
            Ok(Err(source)) => Err(failure(operation, source)),
            Err(_) => Err(timed_out(operation, self.timeout)),
        }
    }

    /// Sends commands, and those that failed by what passes again a little later. All that is sent
    /// may be carried out twice: reads, and scripts that are written for it.
    async fn repeat(
        &self,
        commands: Vec<Routed>,
        passes: fn(&RedisError) -> bool,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        let mut backoff = Backoff::new();
        let mut answers = loop {
            match self.send(&commands).await {
                Ok(answers) => break answers,
                Err(source) => match backoff.next() {
                    Some(pause) if passes(&source) && !self.is_closed() => pause.await,
                    _ => return Err(source),
                },
            }
        };
        let transient =
            |answer: &RedisResult<Value>| matches!(answer, Err(source) if passes(source));
        while answers.iter().any(transient) {
            let Some(pause) = backoff.next() else { break };
            pause.await;
            let failed: Vec<usize> =
                (0..answers.len()).filter(|at| transient(&answers[*at])).collect();
            let commands: Vec<Routed> = failed.iter().map(|at| commands[*at].clone()).collect();
            // Where nothing is known again, the first failures stand.
            if let Ok(again) = self.send(&commands).await {
                for (at, answer) in failed.into_iter().zip(again) {
                    answers[at] = answer;
                }
            }
        }
        Ok(answers)
    }

    /// As [`repeat`](Self::repeat), for one command.
    async fn repeat_one(
        &self,
        command: &Routed,
        passes: fn(&RedisError) -> bool,
    ) -> RedisResult<Value> {
        let mut backoff = Backoff::new();
        loop {
            match self.send_one(command).await {
                Err(source) if passes(&source) && !self.is_closed() => match backoff.next() {
                    Some(pause) => pause.await,
                    None => return Err(source),
                },
                answer => return answer,
            }
        }
    }

    async fn send_one(&self, command: &Routed) -> RedisResult<Value> {
        let link = self.link();
        let mut usage = link.begin();
        let channel = link.channel(&self.connector).await?;
        let answer = channel.current().send_one(command).await;
        usage.end();
        if !self.is_cluster() && answer.as_ref().is_err_and(breaks_connection) {
            link.leave_channel(&channel);
        }
        answer
    }

    async fn send(&self, commands: &[Routed]) -> RedisResult<Vec<RedisResult<Value>>> {
        let link = self.link();
        let mut usage = link.begin();
        let channel = link.channel(&self.connector).await?;
        let answers = channel.current().send(commands).await;
        usage.end();
        let broken = match &answers {
            Err(source) => breaks_connection(source),
            Ok(answers) => answers
                .iter()
                .any(|answer| matches!(answer, Err(source) if breaks_connection(source))),
        };
        // The cluster's own connections are mended by the driver, one by one.
        if broken && (answers.is_err() || !self.is_cluster()) {
            link.leave_channel(&channel);
        }
        answers
    }

    /// The first connection that is not busy, or the one that is least so.
    fn link(&self) -> &Link {
        let free = self.links.iter().find(|link| link.calls() < CALLS_BEFORE_NEXT);
        // A storage has one connection at least.
        free.or_else(|| self.links.iter().min_by_key(|link| link.calls())).unwrap_or(&self.links[0])
    }
}

fn is_unknown_script(source: &RedisError) -> bool {
    source.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
