//! How columns are stored: decimals as whole numbers near to what is expected of them, with those
//! that are no such decimals apart; other floats as the bits in which they differ from the one before.

use super::packing::{pack, unpack};
use crate::record::{Reader, RecordError, Writer};
use crate::row::scaled::{PLACES_END, float, mantissa, places};
use crate::row::{Column, ColumnKind, Columns, Prediction, Schema};

/// A float that is no decimal costs about so many bits: itself, and where it stands.
const APART_BITS: f64 = 80.0;
/// A further decimal place costs so many bits a value: log2(10).
const PLACE_BITS: f64 = 3.33;

const SCALED: u8 = 0;
const BITS: u8 = 1;

const DAMAGED: RecordError = RecordError::Damaged("a column's values are not where they should be");

/// The number of decimals by which the columns of a group become shortest.
fn places_of(columns: &[&[f64]]) -> usize {
    let total: usize = columns.iter().map(|values| values.len()).sum();
    // Values by the fewest places that they need.
    let mut needs = [0usize; PLACES_END];
    for value in columns.iter().copied().flatten() {
        if let Some(places) = places(*value) {
            needs[places] += 1;
        }
    }
    let mut fit = 0;
    let cost = |places: usize, fit: usize| {
        places as f64 * PLACE_BITS * fit as f64 + (total - fit) as f64 * APART_BITS
    };
    let mut best = (f64::INFINITY, 0);
    for (places, count) in needs.iter().enumerate() {
        fit += count;
        if cost(places, fit) < best.0 {
            best = (cost(places, fit), places);
        }
    }
    best.1
}

/// The groups of a schema, in the order of their first columns.
fn groups(schema: &Schema) -> Vec<u8> {
    let mut groups = Vec::new();
    for column in schema.columns.iter().filter(|column| column.kind == ColumnKind::Float) {
        if !groups.contains(&column.group) {
            groups.push(column.group);
        }
    }
    groups
}

/// What a value is expected to be, of the whole numbers of all columns.
fn expected(prediction: Prediction, wholes: &[Vec<i64>], column: usize, row: usize) -> i64 {
    let of = |column: u8, row: usize| {
        wholes.get(usize::from(column)).and_then(|values| values.get(row)).copied().unwrap_or(0)
    };
    let before = |column: u8| row.checked_sub(1).map_or(0, |row| of(column, row));
    match prediction {
        Prediction::Zero => 0,
        Prediction::Before => before(column as u8),
        Prediction::BeforeOf(other) => before(other),
        Prediction::Same(other) => of(other, row),
        Prediction::Larger(one, other) => of(one, row).max(of(other, row)),
        Prediction::Smaller(one, other) => of(one, row).min(of(other, row)),
    }
}

/// Writes all columns; how many rows there are the reader has to know.
pub(super) fn write_columns(writer: &mut Writer, schema: &Schema, columns: &Columns) {
    let rows = columns.rows();
    let mut places = [0usize; 256];
    for group in groups(schema) {
        let members: Vec<&[f64]> = (0..schema.columns.len())
            .filter(|column| schema.columns[*column].group == group)
            .map(|column| columns.float(column))
            .collect();
        places[usize::from(group)] = places_of(&members);
        writer.byte(places[usize::from(group)] as u8);
    }
    let mut wholes: Vec<Vec<i64>> = vec![Vec::with_capacity(rows); schema.columns.len()];
    let mut encodings = Vec::with_capacity(schema.columns.len());
    let mut differences: Vec<Vec<i64>> = vec![Vec::with_capacity(rows); schema.columns.len()];
    for (column, about) in schema.columns.iter().enumerate() {
        encodings.push(match about.kind {
            ColumnKind::Integer => Encoding::Scaled { apart: Vec::new() },
            ColumnKind::Float => {
                Encoding::of(columns.float(column), places[usize::from(about.group)])
            }
        });
    }
    for row in 0..rows {
        for (column, about) in schema.columns.iter().enumerate() {
            let value = match &encodings[column] {
                Encoding::Bits => Some(0),
                Encoding::Scaled { .. } => match about.kind {
                    ColumnKind::Integer => Some(columns.integer(column)[row]),
                    ColumnKind::Float => {
                        mantissa(columns.float(column)[row], places[usize::from(about.group)])
                    }
                },
            };
            let expected = expected(about.prediction, &wholes, column, row);
            // What stands apart is taken as if it were as expected.
            let value = value.unwrap_or(expected);
            differences[column].push(value.wrapping_sub(expected));
            wholes[column].push(value);
        }
    }
    for (column, encoding) in encodings.iter().enumerate() {
        match encoding {
            Encoding::Scaled { apart } => {
                writer.byte(SCALED);
                pack(writer, &differences[column]);
                writer.number(apart.len() as u64);
                let mut next = 0;
                for (row, value) in apart {
                    writer.number((row - next) as u64);
                    writer.word(value.to_bits());
                    next = row + 1;
                }
            }
            Encoding::Bits => {
                writer.byte(BITS);
                let mut before = 0;
                let bits = columns.float(column).iter().map(|value| {
                    let bits = value.to_bits();
                    (std::mem::replace(&mut before, bits) ^ bits) as i64
                });
                pack(writer, &bits.collect::<Vec<i64>>());
            }
        }
    }
}

