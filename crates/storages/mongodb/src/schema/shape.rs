//! Whether a collection is ours, and making it.

use cache_core::fence::CELL_FUNCTION;
use cache_core::storage::{StorageError, StorageErrorKind};
use mongodb::bson::{Bson, Document, doc};

use super::{FENCE, FORMAT, SCHEMA_VERSION, index_beside, indexes};
use crate::connection::{Call, Connection};
use crate::error::error;

/// What the fence's document says beside the fence.
pub(crate) fn marker() -> Document {
    doc! { "format": FORMAT, "schema": SCHEMA_VERSION, "cells": CELL_FUNCTION }
}

fn incompatible(message: impl Into<String>) -> StorageError {
    error("open", StorageErrorKind::Incompatible, message)
}

/// Checks the collection, and makes what is missing where `create` says so. Changes nothing that
/// is not ours.
pub(crate) async fn ensure(
    connection: &Connection,
    call: &Call,
    create: bool,
) -> Result<(), StorageError> {
    let name = connection.collection_name();
    let hello = connection.run(call, doc! { "hello": 1 }).await?;
    if !hello.get_bool("isWritablePrimary").unwrap_or(false) {
        // The driver takes any member for the primary that it is told to connect to directly.
        let message = "the server takes no writes; reads from a secondary would be too old";
        return Err(error("open", StorageErrorKind::Unavailable, message));
    }
    let found = connection.run(call, doc! { "listCollections": 1, "filter": { "name": name } });
    let found = first_batch(&found.await?);
    let Some(collection) = found.first() else {
        if !create {
            return Err(incompatible(format!("there is no collection `{name}`")));
        }
        return make_indexes(connection, call).await;
    };
    check_collection(name, collection)?;
    check_whole(name, &connection.run(call, doc! { "collStats": name }).await?)?;
    check_marker(connection, call).await?;
    let listed = connection.run(call, doc! { "listIndexes": name }).await?;
    if check_indexes(name, &first_batch(&listed))? {
        return Ok(());
    }
    if !create {
        return Err(incompatible(format!("the collection `{name}` lacks an index")));
    }
    make_indexes(connection, call).await
}

/// The same for the collection of counters, locks and the like.
pub(crate) async fn ensure_beside(
    connection: &Connection,
    call: &Call,
    create: bool,
) -> Result<(), StorageError> {
    let name = connection.collection_name();
    let found = connection.run(call, doc! { "listCollections": 1, "filter": { "name": name } });
    if let Some(collection) = first_batch(&found.await?).first() {
        check_collection(name, collection)?;
        let listed = connection.run(call, doc! { "listIndexes": name }).await?;
        if check_indexes_of(name, &first_batch(&listed), &[index_beside()])? {
            return Ok(());
        }
    }
    if !create {
        return Err(incompatible(format!(
            "there is no collection `{name}`, or it lacks its index"
        )));
    }
    make(connection, call, vec![index_beside()]).await
}

/// Makes the collection, too, where there is none. Index builds may take as long as they need.
async fn make_indexes(connection: &Connection, call: &Call) -> Result<(), StorageError> {
    make(connection, call, indexes().to_vec()).await
}

async fn make(
    connection: &Connection,
    call: &Call,
    indexes: Vec<Document>,
) -> Result<(), StorageError> {
    let name = connection.collection_name();
    let command = || doc! { "createIndexes": name, "indexes": indexes.clone() };
    // Unbounded: the server goes on where this call has given up, and whoever opens later joins in.
    connection.run_acknowledged(call, command, false).await.map(drop)
}

fn first_batch(reply: &Document) -> Vec<Document> {
    let batch = reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    let documents = batch.map(Vec::as_slice).unwrap_or_default().iter();
    documents.filter_map(Bson::as_document).cloned().collect()
}

fn text<'a>(document: &'a Document, field: &str) -> Option<&'a str> {
    document.get_str(field).ok()
}

fn check_collection(name: &str, collection: &Document) -> Result<(), StorageError> {
    if let Ok(kind) = collection.get_str("type")
        && kind != "collection"
    {
        return Err(incompatible(format!("`{name}` is a {kind}, not a collection")));
    }
    let options = collection.get_document("options").cloned().unwrap_or_default();
    // A collation could make one key of two, a capped collection cannot remove, and a validator or
    // a clustered index is somebody's else.
    for option in ["collation", "capped", "validator", "clusteredIndex", "expireAfterSeconds"] {
        let set = match options.get(option) {
            None | Some(Bson::Null | Bson::Boolean(false)) => false,
            Some(Bson::Document(document)) => !document.is_empty(),
            Some(_) => true,
        };
        if set {
            return Err(incompatible(format!("the collection `{name}` has the option `{option}`")));
        }
    }
    Ok(())
}

