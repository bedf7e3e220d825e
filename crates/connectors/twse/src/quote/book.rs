use super::Level;
use crate::error::TwseError;
use crate::text::{amount, whole};

/// How many prices a book shows on a side.
const LEVELS_MAX: usize = 5;

/// Which side of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Bid,
    Ask,
}

/// The parts of `592.0000_593.0000_`; none where a dash or nothing stands for them.
fn parts(text: &str) -> Vec<&str> {
    match text.trim() {
        "" | "-" => Vec::new(),
        text => text.strip_suffix('_').unwrap_or(text).split('_').collect(),
    }
}

/// Reads a side of a book: prices and sizes in two texts, the best first.
pub(super) fn levels(prices: &str, sizes: &str, side: Side) -> Result<Vec<Level>, TwseError> {
    let refused = |why: &str| {
        let shown: String = format!("{prices} {sizes}").chars().take(80).collect();
        TwseError::malformed(format!("a book {why}: {shown}"))
    };
    let (price_texts, size_texts) = (parts(prices), parts(sizes));
    if price_texts.len() != size_texts.len() {
        return Err(refused("with prices without sizes"));
    }
    if price_texts.len() > LEVELS_MAX {
        return Err(refused("with more than five prices"));
    }
    let mut levels: Vec<Level> = Vec::with_capacity(price_texts.len());
    for (price, size) in price_texts.into_iter().zip(size_texts) {
        let price = amount(price).ok_or_else(|| refused("with what is no price"))?;
        let size = whole(size).ok_or_else(|| refused("with what is no size"))?;
        // Zero stands for orders at whatever price.
        let price = (price > 0.0).then_some(price);
        if let Some(before) = levels.last() {
            let in_order = match (before.price, price) {
                (None, Some(_)) => true,
                (Some(before), Some(price)) if side == Side::Bid => before > price,
                (Some(before), Some(price)) => before < price,
                (_, None) => false,
            };
            if !in_order {
                return Err(refused("out of order"));
            }
        }
        levels.push(Level { price, size });
    }
    Ok(levels)
}
