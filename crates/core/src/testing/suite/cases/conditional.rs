use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::entry::Token;
use crate::key::{Glob, Key, KeyPattern, Tag};
use crate::storage::{InvalidationMode, Outcome, Selector, Write, WriteAction};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(a_put_that_expects_nothing_stores_once),
        case!(a_put_that_expects_an_entry_replaces_that_one_only),
        case!(a_conditional_put_is_fenced),
        case!(a_conditional_put_raises_nothing),
        case!(a_conditional_put_replaces_tags),
        case!(one_of_many_conditional_puts_wins),
        case!(a_put_made_of_what_is_being_invalidated_does_not_outlive_that).exclusive(),
    ]
}

async fn a_put_that_expects_nothing_stores_once(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("once")?;
    let stamp = client.look(&key).await?.stamp;
    let outcome = client.put_if_unchanged(&key, context.value(&key, "first"), None, stamp).await?;
    ensure_eq!(outcome, Outcome::Stored, "a put where nothing was");
    let outcome = client.put_if_unchanged(&key, context.value(&key, "second"), None, stamp).await?;
    ensure_eq!(outcome, Outcome::ConditionFailed, "a put that expects nothing where something is");
    ensure_eq!(client.payload(&key).await?.as_deref(), Some(&b"first"[..]), "what stands");
    Ok(())
}

async fn a_put_that_expects_an_entry_replaces_that_one_only(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("that-one")?;
    let stamp = client.stamp(&key).await?;
    let put = |payload: &'static str, expected| {
        client.put_if_unchanged(&key, context.value(&key, payload), expected, stamp)
    };
    let outcome = put("x", Some(Token(7))).await?;
    ensure_eq!(outcome, Outcome::ConditionFailed, "a put that expects what is not there");
    ensure!(!client.holds(&key).await?, "stored though its condition failed");
    client.fill(&key, context.value(&key, "first"), stamp).await?;
    let first = client.present(&key).await?.token;
    let other = Some(Token(first.0.wrapping_add(1)));
    ensure_eq!(put("x", other).await?, Outcome::ConditionFailed, "a put by another's token");
    ensure_eq!(put("second", Some(first)).await?, Outcome::Stored, "a put by the entry's token");
    ensure_eq!(put("x", Some(first)).await?, Outcome::ConditionFailed, "a put by a former token");
    ensure_eq!(client.payload(&key).await?.as_deref(), Some(&b"second"[..]), "what stands");
    Ok(())
}

async fn a_conditional_put_is_fenced(context: Context) -> CaseResult {
    let client = context.client();
    let (key, tag) = (context.key("fenced")?, context.tag("fenced")?);
    let entry = |payload: &str| context.tagged(&key, payload, &[&tag]);
    for by_tag in [false, true] {
        let missed = client.look(&key).await?;
        ensure_eq!(missed.entry, None, "the entry before");
        if by_tag {
            client.remove_tag(&tag).await?
        } else {
            client.remove_key(&key).await?
        };
        let outcome = client.put_if_unchanged(&key, entry("old"), None, missed.stamp).await?;
        ensure_eq!(
            outcome,
            Outcome::Fenced,
            "a put loaded before an invalidation (by tag: {by_tag})"
        );
        ensure!(!client.holds(&key).await?, "stored though fenced");
    }
    // The entry is the expected one, and its new value was loaded before the tag was invalidated.
    client.set(&key, context.value(&key, "there")).await?;
    let read = client.look(&key).await?;
    client.remove_tag(&tag).await?;
    let expected = read.entry.map(|entry| entry.token);
    let outcome = client.put_if_unchanged(&key, entry("old"), expected, read.stamp).await?;
    ensure_eq!(outcome, Outcome::Fenced, "a put whose new tag was invalidated");
    ensure_eq!(client.payload(&key).await?.as_deref(), Some(&b"there"[..]), "what stands");
    let read = client.look(&key).await?;
    let outcome = client.put_if_unchanged(&key, entry("new"), expected, read.stamp).await?;
    ensure_eq!(outcome, Outcome::Stored, "the same put with a stamp of now");
    Ok(())
}

async fn a_conditional_put_raises_nothing(context: Context) -> CaseResult {
    let client = context.client();
    let (key, tag) = (context.key("quiet")?, context.tag("quiet")?);
    let stamp = client.stamp(&key).await?;
    let entry = |payload: &str| context.tagged(&key, payload, &[&tag]);
    let outcome = client.put_if_unchanged(&key, entry("x"), None, stamp).await?;
    ensure_eq!(outcome, Outcome::Stored, "a put");
    let outcome = client.fill(&key, entry("y"), stamp).await?;
    ensure_eq!(outcome, Outcome::Stored, "a fill whose load began before a conditional put");
    Ok(())
}

