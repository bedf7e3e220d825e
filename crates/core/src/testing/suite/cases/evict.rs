use super::super::case::{Case, SMALL_BYTES, SMALL_ENTRIES, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure};

use std::time::Duration;

use crate::key::Key;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(the_bound_on_entries_holds_after_every_write, Eviction, OwnStore),
        case!(the_bound_on_bytes_holds_after_every_write, Eviction, OwnStore),
        case!(what_was_used_least_recently_goes_first, Eviction, OwnStore),
    ]
}

/// Sets a key so that it is used later than all before it.
async fn set_later(context: &Context, key: &Key, payload: &[u8]) -> CaseResult {
    if let Some(clock) = context.manual_clock() {
        clock.advance(Duration::from_millis(10));
    }
    context.client().set(key, context.value(key, payload)).await
}

async fn the_bound_on_entries_holds_after_every_write(context: Context) -> CaseResult {
    let keys = context.keys("entry", 3 * SMALL_ENTRIES as usize)?;
    for (written, key) in keys.iter().enumerate() {
        set_later(&context, key, b"x").await?;
        let stats = context.storage().stats().await?;
        let (entries, written) = (stats.entries, written as u64 + 1);
        ensure!(entries <= SMALL_ENTRIES, "{entries} entries, above the bound of {SMALL_ENTRIES}");
        ensure!(
            stats.evicted + entries == written,
            "{written} were written, {entries} are left, {} are said to be evicted",
            stats.evicted
        );
        ensure!(context.client().holds(key).await?, "the entry that was just written is gone");
    }
    let entries = context.storage().stats().await?.entries;
    ensure!(entries >= SMALL_ENTRIES / 2, "of {SMALL_ENTRIES} entries {entries} are left");
    Ok(())
}

async fn the_bound_on_bytes_holds_after_every_write(context: Context) -> CaseResult {
    const VALUE_BYTES: usize = 40_000;
    // Fewer than the bound on entries takes.
    let keys = context.keys("byte", SMALL_ENTRIES as usize - 1)?;
    for key in &keys {
        set_later(&context, key, &[7; VALUE_BYTES]).await?;
        let bytes = context.storage().stats().await?.payload_bytes;
        ensure!(bytes <= SMALL_BYTES, "{bytes} bytes, above the bound of {SMALL_BYTES}");
        ensure!(context.client().holds(key).await?, "the entry that was just written is gone");
    }
    let stats = context.storage().stats().await?;
    ensure!(stats.evicted > 0, "nothing was evicted");
    let least = SMALL_BYTES / 4;
    ensure!(
        stats.payload_bytes >= least,
        "of {SMALL_BYTES} bytes {} are left",
        stats.payload_bytes
    );
    Ok(())
}

/// Storages may choose among a sample: the bounds of this case leave room for that.
async fn what_was_used_least_recently_goes_first(context: Context) -> CaseResult {
    let client = context.client();
    let count = SMALL_ENTRIES as usize;
    let keys = context.keys("first", count)?;
    for key in &keys {
        set_later(&context, key, b"x").await?;
    }
    // The oldest of all are used once more, half of them in batches.
    let (used, unused) = keys.split_at(count / 4);
    if let Some(clock) = context.manual_clock() {
        clock.advance(Duration::from_millis(10));
    }
    let (one_by_one, together) = used.split_at(used.len() / 2);
    for key in one_by_one {
        ensure!(client.holds(key).await?, "{key} is gone before the store is full");
    }
    context.storage().get_many(together).await?;
    let later = context.keys("later", count / 2)?;
    for key in &later {
        set_later(&context, key, b"x").await?;
    }
    let held = |held: Vec<bool>| held.into_iter().filter(|held| *held).count();
    let (of_used, of_later) = (held(client.held(used).await?), held(client.held(&later).await?));
    let of_unused = held(client.held(unused).await?);
    ensure!(of_used * 4 >= used.len() * 3, "{of_used} of {} used ones are left", used.len());
    ensure!(of_later * 4 >= later.len() * 3, "{of_later} of {} new ones are left", later.len());
    let unused = unused.len();
    ensure!(of_unused * 2 <= unused, "{of_unused} of {unused} that nobody used are left");
    Ok(())
}
