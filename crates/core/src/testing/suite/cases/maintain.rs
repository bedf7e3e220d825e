use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use std::time::Duration;

use crate::storage::Budget;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(maintenance_keeps_to_its_budget_and_comes_to_an_end),
        case!(maintenance_removes_what_is_past_its_time, ManualTime, OwnStore),
        case!(statistics_tell_what_is_held, OwnStore),
        case!(a_flush_loses_nothing),
    ]
}

async fn maintenance_keeps_to_its_budget_and_comes_to_an_end(context: Context) -> CaseResult {
    let client = context.client();
    let keys = context.keys("expired", 30)?;
    for key in &keys {
        client.set(key, context.short_lived(key, "x", &[])).await?;
    }
    let stays = context.key("stays")?;
    client.set(&stays, context.value(&stays, "x")).await?;
    context.pass(context.short()).await;
    let budget = Budget { entries_max: 7, duration_max: Duration::from_secs(60) };
    let mut rounds = 0;
    loop {
        let done = client.storage().maintain(budget).await?;
        let removed = done.expired + done.evicted;
        ensure!(removed <= 7, "{removed} entries were removed on a budget of 7");
        if !done.unfinished {
            break;
        }
        rounds += 1;
        ensure!(rounds < 1_000, "maintenance has no end");
    }
    let nothing = Budget { entries_max: 0, duration_max: Duration::ZERO };
    let done = client.storage().maintain(nothing).await?;
    ensure_eq!(done.expired + done.evicted, 0, "entries removed on a budget of nothing");
    ensure!(client.holds(&stays).await?, "maintenance has removed what is within its time");
    ensure!(!client.held(&keys).await?.contains(&true), "entries outlive their time");
    Ok(())
}

async fn maintenance_removes_what_is_past_its_time(context: Context) -> CaseResult {
    let client = context.client();
    let keys = context.keys("expired", 20)?;
    for key in &keys {
        client.set(key, context.short_lived(key, "12345678", &[])).await?;
    }
    let stays = context.key("stays")?;
    client.set(&stays, context.value(&stays, "1234")).await?;
    context.pass(context.short()).await;
    client.storage().maintain(Budget::UNLIMITED).await?;
    let stats = client.storage().stats().await?;
    ensure_eq!((stats.entries, stats.payload_bytes), (1, 4), "entries and bytes after clean-up");
    ensure_eq!(stats.expired, keys.len() as u64, "entries that are said to have expired");
    ensure_eq!(stats.evicted, 0, "entries that are said to have been evicted");
    let done = client.storage().maintain(Budget::UNLIMITED).await?;
    ensure_eq!((done.expired, done.unfinished), (0, false), "a second run after the first");
    Ok(())
}

async fn statistics_tell_what_is_held(context: Context) -> CaseResult {
    let client = context.client();
    let before = client.storage().stats().await?;
    ensure_eq!((before.entries, before.payload_bytes), (0, 0), "a new store");
    let keys = context.keys("held", 3)?;
    for (key, bytes) in keys.iter().zip([10, 2_000, 300]) {
        client.set(key, context.value(key, vec![7; bytes])).await?;
    }
    let stats = client.storage().stats().await?;
    ensure_eq!((stats.entries, stats.payload_bytes), (3, 2_310), "entries and bytes");
    ensure!(stats.stored_bytes >= 2_310, "{} bytes take less than they are", stats.stored_bytes);
    client.set(&keys[1], context.value(&keys[1], vec![7; 5])).await?;
    client.remove_key(&keys[0]).await?;
    let stats = client.storage().stats().await?;
    ensure_eq!((stats.entries, stats.payload_bytes), (2, 305), "entries and bytes after changes");
    Ok(())
}

async fn a_flush_loses_nothing(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("flushed")?;
    client.storage().flush().await?;
    client.set(&key, context.value(&key, "x")).await?;
    client.storage().flush().await?;
    client.storage().flush().await?;
    ensure!(client.holds(&key).await?, "gone after a flush");
    Ok(())
}
