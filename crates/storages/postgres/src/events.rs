//! The log of events: a table, and a connection that the server wakes.
//!
//! Events are numbered without holes in the order of their commits, since one append waits for the
//! other (see `scripts/postgres/events_v1.sql`). So a reader that goes by numbers misses none that
//! commits late, and tells by a hole what was removed. What the server loses in a crash is told by
//! its start, which stands in every position.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::backplane::{EventLog, Page, Position};
use cache_core::storage::StorageError;
use cache_sql::{NoLease, Turn, fill_in};
use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor, Row};
use tokio::sync::{Notify, OnceCell};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::config::PostgresOptions;
use crate::connection::ConnectError;
use crate::error::{closed, error, failure, in_use, late};
use crate::storage::{Arguments, Postgres, Shared};

const APPEND: &str = "append";
const READ: &str = "read events";

/// How many events one statement appends.
const EVENTS_PER_APPEND: usize = 256;
/// How often the table is looked at where the server wakes nobody.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long to wait before listening again after a connection was lost.
const LISTEN_PAUSE: Duration = Duration::from_millis(500);

/// What reading and appending share.
pub(crate) struct Events {
    append: Arc<str>,
    /// One row at least: origin, last number or null; number and event, or nulls. `$1` number,
    /// `$2` limit.
    read: Arc<str>,
    notify: Arc<str>,
    /// The channel on which the server tells of events; empty until the table is known.
    channel: OnceCell<String>,
    wake: Arc<Wake>,
    listener: Mutex<Option<AbortHandle>>,
}

#[derive(Default)]
struct Wake {
    appended: Notify,
    is_listening: AtomicBool,
}

/// The script of the log, with its names filled in.
pub(crate) fn script(options: &PostgresOptions) -> Result<String, StorageError> {
    let values = [("schema", &*options.schema), ("table", &*options.common.table)];
    fill_in(include_str!("../schema/events_v1.sql"), &values).map_err(|source| {
        let kind = cache_core::storage::StorageErrorKind::Failed;
        error("schema", kind, source.to_string()).with_source(source)
    })
}

impl Events {
    pub(crate) fn new(options: &PostgresOptions) -> Self {
        let name = |end: &str| format!("\"{}\".\"{}{end}\"", options.schema, options.common.table);
        let (events, append) = (name("_events"), name("_append_events"));
        // The server's start, and which table it is: numbers of another one mean nothing.
        let origin = format!(
            "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint \
             # '{events}'::regclass::oid::bigint"
        );
        Self {
            append: format!("SELECT {append}($1::bytea[], $2::bigint), {origin}").into(),
            read: format!(
                "SELECT {origin}, l.id, e.id, e.event FROM (SELECT max(id) AS id FROM {events}) l \
                 LEFT JOIN LATERAL (SELECT id, event FROM {events} WHERE id > $1::bigint \
                 ORDER BY id LIMIT $2::bigint) e ON true ORDER BY e.id"
            )
            .into(),
            notify: "SELECT pg_notify($1, '')".into(),
            channel: OnceCell::new(),
            wake: Arc::default(),
            listener: Mutex::new(None),
        }
    }

    /// Ends what listens.
    pub(crate) fn stop(&self) {
        if let Some(listener) = self.listener.lock().take() {
            listener.abort();
        }
        self.wake.is_listening.store(false, Ordering::SeqCst);
    }
}

#[async_trait]
impl EventLog for Postgres {
    async fn append(&self, events: Vec<Bytes>) -> Result<(), StorageError> {
        for events in events.chunks(EVENTS_PER_APPEND) {
            self.shared().append_events(events).await?;
        }
        Ok(())
    }

    async fn end(&self) -> Result<Position, StorageError> {
        self.shared().append_events(&[]).await
    }

    async fn read(
        &self,
        after: &Position,
        wait: Duration,
        limit: usize,
    ) -> Result<Page, StorageError> {
        let shared = self.shared();
        let begun = Instant::now();
        let events = &shared.events;
        if !wait.is_zero() {
            shared.listen().await?;
        }
        loop {
            // Registered before the look: what is appended after it wakes.
            let mut appended = std::pin::pin!(events.wake.appended.notified());
            appended.as_mut().enable();
            let page = shared.page_of_events(after, limit).await?;
            let left = wait.saturating_sub(begun.elapsed());
            if left.is_zero() || page.gap || page.more || page.next != *after {
                return Ok(page);
            }
            let is_listening = events.wake.is_listening.load(Ordering::SeqCst);
            let pause = if is_listening { left } else { left.min(POLL_INTERVAL) };
            // Whichever it was, the table tells.
            let _ = timeout(pause, appended).await;
        }
    }
}

impl Shared {
    /// Appends events; gives the position after the last one.
    async fn append_events(&self, events: &[Bytes]) -> Result<Position, StorageError> {
        let channel = self.channel_of_events().await?;
        let keep = i64::try_from(self.options.common.events_max).unwrap_or(i64::MAX);
        let arguments = || {
            let events: Vec<&[u8]> = events.iter().map(|event| &event[..]).collect();
            Arguments::default().with(events).with(keep)
        };
        let row = self.row(APPEND, &self.events.append, arguments).await?;
        let read = || -> Result<(i64, i64), sqlx::Error> { Ok((row.try_get(0)?, row.try_get(1)?)) };
        let (last, origin) = read().map_err(|source| failure(APPEND, source))?;
        if !events.is_empty() {
            // After the commit, and in a transaction that writes nothing: the server takes those
            // that notify one by one. Where it fails, readers look by themselves.
            let arguments = || Arguments::default().with(channel);
            let _ = self.rows(APPEND, &self.events.notify, arguments).await;
        }
        Ok(Position::numbered(origin as u64, last as u64))
    }

