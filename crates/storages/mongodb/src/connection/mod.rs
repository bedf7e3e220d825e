//! Commands to the server: each with an end in time, tried again where that may help.

mod retry;

use std::future::IntoFuture;
use std::time::Duration;

use cache_core::storage::{StorageError, StorageErrorKind};
use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use mongodb::options::{ReadConcern, WriteConcern};
use mongodb::{Client, Collection, Cursor, Database};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};

use crate::error::{error, failure};
use retry::pause;

/// The most documents that one command names.
pub(crate) const STEP: usize = 1000;

/// The collection, and how it is talked to.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    client: Client,
    database: Database,
    collection: Collection<RawDocumentBuf>,
    write_concern: Document,
    read_concern: Option<ReadConcern>,
    timeout: Duration,
}

/// One call of the storage, with its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) operation: &'static str,
    deadline: Instant,
    /// Whether a command that fails for a moment is sent again.
    repeats: bool,
}

impl Call {
    /// The same call, whose commands are sent once.
    pub(crate) fn once(self) -> Self {
        Self { repeats: false, ..self }
    }
}

/// A `find`, as far as it is used here.
#[derive(Clone, Debug)]
pub(crate) struct Find {
    pub(crate) filter: Document,
    pub(crate) projection: Option<Document>,
    /// By `_id`, or as given.
    pub(crate) sort: Option<Document>,
    pub(crate) limit: Option<usize>,
    /// How many documents may come: they are asked for in one round trip.
    pub(crate) expected: usize,
    /// Whether it answers a reader, who may have asked for a read concern.
    for_reader: bool,
    /// Whether each document is to tell the server's time.
    timed: bool,
}

impl Find {
    pub(crate) fn new(filter: Document, expected: usize) -> Self {
        let (projection, sort, limit) = (None, None, None);
        Self { filter, projection, sort, limit, expected, for_reader: false, timed: false }
    }

    pub(crate) fn only(mut self, projection: Document) -> Self {
        self.projection = Some(projection);
        self
    }

    pub(crate) fn sorted(mut self, sort: Document) -> Self {
        self.sort = Some(sort);
        self
    }

    pub(crate) fn limited(mut self) -> Self {
        self.limit = Some(self.expected);
        self
    }

    /// Under the read concern of the options. What the storage reads for itself is what the primary
    /// holds last: a fence that has been raised, a value that was published and is to be removed.
    pub(crate) fn for_reader(mut self) -> Self {
        self.for_reader = true;
        self
    }

    /// Each document tells the server's time beside its own fields, as [`NOW`]: whoever reads it
    /// judges by that. In the filter, a condition on the time would keep a server from looking
    /// for nothing but keys.
    pub(crate) fn timed(mut self) -> Self {
        self.timed = true;
        self
    }

    /// The same as the stages of an aggregation, which knows the time.
    fn into_stages(self) -> Vec<Document> {
        let mut stages = vec![doc! { "$match": self.filter }];
        stages.extend(self.sort.map(|sort| doc! { "$sort": sort }));
        let limit = self.limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
        stages.extend(limit.map(|limit| doc! { "$limit": limit }));
        stages.extend(self.projection.map(|projection| doc! { "$project": projection }));
        stages.push(doc! { "$set": { NOW: "$$NOW" } });
        stages
    }
}

/// The server's time in what a [timed](Find::timed) find reads.
pub(crate) const NOW: &str = "now";

/// How often something was tried in vain.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    count: u32,
    last: Option<StorageError>,
}

/// What an `update` or `delete` has done.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Documents that were found, or made.
    pub(crate) matched: u64,
    /// Those of them that were made.
    pub(crate) made: u64,
    /// Those that were found and are not as they were.
    pub(crate) changed: u64,
    /// Statements that failed, by their place.
    pub(crate) errors: Vec<(usize, StorageError)>,
    /// From which place on none was run, for the one before it failed and the order counts.
    pub(crate) stopped_at: Option<usize>,
}

impl Connection {
    pub(crate) fn new(
        client: Client,
        database: &str,
        collection: &str,
        concerns: (&WriteConcern, Option<ReadConcern>),
        timeout: Duration,
    ) -> Result<Self, StorageError> {
        let (write_concern, read_concern) = concerns;
        let write_concern =
            mongodb::bson::serialize_to_document(write_concern).map_err(|source| {
                let message = "the write concern cannot be sent";
                error("open", StorageErrorKind::Invalid, message).with_source(source)
            })?;
        let database = client.database(database);
        let collection = database.collection(collection);
        Ok(Self { client, database, collection, write_concern, read_concern, timeout })
    }

    /// Another collection of the same database, whose name ends in this.
    pub(crate) fn beside(&self, end: &str) -> Self {
        let name = format!("{}{end}", self.collection_name());
        Self { collection: self.database.collection(&name), ..self.clone() }
    }

    /// An error once the call's time is over.
    pub(crate) fn check_time(&self, call: &Call) -> Result<(), StorageError> {
        self.left(call, &mut Tries::default()).map(drop)
    }

    pub(crate) fn collection_name(&self) -> &str {
        self.collection.name()
    }

