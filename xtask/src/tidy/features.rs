//! A storage's feature brings its own driver, and no other's.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::assert_none;
use crate::workspace::Workspace;

/// Drivers, each with what it is known by among the crates that are built.
const DRIVERS: [&str; 6] = ["moka", "rusqlite", "redis", "sqlx-postgres", "sqlx-mysql", "mongodb"];

/// The features of the facade that bring storages, and the drivers that these need.
const STORAGES: [(&str, &[&str]); 7] = [
    ("memory", &["moka"]),
    ("sqlite", &["rusqlite"]),
    ("redis", &["redis"]),
    ("postgres", &["sqlx-postgres"]),
    ("mysql", &["sqlx-mysql"]),
    // Its driver's resolver of names keeps them in moka.
    ("mongodb", &["mongodb", "moka"]),
    // Its index is a database file.
    ("filesystem", &["rusqlite"]),
];

/// Formats of files, each with what it is known by among the crates that are built.
const FORMATS: [&str; 4] = ["csv", "arrow-array", "parquet", "rust_decimal"];

/// The features of `cache-series` that bring formats, and the crates that these need.
const TRANSFERS: [(&str, &[&str]); 5] = [
    ("", &[]),
    ("csv", &["csv"]),
    ("decimal", &["rust_decimal"]),
    ("arrow", &["arrow-array"]),
    ("parquet", &["arrow-array", "parquet"]),
];

/// The crates that a program with these features of the facade is built of.
fn crates(workspace: &Workspace, features: &str) -> BTreeSet<String> {
    crates_of(workspace, "tiers", features)
}

fn crates_of(workspace: &Workspace, package: &str, features: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(workspace.root())
        .args(["tree", "--offline", "--package", package, "--no-default-features"])
        .args(["--features", features, "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    tree.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// The features that the facade has today.
fn features(workspace: &Workspace) -> BTreeMap<String, Vec<String>> {
    let facade = workspace.packages().find(|package| *package.name == "tiers").unwrap();
    facade.features.clone().into_iter().collect()
}

#[test]
fn a_feature_alone_brings_its_own_driver_alone() {
    let workspace = Workspace::load().unwrap();
    let features = features(&workspace);
    let mut offences = Vec::new();
    for (feature, own) in STORAGES {
        if !features.contains_key(feature) {
            continue;
        }
        let crates = crates(&workspace, feature);
        for driver in DRIVERS {
            if crates.contains(driver) != own.contains(&driver) {
                let is = if crates.contains(driver) { "brings" } else { "does not bring" };
                offences.push(format!("`{feature}` {is} {driver}"));
            }
        }
    }
    assert_none("A storage's feature brings its own driver, and no other's", &offences);
}

#[test]
fn without_features_no_driver_is_built() {
    let crates = crates(&Workspace::load().unwrap(), "");
    let drivers = DRIVERS.into_iter().filter(|driver| crates.contains(*driver));
    let drivers: Vec<_> = drivers.map(str::to_owned).collect();
    assert!(crates.contains("cache-core"), "{crates:?}");
    assert_none("Drivers come with features", &drivers);
}

#[test]
fn a_format_brings_its_own_crates_alone() {
    let workspace = Workspace::load().unwrap();
    let mut offences = Vec::new();
    for (feature, own) in TRANSFERS {
        let crates = crates_of(&workspace, "cache-series", feature);
        for format in FORMATS {
            if crates.contains(format) != own.contains(&format) {
                let is = if crates.contains(format) { "brings" } else { "does not bring" };
                offences.push(format!("`{feature}` {is} {format}"));
            }
        }
    }
    assert_none("A format's feature brings its own crates, and no other's", &offences);
}

#[test]
fn every_storage_behind_a_feature_is_looked_at() {
    let workspace = Workspace::load().unwrap();
    let storages = workspace.storages();
    let bring_storages = features(&workspace).into_iter().filter_map(|(feature, brings)| {
        let brings_one = brings.iter().any(|name| {
            let storage = name.strip_prefix("dep:cache-").unwrap_or_default();
            storages.iter().any(|known| known == storage)
        });
        brings_one.then_some(feature)
    });
    let unknown = bring_storages.filter(|name| STORAGES.iter().all(|(known, _)| known != name));
    assert_none("Every storage's driver is named here", &unknown.collect::<Vec<_>>());
}
