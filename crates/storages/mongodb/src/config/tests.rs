use std::time::Duration;

use mongodb::options::{Acknowledgment, ConnectionString};
use proptest::prelude::*;

use super::*;

fn options(url: &str) -> MongoDbOptions {
    MongoDbOptions::from_url(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn refusal(url: &str) -> String {
    MongoDbOptions::from_url(url).map(drop).unwrap_err().to_string()
}

#[test]
fn ours_are_taken_out_and_the_rest_is_the_drivers() {
    let given = options(
        "mongodb://u:p%40ss@h1:27018,h2/shop?collection=prices&create=false&pool_size=3\
         &timeout=250ms&cleanup_interval=off&access_interval=1s&max_entries=5&max_bytes=1MiB\
         &value_bytes_max=64KiB&events_max=500&events_interval=5ms\
         &replicaSet=rs0&w=2&journal=true&readConcernLevel=majority\
         &appName=a%20b",
    );
    assert_eq!((given.database.as_str(), given.collection.as_str()), ("shop", "prices"));
    assert_eq!((given.create, given.pool_size), (false, Some(3)));
    assert_eq!(given.timeout, Duration::from_millis(250));
    assert_eq!((given.cleanup_interval, given.access_interval), (None, Duration::from_secs(1)));
    assert_eq!((given.events_max, given.events_interval), (500, Duration::from_millis(5)));
    assert_eq!((given.max_entries, given.max_bytes, given.value_bytes_max), (5, 1 << 20, 64 << 10));
    let concern = given.write_concern.clone().unwrap();
    assert_eq!((concern.w, concern.journal), (Some(Acknowledgment::Nodes(2)), Some(true)));
    assert_eq!(given.read_concern, Some(ReadConcern::majority()));
    let driver = ConnectionString::parse(given.url.reveal()).unwrap();
    assert_eq!(driver.replica_set.as_deref(), Some("rs0"));
    assert_eq!(driver.app_name.as_deref(), Some("a b"));
    assert_eq!(driver.credential.and_then(|it| it.password).as_deref(), Some("p@ss"));
    assert_eq!(driver.default_database.as_deref(), Some("shop"));
}

#[test]
fn short_urls_have_defaults() {
    let given = options("mongodb://localhost");
    assert_eq!((given.database_name(), given.collection_name()), ("cache", "cache"));
    assert_eq!(options("mongodb://h/?database=x&table=y").collection_name(), "y");
    assert_eq!(options("mongodb://h/a?database=x").database_name(), "x");
    assert_eq!(options("mongodb+srv://db.example.org/shop").database_name(), "shop");
}

#[test]
fn mistakes_are_named() {
    for (url, told) in [
        ("mongo://h", "scheme"),
        ("mongodb://h/?colour=red", "colour"),
        ("mongodb://h/?timeout=soon", "timeout"),
        ("mongodb://h/?timeout=0", "larger than zero"),
        ("mongodb://h/?timeout=1&timeout=2", "given twice"),
        ("mongodb://h/?collection=a%24b", "collection"),
        ("mongodb://h/?collection=system.x", "collection"),
        ("mongodb://h/a.b", "database"),
        ("mongodb://h/?value_bytes_max=16MiB", "15 MiB"),
        ("mongodb://h/?pool_size=0", "1 to 1024"),
        ("mongodb://h/?w=0", "must not be 0"),
        ("mongodb://h/?readPreference=secondary", "must be `primary`"),
        ("mongodb://h/?max_entries=1&max_cache_size=2", "another name"),
    ] {
        let refusal = refusal(url);
        assert!(refusal.contains(told), "{url}: {refusal}");
    }
}

proptest! {
    #[test]
    fn no_password_is_ever_shown(password in "[a-z0-9@/?#:%&=]{0,8}SECRET[a-z0-9/?#:%&=]{0,8}") {
        let shown = match MongoDbOptions::from_url(&format!("mongodb://user:{password}@host/d")) {
            Ok(options) => format!("{options:?}"),
            Err(refused) => format!("{refused} {refused:?}"),
        };
        prop_assert!(!shown.contains("SECRET"), "{shown}");
    }
}