    /// Begins a call.
    pub(crate) fn call(&self, operation: &'static str) -> Call {
        // A time-out beyond what the clock can tell is none.
        let far = Duration::from_secs(365 * 86_400);
        Call { operation, deadline: Instant::now() + self.timeout.min(far), repeats: true }
    }

    /// A call that goes over many entries gets its time anew for each step.
    pub(crate) fn renew(&self, call: &mut Call) {
        *call = self.call(call.operation);
    }

    /// Ends what is under way and closes every connection.
    pub(crate) async fn shut_down(&self) {
        self.client.clone().shutdown().immediate(true).await;
    }

    /// How much of the call's time is left.
    fn left(&self, call: &Call, tries: &mut Tries) -> Result<Duration, StorageError> {
        let left = call.deadline.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(tries.last.take().unwrap_or_else(|| self.late(call))),
            false => Ok(left),
        }
    }

    /// What a try has brought; `None`, after a pause, where it is to be tried again.
    pub(crate) async fn judge<T>(
        &self,
        call: &Call,
        tries: &mut Tries,
        tried: Result<Result<T, StorageError>, Elapsed>,
    ) -> Result<Option<T>, StorageError> {
        let error = match tried {
            Ok(Ok(done)) => return Ok(Some(done)),
            Ok(Err(error)) if error.is_transient() && call.repeats => error,
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(tries.last.take().unwrap_or_else(|| self.late(call))),
        };
        let Some(wait) = pause(tries.count, fastrand::f64()) else { return Err(error) };
        if Instant::now() + wait >= call.deadline {
            return Err(error);
        }
        tries.count += 1;
        tries.last = Some(error);
        tokio::time::sleep(wait).await;
        Ok(None)
    }

    fn late(&self, call: &Call) -> StorageError {
        let message = format!("no answer within {:?}", self.timeout);
        error(call.operation, StorageErrorKind::Unavailable, message)
    }

    /// Runs a command that may be run twice.
    pub(crate) async fn run(
        &self,
        call: &Call,
        command: Document,
    ) -> Result<Document, StorageError> {
        self.run_made(call, || command.clone(), true).await
    }

    /// Runs a command that is made anew for each try. `bounded`: the server is told how much time
    /// is left, and gives it up then.
    async fn run_made(
        &self,
        call: &Call,
        mut command: impl FnMut() -> Document,
        bounded: bool,
    ) -> Result<Document, StorageError> {
        let mut tries = Tries::default();
        loop {
            let left = self.left(call, &mut tries)?;
            let mut command = command();
            if bounded {
                command.insert("maxTimeMS", milliseconds(left));
            }
            let ran = timeout(left, self.database.run_command(command).into_future()).await;
            let ran = ran.map(|ran| ran.map_err(|source| failure(call.operation, source)));
            if let Some(reply) = self.judge(call, &mut tries, ran).await? {
                return Ok(reply);
            }
        }
    }

    /// Runs a command that writes, under the write concern.
    pub(crate) async fn run_acknowledged(
        &self,
        call: &Call,
        mut command: impl FnMut() -> Document,
        bounded: bool,
    ) -> Result<Document, StorageError> {
        let command = || {
            let mut command = command();
            if !self.write_concern.is_empty() {
                command.insert("writeConcern", self.write_concern.clone());
            }
            command
        };
        let reply = self.run_made(call, command, bounded).await?;
        match reply.get_document("writeConcernError") {
            Ok(problem) => {
                let why = problem.get_str("errmsg").unwrap_or("no reason given");
                let message = format!("written, but not acknowledged: {why}");
                Err(error(call.operation, StorageErrorKind::Unavailable, message))
            }
            Err(_) => Ok(reply),
        }
    }

    /// Runs the statements of one `update`, in order or not: in order, what follows one that failed
    /// is not run. Statements that fail for a moment are run again; all of them may be run twice.
    pub(crate) async fn update(
        &self,
        call: &Call,
        statements: Vec<Document>,
        ordered: bool,
    ) -> Result<Written, StorageError> {
        self.write("update", "updates", call, statements, ordered).await
    }

    /// Removes all that match.
    pub(crate) async fn delete(&self, call: &Call, filter: Document) -> Result<u64, StorageError> {
        let statements = vec![doc! { "q": filter, "limit": 0 }];
        self.write("delete", "deletes", call, statements, true).await?.whole()
    }

    async fn write(
        &self,
        command: &str,
        list: &str,
        call: &Call,
        statements: Vec<Document>,
        ordered: bool,
    ) -> Result<Written, StorageError> {
        let mut written = Written::default();
        let mut left: Vec<(usize, Document)> = statements.into_iter().enumerate().collect();
        let mut attempts = 0;
        while !left.is_empty() {
            let made = || {
                let mut document = Document::new();
                document.insert(command, self.collection_name());
                document.insert("ordered", ordered);
                let sent: Vec<_> = left.iter().map(|(_, statement)| statement.clone()).collect();
                document.insert(list, sent);
                document
            };
            let reply = self.run_acknowledged(call, made, true).await?;
            written.matched += number(reply.get("n"));
            written.changed += number(reply.get("nModified"));
            written.made += reply.get_array("upserted").map_or(0, |made| made.len() as u64);
            let failed = reply.get_array("writeErrors").map(Vec::as_slice).unwrap_or_default();
            let wait = pause(attempts, fastrand::f64());
            let mut again = Vec::new();
            for problem in failed.iter().filter_map(Bson::as_document) {
                let at = number(problem.get("index")) as usize;
                let Some((place, statement)) = left.get(at) else { continue };
                let error = refusal(call.operation, problem);
                match error.is_transient() && wait.is_some() {
                    // What stands behind it was not run, where the order counts.
                    true if ordered => again.extend(left[at..].iter().cloned()),
                    true => again.push((*place, statement.clone())),
                    false => {
                        written.stopped_at = ordered.then_some(place + 1);
                        written.errors.push((*place, error));
                    }
                }
            }
            left = again;
            if let Some(wait) = wait.filter(|_| !left.is_empty()) {
                attempts += 1;
                tokio::time::sleep(wait).await;
            }
        }
        Ok(written)
    }

    /// Reads documents. They are read anew where the server goes away in between.
    ///
    /// In a task of its own: the driver closes the connection of a call that is dropped, and callers
    /// that give up after a short time would have it connect anew all the time.
    pub(crate) async fn find<T: Send + 'static>(
        &self,
        call: &Call,
        find: Find,
        read: impl Fn(&RawDocument) -> T + Clone + Send + 'static,
    ) -> Result<Vec<T>, StorageError> {
        let mut tries = Tries::default();
        let operation = call.operation;
        loop {
            let left = self.left(call, &mut tries)?;
            // A deployment may have a read concern of its own, for those that ask for none.
            let concern = match find.for_reader {
                true => self.read_concern.clone(),
                false => Some(ReadConcern::local()),
            };
            let once =
                find_once(self.collection.clone(), find.clone(), concern, left, read.clone());
            let found = match tokio::spawn(timeout(left, once)).await {
                Ok(found) => found.map(|it| it.map_err(|source| failure(operation, source))),
                // The runtime ends.
                Err(ended) => {
                    let message = "the reading was given up";
                    let kind = StorageErrorKind::Unavailable;
                    return Err(error(operation, kind, message).with_source(ended));
                }
            };
            if let Some(found) = self.judge(call, &mut tries, found).await? {
                return Ok(found);
            }
        }
    }
}

