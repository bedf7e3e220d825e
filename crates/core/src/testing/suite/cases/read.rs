use super::super::case::{Case, case};
use super::super::context::Context;
use super::super::failure::{CaseResult, ensure, ensure_eq};

use std::time::Duration;

use crate::clock::Timestamp;
use crate::entry::{CodecId, Compression, Entry, EntryKind, Token};
use crate::key::{Key, Tag};
use crate::storage::Outcome;

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(a_miss_has_a_stamp_and_no_entry),
        case!(every_field_comes_back),
        case!(every_codec_and_compression_comes_back),
        case!(extreme_times_and_numbers_come_back),
        case!(empty_and_binary_payloads_come_back),
        case!(large_payloads_come_back),
        case!(long_and_unicode_keys_come_back).exclusive(),
        case!(keys_that_look_alike_stay_apart).exclusive(),
        case!(many_and_long_tags_come_back).exclusive(),
        case!(get_many_keeps_order_duplicates_and_misses),
        case!(empty_batches_are_answered_with_nothing),
        case!(the_mark_of_a_write_is_told),
    ]
}

async fn a_miss_has_a_stamp_and_no_entry(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("nothing")?;
    let missed = client.look(&key).await?;
    ensure_eq!(missed.entry, None, "the entry of a key that was never written");
    let outcome = client.fill(&key, context.value(&key, "loaded"), missed.stamp).await?;
    ensure_eq!(outcome, Outcome::Stored, "a fill under the stamp of its own miss");
    ensure!(client.holds(&key).await?, "what was filled is not there");
    Ok(())
}

/// Writes an entry and reads it back by both ways of reading; only the mark may differ.
async fn round_trip(context: &Context, key: &Key, written: Entry) -> CaseResult {
    let client = context.client();
    client.set(key, written.clone()).await?;
    let read = client.present(key).await?;
    let marked = Entry { stamp: read.stamp, ..written };
    ensure_eq!(read, marked, "the entry of {key} as get gives it");
    let many = context.storage().get_many(std::slice::from_ref(key)).await?;
    for lookup in many {
        ensure_eq!(lookup?.entry, Some(marked.clone()), "the entry of {key} as get_many gives it");
    }
    Ok(())
}

async fn every_field_comes_back(context: Context) -> CaseResult {
    let tags = [context.tag("users")?, context.tag("admins")?];
    let key = context.key("value")?;
    let mut entry = context.tagged(&key, "some bytes", &[&tags[0], &tags[1]]);
    entry.decoded_bytes = 4_000_000_000;
    entry.compression = Compression::Zstd;
    entry.idle = Some(Duration::from_millis(1_234_567));
    entry.created = Timestamp::from_unix_ms(entry.created.unix_ms() - 77);
    round_trip(&context, &key, entry.sealed(&key)).await?;

    let key = context.key("absent")?;
    let mut entry = context.tagged(&key, "", &[&tags[0]]);
    entry.kind = EntryKind::Absent;
    round_trip(&context, &key, entry.sealed(&key)).await
}

async fn every_codec_and_compression_comes_back(context: Context) -> CaseResult {
    let key = context.key("codec")?;
    for number in [0, 1, 2, 3, 4, 127, 128, 200, 255] {
        for compression in [Compression::None, Compression::Zstd, Compression::Lz4] {
            let mut entry = context.value(&key, [number]);
            entry.codec = CodecId::from_number(number);
            entry.compression = compression;
            round_trip(&context, &key, entry.sealed(&key)).await?;
        }
    }
    Ok(())
}

async fn extreme_times_and_numbers_come_back(context: Context) -> CaseResult {
    let key = context.key("extreme")?;
    let largest = Timestamp::from_unix_ms(i64::MAX as u64);
    let times = [
        (Timestamp::from_unix_ms(0), Timestamp::NEVER, Timestamp::NEVER),
        (context.now(), context.now(), Timestamp::NEVER),
        (context.now(), Timestamp::from_unix_ms(0), largest),
    ];
    for (created, fresh_until, kept_until) in times {
        for number in [0, 1, i64::MAX as u64, 1 << 63, u64::MAX] {
            let mut entry = context.value(&key, "extreme");
            (entry.created, entry.fresh_until, entry.kept_until) =
                (created, fresh_until, kept_until);
            entry.token = Token(number);
            round_trip(&context, &key, entry.sealed(&key)).await?;
        }
    }
    Ok(())
}

async fn empty_and_binary_payloads_come_back(context: Context) -> CaseResult {
    let key = context.key("bytes")?;
    let every_byte: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    for payload in [&b""[..], b"\0", b"\0\0a\0", b"'; --", b"\r\n", b"\xff\xfe", &every_byte] {
        round_trip(&context, &key, context.value(&key, payload)).await?;
    }
    Ok(())
}

async fn large_payloads_come_back(context: Context) -> CaseResult {
    let key = context.key("large")?;
    let bytes_max = context.storage().capabilities().value_bytes_max;
    for bytes in [4_095, 4_096, 65_537, 1 << 20, 5_000_001] {
        if bytes as u64 <= bytes_max {
            // No two pages alike, and not to be compressed away.
            let mut random = fastrand::Rng::with_seed(bytes as u64);
            let payload: Vec<u8> = (0..bytes).map(|_| random.u8(..)).collect();
            round_trip(&context, &key, context.value(&key, payload)).await?;
        }
    }
    Ok(())
}

