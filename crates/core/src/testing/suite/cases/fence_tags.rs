use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use crate::storage::{Outcome, Selector};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(trap_02_a_fill_loaded_before_any_of_its_tags_was_removed_is_refused),
        case!(a_fill_loaded_before_all_of_its_tags_were_removed_is_refused),
        case!(a_fill_loaded_before_a_tag_expired_is_refused),
        case!(a_set_raises_its_key_and_none_of_its_tags),
    ]
}

async fn trap_02_a_fill_loaded_before_any_of_its_tags_was_removed_is_refused(
    context: Context,
) -> CaseResult {
    let client = context.client();
    let key = context.key("tagged")?;
    let tags = [context.tag("one")?, context.tag("two")?, context.tag("three")?];
    let tagged = |payload: &str| context.tagged(&key, payload, &[&tags[0], &tags[1], &tags[2]]);
    let unborne = context.tag("unborne")?;
    for tag in &tags {
        // No entry bears the tag yet: only its cell can tell.
        let before = client.look(&key).await?.stamp;
        client.remove(&Selector::AnyTag(vec![unborne.clone(), tag.clone()])).await?;
        let outcome = client.fill(&key, tagged("old"), before).await?;
        ensure_eq!(outcome, Outcome::Fenced, "a fill loaded before the removal of {tag}");
        ensure!(!client.holds(&key).await?, "stored though fenced");
        // The key itself was not named: without the tag the same load may be stored.
        let outcome = client.fill(&key, context.value(&key, "untagged"), before).await?;
        ensure_eq!(outcome, Outcome::Stored, "a fill that does not bear {tag}");
        let after = client.stamp(&key).await?;
        let outcome = client.fill(&key, tagged("new"), after).await?;
        ensure_eq!(outcome, Outcome::Stored, "a fill loaded after the removal of {tag}");
        client.remove_tag(tag).await?;
    }
    Ok(())
}

async fn a_fill_loaded_before_all_of_its_tags_were_removed_is_refused(
    context: Context,
) -> CaseResult {
    let client = context.client();
    let key = context.key("tagged")?;
    let tags = [context.tag("one")?, context.tag("two")?, context.tag("three")?];
    let tagged = |payload: &str| context.tagged(&key, payload, &[&tags[0], &tags[1], &tags[2]]);
    for wanted in [vec![0], vec![1, 0], vec![2, 1], vec![0, 2], vec![2, 0, 1]] {
        let wanted = wanted.into_iter().map(|at| tags[at].clone()).collect();
        let before = client.look(&key).await?.stamp;
        let selector = Selector::AllTags(wanted);
        client.remove(&selector).await?;
        ensure!(!client.holds(&key).await?, "there after {selector:?}");
        let outcome = client.fill(&key, tagged("old"), before).await?;
        ensure_eq!(outcome, Outcome::Fenced, "a fill loaded before {selector:?}");
        let after = client.stamp(&key).await?;
        let outcome = client.fill(&key, tagged("new"), after).await?;
        ensure_eq!(outcome, Outcome::Stored, "a fill loaded after {selector:?}");
    }
    Ok(())
}

async fn a_fill_loaded_before_a_tag_expired_is_refused(context: Context) -> CaseResult {
    let client = context.client();
    let (key, tag) = (context.key("tagged")?, context.tag("expired")?);
    client.set(&key, context.tagged(&key, "first", &[&tag])).await?;
    let before = client.look(&key).await?.stamp;
    client.expire(&Selector::AnyTag(vec![tag.clone()])).await?;
    let outcome = client.fill(&key, context.tagged(&key, "old", &[&tag]), before).await?;
    ensure_eq!(outcome, Outcome::Fenced, "a fill loaded before its tag expired");
    let found = client.present(&key).await?;
    ensure!(!found.is_fresh(context.now()), "fresh after its tag expired");
    let after = client.stamp(&key).await?;
    let outcome = client.fill(&key, context.tagged(&key, "new", &[&tag]), after).await?;
    ensure_eq!(outcome, Outcome::Stored, "a fill loaded after its tag expired");
    Ok(())
}

async fn a_set_raises_its_key_and_none_of_its_tags(context: Context) -> CaseResult {
    let client = context.client();
    let (key, other) = (context.key("set")?, context.key("other")?);
    let (old, new) = (context.tag("old")?, context.tag("new")?);
    let first = client.stamp(&key).await?;
    client.fill(&key, context.tagged(&key, "first", &[&old]), first).await?;
    let before = client.stamp(&key).await?;
    let other_before = client.stamp(&other).await?;
    client.set(&key, context.tagged(&key, "second", &[&new])).await?;
    let outcome = client.fill(&key, context.value(&key, "loaded"), before).await?;
    ensure_eq!(outcome, Outcome::Fenced, "a fill of the key, loaded before a set");
    // A tag that many bear would otherwise refuse their loads at every set of one of them.
    for tag in [&old, &new] {
        let tagged = context.tagged(&other, "x", &[tag]);
        let outcome = client.fill(&other, tagged, other_before).await?;
        ensure_eq!(outcome, Outcome::Stored, "a fill of another key with {tag}");
    }
    ensure_eq!(client.payload(&key).await?.as_deref(), Some(&b"second"[..]), "what stands");
    Ok(())
}
