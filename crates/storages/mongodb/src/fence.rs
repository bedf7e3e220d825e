//! The fence in the collection: counter and floor in a document of their own, each cell in another.
//!
//! The counter only grows, and holds the server's time in microseconds, so that one that fell back
//! passes the stamps it gave out. Whoever finds no fence makes one with floor = counter, under a new
//! origin: stamps of an earlier one are refused.

use std::collections::HashMap;

use cache_core::fence::{Stamp, cell_of_key, cell_of_tag};
use cache_core::key::{Key, Tags};
use cache_core::storage::StorageError;
use mongodb::bson::{Bson, Document, RawDocument, doc};

use crate::connection::{Call, Connection, Find, STEP};
use crate::error::damaged;
use crate::schema::{FENCE, marker};

/// Counter, floor and the cells that were asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fence {
    pub(crate) counter: u64,
    pub(crate) floor: u64,
    pub(crate) origin: u64,
    cells: HashMap<usize, u64>,
}

impl Fence {
    /// Reads counter, floor and origin from their document.
    pub(crate) fn read(
        document: &RawDocument,
        operation: &'static str,
    ) -> Result<Self, StorageError> {
        let number = |field: &'static str| {
            document
                .get_i64(field)
                .map(|number| number as u64)
                .map_err(|_| damaged(operation, field))
        };
        let (counter, floor) = (number("counter")?, number("floor")?);
        Ok(Self { counter, floor, origin: number("origin")?, cells: HashMap::new() })
    }

    /// The stamp of a load that begins now.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp { mark: self.counter, origin: self.origin }
    }

    /// Whether the fence admits a stamp, cells left aside.
    fn knows(&self, stamp: Stamp) -> bool {
        // A mark above the counter was given out in another life of the collection.
        stamp.origin == self.origin && (self.floor..=self.counter).contains(&stamp.mark)
    }

    /// Whether a value whose load began at `stamp` may be stored.
    pub(crate) fn admits(&self, stamp: Stamp, key: &Key, tags: &Tags) -> bool {
        self.admits_tags(stamp, tags) && self.mark(cell_of_key(key)) <= stamp.mark
    }

    /// The same without the key's own cell.
    pub(crate) fn admits_tags(&self, stamp: Stamp, tags: &Tags) -> bool {
        self.knows(stamp) && tags.into_iter().all(|tag| self.mark(cell_of_tag(tag)) <= stamp.mark)
    }

    fn mark(&self, cell: usize) -> u64 {
        self.cells.get(&cell).copied().unwrap_or(0)
    }
}

impl Connection {
    /// Raises the counter past every stamp handed out so far, and the floor to it where told; makes
    /// the fence where there is none.
    pub(crate) async fn advance(
        &self,
        call: &Call,
        raise_floor: bool,
    ) -> Result<Fence, StorageError> {
        let micros = doc! { "$multiply": [{ "$toLong": "$$NOW" }, 1000_i64] };
        let next = doc! { "$add": [{ "$ifNull": ["$counter", 0_i64] }, 1_i64] };
        let mut set = doc! {
            "counter": { "$max": [next, micros] },
            "origin": { "$ifNull": ["$origin", fastrand::i64(..)] },
        };
        set.extend(marker());
        let floor = match raise_floor {
            true => doc! { "floor": "$counter" },
            false => doc! { "floor": { "$ifNull": ["$floor", "$counter"] } },
        };
        let update = Bson::Array(vec![
            Bson::Document(doc! { "$set": set }),
            Bson::Document(doc! { "$set": floor }),
        ]);
        let document = self.find_and_modify(call, FENCE, update, true).await?;
        let document = document.ok_or_else(|| damaged(call.operation, "counter"))?;
        let raw = mongodb::bson::RawDocumentBuf::try_from(&document)
            .map_err(|_| damaged(call.operation, "counter"))?;
        Fence::read(&raw, call.operation)
    }

    /// Reads the fence with these cells; makes it where there is none.
    pub(crate) async fn fence(
        &self,
        call: &mut Call,
        mut cells: Vec<usize>,
    ) -> Result<Fence, StorageError> {
        cells.sort_unstable();
        cells.dedup();
        let mut fence: Option<Fence> = None;
        let mut marks = HashMap::new();
        // The fence comes with the last, so that its counter is not older than a cell.
        let mut chunks: Vec<&[usize]> = cells.chunks(STEP).collect();
        if chunks.is_empty() {
            chunks.push(&[]);
        }
        for chunk in chunks {
            let ids: Vec<i32> =
                [FENCE].into_iter().chain(chunk.iter().map(|cell| *cell as i32)).collect();
            let find = Find::new(doc! { "_id": { "$in": &ids } }, ids.len());
            let operation = call.operation;
            let found = self.find(call, find, move |document| {
                let id = document.get_i32("_id").map_err(|_| damaged(operation, "_id"))?;
                if id == FENCE {
                    return Fence::read(document, operation).map(Cell::Fence);
                }
                let mark = document.get_i64("mark").map_err(|_| damaged(operation, "mark"))?;
                Ok(Cell::Mark(id as usize, mark as u64))
            });
            for cell in found.await? {
                match cell? {
                    Cell::Fence(read) => fence = Some(read),
                    Cell::Mark(cell, mark) => drop(marks.insert(cell, mark)),
                }
            }
        }
        match fence {
            Some(fence) => Ok(Fence { cells: marks, ..fence }),
            // What was loaded before it is made is refused: it has another origin.
            None => self.advance(call, false).await,
        }
    }
}

enum Cell {
    Fence(Fence),
    Mark(usize, u64),
}

/// The statement that raises a cell.
pub(crate) fn raise(cell: usize, mark: u64) -> Document {
    doc! {
        "q": { "_id": cell as i32 },
        "u": { "$max": { "mark": mark as i64 } },
        "upsert": true,
    }
}

/// What raises a cell and tells what it was.
pub(crate) async fn raise_and_tell(
    connection: &Connection,
    call: &Call,
    cell: usize,
    mark: u64,
) -> Result<u64, StorageError> {
    let update = Bson::Document(doc! { "$max": { "mark": mark as i64 } });
    let before = connection.find_and_modify(call, cell as i32, update, false).await?;
    Ok(before.map_or(0, |cell| crate::connection::number(cell.get("mark"))))
}

#[cfg(test)]
mod tests {
    use cache_core::key::Tag;

    use super::*;

    #[test]
    fn a_stamp_is_refused_by_floor_cells_origin_and_a_counter_that_fell_back() {
        let key = Key::parse("p:k:v1").unwrap();
        let tag = Tag::new("p", "t").unwrap();
        let tags = Tags::new(vec![tag.clone()]);
        let stamp = |mark| Stamp { mark, origin: 7 };
        let fence = Fence { counter: 10, floor: 3, origin: 7, cells: HashMap::new() };
        assert!(fence.admits(stamp(3), &key, &tags) && fence.admits(stamp(10), &key, &tags));
        assert!(!fence.admits(stamp(2), &key, &tags) && !fence.admits(stamp(11), &key, &tags));
        assert!(!fence.admits(Stamp { mark: 5, origin: 8 }, &key, &tags));
        for cell in [cell_of_key(&key), cell_of_tag(&tag)] {
            let raised = Fence { cells: [(cell, 6)].into(), ..fence.clone() };
            assert!(!raised.admits(stamp(5), &key, &tags) && raised.admits(stamp(6), &key, &tags));
        }
        let by_key = Fence { cells: [(cell_of_key(&key), 6)].into(), ..fence };
        assert!(by_key.admits_tags(stamp(5), &tags), "the key's cell is judged apart");
    }
}
