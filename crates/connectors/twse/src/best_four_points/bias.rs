use serde::{Deserialize, Serialize};

/// How many of the last differences a pivot is looked for in.
const SAMPLE: usize = 5;

/// The extreme among the last five differences of two averages.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pivot {
    /// Whether it counts as a turn.
    pub turned: bool,
    /// How many days before the last of five it lies: 0 is the last day, of five.
    pub days_back: usize,
    /// The difference there.
    pub value: f64,
}

/// Averages over `days` days, one for each day that has so many up to it, rounded to cents.
pub(super) fn averages(values: &[f64], days: usize) -> Vec<f64> {
    values.windows(days).map(|window| cents(window.iter().sum::<f64>() / days as f64)).collect()
}

/// The nearest number of cents, of its exact decimal form; half to even.
pub(super) fn cents(value: f64) -> f64 {
    // What was formatted as a number can be read as one.
    format!("{value:.2}").parse().unwrap_or(value)
}

/// For how many days values have moved the same way as on the last, negative for downwards. Days
/// without a move count as downwards.
pub(super) fn continuous(values: &[f64]) -> i64 {
    let mut moves = values.windows(2).rev().map(|pair| pair[1] > pair[0]);
    let Some(up) = moves.next() else { return 0 };
    let days = 1 + moves.take_while(|next| *next == up).count() as i64;
    if up { days } else { -days }
}

/// The highest or lowest of the last five, the first of those that are equal.
pub(super) fn pivot(bias: &[f64], highest: bool) -> Option<Pivot> {
    let sample = &bias[bias.len().saturating_sub(SAMPLE)..];
    let (mut at, mut value) = (0, *sample.first()?);
    for (index, difference) in sample.iter().enumerate() {
        let further = if highest { *difference > value } else { *difference < value };
        if further {
            (at, value) = (index, *difference);
        }
    }
    let top = sample.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let beyond = if highest { top > 0.0 } else { top < 0.0 };
    // Counted from five, also where there are fewer yet.
    let days_back = SAMPLE - at - 1;
    let turned = beyond && (1..=2).contains(&days_back);
    Some(Pivot { turned, days_back, value })
}
