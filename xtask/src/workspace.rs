//! This workspace, as cargo sees it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cargo_metadata::{Metadata, MetadataCommand, Package, PackageId};

/// The members of the workspace and where things lie.
#[derive(Debug)]
pub(crate) struct Workspace {
    metadata: Metadata,
}

impl Workspace {
    /// Asks cargo about the workspace that this program was built from.
    pub(crate) fn load() -> anyhow::Result<Self> {
        // The workspace's own manifest: asked from a member's, cargo takes that one for the default.
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("Cargo.toml");
        Self::load_from(&manifest)
    }

    /// Asks cargo about the workspace with this manifest.
    pub(crate) fn load_from(manifest: &Path) -> anyhow::Result<Self> {
        let mut command = MetadataCommand::new();
        if let Some(cargo) = std::env::var_os("CARGO") {
            command.cargo_path(cargo);
        }
        let metadata = command
            .manifest_path(manifest)
            .no_deps()
            .exec()
            .context("cannot read the workspace with `cargo metadata`")?;
        Ok(Self { metadata })
    }

    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// A folder for what commands leave behind, under the build folder.
    pub(crate) fn output(&self, name: &str) -> PathBuf {
        self.metadata.target_directory.as_std_path().join(name)
    }

    pub(crate) fn packages(&self) -> impl Iterator<Item = &Package> {
        self.metadata.workspace_packages().into_iter()
    }

    pub(crate) fn package(&self, id: &PackageId) -> Option<&Package> {
        self.packages().find(|package| package.id == *id)
    }

    /// Whether the package is among those that a plain `cargo run` builds.
    pub(crate) fn is_default(&self, id: &PackageId) -> bool {
        self.metadata.workspace_default_members.contains(id)
    }

    /// Whether the package is a storage's crate, and not what the SQL storages share.
    pub(crate) fn is_storage(&self, package: &Package) -> bool {
        let storages = self.root().join("crates/storages");
        let folder = package.manifest_path.as_std_path();
        folder.starts_with(&storages) && !folder.starts_with(storages.join("sql"))
    }

    /// The storages that have a crate, by the names that programs call them, in order.
    pub(crate) fn storages(&self) -> Vec<String> {
        let storages = self.packages().filter(|package| self.is_storage(package));
        let mut names: Vec<_> =
            storages.map(|package| storage_name(&package.name).to_owned()).collect();
        names.sort();
        names
    }
}

/// `sqlite` for the package `cache-sqlite`.
pub(crate) fn storage_name(package: &str) -> &str {
    package.strip_prefix("cache-").unwrap_or(package)
}

/// Those of `known` that were asked for, in the order of `known`; all of them if none was.
pub(crate) fn choose(
    kind: &str,
    asked: &[String],
    known: &[String],
) -> anyhow::Result<Vec<String>> {
    if let Some(unknown) = asked.iter().find(|name| !known.contains(name)) {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        anyhow::bail!("unknown {kind} `{unknown}`; known: {known}");
    }
    let chosen = known.iter().filter(|name| asked.is_empty() || asked.contains(name));
    Ok(chosen.cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn asking_for_none_chooses_all() {
        let known = names(&["memory", "sqlite"]);
        assert_eq!(choose("storage", &[], &known).unwrap(), known);
    }

    #[test]
    fn what_was_asked_for_comes_once_and_in_order() {
        let known = names(&["memory", "redis", "sqlite"]);
        let asked = names(&["sqlite", "memory", "sqlite"]);
        assert_eq!(choose("storage", &asked, &known).unwrap(), names(&["memory", "sqlite"]));
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let asked = names(&["memory", "oracle"]);
        let error = choose("storage", &asked, &names(&["memory", "sqlite"])).unwrap_err();
        assert_eq!(error.to_string(), "unknown storage `oracle`; known: memory, sqlite");
        let error = choose("group", &names(&["x"]), &[]).unwrap_err();
        assert_eq!(error.to_string(), "unknown group `x`; known: none");
    }

    #[test]
    fn this_workspace_has_the_embedded_storages() {
        let workspace = Workspace::load().unwrap();
        let storages = workspace.storages();
        assert!(storages.contains(&"memory".to_owned()), "{storages:?}");
        assert!(storages.contains(&"sqlite".to_owned()), "{storages:?}");
        assert!(workspace.root().join("Cargo.lock").is_file());
        let facade = workspace.packages().find(|package| *package.name == "tiers").unwrap();
        let core = workspace.packages().find(|package| *package.name == "cache-core").unwrap();
        assert!(workspace.is_default(&facade.id) && !workspace.is_default(&core.id));
    }
}
