//! Which storage passes which case of the behaviour suite.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use comfy_table::{Table, presets};

use super::output::{Case, Outcome};

/// Cases by storage.
#[derive(Debug, Default)]
pub(super) struct Matrix {
    storages: BTreeMap<String, BTreeMap<String, Outcome>>,
}

impl Matrix {
    /// Adds what came of a storage's cases. Of a case told twice, the worse outcome stands.
    pub(super) fn add(&mut self, storage: &str, cases: &[Case]) {
        let column = self.storages.entry(storage.to_owned()).or_default();
        for Case { name, outcome } in cases {
            let known = column.entry(name.clone()).or_insert_with(|| outcome.clone());
            if badness(outcome) > badness(known) {
                *known = outcome.clone();
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.storages.values().all(BTreeMap::is_empty)
    }
}

fn badness(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Passed => 0,
        Outcome::Skipped(_) => 1,
        Outcome::Failed => 2,
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cases: BTreeSet<_> = self.storages.values().flat_map(BTreeMap::keys).collect();
        let mut reasons: Vec<&str> = Vec::new();
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(std::iter::once("case").chain(self.storages.keys().map(String::as_str)));
        for case in cases {
            let mut row = vec![case.clone()];
            for column in self.storages.values() {
                row.push(cell(column.get(case), &mut reasons));
            }
            table.add_row(row);
        }
        let mut totals = vec!["passed / skipped / failed".to_owned()];
        for column in self.storages.values() {
            let count = |level| column.values().filter(|found| badness(found) == level).count();
            totals.push(format!("{} / {} / {}", count(0), count(1), count(2)));
        }
        table.add_row(totals);
        write!(formatter, "{table}")?;
        for (index, reason) in reasons.iter().enumerate() {
            write!(formatter, "\n[{}] {reason}", index + 1)?;
        }
        Ok(())
    }
}

/// The word for an outcome; a reason is said once below the table, and referred to by number.
fn cell<'case>(outcome: Option<&'case Outcome>, reasons: &mut Vec<&'case str>) -> String {
    match outcome {
        None => "-".to_owned(),
        Some(Outcome::Passed) => "passed".to_owned(),
        Some(Outcome::Failed) => "FAILED".to_owned(),
        Some(Outcome::Skipped(None)) => "skipped".to_owned(),
        Some(Outcome::Skipped(Some(reason))) => {
            let known = reasons.iter().position(|known| known == reason);
            let index = known.unwrap_or_else(|| {
                reasons.push(reason);
                reasons.len() - 1
            });
            format!("skipped [{}]", index + 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, outcome: Outcome) -> Case {
        Case { name: name.to_owned(), outcome }
    }

    fn skipped(reason: &str) -> Outcome {
        Outcome::Skipped(Some(reason.to_owned()))
    }

    fn lines(matrix: &Matrix) -> Vec<String> {
        let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        matrix.to_string().lines().map(squeeze).collect()
    }

    #[test]
    fn cases_stand_by_storage_with_their_reasons_below() {
        let mut matrix = Matrix::default();
        matrix.add("sqlite", &[case("ttl", Outcome::Passed), case("leases", skipped("no leases"))]);
        matrix.add(
            "redis",
            &[
                case("ttl", Outcome::Failed),
                case("tags", skipped("no leases")),
                case("x", skipped("y")),
            ],
        );
        let lines = lines(&matrix);
        assert_eq!(lines[0], "| case | redis | sqlite |");
        let expected = [
            "| leases | - | skipped [1] |",
            "| tags | skipped [1] | - |",
            "| ttl | FAILED | passed |",
            "| x | skipped [2] | - |",
            "| passed / skipped / failed | 0 / 2 / 1 | 1 / 1 / 0 |",
            "[1] no leases",
            "[2] y",
        ];
        assert_eq!(lines[2..], expected);
    }

    #[test]
    fn of_a_case_told_twice_the_worse_outcome_stands() {
        let outcomes = [Outcome::Passed, skipped("why"), Outcome::Failed];
        for (better, first) in outcomes.iter().enumerate() {
            for (worse, second) in outcomes.iter().enumerate() {
                let mut matrix = Matrix::default();
                matrix.add("a", &[case("x", first.clone())]);
                matrix.add("a", &[case("x", second.clone())]);
                assert_eq!(matrix.storages["a"]["x"], outcomes[better.max(worse)]);
            }
        }
    }

    #[test]
    fn a_suite_without_cases_fills_no_matrix() {
        let mut matrix = Matrix::default();
        matrix.add("sqlite", &[]);
        assert!(matrix.is_empty());
        matrix.add("sqlite", &[case("x", Outcome::Passed)]);
        assert!(!matrix.is_empty());
    }
}
