//! What OKX alone refuses, and how often it may be asked.

use std::time::Duration;

use cache_series::key::Market;
use cache_series::time::Slots;
use cache_series::venue::VenueErrorKind;
use tiers_local_venue::Fault;

use super::setup::{MINUTES, SPOT, key_of};
use crate::suite::{MINUTE_MS, START_MS, World};

const FIRST: i64 = START_MS / MINUTE_MS;

#[tokio::test]
async fn codes_say_more_than_the_status() {
    use VenueErrorKind::*;
    let world = World::start(&SPOT, |history| history).await;
    let key = key_of(Market::Spot, "BTC-USDT");
    let slots = Slots::new(FIRST, FIRST + 10);
    for (status, code, kind) in [
        (200, 51_001, UnknownSymbol),
        (200, 50_061, RateLimited),
        (200, 50_001, Unavailable),
        (400, 50_004, Timeout),
        (429, 50_013, Unavailable),
        (401, 50_103, Refused),
        (200, 99_999, Refused),
    ] {
        let message = "no".to_owned();
        world.venue.fail_next(Fault::Refusal { status, code, message, retry_after: None });
        let error = world.connector.page(&key, slots).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {code}");
        assert_eq!(error.message(), format!("no (code {code})"));
    }
}

/// Whoever keeps to the limits is never refused by an exchange that counts as OKX does.
#[tokio::test]
async fn limits_are_those_of_the_exchange() {
    let world = World::start(&SPOT, |history| history).await;
    let key = key_of(Market::Spot, "BTC-USDT");
    world.venue.limit_weight(Some(40));
    let allowance = world.connector.limits().allowance.unwrap();
    let newest = Slots::new(FIRST + MINUTES - 100, FIRST + MINUTES - 50);
    for page in [Slots::new(FIRST, FIRST + 50), newest] {
        world.venue.set_now(world.venue.now_ms() + 2_000);
        let mut left = allowance.weight_max;
        loop {
            let weight = world.connector.weight(&key, page);
            if weight > left {
                break;
            }
            left -= weight;
            world.connector.page(&key, page).await.unwrap();
        }
    }
    // 18 of the history and 36 of the newest.
    assert_eq!((world.venue.calls().klines, world.venue.calls().failed), (54, 0));
    for _ in 0..4 {
        world.connector.page(&key, newest).await.unwrap();
    }
    let error = world.connector.page(&key, newest).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
}
