use super::{ColumnKind, ColumnSchema, Columns, Prediction, Row, Schema};

/// Open, high, low, close and volume of a slot.
///
/// Prices are `f64`: the nearest one to what the venue sent, which prints as the shortest text that
/// reads back as the same, and so as the venue sent it but for zeros at the end, up to 15 digits.
/// With feature `decimal`, `row::exact` gives them as exact decimals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candle {
    /// The price of the first trade.
    pub open: f64,
    /// The highest price.
    pub high: f64,
    /// The lowest price.
    pub low: f64,
    /// The price of the last trade.
    pub close: f64,
    /// How much was traded, in the base currency or in shares; NaN where it is not known.
    pub volume: f64,
}

const PRICE: u8 = 0;
const VOLUME: u8 = 1;

impl Candle {
    /// The column of opening prices.
    pub const OPEN: usize = 0;
    /// The column of closing prices.
    pub const CLOSE: usize = 1;
    /// The column of the highest prices.
    pub const HIGH: usize = 2;
    /// The column of the lowest prices.
    pub const LOW: usize = 3;
    /// The column of volumes.
    pub const VOLUME: usize = 4;

    /// A candle whose prices are all the same.
    pub const fn flat(price: f64, volume: f64) -> Self {
        Self { open: price, high: price, low: price, close: price, volume }
    }
}

impl Row for Candle {
    const SCHEMA: &'static Schema = &Schema {
        name: "candle",
        columns: &[
            ColumnSchema::new("open", ColumnKind::Float)
                .in_group(PRICE)
                .near(Prediction::BeforeOf(Self::CLOSE as u8)),
            ColumnSchema::new("close", ColumnKind::Float)
                .in_group(PRICE)
                .near(Prediction::Same(Self::OPEN as u8)),
            ColumnSchema::new("high", ColumnKind::Float)
                .in_group(PRICE)
                .near(Prediction::Larger(Self::OPEN as u8, Self::CLOSE as u8)),
            ColumnSchema::new("low", ColumnKind::Float)
                .in_group(PRICE)
                .near(Prediction::Smaller(Self::OPEN as u8, Self::CLOSE as u8)),
            ColumnSchema::new("volume", ColumnKind::Float).in_group(VOLUME).near(Prediction::Zero),
        ],
    };

    fn write(&self, columns: &mut Columns) {
        columns.push_float(Self::OPEN, self.open);
        columns.push_float(Self::CLOSE, self.close);
        columns.push_float(Self::HIGH, self.high);
        columns.push_float(Self::LOW, self.low);
        columns.push_float(Self::VOLUME, self.volume);
    }

    fn read(columns: &Columns, row: usize) -> Self {
        Self {
            open: columns.float(Self::OPEN)[row],
            close: columns.float(Self::CLOSE)[row],
            high: columns.float(Self::HIGH)[row],
            low: columns.float(Self::LOW)[row],
            volume: columns.float(Self::VOLUME)[row],
        }
    }

    fn problem(&self) -> Option<&'static str> {
        let prices = [self.open, self.high, self.low, self.close];
        // Prices below zero have been paid; what is no number has not.
        if prices.iter().any(|price| !price.is_finite()) {
            return Some("a price is not a number");
        }
        if self.high < self.open.max(self.close) || self.low > self.open.min(self.close) {
            return Some("high and low do not enclose open and close");
        }
        (self.volume < 0.0 || self.volume.is_infinite()).then_some("the volume is not an amount")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_candle_that_cannot_be_is_told() {
        let good = Candle { open: 2.0, high: 3.0, low: 1.0, close: 2.5, volume: 0.0 };
        assert_eq!(good.problem(), None);
        assert_eq!(Candle { volume: f64::NAN, ..good }.problem(), None);
        for bad in [
            Candle { high: 2.4, ..good },
            Candle { low: 2.1, ..good },
            Candle { open: f64::NAN, ..good },
            Candle { close: f64::INFINITY, ..good },
            Candle { volume: -1.0, ..good },
            Candle { volume: f64::INFINITY, ..good },
        ] {
            assert!(bad.problem().is_some(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_price_prints_as_the_venue_sent_it(mantissa in 1u64..1_000_000_000_000_000, decimals in 0usize..=12) {
            let digits = format!("{mantissa:0width$}", width = decimals + 1);
            let (whole, fraction) = digits.split_at(digits.len() - decimals);
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            let sent = format!("{whole}{point}{fraction}");
            let price: f64 = sent.parse().unwrap();
            prop_assert_eq!(price.to_string(), sent);
        }

        #[test]
        fn a_candle_comes_back_from_its_columns(values in proptest::array::uniform5(any::<f64>())) {
            let [open, high, low, close, volume] = values;
            let candle = Candle { open, high, low, close, volume };
            let mut columns = Columns::new(Candle::SCHEMA);
            candle.write(&mut columns);
            let back = Candle::read(&columns, 0);
            let bits = |candle: Candle| {
                [candle.open, candle.high, candle.low, candle.close, candle.volume].map(f64::to_bits)
            };
            prop_assert_eq!(bits(back), values.map(f64::to_bits));
        }
    }
}
