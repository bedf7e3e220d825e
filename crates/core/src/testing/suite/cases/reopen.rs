use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use crate::entry::Entry;
use crate::key::{Glob, KeyPattern};
use crate::storage::{Outcome, Selector};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(a_store_that_is_opened_again_has_its_entries, Persistence),
        case!(a_store_that_is_opened_again_has_its_tags, Persistence),
        case!(a_store_that_is_opened_again_has_its_fence, Persistence),
        case!(a_store_that_is_opened_again_has_its_floor, Persistence).exclusive(),
        case!(time_passes_while_a_store_is_closed, Persistence),
    ]
}

async fn a_store_that_is_opened_again_has_its_entries(context: Context) -> CaseResult {
    let (key, removed) = (context.key("kept")?, context.key("removed")?);
    let tag = context.tag("kept")?;
    let client = context.client();
    let entry = context.tagged(&key, "kept", &[&tag]);
    client.set(&key, entry.clone()).await?;
    client.set(&removed, context.value(&removed, "x")).await?;
    client.remove_key(&removed).await?;
    let before = client.present(&key).await?;
    let client = context.reopened().await?;
    ensure_eq!(client.present(&key).await?, before, "the entry after the store was opened again");
    ensure_eq!(before, Entry { stamp: before.stamp, ..entry }, "the entry before");
    ensure!(!client.holds(&removed).await?, "what was removed is back");
    Ok(())
}

async fn a_store_that_is_opened_again_has_its_tags(context: Context) -> CaseResult {
    let (key, old, new) = (context.key("tagged")?, context.tag("old")?, context.tag("new")?);
    context.client().set(&key, context.tagged(&key, "x", &[&old])).await?;
    context.client().set(&key, context.tagged(&key, "y", &[&new])).await?;
    let client = context.reopened().await?;
    ensure_eq!(
        client.remove_tag(&old).await?,
        0,
        "entries that bear a tag of what was overwritten"
    );
    ensure_eq!(client.remove_tag(&new).await?, 1, "entries that bear the tag");
    ensure!(!client.holds(&key).await?, "out of reach for its tag");
    Ok(())
}

async fn a_store_that_is_opened_again_has_its_fence(context: Context) -> CaseResult {
    let client = context.client();
    let (key, other, tag) = (context.key("key")?, context.key("other")?, context.tag("tag")?);
    let before = client.stamp(&key).await?;
    let other_before = client.stamp(&other).await?;
    client.remove_key(&key).await?;
    client.remove_tag(&tag).await?;
    let after = client.stamp(&key).await?;
    let client = context.reopened().await?;
    let reopened = client.stamp(&key).await?;
    ensure_eq!(reopened.origin, after.origin, "the origin of a store that was opened again");
    ensure!(reopened.mark >= after.mark, "the counter fell while the store was closed");
    let outcome = client.fill(&key, context.value(&key, "old"), before).await?;
    ensure_eq!(outcome, Outcome::Fenced, "a fill loaded before a removal, after opening again");
    let tagged = context.tagged(&other, "old", &[&tag]);
    let outcome = client.fill(&other, tagged, other_before).await?;
    ensure_eq!(outcome, Outcome::Fenced, "a fill loaded before its tag was removed");
    let outcome = client.fill(&key, context.value(&key, "new"), after).await?;
    ensure_eq!(outcome, Outcome::Stored, "a fill loaded after the removal, before closing");
    let other_reopened = client.stamp(&other).await?;
    let outcome = client.fill(&other, context.value(&other, "new"), other_reopened).await?;
    ensure_eq!(outcome, Outcome::Stored, "a fill loaded after opening again");
    client.remove_key(&key).await?;
    let outcome = client.fill(&key, context.value(&key, "old"), reopened).await?;
    ensure_eq!(outcome, Outcome::Fenced, "a fill loaded before a removal after opening again");
    Ok(())
}

async fn a_store_that_is_opened_again_has_its_floor(context: Context) -> CaseResult {
    let key = context.key("floor")?;
    let before = context.client().stamp(&key).await?;
    let pattern = KeyPattern::new(context.prefix(), Glob::parse("nothing*")?, None);
    context.client().remove(&Selector::Pattern(pattern)).await?;
    let after = context.client().stamp(&key).await?;
    let client = context.reopened().await?;
    let outcome = client.fill(&key, context.value(&key, "old"), before).await?;
    ensure_eq!(outcome, Outcome::Fenced, "a fill loaded before a pattern was removed");
    let outcome = client.fill(&key, context.value(&key, "new"), after).await?;
    ensure_eq!(outcome, Outcome::Stored, "a fill loaded after it");
    Ok(())
}

async fn time_passes_while_a_store_is_closed(context: Context) -> CaseResult {
    let (goes, stays) = (context.key("goes")?, context.key("stays")?);
    context.client().set(&goes, context.short_lived(&goes, "x", &[])).await?;
    context.client().set(&stays, context.value(&stays, "x")).await?;
    context.storage().close().await?;
    context.pass(context.short()).await;
    let client = context.reopened().await?;
    ensure!(!client.holds(&goes).await?, "there after its time, which passed while closed");
    ensure!(client.holds(&stays).await?, "gone before its time");
    Ok(())
}
