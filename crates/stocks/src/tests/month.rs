use cache_twse::text::Day;
use tiers::clock::Clock;

use super::world;

/// Nothing that is known is asked for again: one call for each session's row and the new month's,
/// one for a quote each time that it is looked at in a session, and one for names. Every night the
/// process ends, and the next one has the file alone.
#[tokio::test]
async fn a_month_of_market_days_asks_once_for_each() {
    let mut world = world("2025-03-31T12:00:00Z").await;
    let stocks = world.list(&["tse_2330"], "2020-01-02");
    world.service.histories(&stocks, 60).await;
    world.service.best_four_points(&stocks).await;
    world.asked();
    let mut calls = 0;
    for day in 1..=30 {
        let (mut of_day, mut quotes_of_day) = (0, 0);
        for hour in [1, 9, 11, 13, 15, 16, 19, 23] {
            world.at(&format!("2025-04-{day:02}T{hour:02}:45:00Z"));
            let history = world.service.histories(&stocks, 40).await.remove(0).unwrap();
            let points = world.service.best_four_points(&stocks).await.remove(0).unwrap();
            assert!(!history.stale && !points.stale);
            // The newest row that is there by the calendar.
            let newest = history.value.last().unwrap().day;
            let expected = world.market.calendar.last_published(world.clock.wall().into()).unwrap();
            assert!(newest >= expected, "{newest} on {day} at {hour}");
            let quote = world.service.quotes(&stocks).await.remove(0).unwrap();
            assert!(!quote.stale);
            // Twice, and whatever is made of it.
            world.service.quotes(&stocks).await;
            world.service.infos(&stocks).await.remove(0).unwrap();
            let (months, quotes) = world.asked();
            of_day += months;
            quotes_of_day += quotes;
        }
        let day: Day = format!("2025-04-{day:02}").parse().unwrap();
        let session = !day.is_weekend() && day.to_string() != "2025-04-04";
        let is_first = day.to_string() == "2025-04-01";
        assert!(
            of_day <= usize::from(session) + usize::from(is_first),
            "{of_day} calls for months on {day}"
        );
        // Before the first session, twice in it, and what was there after its end.
        let expected = usize::from(is_first) + if session { 3 } else { 0 };
        assert_eq!(quotes_of_day, expected, "calls for quotes on {day}");
        calls += of_day;
        world.restart(&["memory", "sqlite"]).await;
    }
    // Twenty-one sessions, and the last row of March on the evening of which nobody asked.
    assert_eq!(calls, 21 + 1);
}
