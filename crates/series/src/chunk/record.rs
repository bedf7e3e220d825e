use super::columns::{read_columns, write_columns};
use super::packing::{read_symbols, write_symbols};
use super::{CHUNK_SLOTS, Chunk, Presence};
use crate::coverage::{Coverage, State};
use crate::record::{Reader, RecordError, Writer, read_coverage, write_coverage};
use crate::row::Row;

const MAGIC: [u8; 3] = *b"TSC";
const VERSION: u8 = 1;

/// Every slot in a state that has rows has one.
const FULL: u8 = 0;
/// A bit for each slot follows.
const BITMAP: u8 = 1;

const PRESENCE_BYTES: usize = CHUNK_SLOTS as usize / 8;

impl<R: Row> Chunk<R> {
    /// The chunk as it is stored: rows and coverage in one record. What is read from it again is
    /// the same bit by bit.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(MAGIC, VERSION);
        writer.word(R::SCHEMA.digest());
        writer.signed(self.index);
        write_coverage(&mut writer, &self.coverage, self.slots().start);
        if self.presence == full(&self.coverage, self.slots().start) {
            writer.byte(FULL);
        } else {
            writer.byte(BITMAP);
            let bits: Vec<u8> =
                self.presence.words().iter().flat_map(|word| word.to_le_bytes()).collect();
            write_symbols(&mut writer, &bits);
        }
        if !self.is_empty() {
            write_columns(&mut writer, R::SCHEMA, &self.columns);
        }
        writer.seal()
    }

    /// Reads the stored chunk at `index`. Costs in proportion to what a chunk can hold at most,
    /// whatever the bytes are.
    ///
    /// # Errors
    /// [`RecordError`] if the bytes are no whole chunk of these rows, at this place, of a version
    /// that is known here.
    pub fn decode(index: i64, bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::open(bytes, MAGIC, VERSION)?;
        let (expected, found) = (R::SCHEMA.digest(), reader.word()?);
        if expected != found {
            return Err(RecordError::Schema { expected, found });
        }
        let found = reader.signed()?;
        if index != found {
            return Err(RecordError::Place { expected: index, found });
        }
        let slots = Self::slots_of(index);
        let coverage = read_coverage(&mut reader, slots.start, slots)?;
        let full = full(&coverage, slots.start);
        let presence = match reader.byte()? {
            FULL => full.clone(),
            BITMAP => read_bitmap(&mut reader)?,
            _ => return Err(RecordError::Damaged("a presence is not known")),
        };
        let outside = presence.words().iter().zip(full.words()).any(|(has, may)| has & !may != 0);
        if outside {
            return Err(RecordError::Damaged("a row is where none can be"));
        }
        let chunk = Self::empty(index);
        let columns = match presence.len() {
            0 => chunk.columns,
            rows => read_columns(&mut reader, R::SCHEMA, rows)?,
        };
        reader.end()?;
        Ok(Self::from_parts(index, presence, columns, coverage))
    }
}

/// Every slot that may have a row.
fn full(coverage: &Coverage, start: i64) -> Presence {
    let spans = coverage.iter().filter(|(_, state): &(_, State)| state.has_rows());
    Presence::from_places(
        spans.flat_map(|(span, _)| span.iter()).map(|slot| (slot - start) as usize),
    )
}

fn read_bitmap(reader: &mut Reader<'_>) -> Result<Presence, RecordError> {
    let bytes = read_symbols(reader, PRESENCE_BYTES)?;
    let mut words = [0u64; PRESENCE_BYTES / 8];
    let (chunks, _) = bytes.as_chunks::<8>();
    for (word, bytes) in words.iter_mut().zip(chunks) {
        *word = u64::from_le_bytes(*bytes);
    }
    Ok(Presence::from_words(words))
}
