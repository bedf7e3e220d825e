//! Understanding what `cargo test` and the test programs print, line by line.
//!
//! Cargo announces each program (`Running tests/suite.rs (target/debug/deps/suite-1a2b)`, or
//! `Doc-tests name`), and what follows is that program's: `test NAME ... ok` lines and closing
//! `test result:` lines, as printed by Rust's own harness and by `libtest-mimic`.

use super::Totals;

/// What one program printed.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// The program's path, or `documentation of CRATE`.
    pub(super) name: String,
    /// All that it printed.
    pub(super) text: String,
    /// Its tests, in the order in which they ended.
    pub(super) cases: Vec<Case>,
    /// How many `test result:` lines it printed. None: it crashed or is no test program.
    pub(super) results: u32,
    counted: Totals,
    /// A test whose outcome is not yet read: something was printed between the two.
    pending: Option<String>,
}

/// One test, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) outcome: Outcome,
}

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// With the reason, if it gave one.
    Skipped(Option<String>),
}

impl Section {
    /// Whether a test failed, or the program ended without saying what came of its tests.
    pub(super) fn has_failed(&self) -> bool {
        self.results == 0 || self.counted.failed > 0
    }

    /// A program that ended without a result counts as one failure.
    pub(super) fn totals(&self) -> Totals {
        if self.results == 0 { Totals { failed: 1, ..self.counted } } else { self.counted }
    }

    fn read(&mut self, line: &str) {
        self.text.push_str(line);
        if !line.ends_with('\n') {
            self.text.push('\n');
        }
        let line = line.trim_end();
        if let Some(result) = line.strip_prefix("test result: ") {
            self.results += 1;
            self.counted.add(counts(result));
        } else if let Some((name, rest)) = test_line(line) {
            match outcome(rest) {
                Some(outcome) => self.cases.push(Case { name, outcome }),
                None => self.pending = Some(name),
            }
        } else if let Some(outcome) = outcome(line)
            && let Some(name) = self.pending.take()
        {
            self.cases.push(Case { name, outcome });
        }
    }
}

/// Cuts the stream of lines into sections.
#[derive(Debug, Default)]
pub(super) struct Reader {
    section: Option<Section>,
    /// What cargo said outside of any program.
    rest: String,
    begun: bool,
}

impl Reader {
    /// Takes the next line, with or without its end; gives the section that it closed, if it did.
    pub(super) fn line(&mut self, line: &str) -> Option<Section> {
        self.begun = false;
        if let Some(name) = announced(line) {
            self.begun = true;
            return self.section.replace(Section { name, ..Section::default() });
        }
        match &mut self.section {
            Some(section) if !is_cargos_error(line) => {
                section.read(line);
                None
            }
            _ => {
                self.rest.push_str(line);
                self.section.take()
            }
        }
    }

    /// The section that the last line began, if it did.
    pub(super) fn begun(&self) -> Option<&str> {
        self.section.as_ref().filter(|_| self.begun).map(|section| section.name.as_str())
    }

    /// The last section, and all that was printed outside of sections.
    pub(super) fn finish(self) -> (Option<Section>, String) {
        (self.section, self.rest)
    }
}

/// The program that cargo says it starts.
fn announced(line: &str) -> Option<String> {
    // Cargo sets its words flush right in 12 columns; a test that prints the same does not.
    if let Some(rest) = line.strip_prefix("     Running ") {
        let path = rest.trim_end().strip_suffix(')')?;
        return Some(path.rsplit_once(" (")?.1.to_owned());
    }
    let name = line.strip_prefix("   Doc-tests ")?;
    Some(format!("documentation of {}", name.trim_end()))
}

/// What cargo says after a program failed, and at the end.
fn is_cargos_error(line: &str) -> bool {
    line.starts_with("error: test failed, to rerun pass")
        || line.starts_with("error: doctest failed, to rerun pass")
        || (line.starts_with("error: ") && line.trim_end().ends_with(" failed:"))
}

/// The name, and what follows the dots.
fn test_line(line: &str) -> Option<(String, &str)> {
    let (name, rest) = line.strip_prefix("test ")?.rsplit_once(" ...")?;
    // libtest-mimic pads the names.
    Some((name.trim_end().to_owned(), rest.trim_start()))
}

/// Either harness' word for what came of a test.
fn outcome(text: &str) -> Option<Outcome> {
    match text {
        "ok" => return Some(Outcome::Passed),
        "FAILED" => return Some(Outcome::Failed),
        "ignored" => return Some(Outcome::Skipped(None)),
        _ => {}
    }
    // `--report-time` adds how long it took, in angle brackets.
    if text.starts_with("ok <") {
        return Some(Outcome::Passed);
    }
    let reason = text.strip_prefix("ignored")?;
    let reason = reason
        .strip_prefix(", ")
        .or_else(|| reason.strip_prefix(" (").and_then(|reason| reason.strip_suffix(')')))?;
    Some(Outcome::Skipped(Some(reason.to_owned())))
}

