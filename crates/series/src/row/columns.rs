use super::{ColumnKind, Row, Schema};

/// The values of one column.
#[derive(Clone, Debug)]
pub enum Column {
    /// Of [`ColumnKind::Float`].
    Float(Vec<f64>),
    /// Of [`ColumnKind::Integer`].
    Integer(Vec<i64>),
}

/// Rows, column by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    columns: Vec<Column>,
}

impl Column {
    fn new(kind: ColumnKind, capacity: usize) -> Self {
        match kind {
            ColumnKind::Float => Self::Float(Vec::with_capacity(capacity)),
            ColumnKind::Integer => Self::Integer(Vec::with_capacity(capacity)),
        }
    }

    /// How many values.
    pub fn len(&self) -> usize {
        match self {
            Self::Float(values) => values.len(),
            Self::Integer(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is in it.
    pub fn kind(&self) -> ColumnKind {
        match self {
            Self::Float(_) => ColumnKind::Float,
            Self::Integer(_) => ColumnKind::Integer,
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Float(values) => values.clear(),
            Self::Integer(values) => values.clear(),
        }
    }

    fn shrink(&mut self) {
        match self {
            Self::Float(values) => values.shrink_to_fit(),
            Self::Integer(values) => values.shrink_to_fit(),
        }
    }
}

/// Bit by bit: a NaN is equal to itself, and zero is not to minus zero.
impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float(one), Self::Float(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other).all(|(one, other)| one.to_bits() == other.to_bits())
            }
            (Self::Integer(one), Self::Integer(other)) => one == other,
            _ => false,
        }
    }
}

impl Columns {
    /// Columns of a schema without rows.
    pub fn new(schema: &Schema) -> Self {
        Self::with_capacity(schema, 0)
    }

    /// Columns of a schema, with room for so many rows.
    pub fn with_capacity(schema: &Schema, rows: usize) -> Self {
        let columns = schema.columns.iter().map(|column| Column::new(column.kind, rows)).collect();
        Self { columns }
    }

    pub(crate) fn from_parts(columns: Vec<Column>) -> Self {
        Self { columns }
    }

    /// How many rows: the length of the shortest column.
    pub fn rows(&self) -> usize {
        self.columns.iter().map(Column::len).min().unwrap_or(0)
    }

    /// All columns in the schema's order.
    pub fn all(&self) -> &[Column] {
        &self.columns
    }

    /// The values of a column of floats; empty if there is no such column.
    pub fn float(&self, column: usize) -> &[f64] {
        match self.columns.get(column) {
            Some(Column::Float(values)) => values,
            _ => &[],
        }
    }

    /// The values of a column of integers; empty if there is no such column.
    pub fn integer(&self, column: usize) -> &[i64] {
        match self.columns.get(column) {
            Some(Column::Integer(values)) => values,
            _ => &[],
        }
    }

    /// Appends to a column of floats; nothing happens if there is no such column.
    pub fn push_float(&mut self, column: usize, value: f64) {
        if let Some(Column::Float(values)) = self.columns.get_mut(column) {
            values.push(value);
        }
    }

    /// Appends to a column of integers; nothing happens if there is no such column.
    pub fn push_integer(&mut self, column: usize, value: i64) {
        if let Some(Column::Integer(values)) = self.columns.get_mut(column) {
            values.push(value);
        }
    }

    /// Appends rows `from..to` of other columns of the same schema: one copy of memory a column.
    pub fn extend_from(&mut self, other: &Self, from: usize, to: usize) {
        let to = to.min(other.rows());
        let from = from.min(to);
        for (own, other) in self.columns.iter_mut().zip(&other.columns) {
            match (own, other) {
                (Column::Float(own), Column::Float(other)) => {
                    own.extend_from_slice(&other[from..to]);
                }
                (Column::Integer(own), Column::Integer(other)) => {
                    own.extend_from_slice(&other[from..to]);
                }
                _ => {}
            }
        }
    }

    /// Takes all rows out and keeps the memory, to be filled again.
    pub fn clear(&mut self) {
        self.columns.iter_mut().for_each(Column::clear);
    }

    pub(crate) fn shrink(&mut self) {
        self.columns.iter_mut().for_each(Column::shrink);
    }

    /// Bytes of the values.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(|column| column.len() * 8).sum()
    }
}

/// Whether two rows are the same bit by bit, as they are stored.
pub(crate) fn same_bits<R: Row>(one: &R, other: &R) -> bool {
    let columns = |row: &R| {
        let mut columns = Columns::with_capacity(R::SCHEMA, 1);
        row.write(&mut columns);
        columns
    };
    columns(one) == columns(other)
}
