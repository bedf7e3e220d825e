//! The source of truth: a version for each place, held by the coordinator, which is never killed.
//!
//! A line asks for it, and a line answers: `read 0 7`, `write 0 7` and `draw 0 7` are answered by the
//! version (`write` makes a new one, `draw` one that is to be stored later), `store 0 7 12 1 0` stores
//! one for a life of a process, `did 1 12` tells of work that was done and is not answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::history::{Event, Place, Recorder, now_ns};

/// The versions of all places, and how much work was told to be done.
#[derive(Debug)]
pub(crate) struct Truth {
    versions: Vec<Vec<Versions>>,
    /// What was stored is noted here.
    recorder: Recorder,
    /// Operations done, by process.
    done: Vec<AtomicU64>,
}

/// Those of one place.
#[derive(Debug)]
struct Versions {
    /// What it has.
    now: AtomicU64,
    /// The highest that was made.
    made: AtomicU64,
}

impl Versions {
    fn make(&self) -> u64 {
        self.made.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn store(&self, version: u64) -> u64 {
        self.now.fetch_max(version, Ordering::SeqCst).max(version)
    }
}

impl Truth {
    pub(crate) fn new(chains: usize, keys: usize, processes: usize, recorder: Recorder) -> Self {
        let one = || Versions { now: AtomicU64::new(1), made: AtomicU64::new(1) };
        let versions = |_| (0..keys).map(|_| one()).collect();
        Self {
            versions: (0..chains).map(versions).collect(),
            recorder,
            done: (0..processes).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Operations that all processes have done.
    pub(crate) fn done(&self) -> u64 {
        self.done.iter().map(|done| done.load(Ordering::Relaxed)).sum()
    }

    /// Operations that one process has done, in all its lives.
    pub(crate) fn done_by(&self, process: usize) -> u64 {
        self.done[process].load(Ordering::Relaxed)
    }

    /// Has on disk what was stored.
    pub(crate) fn flush(&self) -> std::io::Result<()> {
        self.recorder.flush()
    }

    /// Answers a line; none for one that wants no answer.
    fn answer(&self, line: &str) -> anyhow::Result<Option<u64>> {
        let mut words = line.split(' ');
        let kind = words.next().unwrap_or_default();
        let mut number = || {
            words
                .next()
                .context("a number is missing")?
                .parse::<usize>()
                .map_err(anyhow::Error::from)
        };
        let (first, second) = (number()?, number()?);
        if kind == "did" {
            let process = self.done.get(first).context("there is no such process")?;
            process.fetch_add(second as u64, Ordering::Relaxed);
            return Ok(None);
        }
        let versions = self
            .versions
            .get(first)
            .and_then(|chain| chain.get(second))
            .context("there is no such place")?;
        match kind {
            "read" => Ok(Some(versions.now.load(Ordering::SeqCst))),
            "write" => Ok(Some(versions.store(versions.make()))),
            "draw" => Ok(Some(versions.make())),
            "store" => {
                let version = number()? as u64;
                let (process, life) = (number()?, u32::try_from(number()?)?);
                let place = Place { chain: first, key: second };
                // Before anybody can read it.
                self.recorder.record(&Event::Stored {
                    at: now_ns(),
                    process,
                    life,
                    place,
                    version,
                });
                Ok(Some(versions.store(version)))
            }
            other => bail!("`{other}` is not known"),
        }
    }

    /// Answers all who connect, until it is dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let truth = Arc::clone(&self);
            // A process that is killed cuts its connections: that is no error.
            tokio::spawn(async move { truth.serve_one(stream).await });
        }
    }

    async fn serve_one(&self, stream: TcpStream) -> anyhow::Result<()> {
        stream.set_nodelay(true)?;
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        while let Some(line) = lines.next_line().await? {
            if let Some(version) = self.answer(&line)? {
                writer.write_all(format!("{version}\n").as_bytes()).await?;
            }
        }
        Ok(())
    }
}

/// The source as a process asks for it, over as many connections as it has questions at once.
#[derive(Debug)]
pub(crate) struct Source {
    address: String,
    idle: Mutex<Vec<BufReader<TcpStream>>>,
}

impl Source {
    pub(crate) fn new(address: String) -> Self {
        Self { address, idle: Mutex::default() }
    }

