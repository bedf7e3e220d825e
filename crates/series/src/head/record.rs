use super::Head;
use crate::record::{Reader, RecordError, Writer, read_coverage, write_coverage};
use crate::time::{Slots, Time};

const MAGIC: [u8; 3] = *b"TSH";
const VERSION: u8 = 1;
const ANYWHERE: Slots = Slots { start: i64::MIN, end: i64::MAX };

const LISTED: u8 = 1;
const ENDED: u8 = 2;

impl Head {
    /// The head as it is stored.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(MAGIC, VERSION);
        let listed = if self.listing.is_some() { LISTED } else { 0 };
        let ended = if self.last.is_some() { ENDED } else { 0 };
        writer.byte(listed | ended);
        for time in [self.listing, self.last].into_iter().flatten() {
            writer.signed(time.unix_ms());
        }
        write_coverage(&mut writer, &self.spans, 0);
        writer.seal()
    }

    /// Reads a stored head.
    ///
    /// # Errors
    /// [`RecordError`] if the bytes are no whole head of a version that is known here.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::open(bytes, MAGIC, VERSION)?;
        let flags = reader.byte()?;
        if flags & !(LISTED | ENDED) != 0 {
            return Err(RecordError::Damaged("a flag is not known"));
        }
        let mut time = |flag: u8| match flags & flag {
            0 => Ok(None),
            _ => reader.signed().map(|ms| Some(Time::from_unix_ms(ms))),
        };
        let (listing, last) = (time(LISTED)?, time(ENDED)?);
        let spans = read_coverage(&mut reader, 0, ANYWHERE)?;
        reader.end()?;
        if spans.iter().any(|(_, state)| state.has_rows()) {
            return Err(RecordError::Damaged("a head speaks of rows"));
        }
        Ok(Self { listing, last, spans })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::coverage::State;

    fn head() -> impl Strategy<Value = Head> {
        let time = || proptest::option::of((-1i64 << 44..1 << 44).prop_map(Time::from_unix_ms));
        let far = prop_oneof![-50i64..50, any::<i64>()];
        let span = (far, 1i64..1 << 40)
            .prop_map(|(start, length)| Slots::new(start, start.saturating_add(length)));
        let spans = proptest::collection::vec((span, crate::coverage::any_state()), 0..12);
        (time(), time(), spans).prop_map(|(listing, last, spans)| {
            let mut head = Head { listing, last, ..Head::new() };
            for (slots, state) in spans {
                // Lengths beyond i64 are no spans of any timeframe.
                if slots.len() <= 1 << 40 {
                    head.mark(slots, state);
                }
            }
            head
        })
    }

    fn sealed(body: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new(MAGIC, VERSION);
        writer.raw(body);
        writer.seal()
    }

    proptest! {
        #[test]
        fn a_head_comes_back(head in head()) {
            prop_assert_eq!(Head::decode(&head.encode()), Ok(head));
        }

        #[test]
        fn what_two_processes_know_is_put_together_in_any_order(one in head(), other in head()) {
            let (mut near, mut far) = (one.clone(), other.clone());
            near.merge(&other);
            far.merge(&one);
            prop_assert_eq!(&near, &far);
            prop_assert_eq!(near.listing(), [one.listing(), other.listing()].into_iter().flatten().min());
            prop_assert_eq!(near.last(), one.last().max(other.last()));
        }

        #[test]
        fn any_bytes_are_a_head_or_a_typed_error(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Head::decode(&body);
            if let Ok(head) = Head::decode(&sealed(&body)) {
                prop_assert_eq!(Head::decode(&head.encode()), Ok(head));
            }
        }
    }

    #[test]
    fn the_first_version_is_read_for_ever() {
        let mut head = Head::new();
        head.listed(Time::from_unix_ms(1_502_928_000_000));
        head.ended(Time::from_unix_ms(1_700_000_000_000));
        head.mark(Slots::new(-100, 200), State::Empty { checks: 2, check_at: Some(Time::EPOCH) });
        head.mark(Slots::new(500, 1_000_000), State::Closed);
        let golden = "545348010380d0ead7bd5780a0abfef962\
                      02c701ac02020200d804cc803d07";
        let bytes: Vec<u8> = (0..golden.len() / 2)
            .map(|at| u8::from_str_radix(&golden[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        assert_eq!(head.encode()[..head.encode().len() - 8], bytes);
        assert_eq!(Head::decode(&head.encode()), Ok(head));
    }

    #[test]
    fn a_head_speaks_of_no_rows() {
        let mut head = Head::new();
        head.mark(Slots::new(0, 10), State::Fetched);
        assert_eq!(head, Head::new());
        assert_eq!(
            Head::decode(&sealed(&[0, 1, 0, 10, 0])),
            Err(RecordError::Damaged("a head speaks of rows"))
        );
        assert!(Head::decode(&sealed(&[4, 0])).is_err(), "an unknown flag");
    }
}
