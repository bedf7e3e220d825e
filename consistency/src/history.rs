//! What a process saw, a line for each event, in a file of its own.
//!
//! Times are nanoseconds of the machine's monotonic clock, which all processes share. A process
//! that is killed leaves a last line without an end; it is passed over.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail};
use rustix::time::{ClockId, clock_gettime};

/// Now, in nanoseconds of the clock that all processes of the machine share.
pub(crate) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64) * 1_000_000_000 + now.tv_nsec as u64
}

/// A key of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) chain: usize,
    pub(crate) key: usize,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// An invalidation that began and returned done at these times: nothing older than these versions
    /// comes back.
    Done { began: u64, at: u64, versions: Vec<(Place, u64)> },
    /// A change that began and returned at these times, by which this process alone is promised
    /// something.
    OwnDone { began: u64, at: u64, place: Place, version: u64 },
    /// A read that began and ended at these times gave this version.
    Read { began: u64, ended: u64, place: Place, version: u64 },
    /// The entry that a shared tier held when it was looked at, between these times.
    Held { began: u64, ended: u64, tier: String, place: Place, version: u64 },
    /// A value came out that was never put in, in these words.
    Torn { place: Place, what: String },
    /// A version is about to be brought: accepted to be written to the storages later.
    Brings { place: Place, version: u64 },
    /// That it was accepted was told at this time.
    Brought { at: u64, place: Place, version: u64 },
    /// It was refused: what the source has of it counts as if nobody had brought it.
    NotBrought { place: Place, version: u64 },
    /// That a document was accepted, to be written to the source later, was told at this time.
    Accepted { at: u64, place: Place, version: u64 },
    /// A flush returned, and said of this document that it was written.
    Flushed { place: Place, version: u64 },
    /// The process has closed, and said that nothing was lost.
    Closed,
    /// The source got this version from this life of a process; nobody read it from there before.
    Stored { at: u64, process: usize, life: u32, place: Place, version: u64 },
    /// So many operations were done, and so many of them failed, by what the servers suffered.
    Tally { operations: u64, failed: u64 },
}

impl Event {
    fn line(&self) -> String {
        match self {
            Self::Done { began, at, versions } => {
                let versions: Vec<String> = versions
                    .iter()
                    .map(|(place, version)| format!("{}:{}:{version}", place.chain, place.key))
                    .collect();
                format!("done {began} {at} {}", versions.join(","))
            }
            Self::OwnDone { began, at, place, version } => {
                format!("own {began} {at} {} {} {version}", place.chain, place.key)
            }
            Self::Read { began, ended, place, version } => {
                format!("read {began} {ended} {} {} {version}", place.chain, place.key)
            }
            Self::Held { began, ended, tier, place, version } => {
                format!("held {began} {ended} {tier} {} {} {version}", place.chain, place.key)
            }
            Self::Brings { place, version } => {
                format!("brings {} {} {version}", place.chain, place.key)
            }
            Self::Brought { at, place, version } => {
                format!("brought {at} {} {} {version}", place.chain, place.key)
            }
            Self::NotBrought { place, version } => {
                format!("not-brought {} {} {version}", place.chain, place.key)
            }
            Self::Accepted { at, place, version } => {
                format!("accepted {at} {} {} {version}", place.chain, place.key)
            }
            Self::Flushed { place, version } => {
                format!("flushed {} {} {version}", place.chain, place.key)
            }
            Self::Closed => "closed".to_owned(),
            Self::Stored { at, process, life, place, version } => {
                format!("stored {at} {process} {life} {} {} {version}", place.chain, place.key)
            }
            Self::Torn { place, what } => format!("torn {} {} {what}", place.chain, place.key),
            Self::Tally { operations, failed } => format!("tally {operations} {failed}"),
        }
    }

    fn parse(line: &str) -> anyhow::Result<Self> {
        let mut words = line.split(' ');
        let kind = words.next().unwrap_or_default();
        let mut word = || words.next().context("a word is missing");
        Ok(match kind {
            "done" => Self::Done {
                began: word()?.parse()?,
                at: word()?.parse()?,
                versions: parse_versions(word()?)?,
            },
            "own" => Self::OwnDone {
                began: word()?.parse()?,
                at: word()?.parse()?,
                place: Place { chain: word()?.parse()?, key: word()?.parse()? },
                version: word()?.parse()?,
            },
            "read" => Self::Read {
                began: word()?.parse()?,
                ended: word()?.parse()?,
                place: Place { chain: word()?.parse()?, key: word()?.parse()? },
                version: word()?.parse()?,
            },
            "held" => Self::Held {
                began: word()?.parse()?,
                ended: word()?.parse()?,
                tier: word()?.to_owned(),
                place: Place { chain: word()?.parse()?, key: word()?.parse()? },
                version: word()?.parse()?,
            },
            "torn" => {
                let place = Place { chain: word()?.parse()?, key: word()?.parse()? };
                Self::Torn { place, what: words.collect::<Vec<_>>().join(" ") }
            }
            "brings" => Self::Brings {
                place: Place { chain: word()?.parse()?, key: word()?.parse()? },
                version: word()?.parse()?,
            },
            "brought" => Self::Brought {
                at: word()?.parse()?,
                place: Place { chain: word()?.parse()?, key: word()?.parse()? },
                version: word()?.parse()?,
            },
            "not-brought" => Self::NotBrought {
                place: Place { chain: word()?.parse()?, key: word()?.parse()? },
                version: word()?.parse()?,
            },
            "accepted" => Self::Accepted {
                at: word()?.parse()?,
                place: Place { chain: word()?.parse()?, key: word()?.parse()? },
                version: word()?.parse()?,
            },
            "flushed" => Self::Flushed {
                place: Place { chain: word()?.parse()?, key: word()?.parse()? },
                version: word()?.parse()?,
            },
            "closed" => Self::Closed,
            "stored" => Self::Stored {
                at: word()?.parse()?,
                process: word()?.parse()?,
                life: word()?.parse()?,
                place: Place { chain: word()?.parse()?, key: word()?.parse()? },
                version: word()?.parse()?,
            },
            "tally" => Self::Tally { operations: word()?.parse()?, failed: word()?.parse()? },
            other => bail!("`{other}` is no kind of event"),
        })
    }
}

