use cache_core::key::{Glob, Key, KeyError, KeyPattern, KeyTemplate};

use crate::key::SeriesKey;
use crate::time::Timeframe;

/// Which histories are meant: those that agree with all that is said.
///
/// ```
/// use cache_series::store::Scope;
/// use cache_series::time::Timeframe;
///
/// let minutes = Scope::all().of_venue("Binance").of_timeframe(Timeframe::Minute1);
/// # let _ = minutes;
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    venue: Option<String>,
    symbol: Option<String>,
    timeframe: Option<Timeframe>,
    series: Option<SeriesKey>,
}

const VERSION: &str = "v1";

impl Scope {
    /// All histories of the store.
    pub fn all() -> Self {
        Self::default()
    }

    /// One series.
    pub fn series(series: &SeriesKey) -> Self {
        Self { series: Some(series.clone()), ..Self::default() }
    }

    /// Of a venue, named without regard to case.
    pub fn of_venue(mut self, venue: &str) -> Self {
        self.venue = Some(venue.to_ascii_lowercase());
        self
    }

    /// Of a symbol.
    pub fn of_symbol(mut self, symbol: &str) -> Self {
        self.symbol = Some(symbol.to_owned());
        self
    }

    /// Of a timeframe.
    pub fn of_timeframe(mut self, timeframe: Timeframe) -> Self {
        self.timeframe = Some(timeframe);
        self
    }

    /// Whether a series is meant.
    pub fn selects(&self, series: &SeriesKey) -> bool {
        self.venue.as_ref().is_none_or(|venue| venue == series.venue())
            && self.symbol.as_ref().is_none_or(|symbol| symbol == series.symbol())
            && self.timeframe.is_none_or(|timeframe| timeframe == series.timeframe())
            && self.series.as_ref().is_none_or(|own| own == series)
    }

    /// The keys of the records that are meant. The parts of a series' text hold no `/`, so each
    /// stands where its `/` are; `None` if no series can be meant.
    pub(super) fn pattern(&self, prefix: &str) -> Result<Option<KeyPattern>, KeyError> {
        let glob = match &self.series {
            Some(series) if !self.selects(series) => return Ok(None),
            Some(series) => format!("series:{}:*", escape(&series.to_string())),
            None => {
                let any = || "*".to_owned();
                let venue = self.venue.as_deref().map_or_else(any, escape);
                let symbol = match &self.symbol {
                    Some(symbol) => match SeriesKey::encoded_symbol(symbol) {
                        Some(symbol) => symbol,
                        None => return Ok(None),
                    },
                    None => any(),
                };
                let timeframe = self.timeframe.map_or("*", Timeframe::key_text);
                format!("series:{venue}/*/*/*/{symbol}/{timeframe}/*:*")
            }
        };
        Ok(Some(KeyPattern::new(prefix, Glob::parse(&glob)?, Some(VERSION))))
    }
}

/// Text that stands for itself in a pattern.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// The keys of a series' records.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
    head: KeyTemplate,
    chunk: KeyTemplate,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Result<Self, KeyError> {
        let head = KeyTemplate::parse("series:{series}:head")?;
        let chunk = KeyTemplate::parse("series:{series}:chunk-{index}")?;
        let keys = Self { prefix: prefix.to_owned(), head, chunk };
        // The prefix is looked at now rather than with the first record.
        keys.head.key_of(prefix, VERSION, |fields| fields.push("-"))?;
        Ok(keys)
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn head(&self, series: &SeriesKey) -> Result<Key, KeyError> {
        self.head.key_of(&self.prefix, VERSION, |fields| fields.push(series))
    }

    pub(super) fn chunk(&self, series: &SeriesKey, index: i64) -> Result<Key, KeyError> {
        self.chunk.key_of(&self.prefix, VERSION, |fields| {
            fields.push(series);
            fields.push(index);
        })
    }
}
