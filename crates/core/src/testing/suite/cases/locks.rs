use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::case::{Case, case};
use super::super::client::Client;
use super::super::context::Context;
use super::super::failure::{CaseResult, Failure, ensure, ensure_eq};
use super::atomics::{LONG, name, run};
use crate::atomics::{Answer, AtomicKind, AtomicName, Operation, Owner, Rate, RateDecision};
use crate::storage::Budget;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(trap_17_a_lock_has_one_owner, Atomics),
        case!(a_lock_excludes_among_many_tasks, Atomics),
        case!(a_lock_ends_unless_it_is_extended, Atomics),
        case!(a_token_only_grows, Atomics),
        case!(a_lease_leaves_nothing_behind, Atomics),
        case!(a_limiter_lets_a_burst_through_and_then_its_rate, Atomics),
        case!(a_limiter_keeps_its_rate_under_many_callers, Atomics),
    ]
}

const RETENTION: Duration = Duration::from_secs(3600);

fn acquire(owner: Owner, ttl: Duration) -> Operation {
    Operation::Acquire { owner, ttl, retention: RETENTION }
}

fn release(owner: Owner) -> Operation {
    Operation::Release { owner, retention: RETENTION }
}

pub(super) async fn taken(
    client: &Client,
    name: &AtomicName,
    owner: Owner,
) -> CaseResult<Option<u64>> {
    match run(client, name, acquire(owner, LONG)).await? {
        Answer::Acquired { token } => Ok(Some(token)),
        Answer::Held { .. } => Ok(None),
        other => Err(Failure::new(format!("{other:?} to an acquisition"))),
    }
}

async fn limited(
    client: &Client,
    name: &AtomicName,
    rate: Rate,
    cost: u32,
) -> CaseResult<RateDecision> {
    match run(client, name, Operation::Limit { rate, cost }).await? {
        Answer::Rate(decision) => Ok(decision),
        other => Err(Failure::new(format!("{other:?} to a limiter's question"))),
    }
}

async fn trap_17_a_lock_has_one_owner(context: Context) -> CaseResult {
    let (client, name) = (context.client(), name(&context, "l", AtomicKind::Lock)?);
    let (first, second) = (Owner::random(), Owner::random());
    let token = taken(client, &name, first).await?;
    ensure!(token.is_some(), "a free lock was not to be had");
    ensure_eq!(taken(client, &name, first).await?, token, "asked for again by its owner");
    match run(client, &name, acquire(second, LONG)).await? {
        Answer::Held { remaining } => {
            ensure!(remaining <= LONG && remaining > LONG / 2, "{remaining:?} of {LONG:?} remain");
        }
        other => return Err(Failure::new(format!("{other:?} to a second owner"))),
    }
    let extend = |owner| Operation::Extend { owner, ttl: LONG, retention: RETENTION };
    ensure_eq!(run(client, &name, extend(second)).await?, Answer::Extended(false), "not its own");
    ensure_eq!(run(client, &name, release(second)).await?, Answer::Released(false), "not its own");
    ensure_eq!(taken(client, &name, second).await?, None, "after another's release");
    ensure_eq!(run(client, &name, extend(first)).await?, Answer::Extended(true), "its own");
    ensure_eq!(run(client, &name, release(first)).await?, Answer::Released(true), "its own");
    ensure_eq!(run(client, &name, release(first)).await?, Answer::Released(false), "twice");
    ensure_eq!(run(client, &name, extend(first)).await?, Answer::Extended(false), "released");
    ensure!(taken(client, &name, second).await? > token, "the next token is not larger");
    Ok(())
}

