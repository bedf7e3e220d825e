//! The tasks: one reads and applies, one says that the cache is there. They hold no cache that
//! nobody else holds, and end when it closes.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, FutureExt, select};
use tokio_util::sync::CancellationToken;

use super::announce::Announcer;
use super::apply::EVENTS_AT_ONCE;
use super::bookmark;
use super::follower::{Action, Follower};
use super::log::{Page, Position};
use crate::cache::{Registry, Shared};
use crate::clock::Tick;
use crate::observe;
use crate::storage::StorageError;

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A cache while something is done to it.
pub(super) struct Followed {
    pub(super) shared: Arc<Shared>,
    pub(super) registry: Arc<Registry>,
    pub(super) announcer: Arc<Announcer>,
}

/// The same between two times.
struct Follows {
    shared: Weak<Shared>,
    registry: Weak<Registry>,
    announcer: Arc<Announcer>,
    closing: CancellationToken,
}

/// Begins to follow what others tell.
pub(crate) fn start(shared: &Arc<Shared>, registry: &Arc<Registry>, announcer: &Arc<Announcer>) {
    if announcer.misses_in_silence() {
        // Until it is known what they were not told, they are not asked.
        announcer.holds.store(true, Ordering::SeqCst);
        for storage in &shared.storages {
            if !storage.is_shared() && storage.capabilities().persistent {
                storage.pending.hold();
            }
        }
    }
    let follows = || Follows {
        shared: Arc::downgrade(shared),
        registry: Arc::downgrade(registry),
        announcer: Arc::clone(announcer),
        closing: shared.closing(),
    };
    let reads = follows();
    shared.spawn(async move {
        // A storage or a node that panics must not end what memory relies on: it is begun anew, and
        // what was in hand is forgotten with all else.
        while AssertUnwindSafe(reads.read()).catch_unwind().await.is_err() {
            let pause = std::future::pending::<()>();
            if let Woken::Closing = reads.wait(pin!(pause), PAUSE_MIN).await {
                return;
            }
        }
    });
    shared.spawn(follows().speak());
}

/// What ended a wait.
enum Woken<T> {
    Done(T),
    Passed,
    Closing,
}

impl Follows {
    fn cache(&self) -> Option<Followed> {
        Some(Followed {
            shared: self.shared.upgrade()?,
            registry: self.registry.upgrade()?,
            announcer: Arc::clone(&self.announcer),
        })
    }

    fn now(&self) -> Tick {
        self.announcer.clock.monotonic()
    }

    async fn wait<T>(&self, call: impl Future<Output = T> + Unpin, time: Duration) -> Woken<T> {
        let closing = pin!(self.closing.cancelled());
        match select(call, select(self.announcer.clock.sleep(time), closing)).await {
            Either::Left((done, _)) => Woken::Done(done),
            Either::Right((Either::Left(_), _)) => Woken::Passed,
            Either::Right((Either::Right(_), _)) => Woken::Closing,
        }
    }

    /// Says again and again that the cache is there, and appends what could not be appended.
    async fn speak(self) {
        let heartbeat = self.announcer.options.heartbeat;
        let mut pause = PAUSE_MIN.min(heartbeat);
        loop {
            let Some(cache) = self.cache() else { return };
            self.announcer.greets.store(false, Ordering::Relaxed);
            let order = cache.shared.order.announced();
            drop(cache);
            let is_up = self.announcer.append_unsent().await && self.announcer.hello(order).await;
            let wait = if is_up {
                pause = PAUSE_MIN.min(heartbeat);
                heartbeat
            } else {
                pause = (pause * 2).min(PAUSE_MAX);
                pause.mul_f64(0.5 + fastrand::f64() / 2.0)
            };
            let wake = self.announcer.wake.notified();
            match self.wait(pin!(wake), wait).await {
                Woken::Closing => break,
                Woken::Passed => {}
                // Many may come at once, and one word is enough for all of them.
                Woken::Done(()) => {
                    let pause = PAUSE_MIN.min(heartbeat);
                    if let Woken::Closing =
                        self.wait(pin!(std::future::pending::<()>()), pause).await
                    {
                        break;
                    }
                }
            }
        }
        if self.announcer.append_unsent().await {
            self.announcer.goodbye().await;
        }
    }

