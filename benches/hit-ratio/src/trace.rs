//! Traces of accesses, from files of several formats.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use xxhash_rust::xxh3::xxh3_64;

/// What was asked for, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) name: String,
    pub(crate) keys: Vec<u64>,
}

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Little-endian keys of eight bytes.
    Words,
    /// As the authors of ARC gave theirs: first block, number of blocks, and two columns more.
    Arc,
    /// As the authors of LIRS gave theirs: a number a line; lines of other things stand between.
    Lirs,
    /// The first column of each line; a first line without a number is a header.
    Csv,
}

/// The most that a trace may hold: larger ones are cut off.
const KEYS_MAX: usize = 200_000_000;

/// The largest window that a compressed file may ask for, as a power of two.
const WINDOW_LOG_MAX: u32 = 31;

impl Trace {
    /// Those that come with Tiers.
    pub(crate) fn shipped() -> Vec<Self> {
        let named =
            |trace: tiers_traces::Trace| Self { name: trace.name.to_owned(), keys: trace.keys };
        tiers_traces::shipped().into_iter().map(named).collect()
    }

    /// Reads a trace; its name is that of the file up to the first dot. The format goes by the ending, before
    /// `.zst` if it is compressed: `.lis` and `.arc`, `.trc` and `.lirs`, `.csv`; anything else is
    /// words of eight bytes.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = file.split('.').next().unwrap_or_default().to_owned();
        let cannot = || format!("cannot read {}", path.display());
        let bytes = fs::read(path).with_context(cannot)?;
        let (file, bytes) = match file.strip_suffix(".zst") {
            Some(file) => (file, unpacked(&bytes).with_context(cannot)?),
            None => (file, bytes),
        };
        let format = match file.rsplit('.').next() {
            Some("lis" | "arc") => Format::Arc,
            Some("trc" | "lirs") => Format::Lirs,
            Some("csv") => Format::Csv,
            _ => Format::Words,
        };
        let keys = keys(&bytes, format).with_context(cannot)?;
        ensure!(!keys.is_empty(), "{} holds no access", path.display());
        Ok(Self { name, keys })
    }
}

fn unpacked(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut decoder = zstd::Decoder::new(bytes)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    let mut unpacked = Vec::new();
    decoder.take(KEYS_MAX as u64 * 8).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

fn keys(bytes: &[u8], format: Format) -> anyhow::Result<Vec<u64>> {
    if format == Format::Words {
        ensure!(bytes.len().is_multiple_of(8), "its length is no multiple of eight");
        let (words, _) = bytes.as_chunks();
        return Ok(words.iter().map(|word| u64::from_le_bytes(*word)).collect());
    }
    let text = std::str::from_utf8(bytes).context("it is no text")?;
    let mut keys = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        match format {
            Format::Words => {}
            Format::Lirs => keys.extend(line.parse::<u64>()),
            Format::Csv => {
                let first = line.split(',').next().unwrap_or_default().trim();
                match first.parse() {
                    Ok(key) => keys.push(key),
                    Err(_) if number == 0 || first.is_empty() => {}
                    Err(_) => keys.push(xxh3_64(first.as_bytes())),
                }
            }
            Format::Arc if line.is_empty() => {}
            Format::Arc => {
                let mut columns = line.split_whitespace().map(str::parse::<u64>);
                let (Some(Ok(first)), Some(Ok(blocks))) = (columns.next(), columns.next()) else {
                    bail!("line {} has no first block and number of blocks", number + 1);
                };
                let room = KEYS_MAX.saturating_sub(keys.len());
                keys.extend((first..first.saturating_add(blocks)).take(room));
            }
        }
        if keys.len() >= KEYS_MAX {
            break;
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, bytes: &[u8]) -> anyhow::Result<Trace> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join(file);
        fs::write(&path, bytes)?;
        Trace::read(&path)
    }

    #[test]
    fn each_format_is_read() {
        let words: Vec<u8> = [7_u64, 1 << 40, 7].iter().flat_map(|key| key.to_le_bytes()).collect();
        let packed = zstd::encode_all(&*words, 3).unwrap();
        for (file, bytes, expected) in [
            ("a.u64", &*words, vec![7, 1 << 40, 7]),
            ("a.u64.zst", &*packed, vec![7, 1 << 40, 7]),
            ("a.lis", b"10 3 0 0\n5 1 0 1\n".as_slice(), vec![10, 11, 12, 5]),
            ("a.trc", b"1\n*\n2\n\n1\n", vec![1, 2, 1]),
            ("a.csv", b"key,size\n4,1\n5,1\n4,9\n", vec![4, 5, 4]),
            ("a.csv", b"4\nuser:7\n", vec![4, xxh3_64(b"user:7")]),
        ] {
            let trace = read(file, bytes).unwrap();
            assert_eq!((&*trace.name, trace.keys), ("a", expected), "{file}");
        }
    }

    #[test]
    fn what_is_no_trace_is_refused() {
        for (file, bytes) in [
            ("a.u64", b"1234567".as_slice()),
            ("a.u64", b""),
            ("a.lis", b"x y\n"),
            ("a.trc", b"\xff"),
        ] {
            assert!(read(file, bytes).is_err(), "{file}");
        }
    }
}
