use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::storage::{InvalidationMode, Selector, Write, WriteAction};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(trap_28_a_dropped_write_leaves_whole_entries),
        case!(a_dropped_fill_does_not_land_after_a_removal),
        case!(a_dropped_invalidation_leaves_whole_entries),
        case!(dropped_reads_leave_the_storage_usable),
    ]
}

/// Drops `future` after so many polls, or lets it end before; tells whether it ended.
async fn poll_and_drop<T>(future: impl Future<Output = T>, polls: usize) -> bool {
    let mut future = pin!(future);
    for _ in 0..polls {
        let polled = std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
        if polled.await.is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

async fn trap_28_a_dropped_write_leaves_whole_entries(context: Context) -> CaseResult {
    let client = context.client();
    let keys = context.keys("whole", 6)?;
    let tags = [context.tag("even")?, context.tag("odd")?];
    for round in 0..40usize {
        let tag = &tags[round % 2];
        let writes: Vec<Write> = keys
            .iter()
            .map(|key| {
                // Long, and told by its first byte and its tag: a torn one would not fit itself.
                let entry = context.tagged(key, vec![round as u8; 9_000], &[tag]);
                Write { key: key.clone(), action: WriteAction::Set { entry } }
            })
            .collect();
        poll_and_drop(client.storage().write(writes), round % 5).await;
        for key in &keys {
            let Some(entry) = client.entry(key).await? else { continue };
            let number = usize::from(entry.payload.first().copied().unwrap_or_default());
            ensure!(entry.tags.contains(&tags[number % 2]), "{key} bears another round's tag");
            ensure!(number <= round, "{key} holds what was not written yet");
        }
    }
    // A server may still be at work on what was dropped; once that is over, nothing of it is left.
    context.pass(Duration::from_millis(1)).await;
    for key in &keys {
        client.set(key, context.tagged(key, "last", &[&tags[0]])).await?;
    }
    ensure_eq!(client.remove_tag(&tags[1]).await?, 0, "entries that bear a tag of dropped writes");
    ensure_eq!(
        client.remove_tag(&tags[0]).await?,
        keys.len() as u64,
        "entries that bear the last tag"
    );
    Ok(())
}

async fn a_dropped_fill_does_not_land_after_a_removal(context: Context) -> CaseResult {
    let client = context.client();
    let keys = context.keys("late", 4)?;
    for round in 0..40 {
        let stamps = context.storage().stamps(&keys).await?;
        let writes = keys.iter().zip(stamps).map(|(key, stamp)| {
            let entry = context.value(key, "dropped");
            Write { key: key.clone(), action: WriteAction::Fill { entry, stamp } }
        });
        poll_and_drop(client.storage().write(writes.collect()), round % 4).await;
        client.remove(&Selector::Keys(keys.clone())).await?;
        for _ in 0..3 {
            let held = client.held(&keys).await?;
            ensure!(!held.contains(&true), "a dropped fill landed after a removal had returned");
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

async fn a_dropped_invalidation_leaves_whole_entries(context: Context) -> CaseResult {
    let client = context.client();
    let (keys, tag) = (context.keys("kept", 6)?, context.tag("tag")?);
    let selector = Selector::AnyTag(vec![tag.clone()]);
    for round in 0..40 {
        for key in &keys {
            client.set(key, context.tagged(key, "x", &[&tag])).await?;
        }
        let mode = [InvalidationMode::Remove, InvalidationMode::Expire][round % 2];
        let invalidation = client.storage().invalidate(&selector, mode);
        let ended = poll_and_drop(invalidation, round / 2 % 4).await;
        for key in &keys {
            // Reading checks that what is left is whole.
            let entry = client.entry(key).await?;
            let fresh = entry.is_some_and(|entry| entry.is_fresh(context.now()));
            ensure!(!(ended && fresh), "{key} is fresh after an invalidation that ended");
        }
        client.remove(&selector).await?;
        ensure!(!client.held(&keys).await?.contains(&true), "left by the removal that followed");
    }
    Ok(())
}

async fn dropped_reads_leave_the_storage_usable(context: Context) -> CaseResult {
    let client = context.client();
    let keys = context.keys("read", 8)?;
    client.set(&keys[0], context.value(&keys[0], "x")).await?;
    // More than any pool of connections or readers has places.
    for round in 0..200 {
        poll_and_drop(client.storage().get(&keys[0]), round % 3).await;
        poll_and_drop(client.storage().get_many(&keys), round % 3).await;
        poll_and_drop(client.storage().stamps(&keys), round % 3).await;
    }
    ensure_eq!(
        client.payload(&keys[0]).await?.as_deref(),
        Some(&b"x"[..]),
        "what is read after them"
    );
    Ok(())
}
