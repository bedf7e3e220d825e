//! Realtime quotes.

use serde_json::{Value, json};

use super::book::{Book, CLOSE_MINUTE, Listed, OPEN_MINUTE, Row};
use super::text::{compact, minute_ms, quoted, taipei};

/// The reply to a call for `tse_2330.tw|otc_6488.tw`; stocks that are not traded are left out.
pub(super) fn reply(book: &Book, channels: &str, odd: bool, now_ms: i64) -> Value {
    let messages: Vec<Value> = channels
        .split('|')
        .filter_map(|channel| {
            let name = channel.strip_suffix(".tw")?;
            message(name, book.stocks.get(name)?, odd, now_ms)
        })
        .collect();
    json!({"msgArray": messages, "userDelay": 5000, "rtcode": "0000", "rtmessage": "OK"})
}

/// How far a session has come, of 1,000.
fn progress(minute: i64) -> u64 {
    let length = CLOSE_MINUTE - OPEN_MINUTE;
    ((minute - OPEN_MINUTE).clamp(0, length) * 1_000 / length).unsigned_abs()
}

fn message(name: &str, listed: &Listed, odd: bool, now_ms: i64) -> Option<Value> {
    let (market, code) = name.split_once('_')?;
    let now = taipei(now_ms);
    if listed.is_gone(now.date()) {
        return None;
    }
    let (day, row) = listed.newest(now_ms)?;
    let close_ms = minute_ms(day, CLOSE_MINUTE);
    let at_ms = now_ms.min(close_ms);
    let minute = (at_ms - minute_ms(day, 0)) / 60_000;
    let come = progress(minute);
    let open = come < 1_000;
    let Row { low, high, before, .. } = row;
    let part = |whole: u64| whole * come / 1_000;
    let between = if row.close >= row.open {
        row.open + part(row.close - row.open) / 50 * 50
    } else {
        row.open - part(row.open - row.close) / 50 * 50
    };
    let last = if open { between } else { row.close };
    // Between two trades there is no last price.
    let silent = open && minute % 2 == 1;
    let sizes = if odd { 1 } else { 1_000 };
    let volume = part(row.shares) / sizes;
    let text = |silent: bool, text: String| if silent { "-".to_owned() } else { text };
    let levels = |of: &dyn Fn(u64) -> u64| -> String {
        (0..5).map(|level| format!("{}_", quoted(of(level)))).collect()
    };
    let asked = levels(&|level| last + 50 * (level + 1));
    let bid = levels(&|level| last.saturating_sub(50 * level).max(5 - level));
    Some(json!({
        "c": code, "ex": market, "n": listed.title, "nf": format!("{}股份有限公司", listed.title),
        "d": compact(day), "t": taipei(at_ms).time().to_string(), "tlong": at_ms.to_string(),
        "z": text(silent, quoted(last)), "tv": text(silent, "7".to_owned()), "v": volume.to_string(),
        "o": quoted(row.open), "h": quoted(high), "l": quoted(low), "y": quoted(before),
        "u": quoted(before * 2), "w": quoted((before / 10).min(low)),
        "a": asked, "f": "11_12_13_14_15_", "b": bid, "g": "21_22_23_24_25_",
        "ip": "0", "it": "12", "ts": "0", "p": "0",
    }))
}
