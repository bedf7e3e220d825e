//! The rows of all groups, as they stand in `summary.json`.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, bail};
use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};

/// One speed target, and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// Begins with the group: `sqlite_get_one_in_flight`.
    name: String,
    measured: f64,
    bound: f64,
    unit: String,
    better: Better,
    holds: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Better {
    Lower,
    Higher,
}

/// All rows, sorted by name.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Summary {
    rows: Vec<Row>,
}

impl Summary {
    /// What earlier runs left; empty if there was none.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => {
                let rows = serde_json::from_str(&text).with_context(|| {
                    format!("{} is no summary; remove it and measure anew", path.display())
                })?;
                Ok(Self { rows })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Leaves out the rows of these groups, which are to be measured again; of them only those
    /// whose name holds one of the texts in `only`, if there is any.
    pub(super) fn without(mut self, groups: &[String], known: &[String], only: &[String]) -> Self {
        self.rows.retain(|row| {
            let group = group_of(&row.name, known);
            let named = only.is_empty() || only.iter().any(|text| row.name.contains(text));
            !(named && group.is_some_and(|group| groups.contains(group)))
        });
        self
    }

    /// Adds what a group measured.
    ///
    /// # Errors
    ///
    /// A row that is not the group's own, that is there already, or that contradicts itself: the
    /// bench is wrong then, and its figures are not to be trusted.
    pub(super) fn add(&mut self, group: &str, rows: Vec<Row>) -> anyhow::Result<()> {
        for row in rows {
            let name = &row.name;
            if !is_of(name, group) {
                bail!("group {group} printed the row {name}, whose name is another group's");
            }
            if self.rows.iter().any(|known| known.name == *name) {
                bail!("group {group} printed the row {name} twice");
            }
            let holds = match row.better {
                Better::Lower => row.measured <= row.bound,
                Better::Higher => row.measured >= row.bound,
            };
            if holds != row.holds {
                bail!("the row {name} says that it holds: {}, which is not so", row.holds);
            }
            self.rows.push(row);
        }
        self.rows.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(())
    }

    /// Replaces the file at once: a reader finds the old one or the new one.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", path.display());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(cannot)?;
        }
        let new = path.with_extension("json.new");
        fs::write(&new, self.to_json()?).with_context(cannot)?;
        fs::rename(&new, path).with_context(cannot)
    }

    /// An array, one row a line.
    fn to_json(&self) -> anyhow::Result<String> {
        if self.rows.is_empty() {
            return Ok("[]\n".to_owned());
        }
        let rows: Result<Vec<_>, _> = self.rows.iter().map(serde_json::to_string).collect();
        let rows = rows.context("a row has no JSON form")?;
        Ok(format!("[\n{}\n]\n", rows.join(",\n")))
    }
}

/// Whether a row of this name is the group's: `hit-ratio` has `hit_ratio_zipf`.
fn is_of(name: &str, group: &str) -> bool {
    let rest = name.strip_prefix(&group.replace('-', "_"));
    rest.and_then(|rest| rest.strip_prefix('_')).is_some_and(|rest| !rest.is_empty())
}

/// The group of a row: that with the longest name, where one group's name begins another's.
fn group_of<'known>(name: &str, known: &'known [String]) -> Option<&'known String> {
    known.iter().filter(|group| is_of(name, group)).max_by_key(|group| group.len())
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["target", "measured", "bound", "unit", "holds"]);
        for row in &self.rows {
            let bound = match row.better {
                Better::Lower => format!("<= {}", figure(row.bound)),
                Better::Higher => format!(">= {}", figure(row.bound)),
            };
            let holds = if row.holds { "yes" } else { "NO" };
            let measured = figure(row.measured);
            table.add_row([&row.name, &measured, &bound, &row.unit, holds]);
        }
        for index in [1, 2] {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let held = self.rows.iter().filter(|row| row.holds).count();
        write!(formatter, "{table}\n{held} of {} targets hold", self.rows.len())
    }
}

