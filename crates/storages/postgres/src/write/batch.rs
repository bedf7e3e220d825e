//! A batch of writes as the arrays that the server's function takes.

use cache_core::entry::Entry;
use cache_core::fence::cell_of_key;
use cache_core::key::{Tag, Tags};
use cache_core::storage::{Write, WriteAction};
use cache_sql::{EntryColumns, cells_of, time_column, waves};

use crate::fence::stripes_of;
use crate::storage::Arguments;

/// The numbers of actions; the script says what they mean.
const FILL: i16 = 0;
const SET: i16 = 1;
const UPDATE: i16 = 2;
const PUT_IF_UNCHANGED: i16 = 3;
const TOUCH: i16 = 4;
const REMOVE: i16 = 5;

/// Columns, one element for each write that is sent.
#[derive(Default)]
pub(super) struct Batch<'a> {
    /// The part of each write that was given; `None` for one that is not sent.
    waves: Vec<Option<i16>>,
    wave_count: i16,
    exclusive: bool,
    raises: bool,
    stripes: Vec<i32>,
    wave: Vec<i16>,
    action: Vec<i16>,
    key: Vec<&'a str>,
    cell: Vec<i16>,
    mark: Vec<i64>,
    origin: Vec<i64>,
    expected: Vec<Option<i64>>,
    expire_at: Vec<i64>,
    fresh_until: Vec<i64>,
    created_at: Vec<Option<i64>>,
    idle_ms: Vec<Option<i64>>,
    token: Vec<i64>,
    checksum: Vec<Option<i64>>,
    decoded_bytes: Vec<Option<i64>>,
    kind: Vec<Option<i16>>,
    data_type: Vec<Option<i16>>,
    compressed: Vec<Option<i16>>,
    tags: Vec<Option<String>>,
    tag_cells: Vec<Option<String>>,
    value: Vec<Option<&'a [u8]>>,
    cell_at: Vec<i64>,
    cells: Vec<i16>,
}

/// The entry that a write would store.
pub(super) fn entry_of(action: &WriteAction) -> Option<&Entry> {
    match action {
        WriteAction::Fill { entry, .. }
        | WriteAction::Set { entry }
        | WriteAction::Update { entry, .. }
        | WriteAction::PutIfUnchanged { entry, .. } => Some(entry),
        _ => None,
    }
}

impl<'a> Batch<'a> {
    pub(super) fn new(writes: &'a [Write], value_bytes_max: u64) -> Self {
        let mut batch = Self::default();
        let mut locked = Vec::new();
        for (write, wave) in writes.iter().zip(waves(writes.iter().map(|write| &write.key))) {
            let sent = batch.add(write, wave, value_bytes_max, &mut locked);
            batch.waves.push(sent.then_some(wave));
            if sent {
                batch.wave_count = batch.wave_count.max(wave + 1);
            }
        }
        batch.stripes = stripes_of(&locked);
        batch
    }

    pub(super) fn is_empty(&self) -> bool {
        self.key.is_empty()
    }

    /// The part that the write at `at` belongs to, if it was sent.
    pub(super) fn wave_of(&self, at: usize) -> Option<i16> {
        self.waves[at]
    }

    /// Whether the write is for the server. A value that is too large is not: where nothing has to
    /// be removed for it, there is nothing to send.
    fn add(
        &mut self,
        write: &'a Write,
        wave: i16,
        value_bytes_max: u64,
        locked: &mut Vec<i16>,
    ) -> bool {
        let too_large = |entry: &Entry| entry.payload.len() as u64 > value_bytes_max;
        let (action, entry, stamp, expected) = match &write.action {
            WriteAction::Fill { entry, .. } | WriteAction::PutIfUnchanged { entry, .. }
                if too_large(entry) =>
            {
                return false;
            }
            WriteAction::Set { entry } | WriteAction::Update { entry, .. } if too_large(entry) => {
                (REMOVE, None, None, None)
            }
            WriteAction::Fill { entry, stamp } => (FILL, Some(entry), Some(*stamp), None),
            WriteAction::Set { entry } => (SET, Some(entry), None, None),
            WriteAction::Update { entry, stamp } => (UPDATE, Some(entry), Some(*stamp), None),
            WriteAction::PutIfUnchanged { entry, expected, stamp } => {
                (PUT_IF_UNCHANGED, Some(entry), Some(*stamp), *expected)
            }
            WriteAction::Touch { .. } => (TOUCH, None, None, None),
            // An action that this release does not know finds no entry.
            _ => (TOUCH, None, None, None),
        };
        self.raises |= matches!(action, SET | UPDATE | REMOVE);
        self.exclusive |= matches!(action, UPDATE | REMOVE);
        // The number in the array of the server, which counts from one.
        let at = self.key.len() as i64 + 1;
        // 4,096 cells fit.
        let cell = cell_of_key(&write.key) as i16;
        if let Some(entry) = entry {
            let cells = cells_of(&write.key, &entry.tags);
            locked.extend(&cells);
            if action != SET {
                self.cell_at.extend(cells.iter().map(|_| at));
                self.cells.extend(cells);
            }
        } else if action == REMOVE {
            locked.push(cell);
        }
        self.wave.push(wave);
        self.action.push(action);
        self.key.push(write.key.as_str());
        self.cell.push(cell);
        self.mark.push(stamp.map_or(0, |stamp| stamp.mark as i64));
        self.origin.push(stamp.map_or(0, |stamp| stamp.origin as i64));
        self.expected.push(expected.map(|token| token.0 as i64));
        self.add_entry(write, entry);
        true
    }

