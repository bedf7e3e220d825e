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
        together.iter().all(|other| other == column || !expected[*other].needs(*column))
    }) {
        apart.push(together.remove(place));
    }
    let mut columns: Vec<Vec<i64>> =
        differences.into_iter().map(|column| column.unwrap_or_else(|| vec![0; rows])).collect();
    // What is expected from a column that does not exist is zero.
    columns.push(vec![0; rows]);
    by_row(&mut columns, &expected, &together, rows);
    for column in apart.into_iter().rev() {
        if !by_column(&mut columns, expected[column], column) {
            by_row(&mut columns, &expected, &[column], rows);
        }
    }
    columns.truncate(expected.len());
    columns
}

/// Row after row; those of one row in order, for the later ones may need the earlier.
fn by_row(columns: &mut [Vec<i64>], expected: &[Expected], together: &[usize], rows: usize) {
    for row in 0..rows {
        for column in together {
            let expected = expected[*column].value(|place| {
                let values = &columns[place.column];
                match (place.is_before, row) {
                    (false, _) => values[row],
                    (true, 0) => 0,
                    (true, _) => values[row - 1],
                }
            });
            let value = &mut columns[*column][row];
            *value = value.wrapping_add(expected);
        }
    }
}

/// The whole column, if it is made of others of the same row, or of itself alone.
fn by_column(columns: &mut [Vec<i64>], expected: Expected, column: usize) -> bool {
    let mut own = std::mem::take(&mut columns[column]);
    let of = |place: Place| (!place.is_before).then(|| columns[place.column].as_slice());
    let mut is_done = true;
    match expected {
        Expected::Zero => {}
        Expected::Same(place) if place == (Place { column, is_before: true }) => {
            let mut before = 0;
            for value in &mut own {
                before = value.wrapping_add(before);
                *value = before;
            }
        }
        Expected::Same(place) => match of(place) {
            Some(same) => add(&mut own, same.iter().copied()),
            None => is_done = false,
        },
        Expected::Larger(one, other) => match of(one).zip(of(other)) {
            Some((one, other)) => {
                add(&mut own, one.iter().zip(other).map(|(one, other)| *one.max(other)));
            }
            None => is_done = false,
        },
        Expected::Smaller(one, other) => match of(one).zip(of(other)) {
            Some((one, other)) => {
                add(&mut own, one.iter().zip(other).map(|(one, other)| *one.min(other)));
            }
            None => is_done = false,
        },
    }
    columns[column] = own;
    is_done
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
