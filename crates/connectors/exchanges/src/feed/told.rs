use cache_series::time::Time;

use super::protocol::Update;

/// What was told, by which repetitions are known.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The newest row whose closing was told.
    pub(super) closed: Option<Time>,
    /// The newest event.
    event_ms: i64,
    /// The newest row as it was heard last, where a later one closes it.
    growing: Option<Update>,
}

impl Told {
    /// The row that is over because this one has begun after it, as it was heard last.
    pub(super) fn closed_by(&mut self, update: &Update) -> Option<Update> {
        let begins = self.growing.is_none_or(|growing| growing.time < update.time);
        // Of two connections the one that is behind says again what the row was before.
        let is_newer =
            |growing: Update| growing.time == update.time && growing.event_ms <= update.event_ms;
        if !begins && !self.growing.is_some_and(is_newer) {
            return None;
        }
        let former = self.growing.replace(*update).filter(|_| begins)?;
        Some(Update { event_ms: update.event_ms, closed: true, ..former })
    }

    /// Whether a row says something new.
    pub(super) fn is_news(&mut self, update: &Update) -> bool {
        // Of a row that has closed nothing more is told; of a growing one nothing older.
        let over = self.closed.is_some_and(|closed| update.time <= closed);
        if over || (!update.closed && update.event_ms < self.event_ms) {
            return false;
        }
        self.event_ms = self.event_ms.max(update.event_ms);
        if update.closed {
            self.closed = Some(update.time);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use cache_series::row::Candle;

    use super::*;

    fn update(slot: i64, event_ms: i64, closed: bool) -> Update {
        let time = Time::from_unix_ms(slot * 60_000);
        Update { event_ms, time, candle: Candle::flat(1.0, 1.0), closed }
    }

    #[test]
    fn what_two_connections_say_is_told_once() {
        let mut told = Told::default();
        assert!(told.is_news(&update(1, 100, false)));
        assert!(told.is_news(&update(1, 200, false)));
        assert!(!told.is_news(&update(1, 150, false)), "the former is behind");
        // The new connection is ahead of the former, which still has the closing.
        assert!(told.is_news(&update(2, 300, false)));
        assert!(told.is_news(&update(1, 250, true)));
        assert!(!told.is_news(&update(1, 250, true)), "the other one says it too");
        assert!(!told.is_news(&update(1, 400, false)), "it has closed");
        assert!(told.is_news(&update(2, 300, false)));
    }

    #[test]
    fn a_row_is_over_once_a_later_one_begins() {
        let mut told = Told::default();
        assert_eq!(told.closed_by(&update(1, 100, false)), None, "the first that is heard");
        assert_eq!(told.closed_by(&update(1, 200, false)), None);
        // The former connection, which is behind, with what the row was before.
        let before = Update { candle: Candle::flat(9.0, 9.0), ..update(1, 150, false) };
        assert_eq!(told.closed_by(&before), None);
        // Nothing was traded in slot 2.
        assert_eq!(told.closed_by(&update(3, 300, false)), Some(update(1, 300, true)));
        assert_eq!(told.closed_by(&update(1, 250, false)), None, "it has closed");
        assert_eq!(told.closed_by(&update(3, 310, false)), None);
        assert_eq!(told.closed_by(&update(4, 400, false)), Some(update(3, 400, true)));
    }
}
