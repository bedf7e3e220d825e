//! The changelog: what stands under *Unreleased* becomes a version's.

use anyhow::{Context as _, bail};
use jiff::civil::Date;
use semver::Version;

const UNRELEASED: &str = "## [Unreleased]";

/// The changelog with a heading for this version, and *Unreleased* empty above it.
pub(super) fn with_version(text: &str, next: &Version, date: Date) -> anyhow::Result<String> {
    if text.lines().any(|line| line.starts_with(&format!("## [{next}]"))) {
        bail!("the changelog has a section for {next} already");
    }
    let start = heading(text).with_context(|| format!("the changelog has no `{UNRELEASED}`"))?;
    let (before, after) = text.split_at(start + UNRELEASED.len());
    let end = after.find("\n## ").unwrap_or(after.len());
    let says_something = |line: &str| !line.trim().is_empty() && !line.starts_with('#');
    if !after[..end].lines().any(says_something) {
        bail!("the changelog says nothing under `{UNRELEASED}`");
    }
    Ok(format!("{before}\n\n## [{next}] - {date}{after}"))
}

/// Where the heading begins that is a line of its own.
fn heading(text: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == UNRELEASED {
            return Some(at);
        }
        at += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: Version = Version::new(0, 2, 0);
    const DATE: Date = jiff::civil::date(2026, 3, 1);

    #[test]
    fn what_is_unreleased_becomes_the_versions() {
        let text = "# Changelog\n\nSee ## [Unreleased].\n\n## [Unreleased]\n\n### Added\n\n- One.\n\n\
                    ## [0.1.0] - 2025-12-31\n\n- Zero.\n";
        let expected = text.replace(
            "\n## [Unreleased]\n\n### Added",
            "\n## [Unreleased]\n\n## [0.2.0] - 2026-03-01\n\n### Added",
        );
        assert_eq!(with_version(text, &NEXT, DATE).unwrap(), expected);
    }

    #[test]
    fn nothing_to_tell_or_told_already_is_an_error() {
        let error = |text| with_version(text, &NEXT, DATE).unwrap_err().to_string();
        assert!(error("# Changelog\n").contains("no `## [Unreleased]`"));
        let empty = "## [Unreleased]\n\n### Added\n\n## [0.1.0] - 2025-12-31\n- Zero.\n";
        assert!(error(empty).contains("says nothing"));
        assert!(error("## [Unreleased]\n- One.\n## [0.2.0] - 2026-01-01\n").contains("already"));
    }
}
