//! Statements as one text: one round trip for as many as there are.

use std::fmt::Write as _;
use std::sync::Arc;

/// Statements, each with its `;`. Nothing that a caller gave gets into it but as digits: texts and
/// payloads are written in hexadecimal, which no setting of the server reads otherwise.
#[derive(Debug, Default)]
pub(crate) struct Script(String);

impl Script {
    /// SQL of our own.
    pub(crate) fn push(&mut self, sql: &str) -> &mut Self {
        self.0.push_str(sql);
        self
    }

    pub(crate) fn number(&mut self, number: i64) -> &mut Self {
        // Writing to a text does not fail.
        let _ = write!(self.0, "{number}");
        self
    }

    pub(crate) fn number_or_null(&mut self, number: Option<i64>) -> &mut Self {
        match number {
            Some(number) => self.number(number),
            None => self.push("NULL"),
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.0.reserve(2 * bytes.len() + 3);
        self.0.push_str("x'");
        for byte in bytes {
            self.0.push(char::from(DIGITS[usize::from(byte >> 4)]));
            self.0.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        self.0.push('\'');
        self
    }

    /// `(1,2,3)`, or a list that nothing is in.
    pub(crate) fn numbers<N: Copy + Into<i64>>(&mut self, numbers: &[N]) -> &mut Self {
        self.list(numbers, |script, number| {
            script.number((*number).into());
        })
    }

    /// As [`numbers`](Self::numbers).
    pub(crate) fn texts(&mut self, texts: &[&str]) -> &mut Self {
        self.list(texts, |script, text| {
            script.bytes(text.as_bytes());
        })
    }

    fn list<T>(&mut self, items: &[T], push: impl Fn(&mut Self, &T)) -> &mut Self {
        if items.is_empty() {
            return self.push("(NULL)");
        }
        for (at, item) in items.iter().enumerate() {
            self.push(if at == 0 { "(" } else { "," });
            push(self, item);
        }
        self.push(")")
    }

    /// The whole text, without the last `;`, behind which an empty statement would stand.
    pub(crate) fn finish(self) -> Arc<str> {
        self.0.trim_end_matches([' ', ';']).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_stands_as_digits() {
        let mut script = Script::default();
        script.push("a ").bytes(b"'\\\0\xff").push(" ").numbers(&[1i16, -2]).texts(&["é'", ""]);
        script.numbers::<i16>(&[]).number_or_null(None).number_or_null(Some(i64::MIN));
        assert_eq!(
            &*script.finish(),
            "a x'275c00ff' (1,-2)(x'c3a927',x'')(NULL)NULL-9223372036854775808"
        );
    }
}