async fn long_and_unicode_keys_come_back(context: Context) -> CaseResult {
    let mut keys = vec![
        context.longest_key('a')?,
        context.longest_key('ß')?,
        context.longest_key('語')?,
        context.longest_key('🦀')?,
    ];
    for name in
        ["ключ:значение", "株価:2330", "a b", " ", "'", "\"", "\\", "%41", "$x{y}", "\u{202e}x"]
    {
        keys.push(context.exact_key(name, "v1")?);
    }
    for key in &keys {
        round_trip(&context, key, context.value(key, key.as_str())).await?;
    }
    for key in &keys {
        let payload = context.client().payload(key).await?;
        ensure_eq!(payload.as_deref(), Some(key.as_str().as_bytes()), "the payload of {key}");
    }
    Ok(())
}

async fn keys_that_look_alike_stay_apart(context: Context) -> CaseResult {
    let names = [
        "a", "A", "a ", " a", "á", "a\u{301}", "ä", "a%", "a_", "a*", "a?", "a\\", "aa", "a.",
        "a/", "ss", "ß", "SS", "ı", "i", "İ", "ﬁ", "fi", "a:b", "a::b", "a%3Ab", "1", "01", "1.0",
        "１",
    ];
    let mut keys = Vec::new();
    for name in names {
        keys.push(context.exact_key(name, "v1")?);
    }
    keys.push(context.exact_key("a", "V1")?);
    keys.push(context.exact_key("a", "v2")?);
    keys.push(Key::from_parts(&context.prefix().to_uppercase(), "a", "v1")?);
    for key in &keys {
        ensure!(!context.client().holds(key).await?, "{key:?} was found before it was written");
        context.client().set(key, context.value(key, key.as_str())).await?;
    }
    let lookups = context.storage().get_many(&keys).await?;
    for (key, lookup) in keys.iter().zip(lookups) {
        let payload = lookup?.entry.map(|entry| entry.payload);
        ensure_eq!(payload.as_deref(), Some(key.as_str().as_bytes()), "the payload of {key:?}");
    }
    Ok(())
}

async fn many_and_long_tags_come_back(context: Context) -> CaseResult {
    let key = context.key("tagged")?;
    let mut tags = Vec::new();
    for number in 0..64 {
        tags.push(context.tag(&format!("tag:{number}"))?);
    }
    let room = crate::key::TAG_BYTES_MAX - context.prefix().len() - 1;
    for label in ["ключ", "a b", "'", ",", ";", "A", "{}", "\\", &"x".repeat(room)] {
        tags.push(Tag::new(context.prefix(), label)?);
    }
    let tags: Vec<&Tag> = tags.iter().collect();
    round_trip(&context, &key, context.tagged(&key, "tagged", &tags)).await?;
    round_trip(&context, &key, context.value(&key, "no tags any more")).await
}

async fn get_many_keeps_order_duplicates_and_misses(context: Context) -> CaseResult {
    let keys = context.keys("many", 60)?;
    for key in keys.iter().step_by(3) {
        context.client().set(key, context.value(key, key.as_str())).await?;
    }
    let mut asked: Vec<Key> = keys.iter().rev().cloned().collect();
    asked.extend_from_slice(&keys[..7]);
    asked.push(keys[3].clone());
    let lookups = context.storage().get_many(&asked).await?;
    ensure_eq!(lookups.len(), asked.len(), "answers to a batch");
    for (key, lookup) in asked.iter().zip(lookups) {
        let written = keys.iter().step_by(3).any(|written| written == key);
        let payload = lookup?.entry.map(|entry| entry.payload);
        let expected = written.then(|| key.as_str().as_bytes());
        ensure_eq!(payload.as_deref(), expected, "the payload of {key} in a batch");
    }
    Ok(())
}

async fn empty_batches_are_answered_with_nothing(context: Context) -> CaseResult {
    ensure!(context.storage().get_many(&[]).await?.is_empty(), "answers to no keys");
    ensure!(context.storage().stamps(&[]).await?.is_empty(), "stamps for no keys");
    ensure!(context.storage().write(Vec::new()).await?.is_empty(), "outcomes of no writes");
    Ok(())
}

async fn the_mark_of_a_write_is_told(context: Context) -> CaseResult {
    let client = context.client();
    let key = context.key("marked")?;
    let loaded_at = client.stamp(&key).await?;
    client.fill(&key, context.value(&key, "filled"), loaded_at).await?;
    let filled = client.present(&key).await?;
    ensure_eq!(filled.stamp, loaded_at.mark, "the mark of an entry that was filled");
    client.set(&key, context.value(&key, "set")).await?;
    let lookup = client.look(&key).await?;
    let set = lookup.entry.map_or(0, |entry| entry.stamp);
    ensure!(set > loaded_at.mark, "a set has mark {set}, not above {}", loaded_at.mark);
    ensure!(set <= lookup.stamp.mark, "a set has a mark that the counter has not reached");
    Ok(())
}
