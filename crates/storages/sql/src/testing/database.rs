//! A storage and a server of its kind, as tests use them.

use std::time::Duration;

use cache_core::atomics::Atomics;
use cache_core::storage::{Storage, StorageError};

/// A SQL storage and the servers of its kind.
///
/// Statements have `{t}` where the name of the entries' table stands, with which the names of all
/// other tables begin. What talks to the driver is written by
/// [`database_driver!`](crate::database_driver).
pub trait Database: Send + Sync + 'static {
    /// How it is opened.
    type Options: Clone + Send + Sync + 'static;
    /// The storage.
    type Storage: Storage + Atomics + Clone;
    /// A connection beside the storage, as an administrator has one.
    type Connection: Send;

    /// Makes entries an hour older, those less whose keys are `p:.NNN:v1` with a larger number.
    const AGE: &'static str;
    /// Raises the fence's counter by one.
    const ADVANCE: &'static str;
    /// Sets the fence's counter to 1000, as a restore from a dump may.
    const FALL_BACK: &'static str;
    /// Makes tables of the second schema tables of the first.
    const UNDO_SECOND_SCHEMA: &'static str;
    /// Takes the entries' table for a connection alone.
    const LOCK: &'static str;
    /// Undoes that.
    const UNLOCK: &'static str;
    /// More than the entries that one transaction removes, when taken ten times.
    const LARGE_BATCH: u64;

    /// Options for a table of its own.
    fn options(url: &str, query: &str) -> Self::Options;

    /// How statements name the entries' table.
    fn table(options: &Self::Options) -> String;

    /// The options with a bound on entries.
    fn max_entries(options: Self::Options, max_entries: u64) -> Self::Options;

    /// The options with a bound on bytes.
    fn max_bytes(options: Self::Options, max_bytes: u64) -> Self::Options;

    /// The options with maintenance that comes by itself.
    fn cleanup_interval(options: Self::Options, cleanup_interval: Duration) -> Self::Options;

    /// The options with or without tables being made.
    fn create(options: Self::Options, create: bool) -> Self::Options;

    /// Opens the storage.
    fn open(
        options: Self::Options,
    ) -> impl Future<Output = Result<Self::Storage, StorageError>> + Send;

    /// Makes the tables.
    fn apply_schema(
        options: Self::Options,
    ) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Checks the tables.
    fn check_schema(
        options: Self::Options,
    ) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Connects to the server itself.
    fn connect(url: &str) -> impl Future<Output = Self::Connection> + Send;

    /// Runs statements.
    fn execute(connection: &mut Self::Connection, sql: &str) -> impl Future<Output = ()> + Send;

    /// The number that a query gives.
    fn number(connection: &mut Self::Connection, sql: &str) -> impl Future<Output = i64> + Send;
}

/// Runs statements that have `{t}` where the entries' table of `options` is named.
pub async fn change<D: Database>(
    connection: &mut D::Connection,
    options: &D::Options,
    statements: &str,
) {
    D::execute(connection, &statements.replace("{t}", &D::table(options))).await;
}

