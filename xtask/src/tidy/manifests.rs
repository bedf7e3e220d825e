//! What every `Cargo.toml` inherits, and which crate may use which.

use std::fs;
use std::path::Path;

use cargo_metadata::{DependencyKind, Package};
use toml::{Table, Value};

use super::assert_none;
use crate::workspace::Workspace;

/// What every crate takes from the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "authors"];
/// What every published crate takes from it besides.
const INHERITED_IF_PUBLISHED: [&str; 3] = ["readme", "keywords", "categories"];

/// The drivers, which storages are there to keep from the core.
const DRIVERS: [&str; 6] = ["moka", "rusqlite", "sqlx", "redis", "mongodb", "reqwest"];

fn manifest(package: &Package) -> Table {
    fs::read_to_string(&package.manifest_path).unwrap().parse().unwrap()
}

fn inherits(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(Value::as_bool) == Some(true)
}

/// What a manifest says itself although it should inherit it.
fn own_words(manifest: &Table, published: bool) -> Vec<String> {
    let mut own = Vec::new();
    let package = manifest.get("package").and_then(Value::as_table).cloned().unwrap_or_default();
    let more: &[&str] = if published { &INHERITED_IF_PUBLISHED } else { &[] };
    for field in INHERITED.iter().chain(more) {
        if !inherits(package.get(*field)) {
            own.push(format!("package.{field}"));
        }
    }
    if !inherits(manifest.get("lints")) {
        own.push("lints".to_owned());
    }
    let targets = manifest.get("target").and_then(Value::as_table).cloned().unwrap_or_default();
    let tables = targets.values().filter_map(Value::as_table).chain([manifest]);
    for table in tables {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let dependencies = table.get(kind).and_then(Value::as_table);
            for (name, value) in dependencies.into_iter().flatten() {
                if !inherits(Some(value)) {
                    own.push(format!("{kind}.{name}"));
                }
            }
        }
    }
    own
}

/// Where a crate stands: crates use what stands below them, and storages know no other storage
/// but what they share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    /// Servers and venues for tests, which know nothing of caches.
    Servers,
    /// Traces to test with, which know nothing of caches either.
    Traces,
    Macros,
    Core,
    /// What the SQL storages share.
    SharedBySql,
    /// What the connectors share, which knows nothing of caches.
    SharedByConnectors,
    Storage,
    /// A storage that keeps its index in another one.
    Indexed,
    Series,
    Connector,
    Facade,
    /// What is made of tiers and connectors for one field.
    Service,
    Face,
    /// Programs of their own, as users write them, with the servers that they are shown on.
    Example,
    Workshop,
}

fn layer(folder: &str) -> Option<Layer> {
    Some(match folder {
        "crates/servers" | "crates/connectors/local-venue" => Layer::Servers,
        "benches/traces" => Layer::Traces,
        "crates/macros" => Layer::Macros,
        "crates/core" => Layer::Core,
        "crates/storages/sql" => Layer::SharedBySql,
        "crates/connectors/http" => Layer::SharedByConnectors,
        "crates/storages/filesystem" => Layer::Indexed,
        "crates/series" => Layer::Series,
        "crates/tiers" => Layer::Facade,
        "crates/stocks" => Layer::Service,
        "crates/cli" => Layer::Face,
        "xtask" | "benches" | "interleavings" | "consistency" => Layer::Workshop,
        _ if folder.starts_with("crates/storages/") => Layer::Storage,
        _ if folder.starts_with("crates/connectors/") => Layer::Connector,
        _ if folder.starts_with("crates/bindings/") => Layer::Face,
        _ if folder.starts_with("examples/") => Layer::Example,
        _ => return None,
    })
}

fn may_use(user: Layer, used: Layer) -> bool {
    match user {
        Layer::Servers | Layer::Traces | Layer::Macros | Layer::Core => false,
        Layer::SharedByConnectors => false,
        // Storages and the range cache stand side by side on the core.
        Layer::SharedBySql | Layer::Series => used == Layer::Core,
        Layer::Storage => matches!(used, Layer::Core | Layer::SharedBySql),
        Layer::Indexed => matches!(used, Layer::Core | Layer::Storage),
        Layer::Connector => {
            matches!(used, Layer::Core | Layer::Series | Layer::SharedByConnectors)
        }
        Layer::Facade | Layer::Service | Layer::Face => {
            used < user && !matches!(used, Layer::Servers | Layer::Traces)
        }
        Layer::Example => used < Layer::Face && used != Layer::Traces,
        Layer::Workshop => true,
    }
}

/// What a test may use besides: the macros are tried on the core that their code is for, and on a
/// storage beneath it, and histories are kept in a storage that outlives its process.
fn may_use_in_tests(user: Layer, used: Layer) -> bool {
    may_use(user, used)
        || (user == Layer::Macros && matches!(used, Layer::Core | Layer::Storage | Layer::Facade))
        || (used == Layer::Macros && user != Layer::Core)
        || (user == Layer::Series && used == Layer::Storage)
        || (matches!(used, Layer::Servers | Layer::Traces) && user >= Layer::SharedBySql)
}

