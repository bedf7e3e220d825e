//! What may become of a reply on its way, and what every exchange's parsers make of it.

use cache_series::row::Candle;
use cache_series::time::Time;
use cache_series::venue::{VenueError, VenueErrorKind};
use proptest::prelude::*;

/// One change of a reply.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    CutOff(prop::sample::Index),
    Replaced(prop::sample::Index, u8),
    Removed(prop::sample::Index, usize),
    Inserted(prop::sample::Index, Vec<u8>),
    Doubled,
}

pub(crate) fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        place().prop_map(Mutation::CutOff),
        (place(), any::<u8>()).prop_map(|(at, byte)| Mutation::Replaced(at, byte)),
        (place(), prop::sample::select(b"[]{},:\"0.-e ".to_vec()))
            .prop_map(|(at, byte)| Mutation::Replaced(at, byte)),
        (place(), 1usize..40).prop_map(|(at, count)| Mutation::Removed(at, count)),
        (place(), prop::collection::vec(any::<u8>(), 1..8))
            .prop_map(|(at, bytes)| Mutation::Inserted(at, bytes)),
        Just(Mutation::Doubled),
    ]
}

pub(crate) fn mutate(body: &[u8], mutation: &Mutation) -> Vec<u8> {
    let mut body = body.to_vec();
    match mutation {
        Mutation::CutOff(at) => body.truncate(at.index(body.len())),
        Mutation::Replaced(at, byte) => {
            let at = at.index(body.len());
            body[at] = *byte;
        }
        Mutation::Removed(at, count) => {
            let at = at.index(body.len());
            let end = (at + count).min(body.len());
            body.drain(at..end);
        }
        Mutation::Inserted(at, bytes) => {
            let at = at.index(body.len());
            body.splice(at..at, bytes.iter().copied());
        }
        Mutation::Doubled => body.extend_from_within(..),
    }
    body
}

/// An exchange's parsers, and what they read. That they withstand what may become of it is tested by
/// [`withstands_mutations`].
pub(crate) struct Parsers {
    /// What a call makes of a reply with this status.
    pub(crate) read: fn(u16, &[u8]) -> Result<Rows, VenueError>,
    /// A reply with rows, all of which have a volume.
    pub(crate) answer: &'static str,
    /// How a reply says that it has no rows, where one may have none.
    pub(crate) no_rows: Option<&'static str>,
    /// Rows begin at multiples of this.
    pub(crate) moment_ms: i64,
    /// A reply that is a refusal, whatever its status.
    pub(crate) refusal: &'static str,
    /// The rows of a feed's message, if it can be read.
    pub(crate) hear: fn(&str) -> Rows,
    /// Messages with rows.
    pub(crate) messages: &'static [&'static str],
}

type Rows = Vec<(Time, Candle)>;
type Checked = Result<(), TestCaseError>;

impl Parsers {
    pub(crate) fn of_a_mutated_reply(&self, mutations: &[Mutation]) -> Checked {
        let mut body = self.answer.as_bytes().to_vec();
        for mutation in mutations {
            if !body.is_empty() {
                body = mutate(&body, mutation);
            }
        }
        match (self.read)(200, &body) {
            Ok(rows) => {
                let text = String::from_utf8_lossy(&body).replace(char::is_whitespace, "");
                let says_none = self.no_rows.is_some_and(|words| text.contains(words));
                prop_assert!(!rows.is_empty() || says_none, "{text}");
                self.can_be(&rows)
            }
            Err(error) => {
                prop_assert!(error.to_string().len() < 1_000, "{error}");
                Ok(())
            }
        }
    }

    pub(crate) fn of_a_reply_that_was_cut_off(&self, at: prop::sample::Index) -> Checked {
        let begin = &self.answer.as_bytes()[..at.index(self.answer.len())];
        let Err(error) = (self.read)(200, begin) else {
            return Err(TestCaseError::fail("it is an answer"));
        };
        prop_assert_eq!(error.kind(), VenueErrorKind::Malformed);
        prop_assert!(error.is_transient());
        Ok(())
    }

    pub(crate) fn of_a_refusal(&self, status: u16, mutation: &Mutation) -> Checked {
        prop_assert!((self.read)(status, self.refusal.as_bytes()).is_err());
        prop_assert!((self.read)(status, &mutate(self.refusal.as_bytes(), mutation)).is_err());
        if status >= 300 {
            prop_assert!((self.read)(status, self.answer.as_bytes()).is_err());
        }
        Ok(())
    }

    pub(crate) fn of_a_mutated_message(&self, mutation: &Mutation) -> Checked {
        for message in self.messages {
            let Ok(text) = String::from_utf8(mutate(message.as_bytes(), mutation)) else {
                continue;
            };
            for (time, candle) in (self.hear)(&text) {
                prop_assert!(is_finite(candle) && time.unix_ms() >= 0);
            }
        }
        Ok(())
    }

    fn can_be(&self, rows: &[(Time, Candle)]) -> Checked {
        for (time, candle) in rows {
            prop_assert!(is_finite(*candle), "{candle:?}");
            prop_assert!(time.unix_ms() >= 0 && time.unix_ms() % self.moment_ms == 0, "{time}");
        }
        Ok(())
    }
}

fn is_finite(candle: Candle) -> bool {
    let Candle { open, high, low, close, volume } = candle;
    [open, high, low, close, volume].iter().all(|it| it.is_finite())
}

/// Tests that an exchange's [`Parsers`] make errors of what went wrong, or rows that can be.
macro_rules! withstands_mutations {
    ($parsers:expr) => {
        proptest::proptest! {
            #[test]
            fn a_mutated_reply_is_an_error_or_rows(
                mutations in proptest::collection::vec($crate::mutation::mutation(), 1..3),
            ) {
                $parsers.of_a_mutated_reply(&mutations)?;
            }

            #[test]
            fn a_reply_that_was_cut_off_is_an_error(
                at in proptest::prelude::any::<proptest::sample::Index>(),
            ) {
                $parsers.of_a_reply_that_was_cut_off(at)?;
            }

            /// Bug 8 of the model: an error was as good as an empty list.
            #[test]
            fn bug_8_a_refusal_never_becomes_an_empty_list(
                status in proptest::sample::select(
                    vec![200u16, 400, 401, 403, 404, 418, 429, 500, 503, 520],
                ),
                mutation in $crate::mutation::mutation(),
            ) {
                $parsers.of_a_refusal(status, &mutation)?;
            }

            #[test]
            fn a_mutated_message_is_an_error_or_as_it_says(
                mutation in $crate::mutation::mutation(),
            ) {
                $parsers.of_a_mutated_message(&mutation)?;
            }
        }
    };
}

pub(crate) use withstands_mutations;
