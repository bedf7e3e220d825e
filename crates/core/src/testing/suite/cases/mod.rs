//! The cases, by theme.

mod atomics;
mod cancellation;
mod concurrency;
mod conditional;
mod events;
mod evict;
mod expiry;
mod fence;
mod fence_tags;
mod invalidate;
mod lifecycle;
mod limits;
mod locks;
mod maintain;
mod pattern;
mod read;
mod reopen;
mod scan;
mod touch;
mod update;
mod write;

use super::case::Case;

/// All cases, cheap ones first.
pub fn cases() -> Vec<Case> {
    let themes = [
        read::cases(),
        write::cases(),
        expiry::cases(),
        touch::cases(),
        conditional::cases(),
        fence::cases(),
        fence_tags::cases(),
        update::cases(),
        invalidate::cases(),
        pattern::cases(),
        scan::cases(),
        limits::cases(),
        evict::cases(),
        maintain::cases(),
        lifecycle::cases(),
        atomics::cases(),
        locks::cases(),
        reopen::cases(),
        events::cases(),
        cancellation::cases(),
        concurrency::cases(),
    ];
    themes.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        let mut names: Vec<_> = cases().iter().map(Case::name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
