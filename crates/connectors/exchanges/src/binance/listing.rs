use cache_series::time::Time;
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
    fn the_clock_is_read() {
        let read = server_time(br#"{"serverTime":1499827319559}"#).unwrap();
        assert_eq!(read.unix_ms(), 1_499_827_319_559);
        for body in ["{}", "", r#"{"serverTime":-5}"#, r#"{"serverTime":"x"}"#, "<html>"] {
            assert!(server_time(body.as_bytes()).is_err(), "{body}");
        }
    }
}
