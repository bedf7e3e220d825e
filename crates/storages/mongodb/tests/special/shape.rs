//! A collection of another shape is refused, and left as it was.

use cache_core::storage::{Storage, StorageErrorKind};
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};

use super::common::{Documents, documents, holds, options, server, set};

async fn contents(documents: &Documents) -> (Vec<String>, u64) {
    let mut names = documents.list_index_names().await.unwrap();
    names.sort();
    (names, documents.count_documents(Document::new()).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_refused_and_not_changed() {
    let Some(server) = server() else { return };
    type Spoil = fn(Documents) -> futures_util::future::BoxFuture<'static, ()>;
    let spoils: [(&str, Spoil); 5] = [
        ("no cache", |it| {
            Box::pin(async move {
                it.insert_one(doc! { "_id": "t:k:v1", "price": 7 }).await.unwrap();
            })
        }),
        ("schema version 9", |it| {
            Box::pin(async move {
                let fence = doc! { "_id": -1, "format": "tiers-cache", "schema": 9, "cells": "x" };
                it.insert_one(fence).await.unwrap();
            })
        }),
        ("other cells", |it| {
            Box::pin(async move {
                let fence = doc! { "_id": -1, "format": "tiers-cache", "schema": 1, "cells": "x" };
                it.insert_one(fence).await.unwrap();
            })
        }),
        ("another `key`", |it| {
            Box::pin(async move {
                let options =
                    mongodb::options::IndexOptions::builder().name("tags".to_owned()).build();
                let model = IndexModel::builder().keys(doc! { "tag": 1 }).options(options).build();
                it.create_index(model).await.unwrap();
            })
        }),
        ("is a view", |it| {
            Box::pin(async move {
                let database = it.client().database(&it.namespace().db);
                database.create_collection(it.name()).view_on("elsewhere").await.unwrap();
            })
        }),
    ];
    for (told, spoil) in spoils {
        let options = options(&server);
        let documents = documents(&options, &server.url()).await;
        spoil(documents.clone()).await;
        let view = told == "is a view";
        let before = if view { Default::default() } else { contents(&documents).await };
        let error = options.clone().open().await.map(drop).unwrap_err();
        assert_eq!(error.kind(), StorageErrorKind::Incompatible, "{error}");
        assert!(error.to_string().contains(told), "{error}");
        if !view {
            assert_eq!(contents(&documents).await, before, "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_where_that_is_not_wanted() {
    let Some(server) = server() else { return };
    let options = options(&server);
    let documents = documents(&options, &server.url()).await;
    let error = options.clone().create(false).open().await.map(drop).unwrap_err();
    assert_eq!(error.kind(), StorageErrorKind::Incompatible, "{error}");
    let database = documents.client().database(options.database_name());
    let names = database.list_collection_names().await.unwrap();
    assert!(!names.contains(&options.collection_name().to_owned()), "it was made");

    let storage = options.clone().open().await.unwrap();
    set(&storage, "k", &[]).await.unwrap();
    storage.close().await.unwrap();
    let storage = options.clone().create(false).open().await.unwrap();
    assert!(holds(&storage, "k").await.unwrap());
    storage.close().await.unwrap();
    // An index that is missing is made again, or told.
    documents.drop_index("tags").await.unwrap();
    let error = options.clone().create(false).open().await.map(drop).unwrap_err();
    assert!(error.to_string().contains("lacks an index"), "{error}");
    options.open().await.unwrap();
    assert!(documents.list_index_names().await.unwrap().contains(&"tags".to_owned()));
}
