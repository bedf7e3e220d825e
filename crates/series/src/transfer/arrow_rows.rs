use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, TimeUnit};

use super::chunks::Placed;
use super::names::{SYNTHETIC, TIME, UTC};
use super::{ArrowError, ArrowImport};
use crate::admit::Reason;
use crate::row::{ColumnKind, Columns, Row};
use crate::time::{Grid, Time};

/// Where the columns of rows stand among others.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) time: usize,
    /// Each column of the schema.
    pub(super) columns: Vec<usize>,
    /// Which rows a fill has made, if that is told.
    pub(super) synthetic: Option<usize>,
}

impl Places {
    /// Finds them by name, without regard to case.
    pub(super) fn find<R: Row>(names: &[&str], how: &ArrowImport) -> Result<Self, ArrowError> {
        let count = |column: &str| {
            let column = how.name_of(column);
            let named =
                names.iter().enumerate().filter(|(_, name)| name.eq_ignore_ascii_case(column));
            (named.clone().next().map(|(place, _)| place), named.count())
        };
        let place = |column: &str| match count(column) {
            (Some(place), 1) => Ok(place),
            (_, count) => Err(ArrowError::Column { column: how.name_of(column).to_owned(), count }),
        };
        let columns = R::SCHEMA.columns.iter().map(|column| place(column.name));
        let synthetic = match count(SYNTHETIC) {
            (None, _) => None,
            _ => Some(place(SYNTHETIC)?),
        };
        Ok(Self { time: place(TIME)?, columns: columns.collect::<Result<_, _>>()?, synthetic })
    }

    /// All of them, in no order.
    #[cfg(feature = "parquet")]
    pub(super) fn all(&self) -> impl Iterator<Item = usize> + '_ {
        std::iter::once(self.time).chain(self.columns.iter().copied()).chain(self.synthetic)
    }
}

/// The rows of a record batch, each looked at by itself.
pub(super) struct BatchRows<'batch, R> {
    /// How many rows there were before.
    first: u64,
    grid: Grid,
    times: Times<'batch>,
    values: Vec<(&'batch str, Values<'batch>)>,
    synthetic: Option<&'batch BooleanArray>,
    /// Of one row.
    columns: Columns,
    row: std::marker::PhantomData<fn() -> R>,
}

struct Times<'batch> {
    name: &'batch str,
    unit: TimeUnit,
    values: &'batch [i64],
    nulls: Option<&'batch NullBuffer>,
}

