//! MongoDB's protocol, spoken by a stand-in, beside a collection of the driver.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, Document, doc};
use mongodb::{Client, Collection, Database};
use tiers::entry::Entry;
use tiers::key::Key;
use tiers::storage::Storage;
use tiers_servers::Kind;

use super::subject::{Driver, EntriesMax, Place, Subject};

/// One server.
pub(super) struct MongoDb;

#[async_trait]
impl Subject for MongoDb {
    fn name(&self) -> &'static str {
        "mongodb"
    }

    fn start(&self) -> anyhow::Result<Place> {
        Place::server(Kind::MongoDb)
    }

    async fn open(&self, url: &str) -> anyhow::Result<Arc<dyn Storage>> {
        Ok(tiers::mongodb::MongoDb::open(url).await?.into_storage())
    }

    fn entries_max(&self) -> Option<EntriesMax> {
        let why =
            "the stand-in of MongoDB reads the whole collection where a range of keys is asked for";
        Some(EntriesMax { entries: 20_000, why })
    }

    async fn driver(&self, url: &str) -> anyhow::Result<Arc<dyn Driver>> {
        let database = Client::with_uri_str(url).await?.database("bare");
        // What ends is cleaned up, as in the storage.
        let ends = doc! { "name": "ends", "key": { "expire_at": 1 }, "expireAfterSeconds": 0 };
        let command = doc! { "createIndexes": "bare", "indexes": [ends] };
        database.run_command(command).await?;
        let collection = database.collection("bare");
        Ok(Arc::new(Bare { database, collection }))
    }
}

struct Bare {
    database: Database,
    collection: Collection<Document>,
}

fn value(found: &Document) -> anyhow::Result<Vec<u8>> {
    Ok(found.get_binary_generic("value").context("an entry without its value")?.clone())
}

#[async_trait]
impl Driver for Bare {
    async fn get(&self, key: &Key) -> anyhow::Result<Vec<u8>> {
        let filter = doc! { "_id": key.as_str(), "expire_at": { "$gt": DateTime::now() } };
        let found = self.collection.find_one(filter).await?;
        value(&found.with_context(|| format!("{key} is not there"))?)
    }

    async fn get_many(&self, keys: &[Key]) -> anyhow::Result<Vec<Vec<u8>>> {
        let names: Vec<&str> = keys.iter().map(Key::as_str).collect();
        let filter = doc! { "_id": { "$in": names }, "expire_at": { "$gt": DateTime::now() } };
        // One round trip, as the storage's.
        let size = keys.len().try_into()?;
        let found: Vec<Document> =
            self.collection.find(filter).batch_size(size).await?.try_collect().await?;
        ensure!(found.len() == keys.len(), "{} of {} entries", found.len(), keys.len());
        found.iter().map(value).collect()
    }

    async fn set_many(&self, entries: &[(&Key, Entry)]) -> anyhow::Result<()> {
        let updates = entries.iter().map(|(key, entry)| {
            let bytes = entry.to_envelope().to_vec();
            let value = Binary { subtype: BinarySubtype::Generic, bytes };
            let expire_at = DateTime::from_millis(entry.kept_until.unix_ms() as i64);
            let changed = doc! { "$set": { "value": value, "expire_at": expire_at } };
            doc! { "q": { "_id": key.as_str() }, "u": changed, "upsert": true }
        });
        let updates: Vec<Document> = updates.collect();
        let command = doc! { "update": "bare", "updates": updates, "ordered": false };
        let answer = self.database.run_command(command).await?;
        ensure!(!answer.contains_key("writeErrors"), "{answer}");
        Ok(())
    }
}