enum Encoding {
    /// Whole numbers, and floats apart that are none.
    Scaled { apart: Vec<(usize, f64)> },
    /// The bits in which each differs from the one before.
    Bits,
}

impl Encoding {
    fn of(values: &[f64], places: usize) -> Self {
        let apart: Vec<(usize, f64)> = values
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, value)| mantissa(*value, places).is_none())
            .collect();
        if apart.len() * 2 > values.len() { Self::Bits } else { Self::Scaled { apart } }
    }
}

/// Reads all columns of `rows` rows.
pub(super) fn read_columns(
    reader: &mut Reader<'_>,
    schema: &Schema,
    rows: usize,
) -> Result<Columns, RecordError> {
    let mut places = [0usize; 256];
    for group in groups(schema) {
        places[usize::from(group)] = usize::from(reader.byte()?);
        if places[usize::from(group)] >= PLACES_END {
            return Err(RecordError::Damaged("a number of decimals is too large"));
        }
    }
    let mut read = Vec::with_capacity(schema.columns.len());
    for about in schema.columns {
        read.push(match (reader.byte()?, about.kind) {
            (SCALED, _) => {
                let differences = unpack(reader, rows)?;
                Stored::Scaled { differences, apart: read_apart(reader, rows)? }
            }
            (BITS, ColumnKind::Float) => Stored::Bits { differences: unpack(reader, rows)? },
            _ => return Err(DAMAGED),
        });
    }
    let wholes = restore(schema, &read, rows);
    let mut columns = Vec::with_capacity(schema.columns.len());
    for ((about, stored), wholes) in schema.columns.iter().zip(read).zip(wholes) {
        columns.push(match (about.kind, stored) {
            (ColumnKind::Integer, Stored::Scaled { apart, .. }) if !apart.is_empty() => {
                return Err(DAMAGED);
            }
            (ColumnKind::Integer, _) => Column::Integer(wholes),
            (ColumnKind::Float, Stored::Scaled { apart, .. }) => {
                let places = places[usize::from(about.group)];
                let mut values: Vec<f64> =
                    wholes.iter().map(|whole| float(*whole, places)).collect();
                apart.iter().for_each(|(row, value)| values[*row] = *value);
                Column::Float(values)
            }
            (ColumnKind::Float, Stored::Bits { differences }) => {
                let mut bits = 0;
                let next = |difference: &i64| {
                    bits ^= *difference as u64;
                    f64::from_bits(bits)
                };
                Column::Float(differences.iter().map(next).collect())
            }
        });
    }
    Ok(Columns::from_parts(columns))
}

enum Stored {
    Scaled { differences: Vec<i64>, apart: Vec<(usize, f64)> },
    Bits { differences: Vec<i64> },
}

/// Rows and values that are no decimals; each row is below `rows`.
fn read_apart(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<(usize, f64)>, RecordError> {
    let count = reader.bounded(rows)?;
    let mut apart = Vec::with_capacity(count);
    let mut next = 0;
    for _ in 0..count {
        let row = next + reader.bounded(rows)?;
        if row >= rows {
            return Err(DAMAGED);
        }
        apart.push((row, f64::from_bits(reader.word()?)));
        next = row + 1;
    }
    Ok(apart)
}

/// The whole numbers of all columns, from how they differ from what is expected.
fn restore(schema: &Schema, stored: &[Stored], rows: usize) -> Vec<Vec<i64>> {
    let mut wholes: Vec<Vec<i64>> = vec![Vec::with_capacity(rows); schema.columns.len()];
    for row in 0..rows {
        for (column, about) in schema.columns.iter().enumerate() {
            let value = match &stored[column] {
                Stored::Bits { .. } => 0,
                Stored::Scaled { differences, .. } => {
                    let expected = expected(about.prediction, &wholes, column, row);
                    expected.wrapping_add(differences[row])
                }
            };
            wholes[column].push(value);
        }
    }
    wholes
}
