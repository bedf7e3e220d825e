//! The workspace's manifest with another version; all else in it stays as it is written.

use anyhow::{Context as _, bail};
use semver::Version;
use toml_edit::{DocumentMut, Item, Value};

use super::version::requirement;

/// The version that the crates inherit.
pub(super) fn version(manifest: &str) -> anyhow::Result<Version> {
    let document: DocumentMut = manifest.parse()?;
    let version = document
        .get("workspace")
        .and_then(|workspace| workspace.get("package"))
        .and_then(|package| package.get("version"))
        .and_then(Item::as_str)
        .context("the workspace's manifest has no `workspace.package.version`")?;
    Version::parse(version).with_context(|| format!("`{version}` is no version"))
}

/// The manifest with this version, for the crates and for what they ask of each other.
pub(super) fn with_version(manifest: &str, next: &Version) -> anyhow::Result<String> {
    version(manifest)?;
    let mut document: DocumentMut = manifest.parse()?;
    let workspace = &mut document["workspace"];
    set(&mut workspace["package"]["version"], next.to_string())?;
    let dependencies = workspace.get_mut("dependencies").and_then(Item::as_table_like_mut);
    let Some(dependencies) = dependencies else { return Ok(document.to_string()) };
    for (name, dependency) in dependencies.iter_mut() {
        let is_inner = dependency.get("path").is_some();
        let Some(asked) = dependency.get("version").and_then(Item::as_str) else { continue };
        if is_inner {
            let asked = requirement(asked, next);
            set(&mut dependency["version"], asked).with_context(|| name.to_string())?;
        }
    }
    Ok(document.to_string())
}

/// Replaces a text, and keeps what stands around it.
fn set(item: &mut Item, text: String) -> anyhow::Result<()> {
    let Some(value) = item.as_value_mut() else { bail!("a version is not a text") };
    let around = value.decor().clone();
    *value = Value::from(text);
    *value.decor_mut() = around;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"# A workspace.
[workspace]
members = ["a", "b"] # two

[workspace.package]
version = "0.1.0"   # of all crates
edition = "2024"

[workspace.dependencies]
a = { path = "a", version = "0.1.0", default-features = false }
b = { version = "=0.1.0", path = "b" }
inner = { path = "inner" }
serde = { version = "0.1.0", features = [
    "derive", # kept
] }
time = "0.1.0"
[workspace.dependencies.c]
path = "c"
version = "0.1.0" # in a table
"#;

    #[test]
    fn only_versions_of_the_workspace_change() {
        let changed = with_version(MANIFEST, &Version::new(0, 2, 0)).unwrap();
        let expected = MANIFEST
            .replace("version = \"0.1.0\"   # of", "version = \"0.2.0\"   # of")
            .replace("\"a\", version = \"0.1.0\"", "\"a\", version = \"0.2.0\"")
            .replace("=0.1.0", "=0.2.0")
            .replace("\"0.1.0\" # in", "\"0.2.0\" # in");
        assert_eq!(changed, expected);
        assert_eq!(version(&changed).unwrap(), Version::new(0, 2, 0));
    }

    #[test]
    fn a_manifest_without_a_version_is_an_error() {
        let error = with_version("[workspace]\n", &Version::new(0, 2, 0)).unwrap_err();
        assert!(error.to_string().contains("workspace.package.version"), "{error}");
    }
}
