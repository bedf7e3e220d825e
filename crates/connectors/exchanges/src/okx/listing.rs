use cache_series::time::Time;
use cache_series::venue::Listing;
use serde::Deserialize;

use super::klines::Row;
use super::request::may_be_cut;
use crate::parse::{ParseError, json, moment, moment_text};

#[derive(Debug, Deserialize)]
struct Answer<T> {
    data: Vec<T>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instrument {
    inst_id: String,
    #[serde(default)]
    list_time: String,
    #[serde(default)]
    exp_time: String,
}

#[derive(Debug, Deserialize)]
struct ServerTime {
    ts: String,
}

/// Since when an instrument is listed, and when it ended if it had by `now`.
pub(super) fn instrument(body: &[u8], symbol: &str, now: Time) -> Result<Listing, ParseError> {
    let Answer::<Instrument> { data } = json(body)?;
    let Some(found) = data.iter().find(|known| known.inst_id == symbol) else {
        return Ok(Listing::UNTOLD);
    };
    // What there is not is no text, or 0.
    let read = |text: &str| match text {
        "" | "0" => Ok(None),
        _ => moment_text(text).map(Some),
    };
    let ended = read(&found.exp_time)?.filter(|ended| *ended <= now);
    Ok(Listing { first: read(&found.list_time)?, last: ended })
}

/// Since when there are candles, by what is told of an instrument and by the months that there are.
///
/// An instrument may have been listed anew, and be older than it is told: the earlier of both is
/// taken. Where there may be months before those that were answered, nothing is known.
pub(super) fn since(told: Listing, months: &[Row]) -> Listing {
    if may_be_cut(months) {
        return Listing { first: None, ..told };
    }
    let first_month = months.iter().map(|month| month.time).min();
    Listing { first: first_month.into_iter().chain(told.first).min(), ..told }
}

/// What the exchange's clock showed while it answered.
pub(super) fn server_time(body: &[u8]) -> Result<Time, ParseError> {
    let Answer::<ServerTime> { data } = json(body)?;
    let [ServerTime { ts }] = &data[..] else {
        return Err(ParseError::Missing { what: "one moment" });
    };
    let time = moment_text(ts)?;
    // A clock at the begin of 1970 is none.
    if time.unix_ms() == 0 { moment(-1) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use cache_series::row::Candle;

    use super::*;

    const NOW: Time = Time::from_unix_ms(1_711_699_200_000);

    fn at(ms: i64) -> Time {
        Time::from_unix_ms(ms)
    }

    #[test]
    fn instruments_tell_when_they_began_and_ended() {
        let body = br#"{"code":"0","msg":"","data":[
            {"instId":"BTC-USDT","instType":"SPOT","listTime":"1611907686000","expTime":"","state":"live"},
            {"instId":"BTC-USD-240329","listTime":"1702626000000","expTime":"1711699200000","state":"live"},
            {"instId":"BTC-USD-240628","listTime":"1702626000001","expTime":"1719561600000","state":"live"}]}"#;
        let of = |symbol| instrument(body, symbol, NOW).unwrap();
        assert_eq!(of("BTC-USDT"), Listing::since(at(1_611_907_686_000)));
        let delivered = Listing::since(at(1_702_626_000_000)).until(NOW);
        assert_eq!(of("BTC-USD-240329"), delivered);
        assert_eq!(of("BTC-USD-240628"), Listing::since(at(1_702_626_000_001)), "it is traded yet");
        assert_eq!(of("NO-SUCH"), Listing::UNTOLD);
        let bare = br#"{"code":"0","data":[{"instId":"BTC-USDT"}]}"#;
        assert_eq!(instrument(bare, "BTC-USDT", NOW).unwrap(), Listing::UNTOLD);
        let strange = br#"{"data":[{"instId":"A","listTime":"soon"}]}"#;
        assert!(instrument(strange, "A", NOW).is_err());
        assert!(instrument(b"{}", "A", NOW).is_err() && instrument(b"[]", "A", NOW).is_err());
    }

    #[test]
    fn the_earlier_of_listing_and_first_month_is_taken() {
        let month = |ms| Row { time: at(ms), candle: Candle::flat(1.0, 1.0), closed: true };
        let told = Listing::since(at(500)).until(at(9_000));
        // Listed anew after it had been traded for long.
        assert_eq!(
            since(told, &[month(700), month(100)]),
            Listing::since(at(100)).until(at(9_000))
        );
        // The first month begins before the listing in it.
        assert_eq!(since(told, &[month(400)]), Listing::since(at(400)).until(at(9_000)));
        assert_eq!(since(told, &[]), told);
        assert_eq!(since(Listing::UNTOLD, &[month(400)]), Listing::since(at(400)));
        assert_eq!(since(Listing::UNTOLD, &[]), Listing::UNTOLD);
        let many: Vec<Row> = (0..300).map(month).collect();
        assert_eq!(since(told, &many), Listing { first: None, last: Some(at(9_000)) });
    }

    #[test]
    fn the_clock_is_read() {
        let body = br#"{"code":"0","msg":"","data":[{"ts":"1597026383085"}]}"#;
        assert_eq!(server_time(body).unwrap().unix_ms(), 1_597_026_383_085);
        for body in [
            "{}",
            "",
            r#"{"data":[]}"#,
            r#"{"data":[{"ts":"-5"}]}"#,
            r#"{"data":[{"ts":"0"}]}"#,
            r#"{"data":[{"ts":1597026383085}]}"#,
            r#"{"data":[{"ts":"1"},{"ts":"2"}]}"#,
            "<html>",
        ] {
            assert!(server_time(body.as_bytes()).is_err(), "{body}");
        }
    }
}