    /// Reads and applies.
    async fn read(&self) {
        let options = &self.announcer.options;
        let mut follower =
            Follower::new(self.announcer.instance, &self.announcer.prefix, options, self.now());
        let mut position: Option<Position> = None;
        let mut saved: Option<(Tick, Position)> = None;
        let mut pause = PAUSE_MIN;
        loop {
            let begun = self.now();
            let read = match self.read_once(&mut follower, position.as_ref()).await {
                Some(read) => read,
                None => break,
            };
            let page = match read {
                Ok(page) => page,
                Err(error) => {
                    self.announcer.followed.lock().read_failures += 1;
                    observe::backplane_failed("read", &error);
                    let wait = pause.mul_f64(0.5 + fastrand::f64() / 2.0);
                    pause = (pause * 2).min(PAUSE_MAX.min(options.silent_after));
                    match self.wait(pin!(std::future::pending::<()>()), wait).await {
                        Woken::Closing => break,
                        _ => {
                            let Some(cache) = self.cache() else { return };
                            let actions = follower.tick(self.now());
                            self.act(&cache, actions, &follower).await;
                            continue;
                        }
                    }
                }
            };
            pause = PAUSE_MIN;
            let Some(cache) = self.cache() else { return };
            let mut actions = match &position {
                Some(_) => follower.page(begun, self.now(), &page, fastrand::f64()),
                None => {
                    cache.catch_up().await;
                    cache.join().await;
                    follower.joined(begun)
                }
            };
            actions.extend(follower.tick(self.now()));
            let is_first = position.is_none();
            self.act(&cache, actions, &follower).await;
            if is_first {
                cache.trust();
                cache.release_held();
                self.announcer.followed.lock().joined = true;
                self.announcer.joined.send_replace(true);
            }
            self.announcer.follows(&page.next);
            position = Some(page.next.clone());
            let is_due = saved.as_ref().is_none_or(|(at, position)| {
                *position != page.next && self.now().since(*at) >= bookmark::INTERVAL
            });
            if is_due && !page.more {
                cache.save(&page.next).await;
                saved = Some((self.now(), page.next));
            }
        }
        if let (Some(cache), Some(position)) = (self.cache(), position)
            && follower.is_trusted()
        {
            cache.save(&position).await;
        }
    }

    /// One read, while time goes on; `None` ends the task. Where there is no position yet, the end
    /// of the log is asked for.
    async fn read_once(
        &self,
        follower: &mut Follower,
        position: Option<&Position>,
    ) -> Option<Result<Page, StorageError>> {
        let options = &self.announcer.options;
        let log = self.announcer.log.get()?;
        let mut call: BoxFuture<'_, Result<Page, StorageError>> = match position {
            Some(position) => log.read(position, options.heartbeat, EVENTS_AT_ONCE),
            None => async { Ok(Page::new(Vec::new(), log.end().await?)) }.boxed(),
        };
        let begun = self.now();
        loop {
            match self.wait(&mut call, options.heartbeat).await {
                Woken::Done(read) => return Some(read),
                Woken::Closing => return None,
                Woken::Passed => {
                    let now = self.now();
                    let actions = follower.tick(now);
                    let cache = self.cache()?;
                    self.act(&cache, actions, follower).await;
                    // A call that nobody answers is made again, by another connection maybe.
                    let patience = options.heartbeat.saturating_add(options.silent_after);
                    if now.since(begun) > patience {
                        let kind = crate::storage::StorageErrorKind::Unavailable;
                        let message = format!("no answer within {patience:?}");
                        return Some(Err(StorageError::new("backplane", "read", kind, message)));
                    }
                }
            }
        }
    }

    async fn act(&self, cache: &Followed, actions: Vec<Action>, follower: &Follower) {
        for action in actions {
            match action {
                Action::Apply(change) => cache.apply(&change).await,
                Action::Forget => cache.forget().await,
                Action::Finish(told) => cache.finish(told),
                Action::Distrust => cache.distrust(),
                Action::Trust => cache.trust(),
                Action::Order(order) => cache.take_order(&order),
                Action::Greet => {
                    if !self.announcer.greets.swap(true, Ordering::Relaxed) {
                        self.announcer.wake.notify_one();
                    }
                }
            }
        }
        let counts = follower.counts();
        let mut followed = self.announcer.followed.lock();
        followed.trusted = follower.is_trusted() && followed.joined;
        followed.received = counts.received;
        followed.applied = counts.applied;
        followed.unreadable = counts.unreadable;
        followed.gaps = counts.gaps;
        followed.finished = counts.finished;
        followed.silences = counts.silences;
        followed.peers = follower.peers();
    }
}
