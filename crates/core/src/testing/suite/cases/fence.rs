use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use crate::fence::Stamp;
use crate::key::{Glob, KeyPattern};
use crate::storage::{Outcome, Selector};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(a_fill_loaded_before_its_key_was_removed_is_refused),
        case!(a_fill_loaded_before_its_key_expired_is_refused),
        case!(a_fill_loaded_before_a_pattern_was_removed_is_refused).exclusive(),
        case!(a_fill_loaded_before_the_namespace_was_removed_is_refused).exclusive(),
        case!(a_removal_that_finds_nothing_raises_all_the_same),
        case!(other_keys_and_tags_are_not_fenced),
        case!(every_way_to_a_stamp_is_fenced_alike),
        case!(a_removal_by_another_client_fences, SecondClient),
        case!(a_fill_raises_nothing),
        case!(stamps_do_not_fall_and_keep_their_origin),
        case!(a_stamp_of_another_origin_is_refused),
        case!(a_set_beats_loads_that_began_before),
        case!(trap_05_interleaved_invalidations_only_raise),
        case!(a_refused_fill_leaves_what_is_there),
    ]
}

/// What a load that began at `before` brings must be refused, what one that begins now brings not.
async fn refuses_older_and_takes_newer(
    context: &Context,
    key: &crate::key::Key,
    before: Stamp,
    what: &str,
) -> CaseResult {
    let client = context.client();
    let outcome = client.fill(key, context.value(key, "old"), before).await?;
    ensure_eq!(outcome, Outcome::Fenced, "a fill loaded before {what}");
    let left = client.entry(key).await?.filter(|entry| entry.is_fresh(context.now()));
    ensure_eq!(left, None, "what can be read after {what}");
    let after = client.stamp(key).await?;
    let outcome = client.fill(key, context.value(key, "new"), after).await?;
    ensure_eq!(outcome, Outcome::Stored, "a fill loaded after {what}");
    let outcome = client.fill(key, context.value(key, "old"), before).await?;
    ensure_eq!(outcome, Outcome::Fenced, "a late fill loaded before {what}");
    ensure_eq!(
        client.payload(key).await?.as_deref(),
        Some(&b"new"[..]),
        "what stands after {what}"
    );
    Ok(())
}

async fn a_fill_loaded_before_its_key_was_removed_is_refused(context: Context) -> CaseResult {
    let client = context.client();
    let keys = context.keys("removed", 3)?;
    let before = context.storage().stamps(&keys).await?;
    client.remove(&Selector::Keys(keys.clone())).await?;
    for (key, before) in keys.iter().zip(before) {
        refuses_older_and_takes_newer(&context, key, before, "the removal of its key").await?;
    }
    Ok(())
}

async fn a_fill_loaded_before_its_key_expired_is_refused(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("expired")?;
    client.set(&key, context.value(&key, "first")).await?;
    let before = client.look(&key).await?.stamp;
    client.expire(&Selector::Keys(vec![key.clone()])).await?;
    refuses_older_and_takes_newer(&context, &key, before, "the expiry of its key").await
}

async fn a_fill_loaded_before_a_pattern_was_removed_is_refused(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("pattern")?;
    for glob in ["patt*", "*", "?attern*"] {
        let before = client.look(&key).await?.stamp;
        let pattern = KeyPattern::new(context.prefix(), Glob::parse(glob)?, None);
        client.remove(&Selector::Pattern(pattern)).await?;
        refuses_older_and_takes_newer(&context, &key, before, "the removal of a pattern").await?;
    }
    Ok(())
}

async fn a_fill_loaded_before_the_namespace_was_removed_is_refused(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("namespace")?;
    client.set(&key, context.value(&key, "first")).await?;
    let before = client.look(&key).await?.stamp;
    client.remove(&Selector::Namespace(context.prefix().to_owned())).await?;
    refuses_older_and_takes_newer(&context, &key, before, "the removal of its namespace").await
}

async fn a_removal_that_finds_nothing_raises_all_the_same(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("not-yet")?;
    let before = client.look(&key).await?.stamp;
    ensure_eq!(client.remove_key(&key).await?, 0, "entries removed where none was");
    refuses_older_and_takes_newer(&context, &key, before, "a removal that found nothing").await
}

