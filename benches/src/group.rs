//! Named groups of measurements.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use thiserror::Error;

use crate::contestant::Contestant;
use crate::interleave::{Effort, interleaved};
use crate::measured::Measured;
use crate::row::Row;

/// Measurements that belong together, and are run together.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// The name on the command line: `hit-ratio`. The names of its rows begin with it, with `_` for
    /// each `-`.
    pub name: &'static str,
    /// Measures, and reports each target to the run.
    pub measure: fn(&mut Run<'_>) -> anyhow::Result<()>,
}

/// A group that there is not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown group `{name}`; known: {known}")]
pub struct UnknownGroup {
    name: String,
    known: String,
}

impl Group {
    /// Those of `groups` that are named, in the order of `groups`; all of them if none is named.
    ///
    /// # Errors
    ///
    /// [`UnknownGroup`] lists the known ones.
    pub fn choose(groups: &[Self], names: &[String]) -> Result<Vec<Self>, UnknownGroup> {
        if let Some(name) = names.iter().find(|name| !groups.iter().any(|own| own.name == **name)) {
            let known: Vec<_> = groups.iter().map(|group| group.name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(UnknownGroup { name: name.clone(), known });
        }
        let named = |group: &Self| names.is_empty() || names.iter().any(|name| name == group.name);
        Ok(groups.iter().copied().filter(named).collect())
    }
}

/// One run of one group: what it may spend, and where its rows go.
pub struct Run<'run> {
    group: &'static str,
    effort: Effort,
    only: &'run [String],
    reported: usize,
    output: &'run Path,
    rows: &'run mut dyn Write,
    note: &'run mut dyn FnMut(&str),
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Run")
            .field("group", &self.group)
            .field("effort", &self.effort)
            .finish_non_exhaustive()
    }
}

impl<'run> Run<'run> {
    /// A run that writes one JSON row a line, and tells a person the rest.
    pub fn new(
        group: &Group,
        effort: Effort,
        rows: &'run mut dyn Write,
        note: &'run mut dyn FnMut(&str),
    ) -> Self {
        Self {
            group: group.name,
            effort,
            only: &[],
            reported: 0,
            output: Path::new("."),
            rows,
            note,
        }
    }

    /// Reports only the rows whose name holds one of these texts; all of them if there is none.
    #[must_use]
    pub fn only(mut self, only: &'run [String]) -> Self {
        self.only = only;
        self
    }

    /// Whether one of these rows is to be reported: otherwise what they need is not measured.
    pub fn wants<Name: AsRef<str>>(&self, names: &[Name]) -> bool {
        let wanted =
            |name: &Name| self.only.iter().any(|text| name.as_ref().contains(text.as_str()));
        self.only.is_empty() || names.iter().any(wanted)
    }

    /// How many rows were reported.
    pub fn reported(&self) -> usize {
        self.reported
    }

    /// Leaves tables and plots in this folder; in the current one if nothing is said.
    #[must_use]
    pub fn output(mut self, folder: &'run Path) -> Self {
        self.output = folder;
        self
    }

    /// How much is to be measured.
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// Whether a rough look is all that is asked for.
    pub fn is_quick(&self) -> bool {
        self.effort == Effort::QUICK
    }

    /// One of three sizes, by how much is to be measured.
    pub fn sized<T>(&self, full: T, quick: T, tiny: T) -> T {
        match self.effort {
            Effort::TINY => tiny,
            Effort::QUICK => quick,
            _ => full,
        }
    }

