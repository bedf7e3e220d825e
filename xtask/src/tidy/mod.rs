//! The rules of the repository, as tests of this crate.
//!
//! | module | what it holds to |
//! |---|---|
//! | [`features`] | which driver a feature brings |
//! | [`manifests`] | what every `Cargo.toml` inherits, and which crate may use which |
//! | [`mutants`] | which mutants there are, what tries them, and what is told of them |
//! | [`peers`] | the workspace of the peers |
//! | [`sources`] | the length of files, unfinished code, paths of somebody's machine, conflicts |
//! | [`rooms`] | the same modules in every storage |

mod features;
mod manifests;
mod mutants;
mod peers;
mod rooms;
mod sources;

use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

/// Every file of the repository's own below a folder of it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let own = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        let built = entry.file_type().is_dir() && name == "target";
        let hidden = name.starts_with('.') && ![".cargo", ".ci", ".gitignore"].contains(&&*name);
        entry.depth() == 0 || !(built || hidden)
    };
    let entries = WalkDir::new(folder).sort_by_file_name().into_iter().filter_entry(own);
    let files: Vec<_> = entries
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(DirEntry::into_path)
        .collect();
    assert!(!files.is_empty(), "{} has no files", folder.display());
    files
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// Fails with all that is wrong at once.
fn assert_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}
