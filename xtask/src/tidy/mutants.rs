//! Every mutant that the code knows is tried by a script, and every one that a script or the
//! documents name is in the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::{assert_none, files, is_rust};
use crate::workspace::Workspace;

/// The names in `cfg!(mutant = "..")`, also within `any(..)`.
fn switched(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("mutant = \"").skip(1);
    parts.filter_map(|part| part.split_once('"').map(|(name, _)| name))
}

/// The mutants of the scenarios, and what finds each.
fn of_scenarios(list: &str) -> BTreeMap<&str, &str> {
    let lines = list.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' ').map(|(name, by)| (name, by.trim()))).collect()
}

/// The names in the first column of the table in the script's head.
fn of_model(script: &str) -> BTreeSet<&str> {
    let rows = script.lines().filter_map(|line| line.strip_prefix("# | "));
    let names = rows.filter_map(|row| row.split('|').next()).map(str::trim);
    names.filter(|name| !name.is_empty() && *name != "mutant").collect()
}

/// The names in the second column of the table whose head begins like this.
fn of_table<'text>(document: &'text str, head: &str) -> BTreeSet<&'text str> {
    let table = document.split_once(head).map_or("", |(_, after)| after);
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| row.split('|').nth(2));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

fn read(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap()
}

/// All Rust code below these folders.
fn code(root: &Path, folders: &[&str]) -> String {
    let all = folders.iter().flat_map(|folder| files(&root.join(folder)));
    all.filter(|path| is_rust(path)).map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn every_mutant_is_tried_and_every_name_is_one() {
    let workspace = Workspace::load().unwrap();
    let root = workspace.root();
    let engine = code(root, &["crates"]);
    let (list, script) =
        (read(root, "interleavings/mutants.txt"), read(root, "scripts/mutants-model.sh"));
    let document = read(root, "docs/consistency.md");
    let switched: BTreeSet<&str> = switched(&engine).collect();
    let (scenarios, model) = (of_scenarios(&list), of_model(&script));
    let told = of_table(&document, "| left out | mutant |");
    let mut offences = Vec::new();
    for (of, count) in [("the code", switched.len()), ("the table", told.len())] {
        if count < 10 {
            offences.push(format!("{of} has {count} mutants: they are not looked for rightly"));
        }
    }
    let listed: BTreeSet<&str> = scenarios.keys().copied().chain(model.iter().copied()).collect();
    for name in switched.difference(&listed) {
        offences.push(format!("no script tries `{name}`"));
    }
    for name in listed.union(&told).filter(|name| !switched.contains(*name)) {
        offences.push(format!("`{name}` breaks nothing"));
    }
    for name in told.difference(&listed) {
        offences.push(format!("`{name}` is told of, and no script tries it"));
    }
    let tests =
        code(root, &["interleavings/src", "crates/storages/memory", "crates/storages/sqlite"]);
    for (name, by) in &scenarios {
        let last = by.rsplit("::").next().unwrap_or(by);
        if !tests.contains(&format!("fn {last}")) && !tests.contains(&format!("mod {last}")) {
            offences.push(format!("`{name}` is to be found by {by}, which is nothing"));
        }
    }
    assert_none("Mutants, the scripts that try them, and the documents agree", &offences);
}

#[test]
fn names_are_read_from_code_lists_and_tables() {
    let text = r#"if cfg!(any(mutant = "one", mutant = "two")) {} cfg!(fencing_off)"#;
    assert_eq!(switched(text).collect::<Vec<_>>(), ["one", "two"]);
    let list = "# a line\n\none   a::b\ntwo c\n";
    assert_eq!(of_scenarios(list), BTreeMap::from([("one", "a::b"), ("two", "c")]));
    let script = "# | mutant | x |\n# |---|\n# | three | what | I2 |\ncode | more\n";
    assert_eq!(of_model(script), BTreeSet::from(["three"]));
    let table = "| a | b |\n|---|---|\n| x `no` | `four`, `five` | `no` |\n\n| y | `six` |\n";
    assert_eq!(of_table(table, "| a | b"), BTreeSet::from(["five", "four"]));
}
