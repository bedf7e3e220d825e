use std::collections::HashSet;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::case::{Case, case};
use super::super::client::Client;
use super::super::context::Context;
use super::super::failure::{CaseResult, Failure, ensure, ensure_eq};
use super::locks::taken;
use crate::atomics::{Answer, AtomicKind, AtomicName, Operation, Owner, Version};
use crate::storage::{Budget, Selector};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(what_is_said_of_atomics_is_true),
        case!(a_counter_begins_at_zero_and_adds, Atomics),
        case!(a_counter_refuses_to_overflow, Atomics),
        case!(a_counter_ends_by_the_ttl_it_was_made_with, Atomics),
        case!(a_counter_that_is_renewed_ends_when_it_rests, Atomics),
        case!(counters_lose_no_addition, Atomics),
        case!(counters_of_two_clients_are_one, Atomics, SecondClient),
        case!(a_register_is_put_once, Atomics),
        case!(a_register_swaps_by_its_version, Atomics),
        case!(a_register_ends_by_its_ttl, Atomics),
        case!(of_racing_swaps_one_wins, Atomics),
        case!(names_of_different_kinds_do_not_meet, Atomics),
        case!(bytes_of_any_kind_are_kept_as_they_are, Atomics),
        case!(what_has_ended_does_not_come_back_by_maintenance, Atomics),
        case!(removing_entries_leaves_counters_and_locks, Atomics).exclusive(),
        case!(atomics_outlive_their_client, Atomics, Persistence),
    ]
}

/// Long enough for a slow server not to end it within a case.
pub(super) const LONG: Duration = Duration::from_secs(600);

pub(super) fn name(context: &Context, text: &str, kind: AtomicKind) -> CaseResult<AtomicName> {
    Ok(AtomicName::new(context.prefix(), text, kind)?)
}

pub(super) async fn run(
    client: &Client,
    name: &AtomicName,
    operation: Operation,
) -> CaseResult<Answer> {
    let Some(atomics) = client.storage().atomics() else {
        return Err(Failure::new("it says that it offers counters and locks, and does not"));
    };
    Ok(atomics.apply(name, &operation).await?)
}

const fn add(delta: i64) -> Operation {
    Operation::Add { delta, ttl: None, renew: false }
}

fn swap(expected: Option<Version>, version: Version, value: &[u8]) -> Operation {
    let value = Some(Bytes::copy_from_slice(value));
    Operation::Swap { expected, version, value, ttl: None }
}

async fn what_is_said_of_atomics_is_true(context: Context) -> CaseResult {
    let storage = context.storage();
    ensure_eq!(storage.atomics().is_some(), storage.capabilities().atomics, "what it offers");
    Ok(())
}

async fn a_counter_begins_at_zero_and_adds(context: Context) -> CaseResult {
    let (client, name) = (context.client(), name(&context, "n", AtomicKind::Counter)?);
    ensure_eq!(run(client, &name, Operation::Count).await?, Answer::Count(None), "at first");
    for (delta, sum) in [(5, 5), (-7, -2), (0, -2), (i64::from(u32::MAX), 4_294_967_293)] {
        ensure_eq!(run(client, &name, add(delta)).await?, Answer::Count(Some(sum)), "+ {delta}");
    }
    let read = run(client, &name, Operation::Count).await?;
    ensure_eq!(read, Answer::Count(Some(4_294_967_293)), "what is read");
    ensure_eq!(run(client, &name, Operation::Remove).await?, Answer::Removed(true), "removal");
    ensure_eq!(run(client, &name, Operation::Remove).await?, Answer::Removed(false), "another");
    ensure_eq!(run(client, &name, Operation::Count).await?, Answer::Count(None), "then");
    ensure_eq!(run(client, &name, add(1)).await?, Answer::Count(Some(1)), "anew");
    Ok(())
}

async fn a_counter_refuses_to_overflow(context: Context) -> CaseResult {
    let client = context.client();
    for (text, limit, step) in [("max", i64::MAX, 1), ("min", i64::MIN, -1)] {
        let name = name(&context, text, AtomicKind::Counter)?;
        ensure_eq!(run(client, &name, add(limit)).await?, Answer::Count(Some(limit)), "the limit");
        ensure_eq!(run(client, &name, add(step)).await?, Answer::Overflow, "beyond it");
        ensure_eq!(
            run(client, &name, add(-step)).await?,
            Answer::Count(Some(limit - step)),
            "back"
        );
    }
    Ok(())
}

