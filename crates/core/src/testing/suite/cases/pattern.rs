use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use crate::key::{Glob, Key, KeyPattern};
use crate::storage::{InvalidationMode, Selector};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(a_pattern_takes_exactly_what_matches).exclusive(),
        case!(trap_27_a_pattern_stays_within_its_prefix).exclusive(),
        case!(a_pattern_of_one_version_leaves_the_others).exclusive(),
        case!(a_namespace_takes_exactly_its_own).exclusive(),
        case!(patterns_and_namespaces_take_their_tags_along).exclusive(),
    ]
}

const NAMES: &[&str] = &[
    "user:1",
    "user:12",
    "user:2:info",
    "User:1",
    "USER:1",
    "user%1",
    "user_1",
    "userx1",
    "user:*",
    "user:?",
    "user:[12]",
    "user:\\",
    "user:\\*",
    "100%",
    "100",
    "1000",
    "a_b",
    "axb",
    "a%b",
    "a*b",
    "a?b",
    "a[b",
    "a]b",
    "[a-z]",
    "q",
    "пользователь:1",
    "株:2330",
    "株:0050",
    "é",
    "e\u{301}",
    "e",
    "🦀",
    "🦀🦀",
    "^a$",
    "a.b",
    "aab",
    "#",
    "a'b",
    "{a}",
    "v1",
    "-",
    "!a",
    "a:b:c:d",
];

const GLOBS: &[&str] = &[
    "*",
    "?",
    "??",
    "user:*",
    "user:?",
    "user:1*",
    "*1",
    "*:*",
    "user_*",
    "user%*",
    "user?1",
    r"user:\*",
    r"user:\?",
    r"user:\\",
    r"user:\\\*",
    "user:[12]",
    "[a-z]",
    "100%",
    "100*",
    "a_b",
    "a%b",
    r"a\*b",
    r"a\?b",
    "a?b",
    "a*b",
    "a[b",
    "a]b",
    "*%*",
    "*_*",
    "*[*",
    r"*\\*",
    "株:*",
    "株:????",
    "?:*",
    "é",
    "🦀",
    "🦀?",
    "^a$",
    "a.b",
    "*'*",
    "USER:*",
    "nothing*",
    "*:info",
    "*o*",
    "{a}",
    "!a",
    "a:*:*:d",
];

async fn write_names(context: &Context) -> CaseResult<Vec<Key>> {
    let mut keys = Vec::new();
    for name in NAMES {
        keys.push(context.exact_key(name, "v1")?);
    }
    for key in &keys {
        if !context.client().holds(key).await? {
            context.client().set(key, context.value(key, "x")).await?;
        }
    }
    Ok(keys)
}

async fn a_pattern_takes_exactly_what_matches(context: Context) -> CaseResult {
    let client = context.client();
    for glob in GLOBS {
        let keys = write_names(&context).await?;
        let pattern = KeyPattern::new(context.prefix(), Glob::parse(glob)?, None);
        let expected: Vec<bool> = keys.iter().map(|key| !pattern.matches(key)).collect();
        let matching = expected.iter().filter(|left| !**left).count() as u64;
        let removed = client.remove(&Selector::Pattern(pattern)).await?;
        let held = client.held(&keys).await?;
        for ((key, held), expected) in keys.iter().zip(held).zip(expected) {
            ensure_eq!(held, expected, "whether {key:?} is left by the pattern {glob:?}");
        }
        ensure_eq!(removed, matching, "entries that the pattern {glob:?} removed");
    }
    Ok(())
}

/// Prefixes that a careless search would take for the case's own.
fn neighbours(context: &Context) -> Vec<String> {
    let own = context.prefix();
    let shorter = own[..own.len() - 1].to_owned();
    let upper = own.to_uppercase();
    vec![format!("{own}b"), shorter, upper, format!("{own}_"), format!("x{own}")]
}

