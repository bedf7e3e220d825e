//! What a file tells of its own rows: a digest of each column in each row group. Pages of Parquet
//! may bear checksums, but the library writes none: without this a flipped bit would be a price.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float64Type, Int64Type, TimestampMillisecondType,
};
use arrow_array::{Array, PrimitiveArray, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use parquet::file::metadata::KeyValue;
use xxhash_rust::xxh3::Xxh3;

use super::ParquetError;
use super::names::SERIES;

/// Who writes files of Tiers, as Parquet wants it told: application and version.
pub(super) const WRITER: &str = concat!("tiers cache-series version ", env!("CARGO_PKG_VERSION"));
/// The names in that. Damage to a few bytes leaves one of them.
const WRITER_NAMES: [&str; 2] = ["tiers", "cache-series"];

/// Under this and a column's name lie the column's digests, one a row group.
const DIGESTS: &str = "tiers.digest.";
/// A row group has so many rows at most: so many are kept in memory until their digest is known.
pub(super) const GROUP_ROWS_MAX: usize = 128 * 1024;

/// The digests of the columns of a row group, while its rows go by: XXH3 of the values, each
/// little-endian.
pub(super) struct GroupDigest {
    columns: Vec<Xxh3>,
}

impl GroupDigest {
    pub(super) fn new(columns: usize) -> Self {
        Self { columns: vec![Xxh3::new(); columns] }
    }

    /// More rows, however they are cut into batches.
    pub(super) fn add(&mut self, batch: &RecordBatch) {
        for (digest, array) in self.columns.iter_mut().zip(batch.columns()) {
            add(digest, array);
        }
    }

    /// The digests in the order of the columns; then it begins anew.
    pub(super) fn finish(&mut self) -> Vec<u64> {
        let digests = self.columns.iter().map(Xxh3::digest).collect();
        self.columns.iter_mut().for_each(Xxh3::reset);
        digests
    }
}

/// Types that are never written count as nothing: what has become one of them is damaged.
fn add(digest: &mut Xxh3, array: &dyn Array) {
    match array.data_type() {
        DataType::Float64 => {
            values::<Float64Type, 8>(digest, array.as_primitive(), |value| {
                value.to_bits().to_le_bytes()
            });
        }
        DataType::Int64 => {
            values::<Int64Type, 8>(digest, array.as_primitive(), i64::to_le_bytes);
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            values::<TimestampMillisecondType, 8>(digest, array.as_primitive(), i64::to_le_bytes);
        }
        DataType::Decimal128(_, scale) => {
            // The scale with each: a batch has no end that would be the same in every cut.
            values::<Decimal128Type, 17>(digest, array.as_primitive(), |value| {
                let mut bytes = [scale.cast_unsigned(); 17];
                bytes[..16].copy_from_slice(&value.to_le_bytes());
                bytes
            });
        }
        DataType::Boolean => {
            for value in array.as_boolean() {
                digest.update(&[value.map_or(2, u8::from)]);
            }
        }
        DataType::Utf8 => {
            for value in array.as_string::<i32>() {
                digest.update(value.unwrap_or_default().as_bytes());
                digest.update(b"\n");
            }
        }
        _ => {}
    }
}

fn values<T: ArrowPrimitiveType, const BYTES: usize>(
    digest: &mut Xxh3,
    array: &PrimitiveArray<T>,
    bytes: impl Fn(T::Native) -> [u8; BYTES],
) {
    for value in array {
        match value {
            Some(value) => digest.update(&bytes(value)),
            None => digest.update(b"null"),
        }
    }
}

/// Who a file says has written it.
#[derive(Debug)]
enum Writer {
    /// Tiers: what it tells of its rows holds.
    Tiers,
    /// Another program, which knows nothing of digests that it has copied with other metadata.
    Other,
    /// This, if anything: damage to the name of Tiers looks the same as a program that does not tell its
    /// name as Parquet wants it.
    Unclear(String),
}

impl Writer {
    fn of(created_by: Option<&str>) -> Self {
        let text = created_by.unwrap_or_default();
        let has_name = |name: &&str| text.contains(*name);
        if text.starts_with(WRITER_NAMES[0]) && WRITER_NAMES.iter().all(has_name) {
            Self::Tiers
        } else if text.contains(" version ") && !WRITER_NAMES.iter().any(has_name) {
            Self::Other
        } else {
            Self::Unclear(text.to_owned())
        }
    }

    fn damaged(&self, problem: impl Into<String>) -> ParquetError {
        let problem = problem.into();
        let Self::Unclear(name) = self else { return ParquetError::damaged(problem) };
        ParquetError::damaged(format!(
            "{problem}; if it is whole, and another program (`{name}`) has written it anew and kept the \
             metadata of Tiers, leave `tiers.digest.*` out there, or import it with \
             `ArrowImport::any_writer`"
        ))
    }
}

/// What a file tells of itself.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) series: Option<String>,
    writer: Writer,
    /// By the column's name, one a row group.
    digests: BTreeMap<String, Vec<u64>>,
}

