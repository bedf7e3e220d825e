//! The log of events.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;

use super::super::case::{Case, case};
use super::super::client::Client;
use super::super::context::Context;
use super::super::failure::{CaseResult, Failure, ensure, ensure_eq};
use crate::backplane::{EventLog, Position};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case!(events_are_read_in_order_and_once, Events),
        case!(a_thousand_events_are_read_in_pages, Events),
        case!(an_event_wakes_who_waits_for_it, Events),
        case!(a_reader_of_an_idle_log_comes_back, Events),
        case!(the_end_of_a_log_is_after_what_was_appended, Events),
        case!(an_empty_append_changes_nothing, Events),
        case!(any_bytes_can_be_an_event, Events),
        case!(events_of_two_writers_are_read_once_each, Events, SecondClient),
        case!(two_readers_have_every_event_each, Events, SecondClient),
        case!(a_position_holds_after_a_restart, Events, Persistence),
        case!(a_position_of_another_log_is_a_gap, Events).exclusive(),
        case!(a_reader_that_was_trimmed_past_is_told, Events, OwnStore, SmallLog),
        case!(a_closed_log_refuses, Events),
    ]
}

/// A log whose events are those of one case.
struct Log<'a> {
    log: &'a dyn EventLog,
    prefix: &'a str,
}

fn log<'a>(client: &'a Client, context: &'a Context) -> CaseResult<Log<'a>> {
    let log = client.storage().events().ok_or_else(|| Failure::new("no log of events"))?;
    Ok(Log { log, prefix: context.prefix() })
}

impl Log<'_> {
    async fn append<T: AsRef<str>>(&self, events: &[T]) -> CaseResult {
        let text = |event: &T| Bytes::from(format!("{} {}", self.prefix, event.as_ref()));
        Ok(self.log.append(events.iter().map(text).collect()).await?)
    }

    /// Events, where to go on, and whether there was a gap.
    async fn page(
        &self,
        after: &Position,
        limit: usize,
    ) -> CaseResult<(Vec<String>, Position, bool)> {
        let page = self.log.read(after, Duration::ZERO, limit).await?;
        let ours = |event: &Bytes| {
            let text = std::str::from_utf8(event).ok()?;
            text.strip_prefix(self.prefix)?.strip_prefix(' ').map(str::to_owned)
        };
        ensure!(page.events.len() <= limit, "{} events, not {limit}", page.events.len());
        Ok((page.events.iter().filter_map(ours).collect(), page.next, page.gap))
    }

    /// All events after a position, of which none may be missing.
    async fn rest(&self, after: &Position, limit: usize) -> CaseResult<(Vec<String>, Position)> {
        let (mut events, mut at) = (Vec::new(), after.clone());
        loop {
            let page = self.log.read(&at, Duration::ZERO, limit).await?;
            let (more, found) = (page.more, page.events.len());
            let (ours, next, gap) = (self.ours(&page.events), page.next, page.gap);
            ensure!(!gap, "a gap after {} events", events.len());
            events.extend(ours);
            ensure!(found == 0 || next != at, "the position stands still");
            at = next;
            if !more {
                return Ok((events, at));
            }
        }
    }

    fn ours(&self, events: &[Bytes]) -> Vec<String> {
        let text = |event: &Bytes| {
            let text = std::str::from_utf8(event).ok()?;
            text.strip_prefix(self.prefix)?.strip_prefix(' ').map(str::to_owned)
        };
        events.iter().filter_map(text).collect()
    }
}

async fn events_are_read_in_order_and_once(context: Context) -> CaseResult {
    let log = log(context.client(), &context)?;
    let start = log.log.end().await?;
    log.append(&["a", "b"]).await?;
    log.append(&["c"]).await?;
    let (events, next) = log.rest(&start, 2).await?;
    ensure_eq!(events, ["a", "b", "c"], "the events in pages of two");
    log.append(&["d"]).await?;
    ensure_eq!(log.rest(&next, 100).await?.0, ["d"], "the events after those");
    ensure_eq!(log.rest(&start, 100).await?.0, ["a", "b", "c", "d"], "all of them again");
    Ok(())
}

async fn a_thousand_events_are_read_in_pages(context: Context) -> CaseResult {
    let log = log(context.client(), &context)?;
    let start = log.log.end().await?;
    let events: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    for part in events.chunks(250) {
        log.append(part).await?;
    }
    for limit in [64, 1_000, 5_000] {
        ensure_eq!(log.rest(&start, limit).await?.0, events, "pages of {limit}");
    }
    Ok(())
}

