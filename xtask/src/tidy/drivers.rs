//! Which driver a feature of the facade brings.

use std::collections::BTreeSet;
use std::process::Command;

use super::assert_none;
use crate::workspace::Workspace;

/// The drivers, by the names of their crates and of those that they are parts of.
const DRIVERS: [&str; 8] = [
    "moka",
    "rusqlite",
    "sqlx-postgres",
    "sqlx-mysql",
    "sqlx-sqlite",
    "redis",
    "mongodb",
    "reqwest",
];

/// What each feature of a storage brings.
const OF_FEATURES: [(&str, &str); 7] = [
    ("memory", "moka"),
    ("sqlite", "rusqlite"),
    ("postgres", "sqlx-postgres"),
    ("mysql", "sqlx-mysql"),
    ("redis", "redis"),
    ("mongodb", "mongodb"),
    // An index of the files.
    ("filesystem", "rusqlite"),
];

/// The drivers below the facade, with these features alone.
fn drivers_of(workspace: &Workspace, features: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(workspace.root())
        .args(["tree", "--offline", "--package", "tiers", "--no-default-features"])
        .args(["--features", features, "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{lib}"])
        .output()
        .unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree with {features}: {problem}");
    let tree = String::from_utf8(output.stdout).unwrap();
    let names = tree.lines().map(|line| line.replace('_', "-"));
    names.filter(|name| DRIVERS.contains(&name.as_str())).collect()
}

#[test]
fn a_feature_brings_its_own_driver_alone() {
    let workspace = Workspace::load().unwrap();
    let facade = workspace.packages().find(|package| *package.name == "tiers").unwrap();
    let mut offences = Vec::new();
    let storages = facade.features.iter().filter(|(_, brings)| {
        brings.iter().any(|other| other.starts_with("dep:cache-") && other != "dep:cache-macros")
    });
    for (feature, _) in storages {
        let Some((_, driver)) = OF_FEATURES.iter().find(|(name, _)| name == feature) else {
            offences.push(format!("it is not said which driver `{feature}` brings"));
            continue;
        };
        let found = drivers_of(&workspace, feature);
        if found != BTreeSet::from([(*driver).to_owned()]) {
            offences.push(format!("`{feature}` brings {found:?}"));
        }
    }
    assert_none("A feature of a storage brings its own driver and no other", &offences);
    assert_eq!(drivers_of(&workspace, ""), BTreeSet::new(), "without a storage");
}
