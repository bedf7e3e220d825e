use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use crate::key::{Glob, KeyPattern};
use crate::storage::{Outcome, Selector};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(an_update_stores_where_nothing_was_raised),
        case!(an_update_gives_way_to_a_removal_of_its_key),
        case!(an_update_gives_way_to_its_old_and_new_tags),
        case!(an_update_gives_way_to_the_floor).exclusive(),
        case!(of_two_updates_begun_together_neither_stays),
        case!(an_update_beats_loads_that_began_before),
        case!(an_update_that_gives_way_raises_all_the_same),
    ]
}

async fn an_update_stores_where_nothing_was_raised(context: Context) -> CaseResult {
    let client = context.client();
    let (key, old, new) = (context.key("updated")?, context.tag("old")?, context.tag("new")?);
    let stamp = client.stamp(&key).await?;
    let outcome = client.update(&key, context.tagged(&key, "first", &[&old]), stamp).await?;
    ensure_eq!(outcome, Outcome::Stored, "an update over nothing");
    let stamp = client.stamp(&key).await?;
    let outcome = client.update(&key, context.tagged(&key, "second", &[&new]), stamp).await?;
    ensure_eq!(outcome, Outcome::Stored, "an update over an entry");
    let found = client.present(&key).await?;
    ensure_eq!(&found.payload[..], b"second", "what stands");
    ensure!(found.stamp > stamp.mark, "an update has not raised its mark");
    ensure_eq!(client.remove_tag(&old).await?, 0, "entries that bear a tag of what was updated");
    ensure_eq!(client.remove_tag(&new).await?, 1, "entries that bear the new tag");
    Ok(())
}

async fn an_update_gives_way_to_a_removal_of_its_key(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("removed")?;
    for refilled in [false, true] {
        let stamp = client.stamp(&key).await?;
        client.remove_key(&key).await?;
        if refilled {
            let after = client.stamp(&key).await?;
            client.fill(&key, context.value(&key, "refilled"), after).await?;
        }
        let outcome = client.update(&key, context.value(&key, "updated"), stamp).await?;
        ensure_eq!(outcome, Outcome::Fenced, "an update after a removal (refilled: {refilled})");
        ensure_eq!(client.entry(&key).await?, None, "what an update that gave way leaves");
    }
    Ok(())
}

async fn an_update_gives_way_to_its_old_and_new_tags(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("tagged")?;
    let (old, new, apart) = (context.tag("old")?, context.tag("new")?, context.tag("apart")?);
    for (tag, expected) in
        [(&old, Outcome::Fenced), (&new, Outcome::Fenced), (&apart, Outcome::Stored)]
    {
        client.set(&key, context.tagged(&key, "before", &[&old])).await?;
        let stamp = client.stamp(&key).await?;
        // Raises the tag's cell, and leaves the entry where it is.
        client.expire(&Selector::AnyTag(vec![tag.clone()])).await?;
        let outcome = client.update(&key, context.tagged(&key, "after", &[&new]), stamp).await?;
        ensure_eq!(outcome, expected, "an update after an invalidation of {tag}");
        let stored = expected == Outcome::Stored;
        ensure_eq!(client.holds(&key).await?, stored, "whether the key is there after it");
    }
    Ok(())
}

async fn an_update_gives_way_to_the_floor(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("floor")?;
    let elsewhere = KeyPattern::new(context.prefix(), Glob::parse("elsewhere*")?, None);
    client.set(&key, context.value(&key, "before")).await?;
    let stamp = client.stamp(&key).await?;
    client.remove(&Selector::Pattern(elsewhere)).await?;
    let outcome = client.update(&key, context.value(&key, "after"), stamp).await?;
    ensure_eq!(outcome, Outcome::Fenced, "an update after the floor was raised");
    ensure_eq!(client.entry(&key).await?, None, "what an update that gave way leaves");
    Ok(())
}

async fn of_two_updates_begun_together_neither_stays(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("two")?;
    let stamp = client.stamp(&key).await?;
    let first = client.update(&key, context.value(&key, "first"), stamp).await?;
    ensure_eq!(first, Outcome::Stored, "the first of two updates");
    // Nobody knows which of them changed the source last.
    let second = client.update(&key, context.value(&key, "second"), stamp).await?;
    ensure_eq!(second, Outcome::Fenced, "the second of two updates");
    ensure_eq!(client.entry(&key).await?, None, "what two updates leave");
    Ok(())
}

async fn an_update_beats_loads_that_began_before(context: Context) -> CaseResult {
    let client = context.client();
    let (key, other) = (context.key("updated")?, context.key("other")?);
    let (old, new) = (context.tag("old")?, context.tag("new")?);
    let first = client.stamp(&key).await?;
    client.fill(&key, context.tagged(&key, "first", &[&old]), first).await?;
    let before = client.stamp(&key).await?;
    let other_before = client.stamp(&other).await?;
    let outcome = client.update(&key, context.tagged(&key, "updated", &[&new]), before).await?;
    ensure_eq!(outcome, Outcome::Stored, "an update");
    let outcome = client.fill(&key, context.value(&key, "loaded"), before).await?;
    ensure_eq!(outcome, Outcome::Fenced, "a fill loaded before an update");
    for tag in [&old, &new] {
        let tagged = context.tagged(&other, "x", &[tag]);
        let outcome = client.fill(&other, tagged, other_before).await?;
        ensure_eq!(outcome, Outcome::Stored, "a fill of another key with {tag}");
    }
    ensure_eq!(client.payload(&key).await?.as_deref(), Some(&b"updated"[..]), "what stands");
    Ok(())
}

async fn an_update_that_gives_way_raises_all_the_same(context: Context) -> CaseResult {
    let client = context.client();
    let (key, tag) = (context.key("late")?, context.tag("late")?);
    let stamp = client.stamp(&key).await?;
    client.remove_key(&key).await?;
    // Begun after the removal and before the update: the source was changed in between.
    let between = client.stamp(&key).await?;
    let outcome = client.update(&key, context.tagged(&key, "updated", &[&tag]), stamp).await?;
    ensure_eq!(outcome, Outcome::Fenced, "an update after a removal");
    let outcome = client.fill(&key, context.value(&key, "loaded"), between).await?;
    ensure_eq!(outcome, Outcome::Fenced, "a fill loaded before an update that gave way");
    Ok(())
}
