//! Calls that are overtaken between two of their steps, held there by the server.

use std::time::Duration;

use cache_core::clock::Timestamp;
use cache_core::fence::Stamp;
use cache_core::storage::{
    Invalidated, InvalidationMode, Outcome, Selector, Storage, StorageError, Write, WriteAction,
};
use cache_mongodb::{MongoDb, MongoDbOptions};
use mongodb::bson::{Bson, Document, doc};
use tiers_servers::{MongoDb as Server, Proxy};
use tokio::task::JoinHandle;

use super::common::{documents, entry, fail, fill, key, options, options_of, own_server, set, tag};

/// How long the slow one is held.
const HELD: Duration = Duration::from_millis(1_500);

/// Two processes on one collection: one is quick; the other's next `update` but one, which comes
/// after it has raised the counter, can be held.
struct Processes {
    server: Server,
    options: MongoDbOptions,
    slow: MongoDb,
    quick: MongoDb,
}

impl Processes {
    async fn start() -> Option<Self> {
        let server = own_server(&["--enable-test-commands"])?;
        let options = options(&server);
        let slow = MongoDbOptions::from_url(&format!("{}&appName=slow", server.url())).unwrap();
        let slow = slow.collection(options.collection_name()).timeout(Duration::from_secs(30));
        let (slow, quick) = (slow.open().await.unwrap(), options.clone().open().await.unwrap());
        Some(Self { server, options, slow, quick })
    }

    async fn counter(&self) -> Option<Bson> {
        let documents = documents(&self.options, &self.server.url()).await;
        documents.find_one(doc! { "_id": -1 }).await.unwrap().unwrap().get("counter").cloned()
    }

    /// Begins a call of the slow process, and comes back once it has raised the counter.
    async fn begin<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let held = doc! {
            "failCommands": ["update"], "appName": "slow", "blockConnection": true,
            "blockTimeMS": i64::try_from(HELD.as_millis()).unwrap(),
        };
        // The first raises the counter.
        fail(&self.server, doc! { "skip": 1, "times": 1 }, held).await;
        let before = self.counter().await;
        let begun = tokio::spawn(call);
        while self.counter().await == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        begun
    }

    fn invalidation(
        &self,
        selector: Selector,
    ) -> impl Future<Output = Result<Invalidated, StorageError>> + Send + 'static {
        let slow = self.slow.clone();
        async move { slow.invalidate(&selector, InvalidationMode::Remove).await }
    }
}

async fn write(storage: &MongoDb, name: &str, action: WriteAction) -> Outcome {
    storage.write(vec![Write { key: key(name), action }]).await.unwrap().remove(0).unwrap()
}

fn update(name: &str, payload: &'static str, stamp: Stamp) -> WriteAction {
    WriteAction::Update { entry: entry(&key(name), payload, &["t"]), stamp }
}

/// Tries a race until the quick one has been quick enough.
macro_rules! until_raced {
    ($number:ident, $race:expr) => {
        for $number in 0.. {
            if $race.await {
                break;
            }
            assert!($number < 10, "the quick one was never done in time");
        }
    };
}

/// The value of an update is as old as its change of the source, whatever mark it raises to.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_overtakes_an_invalidation_is_removed_by_it() {
    let Some(processes) = Processes::start().await else { return };
    for selector in
        [|name: &str| Selector::Keys(vec![key(name)]), |_: &str| Selector::AnyTag(vec![tag("t")])]
    {
        until_raced!(number, async {
            let name = format!("k{number}");
            let before = processes.quick.stamps(&[key(&name)]).await.unwrap()[0];
            let begun = processes.begin(processes.invalidation(selector(&name))).await;
            let outcome = write(&processes.quick, &name, update(&name, "old", before)).await;
            let raced = !begun.is_finished() && outcome == Outcome::Stored;
            begun.await.unwrap().unwrap();
            let found = processes.quick.get(&key(&name)).await.unwrap().entry;
            assert_eq!(found, None, "an update from before an invalidation outlived it");
            raced
        });
    }
}

