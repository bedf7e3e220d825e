//! A release of a small workspace, with git and cargo as they are.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::*;

const CRATE: &str = "version.workspace = true\nedition = \"2024\"\n";
const TOLD: &str = "description = \"A crate.\"\nlicense = \"MIT\"\nreadme = \"../README.md\"\n";

/// A repository with a crate that uses another one, which has a folder behind a link, and a
/// private one.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"upper\", \"lower\", \"private\"]\n\n\
             [workspace.package]\nversion = \"0.1.0\" # all\n\n[workspace.dependencies]\n\
             release-test-lower = { path = \"lower\", version = \"0.1.0\" }\n",
        );
        let uses = "[dependencies]\nrelease-test-lower.workspace = true\n";
        let head = |name: &str| format!("[package]\nname = \"release-test-{name}\"\n{CRATE}");
        repository.write("lower/Cargo.toml", &format!("{}{TOLD}", head("lower")));
        repository.write(
            "lower/src/lib.rs",
            "pub const SCHEMA: &str = include_str!(\"../schema/v1.sql\");\n",
        );
        repository.write("upper/Cargo.toml", &format!("{}{TOLD}{uses}", head("upper")));
        repository.write("upper/src/lib.rs", "pub use release_test_lower::SCHEMA;\n");
        repository.write("private/Cargo.toml", &format!("{}publish = false\n", head("private")));
        repository.write("private/src/lib.rs", "");
        repository.write("scripts/v1.sql", "SELECT 1;\n");
        repository.write("README.md", "# Crates\n");
        repository.write("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n- One.\n");
        repository.write(".gitignore", "/target\n");
        std::os::unix::fs::symlink("../scripts", repository.root().join("lower/schema")).unwrap();
        command::run(
            cargo().current_dir(repository.root()).args(["generate-lockfile", "--offline"]),
        )
        .unwrap();
        repository.git(&["init", "--quiet"]);
        repository.git(&["config", "user.name", "Nobody"]);
        repository.git(&["config", "user.email", "nobody@example.invalid"]);
        repository.git(&["config", "commit.gpgsign", "false"]);
        repository.git(&["config", "tag.gpgsign", "false"]);
        repository.commit();
        repository
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root().join(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn git(&self, words: &[&str]) -> String {
        let output = Command::new("git").current_dir(self.root()).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "Change"]);
    }

    fn release(&self, next: &str, dry_run: bool) -> Result<(), String> {
        let workspace = Workspace::load_from(&self.root().join("Cargo.toml")).unwrap();
        let date = Some(jiff::civil::date(2026, 3, 1));
        let options = Options { next: next.parse()?, publish: false, dry_run, offline: true, date };
        run(&workspace, &options).map_err(|error| format!("{error:#}"))
    }

    /// Fails with what is wrong, and leaves everything as it was.
    fn refused(&self, next: &str) -> String {
        let head = self.git(&["rev-parse", "HEAD"]);
        let status = self.git(&["status", "--porcelain"]);
        let error = self.release(next, false).unwrap_err();
        assert_eq!(self.git(&["rev-parse", "HEAD"]), head);
        assert_eq!(self.git(&["status", "--porcelain"]), status);
        assert_eq!(self.git(&["tag", "--list"]), "");
        error
    }
}

#[test]
fn a_release_is_a_commit_with_a_tag_and_a_dry_run_leaves_nothing() {
    let repository = Repository::new();
    let head = repository.git(&["rev-parse", "HEAD"]);
    repository.release("minor", true).unwrap();
    assert_eq!(repository.git(&["rev-parse", "HEAD"]), head);
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
    assert_eq!(repository.git(&["tag", "--list"]), "");

    repository.release("minor", false).unwrap();
    assert_eq!(repository.git(&["status", "--porcelain"]), "");
    assert_eq!(repository.git(&["log", "-1", "--format=%s"]), "Release 0.2.0");
    assert_eq!(repository.git(&["describe", "--exact-match", "HEAD"]), "v0.2.0");
    let changed = repository.git(&["diff", "--name-only", "HEAD~1"]);
    assert_eq!(changed, "CHANGELOG.md\nCargo.lock\nCargo.toml");
    let manifest = repository.read("Cargo.toml");
    assert!(manifest.contains("version = \"0.2.0\" # all"), "{manifest}");
    assert!(manifest.contains("path = \"lower\", version = \"0.2.0\""), "{manifest}");
    assert_eq!(repository.read("Cargo.lock").matches("version = \"0.2.0\"").count(), 3);
    let changelog = repository.read("CHANGELOG.md");
    assert_eq!(changelog, "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-03-01\n\n- One.\n");

    let again = repository.release("minor", false).unwrap_err();
    assert!(again.contains("says nothing"), "{again}");
}

#[test]
fn what_is_not_fit_to_be_published_is_refused() {
    let repository = Repository::new();
    repository.write("new.txt", "");
    let error = repository.refused("patch");
    assert!(error.contains("not clean") && error.contains("new.txt"), "{error}");
    fs::remove_file(repository.root().join("new.txt")).unwrap();

    let lower = repository.read("lower/Cargo.toml");
    repository.write("lower/Cargo.toml", &lower.replace(TOLD, "exclude = [\"schema/v1.sql\"]\n"));
    repository.commit();
    let error = repository.refused("patch");
    for fault in [
        "release-test-lower has no description",
        "release-test-lower has no license",
        "release-test-lower leaves out schema/v1.sql",
    ] {
        assert!(error.contains(fault), "{error}");
    }

    // It builds in the workspace, not from its package.
    repository.write("lower/Cargo.toml", &lower);
    repository
        .write("lower/src/lib.rs", "pub const SCHEMA: &str = include_str!(\"../../README.md\");\n");
    repository
        .write("upper/src/lib.rs", "const _: &str = include_str!(\"../../scripts/v1.sql\");\n");
    repository.commit();
    let error = repository.refused("patch");
    assert!(error.contains("package") && error.contains("failed"), "{error}");

    let upper = repository.read("upper/Cargo.toml");
    let private = "release-test-private = { path = \"../private\", version = \"0.1.0\" }\n";
    repository.write("upper/Cargo.toml", &format!("{upper}{private}"));
    command::run(cargo().current_dir(repository.root()).args([
        "update",
        "--workspace",
        "--offline",
    ]))
    .unwrap();
    repository.commit();
    let error = repository.refused("0.1.0");
    assert!(error.contains("uses release-test-private, which is not published"), "{error}");
}

#[test]
fn crates_come_after_those_that_they_use() {
    let repository = Repository::new();
    let workspace = Workspace::load_from(&repository.root().join("Cargo.toml")).unwrap();
    let packages = package::publishable(&workspace).unwrap();
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["release-test-lower", "release-test-upper"]);
}

#[test]
fn the_crates_of_this_workspace_are_fit_to_be_published() {
    let workspace = Workspace::load().unwrap();
    let packages = package::publishable(&workspace).unwrap();
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let place = |name: &str| names.iter().position(|one| *one == name).unwrap();
    assert!(place("cache-core") < place("cache-sqlite") && place("cache-sqlite") < place("tiers"));
    package::check(&workspace, &packages).unwrap();
}
