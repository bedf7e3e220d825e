//! Invalidations: the fence is raised in a transaction of its own, then what is older than the
//! raise goes in further ones of bounded size, each of which sees what was committed before it.

use cache_core::fence::Stamp;
use cache_core::key::Tag;
use cache_core::storage::{
    Invalidated, InvalidationMode, Selector, StorageError, StorageErrorKind,
};
use cache_sql::{Ending, KeySearch, parts_of_keys};

use crate::error::{closed, damaged, error};
use crate::fence::{all_stripes, stripes_of};
use crate::read::column;
use crate::schema::Condition;
use crate::storage::{Arguments, Shared};

const OPERATION: &str = "invalidate";

/// Rows that one transaction looks at and removes, and keys that one statement names.
const PART_ROWS: i64 = 5000;
/// The same from the second transaction on, where each has to find anew all that bear a tag.
const LARGE_PART_ROWS: i64 = 50_000;

/// What a statement is to find.
#[derive(Debug)]
pub(crate) enum Target<'a> {
    Keys(Vec<&'a str>),
    AnyTag(Vec<&'a str>),
    AllTags(Vec<&'a str>),
    Range(KeySearch<'a>),
}

impl<'a> Target<'a> {
    /// What a selector means, in as many statements as it takes; `None` for one that this release
    /// does not know. Empty where it names nothing.
    pub(crate) fn of(selector: &'a Selector) -> Option<Vec<Self>> {
        Some(match selector {
            Selector::Keys(keys) => {
                parts_of_keys(keys, PART_ROWS as usize).into_iter().map(Self::Keys).collect()
            }
            Selector::AnyTag(tags) | Selector::AllTags(tags) if tags.is_empty() => Vec::new(),
            Selector::AnyTag(tags) => {
                vec![Self::AnyTag(tags.iter().map(Tag::as_str).collect())]
            }
            Selector::AllTags(tags) => {
                vec![Self::AllTags(tags.iter().map(Tag::as_str).collect())]
            }
            Selector::Pattern(pattern) => vec![Self::Range(KeySearch::of_pattern(pattern))],
            Selector::Namespace(prefix) => vec![Self::Range(KeySearch::of_namespace(prefix))],
            _ => return None,
        })
    }

    pub(crate) fn condition(&self) -> Condition {
        match self {
            Self::Keys(_) => Condition::Keys,
            Self::AnyTag(_) => Condition::AnyTag,
            Self::AllTags(_) => Condition::AllTags,
            Self::Range(_) => Condition::Range,
        }
    }

    pub(crate) fn arguments(&self, arguments: Arguments) -> Arguments {
        match self {
            Self::Keys(texts) | Self::AnyTag(texts) | Self::AllTags(texts) => {
                arguments.with(&texts[..])
            }
            Self::Range(search) => arguments
                .with(search.range.from.as_str())
                .with(search.to())
                .with(search.like.as_str())
                .with(search.version),
        }
    }

    /// Goes on behind `key`, where keys are found in their order.
    fn after(&mut self, key: &str) {
        if let Self::Range(search) = self {
            search.range.from = format!("{key}\u{1}");
        }
    }
}

impl Shared {
    pub(crate) async fn invalidate(
        &self,
        selector: &Selector,
        mode: InvalidationMode,
    ) -> Result<Invalidated, StorageError> {
        let Some(targets) = Target::of(selector) else {
            let message = "this release does not know what the selector names";
            return Err(error(OPERATION, StorageErrorKind::Invalid, message));
        };
        if targets.is_empty() {
            return if self.pool.is_closed() {
                Err(closed(OPERATION))
            } else {
                Ok(Invalidated::default())
            };
        }
        let cells = selector.cells();
        // 4,096 cells fit.
        let cells = cells.map(|cells| cells.iter().map(|cell| *cell as i16).collect::<Vec<_>>());
        let mut entries = 0;
        for ending in Ending::of(mode) {
            let mark = self.raise(cells.as_deref()).await?;
            for target in Target::of(selector).unwrap_or_default() {
                entries += self.end_older(target, mark, *ending).await?;
            }
        }
        Ok(Invalidated { entries })
    }

    /// Raises cells, or the floor; gives the new mark.
    async fn raise(&self, cells: Option<&[i16]>) -> Result<i64, StorageError> {
        let stripes = cells.map_or_else(all_stripes, stripes_of);
        let arguments = || Arguments::default().with(&stripes[..]).with(cells);
        let row = self.row(OPERATION, &self.statements.raise, arguments).await?;
        let read =
            || Ok((column::<i64>(&row, 0, "counter")?, column::<Option<i64>>(&row, 1, "origin")?));
        let (mark, origin) = read().map_err(|source| damaged(OPERATION, source))?;
        if let Some(origin) = origin {
            self.known.learn(Stamp { mark: mark as u64, origin: origin as u64 });
        }
        Ok(mark)
    }

    /// Ends all that was stored under an older mark; gives how many were kept.
    async fn end_older(
        &self,
        mut target: Target<'_>,
        mark: i64,
        ending: Ending,
    ) -> Result<u64, StorageError> {
        let sql = self.statements.end(target.condition(), ending);
        let mut entries = 0;
        let mut part_rows = PART_ROWS;
        loop {
            let arguments = || target.arguments(Arguments::default().with(mark).with(part_rows));
            let row = self.row(OPERATION, sql, arguments).await?;
            let read = || {
                Ok((
                    column::<i64>(&row, 0, "count")?,
                    column::<i64>(&row, 1, "kept")?,
                    column::<Option<String>>(&row, 2, "key")?,
                ))
            };
            let (found, kept, last) = read().map_err(|source| damaged(OPERATION, source))?;
            entries += u64::try_from(kept).unwrap_or(0);
            match last {
                Some(last) if found >= part_rows => target.after(&last),
                _ => return Ok(entries),
            }
            if !matches!(target, Target::Range(_)) {
                part_rows = LARGE_PART_ROWS;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cache_core::key::Key;

    use super::*;

    #[test]
    fn many_keys_take_many_statements() {
        let key = |at: usize| Key::parse(&format!("p:{at}:v1")).unwrap();
        let keys: Vec<Key> = (0..PART_ROWS as usize + 1).map(key).chain([key(0)]).collect();
        let selector = Selector::Keys(keys);
        assert_eq!(Target::of(&selector).unwrap().len(), 2);
        assert!(Target::of(&Selector::Keys(Vec::new())).unwrap().is_empty());
    }
}