/// What is put in an entry's place may be made of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_put_made_of_an_entry_is_removed_with_it() {
    let Some(processes) = Processes::start().await else { return };
    until_raced!(number, async {
        let name = format!("k{number}");
        set(&processes.quick, &name, &["t"]).await.unwrap();
        let selector = Selector::AnyTag(vec![tag("t")]);
        let begun = processes.begin(processes.invalidation(selector)).await;
        // Read with a stamp that the invalidation does not pass, and before it is removed.
        let read = processes.quick.get(&key(&name)).await.unwrap();
        let mut raced = false;
        if let Some(found) = read.entry {
            let action = WriteAction::PutIfUnchanged {
                entry: entry(&key(&name), "made of it", &["t"]),
                expected: Some(found.token),
                stamp: read.stamp,
            };
            let outcome = write(&processes.quick, &name, action).await;
            raced = !begun.is_finished() && outcome == Outcome::Stored;
        }
        begun.await.unwrap().unwrap();
        let found = processes.quick.get(&key(&name)).await.unwrap().entry;
        assert_eq!(found, None, "what was made of an invalidated entry outlived it");
        raced
    });
}

/// Where the entry stays, what was made of it by one who had not seen it expire is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_put_made_of_an_entry_does_not_replace_it_expired() {
    let Some(processes) = Processes::start().await else { return };
    until_raced!(number, async {
        let name = format!("k{number}");
        set(&processes.quick, &name, &["t"]).await.unwrap();
        let slow = processes.slow.clone();
        let begun = processes
            .begin(async move {
                let selector = Selector::AnyTag(vec![tag("t")]);
                slow.invalidate(&selector, InvalidationMode::Expire).await
            })
            .await;
        let read = processes.quick.get(&key(&name)).await.unwrap();
        let found = read.entry.unwrap();
        let raced = !begun.is_finished() && found.fresh_until != Timestamp::from_unix_ms(0);
        begun.await.unwrap().unwrap();
        if raced {
            let action = WriteAction::PutIfUnchanged {
                entry: entry(&key(&name), "made of it", &["t"]),
                expected: Some(found.token),
                stamp: read.stamp,
            };
            assert_eq!(write(&processes.quick, &name, action).await, Outcome::Fenced);
        }
        raced
    });
}

/// Of two updates begun together neither stays, whichever was first to raise the counter.
#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_was_overtaken_by_another_leaves_nothing() {
    let Some(processes) = Processes::start().await else { return };
    until_raced!(number, async {
        let name = format!("k{number}");
        let stamp = processes.quick.stamps(&[key(&name)]).await.unwrap()[0];
        let slow = processes.slow.clone();
        let action = update(&name, "of the slow", stamp);
        let begun = processes
            .begin({
                let name = name.clone();
                async move { write(&slow, &name, action).await }
            })
            .await;
        let outcome = write(&processes.quick, &name, update(&name, "of the quick", stamp)).await;
        let raced = !begun.is_finished() && outcome == Outcome::Stored;
        let outcome_of_slow = begun.await.unwrap();
        if raced {
            assert_eq!(outcome_of_slow, Outcome::Fenced);
            let found = processes.quick.get(&key(&name)).await.unwrap().entry;
            assert_eq!(found, None, "of two updates begun together one stays");
        }
        raced
    });
}

/// A reply that is lost has its announcement made again under another ticket: the first may still
/// arrive, when nobody publishes any more.
#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_is_repeated_under_another_ticket() {
    let Some(server) = own_server(&[]) else { return };
    let proxy = Proxy::to(server.port()).unwrap();
    // The monitor of the server must not take the cut.
    let url = format!(
        "mongodb://127.0.0.1:{}/?directConnection=true&heartbeatFrequencyMS=60000\
         &serverMonitoringMode=poll",
        proxy.port()
    );
    let options = options_of(&url);
    let documents = documents(&options, &server.url()).await;
    let storage = options.open().await.unwrap();
    let stamp = storage.get(&key("k")).await.unwrap().stamp;
    proxy.cut_after_reply_bytes(1);
    assert_eq!(fill(&storage, "k", stamp).await.unwrap(), Outcome::Stored);
    let found = documents.find_one(doc! { "_id": key("k").as_str() }).await.unwrap().unwrap();
    let left: Vec<&Document> =
        found.get_array("pending").unwrap().iter().filter_map(Bson::as_document).collect();
    assert_eq!(left.len(), 1, "the part whose reply was lost was published, too: {left:?}");
}
