use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use std::time::Duration;

use crate::clock::Timestamp;
use crate::entry::{Entry, Token};
use crate::storage::{Outcome, Selector, WriteAction};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(a_touch_moves_the_times_both_ways),
        case!(a_touch_needs_the_token_of_the_entry),
        case!(a_touch_finds_nothing_where_nothing_is),
        case!(a_touch_into_the_past_ends_the_entry),
        case!(a_touch_raises_nothing),
        case!(a_touched_entry_keeps_its_tags),
        case!(a_touch_does_not_undo_an_expiry),
    ]
}

async fn a_touch_moves_the_times_both_ways(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("moved")?;
    client.set(&key, context.value(&key, "x")).await?;
    let before = client.present(&key).await?;
    let hours = |hours: u64| context.now().after(Duration::from_secs(hours * 3600));
    let times = [
        (hours(5), hours(9)),
        (hours(1), hours(2)),
        (Timestamp::NEVER, Timestamp::NEVER),
        (hours(1), hours(1)),
    ];
    for (fresh_until, kept_until) in times {
        let action = WriteAction::Touch { token: before.token, fresh_until, kept_until };
        ensure_eq!(client.write(&key, action).await?, Outcome::Stored, "a touch");
        let expected = Entry { fresh_until, kept_until, ..before.clone() };
        ensure_eq!(client.present(&key).await?, expected, "the entry after a touch");
    }
    Ok(())
}

async fn a_touch_needs_the_token_of_the_entry(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("token")?;
    client.set(&key, context.value(&key, "first")).await?;
    let first = client.present(&key).await?;
    client.set(&key, context.value(&key, "second")).await?;
    let second = client.present(&key).await?;
    let far = context.now().after(Duration::from_secs(86_400));
    for token in [first.token, Token(second.token.0.wrapping_add(1)), Token(0)] {
        let outcome = client.touch(&key, token, far).await?;
        ensure_eq!(outcome, Outcome::ConditionFailed, "a touch by another's token");
        ensure_eq!(client.present(&key).await?, second, "the entry after a refused touch");
    }
    Ok(())
}

async fn a_touch_finds_nothing_where_nothing_is(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("nothing")?;
    let far = context.now().after(Duration::from_secs(86_400));
    let outcome = client.touch(&key, Token(7), far).await?;
    ensure_eq!(outcome, Outcome::ConditionFailed, "a touch of nothing");
    let entry = context.value(&key, "x");
    let token = entry.token;
    client.set(&key, entry).await?;
    client.remove_key(&key).await?;
    let outcome = client.touch(&key, token, far).await?;
    ensure_eq!(outcome, Outcome::ConditionFailed, "a touch of what was removed");
    ensure!(!client.holds(&key).await?, "a touch has brought back what was removed");
    Ok(())
}

async fn a_touch_into_the_past_ends_the_entry(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("ended")?;
    let entry = context.value(&key, "x");
    let token = entry.token;
    client.set(&key, entry).await?;
    let past = Timestamp::from_unix_ms(context.now().unix_ms() - 1_000);
    client.touch(&key, token, past).await?;
    ensure!(!client.holds(&key).await?, "there after its end was moved into the past");
    Ok(())
}

async fn a_touch_raises_nothing(context: Context) -> CaseResult {
    let client = context.client();
    let (key, tag) = (context.key("quiet")?, context.tag("quiet")?);
    let stamp = client.stamp(&key).await?;
    let entry = context.tagged(&key, "x", &[&tag]);
    let token = entry.token;
    client.fill(&key, entry, stamp).await?;
    let far = context.now().after(Duration::from_secs(86_400));
    ensure_eq!(client.touch(&key, token, far).await?, Outcome::Stored, "a touch");
    let outcome = client.fill(&key, context.tagged(&key, "y", &[&tag]), stamp).await?;
    ensure_eq!(outcome, Outcome::Stored, "a fill whose load began before a touch");
    Ok(())
}

async fn a_touched_entry_keeps_its_tags(context: Context) -> CaseResult {
    let client = context.client();
    let (key, tag) = (context.key("tagged")?, context.tag("tagged")?);
    let entry = context.short_lived(&key, "x", &[&tag]);
    let token = entry.token;
    client.set(&key, entry).await?;
    let far = context.now().after(Duration::from_secs(86_400));
    ensure_eq!(client.touch(&key, token, far).await?, Outcome::Stored, "a touch");
    // Past the time that the entry first had, by which a tag index may have been cleaned.
    context.pass(context.short()).await;
    client.storage().maintain(crate::storage::Budget::UNLIMITED).await?;
    ensure!(client.holds(&key).await?, "gone before the end that a touch gave it");
    ensure_eq!(client.remove_tag(&tag).await?, 1, "entries removed by the tag of what was touched");
    ensure!(!client.holds(&key).await?, "out of reach for its tag after a touch");
    Ok(())
}

async fn a_touch_does_not_undo_an_expiry(context: Context) -> CaseResult {
    let client = context.client();
    let (key, tag) = (context.key("expired")?, context.tag("expired")?);
    let far = context.now().after(Duration::from_secs(86_400));
    let selectors = [Selector::Keys(vec![key.clone()]), Selector::AnyTag(vec![tag.clone()])];
    for selector in selectors {
        for already_stale in [false, true] {
            let mut entry = context.tagged(&key, "old", &[&tag]);
            if already_stale {
                entry.fresh_until = Timestamp::from_unix_ms(context.now().unix_ms() - 1);
            }
            client.set(&key, entry).await?;
            // Read before the invalidation: its renewal must not make it fresh after it.
            let read = client.present(&key).await?;
            client.expire(&selector).await?;
            let outcome = client.touch(&key, read.token, far).await?;
            ensure!(outcome != Outcome::Stored, "a touch of what {selector:?} has made stale");
            let fresh =
                client.entry(&key).await?.is_some_and(|entry| entry.is_fresh(context.now()));
            ensure!(!fresh, "fresh again after {selector:?}, by a touch");
        }
    }
    Ok(())
}