async fn a_counter_ends_by_the_ttl_it_was_made_with(context: Context) -> CaseResult {
    let (client, name) = (context.client(), name(&context, "n", AtomicKind::Counter)?);
    let ttl = context.short();
    let add = || Operation::Add { delta: 1, ttl: Some(ttl), renew: false };
    let began = Instant::now();
    ensure_eq!(run(client, &name, add()).await?, Answer::Count(Some(1)), "at first");
    context.pass(ttl / 4).await;
    let again = run(client, &name, add()).await?;
    // A slow server may be past the end already.
    if context.manual_clock().is_some() || began.elapsed() < ttl {
        ensure_eq!(again, Answer::Count(Some(2)), "within its time");
    }
    context.pass(ttl * 3 / 4).await;
    ensure_eq!(run(client, &name, Operation::Count).await?, Answer::Count(None), "at its end");
    ensure_eq!(run(client, &name, add()).await?, Answer::Count(Some(1)), "after its end");
    Ok(())
}

async fn a_counter_that_is_renewed_ends_when_it_rests(context: Context) -> CaseResult {
    let (client, name) = (context.client(), name(&context, "n", AtomicKind::Counter)?);
    let short = context.short();
    let add = |ttl| Operation::Add { delta: 1, ttl: Some(ttl), renew: true };
    // Made for a short time, renewed for a long one.
    run(client, &name, add(short)).await?;
    let long = run(client, &name, add(LONG)).await?;
    context.pass(short).await;
    let read = run(client, &name, Operation::Count).await?;
    ensure_eq!(read, long, "after the time that it was made with");
    // And the other way round.
    run(client, &name, add(short)).await?;
    context.pass(short).await;
    ensure_eq!(run(client, &name, Operation::Count).await?, Answer::Count(None), "at rest");
    Ok(())
}

async fn add_together(clients: Vec<Client>, name: AtomicName) -> CaseResult {
    const TASKS: i64 = 16;
    const STEPS: i64 = 12;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let client = clients[task as usize % clients.len()].clone();
        let name = name.clone();
        tasks.spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..STEPS {
                match run(&client, &name, add(1)).await? {
                    Answer::Count(Some(count)) => seen.push(count),
                    other => return Err(Failure::new(format!("{other:?} to an addition"))),
                }
            }
            Ok(seen)
        });
    }
    let mut seen = HashSet::new();
    while let Some(counts) = tasks.join_next().await {
        for count in counts?? {
            ensure!(seen.insert(count), "two callers were told {count}");
        }
    }
    let read = run(&clients[0], &name, Operation::Count).await?;
    ensure_eq!(read, Answer::Count(Some(TASKS * STEPS)), "the sum");
    Ok(())
}

async fn counters_lose_no_addition(context: Context) -> CaseResult {
    let name = name(&context, "busy", AtomicKind::Counter)?;
    add_together(vec![context.client().clone()], name).await
}

async fn counters_of_two_clients_are_one(context: Context) -> CaseResult {
    let name = name(&context, "busy", AtomicKind::Counter)?;
    add_together(vec![context.client().clone(), context.second_client().await?], name).await
}

async fn a_register_is_put_once(context: Context) -> CaseResult {
    let (client, name) = (context.client(), name(&context, "r", AtomicKind::Register)?);
    let (first, second) = (Version::random(), Version::random());
    ensure_eq!(run(client, &name, Operation::Read).await?, Answer::Register(None), "at first");
    ensure_eq!(run(client, &name, swap(None, first, b"a")).await?, Answer::Swapped, "the first");
    // Its answer was lost, and it comes again.
    ensure_eq!(run(client, &name, swap(None, first, b"a")).await?, Answer::Swapped, "repeated");
    match run(client, &name, swap(None, second, b"b")).await? {
        Answer::Conflict(Some(found)) => {
            ensure_eq!((&found.value[..], found.version), (&b"a"[..], first), "what is there");
        }
        other => return Err(Failure::new(format!("{other:?} to a second put"))),
    }
    Ok(())
}

