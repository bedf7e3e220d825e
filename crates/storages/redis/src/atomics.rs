//! Counters, registers, locks and limits: each step is one script on one key, in one round trip.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::atomics::{Answer, AtomicName, Atomics, Operation, Rate, Version, Versioned};
use cache_core::storage::StorageError;
use redis::Value;

use crate::error::unexpected;
use crate::script::{self, Call};
use crate::storage::Redis;

/// The longest span: a hundred years, so that no sum leaves what a script counts exactly.
const SPAN_US_MAX: u64 = 100 * 365 * 86_400 * 1_000_000;

#[async_trait]
impl Atomics for Redis {
    async fn apply(
        &self,
        name: &AtomicName,
        operation: &Operation,
    ) -> Result<Answer, StorageError> {
        let label = operation.name();
        let shared = self.shared();
        let slot = shared.slot(shared.names.bucket_of(name.key()));
        let mut call = script::ATOMIC.call();
        call.key(shared.names.atomic(name));
        arguments(&mut call, operation);
        let answer = if operation.is_idempotent() {
            let answers = shared.connections.run(label, &[(slot, call)]).await;
            answers.and_then(|mut answers| answers.pop().unwrap_or_else(|| Err(unexpected(label))))
        } else {
            shared.connections.run_once(label, slot, &call).await
        };
        let answered =
            answer.and_then(|answer| answer_of(operation, answer).ok_or_else(|| unexpected(label)));
        answered.map_err(|error| error.with_key(name.key()))
    }
}

fn arguments(call: &mut Call, operation: &Operation) {
    match operation {
        Operation::Add { delta, ttl, renew } => {
            call.argument("add").argument(delta.to_string()).argument(span(*ttl));
            call.argument(if *renew { "1" } else { "0" });
        }
        Operation::Count => drop(call.argument("count")),
        Operation::Read => drop(call.argument("read")),
        Operation::Swap { expected, version, value, ttl } => {
            let expected = expected.map(|version| version.number().to_string());
            call.argument("swap").argument(expected.unwrap_or_default());
            call.argument(version.number().to_string());
            call.argument(if value.is_some() { "1" } else { "0" });
            call.argument(value.as_ref().map_or(&b""[..], |value| value)).argument(span(*ttl));
        }
        Operation::Acquire { owner, ttl, retention } => {
            call.argument("acquire").argument(owner.to_bytes());
            call.argument(span(Some(*ttl))).argument(span(Some(*retention)));
        }
        Operation::Extend { owner, ttl, retention } => {
            call.argument("extend").argument(owner.to_bytes());
            call.argument(span(Some(*ttl))).argument(span(Some(*retention)));
        }
        Operation::Release { owner, retention } => {
            call.argument("release").argument(owner.to_bytes()).argument(span(Some(*retention)));
        }
        Operation::Limit { rate, cost } => {
            call.argument("limit").argument(rate.interval_us().to_string());
            call.argument(rate.burst_max().to_string()).argument(cost.to_string());
        }
        Operation::Remove => drop(call.argument("remove")),
        // The script says that it does not know it.
        other => drop(call.argument(other.name())),
    }
}

fn span(ttl: Option<Duration>) -> String {
    let us = |ttl: Duration| u64::try_from(ttl.as_micros()).unwrap_or(u64::MAX).min(SPAN_US_MAX);
    ttl.map(|ttl| us(ttl).to_string()).unwrap_or_default()
}

fn answer_of(operation: &Operation, answer: Value) -> Option<Answer> {
    let Value::Array(values) = answer else { return None };
    let mut values = values.into_iter();
    let Value::BulkString(kind) = values.next()? else { return None };
    let (first, second) =
        (values.next().unwrap_or(Value::Nil), values.next().unwrap_or(Value::Nil));
    match (&kind[..], operation) {
        (b"count", _) => match first {
            Value::Nil => Some(Answer::Count(None)),
            first => Some(Answer::Count(Some(number(&first)?))),
        },
        (b"overflow", _) => Some(Answer::Overflow),
        (b"register", _) => Some(Answer::Register(versioned(&first, second)?)),
        (b"swapped", _) => Some(Answer::Swapped),
        (b"conflict", _) => Some(Answer::Conflict(versioned(&first, second)?)),
        (b"acquired", _) => Some(Answer::Acquired { token: u64::try_from(number(&first)?).ok()? }),
        (b"held", _) => {
            let remaining = Duration::from_micros(u64::try_from(number(&first)?).ok()?);
            Some(Answer::Held { remaining })
        }
        (b"extended", _) => Some(Answer::Extended(number(&first)? == 1)),
        (b"released", _) => Some(Answer::Released(number(&first)? == 1)),
        (b"removed", _) => Some(Answer::Removed(number(&first)? == 1)),
        (b"rate", Operation::Limit { rate, cost }) => limited(rate, *cost, &first, &second),
        _ => None,
    }
}

fn limited(rate: &Rate, cost: u32, arrival: &Value, now: &Value) -> Option<Answer> {
    let arrival = u64::try_from(number(arrival)?).ok()?;
    let now = u64::try_from(number(now)?).ok()?;
    let (_, decision) = rate.decide(Some(arrival), now, cost);
    Some(Answer::Rate(decision))
}

/// What a register holds; the outer `None` for what it could not have been given.
fn versioned(version: &Value, value: Value) -> Option<Option<Versioned>> {
    match (version, value) {
        (Value::Nil, _) => Some(None),
        (version, Value::BulkString(value)) => {
            let version = Version::from_number(number(version)?)?;
            Some(Some(Versioned::new(Bytes::from(value), version)))
        }
        _ => None,
    }
}

fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_script_answers_is_told_apart() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let answer = |values: Vec<Value>| answer_of(&Operation::Count, Value::Array(values));
        let count = answer(vec![bulk("count"), bulk("-9223372036854775808")]);
        assert_eq!(count, Some(Answer::Count(Some(i64::MIN))));
        assert_eq!(answer(vec![bulk("count"), Value::Nil]), Some(Answer::Count(None)));
        assert_eq!(answer(vec![bulk("count"), bulk("x")]), None);
        assert_eq!(answer(vec![bulk("acquired"), bulk("-1")]), None);
        assert_eq!(answer(vec![bulk("rate"), bulk("1"), bulk("1")]), None);
        assert_eq!(answer(Vec::new()), None);
        assert_eq!(answer_of(&Operation::Count, Value::Okay), None);
    }

    #[test]
    fn spans_stay_within_what_a_script_counts_exactly() {
        assert_eq!(span(None), "");
        assert_eq!(span(Some(Duration::from_millis(1))), "1000");
        assert_eq!(span(Some(Duration::MAX)), SPAN_US_MAX.to_string());
    }
}
