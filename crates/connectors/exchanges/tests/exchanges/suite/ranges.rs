use cache_series::cache::{Retry, Source};

use super::world::{Exchange, World, at, range, rows};

/// Bugs 7 and 9 of the model: nothing went beyond one call's limit, and gaps were asked for one by
/// one, by everybody anew.
pub(crate) async fn bug_9_a_hundred_readers_ask_for_each_page_once(exchange: &'static Exchange) {
    let world = World::start(exchange, |history| history).await;
    // Up to where nothing is revised any more.
    let end = exchange.minutes - 20;
    let series = world.minutes(Retry::NEVER);
    let readers = (0..100i64).map(|reader| {
        let (from, to) = (reader * end / 200, end / 2 + reader * end / 200);
        let (series, expected) = (series.clone(), world.expected(from, to));
        tokio::spawn(async move {
            let reading = series.read(range(from, to)).await.unwrap();
            assert_eq!(rows(&reading), expected, "reader {reader}");
        })
    });
    let readers: Vec<_> = readers.collect();
    for reader in readers {
        reader.await.unwrap();
    }
    let last = end / 2 + 99 * end / 200;
    assert_eq!(world.venue.calls().klines, world.pages(0, last));

    // Another process asks for nothing.
    let reading = world.minutes(Retry::NEVER).read(range(0, last)).await.unwrap();
    assert_eq!(rows(&reading), world.expected(0, last));
    assert_eq!(reading.rows_from(Source::Database), reading.len());
    assert_eq!(world.venue.calls().klines, world.pages(0, last));
}

/// Bugs 4 and 6 of the model: holes were filled before anybody looked whether there are any, and
/// what was known to be one was asked for again.
pub(crate) async fn bug_6_a_hole_is_asked_for_once(exchange: &'static Exchange) {
    let (from, to) = (exchange.minutes / 2, exchange.minutes / 2 + 40);
    let hole = |minute: i64| at(minute).unix_ms();
    let world = World::start(exchange, |history| history.without(hole(from), hole(to))).await;
    let (first, end) = (from - 60, to + 60);
    let reading = world.minutes(Retry::NEVER).read(range(first, end)).await.unwrap();
    assert_eq!(rows(&reading), world.expected(first, end));
    assert_eq!(reading.len(), 120);
    let calls = world.venue.calls().klines;
    assert_eq!(calls, world.pages(first, end));
    let again = world.minutes(Retry::NEVER);
    let whole = again.read(range(first, end)).await.unwrap();
    assert_eq!(whole.rows_from(Source::Database), 120);
    let inside = again.read(range(from, to)).await.unwrap();
    assert!(inside.is_empty());
    assert_eq!(world.venue.calls().klines, calls);
}