async fn other_keys_and_tags_are_not_fenced(context: Context) -> CaseResult {
    let client = context.client();
    let (key, other) = (context.key("key")?, context.key("other")?);
    let (tag, other_tag) = (context.tag("tag")?, context.tag("other")?);
    let before = client.stamp(&key).await?;
    client.remove_key(&other).await?;
    client.remove_tag(&other_tag).await?;
    client.set(&other, context.tagged(&other, "x", &[&other_tag])).await?;
    client.remove(&Selector::Keys(Vec::new())).await?;
    client.remove(&Selector::AnyTag(Vec::new())).await?;
    client.remove(&Selector::AllTags(Vec::new())).await?;
    let outcome = client.fill(&key, context.tagged(&key, "x", &[&tag]), before).await?;
    ensure_eq!(outcome, Outcome::Stored, "a fill that no invalidation named");
    Ok(())
}

async fn every_way_to_a_stamp_is_fenced_alike(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("stamped")?;
    let asked = std::slice::from_ref(&key);
    let mut stamps = vec![client.look(&key).await?.stamp];
    for lookup in context.storage().get_many(asked).await? {
        stamps.push(lookup?.stamp);
    }
    stamps.extend(context.storage().stamps(asked).await?);
    client.set(&key, context.value(&key, "there")).await?;
    stamps.push(client.look(&key).await?.stamp);
    for lookup in context.storage().get_many(asked).await? {
        stamps.push(lookup?.stamp);
    }
    ensure_eq!(stamps.len(), 5, "stamps");
    client.remove_key(&key).await?;
    for stamp in stamps {
        let outcome = client.fill(&key, context.value(&key, "old"), stamp).await?;
        ensure_eq!(outcome, Outcome::Fenced, "a fill under {stamp:?}, handed out before a removal");
    }
    Ok(())
}

async fn a_removal_by_another_client_fences(context: Context) -> CaseResult {
    let client = context.client();
    let other = context.second_client().await?;
    let (key, tag) = (context.key("shared")?, context.tag("shared")?);
    client.set(&key, context.tagged(&key, "first", &[&tag])).await?;
    ensure!(other.holds(&key).await?, "not seen by another client");
    for by_tag in [false, true] {
        let before = client.look(&key).await?.stamp;
        ensure_eq!(
            other.look(&key).await?.stamp.origin,
            before.origin,
            "the origin of another client"
        );
        if by_tag {
            other.remove_tag(&tag).await?
        } else {
            other.remove_key(&key).await?
        };
        ensure!(!client.holds(&key).await?, "there after another client removed it");
        let entry = context.tagged(&key, "old", &[&tag]);
        let outcome = client.fill(&key, entry.clone(), before).await?;
        ensure_eq!(outcome, Outcome::Fenced, "a fill loaded before another client's removal");
        // Each may use the other's stamps: they are the store's.
        let after = other.stamp(&key).await?;
        ensure_eq!(client.fill(&key, entry, after).await?, Outcome::Stored, "a fill after it");
        ensure!(other.holds(&key).await?, "not seen by the client that removed");
    }
    Ok(())
}

async fn a_fill_raises_nothing(context: Context) -> CaseResult {
    let client = context.client();
    let (keys, tag) = (context.keys("quiet", 2)?, context.tag("quiet")?);
    let before = context.storage().stamps(&keys).await?;
    let stamped = keys.iter().zip(&before);
    for (key, before) in stamped.clone().chain(stamped) {
        let outcome = client.fill(key, context.tagged(key, "x", &[&tag]), *before).await?;
        ensure_eq!(outcome, Outcome::Stored, "a fill after another fill with its tag");
    }
    Ok(())
}

async fn stamps_do_not_fall_and_keep_their_origin(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("rising")?;
    let mut last = client.stamp(&key).await?;
    for round in 0..20 {
        match round % 4 {
            0 => drop(client.remove_key(&key).await?),
            1 => client.set(&key, context.value(&key, "x")).await?,
            2 => drop(client.fill(&key, context.value(&key, "y"), last).await?),
            _ => drop(client.expire(&Selector::Keys(vec![key.clone()])).await?),
        }
        let now = client.look(&key).await?.stamp;
        ensure_eq!(now.origin, last.origin, "the origin of a store that has only been used");
        ensure!(now.mark >= last.mark, "a stamp fell from {} to {}", last.mark, now.mark);
        // A fill raises nothing; each of the others must be seen.
        ensure!(round % 4 == 2 || now.mark > last.mark, "step {round} did not raise the counter");
        last = now;
    }
    Ok(())
}