async fn an_event_wakes_who_waits_for_it(context: Context) -> CaseResult {
    let waiter = context.client().clone();
    let log = log(context.client(), &context)?;
    let start = log.log.end().await?;
    let reading = tokio::spawn(async move {
        let log = waiter.storage().events().ok_or_else(|| Failure::new("no log of events"))?;
        let mut at = start;
        loop {
            // Events of other cases may be read, too.
            let page = log.read(&at, Duration::from_secs(30), 1).await?;
            if page.events.iter().any(|event| event.ends_with(b" wake")) {
                return CaseResult::Ok(page.gap);
            }
            at = page.next;
        }
    });
    // Time for the reader to begin; whether it has does not change what has to come out.
    tokio::time::sleep(Duration::from_millis(100)).await;
    log.append(&["wake"]).await?;
    let woken = tokio::time::timeout(Duration::from_secs(20), reading).await;
    let gap = woken.map_err(|_| Failure::new("the reader was not woken"))???;
    ensure!(!gap, "a gap where there is none");
    Ok(())
}

async fn a_reader_of_an_idle_log_comes_back(context: Context) -> CaseResult {
    let log = log(context.client(), &context)?;
    let end = log.log.end().await?;
    let read = log.log.read(&end, Duration::from_millis(200), 10);
    let page = tokio::time::timeout(Duration::from_secs(20), read).await;
    let page = page.map_err(|_| Failure::new("the read does not come back"))??;
    ensure!(!page.gap && !page.more, "a gap, or more: {page:?}");
    ensure!(log.ours(&page.events).is_empty(), "events of nobody: {page:?}");
    Ok(())
}

async fn the_end_of_a_log_is_after_what_was_appended(context: Context) -> CaseResult {
    let log = log(context.client(), &context)?;
    log.append(&["before"]).await?;
    let end = log.log.end().await?;
    ensure_eq!(log.rest(&end, 10).await?.0, Vec::<String>::new(), "the events after the end");
    log.append(&["after"]).await?;
    ensure_eq!(log.rest(&end, 10).await?.0, ["after"], "the events after one more");
    Ok(())
}

async fn an_empty_append_changes_nothing(context: Context) -> CaseResult {
    let log = log(context.client(), &context)?;
    let start = log.log.end().await?;
    log.append::<&str>(&[]).await?;
    ensure_eq!(log.rest(&start, 10).await?.0, Vec::<String>::new(), "the events");
    log.append(&["a"]).await?;
    ensure_eq!(log.rest(&start, 10).await?.0, ["a"], "the events after one");
    Ok(())
}

async fn any_bytes_can_be_an_event(context: Context) -> CaseResult {
    let log = log(context.client(), &context)?;
    let mut all: Vec<u8> = (0..=255).collect();
    all.extend(context.prefix().as_bytes());
    let mut large: Vec<u8> = all.iter().copied().cycle().take(100_000).collect();
    large.extend(context.prefix().as_bytes());
    let events: Vec<Bytes> = [all, large].into_iter().map(Bytes::from).collect();
    let start = log.log.end().await?;
    log.log.append(events.clone()).await?;
    let page = log.log.read(&start, Duration::ZERO, 100).await?;
    let ours = |event: &&Bytes| event.ends_with(context.prefix().as_bytes());
    let found: Vec<&Bytes> = page.events.iter().filter(ours).collect();
    ensure!(found.len() == 2 && *found[0] == events[0] && *found[1] == events[1], "changed bytes");
    Ok(())
}

async fn events_of_two_writers_are_read_once_each(context: Context) -> CaseResult {
    const TASKS: usize = 8;
    const EVENTS: usize = 25;
    let other = context.second_client().await?;
    let own = log(context.client(), &context)?;
    let start = own.log.end().await?;
    let write = |task: usize| {
        let client = if task.is_multiple_of(2) { context.client() } else { &other };
        let context = &context;
        async move {
            let log = log(client, context)?;
            for number in 0..EVENTS {
                log.append(&[format!("{task}-{number}")]).await?;
                tokio::task::yield_now().await;
            }
            CaseResult::Ok(())
        }
    };
    let writers = try_join_all((0..TASKS).map(write));
    // Read while they are being written: what is seen must not run ahead of what comes later.
    let reading = async {
        let (mut events, mut at) = (Vec::new(), start.clone());
        while events.len() < TASKS * EVENTS {
            let page = own.log.read(&at, Duration::from_millis(200), 7).await?;
            ensure!(!page.gap, "a gap after {} events", events.len());
            events.extend(own.ours(&page.events));
            at = page.next;
        }
        CaseResult::Ok(events)
    };
    let both = futures_util::future::try_join(writers, reading);
    let in_time = tokio::time::timeout(Duration::from_secs(60), both).await;
    let (_, events) = in_time.map_err(|_| Failure::new("not all events were read"))??;
    for task in 0..TASKS {
        let of_task = format!("{task}-");
        let found: Vec<_> = events.iter().filter(|event| event.starts_with(&of_task)).collect();
        let expected: Vec<_> = (0..EVENTS).map(|number| format!("{task}-{number}")).collect();
        ensure_eq!(found, expected.iter().collect::<Vec<_>>(), "the events of task {task}");
    }
    Ok(())
}

