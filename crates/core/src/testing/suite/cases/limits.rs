use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure_eq};

use crate::entry::Entry;
use crate::key::Key;
use crate::storage::{Outcome, Write, WriteAction};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(a_payload_of_the_largest_size_is_stored, SmallValues),
        case!(a_fill_that_is_too_large_changes_nothing, SmallValues),
        case!(a_set_that_is_too_large_removes_and_raises, SmallValues),
        case!(one_write_that_is_too_large_fails_alone, SmallValues),
    ]
}

/// A value of one byte more than the storage takes.
fn too_large(context: &Context, key: &Key) -> Entry {
    context.value(key, vec![7; largest(context) + 1])
}

fn largest(context: &Context) -> usize {
    // Need::SmallValues holds, so that it fits.
    context.storage().capabilities().value_bytes_max as usize
}

async fn a_payload_of_the_largest_size_is_stored(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("largest")?;
    let payload = vec![7; largest(&context)];
    client.set(&key, context.value(&key, &payload)).await?;
    ensure_eq!(
        client.payload(&key).await?.map(|found| found.len()),
        Some(payload.len()),
        "its size"
    );
    Ok(())
}

async fn a_fill_that_is_too_large_changes_nothing(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("fill")?;
    client.set(&key, context.value(&key, "there")).await?;
    let there = client.look(&key).await?;
    let expected = there.entry.as_ref().map(|entry| entry.token);
    let outcome = client.fill(&key, too_large(&context, &key), there.stamp).await?;
    ensure_eq!(outcome, Outcome::TooLarge, "a fill that is too large");
    let entry = too_large(&context, &key);
    let outcome = client.put_if_unchanged(&key, entry, expected, there.stamp).await?;
    ensure_eq!(outcome, Outcome::TooLarge, "a conditional put that is too large");
    ensure_eq!(client.entry(&key).await?, there.entry, "the entry after them");
    Ok(())
}

async fn a_set_that_is_too_large_removes_and_raises(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("set")?;
    for update in [false, true] {
        client.set(&key, context.value(&key, "before")).await?;
        let before = client.stamp(&key).await?;
        let entry = too_large(&context, &key);
        let action = match update {
            true => WriteAction::Update { entry, stamp: before },
            false => WriteAction::Set { entry },
        };
        let outcome = client.write(&key, action).await?;
        ensure_eq!(outcome, Outcome::TooLarge, "a set that is too large (update: {update})");
        ensure_eq!(client.entry(&key).await?, None, "what is left of the old value");
        let outcome = client.fill(&key, context.value(&key, "old"), before).await?;
        ensure_eq!(outcome, Outcome::Fenced, "a fill loaded before a set that was too large");
    }
    Ok(())
}

async fn one_write_that_is_too_large_fails_alone(context: Context) -> CaseResult {
    let client = context.client();
    let keys = context.keys("batch", 3)?;
    let stamps = context.storage().stamps(&keys).await?;
    let writes = keys.iter().zip(stamps).enumerate().map(|(at, (key, stamp))| {
        let entry = if at == 1 { too_large(&context, key) } else { context.value(key, "x") };
        Write { key: key.clone(), action: WriteAction::Fill { entry, stamp } }
    });
    let outcomes = context.storage().write(writes.collect()).await?;
    let outcomes = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let expected = [Outcome::Stored, Outcome::TooLarge, Outcome::Stored];
    ensure_eq!(outcomes, expected, "a batch with one write that is too large");
    ensure_eq!(client.held(&keys).await?, [true, false, true], "what the batch has stored");
    Ok(())
}