    fn add_entry(&mut self, write: &'a Write, entry: Option<&'a Entry>) {
        let columns = entry.map(|entry| EntryColumns::new(entry, 0));
        let (expire_at, fresh_until, token) = match (&columns, &write.action) {
            (Some(columns), _) => (columns.expire_at, columns.fresh_until, columns.token),
            (None, WriteAction::Touch { token, fresh_until, kept_until }) => {
                (time_column(*kept_until), time_column(*fresh_until), token.0 as i64)
            }
            (None, _) => (0, 0, 0),
        };
        self.expire_at.push(expire_at);
        self.fresh_until.push(fresh_until);
        self.token.push(token);
        self.created_at.push(columns.map(|columns| columns.created_at));
        self.idle_ms.push(columns.and_then(|columns| columns.idle_ms));
        self.checksum.push(columns.map(|columns| columns.checksum));
        self.decoded_bytes.push(columns.map(|columns| columns.decoded_bytes));
        self.kind.push(columns.map(|columns| columns.kind));
        self.data_type.push(columns.map(|columns| columns.data_type));
        self.compressed.push(columns.map(|columns| columns.compressed));
        let tags = entry.map(|entry| &entry.tags).filter(|tags| !tags.is_empty());
        self.tags.push(tags.map(array_of_tags));
        self.tag_cells.push(tags.map(array_of_cells));
        self.value.push(entry.map(|entry| &entry.payload[..]));
    }

    /// In the order of the function's parameters.
    pub(super) fn arguments(&self) -> Arguments {
        Arguments::default()
            .with(&self.stripes)
            .with(self.exclusive)
            .with(self.raises)
            .with(self.wave_count)
            .with(&self.wave)
            .with(&self.action)
            .with(&self.key)
            .with(&self.cell)
            .with(&self.mark)
            .with(&self.origin)
            .with(&self.expected)
            .with(&self.expire_at)
            .with(&self.fresh_until)
            .with(&self.created_at)
            .with(&self.idle_ms)
            .with(&self.token)
            .with(&self.checksum)
            .with(&self.decoded_bytes)
            .with(&self.kind)
            .with(&self.data_type)
            .with(&self.compressed)
            .with(&self.tags)
            .with(&self.tag_cells)
            .with(&self.value)
            .with(&self.cell_at)
            .with(&self.cells)
    }
}

/// Tags as the text of an array: an array of arrays of different lengths cannot be sent.
fn array_of_tags(tags: &Tags) -> String {
    let mut text = String::from("{");
    for tag in tags.into_iter().map(Tag::as_str) {
        if text.len() > 1 {
            text.push(',');
        }
        text.push('"');
        for character in tag.chars() {
            if matches!(character, '"' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
        text.push('"');
    }
    text.push('}');
    text
}

fn array_of_cells(tags: &Tags) -> String {
    let cells = tags.into_iter().map(cache_core::fence::cell_of_tag);
    let cells: Vec<String> = cells.map(|cell| cell.to_string()).collect();
    format!("{{{}}}", cells.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_quoted_in_an_array() {
        let tag = |label| Tag::new("p", label).unwrap();
        let tags = Tags::new(vec![tag("a\"b"), tag("a,b"), tag("a\\"), tag("{NULL}")]);
        assert_eq!(array_of_tags(&tags), r#"{"p:a\"b","p:a,b","p:a\\","p:{NULL}"}"#);
    }
}