impl Told {
    /// What is written into a file.
    pub(super) fn write(column: &str, digests: &[u64]) -> KeyValue {
        let digests: Vec<String> = digests.iter().map(|digest| format!("{digest:016x}")).collect();
        KeyValue::new(format!("{DIGESTS}{column}"), digests.join(" "))
    }

    /// Which series its rows are of, and nothing else.
    pub(super) fn series_of(entries: &[KeyValue]) -> Self {
        let series = entries.iter().rfind(|entry| entry.key == SERIES);
        let series = series.map(|entry| entry.value.clone().unwrap_or_default());
        Self { series, writer: Writer::Other, digests: BTreeMap::new() }
    }

    /// What was written into one with these columns and so many row groups, if it is still there: a
    /// program that writes such a file anew may copy what it tells of its rows, and change them.
    pub(super) fn read(
        entries: &[KeyValue],
        created_by: Option<&str>,
        columns: &[&str],
        groups: usize,
    ) -> Result<Self, ParquetError> {
        let mut told = Self { writer: Writer::of(created_by), ..Self::series_of(entries) };
        if matches!(told.writer, Writer::Other) {
            return Ok(told);
        }
        for KeyValue { key, value } in entries {
            let value = value.as_deref().unwrap_or_default();
            let Some(column) = key.strip_prefix(DIGESTS) else { continue };
            let digests = value.split_whitespace().map(|text| u64::from_str_radix(text, 16).ok());
            let digests: Option<Vec<u64>> = digests.collect();
            let Some(digests) = digests.filter(|digests| digests.len() == groups) else {
                let problem =
                    format!("the digests of column `{column}` are not of {groups} row groups");
                return Err(told.writer.damaged(problem));
            };
            if !columns.contains(&column) {
                let problem = format!("column `{column}` was written, and is not there");
                return Err(told.writer.damaged(problem));
            }
            told.digests.insert(column.to_owned(), digests);
        }
        if told.digests.is_empty() {
            return Ok(told);
        }
        match columns.iter().find(|column| !told.digests.contains_key(**column)) {
            Some(column) => Err(told.writer.damaged(format!("column `{column}` was not written"))),
            None if told.series.is_none() => Err(told.writer.damaged("no series is named")),
            None => Ok(told),
        }
    }

    /// Whether it tells what its rows are.
    pub(super) fn is_checked(&self) -> bool {
        !self.digests.is_empty()
    }

