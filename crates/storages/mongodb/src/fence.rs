//! The fence in the collection: counter and floor in a document of their own, cells in others, many
//! in one, so that a batch raises all of its cells by few statements.
//!
//! The counter only grows, and holds the server's time in microseconds, so that one that fell back
//! passes the stamps it gave out. Whoever finds no fence makes one with floor = counter, under a new
//! origin: stamps of an earlier one are refused.

use std::collections::{BTreeMap, HashMap};

use cache_core::fence::{CELLS, Stamp, cell_of_key, cell_of_tag};
use cache_core::key::{Key, Tags};
use cache_core::storage::StorageError;
use mongodb::bson::{Bson, DateTime, Document, RawBsonRef, RawDocument, doc};

use crate::connection::{Call, Connection, Find, NOW};
use crate::error::damaged;
use crate::schema::{FENCE, marker};

/// How many cells stand in one document.
const ROW_CELLS: usize = 256;

/// How many documents hold cells.
pub(crate) const ROWS: usize = CELLS.div_ceil(ROW_CELLS);

/// The most cells whose fields are named to the server: of more, all that stand beside them are read.
const NAMED_MAX: usize = 32;

/// How often the counter is looked for, should others remove it each time.
const LOOKS_MAX: usize = 3;

/// Counter, floor and the cells that were asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fence {
    pub(crate) counter: u64,
    pub(crate) floor: u64,
    pub(crate) origin: u64,
    /// The server's time when it was read, in milliseconds; 0 where that was not told.
    pub(crate) now_ms: i64,
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
        let now_ms = document.get_datetime(NOW).map_or(0, DateTime::timestamp_millis);
        Ok(Self { counter, floor, origin: number("origin")?, now_ms, cells: HashMap::new() })
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
    /// the fence where there is none. What it gives may have been raised further by others.
    ///
    /// The counter is raised by a write, which only the primary of a majority acknowledges, and then
    /// read: whoever was given a stamp that is not below what is read asked for it after the raise.
    pub(crate) async fn advance(
        &self,
        call: &Call,
        raise_floor: bool,
    ) -> Result<Fence, StorageError> {
        let micros = doc! { "$multiply": [{ "$toLong": "$$NOW" }, 1000_i64] };
        let next = doc! { "$add": [{ "$ifNull": ["$counter", 0_i64] }, 1_i64] };
        for _ in 0..LOOKS_MAX {
            let mut set = doc! {
                "counter": { "$max": [next.clone(), micros.clone()] },
                "origin": { "$ifNull": ["$origin", fastrand::i64(..)] },
            };
            set.extend(marker());
            let floor = match raise_floor {
                true => doc! { "floor": "$counter" },
                false => doc! { "floor": { "$ifNull": ["$floor", "$counter"] } },
            };
            let update = vec![doc! { "$set": set }, doc! { "$set": floor }];
            let statement = doc! { "q": { "_id": FENCE }, "u": update, "upsert": true };
            self.update(call, vec![statement], true).await?.whole()?;
            if let Some(fence) = self.read_fence(call, &[]).await? {
                return Ok(fence);
            }
        }
        Err(damaged(call.operation, "counter"))
    }

    /// Reads the fence with these cells; makes it where there is none.
    pub(crate) async fn fence(
        &self,
        call: &Call,
        mut cells: Vec<usize>,
    ) -> Result<Fence, StorageError> {
        cells.sort_unstable();
        cells.dedup();
        match self.read_fence(call, &cells).await? {
            Some(fence) => Ok(fence),
            // What was loaded before it is made is refused: it has another origin.
            None => self.advance(call, false).await,
        }
    }

    /// Cells are in order, each once.
    async fn read_fence(
        &self,
        call: &Call,
        cells: &[usize],
    ) -> Result<Option<Fence>, StorageError> {
        let mut rows: Vec<usize> = cells.iter().map(|cell| cell / ROW_CELLS).collect();
        rows.dedup();
        let rows = rows.into_iter().map(|row| row as i32);
        // The fence comes first and the cells after it: a counter that is too old refuses more.
        let ids: Vec<i32> = [FENCE].into_iter().chain(rows).collect();
        let mut find = Find::new(doc! { "_id": { "$in": &ids } }, ids.len()).timed();
        find = find.sorted(doc! { "_id": 1 });
        if cells.len() <= NAMED_MAX {
            let fields = ["counter", "floor", "origin"].into_iter().map(str::to_owned);
            let fields = fields.chain(cells.iter().map(|cell| field_of(*cell)));
            find = find.only(fields.map(|field| (field, Bson::Int32(1))).collect());
        }
        let operation = call.operation;
        let wanted = cells.to_vec();
        let found = self.find(call, find, move |document| {
            let id = document.get_i32("_id").map_err(|_| damaged(operation, "_id"))?;
            if id == FENCE {
                return Fence::read(document, operation).map(Part::Fence);
            }
            let row = usize::try_from(id).map_err(|_| damaged(operation, "_id"))?;
            let of_row = wanted.iter().filter(|cell| **cell / ROW_CELLS == row);
            let mark = |cell: &usize| match document.get(field_of(*cell)) {
                Ok(None) => Ok((*cell, 0)),
                Ok(Some(RawBsonRef::Int64(mark))) => Ok((*cell, mark as u64)),
                _ => Err(damaged(operation, "m")),
            };
            of_row.map(mark).collect::<Result<_, _>>().map(Part::Marks)
        });
        let mut fence: Option<Fence> = None;
        let mut marks = HashMap::with_capacity(cells.len());
        for part in found.await? {
            match part? {
                Part::Fence(read) => fence = Some(read),
                Part::Marks(of_row) => marks.extend(of_row),
            }
        }
        Ok(fence.map(|fence| Fence { cells: marks, ..fence }))
    }

    /// Raises a cell to `mark`; whether it was above `stamp` before. It says so, too, where it was
    /// raised by this very call, whose answer was lost.
    pub(crate) async fn raise_past(
        &self,
        call: &Call,
        cell: usize,
        stamp: u64,
        mark: u64,
    ) -> Result<bool, StorageError> {
        let field = field_of(cell);
        let row = (cell / ROW_CELLS) as i32;
        let statement = doc! {
            "q": { "_id": row, &field: { "$not": { "$gt": stamp as i64 } } },
            "u": { "$max": { &field: mark as i64 } },
        };
        let raised = self.update(call, vec![statement], true).await?;
        if raised.made + raised.matched > 0 && raised.errors.is_empty() {
            return Ok(false);
        }
        raised.whole()?;
        let raised = self.update(call, raises([cell], mark), true).await?;
        let made = raised.made > 0;
        raised.whole()?;
        Ok(!made)
    }
}

