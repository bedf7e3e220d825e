use std::time::Duration;

use bytes::Bytes;

use super::operation::{Answer, Operation, Owner, Version, Versioned};

/// What stands under a name: the same few columns for every kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// A counter's number, a register's version, a lock's token, a limiter's arrival time.
    pub number: i64,
    /// A register's bytes, a lock's owner; nobody's are empty.
    pub value: Bytes,
    /// A lock's end in microseconds since the Unix epoch.
    pub until_us: u64,
    /// When the slot is forgotten, in microseconds since the Unix epoch; [`NEVER_US`] without end.
    pub expires_us: u64,
}

/// The end of what has none; the largest number that a signed column holds.
pub const NEVER_US: u64 = i64::MAX as u64;

/// What an operation makes of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Keep,
    /// This, whatever was there.
    Put(Slot),
    /// None.
    Remove,
}

impl Operation {
    /// What the operation does at `now_us`, in microseconds since the Unix epoch, to what stands
    /// under its name, and its answer.
    ///
    /// Pure, and the meaning of every operation: a storage that can read, decide and write in one
    /// transaction calls it, one that decides on its server does the same there.
    pub fn apply(&self, slot: Option<&Slot>, now_us: u64) -> (Change, Answer) {
        let slot = slot.filter(|slot| slot.expires_us > now_us);
        match self {
            Self::Add { delta, ttl, renew } => add(slot, now_us, *delta, *ttl, *renew),
            Self::Count => (Change::Keep, Answer::Count(slot.map(|slot| slot.number))),
            Self::Read => (Change::Keep, Answer::Register(slot.and_then(versioned))),
            Self::Swap { expected, version, value, ttl } => {
                let found = slot.and_then(versioned);
                let is = found.as_ref().map(|found| found.version);
                if is == Some(*version) {
                    return (Change::Keep, Answer::Swapped);
                }
                if is != *expected {
                    return (Change::Keep, Answer::Conflict(found));
                }
                let change = match value {
                    Some(value) => Change::Put(Slot {
                        number: version.number(),
                        value: value.clone(),
                        until_us: 0,
                        expires_us: end(now_us, *ttl),
                    }),
                    None if slot.is_some() => Change::Remove,
                    None => Change::Keep,
                };
                (change, Answer::Swapped)
            }
            Self::Acquire { owner, ttl, retention } => {
                acquire(slot, now_us, *owner, *ttl, *retention)
            }
            Self::Extend { owner, ttl, retention } => match held(slot, now_us, *owner) {
                Some(slot) => {
                    let change = lock(now_us, slot.number, Some(*owner), *ttl, *retention);
                    (change, Answer::Extended(true))
                }
                None => (Change::Keep, Answer::Extended(false)),
            },
            Self::Release { owner, retention } => match held(slot, now_us, *owner) {
                Some(_) if retention.is_zero() => (Change::Remove, Answer::Released(true)),
                Some(slot) => {
                    let change = lock(now_us, slot.number, None, Duration::ZERO, *retention);
                    (change, Answer::Released(true))
                }
                None => (Change::Keep, Answer::Released(false)),
            },
            Self::Limit { rate, cost } => {
                let arrival = slot.and_then(|slot| u64::try_from(slot.number).ok());
                let (next, decision) = rate.decide(arrival, now_us, *cost);
                // Once the arrival time has come it is as if there were none.
                let change = next.map_or(Change::Keep, |next| {
                    let next = next.min(NEVER_US);
                    Change::Put(Slot {
                        number: i64::try_from(next).unwrap_or(i64::MAX),
                        value: Bytes::new(),
                        until_us: 0,
                        expires_us: next,
                    })
                });
                (change, Answer::Rate(decision))
            }
            Self::Remove if slot.is_some() => (Change::Remove, Answer::Removed(true)),
            Self::Remove => (Change::Keep, Answer::Removed(false)),
        }
    }
}

fn add(
    slot: Option<&Slot>,
    now_us: u64,
    delta: i64,
    ttl: Option<Duration>,
    renew: bool,
) -> (Change, Answer) {
    let before = slot.map_or(0, |slot| slot.number);
    let Some(number) = before.checked_add(delta) else { return (Change::Keep, Answer::Overflow) };
    let expires_us = match slot {
        Some(slot) if !renew => slot.expires_us,
        _ => end(now_us, ttl),
    };
    let slot = Slot { number, value: Bytes::new(), until_us: 0, expires_us };
    (Change::Put(slot), Answer::Count(Some(number)))
}

fn acquire(
    slot: Option<&Slot>,
    now_us: u64,
    owner: Owner,
    ttl: Duration,
    retention: Duration,
) -> (Change, Answer) {
    if let Some(slot) = held(slot, now_us, owner) {
        let token = u64::try_from(slot.number).unwrap_or(0);
        let change = lock(now_us, slot.number, Some(owner), ttl, retention);
        return (change, Answer::Acquired { token });
    }
    if let Some(slot) = slot.filter(|slot| slot.until_us > now_us && !slot.value.is_empty()) {
        let remaining = Duration::from_micros(slot.until_us - now_us);
        return (Change::Keep, Answer::Held { remaining });
    }
    // Time in the token keeps it growing also where the one before is forgotten.
    let now = i64::try_from(now_us).unwrap_or(i64::MAX);
    let number = slot.map_or(now, |slot| now.max(slot.number.saturating_add(1)));
    let token = u64::try_from(number).unwrap_or(0);
    (lock(now_us, number, Some(owner), ttl, retention), Answer::Acquired { token })
}

/// The slot of a lock that this owner holds.
fn held(slot: Option<&Slot>, now_us: u64, owner: Owner) -> Option<&Slot> {
    slot.filter(|slot| slot.until_us > now_us && slot.value[..] == owner.to_bytes())
}

fn lock(
    now_us: u64,
    number: i64,
    owner: Option<Owner>,
    ttl: Duration,
    retention: Duration,
) -> Change {
    let until_us = end(now_us, Some(ttl));
    let value = owner.map_or_else(Bytes::new, |owner| Bytes::copy_from_slice(&owner.to_bytes()));
    Change::Put(Slot { number, value, until_us, expires_us: end(until_us, Some(retention)) })
}

fn versioned(slot: &Slot) -> Option<Versioned> {
    let version = Version::from_number(slot.number)?;
    Some(Versioned { value: slot.value.clone(), version })
}

/// When something ends that lives so long from now.
fn end(now_us: u64, ttl: Option<Duration>) -> u64 {
    let Some(ttl) = ttl else { return NEVER_US };
    let ttl = u64::try_from(ttl.as_micros()).unwrap_or(u64::MAX);
    now_us.saturating_add(ttl).min(NEVER_US)
}

#[cfg(test)]
mod tests;
