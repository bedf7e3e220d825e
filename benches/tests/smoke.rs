//! Every group runs, and prints the rows that readers look for. The figures mean nothing here.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

use std::process::Command;

use serde_json::Value;

/// The rows that a group prints at its smallest size, in order.
fn rows_of(group: &str) -> Vec<String> {
    rows_of_only(group, &[])
}

/// The same with further arguments.
fn rows_of_only(group: &str, arguments: &[&str]) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_tiers-benches");
    let output = Command::new(program)
        // It takes part in place of the other build; that says nothing then.
        .env("TIERS_BENCH_UNFENCED", program)
        .args(["--tiny", group])
        .args(arguments)
        .output()
        .expect("the benches run");
    let notes = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{group} failed:\n{notes}");
    let rows = String::from_utf8(output.stdout).expect("rows are text");
    rows.lines().map(|line| checked(line, group)).collect()
}

/// The name of a row that has its shape.
fn checked(line: &str, group: &str) -> String {
    let row: Value = serde_json::from_str(line).expect("a row is JSON");
    let fields: Vec<&String> = row.as_object().expect("a row is an object").keys().collect();
    assert_eq!(fields, ["better", "bound", "holds", "measured", "name", "unit"], "{line}");
    let number = |field: &str| row[field].as_f64().expect("a number");
    let (measured, bound) = (number("measured"), number("bound"));
    let holds = match row["better"].as_str() {
        Some("lower") => measured <= bound,
        Some("higher") => measured >= bound,
        _ => panic!("no better side: {line}"),
    };
    assert_eq!(row["holds"].as_bool(), Some(holds), "{line}");
    assert!(!row["unit"].as_str().expect("a unit").is_empty(), "{line}");
    let name = row["name"].as_str().expect("a name");
    assert!(name.starts_with(&format!("{group}_")), "{line}");
    name.to_owned()
}

/// Each row can be had without those whose name does not hold its own.
fn each_alone(group: &str, names: &[&str]) {
    for name in names {
        let wanted: Vec<_> = names.iter().copied().filter(|other| other.contains(name)).collect();
        assert_eq!(rows_of_only(group, &["--only", name]), wanted, "--only {name}");
    }
    assert!(rows_of_only(group, &["--only", "no such row"]).is_empty());
}

#[test]
fn memory() {
    let expected = [
        "memory_hit_above_engine",
        "memory_hits_1_thread",
        "memory_hits_2_threads",
        "memory_hits_4_threads",
        "memory_stale_hit_over_fresh_hit",
        "memory_waiter_above_shared_future",
        "memory_get_p99",
        "memory_set_p99",
        "memory_bytes_per_entry",
        "memory_tiers_bytes_per_entry",
        "memory_engine_bytes_per_entry",
        "memory_engine_bytes_per_entry_after_others",
    ];
    assert_eq!(rows_of("memory"), expected);
    each_alone("memory", &expected);
}

#[test]
fn sqlite() {
    let mut rows = rows_of("sqlite");
    // Only where the system can drop pages from memory, and reads them from a disk.
    rows.retain(|name| name != "sqlite_cold_get_holds_thread_p999");
    let expected = [
        "sqlite_get_one_in_flight",
        "sqlite_get_64_in_flight",
        "sqlite_get_64_in_flight_beside_sets",
        "sqlite_get_many_100",
        "sqlite_gets_1_thread",
        "sqlite_gets_2_threads",
        "sqlite_gets_4_threads",
        "sqlite_64_sets_of_rusqlite",
        "sqlite_64_sets_of_sqlx",
        "sqlite_set_many_1000",
        "sqlite_bulk_sets",
        "sqlite_get_p99",
        "sqlite_set_p99",
        "sqlite_steady_sets",
        "sqlite_steady_sets_p999",
        "sqlite_steady_wal",
        "sqlite_gets_2_processes",
        "sqlite_gets_and_sets_2_processes",
        "sqlite_disk_bytes_per_entry",
        "sqlite_day_hit_rate",
        "sqlite_day_reads_saved",
    ];
    assert_eq!(rows, expected);
    each_alone("sqlite", &expected);
}

#[test]
fn candles() {
    let expected = [
        "candles_warm_full_range",
        "candles_copy_out_over_memcpy",
        "candles_warm_read_over_hash_and_sort",
        "candles_database_read_over_rows",
        "candles_bytes_per_candle",
        "candles_coverage_look_up_of_few",
    ];
    assert_eq!(rows_of("candles"), expected);
    each_alone("candles", &expected);
}

/// Its servers are private; `cargo xtask test` installs their programs.
#[test]
fn storages() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().to_str().expect("a path of text");
    let rows = rows_of_only("storages", &["--output", output]);
    let of = |storage: &str, what: &[&str]| -> Vec<String> {
        what.iter().map(|what| format!("storages_{storage}_{what}")).collect()
    };
    let mut expected =
        of("redis", &["get", "get_many", "set_many", "concurrent_gets", "idle_memory_bytes"]);
    for storage in ["postgres", "mysql", "mongodb"] {
        expected.extend(of(storage, &["get", "get_many", "set_many", "idle_memory_bytes"]));
    }
    assert_eq!(rows, expected);
    let table = std::fs::read_to_string(folder.path().join("storages.md")).expect("a table");
    let header = table.lines().find(|line| line.starts_with('|')).expect("a header");
    assert_eq!(
        header,
        "| p50, p99 | memory | sqlite | file | redis | postgres | mysql | mongodb |"
    );
    let only = ["--only", "redis_get", "--output", output];
    assert_eq!(rows_of_only("storages", &only), expected[..2]);
}

#[test]
fn backplane() {
    let expected = ["redis", "postgres", "sqlite", "mysql", "mongodb"]
        .map(|log| format!("backplane_{log}_invalidation_p99"));
    assert_eq!(rows_of("backplane"), expected);
    each_alone("backplane", &["backplane_sqlite_invalidation_p99"]);
}

#[test]
fn fencing() {
    let expected =
        ["redis", "sqlite", "postgres"].map(|name| format!("fencing_{name}_miss_and_fill"));
    assert_eq!(rows_of("fencing"), expected);
    each_alone("fencing", &["fencing_sqlite_miss_and_fill"]);
}

/// Two builds of one kind are no comparison.
#[test]
fn fencing_is_not_compared_with_itself() {
    let program = env!("CARGO_BIN_EXE_tiers-benches");
    let output = Command::new(program)
        .env("TIERS_BENCH_UNFENCED", program)
        .args(["--quick", "fencing", "--only", "sqlite"])
        .output()
        .expect("the benches run");
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("wrong kind"), "{output:?}");
}
