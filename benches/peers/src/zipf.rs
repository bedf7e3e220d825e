//! Requests whose popularity falls off by Zipf's law.

use rand_distr::{Distribution as _, Zipf};
use rand_pcg::Pcg64Mcg;

/// So many requests for keys that are drawn independently: the key of rank `r` comes with a share
/// in proportion to `r` to the power of `-exponent`. Keys are numbers of 64 bits, all over.
///
/// The same arguments always bring the same requests.
pub(crate) fn requests(keys: u32, exponent: f64, requests: usize) -> anyhow::Result<Vec<u64>> {
    let (popularity, mut random) = (Zipf::new(f64::from(keys), exponent)?, Pcg64Mcg::new(17));
    let draw = |_| key(popularity.sample(&mut random) as u64);
    Ok((0..requests).map(draw).collect())
}

/// The key of a rank: neighbours in rank are no neighbours in number. (An odd factor, so that no two
/// have the same.)
fn key(rank: u64) -> u64 {
    rank.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The share of requests for the `kept` keys that are asked for most: no cache that does not know
/// the requests to come has more hits in the long run.
pub(crate) fn share_of_the_most_popular(keys: u32, exponent: f64, kept: u32) -> f64 {
    let weight = |ranks: std::ops::RangeInclusive<u32>| {
        ranks.map(|rank| f64::from(rank).powf(-exponent)).sum::<f64>()
    };
    weight(1..=kept.min(keys)) / weight(1..=keys)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects")]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_most_popular_come_as_often_as_the_law_says() {
        let drawn = requests(1000, 0.9, 200_000).unwrap();
        let mut counts: HashMap<u64, u32> = HashMap::new();
        for key in &drawn {
            *counts.entry(*key).or_default() += 1;
        }
        assert!(counts.len() <= 1000);
        let of_ten: u32 = (1..=10).map(|rank| counts[&key(rank)]).sum();
        let share = f64::from(of_ten) / drawn.len() as f64;
        assert!((share - share_of_the_most_popular(1000, 0.9, 10)).abs() < 0.01, "{share}");
        assert!((share_of_the_most_popular(1000, 0.9, 1000) - 1.0).abs() < 1e-9);
    }
}
