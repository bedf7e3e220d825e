use cache_series::row::Candle;
use cache_series::time::Time;
use serde::Deserialize;

use super::service::ROWS_MAX;
use crate::parse::{ParseError, json, moment, moment_text};

/// A product of the exchange's.
///
/// That it is switched off or may only be looked at (`status`, `trading_disabled`, `view_only`) is
/// told without a time, and `new_at` is the begin of 2023 for whatever was traded before: neither
/// says since when or until when there are candles.
#[derive(Debug, Deserialize)]
struct Product {
    product_id: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServerTime {
    epoch_millis: String,
}

/// The begin of 2015, in whose first days the exchange opened.
const OPENED: Time = Time::from_unix_ms(1_420_070_400_000);
/// 20 July 2015, the oldest day of which there is a candle, while minutes go back to the opening.
const DAYS_SINCE: Time = Time::from_unix_ms(1_437_350_400_000);
const DAY_MS: i64 = 86_400_000;

/// Whether a reply is what is told of a symbol.
pub(super) fn product(body: &[u8], symbol: &str) -> Result<(), ParseError> {
    let Product { product_id } = json(body)?;
    if product_id == symbol {
        Ok(())
    } else {
        Err(ParseError::Subject { text: product_id.chars().take(64).collect() })
    }
}

/// The spans from the opening up to `now` in which a first day may lie, the oldest first, none
/// longer than the days that the exchange answers at once.
pub(super) fn spans(now: Time) -> impl Iterator<Item = (Time, Time)> {
    let length = i64::from(ROWS_MAX) * DAY_MS;
    let starts = (0..).map(move |index: i64| OPENED.unix_ms().saturating_add(index * length));
    starts.take_while(move |start| *start <= now.unix_ms()).map(move |start| {
        (Time::from_unix_ms(start), Time::from_unix_ms(start.saturating_add(length)))
    })
}

/// A moment at or before the first trade of a symbol, if the days of this span, before which there
/// are none, have any.
///
/// A row that was not asked for is an error: where the span is passed over, the newest days would be
/// taken for the first.
pub(super) fn first(
    rows: &[(Time, Candle)],
    (from, to): (Time, Time),
) -> Result<Option<Time>, ParseError> {
    if let Some((time, _)) = rows.iter().find(|(time, _)| *time < from || *time >= to) {
        let open_ms = time.unix_ms();
        return Err(ParseError::Span { open_ms, close_ms: open_ms.saturating_add(DAY_MS) });
    }
    let first = rows.iter().map(|(time, _)| *time).min();
    Ok(first.map(|first| if first <= DAYS_SINCE { OPENED } else { first }))
}

/// What the exchange's clock showed while it answered.
pub(super) fn server_time(body: &[u8]) -> Result<Time, ParseError> {
    let ServerTime { epoch_millis } = json(body)?;
    let time = moment_text(&epoch_millis)?;
    // A clock at the begin of 1970 is none.
    if time == Time::EPOCH { moment(-1) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn days(texts: &[&str]) -> Vec<(Time, Candle)> {
        texts.iter().map(|text| (time(text), Candle::flat(1.0, 1.0))).collect()
    }

    #[test]
    fn a_product_is_the_one_that_was_asked_for() {
        let body = br#"{"product_id":"BTC-USD","status":"online","view_only":false,"new_at":"2023-01-01T00:00:00Z"}"#;
        assert!(product(body, "BTC-USD").is_ok());
        assert!(matches!(product(body, "ETH-USD"), Err(ParseError::Subject { .. })));
        assert!(product(b"{}", "X").is_err() && product(b"[]", "X").is_err());
    }

    #[test]
    fn every_day_since_the_opening_is_in_one_span() {
        let now = time("2026-11-22T02:00:00Z");
        let all: Vec<_> = spans(now).collect();
        assert_eq!(all[0].0, time("2015-01-01T00:00:00Z"));
        assert!(all.windows(2).all(|pair| pair[0].1 == pair[1].0));
        assert!(all.iter().all(|(from, to)| to.since(*from).as_secs() == 300 * 86_400));
        let (from, to) = all[all.len() - 1];
        assert!(from <= now && now < to, "{from} {to}");
        assert_eq!(spans(time("2014-12-31T23:59:59Z")).count(), 0);
        assert_eq!(spans(OPENED).count(), 1);
        assert!(spans(Time::MAX).count() > 9_000);
    }

    #[test]
    fn the_first_day_is_the_oldest_and_days_are_not_told_of_from_the_begin() {
        let span = (time("2021-01-01T00:00:00Z"), time("2021-10-28T00:00:00Z"));
        let rows = days(&["2021-06-18T00:00:00Z", "2021-06-17T00:00:00Z"]);
        assert_eq!(first(&rows, span).unwrap(), Some(time("2021-06-17T00:00:00Z")));
        assert_eq!(first(&[], span).unwrap(), None);
        for text in ["2020-12-31T00:00:00Z", "2021-10-28T00:00:00Z", "2026-11-22T00:00:00Z"] {
            let rows = days(&["2021-06-17T00:00:00Z", text]);
            assert!(matches!(first(&rows, span), Err(ParseError::Span { .. })), "{text}");
        }
        let oldest = (OPENED, time("2015-10-28T00:00:00Z"));
        let rows = days(&["2015-07-20T00:00:00Z", "2015-07-21T00:00:00Z"]);
        assert_eq!(first(&rows, oldest).unwrap(), Some(OPENED), "minutes lie before");
        let later = days(&["2015-07-21T00:00:00Z"]);
        assert_eq!(first(&later, oldest).unwrap(), Some(time("2015-07-21T00:00:00Z")));
    }

    #[test]
    fn the_clock_is_read() {
        let body = br#"{"iso":"2026-04-07T14:30:05Z","epochSeconds":"1775572205","epochMillis":"1775572205123"}"#;
        assert_eq!(server_time(body).unwrap().unix_ms(), 1_775_572_205_123);
        for body in [
            "{}",
            "",
            r#"{"epochMillis":"-5"}"#,
            r#"{"epochMillis":"0"}"#,
            r#"{"epochMillis":1775572205123}"#,
            r#"{"epochMillis":"x"}"#,
            "<html>",
        ] {
            assert!(server_time(body.as_bytes()).is_err(), "{body}");
        }
    }
}
