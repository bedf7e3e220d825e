//! The examples, run as a user would and read from what they print.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The example's program, built with these tests.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("this program has a path");
    let target = tests.parent().and_then(Path::parent).expect("target/<profile>/deps");
    target.join("examples").join(name)
}

fn quickstart(arguments: &[&str]) -> Vec<Value> {
    let output = Command::new(program("quickstart"))
        .arg("--json")
        .args(arguments)
        .output()
        .expect("the example is built with the tests");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("text");
    printed.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

fn counts(pass: &Value) -> [u64; 4] {
    ["memory", "sqlite", "source", "errors"]
        .map(|name| pass[name].as_u64().unwrap_or_else(|| panic!("`{name}` is a number")))
}

#[test]
fn the_quickstart_answers_from_the_source_then_memory_then_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = folder.path().join("files");
    std::fs::create_dir_all(files.join("below/.git")).expect("a folder");
    std::fs::create_dir_all(files.join("target")).expect("a folder");
    for (name, content) in [
        ("a.txt", "one two\nthree\n"),
        ("below/b c?%.txt", "four"),
        ("empty", ""),
        ("below/.git/skipped", "x"),
        ("target/skipped", "x"),
    ] {
        std::fs::write(files.join(name), content).expect("a file");
    }
    std::os::unix::fs::symlink(files.join("a.txt"), files.join("link")).expect("a link");
    let database = folder.path().join("kept ?#%.db");
    let arguments = [files.to_str().expect("text"), "--database", database.to_str().expect("text")];

    let passes = quickstart(&arguments);
    assert_eq!(passes.len(), 3);
    assert_eq!(
        passes.iter().map(counts).collect::<Vec<_>>(),
        [[0, 0, 3, 0], [3, 0, 0, 0], [0, 3, 0, 0]]
    );
    for (number, pass) in passes.iter().enumerate() {
        assert_eq!(pass["pass"], number + 1);
        let (p50, p99) = (pass["p50_us"].as_f64(), pass["p99_us"].as_f64());
        assert!(p50 > Some(0.0) && p99 >= p50, "{pass}");
    }
    assert!(database.exists());

    // A later run finds what this one left; a changed file is computed again.
    std::fs::write(files.join("a.txt"), "changed").expect("a file");
    let passes = quickstart(&arguments);
    assert_eq!(
        passes.iter().map(counts).collect::<Vec<_>>(),
        [[0, 2, 1, 0], [3, 0, 0, 0], [0, 3, 0, 0]]
    );
}

#[test]
fn the_quickstart_prints_a_table_and_says_where_its_database_lies() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("a.txt"), "one two\nthree\n").expect("a file");
    let output = Command::new(program("quickstart"))
        .arg(folder.path())
        .output()
        .expect("the example is built with the tests");
    let printed = String::from_utf8(output.stdout).expect("text");
    for expected in
        ["1 files under", "database: ", "cold", "warm", "reopened", "2 lines, 3 words, 14 bytes"]
    {
        assert!(printed.contains(expected), "{expected} is missing in:\n{printed}");
    }
}

/// Two files beside memory, each named by its scheme; the first one answers after a restart.
#[test]
fn the_quickstart_reads_through_any_chain_of_tiers() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = folder.path().join("files");
    std::fs::create_dir(&files).expect("a folder");
    std::fs::write(files.join("a.txt"), "one two\nthree\n").expect("a file");
    let url = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
    let (near, far) = (url("near.db"), url("far.db"));
    let arguments =
        [files.to_str().expect("text"), "--tier", "memory", "--tier", &near, "--tier", &far];
    // Each run has a prefix of its own, so that the second finds nothing of the first.
    for _ in 0..2 {
        let passes = quickstart(&arguments);
        let counts = |pass: &Value| {
            ["memory", "sqlite", "sqlite_2", "source", "errors"]
                .map(|name| pass[name].as_u64().unwrap_or_else(|| panic!("`{name}` is a number")))
        };
        assert_eq!(
            passes.iter().map(counts).collect::<Vec<_>>(),
            [[0, 0, 0, 1, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0]]
        );
    }
}