async fn a_stamp_of_another_origin_is_refused(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("foreign")?;
    let own = client.stamp(&key).await?;
    let value = |payload: &str| context.value(&key, payload);
    for mark in [own.mark, own.mark + 1_000_000] {
        let foreign = Stamp { mark, origin: own.origin ^ 1 };
        let outcome = client.fill(&key, value("fill"), foreign).await?;
        ensure_eq!(outcome, Outcome::Fenced, "a fill under another store's stamp");
        let outcome = client.put_if_unchanged(&key, value("put"), None, foreign).await?;
        ensure_eq!(outcome, Outcome::Fenced, "a conditional put under another store's stamp");
        ensure!(!client.holds(&key).await?, "stored under another store's stamp");
    }
    client.set(&key, value("there")).await?;
    let own = client.stamp(&key).await?;
    let foreign = Stamp { mark: own.mark, origin: own.origin ^ 1 };
    let outcome = client.update(&key, value("update"), foreign).await?;
    ensure_eq!(outcome, Outcome::Fenced, "an update under another store's stamp");
    ensure!(!client.holds(&key).await?, "there after an update whose value was not taken");
    Ok(())
}

async fn a_set_beats_loads_that_began_before(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("set")?;
    for there in [false, true] {
        let before = client.look(&key).await?.stamp;
        client.set(&key, context.value(&key, "set")).await?;
        let outcome = client.fill(&key, context.value(&key, "loaded"), before).await?;
        ensure_eq!(outcome, Outcome::Fenced, "a fill loaded before a set (over an entry: {there})");
        let found = client.payload(&key).await?;
        ensure_eq!(
            found.as_deref(),
            Some(&b"set"[..]),
            "what stands after a set and an older fill"
        );
    }
    let after = client.stamp(&key).await?;
    let outcome = client.fill(&key, context.value(&key, "loaded"), after).await?;
    ensure_eq!(outcome, Outcome::Stored, "a fill loaded after a set");
    // A set is refused by nothing, not even by a removal that it raced with.
    client.remove_key(&key).await?;
    client.set(&key, context.value(&key, "set again")).await
}

async fn trap_05_interleaved_invalidations_only_raise(context: Context) -> CaseResult {
    let client = context.client();
    let (key, tag) = (context.key("raced")?, context.tag("raced")?);
    for round in 0..25 {
        let mut invalidations = tokio::task::JoinSet::new();
        for number in 0..6 {
            let (client, key, tag) = (client.clone(), key.clone(), tag.clone());
            invalidations.spawn(async move {
                let before = client.stamp(&key).await?;
                match number % 3 {
                    0 => client.remove_tag(&tag).await?,
                    1 => client.expire(&Selector::Keys(vec![key])).await?,
                    _ => client.remove_key(&key).await?,
                };
                CaseResult::Ok(before)
            });
        }
        let mut stamps = Vec::new();
        while let Some(stamp) = invalidations.join_next().await {
            stamps.push(stamp??);
        }
        // Each of them was handed out before an invalidation that has returned by now.
        for stamp in stamps {
            let outcome = client.fill(&key, context.tagged(&key, "old", &[&tag]), stamp).await?;
            ensure_eq!(outcome, Outcome::Fenced, "a fill under {stamp:?} in round {round}");
        }
        let now = client.stamp(&key).await?;
        let outcome = client.fill(&key, context.tagged(&key, "new", &[&tag]), now).await?;
        ensure_eq!(outcome, Outcome::Stored, "a fill loaded after all of them");
    }
    Ok(())
}

async fn a_refused_fill_leaves_what_is_there(context: Context) -> CaseResult {
    let client = context.client();
    let (key, old, new) = (context.key("there")?, context.tag("old")?, context.tag("new")?);
    let before = client.stamp(&key).await?;
    client.set(&key, context.tagged(&key, "there", &[&old])).await?;
    let there = client.present(&key).await?;
    let outcome = client.fill(&key, context.tagged(&key, "late", &[&new]), before).await?;
    ensure_eq!(outcome, Outcome::Fenced, "a late fill");
    ensure_eq!(client.present(&key).await?, there, "the entry after a refused fill");
    ensure_eq!(client.remove_tag(&new).await?, 0, "entries that bear the tag of a refused fill");
    ensure_eq!(client.remove_tag(&old).await?, 1, "entries that bear the tag of what stands");
    Ok(())
}
