//! Writes: split into rounds that hold each key once, each carried out for all of its keys at a
//! time.

mod round;
mod settle;
mod statements;

pub(crate) use statements::is_older;
#[cfg(test)]
pub(crate) use statements::value_of;

use std::collections::HashSet;

use cache_core::clock::Timestamp;
use cache_core::entry::{Entry, Token};
use cache_core::fence::Stamp;
use cache_core::key::Key;
use cache_core::storage::{Outcome, StorageError, Write, WriteAction};

use crate::connection::STEP;
use crate::storage::Shared;

/// The most bytes of payloads that one command carries.
const ROUND_BYTES: usize = 16 << 20;

/// One write of a round.
#[derive(Debug)]
pub(super) struct Step {
    /// Its place in the batch.
    place: usize,
    key: Key,
    change: Change,
    /// What its pending part is told by, once it is announced.
    ticket: i64,
}

/// What is to be done, once what is too large has been sorted out.
#[derive(Debug)]
pub(super) enum Change {
    Fill {
        entry: Entry,
        stamp: Stamp,
    },
    Put {
        entry: Entry,
        expected: Option<Token>,
        stamp: Stamp,
    },
    /// Without an entry, it was too large: the old one goes.
    Set {
        entry: Option<Entry>,
    },
    Update {
        entry: Option<Entry>,
        stamp: Stamp,
    },
    Touch {
        token: Token,
        fresh_until: Timestamp,
        kept_until: Timestamp,
    },
}

type Outcomes = Vec<Option<Result<Outcome, StorageError>>>;

impl Shared {
    pub(crate) async fn write(
        &self,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Outcome, StorageError>>, StorageError> {
        let mut outcomes: Outcomes = vec![None; writes.len()];
        let mut round = Vec::new();
        let mut keys = HashSet::new();
        let mut bytes = 0;
        let mut failed = None;
        let mut bytes_in_all = 0;
        for (place, write) in writes.into_iter().enumerate() {
            let Write { key, action } = write;
            let (change, payload_bytes) = match self.change(action) {
                Ok(change) => change,
                Err(outcome) => {
                    outcomes[place] = Some(Ok(outcome));
                    continue;
                }
            };
            let full = round.len() >= STEP || bytes + payload_bytes > ROUND_BYTES;
            if full || !keys.insert(key.clone()) {
                let steps = std::mem::take(&mut round);
                self.round_unless(&mut failed, steps, &mut outcomes).await;
                keys.clear();
                keys.insert(key.clone());
                bytes = 0;
            }
            bytes += payload_bytes;
            bytes_in_all += payload_bytes as u64;
            round.push(Step { place, key, change, ticket: 0 });
        }
        self.round_unless(&mut failed, round, &mut outcomes).await;
        let stored = outcomes.iter().filter(|it| matches!(it, Some(Ok(Outcome::Stored)))).count();
        if stored > 0 {
            self.hold_bounds(stored as u64, bytes_in_all).await;
        }
        match failed {
            Some(error) if !outcomes.iter().flatten().any(Result::is_ok) => Err(error),
            _ => Ok(outcomes.into_iter().map(Self::known).collect()),
        }
    }

    /// Carries out a round, unless one before it has failed: what follows would fail, too.
    async fn round_unless(
        &self,
        failed: &mut Option<StorageError>,
        steps: Vec<Step>,
        outcomes: &mut Outcomes,
    ) {
        let places: Vec<usize> = steps.iter().map(|step| step.place).collect();
        let error = match failed {
            Some(error) => error.clone(),
            None if steps.is_empty() => return,
            None => match self.round(steps, outcomes).await {
                Ok(()) => return,
                Err(error) => {
                    *failed = Some(error.clone());
                    error
                }
            },
        };
        for place in places {
            outcomes[place].get_or_insert_with(|| Err(error.clone()));
        }
    }

    fn known(outcome: Option<Result<Outcome, StorageError>>) -> Result<Outcome, StorageError> {
        // Every step of a round has been answered.
        outcome.unwrap_or(Ok(Outcome::ConditionFailed))
    }

    /// What is to be done, with the bytes that it carries, or what became of it already.
    fn change(&self, action: WriteAction) -> Result<(Change, usize), Outcome> {
        let fits = |entry: &Entry| entry.payload.len() as u64 <= self.options.value_bytes_max;
        let bytes = |entry: &Entry| entry.payload.len();
        Ok(match action {
            WriteAction::Fill { entry, .. } | WriteAction::PutIfUnchanged { entry, .. }
                if !fits(&entry) =>
            {
                return Err(Outcome::TooLarge);
            }
            WriteAction::Fill { entry, stamp } => {
                let bytes = bytes(&entry);
                (Change::Fill { entry, stamp }, bytes)
            }
            WriteAction::PutIfUnchanged { entry, expected, stamp } => {
                let bytes = bytes(&entry);
                (Change::Put { entry, expected, stamp }, bytes)
            }
            WriteAction::Set { entry } => {
                let bytes = bytes(&entry);
                (Change::Set { entry: Some(entry).filter(fits) }, bytes)
            }
            WriteAction::Update { entry, stamp } => {
                let bytes = bytes(&entry);
                (Change::Update { entry: Some(entry).filter(fits), stamp }, bytes)
            }
            WriteAction::Touch { token, fresh_until, kept_until } => {
                (Change::Touch { token, fresh_until, kept_until }, 0)
            }
            // An action of a later core: nothing is known of it, so that it cannot be done.
            _ => return Err(Outcome::ConditionFailed),
        })
    }
}
