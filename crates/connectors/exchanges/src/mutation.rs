//! What may become of a reply on its way, for the tests of every exchange's parsers.

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