fn parse_versions(text: &str) -> anyhow::Result<Vec<(Place, u64)>> {
    let one = |text: &str| -> anyhow::Result<(Place, u64)> {
        let mut parts = text.split(':');
        let mut part = || parts.next().context("a version names chain, key and version");
        let place = Place { chain: part()?.parse()?, key: part()?.parse()? };
        Ok((place, part()?.parse()?))
    };
    text.split(',').map(one).collect()
}

/// By which a history is named that is of this life of a process.
pub(crate) fn name_of(process: usize, life: u32) -> String {
    format!("history-{process}-{life}")
}

/// The history of one process while it is written.
#[derive(Debug)]
pub(crate) struct Recorder(Mutex<BufWriter<File>>);

impl Recorder {
    /// A new file, named by which process it is of and how often that was started.
    pub(crate) fn create(folder: &Path, process: usize, life: u32) -> anyhow::Result<Self> {
        Self::named(folder, &name_of(process, life))
    }

    /// That of the source of truth.
    pub(crate) fn of_source(folder: &Path) -> anyhow::Result<Self> {
        Self::named(folder, "history-source")
    }

    fn named(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let path = folder.join(format!("{name}.txt"));
        let file = File::create_new(&path).with_context(|| format!("cannot make {path:?}"))?;
        Ok(Self(Mutex::new(BufWriter::new(file))))
    }

    pub(crate) fn record(&self, event: &Event) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A line that is lost weakens the check and breaks nothing; flushing tells of a full disk.
        let _ = writeln!(file, "{}", event.line());
    }

    pub(crate) fn flush(&self) -> std::io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }
}

/// What one life of a process left behind.
#[derive(Debug)]
pub(crate) struct History {
    /// The file's name, without its end.
    pub(crate) name: String,
    pub(crate) events: Vec<Event>,
}

/// Reads all histories of a folder, in the order of their names.
pub(crate) fn read_all(folder: &Path) -> anyhow::Result<Vec<History>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {folder:?}"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("history-") && name.ends_with(".txt") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> anyhow::Result<History> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path:?}"))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let events = whole
        .lines()
        .map(|line| Event::parse(line).with_context(|| format!("{path:?}: `{line}`")))
        .collect::<anyhow::Result<_>>()?;
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    Ok(History { name, events })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_read_again_without_a_torn_last_line() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { chain: 1, key: 22 };
        let events = [
            Event::Done {
                began: 6,
                at: 7,
                versions: vec![(place, 3), (Place { chain: 0, key: 1 }, 9)],
            },
            Event::OwnDone { began: 8, at: 8, place, version: 4 },
            Event::Read { began: 9, ended: 10, place, version: 4 },
            Event::Held { began: 11, ended: 12, tier: "redis".to_owned(), place, version: 4 },
            Event::Torn { place, what: "of another key".to_owned() },
            Event::Brings { place, version: 5 },
            Event::Brought { at: 12, place, version: 5 },
            Event::NotBrought { place, version: 5 },
            Event::Accepted { at: 13, place, version: 5 },
            Event::Stored { at: 14, process: 2, life: 1, place, version: 5 },
            Event::Flushed { place, version: 5 },
            Event::Closed,
            Event::Tally { operations: 5, failed: 1 },
        ];
        let recorder = Recorder::create(folder.path(), 2, 1).unwrap();
        events.iter().for_each(|event| recorder.record(event));
        recorder.flush().unwrap();
        let path = folder.path().join("history-2-1.txt");
        let mut torn = File::options().append(true).open(&path).unwrap();
        torn.write_all(b"read 12 1").unwrap();
        let histories = read_all(folder.path()).unwrap();
        assert_eq!(histories.len(), 1);
        assert_eq!(histories[0].name, "history-2-1");
        assert_eq!(histories[0].events, events);
    }

    #[test]
    fn a_line_of_another_kind_is_an_error_that_shows_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("history-0-0.txt"), "wrote 1 2\n").unwrap();
        let error = format!("{:#}", read_all(folder.path()).unwrap_err());
        assert!(error.contains("`wrote 1 2`"), "{error}");
    }
}
