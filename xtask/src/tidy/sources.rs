//! The length of files, unfinished code, paths of somebody's machine, conflicts.

use std::fs;
use std::path::Path;

use super::{assert_none, files, is_rust};
use crate::workspace::Workspace;

const LINES_MAX: usize = 600;

// Put together here, so that this file does not hold them.
const UNFINISHED: [&str; 3] =
    [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("dbg", "!(")];
const MACHINE_PATHS: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("C:\\Us", "ers\\"),
    concat!("/wo", "rk/"),
];
const CONFLICTS: [&str; 2] = [concat!("<<<<", "<<< "), concat!(">>>>", ">>> ")];

/// The lines that hold one of the words, as a macro or a path begins: not within a longer name.
fn lines_with<'text>(text: &'text str, words: &[&str]) -> Vec<(usize, &'text str)> {
    let holds = |line: &str| {
        words.iter().any(|word| {
            line.match_indices(word).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|before| before.is_alphanumeric() || "_./-".contains(before))
            })
        })
    };
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| holds(line)).collect()
}

fn offences(root: &Path, words: &[&str], concerns: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut offences = Vec::new();
    for path in files(root).into_iter().filter(|path| concerns(path)) {
        // What is no text has no words.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in lines_with(&text, words) {
            offences.push(format!("{}:{number}: {}", path.display(), line.trim()));
        }
    }
    offences
}

#[test]
fn no_file_of_the_crates_is_too_long() {
    let workspace = Workspace::load().unwrap();
    let mut long = Vec::new();
    for path in files(&workspace.root().join("crates")).iter().filter(|path| is_rust(path)) {
        let lines = fs::read_to_string(path).unwrap().lines().count();
        if lines > LINES_MAX {
            long.push(format!("{}: {lines}", path.display()));
        }
    }
    assert_none(
        "A file has at most 600 lines, and rarely over 400: split it by what it does",
        &long,
    );
}

#[test]
fn nothing_is_unfinished() {
    let workspace = Workspace::load().unwrap();
    let found = offences(workspace.root(), &UNFINISHED, is_rust);
    assert_none("Code is whole when it lands", &found);
}

#[test]
fn no_file_names_a_path_of_somebodys_machine() {
    let workspace = Workspace::load().unwrap();
    let found = offences(workspace.root(), &MACHINE_PATHS, |_| true);
    assert_none("The project speaks of itself alone", &found);
}

#[test]
fn no_merge_is_half_done() {
    let workspace = Workspace::load().unwrap();
    let found = offences(workspace.root(), &CONFLICTS, |_| true);
    assert_none("Both sides of a conflict were committed", &found);
}

#[test]
fn words_are_found_where_they_begin() {
    let words = [concat!("dbg", "!("), concat!("/ho", "me/")];
    let text = [
        concat!("dbg", "!(x)"),
        concat!("my_dbg", "!(x)"),
        concat!("at /ho", "me/me"),
        concat!("docs/ho", "me/me"),
        concat!("my_dbg", "!(dbg", "!(x))"),
    ];
    let numbers: Vec<_> =
        lines_with(&text.join("\n"), &words).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [1, 3, 5]);
}