/// Whether it lies on one shard: on many, nothing orders what a read sees of the fence and of entries.
fn check_whole(name: &str, stats: &Document) -> Result<(), StorageError> {
    match stats.get_bool("sharded") {
        Ok(true) => Err(incompatible(format!("the collection `{name}` is sharded"))),
        _ => Ok(()),
    }
}

async fn check_marker(connection: &Connection, call: &Call) -> Result<(), StorageError> {
    let name = connection.collection_name();
    let any = connection.run(call, doc! { "find": name, "limit": 1 }).await?;
    if first_batch(&any).is_empty() {
        return Ok(());
    }
    let found = connection.run(call, doc! { "find": name, "filter": { "_id": FENCE }, "limit": 1 });
    let found = first_batch(&found.await?);
    let Some(marker) = found.first().filter(|it| text(it, "format") == Some(FORMAT)) else {
        return Err(incompatible(format!("the collection `{name}` holds what is no cache")));
    };
    match marker.get_i32("schema") {
        Ok(SCHEMA_VERSION) => {}
        Ok(version) => {
            return Err(incompatible(format!(
                "the collection `{name}` has schema version {version}, this release knows \
                 {SCHEMA_VERSION}"
            )));
        }
        Err(_) => return Err(incompatible(format!("the collection `{name}` has no version"))),
    }
    if text(marker, "cells") != Some(CELL_FUNCTION) {
        return Err(incompatible(format!(
            "the fence of the collection `{name}` has other cells than {CELL_FUNCTION}"
        )));
    }
    Ok(())
}

/// Whether all are there; an error where one is another under the same name.
fn check_indexes(name: &str, found: &[Document]) -> Result<bool, StorageError> {
    check_indexes_of(name, found, &indexes())
}

fn check_indexes_of(
    name: &str,
    found: &[Document],
    indexes: &[Document],
) -> Result<bool, StorageError> {
    let mut complete = true;
    for wanted in indexes {
        let index = wanted.get_str("name").unwrap_or_default();
        let Some(there) = found.iter().find(|it| text(it, "name") == Some(index)) else {
            complete = false;
            continue;
        };
        for (option, value) in wanted {
            if !there.get(option).is_some_and(|it| alike(it, value)) {
                return Err(incompatible(format!(
                    "the index `{index}` of the collection `{name}` has another `{option}`"
                )));
            }
        }
    }
    Ok(complete)
}

/// Servers give back numbers in other types than they were given.
fn alike(one: &Bson, other: &Bson) -> bool {
    let number = |value: &Bson| match value {
        Bson::Int32(number) => Some(f64::from(*number)),
        Bson::Int64(number) => Some(*number as f64),
        Bson::Double(number) => Some(*number),
        _ => None,
    };
    match (one, other) {
        (Bson::Document(one), Bson::Document(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(a, b)| a.0 == b.0 && alike(a.1, b.1))
        }
        _ => one == other || (number(one).is_some() && number(one) == number(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_of_another_shape_are_told() {
        let all = indexes().to_vec();
        assert!(check_indexes("c", &all).unwrap());
        assert!(!check_indexes("c", &all[1..]).unwrap(), "one is missing");
        let mut other = all.clone();
        other[0].insert("key", doc! { "tags": -1, "_id": 1 });
        assert!(check_indexes("c", &other).unwrap_err().to_string().contains("`tags`"));
        let mut other = all;
        other[2].insert("expireAfterSeconds", 0.0);
        assert!(check_indexes("c", &other).unwrap(), "the same number in another type");
        other[2].insert("expireAfterSeconds", 60);
        assert!(check_indexes("c", &other).is_err());
    }

    #[test]
    fn collections_that_cannot_serve_are_told() {
        assert!(check_collection("c", &doc! { "type": "collection", "options": {} }).is_ok());
        for collection in [
            doc! { "type": "view" },
            doc! { "type": "collection", "options": { "capped": true } },
            doc! { "type": "collection", "options": { "collation": { "locale": "de" } } },
            doc! { "type": "collection", "options": { "validator": { "a": 1 } } },
        ] {
            assert!(check_collection("c", &collection).is_err(), "{collection}");
        }
        assert!(check_whole("c", &doc! { "count": 1, "sharded": true }).is_err());
        for whole in [doc! { "count": 1 }, doc! { "sharded": false }] {
            assert!(check_whole("c", &whole).is_ok(), "{whole}");
        }
    }
}