async fn a_lock_excludes_among_many_tasks(context: Context) -> CaseResult {
    const TASKS: usize = 12;
    let name = name(&context, "raced", AtomicKind::Lock)?;
    let (inside, last) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let (client, name) = (context.client().clone(), name.clone());
        let (inside, last) = (Arc::clone(&inside), Arc::clone(&last));
        tasks.spawn(async move {
            let mut done = 0;
            while done < 2 {
                let owner = Owner::random();
                let Some(token) = taken(&client, &name, owner).await? else {
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(1..10))).await;
                    continue;
                };
                ensure!(!inside.swap(true, Ordering::SeqCst), "two hold it at once");
                let before = last.swap(token, Ordering::SeqCst);
                ensure!(token > before, "token {token} after {before}");
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                inside.store(false, Ordering::SeqCst);
                let released = run(&client, &name, release(owner)).await?;
                ensure_eq!(released, Answer::Released(true), "a release");
                done += 1;
            }
            CaseResult::Ok(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

async fn a_lock_ends_unless_it_is_extended(context: Context) -> CaseResult {
    let (client, name) = (context.client(), name(&context, "l", AtomicKind::Lock)?);
    let (first, second, short) = (Owner::random(), Owner::random(), context.short());
    run(client, &name, acquire(first, short)).await?;
    let extend = Operation::Extend { owner: first, ttl: LONG, retention: RETENTION };
    if run(client, &name, extend.clone()).await? == Answer::Extended(true) {
        context.pass(short).await;
        ensure_eq!(taken(client, &name, second).await?, None, "after its first end");
        run(client, &name, release(first)).await?;
    }
    run(client, &name, acquire(first, short)).await?;
    context.pass(short).await;
    ensure_eq!(run(client, &name, extend).await?, Answer::Extended(false), "past its end");
    ensure!(taken(client, &name, second).await?.is_some(), "not to be had past its end");
    ensure_eq!(run(client, &name, release(first)).await?, Answer::Released(false), "another's");
    ensure_eq!(taken(client, &name, first).await?, None, "while another holds it");
    Ok(())
}

async fn a_token_only_grows(context: Context) -> CaseResult {
    let (client, name) = (context.client(), name(&context, "l", AtomicKind::Lock)?);
    let mut last = 0;
    for round in 0..6 {
        let owner = Owner::random();
        let token = match run(client, &name, acquire(owner, context.short())).await? {
            Answer::Acquired { token } => token,
            other => return Err(Failure::new(format!("{other:?} to a free lock"))),
        };
        ensure!(token > last, "round {round}: token {token} after {last}");
        last = token;
        if round % 3 == 2 {
            context.pass(context.short()).await;
        } else {
            run(client, &name, release(owner)).await?;
        }
        if round == 3 {
            context.storage().maintain(Budget::UNLIMITED).await?;
        }
    }
    Ok(())
}

async fn a_lease_leaves_nothing_behind(context: Context) -> CaseResult {
    let (client, name) = (context.client(), name(&context, "l", AtomicKind::Load)?);
    let (owner, ttl, retention) = (Owner::random(), LONG, Duration::ZERO);
    let answer = run(client, &name, Operation::Acquire { owner, ttl, retention }).await?;
    ensure!(matches!(answer, Answer::Acquired { .. }), "{answer:?} to a free lease");
    let released = run(client, &name, Operation::Release { owner, retention }).await?;
    ensure_eq!(released, Answer::Released(true), "a release");
    ensure_eq!(run(client, &name, Operation::Remove).await?, Answer::Removed(false), "after it");
    Ok(())
}

async fn a_limiter_lets_a_burst_through_and_then_its_rate(context: Context) -> CaseResult {
    let (client, name) = (context.client(), name(&context, "r", AtomicKind::Rate)?);
    // One in a long time, so that a slow server lets no further one through.
    let rate = Rate::new(1, LONG).burst(3);
    let look = limited(client, &name, rate, 0).await?;
    ensure_eq!((look.allowed, look.remaining), (true, 3), "a look");
    let two = limited(client, &name, rate, 2).await?;
    ensure_eq!((two.allowed, two.remaining), (true, 1), "two at once");
    ensure!(!limited(client, &name, rate, 2).await?.allowed, "two more than the burst");
    ensure!(limited(client, &name, rate, 1).await?.allowed, "the last of the burst");
    let refused = limited(client, &name, rate, 1).await?;
    ensure!(!refused.allowed && refused.remaining == 0, "{refused:?} beyond the burst");
    let after = refused.retry_after.unwrap_or_default();
    ensure!(after <= LONG && after > LONG / 2, "it is to be tried again after {after:?}");
    let never = limited(client, &name, rate, 4).await?;
    ensure_eq!((never.allowed, never.retry_after), (false, None), "more than the burst");
    ensure_eq!(run(client, &name, Operation::Remove).await?, Answer::Removed(true), "a reset");
    ensure!(limited(client, &name, rate, 3).await?.allowed, "a whole burst after the reset");
    let short = name_of_short(&context)?;
    let rate = Rate::new(1, context.short());
    ensure!(limited(client, &short, rate, 1).await?.allowed, "the first");
    context.pass(context.short()).await;
    ensure!(limited(client, &short, rate, 1).await?.allowed, "after its interval");
    Ok(())
}

fn name_of_short(context: &Context) -> CaseResult<AtomicName> {
    name(context, "short", AtomicKind::Rate)
}

async fn a_limiter_keeps_its_rate_under_many_callers(context: Context) -> CaseResult {
    const CALLERS: usize = 100;
    const BURST: u32 = 10;
    let name = name(&context, "busy", AtomicKind::Rate)?;
    let rate = Rate::per_second(20).burst(BURST);
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (client, name) = (context.client().clone(), name.clone());
        tasks.spawn(async move { limited(&client, &name, rate, 1).await });
    }
    let mut allowed = 0;
    while let Some(decision) = tasks.join_next().await {
        allowed += u64::from(decision??.allowed);
    }
    // On a clock that is moved by hand no time has passed.
    let passed = if context.manual_clock().is_some() { Duration::ZERO } else { began.elapsed() };
    let most = u64::from(BURST) + (passed.as_secs_f64() * 20.0).ceil() as u64;
    ensure!(allowed <= most, "{allowed} were let through in {passed:?}");
    ensure!(allowed >= u64::from(BURST).min(most), "only {allowed} were let through");
    Ok(())
}
