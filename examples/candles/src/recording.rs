use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use cache_series::row::{Candle, Row};
use cache_series::time::{Grid, Time};
use csv::StringRecord;
use flate2::read::MultiGzDecoder;

/// Candles of a file.
#[derive(Debug)]
pub(crate) struct Recording {
    /// By their slots.
    pub(crate) candles: BTreeMap<i64, Candle>,
    /// Lines that are no candle that can be, or begin at no slot's start.
    pub(crate) refused: u64,
}

/// Why a file is no recording.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordingError {
    #[error("{path} could not be read")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not CSV")]
    Csv {
        path: String,
        #[source]
        source: csv::Error,
    },
    #[error("no column of {path} is named {name:?}: name all of them in their order by --columns")]
    Column { path: String, name: &'static str },
    #[error("line {line} of {path} is no candle: {text:?}")]
    Line { path: String, line: u64, text: String },
    #[error("{path} has no candle that can be ({refused} were refused)")]
    Nothing { path: String, refused: u64 },
}

/// The columns that are needed, with the other names that files give them.
const COLUMNS: [(&str, &[&str]); 6] = [
    ("ts", &["ts", "ts_ms", "time", "timestamp", "date", "open_time"]),
    ("open", &["open", "o"]),
    ("high", &["high", "h"]),
    ("low", &["low", "l"]),
    ("close", &["close", "c"]),
    ("volume", &["volume", "v", "vol"]),
];

/// The order of columns in a file that does not name them.
const USUAL: &str = "ts,open,high,low,close,volume";

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads a file. Its columns stand in the order that `columns` says, or else its first line, or
/// else in the usual one.
pub(crate) fn read(
    path: &Path,
    columns: Option<&[String]>,
    grid: Grid,
) -> Result<Recording, RecordingError> {
    let name = path.display().to_string();
    let failed = |source| RecordingError::Read { path: name.clone(), source };
    let mut file = File::open(path).map_err(failed)?;
    let mut begin = [0; 2];
    let is_gzip = file.read_exact(&mut begin).is_ok() && begin == GZIP;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    if is_gzip {
        parse(&name, BufReader::new(MultiGzDecoder::new(BufReader::new(file))), columns, grid)
    } else {
        parse(&name, BufReader::new(file), columns, grid)
    }
}

fn parse(
    path: &str,
    text: impl Read,
    columns: Option<&[String]>,
    grid: Grid,
) -> Result<Recording, RecordingError> {
    let failed = |source| RecordingError::Csv { path: path.to_owned(), source };
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let mut line = StringRecord::new();
    let mut recording = Recording { candles: BTreeMap::new(), refused: 0 };
    let mut places: Option<[usize; 6]> = match columns {
        Some(columns) => Some(find(path, columns.iter().map(String::as_str))?),
        None => None,
    };
    let mut is_first = true;
    while reader.read_record(&mut line).map_err(failed)? {
        let is_header = is_first && !line.iter().any(|field| field.parse::<f64>().is_ok());
        is_first = false;
        if is_header {
            if places.is_none() {
                places = Some(find(path, line.iter())?);
            }
            continue;
        }
        let known = match places {
            Some(known) => known,
            None => find(path, USUAL.split(','))?,
        };
        places = Some(known);
        let Some((ms, candle)) = candle(&line, known) else {
            return Err(RecordingError::Line {
                path: path.to_owned(),
                line: line.position().map_or(0, csv::Position::line),
                text: line.iter().collect::<Vec<_>>().join(","),
            });
        };
        let slot = grid.exact_slot(Time::from_unix_ms(ms)).filter(|_| candle.problem().is_none());
        match slot {
            Some(slot) => {
                recording.candles.insert(slot, candle);
            }
            None => recording.refused += 1,
        }
    }
    if recording.candles.is_empty() {
        let refused = recording.refused;
        return Err(RecordingError::Nothing { path: path.to_owned(), refused });
    }
    Ok(recording)
}

fn find<'name>(
    path: &str,
    names: impl Iterator<Item = &'name str>,
) -> Result<[usize; 6], RecordingError> {
    let names: Vec<String> = names.map(|name| name.trim().to_ascii_lowercase()).collect();
    let mut places = [0; 6];
    for (place, (name, others)) in places.iter_mut().zip(COLUMNS) {
        let found = names.iter().position(|known| others.contains(&known.as_str()));
        *place = found.ok_or_else(|| RecordingError::Column { path: path.to_owned(), name })?;
    }
    Ok(places)
}

fn candle(line: &StringRecord, places: [usize; 6]) -> Option<(i64, Candle)> {
    let [ts, open, high, low, close, volume] = places;
    let number = |place: usize| line.get(place)?.trim().parse::<f64>().ok();
    let ms = line.get(ts)?.trim().parse::<i64>().ok()?;
    let candle = Candle {
        open: number(open)?,
        high: number(high)?,
        low: number(low)?,
        close: number(close)?,
        volume: number(volume)?,
    };
    Some((ms, candle))
}

#[cfg(test)]
mod tests {
    use cache_series::time::{Alignment, Timeframe};

    use super::*;

    const GRID: Grid = Grid::new(Timeframe::Minute1, Alignment::UTC);

    fn read(text: &str, columns: Option<&str>) -> Result<Recording, RecordingError> {
        let columns: Option<Vec<String>> =
            columns.map(|columns| columns.split(',').map(str::to_owned).collect());
        parse("a.csv", text.as_bytes(), columns.as_deref(), GRID)
    }

    const EXPECTED: Candle = Candle { open: 2.0, high: 4.0, low: 1.0, close: 3.0, volume: 5.0 };

    #[test]
    fn columns_are_named_in_the_file_or_by_hand() {
        for (text, columns) in [
            ("60000,2,4,1,3,5\n", None),
            ("ts,open,high,low,close,volume\n60000,2,4,1,3,5\n", None),
            ("Date,Open,Close,High,Low,Volume,More\n60000,2,3,4,1,5,9\n", None),
            ("60000,2,3,4,1,5\n", Some("ts,open,close,high,low,volume")),
            // A header that is passed over for what was said by hand.
            ("a,b,c,d,e,f\n60000,2,3,4,1,5\n", Some("ts,open,close,high,low,volume")),
        ] {
            let recording = read(text, columns).unwrap();
            assert_eq!(recording.candles, BTreeMap::from([(1, EXPECTED)]), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_is_counted_and_what_is_no_candle_is_an_error() {
        let text = "60000,2,4,1,3,5\n60001,2,4,1,3,5\n120000,9,4,1,3,5\n";
        let recording = read(text, None).unwrap();
        assert_eq!((recording.candles.len(), recording.refused), (1, 2));
        assert!(matches!(read("60000,2,4\n", None), Err(RecordingError::Line { line: 1, .. })));
        let column = read("a,b\n1,2\n", None);
        assert!(matches!(column, Err(RecordingError::Column { name: "ts", .. })));
        assert!(matches!(read("", None), Err(RecordingError::Nothing { .. })));
    }
}