    /// Measures the contestants in turns, and notes it if the machine was busy.
    pub fn interleaved(&mut self, what: &str, contestants: &mut [Contestant<'_>]) -> Measured {
        self.interleaved_with(self.effort, what, contestants)
    }

    /// As [`interleaved`](Self::interleaved), with another effort than the run's.
    pub fn interleaved_with(
        &mut self,
        effort: Effort,
        what: &str,
        contestants: &mut [Contestant<'_>],
    ) -> Measured {
        (self.note)(&format!("{}: {what}", self.group));
        let measured = interleaved(effort, contestants, || {});
        for contestant in contestants.iter() {
            if let Some(nanoseconds) = measured.median_ns(contestant.name()) {
                (self.note)(&format!("  {}: {nanoseconds:.1} ns", contestant.name()));
            }
        }
        if let Some(note) = measured.calmness().note() {
            (self.note)(&format!("  {note}"));
        }
        measured
    }

    /// Leaves a file in the folder for tables and plots, and tells a person where.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn leave(&mut self, name: &str, text: &str) -> anyhow::Result<()> {
        let path: PathBuf = self.output.join(name);
        let folder = path.parent().unwrap_or(self.output);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))?;
        self.note(&format!("  {}", path.display()));
        Ok(())
    }

    /// Tells a person something about the figures.
    pub fn note(&mut self, text: &str) {
        (self.note)(text);
    }

    /// Reports one speed target, if its row is wanted.
    ///
    /// # Errors
    ///
    /// When the row cannot be written, or nothing was measured: its figure is no number.
    pub fn report(&mut self, row: &Row) -> io::Result<()> {
        if !self.wants(&[row.name()]) {
            return Ok(());
        }
        self.reported += 1;
        if !row.measured().is_finite() {
            let problem = format!("the row {} has no figure: {}", row.name(), row.measured());
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        serde_json::to_writer(&mut *self.rows, row)?;
        self.rows.write_all(b"\n")?;
        self.rows.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn nothing(_: &mut Run<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    const GROUPS: [Group; 3] = [
        Group { name: "memory", measure: nothing },
        Group { name: "sqlite", measure: nothing },
        Group { name: "hit-ratio", measure: nothing },
    ];

    fn chosen(names: &[&str]) -> Result<Vec<&'static str>, UnknownGroup> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let groups = Group::choose(&GROUPS, &names)?;
        Ok(groups.iter().map(|group| group.name).collect())
    }

    #[test]
    fn named_groups_come_once_and_in_order() {
        assert_eq!(chosen(&[]).unwrap(), ["memory", "sqlite", "hit-ratio"]);
        assert_eq!(chosen(&["sqlite", "memory", "sqlite"]).unwrap(), ["memory", "sqlite"]);
    }

    #[test]
    fn an_unknown_group_lists_the_known_ones() {
        let error = chosen(&["memory", "disk"]).unwrap_err();
        assert_eq!(error.to_string(), "unknown group `disk`; known: memory, sqlite, hit-ratio");
    }

    #[test]
    fn rows_go_one_a_line_and_figures_to_the_person() {
        let (mut rows, mut notes) = (Vec::new(), Vec::new());
        let mut note = |text: &str| notes.push(text.to_owned());
        let effort = Effort { repetitions: 1, turn: Duration::ZERO };
        let mut run = Run::new(&GROUPS[0], effort, &mut rows, &mut note);
        let mut contestants = [Contestant::new("get", |_| {}), Contestant::new("set", |_| {})];
        run.interleaved("hits", &mut contestants);
        run.report(&Row::at_most("memory_hit", 1.0, 2.0, "ns")).unwrap();
        run.report(&Row::at_most("memory_miss", 3.0, 2.0, "ns")).unwrap();

        let rows = String::from_utf8(rows).unwrap();
        assert_eq!(rows.lines().count(), 2);
        assert!(rows.ends_with("\"holds\":false}\n"), "{rows}");
        assert_eq!(notes[0], "memory: hits");
        assert!(notes[1].starts_with("  get: ") && notes[2].starts_with("  set: "), "{notes:?}");
    }

    #[test]
    fn only_wanted_rows_are_reported() {
        let (mut rows, mut note) = (Vec::new(), |_: &str| {});
        let only = ["hit".to_owned(), "set_p".to_owned()];
        let mut run = Run::new(&GROUPS[0], Effort::QUICK, &mut rows, &mut note).only(&only);
        assert!(run.wants(&["memory_miss", "memory_hit"]) && !run.wants(&["memory_miss"]));
        for name in ["memory_hit", "memory_miss", "memory_set_p99"] {
            run.report(&Row::at_most(name, 1.0, 2.0, "ns")).unwrap();
        }
        assert_eq!(run.reported(), 2);
        assert!(!String::from_utf8(rows).unwrap().contains("miss"));
    }

    #[test]
    fn a_row_without_a_figure_is_refused() {
        let (mut rows, mut note) = (Vec::new(), |_: &str| {});
        let mut run = Run::new(&GROUPS[0], Effort::QUICK, &mut rows, &mut note);
        assert!(run.report(&Row::at_most("memory_hit", f64::NAN, 2.0, "ns")).is_err());
        assert!(rows.is_empty());
    }

    #[test]
    fn a_table_is_left_in_a_folder_that_is_made_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut rows, mut notes) = (Vec::new(), Vec::new());
        let mut note = |text: &str| notes.push(text.to_owned());
        let output = folder.path().join("bench");
        let mut run = Run::new(&GROUPS[0], Effort::QUICK, &mut rows, &mut note).output(&output);
        run.leave("plots/hits.svg", "<svg/>").unwrap();
        assert_eq!(fs::read_to_string(output.join("plots/hits.svg")).unwrap(), "<svg/>");
        assert!(notes[0].contains("hits.svg"), "{notes:?}");
        fs::write(output.join("file"), "").unwrap();
        let mut silent = |_: &str| {};
        let mut run = Run::new(&GROUPS[0], Effort::QUICK, &mut rows, &mut silent).output(&output);
        let error = run.leave("file/table.md", "").unwrap_err();
        assert!(error.to_string().contains("table.md"), "{error}");
    }
}
