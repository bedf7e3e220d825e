//! Invalidations: the fence is raised, then what is older than the raise goes in transactions of
//! bounded size, each of which sees what was committed before it.

use std::sync::Arc;

use cache_core::key::Tag;
use cache_core::storage::{
    Invalidated, InvalidationMode, Selector, StorageError, StorageErrorKind,
};
use cache_sql::{Ending, KeySearch, parts_of_keys};

use crate::connection::Script;
use crate::error::{closed, damaged, error};
use crate::read::{column, stamp, text};
use crate::schema::{Statements, is_like};
use crate::storage::Shared;

const OPERATION: &str = "invalidate";

/// Rows that one transaction removes, and keys that one statement names.
const PART_ROWS: usize = 1000;

/// What a statement is to find.
#[derive(Debug)]
pub(crate) enum Target<'a> {
    Keys(Vec<&'a str>),
    /// Entries that bear `tag` and all of `others`, and none of `none`.
    Tag {
        tag: &'a str,
        others: Vec<&'a str>,
        none: Vec<&'a str>,
    },
    Range(KeySearch<'a>),
}

impl<'a> Target<'a> {
    /// What a selector means, in as many statements as it takes, no two of which find the same
    /// entry; `None` for one that this release does not know. Empty where it names nothing.
    pub(crate) fn of(selector: &'a Selector) -> Option<Vec<Self>> {
        Some(match selector {
            Selector::Keys(keys) => {
                parts_of_keys(keys, PART_ROWS).into_iter().map(Self::Keys).collect()
            }
            Selector::AnyTag(tags) => {
                let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
                let target = |(at, tag): (usize, &&'a str)| Self::Tag {
                    tag,
                    others: Vec::new(),
                    none: tags[..at].to_vec(),
                };
                tags.iter().enumerate().map(target).collect()
            }
            Selector::AllTags(tags) => match tags.split_first() {
                None => Vec::new(),
                Some((tag, others)) => vec![Self::Tag {
                    tag: tag.as_str(),
                    others: others.iter().map(Tag::as_str).collect(),
                    none: Vec::new(),
                }],
            },
            Selector::Pattern(pattern) => vec![Self::Range(KeySearch::of_pattern(pattern))],
            Selector::Namespace(prefix) => vec![Self::Range(KeySearch::of_namespace(prefix))],
            _ => return None,
        })
    }

    /// A statement that finds rows of a part, at most `limit`, in the order of their keys. The last
    /// column says whether a row is meant, and `condition` holds of it: a range gives all that it
    /// looks at, or one of which little is meant would be looked through at once.
    pub(crate) fn find(
        &self,
        statements: &Statements,
        columns: &str,
        condition: &str,
        limit: usize,
    ) -> Arc<str> {
        let (meant, from, order) = match self {
            Self::Keys(keys) => ("1".to_owned(), statements.rows_of_keys(keys.len()), "e"),
            Self::Tag { others, none, .. } => {
                ("1".to_owned(), statements.rows_of_tag(others.len(), none.len()), "t")
            }
            Self::Range(KeySearch { version, .. }) => {
                let meant = format!("({}) AND {condition}", is_like(version.is_some()));
                (meant, statements.rows_of_range(), "e")
            }
        };
        let of_all = match self {
            Self::Range(_) => String::new(),
            _ => format!("AND {condition}"),
        };
        format!(
            "SELECT {columns}, CAST({meant} AS SIGNED) {from} {of_all} \
             ORDER BY {order}.`key` LIMIT {limit}"
        )
        .into()
    }

    /// The arguments of [`find`](Self::find); only what lies behind `after` is found.
    pub(crate) fn arguments<'b>(&'b self, after: &'b str) -> Vec<&'b str> {
        let texts: Vec<&'b str> = match self {
            Self::Keys(keys) => keys.clone(),
            Self::Tag { tag, others, none } => [*tag]
                .into_iter()
                .chain(others.iter().copied())
                .chain(none.iter().copied())
                .collect(),
            Self::Range(search) => [search.like.as_str()]
                .into_iter()
                .chain(search.version)
                .chain([search.range.from.as_str(), search.to()])
                .collect(),
        };
        texts.into_iter().chain([after]).collect()
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
        // 4,096 cells fit.
        let cells = selector.cells();
        let cells = cells.map(|cells| cells.iter().map(|cell| *cell as i16).collect::<Vec<_>>());
        let mut entries = 0;
        for ending in Ending::of(mode) {
            entries += self.raise_and_end(&targets, cells.as_deref(), *ending).await?;
        }
        Ok(Invalidated { entries })
    }

    async fn raise_and_end(
        &self,
        targets: &[Target<'_>],
        cells: Option<&[i16]>,
        ending: Ending,
    ) -> Result<u64, StorageError> {
        // Keys that fit into one part go with the raise, in one transaction and one round trip.
        let first = match targets {
            [Target::Keys(keys)] => keys.clone(),
            _ => Vec::new(),
        };
        let (mark, mut entries) = self.raise(cells, &first, ending).await?;
        if first.is_empty() {
            for target in targets {
                entries += self.end_older(target, mark, ending).await?;
            }
        }
        Ok(entries)
    }

    /// Raises cells, or all of them, and ends `keys`; gives the new mark and how many there were.
    async fn raise(
        &self,
        cells: Option<&[i16]>,
        keys: &[&str],
        ending: Ending,
    ) -> Result<(i64, u64), StorageError> {
        let statements = &self.statements;
        let mut script = Script::default();
        statements.raise_counter(&mut script);
        let begun = self.begin(&mut script);
        statements.raise_cells(&mut script, cells);
        // The raises of counter and cells are two statements each.
        let before = 2 + begun + 2;
        if !keys.is_empty() {
            statements.end(&mut script, keys, "@mark", "", ending);
        }
        script.push("COMMIT; ").push(&format!(
            "SELECT {}, CAST(@mark AS SIGNED) FROM {} m WHERE m.id = 1; ",
            statements.stamp_columns, statements.meta
        ));
        let told = self.fenced_script(OPERATION, script).await?;
        let failed = |source| damaged(OPERATION, source);
        let row = told.last().and_then(|told| told.rows.first()).ok_or_else(|| {
            error(OPERATION, StorageErrorKind::Failed, "the fence has lost its identity meanwhile")
        })?;
        self.known.learn(stamp(row).map_err(failed)?);
        let mark: i64 = column(row, 2, "mark").map_err(failed)?;
        let removed = match keys {
            [] => 0,
            _ => told.get(before).map_or(0, |told| told.affected),
        };
        Ok((mark, removed))
    }

    /// Begins a transaction in which every statement sees what was committed before it; gives how
    /// many statements that takes.
    pub(crate) fn begin(&self, script: &mut Script) -> usize {
        if !self.options.common.prepared {
            script.push("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; ");
        }
        script.push("START TRANSACTION; ");
        1 + usize::from(!self.options.common.prepared)
    }

    /// Ends all that was stored under an older mark; gives how many there were.
    async fn end_older(
        &self,
        target: &Target<'_>,
        mark: i64,
        ending: Ending,
    ) -> Result<u64, StorageError> {
        let failed = |source| damaged(OPERATION, source);
        let older = match ending.spares_stale() {
            true => format!("e.stamp < {mark} AND e.fresh_until <> 0"),
            false => format!("e.stamp < {mark}"),
        };
        let find = target.find(&self.statements, "e.`key`", &older, PART_ROWS);
        let (mut entries, mut after) = (0, String::new());
        loop {
            let rows = self.rows(OPERATION, &find, &target.arguments(&after)).await?;
            let mut keys = Vec::with_capacity(rows.len());
            for row in &rows {
                if column::<i64>(row, 1, "meant").map_err(failed)? != 0 {
                    keys.push(text(row, 0, "key").map_err(failed)?);
                }
            }
            if !keys.is_empty() {
                entries += self.end_part(target, &keys, mark, ending).await?;
            }
            match rows.last() {
                Some(last) if rows.len() == PART_ROWS => {
                    after = text(last, 0, "key").map_err(failed)?.to_owned();
                }
                _ => return Ok(entries),
            }
        }
    }

    /// Ends of some keys what is still older, and still what is meant.
    async fn end_part(
        &self,
        target: &Target<'_>,
        keys: &[&str],
        mark: i64,
        ending: Ending,
    ) -> Result<u64, StorageError> {
        let mut script = Script::default();
        let begun = self.begin(&mut script);
        let borne = match target {
            Target::Tag { tag, others, .. } => {
                let tags: Vec<&str> = [tag].into_iter().chain(others).copied().collect();
                self.statements.bears(&tags)
            }
            Target::Keys(_) | Target::Range(_) => String::new(),
        };
        self.statements.end(&mut script, keys, &mark.to_string(), &borne, ending);
        script.push("COMMIT; ");
        let told = self.fenced_script(OPERATION, script).await?;
        Ok(told.get(begun).map_or(0, |told| told.affected))
    }
}

impl Statements {
    /// Ends entries of some keys that are older than a mark. The first statement
    /// tells how many.
    fn end(&self, script: &mut Script, keys: &[&str], mark: &str, condition: &str, ending: Ending) {
        let spared = if ending.spares_stale() { " AND fresh_until <> 0" } else { "" };
        let older = format!(" AND stamp < {mark}{spared}{condition}");
        match ending {
            Ending::Remove | Ending::RemoveFresh => self.remove(script, keys, &older),
            Ending::Expire => {
                script
                    .push(&format!("UPDATE {} SET fresh_until = 0 WHERE `key` IN ", self.entries))
                    .texts(keys)
                    .push(&older)
                    .push("; ");
            }
        }
    }

    /// Removes entries of some keys of which a condition holds, and their tags. The first statement
    /// tells how many.
    pub(crate) fn remove(&self, script: &mut Script, keys: &[&str], condition: &str) {
        let Self { entries, tags, .. } = self;
        script.push(&format!("DELETE FROM {entries} WHERE `key` IN ")).texts(keys);
        script.push(condition).push("; ");
        // Whoever has stored one of them again since has the row locked, or has committed it: read
        // with a lock, it is seen.
        script.push(&format!("DELETE FROM {tags} WHERE `key` IN ")).texts(keys).push(&format!(
            " AND NOT EXISTS (SELECT 1 FROM {entries} e WHERE e.`key` = {tags}.`key` \
             LOCK IN SHARE MODE); "
        ));
    }

    /// A condition on entries: they bear all of these tags.
    fn bears(&self, tags: &[&str]) -> String {
        let Self { entries, tags: table, .. } = self;
        let mut sql = Script::default();
        for tag in tags {
            sql.push(&format!(
                " AND EXISTS (SELECT 1 FROM {table} t WHERE t.`key` = {entries}.`key` AND t.tag = "
            ));
            sql.bytes(tag.as_bytes()).push(")");
        }
        sql.finish().to_string()
    }
}

#[cfg(test)]
mod tests {
    use cache_core::key::{Glob, Key, KeyPattern};

    use super::*;

    #[test]
    fn many_keys_take_many_statements_and_no_entry_is_found_twice() {
        let key = |at: usize| Key::parse(&format!("p:{at}:v1")).unwrap();
        let keys: Vec<Key> = (0..PART_ROWS + 1).map(key).chain([key(0)]).collect();
        assert_eq!(Target::of(&Selector::Keys(keys)).unwrap().len(), 2);
        assert!(Target::of(&Selector::Keys(Vec::new())).unwrap().is_empty());
        let tags = ["a", "b"].map(|label| Tag::new("p", label).unwrap());
        match &Target::of(&Selector::AnyTag(tags.to_vec())).unwrap()[..] {
            [Target::Tag { none: first, .. }, Target::Tag { tag, none, .. }] => {
                assert!(first.is_empty());
                assert_eq!((*tag, &none[..]), ("p:b", &["p:a"][..]));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_place_has_its_argument() {
        let statements = Statements::new("t", true);
        let tags: Vec<Tag> = (0..3).map(|at| Tag::new("p", &at.to_string()).unwrap()).collect();
        let pattern = |version| KeyPattern::new("p", Glob::parse("*").unwrap(), version);
        for selector in [
            Selector::Keys(vec![Key::parse("p:a:v1").unwrap(), Key::parse("p:b:v1").unwrap()]),
            Selector::AnyTag(tags.clone()),
            Selector::AllTags(tags),
            Selector::Pattern(pattern(None)),
            Selector::Pattern(pattern(Some("v1"))),
            Selector::Namespace("p".to_owned()),
        ] {
            for target in Target::of(&selector).unwrap() {
                let sql = target.find(&statements, "e.`key`", "1 = 1", 5);
                let places = sql.matches('?').count();
                assert_eq!(places, target.arguments("after").len(), "{target:?}");
            }
        }
    }
}