async fn a_register_swaps_by_its_version(context: Context) -> CaseResult {
    let (client, name) = (context.client(), name(&context, "r", AtomicKind::Register)?);
    let [first, second, third] = std::array::from_fn(|_| Version::random());
    let nothing = run(client, &name, swap(Some(first), second, b"x")).await?;
    ensure_eq!(nothing, Answer::Conflict(None), "a swap of nothing");
    run(client, &name, swap(None, first, b"a")).await?;
    ensure_eq!(run(client, &name, swap(Some(first), second, b"b")).await?, Answer::Swapped, "1");
    let late = run(client, &name, swap(Some(first), third, b"c")).await?;
    ensure!(matches!(late, Answer::Conflict(Some(_))), "{late:?} to a version of before");
    let remove = |expected, version| Operation::Swap { expected, version, value: None, ttl: None };
    let late = run(client, &name, remove(Some(first), third)).await?;
    ensure!(matches!(late, Answer::Conflict(Some(_))), "{late:?} to a removal of before");
    let removed = run(client, &name, remove(Some(second), third)).await?;
    ensure_eq!(removed, Answer::Swapped, "a removal");
    ensure_eq!(run(client, &name, Operation::Read).await?, Answer::Register(None), "then");
    Ok(())
}

async fn a_register_ends_by_its_ttl(context: Context) -> CaseResult {
    let (client, name) = (context.client(), name(&context, "r", AtomicKind::Register)?);
    let ttl = Some(context.short());
    let value = Some(Bytes::from_static(b"a"));
    let version = Version::random();
    let put = Operation::Swap { expected: None, version, value, ttl };
    ensure_eq!(run(client, &name, put).await?, Answer::Swapped, "a put");
    context.pass(context.short()).await;
    ensure_eq!(run(client, &name, Operation::Read).await?, Answer::Register(None), "at its end");
    let again = run(client, &name, swap(None, Version::random(), b"b")).await?;
    ensure_eq!(again, Answer::Swapped, "a put after its end");
    Ok(())
}