fn folder_of<'path>(workspace: &Workspace, manifest: &'path Path) -> &'path str {
    let folder = manifest.parent().unwrap().strip_prefix(workspace.root()).unwrap();
    folder.to_str().unwrap()
}

#[test]
fn every_crate_inherits_from_the_workspace() {
    let workspace = Workspace::load().unwrap();
    let mut offences = Vec::new();
    for package in workspace.packages() {
        let published = package.publish.as_ref().is_none_or(|registries| !registries.is_empty());
        for words in own_words(&manifest(package), published) {
            offences.push(format!("{}: {words}", package.name));
        }
        let description = package.description.as_deref().unwrap_or_default();
        if description.len() < 20 {
            offences.push(format!("{}: package.description says nothing", package.name));
        }
    }
    assert_none("Versions, lints and dependencies stand in the workspace's Cargo.toml", &offences);
}

#[test]
fn crates_use_only_what_stands_below_them() {
    let workspace = Workspace::load().unwrap();
    let mut offences = Vec::new();
    for package in workspace.packages() {
        let folder = folder_of(&workspace, package.manifest_path.as_std_path());
        let Some(user) = layer(folder) else {
            offences.push(format!("{folder} has no place among the crates"));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(path) = &dependency.path else { continue };
            let used =
                layer(path.as_std_path().strip_prefix(workspace.root()).unwrap().to_str().unwrap());
            let allowed = match dependency.kind {
                DependencyKind::Development => may_use_in_tests,
                _ => may_use,
            };
            if !used.is_some_and(|used| allowed(user, used)) {
                offences.push(format!("{} uses {}", package.name, dependency.name));
            }
        }
    }
    assert_none("Dependencies point down only", &offences);
}

#[test]
fn the_core_knows_no_driver() {
    let workspace = Workspace::load().unwrap();
    let core = workspace.packages().find(|package| *package.name == "cache-core").unwrap();
    let names = core.dependencies.iter().map(|dependency| dependency.name.as_str());
    let drivers: Vec<_> = names.filter(|name| DRIVERS.contains(name)).map(str::to_owned).collect();
    assert_none("Drivers belong to storages", &drivers);
}

#[test]
fn every_place_among_the_crates_looks_down() {
    assert!(may_use(Layer::Storage, Layer::Core));
    assert!(may_use(Layer::Facade, Layer::Storage) && may_use(Layer::Face, Layer::Facade));
    assert!(!may_use(Layer::Core, Layer::Storage) && !may_use(Layer::Storage, Layer::Facade));
    assert!(!may_use(Layer::Storage, Layer::Storage) && !may_use(Layer::Face, Layer::Face));
    assert!(may_use(Layer::Indexed, Layer::Storage) && !may_use(Layer::Indexed, Layer::Indexed));
    assert!(!may_use(Layer::Series, Layer::Storage) && !may_use(Layer::Facade, Layer::Workshop));
    assert!(may_use(Layer::Example, Layer::Servers) && !may_use(Layer::Face, Layer::Servers));
    assert!(may_use(Layer::Service, Layer::Facade) && may_use(Layer::Service, Layer::Connector));
    assert!(!may_use(Layer::Facade, Layer::Service) && may_use(Layer::Example, Layer::Service));
    assert!(may_use(Layer::Connector, Layer::Series) && !may_use(Layer::Series, Layer::Connector));
    assert!(may_use(Layer::Connector, Layer::SharedByConnectors));
    assert!(!may_use(Layer::Storage, Layer::SharedByConnectors));
    assert!(!may_use(Layer::SharedByConnectors, Layer::Core));
    assert!(may_use_in_tests(Layer::Macros, Layer::Core));
    assert!(may_use_in_tests(Layer::Connector, Layer::Servers));
    assert!(may_use_in_tests(Layer::Series, Layer::Storage));
    assert!(!may_use_in_tests(Layer::Core, Layer::Storage));
}

#[test]
fn what_a_manifest_says_itself_is_found() {
    let whole = INHERITED.map(|field| format!("{field}.workspace = true\n")).concat();
    let sound = format!(
        "[package]\n{whole}[lints]\nworkspace = true\n[dependencies]\na.workspace = true\n\
         [dev-dependencies]\nb = {{ workspace = true, features = [\"x\"] }}\n"
    );
    let words = |text: &str, published| own_words(&text.parse().unwrap(), published);
    assert_eq!(words(&sound, false), Vec::<String>::new());
    assert_eq!(words(&sound, true), ["package.readme", "package.keywords", "package.categories"]);
    let own = format!("[package]\n{whole}[target.'cfg(unix)'.dependencies]\na = \"1\"\n");
    assert_eq!(words(&own, false), ["lints", "dependencies.a"]);
    let own = format!("{sound}[build-dependencies]\nc = {{ version = \"1\" }}\n");
    assert_eq!(words(&own, false), ["build-dependencies.c"]);
    let own = sound.replace("edition.workspace = true", "edition = \"2024\"");
    assert_eq!(words(&own, false), ["package.edition"]);
}
