//! Files that are put back as they were unless the release comes to its commit.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The files of a release with what they held before.
#[derive(Debug)]
pub(super) struct Edits {
    root: PathBuf,
    before: Vec<(PathBuf, String)>,
    kept: bool,
}

impl Edits {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), before: Vec::new(), kept: false }
    }

    /// What a file holds; from now on it is put back.
    pub(super) fn read(&mut self, name: &str) -> anyhow::Result<String> {
        let path = self.root.join(name);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        self.before.push((path, text.clone()));
        Ok(text)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.root.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Leaves the files as they are now.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Edits {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for (path, text) in &self.before {
            if let Err(error) = fs::write(path, text) {
                eprintln!("cannot put {} back, `git restore` can: {error}", path.display());
            }
        }
    }
}