/// `ok. 3 passed; 0 failed; 1 ignored; 0 measured; ..`
fn counts(result: &str) -> Totals {
    let mut totals = Totals::default();
    let parts = result.split_once(". ").map_or("", |(_, parts)| parts);
    for part in parts.split("; ") {
        let Some((count, word)) = part.split_once(' ') else { continue };
        let Ok(count) = count.parse() else { continue };
        match word {
            "passed" => totals.passed = count,
            "failed" => totals.failed = count,
            "ignored" => totals.skipped = count,
            _ => {}
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Section>, String) {
        let mut reader = Reader::default();
        let mut sections: Vec<_> =
            text.split_inclusive('\n').filter_map(|line| reader.line(line)).collect();
        let (last, rest) = reader.finish();
        sections.extend(last);
        (sections, rest)
    }

    fn case(name: &str, outcome: Outcome) -> Case {
        Case { name: name.to_owned(), outcome }
    }

    const RUN: &str = "\
    Finished `test` profile [unoptimized] target(s) in 0.05s
     Running unittests src/lib.rs (target/debug/deps/cache_core-4d)

running 3 tests
test key::tests::a_key ... ok
test key::tests::slow ... ignored, takes an hour
test fence::tests::panics - should panic ... ok

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/suite.rs (target/debug/deps/suite-1a)

running 4 tests
test ttl::expires          ... ok
test tags::any             ... ignored (declares no tags (yet))
test [core] clear          ... FAILED
test [core] plain          ... ignored

failures:

---- clear ----
left over: 2

failures:
    clear

test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.10s

error: test failed, to rerun pass `-p cache-sqlite --test suite`
   Doc-tests cache_core

running 2 tests
test crates/core/src/key/text.rs - key::Key (line 12) ... ok
test crates/core/src/lib.rs - (line 3) - compile ... ok

test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.31s

all doctests ran in 0.63s; merged doctests compilation took 0.31s
error: 1 target failed:
    `-p cache-sqlite --test suite`
";

    #[test]
    fn a_run_is_cut_by_program() {
        let (sections, rest) = read(RUN);
        let names: Vec<_> = sections.iter().map(|section| section.name.as_str()).collect();
        let expected = [
            "target/debug/deps/cache_core-4d",
            "target/debug/deps/suite-1a",
            "documentation of cache_core",
        ];
        assert_eq!(names, expected);
        let totals = |passed, failed, skipped| Totals { passed, failed, skipped };
        assert_eq!(sections[0].totals(), totals(2, 0, 1));
        assert_eq!(sections[1].totals(), totals(1, 1, 2));
        assert_eq!(sections[2].totals(), totals(2, 0, 0));
        let failed: Vec<_> = sections.iter().map(Section::has_failed).collect();
        assert_eq!(failed, [false, true, false]);
        assert!(sections[1].text.contains("left over: 2"));
        assert!(rest.contains("Finished `test` profile"), "{rest}");
        assert!(rest.contains("`-p cache-sqlite --test suite`"), "{rest}");
    }

    #[test]
    fn cases_carry_their_reasons() {
        let (sections, _) = read(RUN);
        let reason = Some("declares no tags (yet)".to_owned());
        let expected = [
            case("ttl::expires", Outcome::Passed),
            case("tags::any", Outcome::Skipped(reason)),
            case("[core] clear", Outcome::Failed),
            case("[core] plain", Outcome::Skipped(None)),
        ];
        assert_eq!(sections[1].cases, expected);
        let reason = Some("takes an hour".to_owned());
        assert_eq!(sections[0].cases[1], case("key::tests::slow", Outcome::Skipped(reason)));
    }

    #[test]
    fn an_outcome_is_found_behind_what_a_test_printed() {
        let (sections, _) = read(
            "     Running tests/suite.rs (target/debug/deps/suite-1a)\n\
             test flight::panics ... \n\
             thread 'x' panicked at src/lib.rs:1:1:\n\
             as asked\n\
             ok\n\
             test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!(sections[0].cases, [case("flight::panics", Outcome::Passed)]);
    }

    #[test]
    fn a_stray_ok_is_no_outcome() {
        let (sections, _) =
            read("     Running tests/a.rs (deps/a-1)\nok\ntest one ... ok\nok\nFAILED\n");
        assert_eq!(sections[0].cases, [case("one", Outcome::Passed)]);
    }

    #[test]
    fn a_program_without_a_result_has_failed() {
        let (sections, _) = read(
            "     Running tests/a.rs (deps/a-1)\n\nrunning 2 tests\ntest one ... ok\n\
             error: test failed, to rerun pass `-p a --test a`\n\n\
             Caused by:\n  process didn't exit successfully (signal: 11)\n",
        );
        assert!(sections[0].has_failed());
        assert_eq!(sections[0].totals(), Totals { failed: 1, ..Totals::default() });
    }

    #[test]
    fn several_results_of_one_program_add_up() {
        let (sections, _) = read(
            "   Doc-tests tiers\n\
             test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\
             test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n",
        );
        assert_eq!(sections[0].totals(), Totals { passed: 5, failed: 0, skipped: 1 });
    }
}
