use std::time::Duration;

use super::*;
use crate::backplane::InProcessLog;
use crate::clock::{ManualClock, SystemClock};
use crate::key::Key;

fn announcer(log: &InProcessLog) -> Arc<Announcer> {
    let options = Backplane::from(log.clone());
    Announcer::new(Log::Own(Arc::new(log.clone())), "app", options, Arc::new(SystemClock))
}

fn selector(count: usize) -> Selector {
    let key = |at| Key::parse(&format!("app:{at}:v1")).expect("a key");
    Selector::Keys((0..count).map(key).collect())
}

fn announce(announcer: &Announcer, count: usize) -> Announcement<'_> {
    let mode = InvalidationMode::Remove;
    Announcement::new(Some(announcer), &selector(count), mode, Cause::Invalidated)
}

async fn events(log: &InProcessLog, from: &Position) -> Vec<Event> {
    let page = log.read(from, Duration::ZERO, 10_000).await.expect("a page");
    page.events.iter().map(|event| Event::from_bytes(event).expect("an event")).collect()
}

#[tokio::test]
async fn an_invalidation_is_told_twice_as_one_operation() {
    let log = InProcessLog::new();
    let start = log.end().await.expect("an end");
    let announcer = announcer(&log);
    let announcement = announce(&announcer, 1);
    announcement.intent().await;
    assert!(announcement.finish().await.is_none());
    assert!(announce(&announcer, 1).finish().await.is_none());
    let told = |event: &Event| match &event.message {
        Message::Intent(told) => (true, told.operation.number),
        Message::Final(told) => (false, told.operation.number),
        other => panic!("{other:?}"),
    };
    let events = events(&log, &start).await;
    assert_eq!(events.iter().map(told).collect::<Vec<_>>(), [(true, 1), (false, 1), (false, 2)]);
    assert!(events.iter().all(|event| event.sender == announcer.instance));
}

#[tokio::test]
async fn many_keys_are_told_in_several_events() {
    let log = InProcessLog::new();
    let start = log.end().await.expect("an end");
    let announcer = announcer(&log);
    assert!(announce(&announcer, NAMES_MAX * 2 + 1).finish().await.is_none());
    let keys = events(&log, &start).await.into_iter().map(|event| match event.message {
        Message::Final(Told { selector: Selector::Keys(keys), .. }) => keys.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!(keys.collect::<Vec<_>>(), [NAMES_MAX, NAMES_MAX, 1]);
}

#[tokio::test]
async fn what_the_log_does_not_take_is_appended_later() {
    let log = InProcessLog::new();
    let start = log.end().await.expect("an end");
    let announcer = announcer(&log);
    log.set_down(true);
    for _ in 0..3 {
        let announcement = announce(&announcer, 1);
        // Of use only while it is told in time.
        announcement.intent().await;
        assert!(announcement.finish().await.is_some());
    }
    let stats = announcer.stats();
    // After the first the log is not asked.
    assert_eq!((stats.unsent, stats.send_failures, stats.appends), (3, 1, false));
    assert!(!announcer.append_unsent().await);
    log.set_down(false);
    assert!(announcer.append_unsent().await);
    assert_eq!(events(&log, &start).await.len(), 3);
    assert!(announcer.stats().appends);
    assert!(announce(&announcer, 1).finish().await.is_none());
}

#[tokio::test]
async fn too_many_become_one_for_the_namespace() {
    let log = InProcessLog::new();
    let start = log.end().await.expect("an end");
    let announcer = announcer(&log);
    log.set_down(true);
    for _ in 0..=UNSENT_MAX {
        assert!(announce(&announcer, 1).finish().await.is_some());
        assert!(announcer.stats().unsent <= UNSENT_MAX as u64);
    }
    log.set_down(false);
    assert!(announcer.append_unsent().await);
    let events = events(&log, &start).await;
    let [Event { message: Message::Final(told), .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(told.selector, Selector::Namespace("app".to_owned()));
}

#[tokio::test]
async fn those_that_come_at_once_are_appended_together() {
    let log = InProcessLog::new();
    let start = log.end().await.expect("an end");
    let announcer = announcer(&log);
    let tasks = (0..500).map(|_| {
        let announcer = Arc::clone(&announcer);
        tokio::spawn(async move { announce(&announcer, 1).finish().await.is_none() })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert!(task.await.expect("no panic"));
    }
    assert_eq!(events(&log, &start).await.len(), 500);
    assert_eq!(announcer.stats().sent, 500);
    assert_eq!(announcer.queue.lock().len(), 0);
}

/// A log whose appends never end.
#[derive(Debug)]
struct Hanging;

#[async_trait::async_trait]
impl EventLog for Hanging {
    async fn append(&self, _: Vec<Bytes>) -> Result<(), StorageError> {
        std::future::pending().await
    }

    async fn end(&self) -> Result<Position, StorageError> {
        std::future::pending().await
    }

    async fn read(
        &self,
        _: &Position,
        _: Duration,
        _: usize,
    ) -> Result<crate::backplane::Page, StorageError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn an_append_that_hangs_is_given_up_and_one_that_was_dropped_hangs_nobody() {
    let clock = ManualClock::new();
    let options = Backplane::from(Hanging);
    let limit = options.append_timeout;
    let log = Log::Own(Arc::new(Hanging));
    let announcer = Announcer::new(log, "app", options, Arc::new(clock.clone()));
    let begin = || {
        let announcer = Arc::clone(&announcer);
        tokio::spawn(async move { announce(&announcer, 1).finish().await.is_some() })
    };
    let (dropped, waiting) = (begin(), begin());
    while clock.sleepers() == 0 || announcer.queue.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    dropped.abort();
    assert!(dropped.await.expect_err("aborted").is_cancelled());
    // The second has the turn now.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    clock.advance(limit);
    assert!(waiting.await.expect("no panic"));
}
