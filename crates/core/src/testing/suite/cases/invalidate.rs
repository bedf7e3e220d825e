use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use std::time::Duration;

use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::key::{Glob, Key, KeyPattern, Tag};
use crate::storage::{Selector, Write, WriteAction};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(removing_keys_takes_those_and_no_others),
        case!(removing_any_tag_takes_exactly_its_bearers),
        case!(removing_all_tags_takes_exactly_their_bearers),
        case!(empty_selectors_name_nothing),
        case!(tags_of_two_prefixes_never_meet).exclusive(),
        case!(tags_that_look_alike_stay_apart).exclusive(),
        case!(a_tag_on_many_entries_is_removed_whole).exclusive(),
        case!(an_expired_entry_is_kept_and_not_fresh).exclusive(),
        case!(an_entry_without_an_end_expires),
        case!(a_removal_takes_what_had_expired),
    ]
}

async fn removing_keys_takes_those_and_no_others(context: Context) -> CaseResult {
    let client = context.client();
    let keys = context.keys("key", 6)?;
    for key in &keys[..5] {
        client.set(key, context.value(key, "x")).await?;
    }
    // Twice the same one, and one that is not there.
    let named = vec![keys[1].clone(), keys[3].clone(), keys[1].clone(), keys[5].clone()];
    ensure_eq!(client.remove(&Selector::Keys(named)).await?, 2, "entries removed by key");
    let held = client.held(&keys).await?;
    ensure_eq!(held, [true, false, true, false, true, false], "which keys are left");
    Ok(())
}

/// Six keys with all combinations that matter of three tags.
async fn tagged_keys(context: &Context) -> CaseResult<([Tag; 3], Vec<Key>)> {
    let tags = [context.tag("a")?, context.tag("b")?, context.tag("c")?];
    let keys = context.keys("tagged", 6)?;
    let [a, b, c] = &tags;
    let borne: [&[&Tag]; 6] = [&[], &[a], &[b], &[a, b], &[a, b, c], &[c]];
    for (key, tags) in keys.iter().zip(borne) {
        context.client().set(key, context.tagged(key, "x", tags)).await?;
    }
    Ok((tags, keys))
}

async fn removing_any_tag_takes_exactly_its_bearers(context: Context) -> CaseResult {
    let client = context.client();
    let ([a, b, c], keys) = tagged_keys(&context).await?;
    ensure_eq!(client.remove_tag(&a).await?, 3, "entries that bear a");
    let held = client.held(&keys).await?;
    ensure_eq!(held, [true, false, true, false, false, true], "what is left without a");
    let removed = client.remove(&Selector::AnyTag(vec![c.clone(), b, c, a])).await?;
    ensure_eq!(removed, 2, "entries that bear one of the others");
    let held = client.held(&keys).await?;
    ensure_eq!(held, [true, false, false, false, false, false], "what is left without tags");
    Ok(())
}

async fn removing_all_tags_takes_exactly_their_bearers(context: Context) -> CaseResult {
    let client = context.client();
    let ([a, b, c], keys) = tagged_keys(&context).await?;
    let all = |tags: &[&Tag]| Selector::AllTags(tags.iter().copied().cloned().collect());
    ensure_eq!(client.remove(&all(&[&c, &b, &b])).await?, 1, "entries that bear b and c");
    let held = client.held(&keys).await?;
    ensure_eq!(held, [true, true, true, true, false, true], "what is left without b and c");
    ensure_eq!(client.remove(&all(&[&a, &b, &c])).await?, 0, "entries that bear all three");
    ensure_eq!(client.remove(&all(&[&a, &b])).await?, 1, "entries that bear a and b");
    ensure_eq!(client.remove(&all(&[&a])).await?, 1, "entries that bear a");
    let held = client.held(&keys).await?;
    ensure_eq!(held, [true, false, true, false, false, true], "what is left in the end");
    Ok(())
}

async fn empty_selectors_name_nothing(context: Context) -> CaseResult {
    let client = context.client();
    let (_, keys) = tagged_keys(&context).await?;
    for selector in [Selector::Keys(vec![]), Selector::AnyTag(vec![]), Selector::AllTags(vec![])] {
        ensure_eq!(client.remove(&selector).await?, 0, "entries that {selector:?} names");
        ensure_eq!(client.expire(&selector).await?, 0, "entries that {selector:?} expires");
    }
    ensure_eq!(client.held(&keys).await?, [true; 6], "what is left");
    for key in &keys {
        ensure!(client.present(key).await?.is_fresh(context.now()), "{key} is no longer fresh");
    }
    Ok(())
}

async fn tags_of_two_prefixes_never_meet(context: Context) -> CaseResult {
    let client = context.client();
    let other = format!("{}b", context.prefix());
    let (ours, theirs) = (Tag::new(context.prefix(), "users")?, Tag::new(&other, "users")?);
    let key = context.exact_key("key", "v1")?;
    let their_key = Key::from_parts(&other, "key", "v1")?;
    client.set(&key, context.tagged(&key, "ours", &[&ours])).await?;
    client.set(&their_key, context.tagged(&their_key, "theirs", &[&theirs])).await?;
    ensure_eq!(client.remove_tag(&theirs).await?, 1, "entries that bear the other's tag");
    ensure!(client.holds(&key).await?, "removed by another cache's tag");
    ensure!(!client.holds(&their_key).await?, "not removed by its tag");
    Ok(())
}

