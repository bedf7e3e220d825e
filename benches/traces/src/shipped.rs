//! Small traces of our own making, the same on every machine.

use std::iter;

use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Zipf};
use rand_pcg::Pcg64Mcg;

/// What was asked for, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// What kind of accesses they are.
    pub name: &'static str,
    /// One key for each access.
    pub keys: Vec<u64>,
}

const ACCESSES: usize = 200_000;
const KEYS: u64 = 20_000;

/// Keys of one kind, apart from those of the others.
fn apart(kind: u64) -> impl Fn(u64) -> u64 {
    move |key| kind << 40 | key
}

fn zipf(seed: u64, exponent: f64) -> impl Iterator<Item = u64> {
    let mut random = Pcg64Mcg::seed_from_u64(seed);
    // Of a positive number of keys and a positive exponent there is one.
    let zipf = Zipf::new(KEYS as f64, exponent).ok();
    iter::from_fn(move || zipf.map(|zipf| zipf.sample(&mut random) as u64))
}

/// Some keys often, most seldom.
fn frequent() -> Vec<u64> {
    zipf(1, 0.9).take(ACCESSES).collect()
}

/// The same, with a long run of keys that come only once in each fifth part.
fn scan() -> Vec<u64> {
    let (mut zipf, once) = (zipf(2, 0.9), apart(1));
    let mut next = 0;
    let mut access = |turn: usize| {
        if turn % 10_000 < 8_000 {
            return zipf.next().unwrap_or_default();
        }
        next += 1;
        once(next)
    };
    (0..ACCESSES).map(&mut access).collect()
}

/// All keys in turn, over and over.
fn cycle() -> Vec<u64> {
    (0..7_000).cycle().take(ACCESSES).collect()
}

/// Often used keys that are others after each eighth part.
fn shift() -> Vec<u64> {
    let part = ACCESSES / 8;
    let moved = |(turn, key)| apart((turn / part) as u64)(key);
    zipf(3, 0.9).take(ACCESSES).enumerate().map(moved).collect()
}

/// Each key some times soon after it first came, then never more.
fn recent() -> Vec<u64> {
    let mut random = Pcg64Mcg::seed_from_u64(4);
    (0..ACCESSES as u64)
        .map(|turn| (turn / 4).saturating_sub(random.random_range(0..600)))
        .collect()
}

/// Parts of all of them, one after the other and twice.
fn mixed() -> Vec<u64> {
    let parts = [frequent(), cycle(), recent(), scan(), shift()];
    let part = ACCESSES / 10;
    let once = |round: usize| {
        parts.iter().zip(2..).flat_map(move |(keys, kind)| {
            keys[round * part..(round + 1) * part].iter().map(move |key| apart(kind)(*key))
        })
    };
    once(0).chain(once(1)).collect()
}

/// One trace of each kind: popular keys, scans, loops, changes, recency, and all of them in turn.
pub fn shipped() -> Vec<Trace> {
    [
        ("zipf", frequent()),
        ("scan", scan()),
        ("loop", cycle()),
        ("shift", shift()),
        ("recent", recent()),
        ("mixed", mixed()),
    ]
    .map(|(name, keys)| Trace { name, keys })
    .into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn they_are_what_they_are_called() {
        let traces = shipped();
        let distinct = |trace: &Trace| trace.keys.iter().copied().collect::<HashSet<u64>>().len();
        assert!(traces.iter().all(|trace| trace.keys.len() == ACCESSES), "all as long");
        let distinct: Vec<usize> = traces.iter().map(distinct).collect();
        assert_eq!(distinct[2], 7_000);
        assert!(distinct[1] > distinct[0] + 30_000, "a scan brings keys that come once");
        assert!(distinct[3] > distinct[0] * 2, "what is frequent changes");
        assert!(distinct[4] > 40_000, "most keys are left behind");
        assert_eq!(shipped(), traces, "the same again");
    }
}
