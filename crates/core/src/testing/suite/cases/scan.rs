use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use futures_util::stream::StreamExt;

use crate::entry::EntryKind;
use crate::key::{Glob, Key, KeyPattern};
use crate::storage::{EntryDetails, Selector};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(a_scan_lists_exactly_what_is_selected, Scan).exclusive(),
        case!(a_scan_tells_all_details, Scan),
        case!(a_scan_leaves_out_what_is_past_its_time, Scan),
        case!(a_scan_of_many_lists_each_once, Scan).exclusive(),
        case!(a_scan_given_up_halfway_leaves_no_trace, Scan).exclusive(),
    ]
}

async fn a_scan_lists_exactly_what_is_selected(context: Context) -> CaseResult {
    let client = context.client();
    let (a, b, unborne) = (context.tag("a")?, context.tag("b")?, context.tag("unborne")?);
    let neighbour = format!("{}b", context.prefix());
    let mut keys: Vec<Key> = Vec::new();
    for (name, version) in [
        ("user:1", "v1"),
        ("user:2", "v1"),
        ("user:2", "v2"),
        ("User:1", "v1"),
        ("user_1", "v1"),
        ("user%", "v1"),
        ("株:1", "v1"),
        ("plain", "v1"),
    ] {
        keys.push(context.exact_key(name, version)?);
    }
    keys.push(Key::from_parts(&neighbour, "user:1", "v1")?);
    let mut written = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        let mut tags = Vec::new();
        // A tag is of its own cache; the neighbour's entry bears none.
        if key.prefix() == context.prefix() {
            if number % 2 == 0 {
                tags.push(&a);
            }
            if number % 3 == 0 {
                tags.push(&b);
            }
        }
        let entry = context.tagged(key, "x", &tags);
        written.push((key.clone(), entry.tags.clone()));
        client.set(key, entry).await?;
    }
    let pattern = |glob: &str, version| -> CaseResult<Selector> {
        Ok(Selector::Pattern(KeyPattern::new(context.prefix(), Glob::parse(glob)?, version)))
    };
    let missing = context.exact_key("missing", "v1")?;
    let selectors = [
        Selector::Keys(vec![keys[1].clone(), missing, keys[4].clone(), keys[1].clone()]),
        Selector::Keys(vec![]),
        Selector::AnyTag(vec![a.clone()]),
        Selector::AnyTag(vec![a.clone(), b.clone(), unborne.clone()]),
        Selector::AnyTag(vec![unborne.clone()]),
        Selector::AnyTag(vec![]),
        Selector::AllTags(vec![a.clone(), b.clone()]),
        Selector::AllTags(vec![b]),
        Selector::AllTags(vec![a, unborne]),
        Selector::AllTags(vec![]),
        pattern("*", None)?,
        pattern("user:*", None)?,
        pattern("user:*", Some("v2"))?,
        pattern("user_*", None)?,
        pattern("user?1", None)?,
        pattern("user%*", None)?,
        pattern("株:?", None)?,
        Selector::Namespace(context.prefix().to_owned()),
        Selector::Namespace(neighbour.clone()),
        Selector::Namespace(format!("{neighbour}b")),
    ];
    for selector in selectors {
        let listed: Vec<Key> = client.scan(&selector).await?.into_keys().collect();
        let mut expected: Vec<Key> = written
            .iter()
            .filter(|(key, tags)| selector.selects(key, tags))
            .map(|(key, _)| key.clone())
            .collect();
        expected.sort();
        ensure_eq!(listed, expected, "what a scan of {selector:?} lists");
    }
    client.remove(&Selector::Namespace(neighbour)).await?;
    Ok(())
}

async fn a_scan_tells_all_details(context: Context) -> CaseResult {
    let client = context.client();
    let (key, absent) = (context.key("value")?, context.key("absent")?);
    let (one, two) = (context.tag("one")?, context.tag("two")?);
    let value = context.tagged(&key, vec![7; 10_000], &[&one, &two]);
    let mut negative = context.value(&absent, "");
    negative.kind = EntryKind::Absent;
    let negative = negative.sealed(&absent);
    client.set(&key, value.clone()).await?;
    client.set(&absent, negative.clone()).await?;
    let listed = client.scan(&Selector::Keys(vec![key.clone(), absent.clone()])).await?;
    let expected = [
        (key.clone(), EntryDetails::of(key.clone(), &value)),
        (absent.clone(), EntryDetails::of(absent, &negative)),
    ];
    ensure_eq!(listed, expected.into(), "the details that a scan gives");
    Ok(())
}

async fn a_scan_leaves_out_what_is_past_its_time(context: Context) -> CaseResult {
    let client = context.client();
    let (stays, goes, tag) = (context.key("stays")?, context.key("goes")?, context.tag("tag")?);
    client.set(&stays, context.tagged(&stays, "x", &[&tag])).await?;
    client.set(&goes, context.short_lived(&goes, "x", &[&tag])).await?;
    context.pass(context.short()).await;
    let selectors = [
        Selector::Namespace(context.prefix().to_owned()),
        Selector::AnyTag(vec![tag.clone()]),
        Selector::AllTags(vec![tag]),
        Selector::Keys(vec![stays.clone(), goes]),
        Selector::Pattern(KeyPattern::new(context.prefix(), Glob::any(), None)),
    ];
    for selector in selectors {
        let listed: Vec<Key> = client.scan(&selector).await?.into_keys().collect();
        ensure_eq!(listed, std::slice::from_ref(&stays), "what a scan of {selector:?} lists");
    }
    Ok(())
}

async fn write_many(context: &Context, count: usize) -> CaseResult<Vec<Key>> {
    let mut keys = Vec::new();
    for number in 0..count {
        let key = context.exact_key(&format!("many:{number:05}"), "v1")?;
        let stamp = context.client().stamp(&key).await?;
        context.client().fill(&key, context.value(&key, "x"), stamp).await?;
        keys.push(key);
    }
    Ok(keys)
}

async fn a_scan_of_many_lists_each_once(context: Context) -> CaseResult {
    let keys = write_many(&context, 1_200).await?;
    let everything = Selector::Namespace(context.prefix().to_owned());
    let listed: Vec<Key> = context.client().scan(&everything).await?.into_keys().collect();
    ensure_eq!(listed.len(), keys.len(), "how many keys a scan of many lists");
    ensure!(listed == keys, "a scan of many lists other keys than were written");
    Ok(())
}

async fn a_scan_given_up_halfway_leaves_no_trace(context: Context) -> CaseResult {
    let client = context.client();
    let keys = write_many(&context, 300).await?;
    let everything = Selector::Namespace(context.prefix().to_owned());
    for taken in [0, 1, 7, 299] {
        let listed: Vec<_> = client.storage().scan(&everything).take(taken).collect().await;
        ensure_eq!(listed.len(), taken, "what was taken of a scan");
        // A cursor, lock or connection left behind would stand in the way of these.
        client.set(&keys[0], context.value(&keys[0], "y")).await?;
    }
    // Changes made while a scan is halfway neither hang nor break it.
    let mut halfway = client.storage().scan(&everything);
    let first = halfway.next().await;
    ensure!(matches!(first, Some(Ok(_))), "a scan that begins with {first:?}");
    client.remove(&Selector::Keys(keys[100..].to_vec())).await?;
    while let Some(details) = halfway.next().await {
        let details = details?;
        ensure!(keys.contains(&details.key), "{} was never written", details.key);
    }
    drop(halfway);
    ensure_eq!(client.scan(&everything).await?.len(), 100, "what a scan lists after a removal");
    Ok(())
}
