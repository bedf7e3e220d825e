//! Whole numbers out of how they differ from what is expected: column after column, but for those that
//! are expected from each other, such as an open from the close before it, and that from its open.

use super::wholes::{Expected, Place};
use crate::row::Schema;

/// The whole numbers of all columns, put in the place of their differences. Where there are no
/// differences the column is all zeros.
pub(super) fn restore(
    schema: &Schema,
    differences: Vec<Option<Vec<i64>>>,
    rows: usize,
) -> Vec<Vec<i64>> {
    let expected = Expected::of(schema);
    // Those that none of the others needs can wait until these are there.
    let mut together: Vec<usize> =
        (0..differences.len()).filter(|column| differences[*column].is_some()).collect();
    let mut apart = Vec::with_capacity(together.len());
    while let Some(place) = together.iter().rposition(|column| {
        let is_needed = |other: &usize| other != column && expected[*other].needs(*column);
        is_column(expected[*column], *column) && !together.iter().any(is_needed)
    }) {
        apart.push(together.remove(place));
    }
    let mut columns: Vec<Vec<i64>> =
        differences.into_iter().map(|column| column.unwrap_or_else(|| vec![0; rows])).collect();
    // What is expected from a column that does not exist is zero.
    columns.push(vec![0; rows]);
    by_row(&mut columns, &expected, &together, rows);
    for column in apart.into_iter().rev() {
        by_column(&mut columns, expected[column], column);
    }
    columns.truncate(expected.len());
    columns
}

/// Row after row those columns that need each other, and no further one that is not all zeros; those of
/// one row in order, for the later ones may need the earlier.
fn by_row(columns: &mut [Vec<i64>], expected: &[Expected], together: &[usize], rows: usize) {
    let mut before = vec![0; columns.len()];
    let mut now = before.clone();
    for row in 0..rows {
        for column in together {
            let expected = expected[*column].value(|place| {
                let values = if place.is_before { &before } else { &now };
                values[place.column]
            });
            if let Some(value) = columns[*column].get_mut(row) {
                *value = value.wrapping_add(expected);
                now[*column] = *value;
            }
        }
        together.iter().for_each(|column| before[*column] = now[*column]);
    }
}

/// Whether it can be put together once all others that it needs are there.
fn is_column(expected: Expected, column: usize) -> bool {
    matches!(expected, Expected::Same(_)) || !expected.needs(column)
}

/// The whole column.
fn by_column(columns: &mut [Vec<i64>], expected: Expected, column: usize) {
    let mut own = std::mem::take(&mut columns[column]);
    if let Expected::Same(Place { column: same, .. }) = expected
        && same == column
    {
        let mut before = 0i64;
        for value in &mut own {
            before = before.wrapping_add(*value);
            *value = before;
        }
    } else if let Some((first, rest)) = own.split_first_mut() {
        let before = |place: Place| if place.is_before { 0 } else { columns[place.column][0] };
        *first = first.wrapping_add(expected.value(before));
        let from = |place: Place| columns[place.column][usize::from(!place.is_before)..].iter();
        match expected {
            Expected::Zero => {}
            Expected::Same(place) => add(rest, from(place).copied()),
            Expected::Larger(one, other) => {
                add(rest, from(one).zip(from(other)).map(|(one, other)| *one.max(other)));
            }
            Expected::Smaller(one, other) => {
                add(rest, from(one).zip(from(other)).map(|(one, other)| *one.min(other)));
            }
        }
    }
    columns[column] = own;
}

fn add(values: &mut [i64], expected: impl Iterator<Item = i64>) {
    for (value, expected) in values.iter_mut().zip(expected) {
        *value = value.wrapping_add(expected);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::wholes::Wholes;
    use super::*;
    use crate::row::{Candle, ColumnKind, ColumnSchema, Prediction, Row};

    fn prediction() -> impl Strategy<Value = Prediction> {
        // Columns that come later or do not exist are among them.
        let column = || 0u8..6;
        prop_oneof![
            1 => Just(Prediction::Zero),
            2 => Just(Prediction::Before),
            2 => column().prop_map(Prediction::BeforeOf),
            3 => column().prop_map(Prediction::Same),
            2 => (column(), column()).prop_map(|(one, other)| Prediction::Larger(one, other)),
            2 => (column(), column()).prop_map(|(one, other)| Prediction::Smaller(one, other)),
        ]
    }

    fn check(schema: &Schema, differences: Vec<Option<Vec<i64>>>, rows: usize) {
        let mut plain = vec![vec![0; rows]; differences.len()];
        let mut wholes = Wholes::new(schema, rows);
        for row in 0..rows {
            for (column, differences) in differences.iter().enumerate() {
                let Some(differences) = differences else { continue };
                wholes.set(row, column, |expected| {
                    plain[column][row] = expected.wrapping_add(differences[row]);
                    plain[column][row]
                });
            }
        }
        assert_eq!(restore(schema, differences, rows), plain);
    }

    proptest! {
        /// As they were made, which is row after row.
        #[test]
        fn whole_numbers_come_back(
            predictions in proptest::collection::vec(prediction(), 1..6),
            rows in proptest::collection::vec(proptest::array::uniform5(any::<i64>()), 0..12),
            there in proptest::array::uniform5(0u8..6),
        ) {
            let columns: Vec<ColumnSchema> = predictions
                .iter()
                .map(|near| ColumnSchema::new("any", ColumnKind::Float).near(*near))
                .collect();
            let schema = Schema { name: "any", columns: columns.leak() };
            let differences = (0..predictions.len()).map(|column| {
                (there[column] > 0).then(|| rows.iter().map(|row| row[column]).collect())
            });
            check(&schema, differences.collect(), rows.len());
        }

        #[test]
        fn those_of_candles_come_back(
            rows in proptest::collection::vec(proptest::array::uniform5(-99i64..99), 1..40),
        ) {
            let column = |column: usize| Some(rows.iter().map(|row| row[column]).collect());
            check(Candle::SCHEMA, (0..5).map(column).collect(), rows.len());
        }
    }
}