/// Three digits that count, and no more precision than was measured.
fn figure(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 100.0 || magnitude == 0.0 {
        format!("{value:.0}")
    } else if magnitude >= 10.0 {
        format!("{value:.1}")
    } else if magnitude >= 0.01 {
        format!("{value:.2}")
    } else {
        format!("{value:.2e}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, measured: f64) -> Row {
        Row {
            name: name.to_owned(),
            measured,
            bound: 100.0,
            unit: "ns".to_owned(),
            better: Better::Lower,
            holds: measured <= 100.0,
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn rows(summary: &Summary) -> Vec<(&str, f64)> {
        summary.rows.iter().map(|row| (row.name.as_str(), row.measured)).collect()
    }

    #[test]
    fn a_run_of_some_groups_replaces_their_rows_only() {
        let known = names(&["memory", "sqlite", "hit-ratio"]);
        let mut summary = Summary::default();
        summary.add("sqlite", vec![row("sqlite_get", 1.0), row("sqlite_gone", 2.0)]).unwrap();
        summary.add("memory", vec![row("memory_hit", 3.0)]).unwrap();
        summary.add("hit-ratio", vec![row("hit_ratio_zipf", 4.0)]).unwrap();

        let mut summary = summary.without(&names(&["sqlite", "hit-ratio"]), &known, &[]);
        summary.add("sqlite", vec![row("sqlite_get", 9.0), row("sqlite_new", 8.0)]).unwrap();
        let expected = [("memory_hit", 3.0), ("sqlite_get", 9.0), ("sqlite_new", 8.0)];
        assert_eq!(rows(&summary), expected);
    }

    #[test]
    fn a_group_whose_name_begins_anothers_leaves_its_rows_alone() {
        let known = names(&["sqlite", "sqlite-bulk"]);
        let mut summary = Summary::default();
        summary.add("sqlite", vec![row("sqlite_get", 1.0)]).unwrap();
        summary.add("sqlite-bulk", vec![row("sqlite_bulk_get", 2.0)]).unwrap();
        let summary = summary.without(&names(&["sqlite"]), &known, &[]);
        assert_eq!(rows(&summary), [("sqlite_bulk_get", 2.0)]);
    }

    #[test]
    fn a_run_of_some_rows_replaces_them_only() {
        let known = names(&["sqlite"]);
        let mut summary = Summary::default();
        let before = ["sqlite_get", "sqlite_get_p99", "sqlite_set"].map(|name| row(name, 1.0));
        summary.add("sqlite", before.to_vec()).unwrap();
        let summary = summary.without(&known, &known, &names(&["get_p"]));
        assert_eq!(rows(&summary), [("sqlite_get", 1.0), ("sqlite_set", 1.0)]);
    }

    #[test]
    fn rows_of_unknown_groups_stay() {
        let mut summary = Summary::default();
        summary.add("candles", vec![row("candles_append", 1.0)]).unwrap();
        let known = names(&["memory"]);
        assert_eq!(rows(&summary.without(&known, &known, &[])), [("candles_append", 1.0)]);
    }

    #[test]
    fn a_row_of_another_group_is_refused() {
        for name in ["sqlite_get", "memory", "memory_", "memoryhit"] {
            let error = Summary::default().add("memory", vec![row(name, 1.0)]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn a_row_printed_twice_is_refused() {
        let twice = vec![row("memory_hit", 1.0), row("memory_hit", 2.0)];
        assert!(Summary::default().add("memory", twice).is_err());
    }

    #[test]
    fn a_row_that_contradicts_itself_is_refused() {
        let wrong = Row { holds: true, ..row("memory_hit", 101.0) };
        assert!(Summary::default().add("memory", vec![wrong]).is_err());
        let higher = Row { better: Better::Higher, holds: true, ..row("memory_hits", 101.0) };
        assert!(Summary::default().add("memory", vec![higher]).is_ok());
    }

    #[test]
    fn the_file_has_the_fields_that_readers_expect() {
        let mut summary = Summary::default();
        summary.add("memory", vec![row("memory_hit", 50.5)]).unwrap();
        let expected = concat!(
            r#"{"name":"memory_hit","measured":50.5,"bound":100.0,"unit":"ns","#,
            r#""better":"lower","holds":true}"#
        );
        assert_eq!(summary.to_json().unwrap(), format!("[\n{expected}\n]\n"));
    }

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench/summary.json");
        assert_eq!(Summary::read(&path).unwrap(), Summary::default());
        let mut summary = Summary::default();
        summary.add("memory", vec![row("memory_hit", 1.0), row("memory_far", 200.0)]).unwrap();
        summary.write(&path).unwrap();
        assert_eq!(Summary::read(&path).unwrap(), summary);
        Summary::default().write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "[]\n");
        assert_eq!(Summary::read(&path).unwrap(), Summary::default());
    }

    #[test]
    fn a_file_that_is_no_summary_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.json");
        fs::write(&path, "{}").unwrap();
        let error = Summary::read(&path).unwrap_err();
        assert!(error.to_string().contains("is no summary"), "{error}");
    }

    #[test]
    fn the_table_shows_what_does_not_hold() {
        let mut summary = Summary::default();
        summary.add("memory", vec![row("memory_hit", 12.34), row("memory_far", 250.4)]).unwrap();
        let text = summary.to_string();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<_> = text.lines().map(words).collect();
        assert_eq!(lines[2], "| memory_far | 250 | <= 100 | ns | NO |");
        assert_eq!(lines[3], "| memory_hit | 12.3 | <= 100 | ns | yes |");
        assert_eq!(lines[4], "1 of 2 targets hold");
    }

    #[test]
    fn figures_have_three_digits_that_count() {
        let figures = [12_345.6, 250.4, 12.34, 1.234, 0.5, 0.001_234, 0.0].map(figure);
        assert_eq!(figures, ["12346", "250", "12.3", "1.23", "0.50", "1.23e-3", "0"]);
    }
}
