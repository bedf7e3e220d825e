//! What is read is done, in this process and in the storages of this host.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::{Either, select};

use super::announce::Announcement;
use super::bookmark;
use super::event::{Cause, Told};
use super::follower::{Change, Order};
use super::log::Position;
use super::run::Followed;
use crate::cache::{
    Reached, Registered, forget_in_process, heard_in_process, invalidate_announced, leave_to_replay,
};
use crate::observe;
use crate::storage::{InvalidationMode, Selector};

/// How many events are read at once.
pub(super) const EVENTS_AT_ONCE: usize = 1024;

impl Followed {
    fn local_storages(&self) -> Vec<Arc<Registered>> {
        let mut storages = self.shared.order.far_first();
        storages.retain(|storage| !storage.is_shared());
        storages
    }

    fn everything(&self) -> Selector {
        Selector::Namespace(self.shared.prefix.clone())
    }

    /// Memory, then the storages of this host from the farthest to the nearest, then memory again.
    pub(super) async fn apply(&self, change: &Change) {
        let Change { selector, mode, cause } = change;
        let rereads = match (selector, cause) {
            (Selector::Keys(keys), Cause::Changed) => {
                self.registry.rereads(&self.shared.memories, keys)
            }
            _ => Vec::new(),
        };
        let key_test = self.registry.key_test(selector);
        let heard = |mark| heard_in_process(&self.shared, key_test.as_ref(), selector, *mode, mark);
        let mark = heard(u64::MAX);
        let storages = self.local_storages();
        for storage in &storages {
            self.invalidate_local(storage, selector, *mode).await;
        }
        if !storages.is_empty() {
            heard(mark);
        }
        rereads.into_iter().for_each(|reread| reread());
    }

    /// What cannot be told is pending, and neither read nor filled until it was.
    async fn invalidate_local(
        &self,
        storage: &Arc<Registered>,
        selector: &Selector,
        mode: InvalidationMode,
    ) {
        let limit = self.shared.clock.sleep(self.announcer.options.silent_after);
        let told = select(Box::pin(storage.invalidate(selector, mode)), limit).await;
        if !matches!(told, Either::Left((Ok(_), _))) {
            let key_test = self.registry.key_test(selector);
            leave_to_replay(&self.shared, storage, &key_test, selector, mode);
        }
    }

    /// What was told before the log was read is not known: memory forgets, and so do the storages
    /// of this host that do not outlive the process. The others have been brought up to date.
    pub(super) async fn join(&self) {
        let everything = self.everything();
        let key_test = self.registry.key_test(&everything);
        let forget = || {
            forget_in_process(&self.shared, key_test.as_ref(), &everything);
        };
        forget();
        for storage in self.local_storages() {
            if !storage.capabilities().persistent {
                self.invalidate_local(&storage, &everything, InvalidationMode::Remove).await;
            }
        }
        forget();
    }

    /// The storages of this host that were held since the start are asked from now on.
    pub(super) fn release_held(&self) {
        if !self.announcer.holds.swap(false, Ordering::SeqCst) {
            return;
        }
        for storage in self.local_storages() {
            if storage.capabilities().persistent {
                storage.pending.release();
            }
        }
    }

    /// All that memory and the storages of this host hold is forgotten.
    pub(super) async fn forget(&self) {
        observe::backplane_gap(&self.announcer.prefix);
        let everything = self.everything();
        let key_test = self.registry.key_test(&everything);
        let forget = || {
            forget_in_process(&self.shared, key_test.as_ref(), &everything);
        };
        let storages = self.local_storages();
        let held: Vec<_> = storages.iter().map(|storage| storage.pending.held()).collect();
        forget();
        for storage in &storages {
            self.invalidate_local(storage, &everything, InvalidationMode::Remove).await;
        }
        if !storages.is_empty() {
            forget();
        }
        drop(held);
    }

    /// Neither memory nor the storages of this host are asked.
    pub(super) fn distrust(&self) {
        if self.announcer.is_distrusted.swap(true, Ordering::SeqCst) {
            return;
        }
        observe::backplane_silent(&self.announcer.prefix);
        self.shared.fence.shut();
        let everything = self.everything();
        let key_test = self.registry.key_test(&everything);
        forget_in_process(&self.shared, key_test.as_ref(), &everything);
        self.local_storages().iter().for_each(|storage| storage.pending.hold());
    }

    /// Takes back a [`distrust`](Self::distrust).
    pub(super) fn trust(&self) {
        if !self.announcer.is_distrusted.swap(false, Ordering::SeqCst) {
            return;
        }
        self.local_storages().iter().for_each(|storage| storage.pending.release());
        self.shared.fence.reopen();
    }

    /// Ends what another cache has begun. It takes as long as the storages do, and nobody waits.
    pub(super) fn finish(&self, told: Told) {
        let (shared, announcer) = (Arc::clone(&self.shared), Arc::clone(&self.announcer));
        let key_test = self.registry.key_test(&told.selector);
        self.shared.spawn(async move {
            let reached = Reached { storages: shared.order.far_first(), key_test };
            let (selector, mode) = (told.selector.clone(), told.mode);
            let announcement = Announcement::resumed(&announcer, told);
            // What could not be reached is queued there.
            let _ = invalidate_announced(&shared, reached, selector, mode, &announcement).await;
        });
    }

    pub(super) fn take_order(&self, order: &Order) {
        let conflicts = self.shared.order.set_announced(order);
        for conflict in &conflicts {
            observe::backplane_order(&conflict.near, &conflict.far);
        }
        self.announcer.followed.lock().order_conflicts = conflicts.len() as u64;
    }

    /// Brings the storages of this host to where the log is read from.
    pub(super) async fn catch_up(&self) {
        for storage in self.local_storages() {
            if !storage.capabilities().persistent {
                continue;
            }
            let _held = storage.pending.held();
            self.catch_up_one(&storage).await;
        }
    }

    async fn catch_up_one(&self, storage: &Arc<Registered>) {
        let from = bookmark::load(storage, &self.shared.prefix).await;
        let (Ok(Some(mut at)), Some(log)) = (from, self.announcer.log.get()) else {
            return self.clear(storage).await;
        };
        loop {
            let limit = self.shared.clock.sleep(self.announcer.options.silent_after);
            let page = log.read(&at, std::time::Duration::ZERO, EVENTS_AT_ONCE);
            let Either::Left((Ok(page), _)) = select(page, limit).await else {
                return self.clear(storage).await;
            };
            let Some(changes) = super::follower::changes_of(&page, &self.shared.prefix) else {
                return self.clear(storage).await;
            };
            for change in changes {
                self.invalidate_local(storage, &change.selector, change.mode).await;
            }
            at = page.next;
            if !page.more {
                return;
            }
        }
    }

    async fn clear(&self, storage: &Arc<Registered>) {
        self.invalidate_local(storage, &self.everything(), InvalidationMode::Remove).await;
    }

    /// Notes in the storages of this host what they have been told.
    pub(super) async fn save(&self, position: &Position) {
        for storage in self.local_storages() {
            if storage.capabilities().persistent && storage.pending.len() == 0 {
                let now = self.shared.clock.wall();
                let save = bookmark::save(&storage, &self.shared.prefix, position, now);
                let limit = self.shared.clock.sleep(self.announcer.options.silent_after);
                // The one that stands there is older, which costs time and nothing else.
                let _ = select(Box::pin(save), limit).await;
            }
        }
    }
}