async fn find_once<T>(
    collection: Collection<RawDocumentBuf>,
    find: Find,
    concern: Option<ReadConcern>,
    left: Duration,
    read: impl Fn(&RawDocument) -> T,
) -> mongodb::error::Result<Vec<T>> {
    // One more than may come, so that the server closes the cursor with the first batch.
    let batch = u32::try_from(find.expected.saturating_add(1)).unwrap_or(u32::MAX);
    if find.timed {
        let action = collection.aggregate(find.into_stages()).max_time(left).batch_size(batch);
        let cursor = match concern {
            Some(concern) => action.read_concern(concern).with_type::<RawDocumentBuf>().await?,
            None => action.with_type::<RawDocumentBuf>().await?,
        };
        return read_all(cursor, read).await;
    }
    let mut action = collection.find(find.filter).max_time(left);
    if let Some(projection) = find.projection {
        action = action.projection(projection);
    }
    if let Some(sort) = find.sort {
        action = action.sort(sort);
    }
    if let Some(limit) = find.limit {
        action = action.limit(i64::try_from(limit).unwrap_or(i64::MAX));
    }
    if let Some(concern) = concern {
        action = action.read_concern(concern);
    }
    read_all(action.batch_size(batch).await?, read).await
}

async fn read_all<T>(
    mut cursor: Cursor<RawDocumentBuf>,
    read: impl Fn(&RawDocument) -> T,
) -> mongodb::error::Result<Vec<T>> {
    let mut found = Vec::new();
    while cursor.advance().await? {
        found.push(read(cursor.current()));
    }
    Ok(found)
}

impl Written {
    /// How many documents were matched, if no statement failed.
    pub(crate) fn whole(mut self) -> Result<u64, StorageError> {
        match self.errors.pop() {
            Some((_, error)) => Err(error),
            None => Ok(self.matched),
        }
    }
}

fn refusal(operation: &'static str, problem: &Document) -> StorageError {
    let code = i32::try_from(number(problem.get("code"))).unwrap_or(0);
    let why = problem.get_str("errmsg").unwrap_or("no reason given");
    error(operation, crate::error::kind_of_code(code), format!("refused with code {code}: {why}"))
}

/// A count out of a reply, in whatever type the server gives it.
pub(crate) fn number(value: Option<&Bson>) -> u64 {
    match value {
        Some(Bson::Int32(number)) => u64::try_from(*number).unwrap_or(0),
        Some(Bson::Int64(number)) => u64::try_from(*number).unwrap_or(0),
        Some(Bson::Double(number)) => *number as u64,
        _ => 0,
    }
}

fn milliseconds(left: Duration) -> i64 {
    i64::try_from(left.as_millis()).unwrap_or(i64::MAX).clamp(1, i64::from(i32::MAX))
}