async fn two_readers_have_every_event_each(context: Context) -> CaseResult {
    let other = context.second_client().await?;
    let (one, two) = (log(context.client(), &context)?, log(&other, &context)?);
    let start = one.log.end().await?;
    one.append(&["a"]).await?;
    two.append(&["b"]).await?;
    ensure_eq!(one.rest(&start, 10).await?.0, ["a", "b"], "the events for the first");
    ensure_eq!(two.rest(&start, 10).await?.0, ["a", "b"], "the events for the second");
    Ok(())
}

async fn a_position_holds_after_a_restart(context: Context) -> CaseResult {
    let before = log(context.client(), &context)?;
    before.append(&["seen"]).await?;
    let kept = before.log.end().await?.as_bytes().clone();
    before.append(&["missed"]).await?;
    let client = context.reopened().await?;
    let after = log(&client, &context)?;
    after.append(&["new"]).await?;
    let events = after.rest(&Position::from_bytes(kept), 10).await?.0;
    ensure_eq!(events, ["missed", "new"], "the events since");
    Ok(())
}

async fn a_position_of_another_log_is_a_gap(context: Context) -> CaseResult {
    let log = log(context.client(), &context)?;
    log.append(&["a"]).await?;
    for foreign in [
        Position::from_bytes("foreign"),
        Position::from_bytes(""),
        Position::numbered(1, 1),
        Position::numbered(u64::MAX, u64::MAX),
    ] {
        let mut at = foreign.clone();
        let mut gap = false;
        // One that is told of with the next event is told of early enough.
        log.append(&["b"]).await?;
        for _ in 0..100 {
            let page = log.log.read(&at, Duration::ZERO, 10).await?;
            gap |= page.gap;
            at = page.next;
            if gap && !page.more {
                break;
            }
        }
        ensure!(gap, "no gap after {foreign:?}");
        log.append(&["c"]).await?;
        let (events, _, again) = log.page(&at, 10).await?;
        ensure!(!again, "another gap after {at:?}");
        ensure_eq!(events.last().map(String::as_str), Some("c"), "the events after the gap");
    }
    Ok(())
}

async fn a_reader_that_was_trimmed_past_is_told(context: Context) -> CaseResult {
    let log = log(context.client(), &context)?;
    let start = log.log.end().await?;
    let fill = "x".repeat(1_000);
    for round in 0..12 {
        let events: Vec<String> = (0..100).map(|at| format!("{round}-{at} {fill}")).collect();
        log.append(&events).await?;
    }
    let (mut at, mut gaps, mut count, mut last) = (start, 0, 0, String::new());
    loop {
        let page = log.log.read(&at, Duration::ZERO, 500).await?;
        gaps += usize::from(page.gap);
        count += page.events.len();
        last = log.ours(&page.events).pop().unwrap_or(last);
        at = page.next;
        if !page.more {
            break;
        }
    }
    ensure_eq!(gaps, 1, "gaps told of");
    ensure!(count < 1_200, "nothing was trimmed: the log has no bound");
    ensure!(last.is_empty() || last.starts_with("11-99 "), "the last event is {last}");
    log.append(&["next"]).await?;
    ensure_eq!(log.rest(&at, 10).await?.0, ["next"], "the events after the gap");
    Ok(())
}

async fn a_closed_log_refuses(context: Context) -> CaseResult {
    let log = log(context.client(), &context)?;
    let end = log.log.end().await?;
    context.storage().close().await?;
    ensure!(log.log.append(vec![Bytes::from_static(b"x")]).await.is_err(), "an append went on");
    ensure!(log.log.end().await.is_err(), "the end was told");
    ensure!(log.log.read(&end, Duration::ZERO, 1).await.is_err(), "a read went on");
    Ok(())
}