/// What a document of the fence holds.
enum Part {
    Fence(Fence),
    Marks(Vec<(usize, u64)>),
}

/// What a cell is called in the document of its row.
fn field_of(cell: usize) -> String {
    format!("m{cell}")
}

/// The statements that raise cells: one for each document that holds some of them.
pub(crate) fn raises(cells: impl IntoIterator<Item = usize>, mark: u64) -> Vec<Document> {
    let mut rows: BTreeMap<usize, Document> = BTreeMap::new();
    for cell in cells {
        let row = rows.entry(cell / ROW_CELLS).or_default();
        row.insert(field_of(cell), mark as i64);
    }
    let statement = |(row, marks): (usize, Document)| {
        doc! { "q": { "_id": row as i32 }, "u": { "$max": marks }, "upsert": true }
    };
    rows.into_iter().map(statement).collect()
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
        let fence = Fence { counter: 10, floor: 3, origin: 7, ..Fence::default() };
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

    #[test]
    fn each_cell_is_raised_once_and_few_documents_hold_them() {
        let statements = raises((0..CELLS).chain([5, 5]), 7);
        assert_eq!(statements.len(), ROWS);
        let marks = |statement: &Document| {
            statement.get_document("u").unwrap().get_document("$max").unwrap().clone()
        };
        let raised: Document = statements.iter().flat_map(marks).collect();
        assert_eq!(raised.len(), CELLS);
        assert!(raised.values().all(|mark| *mark == Bson::Int64(7)));
        assert_eq!(raises([], 7), []);
    }
}