enum Values<'batch> {
    Float(&'batch Float64Array),
    Decimal(&'batch Decimal128Array, i8),
    Integer(&'batch Int64Array),
}

impl<'batch, R: Row> BatchRows<'batch, R> {
    pub(super) fn new(
        batch: &'batch RecordBatch,
        first: u64,
        grid: Grid,
        how: &ArrowImport,
    ) -> Result<Self, ArrowError> {
        let fields = batch.schema_ref().fields();
        let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        let places = Places::find::<R>(&names, how)?;
        let column = |place: usize| (names[place], batch.column(place).as_ref());
        let values = places.columns.iter().zip(R::SCHEMA.columns).map(|(place, schema)| {
            let (name, array) = column(*place);
            Ok((name, Values::of(name, array, schema.kind)?))
        });
        let synthetic = places.synthetic.map(|place| {
            let (name, array) = column(place);
            array.as_boolean_opt().ok_or_else(|| wrong(name, array, "booleans"))
        });
        let (name, array) = column(places.time);
        Ok(Self {
            first,
            grid,
            times: Times::of(name, array)?,
            values: values.collect::<Result<_, ArrowError>>()?,
            synthetic: synthetic.transpose()?,
            columns: Columns::with_capacity(R::SCHEMA, 1),
            row: std::marker::PhantomData,
        })
    }

    /// One of its rows, counted from its first; `None` if a fill has made it.
    pub(super) fn read(&mut self, row: usize) -> Result<Option<Placed<R>>, ArrowError> {
        let at = self.first + row as u64;
        if self.synthetic.is_some_and(|made| made.is_valid(row) && made.value(row)) {
            return Ok(None);
        }
        let time = self.times.read(row, at)?;
        self.columns.clear();
        let mut unknown = None;
        for (index, (name, values)) in self.values.iter().enumerate() {
            let null = || ArrowError::Null { row: at, column: (*name).to_owned() };
            let value = match values {
                Values::Float(array) => array.is_valid(row).then(|| array.value(row)),
                Values::Decimal(array, scale) => {
                    array.is_valid(row).then(|| float(array.value(row), *scale))
                }
                Values::Integer(array) => {
                    let value = array.is_valid(row).then(|| array.value(row));
                    self.columns.push_integer(index, value.ok_or_else(null)?);
                    continue;
                }
            };
            if value.is_none() {
                unknown = unknown.or_else(|| Some(null()));
            }
            self.columns.push_float(index, value.unwrap_or(f64::NAN));
        }
        let row = R::read(&self.columns, 0);
        let placed = Placed::new(at, time, self.grid, row);
        placed.map(Some).map_err(|reason| match (reason, unknown) {
            // It is impossible for that there is nothing.
            (Reason::Impossible(_), Some(null)) => null,
            (reason, _) => ArrowError::Row { row: at, time, reason },
        })
    }
}

impl<'batch> Times<'batch> {
    fn of(name: &'batch str, array: &'batch dyn Array) -> Result<Self, ArrowError> {
        let expected = "timestamps in UTC";
        let DataType::Timestamp(unit, zone) = array.data_type() else {
            return Err(wrong(name, array, expected));
        };
        let is_utc = |zone: &str| [UTC, "Etc/UTC", "Z", "+00:00"].contains(&zone);
        if !zone.as_deref().is_some_and(is_utc) {
            let found = zone.as_deref().map(str::to_owned);
            return Err(ArrowError::Zone { column: name.to_owned(), found });
        }
        let values: Option<&[i64]> = match unit {
            TimeUnit::Second => array.as_primitive_opt::<TimestampSecondType>().map(values),
            TimeUnit::Millisecond => {
                array.as_primitive_opt::<TimestampMillisecondType>().map(values)
            }
            TimeUnit::Microsecond => {
                array.as_primitive_opt::<TimestampMicrosecondType>().map(values)
            }
            TimeUnit::Nanosecond => array.as_primitive_opt::<TimestampNanosecondType>().map(values),
        };
        let values = values.ok_or_else(|| wrong(name, array, expected))?;
        Ok(Self { name, unit: *unit, values, nulls: array.nulls() })
    }

    fn read(&self, row: usize, at: u64) -> Result<Time, ArrowError> {
        let column = || self.name.to_owned();
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return Err(ArrowError::Null { row: at, column: column() });
        }
        let value = self.values[row];
        let whole = |parts: i64| (value % parts == 0).then_some(value / parts);
        let ms = match self.unit {
            TimeUnit::Second => value.checked_mul(1_000),
            TimeUnit::Millisecond => Some(value),
            TimeUnit::Microsecond => whole(1_000),
            TimeUnit::Nanosecond => whole(1_000_000),
        };
        let time = ms.map(Time::from_unix_ms).filter(|time| Some(time.unix_ms()) == ms);
        time.ok_or_else(|| ArrowError::Time { row: at, column: column(), value })
    }
}

fn values<T: arrow_array::types::ArrowTimestampType>(
    array: &arrow_array::PrimitiveArray<T>,
) -> &[i64] {
    array.values()
}

impl<'batch> Values<'batch> {
    fn of(name: &str, array: &'batch dyn Array, kind: ColumnKind) -> Result<Self, ArrowError> {
        let (values, expected) = match kind {
            ColumnKind::Float => {
                let float = array.as_primitive_opt::<Float64Type>().map(Self::Float);
                let decimal = array.as_primitive_opt::<Decimal128Type>();
                let decimal = decimal.map(|array| Self::Decimal(array, array.scale()));
                (float.or(decimal), "floats of 64 bits or decimals of 128")
            }
            ColumnKind::Integer => {
                let integer = array.as_primitive_opt::<Int64Type>().map(Self::Integer);
                (integer, "integers of 64 bits")
            }
        };
        values.ok_or_else(|| wrong(name, array, expected))
    }
}

/// The float nearest to a decimal, which is what reading its text gives.
fn float(mantissa: i128, scale: i8) -> f64 {
    let text = format!("{mantissa}e{}", -i32::from(scale));
    // Every such text is a number.
    text.parse().unwrap_or(f64::NAN)
}

fn wrong(name: &str, array: &dyn Array, expected: &'static str) -> ArrowError {
    let (column, found) = (name.to_owned(), array.data_type().to_string());
    ArrowError::Type { column, found, expected }
}
