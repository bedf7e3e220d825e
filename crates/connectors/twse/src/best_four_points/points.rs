use serde::{Deserialize, Serialize};

use super::bias::{Pivot, averages, continuous, pivot};
use crate::daily::DayTrade;

/// So many days with prices are needed.
pub const DAYS_MIN: usize = 6;

/// The signs by a stock's last days.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestFourPoints {
    /// The four to buy.
    pub buy: [bool; 4],
    /// The four to sell.
    pub sell: [bool; 4],
    /// Where the difference of averages was lowest: the gate before buying.
    pub lowest: Pivot,
    /// Where it was highest: the gate before selling.
    pub highest: Pivot,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Side {
    /// Buy.
    Buy,
    /// Sell.
    Sell,
}

/// What the signs say, and which of the four do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// What to do.
    pub side: Side,
    /// The signs that say so, from 1.
    pub points: Vec<u8>,
}

/// There are too few days with prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{days} days with prices are too few: six are needed")]
pub struct TooFewDays {
    /// How many there are.
    pub days: usize,
}

impl BestFourPoints {
    /// The signs by these days, ascending; days without prices are passed over.
    ///
    /// # Errors
    /// [`TooFewDays`] below [`DAYS_MIN`] days with prices.
    pub fn of(days: &[DayTrade]) -> Result<Self, TooFewDays> {
        let priced: Vec<_> = days
            .iter()
            .filter_map(|row| row.prices.map(|prices| (row.shares, prices.open, prices.close)))
            .collect();
        let too_few = TooFewDays { days: priced.len() };
        if priced.len() < DAYS_MIN {
            return Err(too_few);
        }
        let closes: Vec<f64> = priced.iter().map(|(_, _, close)| *close).collect();
        let (three, six) = (averages(&closes, 3), averages(&closes, 6));
        let bias: Vec<f64> = three[three.len() - six.len()..]
            .iter()
            .zip(&six)
            .map(|(one, other)| one - other)
            .collect();
        let (Some(lowest), Some(highest)) = (pivot(&bias, false), pivot(&bias, true)) else {
            return Err(too_few);
        };
        let [.., (volume_before, open_before, _), (volume, open, close)] = priced[..] else {
            return Err(too_few);
        };
        let (more, less) = (volume > volume_before, volume < volume_before);
        let turn = continuous(&three);
        // The last averages are there where the difference is.
        let (three, six) = (three[three.len() - 1], six[six.len() - 1]);
        Ok(Self {
            buy: [more && close > open, less && close > open_before, turn == 1, three > six],
            sell: [more && close < open, less && close < open_before, turn == -1, three < six],
            lowest,
            highest,
        })
    }

    /// Any sign to buy, or else any to sell.
    pub fn compat(&self) -> Option<Advice> {
        advice(Side::Buy, self.buy).or_else(|| advice(Side::Sell, self.sell))
    }

    /// Any sign to buy after the lowest difference, or else any to sell after the highest.
    pub fn gated(&self) -> Option<Advice> {
        let buy = self.lowest.turned.then(|| advice(Side::Buy, self.buy)).flatten();
        buy.or_else(|| self.highest.turned.then(|| advice(Side::Sell, self.sell)).flatten())
    }
}

fn advice(side: Side, signs: [bool; 4]) -> Option<Advice> {
    let points: Vec<u8> =
        (1..).zip(signs).filter_map(|(number, sign)| sign.then_some(number)).collect();
    (!points.is_empty()).then_some(Advice { side, points })
}
