//! Counters, registers, locks and limits: each step is one call of a function of the server.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::atomics::{Answer, AtomicName, Atomics, Operation, Version, Versioned};
use cache_core::storage::{StorageError, StorageErrorKind};
use cache_sql::Damaged;
use sqlx::postgres::PgRow;

use crate::error::{damaged, error};
use crate::read::column;
use crate::storage::{Arguments, Postgres};

/// What a step asks for, in the order of the function's parameters.
#[derive(Default)]
struct Step<'a> {
    name: &'static str,
    number: Option<i64>,
    other: Option<i64>,
    span: Option<i64>,
    retention: Option<i64>,
    value: Option<&'a [u8]>,
    flag: bool,
}

#[async_trait]
impl Atomics for Postgres {
    async fn apply(
        &self,
        name: &AtomicName,
        operation: &Operation,
    ) -> Result<Answer, StorageError> {
        let label = operation.name();
        let shared = self.shared();
        let owner = match operation {
            Operation::Acquire { owner, .. }
            | Operation::Extend { owner, .. }
            | Operation::Release { owner, .. } => Some(owner.to_bytes()),
            _ => None,
        };
        let step = step(operation, owner.as_ref().map(|owner| &owner[..]));
        let Some(step) = step else {
            let message = "a step that this release does not know";
            return Err(error(label, StorageErrorKind::Invalid, message).with_key(name.key()));
        };
        let arguments = || {
            Arguments::default()
                .with(name.as_str())
                .with(step.name)
                .with(step.number)
                .with(step.other)
                .with(step.span)
                .with(step.retention)
                .with(step.value)
                .with(step.flag)
        };
        let row = shared.row(label, &shared.statements.atomic, arguments).await;
        let answer = row.and_then(|row| {
            let answer = answer(&row, operation).map_err(|source| damaged(label, source))?;
            answer.ok_or_else(|| {
                let message = "the server has answered another question";
                error(label, StorageErrorKind::Incompatible, message)
            })
        });
        answer.map_err(|error| error.with_key(name.key()))
    }
}

fn step<'a>(operation: &'a Operation, owner: Option<&'a [u8]>) -> Option<Step<'a>> {
    let step = match operation {
        Operation::Add { delta, ttl, renew } => Step {
            name: "add",
            number: Some(*delta),
            span: ttl.map(span),
            flag: *renew,
            ..Step::default()
        },
        Operation::Count => Step { name: "count", ..Step::default() },
        Operation::Read => Step { name: "read", ..Step::default() },
        Operation::Swap { expected, version, value, ttl } => Step {
            name: "swap",
            number: expected.map(Version::number),
            other: Some(version.number()),
            span: ttl.map(span),
            value: value.as_ref().map(|value| &value[..]),
            flag: value.is_some(),
            ..Step::default()
        },
        Operation::Acquire { ttl, retention, .. } => Step {
            name: "acquire",
            span: Some(span(*ttl)),
            retention: Some(span(*retention)),
            value: owner,
            ..Step::default()
        },
        Operation::Extend { ttl, retention, .. } => Step {
            name: "extend",
            span: Some(span(*ttl)),
            retention: Some(span(*retention)),
            value: owner,
            ..Step::default()
        },
        Operation::Release { retention, .. } => Step {
            name: "release",
            span: Some(0),
            retention: Some(span(*retention)),
            value: owner,
            ..Step::default()
        },
        Operation::Limit { rate, cost } => {
            let interval = i64::try_from(rate.interval_us()).unwrap_or(i64::MAX);
            Step {
                name: "limit",
                number: Some(interval),
                other: Some(i64::from(*cost)),
                span: Some(interval.saturating_mul(i64::from(rate.burst_max()))),
                ..Step::default()
            }
        }
        Operation::Remove => Step { name: "remove", ..Step::default() },
        _ => return None,
    };
    Some(step)
}

fn span(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

/// `None` for what no step of ours is answered with.
fn answer(row: &PgRow, operation: &Operation) -> Result<Option<Answer>, Damaged> {
    let kind: &str = column(row, 0, "answer")?;
    let number: Option<i64> = column(row, 1, "number")?;
    let unsigned = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    let versioned = || -> Result<Option<Versioned>, Damaged> {
        let value: Option<&[u8]> = column(row, 3, "value")?;
        let version = number.and_then(Version::from_number);
        Ok(version
            .zip(value)
            .map(|(version, value)| Versioned::new(Bytes::copy_from_slice(value), version)))
    };
    Ok(match (kind, operation) {
        ("count", _) => Some(Answer::Count(number)),
        ("overflow", _) => Some(Answer::Overflow),
        ("register", _) => Some(Answer::Register(versioned()?)),
        ("swapped", _) => Some(Answer::Swapped),
        ("conflict", _) => Some(Answer::Conflict(versioned()?)),
        ("acquired", _) => unsigned(number).map(|token| Answer::Acquired { token }),
        ("held", _) => unsigned(number)
            .map(|remaining| Answer::Held { remaining: Duration::from_micros(remaining) }),
        ("extended", _) => number.map(|done| Answer::Extended(done == 1)),
        ("released", _) => number.map(|done| Answer::Released(done == 1)),
        ("removed", _) => number.map(|done| Answer::Removed(done == 1)),
        ("rate", Operation::Limit { rate, cost }) => {
            let now: Option<i64> = column(row, 2, "now")?;
            unsigned(number).zip(unsigned(now)).map(|(arrival, now)| {
                let (_, decision) = rate.decide(Some(arrival), now, *cost);
                Answer::Rate(decision)
            })
        }
        _ => None,
    })
}
