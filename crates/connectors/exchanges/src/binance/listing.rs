use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cache_series::time::{Grid, Time};
use cache_series::venue::Listing;
use serde::Deserialize;

use crate::parse::{ParseError, json};

/// What tells of all symbols of a futures market.
#[derive(Debug, Deserialize)]
struct ExchangeInfo {
    symbols: Vec<Symbol>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Symbol {
    symbol: String,
    onboard_date: Option<i64>,
    delivery_date: Option<i64>,
    contract_status: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServerTime {
    server_time: i64,
}

/// Since when a future is traded, and until when it was; `None` if there is no such symbol.
pub(super) fn listing(body: &[u8], symbol: &str) -> Result<Option<Listing>, ParseError> {
    let info: ExchangeInfo = json(body)?;
    let Some(found) = info.symbols.iter().find(|known| known.symbol == symbol) else {
        return Ok(None);
    };
    let status = found.contract_status.as_deref().unwrap_or_default();
    let over = ["CLOSE", "DELIVERED"].contains(&status);
    Ok(Some(Listing {
        first: found.onboard_date.map(Time::from_unix_ms),
        last: found.delivery_date.filter(|_| over).map(Time::from_unix_ms),
    }))
}

/// A symbol without a row for so long is not traded any more. It is generous, for what is said to be
/// over is not asked for, and halts for days have been: until then it costs an empty page now and
/// then.
const SILENCE: Duration = Duration::from_secs(14 * 86_400);
/// And so many slots are to have passed without a row.
const SILENT_SLOTS: i64 = 3;

/// Whether a symbol whose last row begins at `last` is not traded any more at `now`.
pub(super) fn is_over(grid: Grid, last: Time, now: Time) -> bool {
    let slot = grid.slot_at(last);
    now.since(grid.end_of(slot)) >= SILENCE && grid.slot_at(now) - slot > SILENT_SLOTS
}

/// What this machine's clock shows.
pub(super) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::EPOCH.after(since)
}

/// What the exchange's clock shows.
pub(super) fn server_time(body: &[u8]) -> Result<Time, ParseError> {
    let time: ServerTime = json(body)?;
    let ms = time.server_time;
    let read = Time::from_unix_ms(ms);
    if ms > 0 && read.unix_ms() == ms {
        Ok(read)
    } else {
        Err(ParseError::Span { open_ms: ms, close_ms: ms })
    }
}

#[cfg(test)]
mod tests {
    use cache_series::time::{Alignment, Timeframe};

    use super::*;

    #[test]
    fn futures_tell_when_they_began_and_ended() {
        let body = br#"{"timezone":"UTC","symbols":[
            {"symbol":"BTCUSD_PERP","contractStatus":"TRADING","onboardDate":1597042800000,"deliveryDate":4133404800000},
            {"symbol":"BTCUSD_200925","contractStatus":"DELIVERED","onboardDate":1592200000000,"deliveryDate":1601020800000}]}"#;
        let of = |symbol| listing(body, symbol).unwrap();
        let perpetual = Listing::since(Time::from_unix_ms(1_597_042_800_000));
        assert_eq!(of("BTCUSD_PERP"), Some(perpetual));
        let dated = Listing::since(Time::from_unix_ms(1_592_200_000_000));
        assert_eq!(of("BTCUSD_200925"), Some(dated.until(Time::from_unix_ms(1_601_020_800_000))));
        assert_eq!(of("NOSUCH"), None);
        assert!(listing(b"{}", "X").is_err() && listing(b"[]", "X").is_err());
    }

    #[test]
    fn what_has_no_row_for_long_is_over() {
        let over = |timeframe, last: &str, now: &str| {
            let grid = Grid::new(timeframe, Alignment::UTC);
            is_over(grid, last.parse().unwrap(), now.parse().unwrap())
        };
        let last = "2024-03-01T00:00:00Z";
        assert!(!over(Timeframe::Minute1, last, "2024-03-14T23:59:00Z"), "a halt");
        assert!(over(Timeframe::Minute1, last, "2024-03-15T00:01:00Z"));
        assert!(!over(Timeframe::Minute1, last, "2024-02-01T00:00:00Z"), "a clock that is wrong");
        assert!(!over(Timeframe::Month1, last, "2024-06-30T00:00:00Z"));
        assert!(over(Timeframe::Month1, last, "2024-07-01T00:00:00Z"));
        assert!(now() > "2024-01-01T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn the_clock_is_read() {
        let read = server_time(br#"{"serverTime":1499827319559}"#).unwrap();
        assert_eq!(read.unix_ms(), 1_499_827_319_559);
        for body in ["{}", "", r#"{"serverTime":-5}"#, r#"{"serverTime":"x"}"#, "<html>"] {
            assert!(server_time(body.as_bytes()).is_err(), "{body}");
        }
    }
}
