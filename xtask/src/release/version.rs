//! The version of the next release.

use std::str::FromStr;

use anyhow::bail;
use semver::{BuildMetadata, Prerelease, Version};

/// What is asked for: a version, or which part of the present one is raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Exact(Version),
    Major,
    Minor,
    Patch,
}

impl FromStr for Next {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "major" => Self::Major,
            "minor" => Self::Minor,
            "patch" => Self::Patch,
            _ => Self::Exact(Version::parse(text).map_err(|error| {
                format!("neither a version nor `major`, `minor` or `patch`: {error}")
            })?),
        })
    }
}

impl Next {
    /// The version after `present`, which may be released itself if it never was.
    pub(super) fn after(&self, present: &Version, is_released: bool) -> anyhow::Result<Version> {
        let Version { major, minor, patch, .. } = *present;
        // The patch of 1.2.3-beta.1 is 1.2.3: what the pre-release was one of.
        let is_whole = present.pre.is_empty();
        let next = match self {
            Self::Exact(next) => next.clone(),
            Self::Major if !is_whole && minor == 0 && patch == 0 => Version::new(major, 0, 0),
            Self::Major => Version::new(major + 1, 0, 0),
            Self::Minor if !is_whole && patch == 0 => Version::new(major, minor, 0),
            Self::Minor => Version::new(major, minor + 1, 0),
            Self::Patch if !is_whole => Version::new(major, minor, patch),
            Self::Patch => Version::new(major, minor, patch + 1),
        };
        if next.build != BuildMetadata::EMPTY {
            bail!("{next}: a released version has no build metadata");
        }
        let comes_after = next > *present || (next == *present && !is_released);
        if !comes_after {
            bail!("{next} does not come after {present}");
        }
        Ok(next)
    }
}

/// What others of the workspace ask for: this version and compatible ones.
pub(super) fn requirement(present: &str, next: &Version) -> String {
    let operator = present.trim_start().starts_with('=');
    if operator { format!("={next}") } else { next.to_string() }
}

/// Whether it is meant for everyone.
pub(super) fn is_stable(version: &Version) -> bool {
    version.pre == Prerelease::EMPTY
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(asked: &str, present: &str, is_released: bool) -> Result<String, String> {
        let next: Next = asked.parse()?;
        let next = next.after(&Version::parse(present).unwrap(), is_released);
        next.map(|next| next.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_part_is_raised_and_those_after_it_begin_anew() {
        assert_eq!(after("major", "1.2.3", true).unwrap(), "2.0.0");
        assert_eq!(after("minor", "1.2.3", true).unwrap(), "1.3.0");
        assert_eq!(after("patch", "1.2.3", true).unwrap(), "1.2.4");
        assert_eq!(after("1.10.0-rc.1", "1.2.3", true).unwrap(), "1.10.0-rc.1");
    }

    #[test]
    fn a_pre_release_becomes_what_it_was_one_of() {
        assert_eq!(after("patch", "1.2.3-rc.1", true).unwrap(), "1.2.3");
        assert_eq!(after("minor", "1.2.0-rc.1", true).unwrap(), "1.2.0");
        assert_eq!(after("minor", "1.2.3-rc.1", true).unwrap(), "1.3.0");
        assert_eq!(after("major", "2.0.0-rc.1", true).unwrap(), "2.0.0");
        assert_eq!(after("1.2.3-rc.2", "1.2.3-rc.1", true).unwrap(), "1.2.3-rc.2");
    }

    #[test]
    fn versions_only_rise_and_the_first_may_stay() {
        assert_eq!(after("0.1.0", "0.1.0", false).unwrap(), "0.1.0");
        assert!(after("0.1.0", "0.1.0", true).unwrap_err().contains("does not come after 0.1.0"));
        assert!(after("0.0.9", "0.1.0", false).unwrap_err().contains("does not come after"));
        assert!(after("0.2.0+x", "0.1.0", true).unwrap_err().contains("no build metadata"));
        assert!(after("next", "0.1.0", true).unwrap_err().contains("neither a version"));
    }

    #[test]
    fn an_exact_requirement_stays_exact() {
        let next = Version::new(0, 2, 0);
        assert_eq!(requirement("0.1.0", &next), "0.2.0");
        assert_eq!(requirement("=0.1.0", &next), "=0.2.0");
    }
}
