use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use std::time::Duration;

use crate::clock::Timestamp;
use crate::storage::{Budget, Outcome, Selector};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(an_entry_is_gone_after_its_time),
        case!(an_entry_ends_at_its_exact_time, ManualTime),
        case!(a_stale_entry_is_kept_until_its_end, ManualTime),
        case!(an_entry_without_an_end_stays, ManualTime),
        case!(what_is_written_past_its_time_is_not_there),
        case!(an_expired_entry_does_not_count),
        case!(trap_20_clean_up_leaves_a_key_that_was_written_again),
    ]
}

async fn an_entry_is_gone_after_its_time(context: Context) -> CaseResult {
    let client = context.client();
    let (filled, set, tag) = (context.key("filled")?, context.key("set")?, context.tag("t")?);
    let stamp = client.stamp(&filled).await?;
    client.fill(&filled, context.short_lived(&filled, "x", &[&tag]), stamp).await?;
    client.set(&set, context.short_lived(&set, "x", &[])).await?;
    context.pass(context.short()).await;
    for key in [&filled, &set] {
        ensure!(!client.holds(key).await?, "{key} outlives its time");
    }
    let held = client.held(&[filled.clone(), set]).await?;
    ensure_eq!(held, [false, false], "what get_many finds past its time");
    // An end of time is no invalidation: the next load may use a stamp from before it.
    let outcome = client.fill(&filled, context.value(&filled, "y"), stamp).await?;
    ensure_eq!(outcome, Outcome::Stored, "a fill over an entry past its time");
    Ok(())
}

async fn an_entry_ends_at_its_exact_time(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("exact")?;
    let mut entry = context.value(&key, "x");
    entry.kept_until = context.now().after(Duration::from_millis(1_000));
    entry.fresh_until = entry.kept_until;
    client.set(&key, entry.clone()).await?;
    context.pass(Duration::from_millis(999)).await;
    ensure!(
        client.present(&key).await?.is_fresh(context.now()),
        "no longer fresh 1 ms before its end"
    );
    ensure_eq!(
        client.held(std::slice::from_ref(&key)).await?,
        [true],
        "get_many 1 ms before the end"
    );
    context.pass(Duration::from_millis(1)).await;
    ensure_eq!(context.now(), entry.kept_until, "the time of this case");
    ensure!(!client.holds(&key).await?, "still there at its end, which is excluded");
    ensure_eq!(client.held(std::slice::from_ref(&key)).await?, [false], "get_many at the end");
    Ok(())
}

async fn a_stale_entry_is_kept_until_its_end(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("stale")?;
    let mut entry = context.value(&key, "x");
    entry.fresh_until = context.now().after(Duration::from_secs(1));
    entry.kept_until = context.now().after(Duration::from_secs(60));
    client.set(&key, entry).await?;
    context.pass(Duration::from_secs(59)).await;
    let found = client.present(&key).await?;
    ensure!(!found.is_fresh(context.now()), "fresh long after its freshness ended");
    client.storage().maintain(Budget::UNLIMITED).await?;
    ensure!(client.holds(&key).await?, "clean-up has taken a stale entry before its end");
    context.pass(Duration::from_secs(1)).await;
    ensure!(!client.holds(&key).await?, "kept past its end");
    Ok(())
}

async fn an_entry_without_an_end_stays(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("never")?;
    let mut entry = context.value(&key, "x");
    entry.fresh_until = Timestamp::NEVER;
    entry.kept_until = Timestamp::NEVER;
    client.set(&key, entry).await?;
    context.pass(Duration::from_secs(100 * 365 * 86_400)).await;
    client.storage().maintain(Budget::UNLIMITED).await?;
    let found = client.present(&key).await?;
    ensure!(found.is_fresh(context.now()) && found.kept_until.is_never(), "it found an end");
    Ok(())
}

async fn what_is_written_past_its_time_is_not_there(context: Context) -> CaseResult {
    let client = context.client();
    for (label, filled) in [("filled", true), ("set", false)] {
        let key = context.key(label)?;
        client.set(&key, context.value(&key, "before")).await?;
        let mut entry = context.value(&key, "late");
        entry.fresh_until = Timestamp::from_unix_ms(context.now().unix_ms() - 1_000);
        entry.kept_until = entry.fresh_until;
        if filled {
            let stamp = client.stamp(&key).await?;
            client.fill(&key, entry, stamp).await?;
        } else {
            client.set(&key, entry).await?;
        }
        let found = client.payload(&key).await?;
        ensure_eq!(found, None, "a key {label} with what is past its time");
    }
    Ok(())
}

async fn an_expired_entry_does_not_count(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("past")?;
    let entry = context.short_lived(&key, "x", &[]);
    let token = entry.token;
    client.set(&key, entry).await?;
    context.pass(context.short()).await;
    let far = context.now().after(Duration::from_secs(60));
    let outcome = client.touch(&key, token, far).await?;
    ensure_eq!(outcome, Outcome::ConditionFailed, "a touch of what is past its time");
    ensure!(!client.holds(&key).await?, "a touch has brought back what was past its time");
    let stamp = client.stamp(&key).await?;
    let entry = context.value(&key, "y");
    let outcome = client.put_if_unchanged(&key, entry.clone(), Some(token), stamp).await?;
    ensure_eq!(outcome, Outcome::ConditionFailed, "a put that expects what is past its time");
    let outcome = client.put_if_unchanged(&key, entry, None, stamp).await?;
    ensure_eq!(outcome, Outcome::Stored, "a put that expects nothing, over what is past its time");
    Ok(())
}

async fn trap_20_clean_up_leaves_a_key_that_was_written_again(context: Context) -> CaseResult {
    let client = context.client();
    let (again, gone, tag) = (context.key("again")?, context.key("gone")?, context.tag("t")?);
    for key in [&again, &gone] {
        client.set(key, context.short_lived(key, "short", &[&tag])).await?;
    }
    context.pass(context.short()).await;
    client.set(&again, context.tagged(&again, "long", &[&tag])).await?;
    client.storage().maintain(Budget::UNLIMITED).await?;
    let found = client.payload(&again).await?;
    ensure_eq!(
        found.as_deref(),
        Some(&b"long"[..]),
        "a key that was written again before clean-up"
    );
    ensure!(!client.holds(&gone).await?, "an entry past its time is there after clean-up");
    client.remove(&Selector::AnyTag(vec![tag])).await?;
    ensure!(!client.holds(&again).await?, "clean-up has taken the tag of what was written again");
    Ok(())
}