/// Waits until `sql` gives a number above zero.
pub async fn wait_for<D: Database>(connection: &mut D::Connection, sql: &str) {
    for _ in 0..2_000 {
        if D::number(connection, sql).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("did not come about: {sql}");
}

/// What an implementation of [`Database`](crate::testing::Database) for a driver of `sqlx` has in
/// common with the others: types, builder methods, connections.
#[macro_export]
macro_rules! database_driver {
    ($options:ty, $storage:ty, $connection:ty) => {
        type Options = $options;
        type Storage = $storage;
        type Connection = $connection;

        fn max_entries(options: $options, max_entries: u64) -> $options {
            options.max_entries(max_entries)
        }

        fn max_bytes(options: $options, max_bytes: u64) -> $options {
            options.max_bytes(max_bytes)
        }

        fn cleanup_interval(options: $options, interval: ::std::time::Duration) -> $options {
            options.cleanup_interval(Some(interval))
        }

        fn create(options: $options, create: bool) -> $options {
            options.create(create)
        }

        async fn open(options: $options) -> Result<$storage, ::cache_core::storage::StorageError> {
            options.open().await
        }

        async fn apply_schema(
            options: $options,
        ) -> Result<(), ::cache_core::storage::StorageError> {
            options.apply_schema().await
        }

        async fn check_schema(
            options: $options,
        ) -> Result<(), ::cache_core::storage::StorageError> {
            options.check_schema().await
        }

        async fn connect(url: &str) -> $connection {
            <$connection as ::sqlx::Connection>::connect(url).await.unwrap()
        }

        async fn execute(connection: &mut $connection, sql: &str) {
            let sql = ::sqlx::raw_sql(::sqlx::AssertSqlSafe(sql));
            ::sqlx::Executor::execute(connection, sql).await.unwrap();
        }

        async fn number(connection: &mut $connection, sql: &str) -> i64 {
            let sql = ::sqlx::raw_sql(::sqlx::AssertSqlSafe(sql));
            let row = ::sqlx::Executor::fetch_one(connection, sql).await.unwrap();
            ::sqlx::Row::try_get(&row, 0).unwrap()
        }
    };
}

/// The short names by which a crate's own tests use its [`Database`](crate::testing::Database) and
/// the servers for it.
#[macro_export]
macro_rules! database_functions {
    ($database:ty, $options:ty, $storage:ty, $connection:ty, $server:ty) => {
        /// A server that nobody hurts, for all tests that want no other.
        pub(crate) async fn shared_server() -> ::std::sync::Arc<$server> {
            static SERVER: $crate::testing::SharedServer<$server> =
                $crate::testing::SharedServer::new();
            SERVER.get(|| <$server>::start().unwrap()).await
        }

        /// A server of its own.
        pub(crate) async fn own_server(
            settings: &'static [&'static str],
        ) -> ::std::sync::Arc<$server> {
            let start = || ::std::sync::Arc::new(<$server>::start_with(settings).unwrap());
            $crate::testing::blocking(start).await
        }

        /// Options for a table of its own.
        pub(crate) fn options(url: &str, query: &str) -> $options {
            <$database as $crate::testing::Database>::options(url, query)
        }

        pub(crate) async fn open(url: &str, query: &str) -> $storage {
            options(url, query).open().await.unwrap()
        }

        /// Opens with a timeout that making the tables would take too long for on a busy machine.
        pub(crate) async fn open_hurried(
            options: $options,
            timeout: ::std::time::Duration,
        ) -> $storage {
            let patient = options.clone().timeout(::std::time::Duration::from_secs(60));
            patient.apply_schema().await.unwrap();
            options.timeout(timeout).open().await.unwrap()
        }

        /// A connection beside the storage, as an administrator has one.
        pub(crate) async fn connect(url: &str) -> $connection {
            <$database as $crate::testing::Database>::connect(url).await
        }

        pub(crate) async fn execute(connection: &mut $connection, sql: &str) {
            <$database as $crate::testing::Database>::execute(connection, sql).await;
        }

        pub(crate) async fn number(connection: &mut $connection, sql: &str) -> i64 {
            <$database as $crate::testing::Database>::number(connection, sql).await
        }

        /// Waits until `sql` gives a number above zero.
        pub(crate) async fn wait_for(connection: &mut $connection, sql: &str) {
            $crate::testing::wait_for::<$database>(connection, sql).await;
        }
    };
}

/// Tests of the names given, each of which calls the function of its name in a module of
/// [`testing`](crate::testing), for a [`Database`](crate::testing::Database) and a server that
/// nobody hurts.
#[macro_export]
macro_rules! database_tests {
    ($database:ty, $module:ident, [$($test:ident),+ $(,)?]) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let server = shared_server().await;
                $crate::testing::$module::$test::<$database>(&server.url()).await;
            }
        )+
    };
}
