//! The example as users run it: its objects are read, and its picture is looked at.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run printed, an object a line.
fn run(arguments: &[&str]) -> Vec<serde_json::Value> {
    let output = Command::new(example()).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Where Cargo has put the example that it builds along with its tests.
fn example() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let profile = own.parent().and_then(Path::parent).unwrap();
    profile.join("examples").join(format!("candles{}", std::env::consts::EXE_SUFFIX))
}

fn number(step: &serde_json::Value, name: &str) -> u64 {
    step[name].as_u64().unwrap_or_else(|| panic!("no {name} in {step}"))
}

#[test]
fn every_step_asks_for_what_is_missing_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("known.svg");
    let steps = run(&["--json", "--svg", picture.to_str().unwrap()]);
    let names: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, ["cold", "warm", "extended", "hole", "live", "restart"]);
    let of = |place: usize| {
        ["calls", "memory", "database", "exchange"].map(|name| number(&steps[place], name))
    };
    let [cold, warm, extended, hole, live, restart] = [0, 1, 2, 3, 4, 5].map(of);
    // Two days of minutes touch four pages of a thousand.
    assert_eq!((cold[0], cold[1], cold[2]), (4, 0, 0));
    assert!(cold[3] > 2_000);
    assert_eq!(warm, [0, cold[3], 0, 0]);
    // Three pages more, and the rest is here: more than was asked for came with the first four.
    assert_eq!((extended[0], extended[2]), (3, 0));
    assert!(extended[1] >= cold[3] && extended[3] > 0);
    assert_eq!((hole[0], hole[2]), (2, 0));
    assert!(hole[1] > extended[1] && hole[3] > 0);
    assert!(live[0] > 0 && live[1] > 0, "{live:?}");
    let six_days: u64 = hole[1..].iter().sum();
    assert_eq!(restart, [0, 0, six_days, 0]);

    let text = std::fs::read_to_string(picture).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let seen: BTreeSet<_> = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("span"))
        .filter_map(|node| node.parent_element()?.attribute("class"))
        .collect();
    let kinds = ["after", "before", "closed", "empty", "failed", "present", "unknown"];
    assert_eq!(seen, BTreeSet::from(kinds));
}

#[test]
fn a_recorded_history_is_asked_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recorded.csv");
    // Three days, a minute in five without a trade, two hours of the venue out of order, and a
    // page without anything.
    let mut text = String::new();
    let mut candles = 0;
    for minute in 0..4_320i64 {
        let is_out = (700..820).contains(&minute) || (1_900..3_100).contains(&minute);
        if minute % 5 != 2 && !is_out {
            let price = 100.0 + (minute % 97) as f64 / 8.0;
            let ms = 1_500_000_000_000i64 / 60_000 * 60_000 + minute * 60_000;
            text += &format!("{ms},{price},{price},{},{},1.25\n", price + 0.5, price - 0.5);
            candles += 1;
        }
    }
    std::fs::write(&file, &text).unwrap();
    let columns = "ts,open,close,high,low,volume";
    let arguments = ["--json", "--replay", file.to_str().unwrap(), "--columns", columns];
    let steps = run(&arguments);
    assert_eq!(steps.len(), 2);
    let of = |place: usize| {
        ["calls", "memory", "database", "exchange"].map(|name| number(&steps[place], name))
    };
    assert_eq!(
        (steps[0]["step"].as_str(), steps[1]["step"].as_str()),
        (Some("cold"), Some("again"))
    );
    let cold = of(0);
    // 4,320 minutes touch five pages; one of them has nothing, for which the symbol's first and last
    // candle are asked for.
    assert_eq!(cold, [5 + 2, 0, 0, candles]);
    assert_eq!(of(1), [0, 0, candles, 0]);

    // The same compressed.
    let packed = folder.path().join("recorded.csv.gz");
    let mut encoder = flate2::write::GzEncoder::new(
        std::fs::File::create(&packed).unwrap(),
        flate2::Compression::fast(),
    );
    std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
    encoder.finish().unwrap();
    let arguments = ["--json", "--replay", packed.to_str().unwrap(), "--columns", columns];
    assert_eq!(run(&arguments), steps);
}

#[test]
fn what_is_no_recording_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.csv");
    std::fs::write(&file, "a,b\n1,2\n").unwrap();
    for arguments in [
        vec!["--replay", file.to_str().unwrap()],
        vec!["--replay", "no such file"],
        vec!["--replay", file.to_str().unwrap(), "--timeframe", "7m"],
        vec!["--columns", "ts"],
    ] {
        let output = Command::new(example()).args(&arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}