async fn a_conditional_put_replaces_tags(context: Context) -> CaseResult {
    let client = context.client();
    let (key, old, new) = (context.key("tags")?, context.tag("old")?, context.tag("new")?);
    client.set(&key, context.tagged(&key, "old", &[&old])).await?;
    let read = client.look(&key).await?;
    let expected = read.entry.map(|entry| entry.token);
    let entry = context.tagged(&key, "new", &[&new]);
    let outcome = client.put_if_unchanged(&key, entry, expected, read.stamp).await?;
    ensure_eq!(outcome, Outcome::Stored, "a put");
    client.remove_tag(&old).await?;
    ensure!(client.holds(&key).await?, "removed by a tag of what was replaced");
    client.remove_tag(&new).await?;
    ensure!(!client.holds(&key).await?, "not removed by its tag");
    Ok(())
}

async fn one_of_many_conditional_puts_wins(context: Context) -> CaseResult {
    let client = context.client();
    for round in 0..20 {
        let key = context.key(&format!("race{round}"))?;
        let stamp = client.stamp(&key).await?;
        let mut puts = tokio::task::JoinSet::new();
        for number in 0..8u8 {
            let (client, key) = (client.clone(), key.clone());
            let entry = context.value(&key, [number]);
            puts.spawn(
                async move { (number, client.put_if_unchanged(&key, entry, None, stamp).await) },
            );
        }
        let mut winners = Vec::new();
        while let Some(put) = puts.join_next().await {
            let (number, outcome) = put?;
            match outcome? {
                Outcome::Stored => winners.push(number),
                outcome => ensure_eq!(outcome, Outcome::ConditionFailed, "a put that came second"),
            }
        }
        ensure_eq!(winners.len(), 1, "puts that were stored in round {round}");
        let found = client.payload(&key).await?;
        ensure_eq!(found.as_deref(), Some(&winners[..]), "what stands is the winner's");
    }
    Ok(())
}

/// So many that no storage ends them in one step; fewer where they take long to store.
const ENTRIES: usize = 2_000;
const FILL_MAX: Duration = Duration::from_secs(1);
const CASE_MAX: Duration = Duration::from_secs(30);

/// Replaces entries by what was made of them, again and again while they are invalidated.
async fn race_puts(
    context: &Context,
    keys: &Arc<[Key]>,
    tag: &Tag,
    selector: &Selector,
    mode: InvalidationMode,
) -> CaseResult {
    let client = context.client();
    let begun = Instant::now();
    let mut stored = 0;
    for keys in keys.chunks(250) {
        let set = |key: &Key| Write {
            key: key.clone(),
            action: WriteAction::Set { entry: context.tagged(key, "read", &[tag]) },
        };
        for outcome in client.storage().write(keys.iter().map(set).collect()).await? {
            ensure_eq!(outcome?, Outcome::Stored, "a set");
        }
        stored += keys.len();
        if begun.elapsed() > FILL_MAX {
            break;
        }
    }
    let over = Arc::new(AtomicBool::new(false));
    let mut puts = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (client, keys, tag, over) =
            (client.clone(), Arc::clone(keys), tag.clone(), Arc::clone(&over));
        let now = context.now();
        puts.spawn(async move {
            while !over.load(Ordering::SeqCst) {
                let key = &keys[fastrand::usize(..stored)];
                // From here on the storage may know of the raise.
                client.stamp(key).await?;
                let read = client.look(key).await?;
                if let Some(found) = read.entry.filter(|entry| entry.is_fresh(now)) {
                    let made = super::super::client::value(key, b"made of it", &[&tag], now);
                    client.put_if_unchanged(key, made, Some(found.token), read.stamp).await?;
                }
                tokio::task::yield_now().await;
            }
            CaseResult::Ok(())
        });
    }
    tokio::task::yield_now().await;
    let invalidated = client.storage().invalidate(selector, mode).await;
    over.store(true, Ordering::SeqCst);
    while let Some(put) = puts.join_next().await {
        put??;
    }
    invalidated?;
    for keys in keys[..stored].chunks(250) {
        for (key, lookup) in keys.iter().zip(client.storage().get_many(keys).await?) {
            let fresh = lookup?.entry.filter(|entry| entry.is_fresh(context.now()));
            ensure!(fresh.is_none(), "{key} is there after {mode:?} of it had returned");
        }
    }
    Ok(())
}

async fn a_put_made_of_what_is_being_invalidated_does_not_outlive_that(
    context: Context,
) -> CaseResult {
    use InvalidationMode::{Expire, Remove};
    let keys: Arc<[Key]> = (0..ENTRIES)
        .map(|number| context.exact_key(&format!("made{number}"), "v1"))
        .collect::<CaseResult<_>>()?;
    let tag = context.tag("made")?;
    let tags = || vec![tag.clone()];
    let pattern = KeyPattern::new(context.prefix(), Glob::parse("made*")?, None);
    let begun = Instant::now();
    for (selector, mode) in [
        (Selector::AnyTag(tags()), Remove),
        (Selector::AllTags(tags()), Expire),
        (Selector::Keys(keys.to_vec()), Remove),
        (Selector::Keys(keys.to_vec()), Expire),
        (Selector::Pattern(pattern), Remove),
        (Selector::Namespace(context.prefix().to_owned()), Expire),
    ] {
        race_puts(&context, &keys, &tag, &selector, mode).await?;
        // The first ones say most; a storage that takes so long is not asked for all.
        if begun.elapsed() > CASE_MAX {
            break;
        }
    }
    Ok(())
}