    pub(crate) async fn read(&self, place: Place) -> anyhow::Result<u64> {
        self.ask(&format!("read {} {}\n", place.chain, place.key)).await
    }

    /// Makes a new version.
    pub(crate) async fn write(&self, place: Place) -> anyhow::Result<u64> {
        self.ask(&format!("write {} {}\n", place.chain, place.key)).await
    }

    /// Makes a new version that is to be stored later.
    pub(crate) async fn draw(&self, place: Place) -> anyhow::Result<u64> {
        self.ask(&format!("draw {} {}\n", place.chain, place.key)).await
    }

    /// Stores a version for a life of a process; what is older than the newest is of no effect.
    pub(crate) async fn store(
        &self,
        place: Place,
        version: u64,
        process: usize,
        life: u32,
    ) -> anyhow::Result<()> {
        let Place { chain, key } = place;
        self.ask(&format!("store {chain} {key} {version} {process} {life}\n")).await?;
        Ok(())
    }

    pub(crate) async fn did(&self, process: usize, operations: u64) -> anyhow::Result<()> {
        let mut connection = self.connection().await?;
        let line = format!("did {process} {operations}\n");
        connection.get_mut().write_all(line.as_bytes()).await?;
        self.give_back(connection);
        Ok(())
    }

    async fn ask(&self, question: &str) -> anyhow::Result<u64> {
        let mut connection = self.connection().await?;
        connection.get_mut().write_all(question.as_bytes()).await?;
        let mut answer = String::new();
        connection.read_line(&mut answer).await?;
        let version = answer.trim_end().parse().context("the source's answer is no version")?;
        // One that was given up half-way is never given back: its answer would be the next one's.
        self.give_back(connection);
        Ok(version)
    }

    async fn connection(&self) -> anyhow::Result<BufReader<TcpStream>> {
        if let Some(idle) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(idle);
        }
        let stream = TcpStream::connect(&self.address).await.context("the source is gone")?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }

    fn give_back(&self, connection: BufReader<TcpStream>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn versions_grow_by_writes_and_work_is_counted_by_process() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let source = Source::new(listener.local_addr().unwrap().to_string());
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::of_source(folder.path()).unwrap();
        let truth = Arc::new(Truth::new(2, 3, 2, recorder));
        tokio::spawn(Arc::clone(&truth).serve(listener));
        let (place, other) = (Place { chain: 1, key: 2 }, Place { chain: 0, key: 2 });
        source.did(1, 5).await.unwrap();
        assert_eq!(source.read(place).await.unwrap(), 1);
        assert_eq!(source.write(place).await.unwrap(), 2);
        assert_eq!(source.read(place).await.unwrap(), 2);
        assert_eq!(source.read(other).await.unwrap(), 1);
        assert!(source.read(Place { chain: 2, key: 0 }).await.is_err());
        source.did(1, 2).await.unwrap();
        source.did(0, 1).await.unwrap();
        // The same connection answers in order: what it was told before is counted.
        source.read(place).await.unwrap();
        assert_eq!((truth.done(), truth.done_by(1)), (8, 7));
        // What is drawn counts when it is stored, in whatever order.
        assert_eq!(source.draw(other).await.unwrap(), 2);
        assert_eq!(source.draw(other).await.unwrap(), 3);
        assert_eq!(source.read(other).await.unwrap(), 1);
        source.store(other, 3, 1, 0).await.unwrap();
        source.store(other, 2, 1, 0).await.unwrap();
        assert_eq!(source.read(other).await.unwrap(), 3);
        truth.flush().unwrap();
        let histories = crate::history::read_all(folder.path()).unwrap();
        let stored = histories[0].events.iter().map(|event| match event {
            Event::Stored { process: 1, life: 0, place, version, .. } => (*place, *version),
            event => panic!("nothing else happened: {event:?}"),
        });
        assert_eq!(stored.collect::<Vec<_>>(), [(other, 3), (other, 2)]);
    }
}
