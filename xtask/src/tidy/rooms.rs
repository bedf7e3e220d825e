//! The same modules in every storage, so that who knows one knows all.

use std::path::{Path, PathBuf};

use super::assert_none;
use crate::workspace::{Workspace, storage_name};

/// Rooms of every storage behind the `Storage` trait; each a file or a folder. Of several names,
/// one must be there.
const ROOMS: &[&[&str]] = &[
    &["lib"],
    &["config"],
    &["storage"],
    &["read"],
    &["write"],
    &["invalidate"],
    &["fence"],
    &["schema", "layout"],
    &["maintain"],
    &["error"],
];

/// Memory is no `Storage`: it is behind a seam of its own.
const MEMORY_ROOMS: &[&[&str]] = &[&["lib"], &["config"], &["engine"]];

fn has_room(source: &Path, name: &str) -> bool {
    source.join(format!("{name}.rs")).is_file() || source.join(name).join("mod.rs").is_file()
}

fn missing(source: &Path, rooms: &[&[&str]]) -> Vec<String> {
    let absent = |names: &&&[&str]| !names.iter().any(|name| has_room(source, name));
    rooms.iter().filter(absent).map(|names| names.join(" or ")).collect()
}

#[test]
fn every_storage_has_the_same_rooms() {
    let workspace = Workspace::load().unwrap();
    let storages: Vec<_> = workspace.packages().filter(|one| workspace.is_storage(one)).collect();
    assert!(storages.len() >= 2, "there are storages");
    let mut offences = Vec::new();
    for package in storages {
        let folder: PathBuf = package.manifest_path.parent().unwrap().into();
        let is_memory = storage_name(&package.name) == "memory";
        let rooms = if is_memory { MEMORY_ROOMS } else { ROOMS };
        for room in missing(&folder.join("src"), rooms) {
            offences.push(format!("{} has no room {room}", package.name));
        }
        if !is_memory && !folder.join("tests/suite.rs").is_file() {
            offences.push(format!("{} does not run the behaviour suite", package.name));
        }
    }
    assert_none("Storages have the same rooms", &offences);
}

#[test]
fn a_room_is_a_file_or_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("read.rs"), "").unwrap();
    std::fs::create_dir(folder.path().join("write")).unwrap();
    std::fs::write(folder.path().join("write/mod.rs"), "").unwrap();
    std::fs::create_dir(folder.path().join("fence")).unwrap();
    let rooms: &[&[&str]] = &[&["read"], &["write"], &["fence"], &["schema", "read"]];
    assert_eq!(missing(folder.path(), rooms), ["fence"]);
}
