//! The workspace of the peers, which no other test builds.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::{assert_none, files, is_rust};
use crate::bench::hit_ratio;
use crate::bench::peers::{MANIFEST, groups};
use crate::workspace::Workspace;

fn read(path: &Path) -> Table {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap()
}

/// Dependencies by path that name no package, or another one.
fn lost(folder: &Path, manifest: &Table) -> Vec<String> {
    let mut lost = Vec::new();
    for (name, dependency) in manifest["dependencies"].as_table().unwrap() {
        let Some(path) = dependency.get("path").and_then(Value::as_str) else { continue };
        let name = dependency.get("package").and_then(Value::as_str).unwrap_or(name);
        let found = folder.join(path).join("Cargo.toml");
        if !found.is_file() || read(&found)["package"]["name"].as_str() != Some(name) {
            lost.push(format!("{name} is not at {path}"));
        }
    }
    lost
}

#[test]
fn the_peers_find_the_crates_that_they_measure() {
    let root = Workspace::load().unwrap().root().to_owned();
    let own = read(&root.join("Cargo.toml"));
    for path in [MANIFEST, hit_ratio::MANIFEST].map(|path| root.join(path)) {
        let manifest = read(&path);
        let lost = lost(path.parent().unwrap(), &manifest);
        assert_none("Peers are measured beside these crates", &lost);
        assert!(manifest.contains_key("workspace"), "the peers have a workspace of their own");
        assert!(path.with_file_name("Cargo.lock").is_file(), "and their own versions");
        assert_eq!(manifest["profile"]["bench"], own["profile"]["bench"], "both are built alike");
    }
}

#[test]
fn the_groups_of_the_peers_are_known() {
    let root = Workspace::load().unwrap().root().to_owned();
    let source = root.join(MANIFEST).with_file_name("src");
    let mut found = Vec::new();
    for path in files(&source).iter().filter(|path| is_rust(path)) {
        let text = fs::read_to_string(path).unwrap();
        let names = text.split("Group { name: \"").skip(1);
        found.extend(names.filter_map(|rest| rest.split('"').next().map(str::to_owned)));
    }
    found.sort();
    let mut known = groups();
    known.sort();
    assert_eq!(found, known);
}

#[test]
fn a_crate_that_has_moved_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("one")).unwrap();
    fs::write(folder.path().join("one/Cargo.toml"), "[package]\nname = \"one\"\n").unwrap();
    let lost = |text: &str| lost(folder.path(), &text.parse().unwrap());
    assert!(lost("[dependencies]\none = { path = \"one\" }\ntwo = \"1\"\n").is_empty());
    assert_eq!(lost("[dependencies]\ntwo = { path = \"one\" }\n").len(), 1);
    assert_eq!(lost("[dependencies]\none = { path = \"gone\" }\n").len(), 1);
}
