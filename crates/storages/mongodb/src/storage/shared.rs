//! What all clones share: opening, closing and the way between.

use std::sync::Arc;

use cache_core::storage::{Capabilities, Reach, StorageError, StorageErrorKind};
use mongodb::Client;
use mongodb::options::{ClientOptions, WriteConcern};
use tokio::sync::watch;

use crate::atomics::Turns;
use crate::config::{MongoDbOptions, primary};
use crate::connection::Connection;
use crate::error::{SCHEME, closed, error, failure};
use crate::maintain::{Accesses, Bounds, keep};
use crate::schema::{self, ATOMICS_END};

const OPERATION: &str = "open";

/// As many connections as a process keeps by default.
const POOL_SIZE: u32 = 10;

/// An open store.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: MongoDbOptions,
    pub(crate) capabilities: Capabilities,
    pub(crate) connection: Connection,
    /// The collection of counters, locks and the like.
    pub(crate) atomics: Connection,
    pub(crate) turns: Turns,
    pub(crate) accesses: Accesses,
    pub(crate) bounds: Bounds,
    stopped: watch::Sender<bool>,
}

impl Shared {
    pub(super) async fn open(options: MongoDbOptions) -> Result<Arc<Self>, StorageError> {
        let connection = connect(&options).await?;
        let shared = Arc::new(Self {
            capabilities: Capabilities::new(SCHEME, Reach::Shared)
                .with_value_bytes_max(options.value_bytes_max)
                .with_atomics(),
            accesses: Accesses::default(),
            bounds: Bounds::new(options.max_entries, options.max_bytes),
            stopped: watch::Sender::new(false),
            atomics: connection.beside(ATOMICS_END),
            turns: Turns::default(),
            connection,
            options,
        });
        if let Err(error) = shared.prepare_collection().await {
            shared.connection.shut_down().await;
            return Err(error);
        }
        tokio::spawn(keep(Arc::downgrade(&shared), shared.stopped.subscribe()));
        Ok(shared)
    }

    /// Checks the collection, and makes it with its fence.
    async fn prepare_collection(&self) -> Result<(), StorageError> {
        let mut call = self.connection.call(OPERATION);
        schema::ensure(&self.connection, &call, self.options.create).await?;
        self.connection.renew(&mut call);
        schema::ensure_beside(&self.atomics, &call, self.options.create).await?;
        self.connection.renew(&mut call);
        self.connection.fence(&call, Vec::new()).await.map(drop)
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.stopped.borrow()
    }

    pub(crate) fn ensure_open(&self, operation: &'static str) -> Result<(), StorageError> {
        if self.is_closed() { Err(closed(operation)) } else { Ok(()) }
    }

    /// What fails because the store was closed meanwhile says so.
    pub(crate) fn as_closed(&self, error: StorageError) -> StorageError {
        if self.is_closed() { closed(error.operation()) } else { error }
    }

    /// Makes a call, unless the store is closed.
    pub(crate) async fn open_while<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, StorageError>>,
    ) -> Result<T, StorageError> {
        self.ensure_open(operation)?;
        call.await.map_err(|error| self.as_closed(error))
    }

    /// Takes no more calls; the keeper ends.
    pub(super) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    pub(super) async fn close(&self) -> Result<(), StorageError> {
        if self.is_closed() {
            return Ok(());
        }
        let flushed = self.write_accesses().await;
        self.stop();
        self.connection.shut_down().await;
        flushed.map_err(|error| {
            // Another call closed it in the meantime.
            if error.kind() == StorageErrorKind::Unavailable {
                error
            } else {
                self.as_closed(error)
            }
        })
    }
}

/// Checks the collection, and changes nothing.
pub(crate) async fn check_schema(options: &MongoDbOptions) -> Result<(), StorageError> {
    let connection = connect(options).await?;
    let call = connection.call(OPERATION);
    let checked = match schema::ensure(&connection, &call, false).await {
        Ok(()) => schema::ensure_beside(&connection.beside(ATOMICS_END), &call, false).await,
        failed => failed,
    };
    connection.shut_down().await;
    checked
}

async fn connect(options: &MongoDbOptions) -> Result<Connection, StorageError> {
    options.validate().map_err(|problem| {
        error(OPERATION, StorageErrorKind::Invalid, problem.to_string()).with_source(problem)
    })?;
    let client = tokio::time::timeout(options.timeout, client(options)).await;
    let client = client.map_err(|_| {
        let message = format!("the servers were not found within {:?}", options.timeout);
        error(OPERATION, StorageErrorKind::Unavailable, message)
    })??;
    let majority = WriteConcern::majority();
    let write_concern = options.write_concern.as_ref().unwrap_or(&majority);
    Connection::new(
        client,
        &options.database,
        &options.collection,
        (write_concern, options.read_concern.clone()),
        options.timeout,
    )
}

/// Connects as the URL says; nothing is sent yet, but for the look-up of `mongodb+srv`.
async fn client(options: &MongoDbOptions) -> Result<Client, StorageError> {
    let driver = |source| failure(OPERATION, source);
    let mut client = ClientOptions::parse(options.url.reveal()).await.map_err(driver)?;
    if let Some(pool_size) = options.pool_size {
        client.max_pool_size = Some(pool_size);
    }
    client.max_pool_size.get_or_insert(POOL_SIZE);
    client.server_selection_timeout = Some(options.timeout);
    client.connect_timeout =
        Some(client.connect_timeout.unwrap_or(options.timeout).min(options.timeout));
    client.selection_criteria = Some(primary());
    client.app_name.get_or_insert_with(|| "tiers".to_owned());
    Client::with_options(client).map_err(driver)
}