    /// Whether a row group has the rows that were written to it.
    pub(super) fn check(&self, group: usize, batches: &[RecordBatch]) -> Result<(), ParquetError> {
        let Some(first) = batches.first() else {
            return Err(self.writer.damaged(format!("row group {group} has no rows")));
        };
        let fields = first.schema_ref().fields();
        let mut digest = GroupDigest::new(fields.len());
        batches.iter().for_each(|batch| digest.add(batch));
        for (field, found) in fields.iter().zip(digest.finish()) {
            let written = self.digests.get(field.name()).and_then(|digests| digests.get(group));
            if written != Some(&found) {
                let problem = format!("column `{}` of row group {group}", field.name());
                return Err(self.writer.damaged(problem + " is not what was written"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Decimal128Array, Float64Array, Int64Array};
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    fn batch(rates: &[f64], counts: &[i64]) -> RecordBatch {
        let rates: ArrayRef = Arc::new(Float64Array::from(rates.to_vec()));
        let counts: ArrayRef = Arc::new(Int64Array::from(counts.to_vec()));
        RecordBatch::try_from_iter([("rate", rates), ("count", counts)]).unwrap()
    }

    /// Files of older releases are compared with it: it may not change.
    #[test]
    fn a_digest_is_that_of_the_bytes_however_rows_are_cut() {
        let (rates, counts) = ([1.5, -0.0, f64::NAN], [7, -1, i64::MIN]);
        let of = |bytes: Vec<[u8; 8]>| xxh3_64(&bytes.concat());
        let expected = [
            of(rates.iter().map(|rate| rate.to_le_bytes()).collect()),
            of(counts.iter().map(|count| count.to_le_bytes()).collect()),
        ];
        let mut digest = GroupDigest::new(2);
        for cut in 0..3 {
            digest.add(&batch(&rates[..cut], &counts[..cut]));
            digest.add(&batch(&rates[cut..], &counts[cut..]));
            assert_eq!(digest.finish(), expected);
        }
        let written = Told::write("rate", &expected);
        assert_eq!(written.key, "tiers.digest.rate");
        assert_eq!(written.value, Some(format!("{:016x} {:016x}", expected[0], expected[1])));
    }

    #[test]
    fn decimals_have_one_digest_however_rows_are_cut() {
        let batch = |values: &[i128], scale| {
            let values = Decimal128Array::from(values.to_vec());
            let values: ArrayRef = Arc::new(values.with_precision_and_scale(20, scale).unwrap());
            RecordBatch::try_from_iter([("price", values)]).unwrap()
        };
        let digest_of = |parts: &[&[i128]], scale| {
            let mut digest = GroupDigest::new(1);
            parts.iter().for_each(|part| digest.add(&batch(part, scale)));
            digest.finish()
        };
        let whole = digest_of(&[&[1, -2, 3]], 2);
        assert_eq!(digest_of(&[&[1], &[-2, 3]], 2), whole);
        assert_eq!(digest_of(&[&[], &[1, -2], &[3]], 2), whole);
        assert_ne!(digest_of(&[&[1, -2, 3]], 3), whole);
    }

    #[test]
    fn what_a_file_tells_of_itself_has_to_be_whole() {
        let series = || KeyValue::new(SERIES.to_owned(), "a".to_owned());
        let all = [series(), Told::write("ts", &[1, 2]), Told::write("open", &[3, 4])];
        let names = ["ts", "open"];
        assert!(Told::read(&all, Some(WRITER), &names, 2).unwrap().is_checked());
        assert!(!Told::read(&[], Some(WRITER), &names, 2).unwrap().is_checked());
        let is_damaged = |entries: &[KeyValue], names: &[&str], groups| {
            let told = Told::read(entries, Some(WRITER), names, groups);
            matches!(told, Err(ParquetError::Damaged { .. }))
        };
        assert!(is_damaged(&all, &names, 1), "a row group is missing");
        assert!(is_damaged(&all, &["ts"], 2), "a column is missing");
        assert!(is_damaged(&all, &["ts", "open", "low"], 2), "a column came to it");
        assert!(is_damaged(&all[1..], &names, 2), "no series is named");
        let mut odd = all;
        odd[2].value = Some("x 4".to_owned());
        assert!(is_damaged(&odd, &names, 2), "no digest");
    }

    #[test]
    fn what_another_program_has_copied_tells_nothing() {
        let series = KeyValue::new(SERIES.to_owned(), "a".to_owned());
        let all = [series, Told::write("ts", &[1, 2])];
        let read = |writer: Option<&str>, groups| Told::read(&all, writer, &["ts"], groups);
        for other in
            ["parquet-cpp-arrow version 21.0.0", "DuckDB version v1.4.1 (build b390a7c376)"]
        {
            let told = read(Some(other), 1).unwrap();
            assert!(!told.is_checked(), "{other}");
            assert_eq!(told.series.as_deref(), Some("a"));
        }
        // It may be that, or the name of Tiers is damaged.
        for unclear in [
            None,
            Some("Polars"),
            Some("tiers cache-serie_ version 1"),
            Some("_iers cache-series version 1"),
        ] {
            assert!(read(unclear, 2).unwrap().is_checked(), "{unclear:?}");
            let text = read(unclear, 1).unwrap_err().to_string();
            assert!(
                text.contains("any_writer") && text.contains(unclear.unwrap_or_default()),
                "{text}"
            );
        }
        let text = read(Some(WRITER), 1).unwrap_err().to_string();
        assert!(!text.contains("any_writer"), "{text}");
        assert_eq!(Told::series_of(&all).series.as_deref(), Some("a"));
        assert!(!Told::series_of(&all).is_checked());
    }
}
