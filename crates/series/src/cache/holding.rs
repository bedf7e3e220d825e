use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::head::Head;
use crate::row::Row;
use crate::view::Directory;

/// What is in memory of one series: a directory, which is replaced as a whole.
///
/// How often it has forgotten stands with it in one: what was begun before is never there after, and
/// what was begun after is never taken for what goes.
#[derive(Debug)]
pub(super) struct Holding<R: Row> {
    held: ArcSwap<Held<R>>,
}

#[derive(Debug)]
struct Held<R: Row> {
    directory: Arc<Directory<R>>,
    forgotten: u64,
    /// Whether what is stored of the series as a whole was read, since it was forgotten last.
    has_head: bool,
}

impl<R: Row> Holding<R> {
    pub(super) fn new(directory: Directory<R>) -> Self {
        let directory = Arc::new(directory);
        Self { held: ArcSwap::from_pointee(Held { directory, forgotten: 0, has_head: false }) }
    }

    /// What is known now.
    pub(super) fn directory(&self) -> Arc<Directory<R>> {
        Arc::clone(&self.held.load().directory)
    }

    /// What is known now, once it has a head.
    pub(super) fn opened(&self) -> Option<Arc<Directory<R>>> {
        let held = self.held.load();
        held.has_head.then(|| Arc::clone(&held.directory))
    }

    /// Whether this is what is known now.
    pub(super) fn is(&self, directory: &Arc<Directory<R>>) -> bool {
        Arc::ptr_eq(&self.held.load().directory, directory)
    }

    /// How often it has forgotten.
    pub(super) fn forgotten(&self) -> u64 {
        self.held.load().forgotten
    }

    /// Puts in its place what becomes of it, unless that is nothing; answers whether it did. It may be
    /// called several times, and the last one counts.
    pub(super) fn change(
        &self,
        mut change: impl FnMut(&Directory<R>) -> Option<Directory<R>>,
    ) -> bool {
        self.change_held(|held| change(&held.directory).map(|changed| (changed, held.has_head)))
    }

    /// The same, unless it has forgotten since it had done so this many times.
    pub(super) fn change_since(
        &self,
        forgotten: u64,
        mut change: impl FnMut(&Directory<R>) -> Option<Directory<R>>,
    ) -> bool {
        self.change_held(|held| {
            let is_current = held.forgotten == forgotten;
            let changed = is_current.then(|| change(&held.directory)).flatten();
            changed.map(|changed| (changed, held.has_head))
        })
    }

    /// Puts a head in, unless it has forgotten since it had done so this many times.
    pub(super) fn open_since(&self, forgotten: u64, head: &Arc<Head>) -> bool {
        self.change_held(|held| {
            let is_new = !held.has_head || held.directory.head() != &**head;
            let is_wanted = is_new && held.forgotten == forgotten;
            is_wanted.then(|| (held.directory.with_head(Arc::clone(head)), true))
        })
    }

    fn change_held(
        &self,
        mut change: impl FnMut(&Held<R>) -> Option<(Directory<R>, bool)>,
    ) -> bool {
        let mut is_changed = false;
        self.held.rcu(|held| {
            let changed = change(held);
            is_changed = changed.is_some();
            changed.map_or_else(
                || Arc::clone(held),
                |(directory, has_head)| {
                    let (directory, forgotten) = (Arc::new(directory), held.forgotten);
                    Arc::new(Held { directory, forgotten, has_head })
                },
            )
        });
        is_changed
    }

    /// Forgets all; answers what there was.
    pub(super) fn forget(&self, empty: Directory<R>) -> Arc<Directory<R>> {
        let empty = Arc::new(empty);
        let before = self.held.rcu(|held| Held {
            directory: Arc::clone(&empty),
            forgotten: held.forgotten + 1,
            has_head: false,
        });
        Arc::clone(&before.directory)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::row::Candle;
    use crate::session::SessionCalendar;
    use crate::time::{Alignment, Grid, Time, Timeframe};

    fn empty() -> Directory<Candle> {
        let grid = Grid::new(Timeframe::Minute1, Alignment::UTC);
        Directory::new(grid, Arc::new(SessionCalendar::ALWAYS))
    }

    fn head() -> Arc<Head> {
        let mut head = Head::default();
        head.listed(Time::EPOCH);
        Arc::new(head)
    }

    #[test]
    fn what_was_begun_before_is_not_there_after() {
        let holding = Holding::new(empty());
        let begun = holding.forgotten();
        assert!(holding.opened().is_none());
        assert!(holding.open_since(begun, &head()) && !holding.open_since(begun, &head()));
        let before = holding.forget(empty());
        assert!(before.head().listing().is_some() && !holding.is(&before));
        assert!(!holding.open_since(begun, &head()));
        assert!(!holding.change_since(begun, |known| Some(known.clone())));
        assert!(holding.opened().is_none());
        assert!(holding.open_since(holding.forgotten(), &Arc::default()), "none is one too");
        assert!(holding.opened().is_some());
    }

    /// Whenever it forgets, what is begun afterwards stays, and nothing is open that has no head.
    #[test]
    fn what_was_begun_after_is_not_lost() {
        let (holding, is_over) = (Holding::new(empty()), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    holding.forget(empty());
                }
                is_over.store(true, Ordering::Release);
            });
            let head = head();
            while !is_over.load(Ordering::Acquire) {
                let begun = holding.forgotten();
                holding.open_since(begun, &head);
                let opened = holding.opened();
                assert!(opened.is_none_or(|opened| opened.head().listing().is_some()));
                let has_head = holding.directory().head().listing().is_some();
                assert!(has_head || holding.forgotten() != begun, "it was lost");
            }
        });
    }
}
