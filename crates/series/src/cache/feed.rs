use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::shared::{Connection, Shared};
use super::state::State;
use super::stats::count;
use crate::chunk::Chunk;
use crate::coverage::Backoff;
use crate::live::Update;
use crate::row::Row;
use crate::time::{Slots, Time};
use crate::venue::{FeedMessage, VenueError, VenueErrorKind};

/// How the connection to a venue's feed stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum FeedStatus {
    /// It is being made.
    Connecting,
    /// The venue tells what happens.
    Connected,
    /// It is lost, for this reason or without one, and is made again after a pause. What is not
    /// heard meanwhile is read when it is asked for next.
    Lost {
        /// What the venue said last.
        error: Option<VenueError>,
    },
    /// The venue has no such feed; it is not asked again.
    Ended {
        /// What it said.
        error: VenueError,
    },
}

/// A feed that is followed for as long as this is kept.
#[derive(Debug)]
pub(super) struct Following {
    task: AbortHandle,
    pub(super) status: watch::Receiver<FeedStatus>,
}

/// Pauses between connections: from a quarter of a second to half a minute.
const PAUSE: Backoff = Backoff::new(Duration::from_millis(250), 2, Duration::from_secs(30));
/// A connection that lasted as long has not failed at once: the next pause is the first again.
const LASTING: Duration = Duration::from_secs(60);

impl Following {
    /// Waits for the first connection, or for it to fail; answers why there will be none.
    pub(super) async fn refusal(&self) -> Option<VenueError> {
        let mut status = self.status.clone();
        let tried = status.wait_for(|status| !matches!(status, FeedStatus::Connecting)).await;
        match tried.as_deref() {
            Ok(FeedStatus::Ended { error }) => Some(error.clone()),
            _ => None,
        }
    }
}

impl Following {
    /// Whether nothing more is heard: the venue refused, or the task has gone.
    fn is_over(&self) -> bool {
        self.status.has_changed().is_err()
            || matches!(*self.status.borrow(), FeedStatus::Ended { .. })
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<R: Row> State<R> {
    /// Hears of the row that is growing, and tells those who listen.
    pub(super) fn hear(&self, time: Time, row: R) {
        let heard = self.feed.lock().receive(time, row, false);
        if let Ok(update) = heard {
            // Without subscribers nobody gets it.
            let _ = self.updates.send(update);
        }
    }
}

impl<R: Row> Shared<R> {
    /// Follows the feed of a series, which may be followed already.
    pub(super) fn follow(
        self: &Arc<Self>,
        state: &Arc<State<R>>,
        connection: &Connection<R>,
    ) -> Arc<Following> {
        let mut following = state.following.lock();
        if let Some(following) = following.upgrade()
            && !following.is_over()
        {
            return following;
        }
        let (tell, status) = watch::channel(FeedStatus::Connecting);
        let task = run(Arc::clone(self), Arc::clone(state), connection.clone(), tell);
        let task = tokio::spawn(task).abort_handle();
        let new = Arc::new(Following { task, status });
        *following = Arc::downgrade(&new);
        new
    }
}

/// Whatever ends it, a feed that is not heard any more has no row that grows.
struct Silence<'state, R: Row>(&'state State<R>);

impl<R: Row> Drop for Silence<'_, R> {
    fn drop(&mut self) {
        self.0.feed.lock().disconnected();
    }
}

async fn run<R: Row>(
    shared: Arc<Shared<R>>,
    state: Arc<State<R>>,
    connection: Connection<R>,
    status: watch::Sender<FeedStatus>,
) {
    let mut failures: u8 = 0;
    let _silence = Silence::<R>(&state);
    loop {
        let began = shared.clock.monotonic();
        let error = match connect(&shared, &state, &connection).await {
            Ok(mut messages) => {
                count(&state.counters.feed_connections);
                status.send_replace(FeedStatus::Connected);
                let mut error = None;
                while let Some(message) = messages.next().await {
                    match message {
                        Ok(message) => take(&shared, &state, message).await,
                        Err(reason) => {
                            error = Some(reason);
                            break;
                        }
                    }
                }
                state.feed.lock().disconnected();
                error
            }
            Err(error) => Some(error),
        };
        if let Some(error) = error.clone().filter(|error| !error.is_transient()) {
            status.send_replace(FeedStatus::Ended { error });
            return;
        }
        let lasted = shared.clock.monotonic().since(began) >= LASTING;
        failures = if lasted { 1 } else { failures.saturating_add(1) };
        let told = error.as_ref().and_then(VenueError::retry_after).unwrap_or_default();
        status.send_replace(FeedStatus::Lost { error });
        shared.clock.sleep(PAUSE.delay(failures).max(told)).await;
    }
}

async fn connect<R: Row>(
    shared: &Shared<R>,
    state: &State<R>,
    connection: &Connection<R>,
) -> Result<crate::venue::FeedStream<R>, VenueError> {
    let timeout = shared.options.call_timeout;
    tokio::select! {
        messages = connection.venue.feed(&state.key) => messages,
        () = shared.clock.sleep(timeout) => {
            let (name, kind) = (connection.venue.name(), VenueErrorKind::Timeout);
            Err(VenueError::new(name, kind, format!("no connection within {timeout:?}")))
        }
    }
}

/// Keeps what a message tells, and then tells those who listen: what they hear of can be read.
async fn take<R: Row>(shared: &Shared<R>, state: &State<R>, message: FeedMessage<R>) {
    count(&state.counters.feed_messages);
    let FeedMessage { time, row, closed } = message;
    let heard = state.feed.lock().receive(time, row, closed);
    let Ok(update) = heard else {
        count(&state.counters.feed_refused);
        return;
    };
    if let Update::Closed { slot, .. } = &update {
        let index = Chunk::<R>::index_of(*slot);
        let apply = |known: &Chunk<R>| update.apply(known).unwrap_or_else(|| known.clone());
        // A row that could not be stored is told of nevertheless; whoever reads it later asks.
        let _ = shared.change(state, state.epoch(), index, apply).await;
        state.recency.lock().read(Slots::one(index), shared.clock.monotonic());
        shared.sweep_if_over();
    }
    let _ = state.updates.send(update);
}
