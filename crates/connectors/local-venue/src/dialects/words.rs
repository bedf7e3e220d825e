use crate::Interval;

/// How an exchange writes intervals: its word, and Binance's.
pub(crate) type Words = [(&'static str, &'static str)];

/// The interval of a word.
pub(crate) fn interval(words: &Words, word: &str) -> Option<Interval> {
    let (_, text) = words.iter().find(|(own, _)| *own == word)?;
    Interval::named(text)
}

/// The word of an interval.
pub(crate) fn word(words: &Words, interval: Interval) -> Option<&'static str> {
    words.iter().find(|(_, text)| *text == interval.text()).map(|(own, _)| *own)
}
