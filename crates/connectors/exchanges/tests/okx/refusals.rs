//! What goes wrong with a call, and what is made of it.

use std::time::Duration;

use cache_series::key::{Environment, SeriesKey};
use cache_series::row::Candle;
use cache_series::time::{Slots, Timeframe};
use cache_series::venue::{Venue, VenueErrorKind};
use tiers_local_venue::Fault;

use crate::setup::{MINUTE_MS, START_MS, World, history, key};

fn slots() -> Slots {
    let first = START_MS / MINUTE_MS;
    Slots::new(first, first + 100)
}

#[tokio::test]
async fn every_failure_is_a_typed_error() {
    use VenueErrorKind::*;
    let world = World::of(history()).await;
    let own =
        |status, code| Fault::Refusal { status, code, message: "no".to_owned(), retry_after: None };
    for (fault, kind) in [
        (Fault::rate_limited(9), RateLimited),
        (Fault::banned(9), Banned),
        (Fault::unavailable(), Unavailable),
        (own(200, 51_001), UnknownSymbol),
        (own(400, 50_004), Timeout),
        (own(200, 50_061), RateLimited),
        (own(401, 50_103), Refused),
        (Fault::Html { status: 200 }, Malformed),
        (Fault::Html { status: 502 }, Unavailable),
        (Fault::HalfReply, Malformed),
        (Fault::HalfText, Malformed),
        (Fault::Disconnect, Unavailable),
    ] {
        world.venue.fail_next(fault.clone());
        let error = world.okx.page(&key(), slots()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}");
        assert_eq!(error.venue(), "okx");
        assert!(!format!("{error} {error:?}").contains("127.0.0.1"), "{error:?}");
    }
    assert_eq!(world.okx.page(&key(), slots()).await.unwrap().rows.len(), 100);
}

#[tokio::test]
async fn a_symbol_that_is_not_there_is_unknown() {
    let world = World::of(history()).await;
    for symbol in ["ETH-USDT", "BTC USDT", "BTC-USDT-SWAP"] {
        let key = SeriesKey::new("okx", symbol, Timeframe::Minute1).unwrap();
        let key = key.with_environment(Environment::Replay);
        let error = world.okx.page(&key, slots()).await.unwrap_err();
        assert_eq!(error.kind(), VenueErrorKind::UnknownSymbol, "{symbol}");
        assert!(!error.is_transient());
    }
    assert_eq!(world.venue.calls().klines, 1, "what cannot be a symbol is not asked for");
}

/// Whoever keeps to the limits is never refused by an exchange that counts as OKX does.
#[tokio::test]
async fn limits_are_those_of_the_exchange() {
    let world = World::of(history()).await;
    world.venue.limit_weight(Some(40));
    let allowance = Venue::<Candle>::limits(&world.okx).allowance.unwrap();
    let first = START_MS / MINUTE_MS;
    for page in [slots(), Slots::new(first + 4_900, first + 4_950)] {
        world.venue.set_now(world.venue.now_ms() + 2_000);
        let mut left = allowance.weight_max;
        loop {
            let weight = Venue::<Candle>::weight(&world.okx, &key(), page);
            if weight > left {
                break;
            }
            left -= weight;
            world.okx.page(&key(), page).await.unwrap();
        }
    }
    // 18 of the history and 36 of the newest.
    assert_eq!((world.venue.calls().klines, world.venue.calls().failed), (54, 0));
    for _ in 0..4 {
        world.okx.page(&key(), Slots::new(first + 4_900, first + 4_950)).await.unwrap();
    }
    let newest = Slots::new(first + 4_900, first + 4_950);
    let error = world.okx.page(&key(), newest).await.unwrap_err();
    assert_eq!(error.kind(), VenueErrorKind::RateLimited);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
}
