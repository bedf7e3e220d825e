use cache_series::time::Time;
use cache_series::venue::Listing;
use serde::Deserialize;

use crate::parse::{ParseError, json, moment, moment_text};

#[derive(Debug, Deserialize)]
struct Answer {
    result: Instruments,
}

#[derive(Debug, Deserialize)]
struct Instruments {
    list: Vec<Instrument>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instrument {
    symbol: String,
    status: String,
    launch_time: Option<String>,
    delivery_time: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ServerTime {
    time: i64,
}

/// Since when a contract is traded, and until when it was.
///
/// The exchange tells no such time of spot's symbols, and leaves symbols out that are traded no
/// more: of neither is anything known then.
pub(super) fn listing(body: &[u8], symbol: &str) -> Result<Listing, ParseError> {
    let Answer { result } = json(body)?;
    let Some(found) = result.list.iter().find(|known| known.symbol == symbol) else {
        return Ok(Listing::UNTOLD);
    };
    // Of perpetuals, and of what is not known, the moment is 0 or no text at all.
    let read = |text: &Option<String>| match text.as_deref() {
        None | Some("" | "0") => Ok(None),
        Some(text) => moment_text(text).map(Some),
    };
    let last = read(&found.delivery_time)?;
    let is_over = ["Closed", "Delivering"].contains(&found.status.as_str());
    Ok(Listing { first: read(&found.launch_time)?, last: last.filter(|_| is_over) })
}

/// What the exchange's clock showed while it answered.
pub(super) fn server_time(body: &[u8]) -> Result<Time, ParseError> {
    let ServerTime { time } = json(body)?;
    // A clock at the begin of 1970 is none.
    if time == 0 { moment(-1) } else { moment(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contracts_tell_when_they_began_and_ended() {
        let body = br#"{"retCode":0,"retMsg":"OK","result":{"category":"linear","list":[
            {"symbol":"BTCUSDT","status":"Trading","launchTime":"1585526400000","deliveryTime":"0"},
            {"symbol":"BTC-29MAR24","status":"Closed","launchTime":"1702626000000","deliveryTime":"1711699200000"},
            {"symbol":"BTC-27JUN25","status":"Trading","launchTime":"1702626000001","deliveryTime":"1750000000000"}]},"time":1}"#;
        let of = |symbol| listing(body, symbol).unwrap();
        let at = Time::from_unix_ms;
        assert_eq!(of("BTCUSDT"), Listing::since(at(1_585_526_400_000)));
        let dated = Listing::since(at(1_702_626_000_000)).until(at(1_711_699_200_000));
        assert_eq!(of("BTC-29MAR24"), dated);
        assert_eq!(of("BTC-27JUN25"), Listing::since(at(1_702_626_000_001)));
        assert_eq!(of("NOSUCH"), Listing::UNTOLD);
        let spot = br#"{"result":{"list":[{"symbol":"BTCUSDT","status":"Trading"}]}}"#;
        assert_eq!(listing(spot, "BTCUSDT").unwrap(), Listing::UNTOLD);
        assert!(listing(b"{}", "X").is_err() && listing(b"[]", "X").is_err());
    }

    #[test]
    fn the_clock_is_read() {
        let body = br#"{"retCode":0,"retMsg":"OK","result":{"timeSecond":"1688639403","timeNano":"1688639403423213947"},"retExtInfo":{},"time":1688639403423}"#;
        assert_eq!(server_time(body).unwrap().unix_ms(), 1_688_639_403_423);
        for body in ["{}", "", r#"{"time":-5}"#, r#"{"time":0}"#, r#"{"time":"x"}"#, "<html>"] {
            assert!(server_time(body.as_bytes()).is_err(), "{body}");
        }
    }
}