/// Each of many tasks adds one to a number in a register, again and again until it has.
async fn of_racing_swaps_one_wins(context: Context) -> CaseResult {
    const TASKS: u64 = 8;
    const STEPS: u64 = 4;
    let name = name(&context, "raced", AtomicKind::Register)?;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let (client, name) = (context.client().clone(), name.clone());
        tasks.spawn(async move {
            let mut done = 0;
            while done < STEPS {
                let Answer::Register(found) = run(&client, &name, Operation::Read).await? else {
                    return Err(Failure::new("another answer to a read"));
                };
                let number = |bytes: &Bytes| {
                    <[u8; 8]>::try_from(&bytes[..]).map_or(u64::MAX, u64::from_le_bytes)
                };
                let next = found.as_ref().map_or(0, |found| number(&found.value)).wrapping_add(1);
                let expected = found.map(|found| found.version);
                let swap = swap(expected, Version::random(), &next.to_le_bytes());
                if run(&client, &name, swap).await? == Answer::Swapped {
                    done += 1;
                }
            }
            CaseResult::Ok(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    match run(context.client(), &name, Operation::Read).await? {
        Answer::Register(Some(found)) => {
            ensure_eq!(found.value[..], (TASKS * STEPS).to_le_bytes(), "the number");
        }
        other => return Err(Failure::new(format!("{other:?} in the end"))),
    }
    Ok(())
}

async fn names_of_different_kinds_do_not_meet(context: Context) -> CaseResult {
    let client = context.client();
    let counter = name(&context, "same", AtomicKind::Counter)?;
    let other = AtomicName::new(&format!("{}x", context.prefix()), "same", AtomicKind::Counter)?;
    run(client, &counter, add(3)).await?;
    let lock = name(&context, "same", AtomicKind::Lock)?;
    ensure!(taken(client, &lock, Owner::random()).await?.is_some(), "a lock beside a counter");
    let register = name(&context, "same", AtomicKind::Register)?;
    let swapped = run(client, &register, swap(None, Version::random(), b"a")).await?;
    ensure_eq!(swapped, Answer::Swapped, "a register beside a counter");
    ensure_eq!(run(client, &other, Operation::Count).await?, Answer::Count(None), "another cache");
    ensure_eq!(run(client, &counter, Operation::Count).await?, Answer::Count(Some(3)), "its own");
    let mut upper = name(&context, "SAME", AtomicKind::Counter)?;
    ensure_eq!(run(client, &upper, Operation::Count).await?, Answer::Count(None), "upper case");
    for text in ["%", "_", "*{x}", "a'b\"c`d\\", "ü 漢", " x ", "x"] {
        upper = name(&context, text, AtomicKind::Counter)?;
        ensure_eq!(run(client, &upper, add(1)).await?, Answer::Count(Some(1)), "named {text:?}");
    }
    let longest =
        "x".repeat(crate::key::KEY_BYTES_MAX - context.prefix().len() - "::counter".len());
    let longest = name(&context, &longest, AtomicKind::Counter)?;
    ensure_eq!(run(client, &longest, add(1)).await?, Answer::Count(Some(1)), "the longest name");
    Ok(())
}

async fn bytes_of_any_kind_are_kept_as_they_are(context: Context) -> CaseResult {
    let (client, name) = (context.client(), name(&context, "r", AtomicKind::Register)?);
    let all: Vec<u8> = (0..=255).collect();
    let mut expected = None;
    for value in [&b""[..], b"\0", &all, &vec![0xff; 40_000]] {
        let version = Version::random();
        ensure_eq!(
            run(client, &name, swap(expected, version, value)).await?,
            Answer::Swapped,
            "put"
        );
        match run(client, &name, Operation::Read).await? {
            Answer::Register(Some(found)) => {
                ensure!(found.value == value, "{} bytes came back otherwise", value.len());
                ensure_eq!(found.version, version, "the version");
            }
            other => return Err(Failure::new(format!("{other:?} to a read"))),
        }
        expected = Some(version);
    }
    Ok(())
}

async fn what_has_ended_does_not_come_back_by_maintenance(context: Context) -> CaseResult {
    let client = context.client();
    let (ended, kept) = (
        name(&context, "ended", AtomicKind::Counter)?,
        name(&context, "kept", AtomicKind::Counter)?,
    );
    let short = Operation::Add { delta: 7, ttl: Some(context.short()), renew: false };
    run(client, &ended, short).await?;
    run(client, &kept, add(9)).await?;
    context.pass(context.short()).await;
    context.storage().maintain(Budget::UNLIMITED).await?;
    ensure_eq!(run(client, &ended, Operation::Count).await?, Answer::Count(None), "what has ended");
    ensure_eq!(run(client, &kept, Operation::Count).await?, Answer::Count(Some(9)), "what has not");
    ensure_eq!(run(client, &ended, add(1)).await?, Answer::Count(Some(1)), "anew");
    Ok(())
}

async fn removing_entries_leaves_counters_and_locks(context: Context) -> CaseResult {
    let client = context.client();
    let counter = name(&context, "n", AtomicKind::Counter)?;
    let lock = name(&context, "l", AtomicKind::Lock)?;
    run(client, &counter, add(2)).await?;
    taken(client, &lock, Owner::random()).await?;
    let key = context.key("entry")?;
    client.set(&key, context.value(&key, "x")).await?;
    client.remove(&Selector::Namespace(context.prefix().to_owned())).await?;
    ensure!(!client.holds(&key).await?, "an entry of a cache that was cleared");
    ensure_eq!(run(client, &counter, Operation::Count).await?, Answer::Count(Some(2)), "a counter");
    ensure_eq!(taken(client, &lock, Owner::random()).await?, None, "a lock that is held");
    let stats = context.storage().stats().await?;
    if context.manual_clock().is_some() {
        ensure_eq!(stats.entries, 0, "entries beside counters and locks");
    }
    Ok(())
}

async fn atomics_outlive_their_client(context: Context) -> CaseResult {
    let counter = name(&context, "n", AtomicKind::Counter)?;
    let lock = name(&context, "l", AtomicKind::Lock)?;
    run(context.client(), &counter, add(2)).await?;
    taken(context.client(), &lock, Owner::random()).await?;
    let client = context.reopened().await?;
    ensure_eq!(run(&client, &counter, add(1)).await?, Answer::Count(Some(3)), "a counter");
    ensure_eq!(taken(&client, &lock, Owner::random()).await?, None, "a lock that is held");
    Ok(())
}
