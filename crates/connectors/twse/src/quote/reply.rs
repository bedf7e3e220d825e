use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::book::{Side, levels};
use super::{Quote, QuoteUnit};
use cache_series::time::Time;

use crate::error::{TwseError, TwseErrorKind};
use crate::reply;
use crate::stock::Stock;
use crate::text::{Day, price, whole};

#[derive(Deserialize)]
struct Reply {
    rtcode: String,
    rtmessage: Option<String>,
    #[serde(rename = "msgArray")]
    messages: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Message {
    /// Code, market, name, full name.
    c: String,
    ex: String,
    n: Option<String>,
    nf: Option<String>,
    /// Day and moment.
    d: String,
    tlong: String,
    /// Last price and size, volume.
    z: Option<String>,
    tv: Option<String>,
    s: Option<String>,
    v: Option<String>,
    o: Option<String>,
    h: Option<String>,
    l: Option<String>,
    y: Option<String>,
    u: Option<String>,
    w: Option<String>,
    /// Prices asked and bid, and their sizes.
    a: Option<String>,
    b: Option<String>,
    f: Option<String>,
    g: Option<String>,
}

/// Reads the reply to a call for realtime quotes. The answers stand in the order of `asked`, one
/// for each: a stock that the market does not have is [`TwseErrorKind::UnknownSymbol`], one whose
/// quote cannot be read fails alone.
///
/// # Errors
/// [`TwseError`] if there is no answer for any of them. [`TwseErrorKind::Refused`] is what a call
/// without a session gets, too.
pub fn quotes(
    body: &[u8],
    asked: &[Stock],
    unit: QuoteUnit,
) -> Result<Vec<Result<Quote, TwseError>>, TwseError> {
    let reply: Reply = reply::read(body)?;
    if reply.rtcode != "0000" {
        let said = reply.rtmessage.unwrap_or_default();
        let kind = match reply::refusal(&said).kind() {
            // To a call that names several, no word is about one.
            TwseErrorKind::NoData | TwseErrorKind::UnknownSymbol => TwseErrorKind::Refused,
            kind => kind,
        };
        let code: String = reply.rtcode.chars().take(20).collect();
        let said = reply::preview(said.as_bytes());
        return Err(TwseError::new(kind, format!("code {code}: {said}")));
    }
    let messages = reply.messages.ok_or_else(|| TwseError::malformed("a reply without quotes"))?;
    let mut found: HashMap<Stock, Result<Quote, TwseError>> = HashMap::new();
    for message in messages {
        let name = |field: &str| message.get(field).and_then(Value::as_str);
        let stock = name("ex").zip(name("c")).map(|(market, code)| format!("{market}_{code}"));
        // Of an entry that does not say of which stock it is, no stock is told anything.
        let Some(stock) = stock.and_then(|text| text.parse::<Stock>().ok()) else { continue };
        if !asked.contains(&stock) {
            continue;
        }
        let quote = quote(message, &stock, unit);
        if found.insert(stock.clone(), quote).is_some() {
            let twice = TwseError::malformed(format!("two quotes of {stock}"));
            found.insert(stock, Err(twice));
        }
    }
    let unknown = |stock: &Stock| {
        TwseError::new(TwseErrorKind::UnknownSymbol, format!("there is no quote of {stock}"))
    };
    let answers = asked.iter().map(|stock| match found.get(stock) {
        Some(answer) => answer.clone(),
        None => Err(unknown(stock)),
    });
    Ok(answers.collect())
}

fn quote(message: Value, stock: &Stock, unit: QuoteUnit) -> Result<Quote, TwseError> {
    let message: Message = serde_json::from_value(message).map_err(|error| {
        TwseError::malformed(format!("a quote of {stock} in another shape: {error}"))
            .with_source(error)
    })?;
    let unreadable = |what: &str, text: &str| {
        let text: String = text.chars().take(40).collect();
        TwseError::malformed(format!("{text:?} cannot be read as {what} of {stock}"))
    };
    let said = |text: &Option<String>| {
        text.as_deref().map(str::trim).filter(|text| !matches!(*text, "" | "-")).map(str::to_owned)
    };
    let price_of = |what: &str, text: &Option<String>| match said(text) {
        Some(text) => price(&text).map(Some).ok_or_else(|| unreadable(what, &text)),
        None => Ok(None),
    };
    let size_of = |what: &str, text: &Option<String>| match said(text) {
        Some(text) => whole(&text).map(Some).ok_or_else(|| unreadable(what, &text)),
        None => Ok(None),
    };
    debug_assert_eq!(
        format!("{}_{}", message.ex, message.c.to_ascii_uppercase()),
        stock.to_string()
    );
    let day = Day::from_compact(&message.d).ok_or_else(|| unreadable("a day", &message.d))?;
    let at_unix_ms = whole(&message.tlong).ok_or_else(|| unreadable("a time", &message.tlong))?;
    let at = Time::from_unix_ms(i64::try_from(at_unix_ms).unwrap_or(i64::MAX));
    if Day::at(at) != day {
        return Err(TwseError::malformed(format!("a quote of {stock} is of {day} and of {at}")));
    }
    let name = said(&message.n).ok_or_else(|| unreadable("a name", ""))?;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let quote = Quote {
        stock: stock.clone(),
        name,
        full_name: said(&message.nf),
        day,
        at_unix_ms,
        unit,
        last: price_of("a last price", &message.z)?,
        last_size: match size_of("a size", &message.tv)? {
            None => size_of("a size", &message.s)?,
            size => size,
        },
        volume: size_of("a volume", &message.v)?,
        open: price_of("an open", &message.o)?,
        high: price_of("a high", &message.h)?,
        low: price_of("a low", &message.l)?,
        reference: price_of("a reference", &message.y)?,
        limit_up: price_of("a limit", &message.u)?,
        limit_down: price_of("a limit", &message.w)?,
        bids: levels(&text(&message.b), &text(&message.g), Side::Bid)?,
        asks: levels(&text(&message.a), &text(&message.f), Side::Ask)?,
    };
    match contradiction(&quote) {
        Some(what) => Err(TwseError::malformed(format!("a quote of {stock} with {what}"))),
        None => Ok(quote),
    }
}

/// What of a quote cannot be, if anything.
fn contradiction(quote: &Quote) -> Option<&'static str> {
    let above = |one: Option<f64>, other: Option<f64>| {
        one.zip(other).is_some_and(|(one, other)| one > other)
    };
    let Quote { last, open, high, low, limit_up, limit_down, .. } = *quote;
    if above(low, high) {
        return Some("a low above the high");
    }
    if [open, last].iter().any(|price| above(*price, high) || above(low, *price)) {
        return Some("a price outside of low and high");
    }
    (above(high, limit_up) || above(limit_down, low) || above(limit_down, limit_up))
        .then_some("prices beyond the day's limits")
}
