//! Pending parts: no reader sees them, every kind of invalidation takes them away.

use std::time::Duration;

use cache_core::key::{Glob, KeyPattern};
use cache_core::storage::{Budget, InvalidationMode, Outcome, Selector, Storage};
use mongodb::bson::{Bson, DateTime, Document, doc};

use super::common::{Documents, documents, fill, holds, key, options, server, set, tag};

/// Puts a pending part where a fill would have.
async fn announce(documents: &Documents, name: &str, tags: &[&str]) {
    let mut labels = vec!["t".to_owned()];
    labels.extend(tags.iter().map(|label| tag(label).as_str().to_owned()));
    let part = doc! { "ticket": 7_i64, "tags": labels };
    let update = doc! { "$push": { "pending": part } };
    let id = key(name);
    documents.update_one(doc! { "_id": id.as_str() }, update).upsert(true).await.unwrap();
}

async fn is_announced(documents: &Documents, name: &str) -> bool {
    let filter = doc! { "_id": key(name).as_str(), "pending.ticket": 7_i64 };
    documents.find_one(filter).await.unwrap().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalidation_takes_away_what_it_names_and_no_more() {
    let Some(server) = server() else { return };
    let glob = |text: &str| KeyPattern::new("t", Glob::parse(text).unwrap(), None);
    let selectors = [
        Selector::Keys(vec![key("meant")]),
        Selector::AnyTag(vec![tag("x"), tag("a")]),
        Selector::AllTags(vec![tag("a"), tag("b")]),
        Selector::Pattern(glob("mean*")),
        Selector::Namespace("t".to_owned()),
    ];
    for selector in selectors {
        for mode in [InvalidationMode::Remove, InvalidationMode::Expire] {
            let options = options(&server);
            let documents = documents(&options, &server.url()).await;
            let storage = options.open().await.unwrap();
            announce(&documents, "meant", &["a", "b"]).await;
            announce(&documents, "other", &["b"]).await;
            assert!(!holds(&storage, "meant").await.unwrap(), "a pending part was read");
            assert_eq!(storage.invalidate(&selector, mode).await.unwrap().entries, 0);
            assert!(!is_announced(&documents, "meant").await, "{selector:?} left it");
            let whole = matches!(selector, Selector::Namespace(_));
            assert_eq!(is_announced(&documents, "other").await, !whole, "{selector:?}");
            storage.close().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fill_that_lost_its_part_is_not_published() {
    let Some(server) = server() else { return };
    let options = options(&server);
    let documents = documents(&options, &server.url()).await;
    let storage = options.open().await.unwrap();
    // Takes parts away faster than a fill can publish, as invalidations of other cells do not.
    let thief = tokio::spawn({
        let documents = documents.clone();
        async move {
            loop {
                let parts = doc! { "pending": { "$exists": true } };
                documents.update_many(parts, doc! { "$unset": { "pending": "" } }).await.unwrap();
            }
        }
    });
    let mut refused = 0;
    for number in 0..200 {
        let name = format!("k{number}");
        let stamp = storage.get(&key(&name)).await.unwrap().stamp;
        let outcome = fill(&storage, &name, stamp).await.unwrap();
        // What was answered is what stands.
        assert_eq!(holds(&storage, &name).await.unwrap(), outcome == Outcome::Stored);
        refused += u32::from(outcome == Outcome::Fenced);
        if refused > 3 {
            break;
        }
    }
    thief.abort();
    assert!(refused > 0, "no part was taken away in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_documents_end_and_entries_without_an_end_do_not() {
    let Some(server) = server() else { return };
    let options = options(&server);
    let documents = documents(&options, &server.url()).await;
    let storage = options.open().await.unwrap();
    // Refused by the fence: its document stays without a value.
    let stamp = storage.get(&key("refused")).await.unwrap().stamp;
    storage
        .invalidate(&Selector::Keys(vec![key("refused")]), InvalidationMode::Remove)
        .await
        .unwrap();
    assert_eq!(fill(&storage, "refused", stamp).await.unwrap(), Outcome::Fenced);
    let left = documents.find_one(doc! { "_id": key("refused").as_str() }).await.unwrap().unwrap();
    let end = left.get_datetime("clean_at").unwrap().timestamp_millis();
    let soon = DateTime::now().timestamp_millis() + Duration::from_secs(3600).as_millis() as i64;
    assert!(end < soon, "a document without a value stays");
    set(&storage, "endless", &[]).await.unwrap();
    // What was left is filled, and loses the end that it had without a value.
    set(&storage, "refused", &[]).await.unwrap();
    for name in ["endless", "refused"] {
        let found = documents.find_one(doc! { "_id": key(name).as_str() }).await.unwrap().unwrap();
        assert_eq!(found.get("clean_at"), None, "the server would clean up {name}");
    }
    let past = doc! { "$set": { "clean_at": DateTime::from_millis(1) } };
    documents.update_one(doc! { "_id": key("endless").as_str() }, past).await.unwrap();
    let done = storage.maintain(Budget::UNLIMITED).await.unwrap();
    assert_eq!((done.expired, done.unfinished), (1, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_that_was_lost_refuses_what_was_loaded_before() {
    let Some(server) = server() else { return };
    for drop_all in [false, true] {
        let options = options(&server);
        let documents = documents(&options, &server.url()).await;
        let storage = options.open().await.unwrap();
        let before = storage.get(&key("k")).await.unwrap().stamp;
        match drop_all {
            true => documents.drop().await.unwrap(),
            false => drop(documents.delete_many(Document::new()).await.unwrap()),
        }
        assert_eq!(fill(&storage, "k", before).await.unwrap(), Outcome::Fenced);
        assert!(!holds(&storage, "k").await.unwrap());
        let after = storage.get(&key("k")).await.unwrap().stamp;
        assert_ne!(after.origin, before.origin);
        assert_eq!(fill(&storage, "k", after).await.unwrap(), Outcome::Stored);
        let fence = documents.find_one(doc! { "_id": -1 }).await.unwrap().unwrap();
        assert_eq!(fence.get("format"), Some(&Bson::String("tiers-cache".to_owned())));
    }
}
