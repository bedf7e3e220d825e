//! Any text as key, tag, pattern, template or name.

#![no_main]

use cache_core::key::{Glob, Key, KeyPattern, KeyTemplate, TAG_BYTES_MAX, Tag, validate_name};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (one, other) = text.split_once('\n').unwrap_or((text, "user:7"));
    key(one);
    tag(one, other);
    pattern(one, other);
    template(one, other);
});

fn key(text: &str) {
    let Ok(key) = Key::parse(text) else { return };
    assert_eq!(key.as_str(), text);
    assert_eq!(format!("{}:{}:{}", key.prefix(), key.name(), key.version()), text);
    assert!(!key.name().is_empty() && !key.version().contains(':') && !key.prefix().contains(':'));
    assert!(KeyPattern::new(key.prefix(), Glob::any(), Some(key.version())).matches(&key));
}

fn tag(text: &str, label: &str) {
    if let Ok(tag) = Tag::parse(text) {
        assert_eq!(format!("{}:{}", tag.prefix(), tag.label()), text);
        assert!(text.len() <= TAG_BYTES_MAX);
    }
    if let Ok(tag) = Tag::new(text, label) {
        assert_eq!((tag.prefix(), tag.label()), (text, label));
        assert_eq!(Tag::parse(tag.as_str()).as_ref(), Ok(&tag));
        assert!(validate_name("prefix", text).is_ok());
    }
}

fn pattern(pattern: &str, text: &str) {
    for glob in [Glob::parse(pattern), Glob::parse_like(pattern)].into_iter().flatten() {
        assert_eq!(Glob::parse(&glob.to_string()).as_ref(), Ok(&glob));
        if glob.matches(text) {
            assert!(text.starts_with(glob.literal_head()));
        }
        let keys = KeyPattern::new("app", glob, None);
        if let Ok(key) = Key::parse(&format!("app:{text}:v1"))
            && keys.matches(&key)
        {
            assert!(key.as_str().starts_with(&keys.literal_head()));
        }
    }
}

fn template(text: &str, field: &str) {
    let Ok(template) = KeyTemplate::parse(text) else { return };
    assert_eq!(template.as_str(), text);
    assert!(template.overlaps(&template));
    let glob = Glob::parse(&template.glob()).expect("a template's own pattern is valid");
    let count = template.field_names().count();
    let key = template.key_of("app", "v1", |fields| (0..count).for_each(|_| fields.push(field)));
    if let Ok(key) = key {
        assert!(template.fits(key.name()), "{key} is made by {template}");
        assert!(glob.matches(key.name()), "{key} is matched by {glob}");
        assert_eq!(Key::parse(key.as_str()).as_ref(), Ok(&key));
    }
    if let Ok(other) = KeyTemplate::parse(field) {
        assert_eq!(template.overlaps(&other), other.overlaps(&template));
    }
    if let Ok(key) = template.key_of("app", "v1", |fields| fields.whole(field)) {
        assert_eq!(key.name(), field);
    }
}
