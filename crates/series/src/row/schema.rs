use std::fmt::Debug;

use xxhash_rust::xxh3::xxh3_64;

use super::Columns;

/// A row of a series: a few numbers that belong to one slot. Its time is that of the slot, and is
/// not among them.
///
/// ```
/// use cache_series::row::{ColumnKind, ColumnSchema, Columns, Row, Schema};
///
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// struct Funding { rate: f64, payers: i64 }
///
/// impl Row for Funding {
///     const SCHEMA: &'static Schema = &Schema {
///         name: "funding",
///         columns: &[
///             ColumnSchema::new("rate", ColumnKind::Float),
///             ColumnSchema::new("payers", ColumnKind::Integer),
///         ],
///     };
///
///     fn write(&self, columns: &mut Columns) {
///         columns.push_float(0, self.rate);
///         columns.push_integer(1, self.payers);
///     }
///
///     fn read(columns: &Columns, row: usize) -> Self {
///         Self { rate: columns.float(0)[row], payers: columns.integer(1)[row] }
///     }
/// }
/// ```
pub trait Row: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// Its columns. What is stored names the schema by its [digest](Schema::digest).
    const SCHEMA: &'static Schema;

    /// Appends one value to each of the columns.
    fn write(&self, columns: &mut Columns);

    /// Reads the row at `row`, which is below the columns' length.
    fn read(columns: &Columns, row: usize) -> Self;

    /// What makes the row impossible, if anything does: such a row is not stored.
    fn problem(&self) -> Option<&'static str> {
        None
    }
}

/// The columns of a kind of row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Schema {
    /// Its name, such as `candle`.
    pub name: &'static str,
    /// Its columns, 32 at most.
    pub columns: &'static [ColumnSchema],
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ColumnSchema {
    /// Its name, such as `close`.
    pub name: &'static str,
    /// What is in it.
    pub kind: ColumnKind,
    /// Columns of one group are compressed with one number of decimals, so that they can be
    /// predicted from each other.
    pub group: u8,
    /// What its values are expected to be near to.
    pub prediction: Prediction,
}

/// The type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// `f64`, kept bit by bit, whatever it is.
    Float,
    /// `i64`.
    Integer,
}

/// What the values of a column are near to, which decides how well they compress, and nothing
/// else. Columns named here must be of the same group; those of the same row must come earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prediction {
    /// To zero.
    Zero,
    /// To the value of this column in the row before.
    Before,
    /// To the value of another column in the row before.
    BeforeOf(u8),
    /// To an earlier column of the same row.
    Same(u8),
    /// To the larger of two earlier columns.
    Larger(u8, u8),
    /// To the smaller of two earlier columns.
    Smaller(u8, u8),
}

impl Schema {
    /// A number that stands for names, types, groups and predictions: stored records bear it.
    pub fn digest(&self) -> u64 {
        let mut text = self.name.to_owned();
        for column in self.columns {
            let ColumnSchema { name, kind, group, prediction } = column;
            text.push_str(&format!("\n{name} {kind:?} {group} {prediction:?}"));
        }
        xxh3_64(text.as_bytes())
    }
}

impl ColumnSchema {
    /// A column in a group of its own kind, near to its value in the row before.
    pub const fn new(name: &'static str, kind: ColumnKind) -> Self {
        let group = match kind {
            ColumnKind::Float => 0,
            ColumnKind::Integer => u8::MAX,
        };
        Self { name, kind, group, prediction: Prediction::Before }
    }

    /// In another group.
    pub const fn in_group(mut self, group: u8) -> Self {
        self.group = group;
        self
    }

    /// Near to something else.
    pub const fn near(mut self, prediction: Prediction) -> Self {
        self.prediction = prediction;
        self
    }
}