    async fn page_of_events(&self, after: &Position, limit: usize) -> Result<Page, StorageError> {
        self.channel_of_events().await?;
        let number = after.as_numbered().map_or(u64::MAX, |(_, number)| number);
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
        let arguments = || Arguments::default().with(number).with(limit_rows);
        let rows = self.rows(READ, &self.events.read, arguments).await?;
        let driver = |source| failure(READ, source);
        let mut events = Vec::with_capacity(rows.len());
        let mut end = (0, 0);
        for row in rows {
            let origin: i64 = row.try_get(0).map_err(driver)?;
            let last: Option<i64> = row.try_get(1).map_err(driver)?;
            end = (origin as u64, last.unwrap_or(0) as u64);
            let number: Option<i64> = row.try_get(2).map_err(driver)?;
            let event: Option<Vec<u8>> = row.try_get(3).map_err(driver)?;
            if let (Some(number), Some(event)) = (number, event) {
                events.push((number as u64, Bytes::from(event)));
            }
        }
        Ok(Page::of_table(after, end, events, limit))
    }

    /// The channel; makes the table where it is not there and may be made.
    async fn channel_of_events(&self) -> Result<&str, StorageError> {
        if self.pool.is_closed() {
            return Err(closed(READ));
        }
        let limit = self.options.common.timeout;
        let turn = Turn::default();
        let making = self.events.channel.get_or_try_init(|| self.make_events(&turn));
        let made =
            timeout(limit, making).await.map_err(|_| match turn.took_most(limit, Instant::now()) {
                Some(waited) => in_use(READ, waited, self.pool.size()),
                None => late(READ, limit),
            });
        Ok(made??.as_str())
    }

    async fn make_events(&self, turn: &Turn) -> Result<String, StorageError> {
        let driver = |source| failure(READ, source);
        let mut lease = self.pool.lease_in_turn(turn).await.map_err(|none| match none {
            NoLease::Closed => closed(READ),
            NoLease::Connect(ConnectError::Driver(source)) => driver(source),
            NoLease::Connect(refused) => refused.into_storage_error(READ),
        })?;
        let (schema, table) = (&self.options.schema, &self.options.common.table);
        let ask = format!(
            "SELECT to_regclass('\"{schema}\".\"{table}_events\"')::oid::bigint, \
             EXISTS (SELECT 1 FROM pg_proc WHERE proname = '{table}_append_events' \
             AND pronamespace = to_regnamespace('\"{schema}\"'))"
        );
        let mut made = false;
        loop {
            let row = lease.fetch_one(sqlx::raw_sql(AssertSqlSafe(ask.clone()))).await;
            let row = row.map_err(driver)?;
            let table_id: Option<i64> = row.try_get(0).map_err(driver)?;
            let has_function: bool = row.try_get(1).map_err(driver)?;
            if let (Some(id), true) = (table_id, has_function) {
                lease.give_back();
                return Ok(format!("tiers_events_{id}"));
            }
            if made || !self.options.common.create {
                lease.give_back();
                let kind = cache_core::storage::StorageErrorKind::Incompatible;
                let message = format!("there is no table `{schema}.{table}_events`");
                return Err(error(READ, kind, message));
            }
            // One transaction, and one process at a time.
            let name = format!("tiers schema {schema}.{table}");
            let script = format!(
                "SELECT pg_advisory_xact_lock(hashtextextended('{name}', 0))::text;\n{}",
                script(&self.options)?
            );
            lease.execute(sqlx::raw_sql(AssertSqlSafe(script))).await.map_err(driver)?;
            made = true;
        }
    }

    /// Has the server wake readers, where it can: behind a pooler that changes connections it does
    /// not.
    async fn listen(&self) -> Result<(), StorageError> {
        let channel = self.channel_of_events().await?;
        if !self.options.common.prepared {
            return Ok(());
        }
        let mut listener = self.events.listener.lock();
        if listener.is_none() {
            let server = self.options.server.clone();
            let wake = Arc::clone(&self.events.wake);
            let task = tokio::spawn(listen(server, channel.to_owned(), wake));
            *listener = Some(task.abort_handle());
        }
        Ok(())
    }
}

/// Wakes readers when the server tells of events. Where it cannot, they look by themselves.
async fn listen(server: PgConnectOptions, channel: String, wake: Arc<Wake>) {
    loop {
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(server.clone());
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(&channel).await.is_ok()
        {
            wake.is_listening.store(true, Ordering::SeqCst);
            // What came before is seen by a look after it.
            wake.appended.notify_waiters();
            while let Ok(Some(_)) = listener.try_recv().await {
                wake.appended.notify_waiters();
            }
            wake.is_listening.store(false, Ordering::SeqCst);
            wake.appended.notify_waiters();
        }
        sleep(LISTEN_PAUSE.mul_f64(0.5 + fastrand::f64())).await;
    }
}
