use std::time::Duration;

use cache_series::cache::Retry;
use cache_series::key::{Environment, SeriesKey};
use cache_series::time::{Slots, Timeframe};
use cache_series::venue::VenueErrorKind;
use tiers_local_venue::Fault;

use super::world::{Exchange, MINUTE_MS, START_MS, World, at, range, rows};

const FIRST: i64 = START_MS / MINUTE_MS;
const SLOTS: Slots = Slots::new(FIRST, FIRST + 100);

/// Bug 8 of the model: an error was an empty list.
pub(crate) async fn bug_8_all_who_wait_get_the_error(exchange: &'static Exchange) {
    let world = World::start(exchange, |history| history).await;
    world.venue.fail_span(at(0).unix_ms(), at(1).unix_ms(), Fault::unavailable());
    let series = world.minutes(Retry::NEVER);
    let readers = (0..20).map(|_| {
        let series = series.clone();
        tokio::spawn(async move { series.read(range(0, 100)).await.map(|_| ()) })
    });
    let readers: Vec<_> = readers.collect();
    for reader in readers {
        let error = reader.await.unwrap().unwrap_err();
        let kind = error.venue_error().map(|error| error.kind());
        assert_eq!(kind, Some(VenueErrorKind::Unavailable), "{error}");
        assert!(error.is_transient());
    }
    assert_eq!(world.venue.calls().klines, 1, "they failed together, and whoever came later");
    world.venue.clear_faults();
    world.clock.advance(Duration::from_secs(2));
    let reading = series.read(range(0, 100)).await.unwrap();
    assert_eq!(rows(&reading), world.expected(0, 100));
}

/// Bug 8 of the model: whatever went wrong was an empty list.
pub(crate) async fn bug_8_every_fault_is_a_typed_error_and_passes(exchange: &'static Exchange) {
    use VenueErrorKind::*;
    let world = World::start(exchange, |history| history).await;
    let key = exchange.key(Timeframe::Minute1);
    let whole = world.connector.page(&key, SLOTS).await.unwrap();
    assert_eq!(whole.rows.len(), 100);
    for (fault, kind) in [
        (Fault::rate_limited(7), RateLimited),
        (Fault::banned(120), Banned),
        (Fault::unavailable(), Unavailable),
        (Fault::Html { status: 200 }, Malformed),
        (Fault::Html { status: 502 }, Unavailable),
        (Fault::HalfText, Malformed),
        (Fault::HalfReply, Malformed),
        (Fault::Disconnect, Unavailable),
    ] {
        world.venue.fail_next(fault.clone());
        let error = world.connector.page(&key, SLOTS).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
        let waits = matches!(kind, RateLimited | Banned);
        assert_eq!(error.retry_after().is_some(), waits, "{fault:?}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("127.0.0.1"), "an address is told: {text}");
        let after = world.connector.page(&key, SLOTS).await.unwrap();
        assert_eq!(after, whole, "after {fault:?}");
    }
    assert_eq!(world.venue.calls().failed, 8);

    let unknown = SeriesKey::new(exchange.name, "NOSUCH/USD", Timeframe::Minute1).unwrap();
    let unknown = unknown.with_market(exchange.market).with_environment(Environment::Replay);
    let error = world.connector.page(&unknown, SLOTS).await.unwrap_err();
    assert_eq!(error.kind(), UnknownSymbol, "{error}");
    assert!(!error.is_transient());
}

pub(crate) async fn a_venue_that_wants_to_be_left_alone_is(exchange: &'static Exchange) {
    let world = World::start(exchange, |history| history).await;
    world.venue.fail_next(Fault::rate_limited(7));
    let series = world.minutes(Retry::default());
    let reading = tokio::spawn(async move { series.read(range(0, 100)).await });
    let mut waited = Duration::ZERO;
    let step = Duration::from_millis(500);
    while !reading.is_finished() {
        tokio::time::sleep(Duration::from_millis(2)).await;
        if world.venue.calls().failed == 1 {
            // Nobody asks before it is time.
            let is_early = waited + 2 * step < exchange.left_alone;
            assert!(!is_early || world.venue.calls().klines == 1, "after {waited:?}");
            world.clock.advance(step);
            waited += step;
        }
    }
    assert_eq!(rows(&reading.await.unwrap().unwrap()), world.expected(0, 100));
    assert_eq!(world.venue.calls().klines, 2);
    assert!(waited >= exchange.left_alone, "after {waited:?}");
}
