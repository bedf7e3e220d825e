//! The groups that are measured beside other caches.

/// The manifest of their workspace, from the root.
pub(crate) const MANIFEST: &str = "benches/peers/Cargo.toml";

/// All of them, on the command line.
const ALL: &str = "peers";

/// Known here, so that nothing of the peers is built for the other groups.
const GROUPS: [&str; 4] = ["memory-hit-ahead", "memory-engine", "zipf", "throughput"];

/// Their names, in the order in which they run.
pub(crate) fn groups() -> Vec<String> {
    GROUPS.map(str::to_owned).to_vec()
}

/// Whether a group is one of them.
pub(super) fn has(group: &str) -> bool {
    GROUPS.contains(&group)
}

/// The groups that are meant by those asked for: `peers` are all of these, and `memory` brings with
/// it what is measured of memory beside peers.
pub(super) fn meant(asked: &[String]) -> Vec<String> {
    let mut groups = Vec::new();
    for name in asked {
        if name != ALL {
            groups.push(name.clone());
        }
        let begins = |group: &str| {
            group.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('-'))
        };
        let brought = GROUPS.iter().filter(|group| name == ALL || begins(group));
        groups.extend(brought.map(|group| (*group).to_owned()));
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant_by(asked: &[&str]) -> Vec<String> {
        meant(&asked.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn memory_brings_its_peers() {
        assert_eq!(
            meant_by(&["memory", "sqlite"]),
            ["memory", "memory-hit-ahead", "memory-engine", "sqlite"]
        );
        assert_eq!(meant_by(&["sqlite", "disk"]), ["sqlite", "disk"]);
        assert_eq!(meant_by(&["mem"]), ["mem"]);
        assert!(meant_by(&[]).is_empty());
    }

    #[test]
    fn peers_are_all_of_them() {
        assert_eq!(meant_by(&["peers"]), groups());
        assert!(has("zipf") && !has("memory"));
    }
}
