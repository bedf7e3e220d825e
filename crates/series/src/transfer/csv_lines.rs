use std::io::Read;
use std::marker::PhantomData;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::CsvError;
use super::chunks::Placed;
use super::names::{SYNTHETIC, TIME};
use super::number::read_float;
use crate::row::{ColumnKind, Columns, Row};
use crate::time::{Grid, Time};

/// The rows of a CSV, one after the other, each looked at by itself.
pub(super) struct Lines<R, In> {
    reader: csv::Reader<In>,
    record: StringRecord,
    grid: Grid,
    time: usize,
    /// Where each column of the schema stands.
    places: Vec<usize>,
    /// Where it stands whether a fill has made the row.
    synthetic: Option<usize>,
    /// Of one row.
    columns: Columns,
    row: PhantomData<fn() -> R>,
}

impl<R: Row, In: Read> Lines<R, In> {
    /// Begins to read; `names` are those of the columns where the first line does not tell them.
    pub(super) fn new(input: In, grid: Grid, names: Option<&[String]>) -> Result<Self, CsvError> {
        let has_headers = names.is_none();
        let mut builder = ReaderBuilder::new();
        let mut reader =
            builder.has_headers(has_headers).trim(Trim::All).flexible(false).from_reader(input);
        let names: Vec<String> = match names {
            Some(names) => names.to_vec(),
            None => {
                let names = reader.headers().map_err(CsvError::read)?;
                // Some programs begin a file with a byte order mark.
                names.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect()
            }
        };
        let found = |column: &str| {
            let is_it = |name: &String| name.trim().eq_ignore_ascii_case(column);
            match names.iter().filter(|name| is_it(name)).count() {
                0 | 1 => Ok(names.iter().position(is_it)),
                count => Err(CsvError::Column { column: column.to_owned(), count }),
            }
        };
        let place = |column: &str| {
            let missing = || CsvError::Column { column: column.to_owned(), count: 0 };
            found(column)?.ok_or_else(missing)
        };
        let places = R::SCHEMA.columns.iter().map(|column| place(column.name));
        Ok(Self {
            time: place(TIME)?,
            places: places.collect::<Result<_, _>>()?,
            synthetic: found(SYNTHETIC)?,
            reader,
            record: StringRecord::new(),
            grid,
            columns: Columns::new(R::SCHEMA),
            row: PhantomData,
        })
    }

    /// The row of a line; `None` if a fill has made it.
    fn parse(&mut self) -> Result<Option<Placed<R>>, CsvError> {
        let line = self.record.position().map_or(0, csv::Position::line);
        let field = |place: usize, column: &str| {
            let missing = || {
                let problem = format!("it has no column `{column}`");
                CsvError::Malformed { line, problem }
            };
            self.record.get(place).ok_or_else(missing)
        };
        if let Some(place) = self.synthetic {
            match field(place, SYNTHETIC)? {
                text if text.eq_ignore_ascii_case("true") => return Ok(None),
                text if text.eq_ignore_ascii_case("false") => {}
                text => return Err(CsvError::value(line, SYNTHETIC, text, "true or false")),
            }
        }
        let text = field(self.time, TIME)?;
        let time = text.parse().ok().and_then(|ms| {
            let time = Time::from_unix_ms(ms);
            (time.unix_ms() == ms).then_some(time)
        });
        let time = time.ok_or_else(|| {
            CsvError::value(line, TIME, text, "a time in milliseconds since 1970")
        })?;
        self.columns.clear();
        for (index, (column, place)) in R::SCHEMA.columns.iter().zip(&self.places).enumerate() {
            let text = field(*place, column.name)?;
            let wrong = |expected| CsvError::value(line, column.name, text, expected);
            match column.kind {
                ColumnKind::Float => {
                    let value = read_float(text).ok_or_else(|| wrong("a number"))?;
                    self.columns.push_float(index, value);
                }
                ColumnKind::Integer => {
                    let value = text.parse().map_err(|_| wrong("a whole number"))?;
                    self.columns.push_integer(index, value);
                }
            }
        }
        let row = R::read(&self.columns, 0);
        let placed = Placed::new(line, time, self.grid, row);
        placed.map(Some).map_err(|reason| CsvError::Row { line, time, reason })
    }
}

impl<R: Row, In: Read> Iterator for Lines<R, In> {
    type Item = Result<Option<Placed<R>>, CsvError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.reader.read_record(&mut self.record) {
            Ok(true) => Some(self.parse()),
            Ok(false) => None,
            Err(error) => Some(Err(CsvError::read(error))),
        }
    }
}