async fn trap_27_a_pattern_stays_within_its_prefix(context: Context) -> CaseResult {
    let client = context.client();
    let mut others = Vec::new();
    for prefix in neighbours(&context) {
        let name = format!("{}:user:1", context.prefix());
        others.push(Key::from_parts(&prefix, "user:1", "v1")?);
        others.push(Key::from_parts(&prefix, &name, "v1")?);
    }
    for key in &others {
        client.set(key, context.value(key, "x")).await?;
    }
    for glob in ["*", "*user:1", "user:*", "?ser*"] {
        let own = context.exact_key("user:1", "v1")?;
        client.set(&own, context.value(&own, "x")).await?;
        let pattern = KeyPattern::new(context.prefix(), Glob::parse(glob)?, None);
        let removed = client.remove(&Selector::Pattern(pattern)).await?;
        ensure_eq!(removed, 1, "entries that the pattern {glob:?} removed");
        ensure!(!client.holds(&own).await?, "left by the pattern {glob:?}");
        let held = client.held(&others).await?;
        ensure!(!held.contains(&false), "the pattern {glob:?} has left its prefix");
    }
    // A prefix is data too: a `_` in it stands for nothing else.
    let like = neighbours(&context)[3].clone();
    let pattern = KeyPattern::new(like, Glob::any(), None);
    ensure_eq!(client.remove(&Selector::Pattern(pattern)).await?, 2, "entries of `{{prefix}}_`");
    client.remove(&Selector::Keys(others)).await?;
    Ok(())
}

async fn a_pattern_of_one_version_leaves_the_others(context: Context) -> CaseResult {
    let client = context.client();
    let versions = ["v1", "v2", "V1", "v11", "1", "v_"];
    let mut keys = Vec::new();
    for version in versions {
        keys.push(context.exact_key("user:v1", version)?);
        keys.push(context.exact_key("user:1", version)?);
    }
    for version in ["v1", "v_"] {
        for key in &keys {
            client.set(key, context.value(key, "x")).await?;
        }
        let pattern = KeyPattern::new(context.prefix(), Glob::parse("user:*")?, Some(version));
        let removed = client.remove(&Selector::Pattern(pattern)).await?;
        ensure_eq!(removed, 2, "entries of version {version}");
        let held = client.held(&keys).await?;
        for (key, held) in keys.iter().zip(held) {
            ensure_eq!(held, key.version() != version, "whether {key} is left by {version}");
        }
    }
    // Without a version all are meant.
    let pattern = KeyPattern::new(context.prefix(), Glob::parse("user:v*")?, None);
    let removed = client.remove(&Selector::Pattern(pattern)).await?;
    ensure_eq!(removed, 5, "entries of all versions that were left");
    Ok(())
}

async fn a_namespace_takes_exactly_its_own(context: Context) -> CaseResult {
    let client = context.client();
    let own = write_names(&context).await?;
    let mut others = Vec::new();
    for prefix in neighbours(&context) {
        others.push(Key::from_parts(&prefix, "key", "v1")?);
    }
    for key in &others {
        client.set(key, context.value(key, "x")).await?;
    }
    let removed = client.remove(&Selector::Namespace(context.prefix().to_owned())).await?;
    ensure_eq!(removed, own.len() as u64, "entries of the namespace");
    ensure!(!client.held(&own).await?.contains(&true), "something of the namespace is left");
    let held = client.held(&others).await?;
    ensure!(!held.contains(&false), "the namespace has taken another's: {others:?} {held:?}");
    let like = neighbours(&context)[3].clone();
    ensure_eq!(client.remove(&Selector::Namespace(like)).await?, 1, "entries of `{{prefix}}_`");
    client.remove(&Selector::Keys(others)).await?;
    Ok(())
}

async fn patterns_and_namespaces_take_their_tags_along(context: Context) -> CaseResult {
    let client = context.client();
    let (key, tag) = (context.key("tagged")?, context.tag("tag")?);
    let selectors = [
        Selector::Pattern(KeyPattern::new(context.prefix(), Glob::any(), None)),
        Selector::Namespace(context.prefix().to_owned()),
        Selector::Keys(vec![key.clone()]),
    ];
    for selector in selectors {
        client.set(&key, context.tagged(&key, "tagged", &[&tag])).await?;
        client.storage().invalidate(&selector, InvalidationMode::Remove).await?;
        client.set(&key, context.value(&key, "untagged")).await?;
        ensure_eq!(client.remove_tag(&tag).await?, 0, "entries left in the tag after {selector:?}");
        ensure!(client.holds(&key).await?, "removed by a tag that went with {selector:?}");
    }
    Ok(())
}
