//! How columns are stored: decimals as whole numbers near to what is expected of them, with those
//! that are no such decimals apart; other floats as the bits in which they differ from the one before.

use super::packing::{pack, unpack};
use super::restore::restore;
use super::wholes::Wholes;
use crate::record::{Reader, RecordError, Writer};
use crate::row::scaled::{PLACES_END, float, mantissa, places};
use crate::row::{Column, ColumnKind, Columns, Schema};

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
    let (mut needs, mut guess) = ([0usize; PLACES_END], 0);
    for value in columns.iter().copied().flatten() {
        if let Some(places) = places(*value, guess) {
            needs[places] += 1;
            guess = places;
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

/// A column on its way into a record.
enum Prepared<'values> {
    /// Whole numbers; `None` for floats that are none.
    Scaled(Vec<Option<i64>>),
    /// Whole numbers as they are.
    Whole(&'values [i64]),
    /// Floats of which few are decimals.
    Bits,
}

impl<'values> Prepared<'values> {
    fn new(column: &'values Column, places: usize) -> Self {
        match column {
            Column::Integer(values) => Self::Whole(values),
            Column::Float(values) => {
                let wholes: Vec<Option<i64>> =
                    values.iter().map(|value| mantissa(*value, places)).collect();
                let apart = wholes.iter().filter(|whole| whole.is_none()).count();
                if apart * 2 > values.len() { Self::Bits } else { Self::Scaled(wholes) }
            }
        }
    }

    /// The whole number of a row; `None` for what stands apart.
    fn whole(&self, row: usize) -> Option<i64> {
        match self {
            Self::Scaled(wholes) => wholes[row],
            Self::Whole(values) => Some(values[row]),
            Self::Bits => Some(0),
        }
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
    let prepared: Vec<Prepared<'_>> = schema
        .columns
        .iter()
        .zip(columns.all())
        .map(|(about, column)| Prepared::new(column, places[usize::from(about.group)]))
        .collect();
    let mut differences: Vec<Vec<i64>> = vec![Vec::with_capacity(rows); prepared.len()];
    let mut wholes = Wholes::new(schema, rows);
    for row in 0..rows {
        for (column, (prepared, differences)) in prepared.iter().zip(&mut differences).enumerate() {
            wholes.set(row, column, |expected| {
                // What stands apart is taken as if it were as expected.
                let whole = prepared.whole(row).unwrap_or(expected);
                differences.push(whole.wrapping_sub(expected));
                whole
            });
        }
    }
    for (column, (prepared, differences)) in prepared.iter().zip(differences).enumerate() {
        let values = columns.float(column);
        match prepared {
            Prepared::Whole(_) => {
                writer.byte(SCALED);
                pack(writer, &differences);
                write_apart(writer, &[], &[]);
            }
            Prepared::Scaled(wholes) => {
                writer.byte(SCALED);
                pack(writer, &differences);
                write_apart(writer, wholes, values);
            }
            Prepared::Bits => {
                writer.byte(BITS);
                let mut before = 0;
                let bits = values.iter().map(|value| {
                    let bits = value.to_bits();
                    (std::mem::replace(&mut before, bits) ^ bits) as i64
                });
                pack(writer, &bits.collect::<Vec<i64>>());
            }
        }
    }
}

/// Floats that are no whole numbers, each after its distance from the one before.
fn write_apart(writer: &mut Writer, wholes: &[Option<i64>], values: &[f64]) {
    let apart = || wholes.iter().zip(values).enumerate().filter(|(_, (whole, _))| whole.is_none());
    writer.number(apart().count() as u64);
    let mut next = 0;
    for (row, (_, value)) in apart() {
        writer.number((row - next) as u64);
        writer.word(value.to_bits());
        next = row + 1;
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
    let (mut read, mut differences) = (Vec::new(), Vec::new());
    for about in schema.columns {
        let (stored, wholes) = match (reader.byte()?, about.kind) {
            (SCALED, kind) => {
                let wholes = unpack(reader, rows)?;
                let apart = read_apart(reader, rows)?;
                if kind == ColumnKind::Integer && !apart.is_empty() {
                    return Err(DAMAGED);
                }
                (Stored::Wholes { apart }, Some(wholes))
            }
            (BITS, ColumnKind::Float) => (Stored::Bits(unpack(reader, rows)?), None),
            _ => return Err(DAMAGED),
        };
        read.push(stored);
        differences.push(wholes);
    }
    let wholes = restore(schema, differences, rows);
    let columns =
        schema.columns.iter().zip(read).zip(wholes).map(|((about, stored), wholes)| {
            match (about.kind, stored) {
                (ColumnKind::Integer, _) => Column::Integer(wholes),
                (ColumnKind::Float, Stored::Wholes { apart }) => {
                    let places = places[usize::from(about.group)];
                    let mut values: Vec<f64> =
                        wholes.into_iter().map(|whole| float(whole, places)).collect();
                    apart.iter().for_each(|(row, value)| values[*row] = *value);
                    Column::Float(values)
                }
                (ColumnKind::Float, Stored::Bits(differences)) => {
                    let mut bits = 0;
                    let next = |difference: i64| {
                        bits ^= difference as u64;
                        f64::from_bits(bits)
                    };
                    Column::Float(differences.into_iter().map(next).collect())
                }
            }
        });
    Ok(Columns::from_parts(columns.collect()))
}

/// A column as it is stored, but for whole numbers.
enum Stored {
    /// Whole numbers, and floats that are none, with their rows.
    Wholes { apart: Vec<(usize, f64)> },
    /// The bits in which floats differ from the one before.
    Bits(Vec<i64>),
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