async fn tags_that_look_alike_stay_apart(context: Context) -> CaseResult {
    let client = context.client();
    let labels = [
        "a", "A", "a ", "á", "a\u{301}", "aa", "a%", "%", "_", "a_", "*", "a*", "?", "[a]", "a:b",
        "a:", "a,b", "ß", "ss", "'a'", "{a}",
    ];
    let tags = labels.map(|label| Tag::new(context.prefix(), label));
    let mut tagged = Vec::new();
    for (number, tag) in tags.into_iter().enumerate() {
        let (key, tag) = (context.exact_key(&format!("key{number}"), "v1")?, tag?);
        client.set(&key, context.tagged(&key, "x", &[&tag])).await?;
        tagged.push((key, tag));
    }
    while let Some((key, tag)) = tagged.pop() {
        ensure_eq!(client.remove_tag(&tag).await?, 1, "entries that bear {tag:?}");
        ensure!(!client.holds(&key).await?, "not removed by {tag:?}");
        let keys: Vec<Key> = tagged.iter().map(|(key, _)| key.clone()).collect();
        let held = client.held(&keys).await?;
        ensure!(!held.contains(&false), "{tag:?} has removed more than its own");
    }
    Ok(())
}

async fn a_tag_on_many_entries_is_removed_whole(context: Context) -> CaseResult {
    let client = context.client();
    let (many, few) = (context.tag("many")?, context.tag("few")?);
    let mut keys = Vec::new();
    for number in 0..2_500 {
        keys.push(context.exact_key(&format!("many:{number}"), "v1")?);
    }
    for part in keys.chunks(500) {
        let writes = part.iter().map(|key| {
            let apart = key.name().ends_with("00");
            let entry = context.tagged(key, "x", &[if apart { &few } else { &many }]);
            Write { key: key.clone(), action: WriteAction::Set { entry } }
        });
        for outcome in context.storage().write(writes.collect()).await? {
            outcome?;
        }
    }
    let apart = keys.iter().filter(|key| key.name().ends_with("00")).count();
    let removed = client.remove_tag(&many).await?;
    ensure_eq!(removed, (keys.len() - apart) as u64, "entries removed by a tag of many");
    let held = client.held(&keys).await?;
    for (key, held) in keys.iter().zip(held) {
        ensure_eq!(held, key.name().ends_with("00"), "whether {key} is left");
    }
    Ok(())
}

async fn an_expired_entry_is_kept_and_not_fresh(context: Context) -> CaseResult {
    let client = context.client();
    let (key, other) = (context.key("expired")?, context.exact_key("other", "v1")?);
    let (tag, second) = (context.tag("tag")?, context.tag("second")?);
    let pattern = KeyPattern::new(context.prefix(), Glob::parse("expired*")?, None);
    let selectors = [
        Selector::Keys(vec![key.clone()]),
        Selector::AnyTag(vec![tag.clone()]),
        Selector::AllTags(vec![second.clone(), tag.clone()]),
        Selector::Pattern(pattern),
    ];
    client.set(&other, context.tagged(&other, "other", &[&second])).await?;
    for selector in selectors {
        client.set(&key, context.tagged(&key, "kept", &[&tag, &second])).await?;
        let before = client.present(&key).await?;
        ensure_eq!(client.expire(&selector).await?, 1, "entries that {selector:?} expires");
        let after = client.present(&key).await?;
        ensure!(!after.is_fresh(context.now()), "fresh after {selector:?}");
        let (fresh_until, stamp) = (after.fresh_until, after.stamp);
        let expected = Entry { fresh_until, stamp, ..before };
        ensure_eq!(after, expected, "all but freshness after {selector:?}");
        ensure!(client.present(&other).await?.is_fresh(context.now()), "{selector:?} took another");
    }
    client.expire(&Selector::Namespace(context.prefix().to_owned())).await?;
    for key in [&key, &other] {
        let found = client.present(key).await?;
        ensure!(!found.is_fresh(context.now()), "{key} is fresh after its namespace expired");
    }
    Ok(())
}

async fn an_entry_without_an_end_expires(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("never")?;
    let mut entry = context.value(&key, "x");
    (entry.fresh_until, entry.kept_until) = (Timestamp::NEVER, Timestamp::NEVER);
    client.set(&key, entry).await?;
    client.expire(&Selector::Keys(vec![key.clone()])).await?;
    let found = client.present(&key).await?;
    ensure!(!found.is_fresh(context.now()), "fresh after it expired");
    ensure!(found.kept_until.is_never(), "an expiry has moved the end of an entry");
    // It never makes anything fresher either.
    let long_ago = Timestamp::from_unix_ms(context.now().unix_ms() - 60_000);
    let mut entry = context.value(&key, "x");
    entry.fresh_until = long_ago;
    client.set(&key, entry).await?;
    client.expire(&Selector::Keys(vec![key.clone()])).await?;
    let found = client.present(&key).await?;
    ensure!(found.fresh_until <= long_ago, "an expiry has made a stale entry fresher");
    Ok(())
}

async fn a_removal_takes_what_had_expired(context: Context) -> CaseResult {
    let client = context.client();
    let (key, tag) = (context.key("expired")?, context.tag("tag")?);
    for selector in [Selector::Keys(vec![key.clone()]), Selector::AnyTag(vec![tag.clone()])] {
        client.set(&key, context.tagged(&key, "x", &[&tag])).await?;
        client.expire(&selector).await?;
        context.pass(Duration::from_millis(1)).await;
        ensure_eq!(client.remove(&selector).await?, 1, "entries that {selector:?} removes");
        ensure!(!client.holds(&key).await?, "there after {selector:?}, because it had expired");
    }
    Ok(())
}
