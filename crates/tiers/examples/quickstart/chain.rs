//! The tiers that the example reads through, each under the name of its scheme.

use std::path::Path;

use tiers::prelude::*;
use tiers::sqlite::SqliteOptions;

use crate::AnyError;

/// A cache's tiers, the nearest first, with its prefix.
pub(crate) struct Chain {
    prefix: String,
    tiers: Vec<Tier>,
    one_run: bool,
}

struct Tier {
    name: String,
    place: Place,
}

/// Where a tier keeps its entries.
enum Place {
    Memory,
    File(std::path::PathBuf),
    Url(String),
}

impl Chain {
    /// Memory, then a database file; what a run leaves there, a later one finds.
    pub(crate) fn of_file(database: &Path) -> Self {
        let tier = |name: &str, place| Tier { name: name.to_owned(), place };
        let file = Place::File(database.to_owned());
        let tiers = vec![tier("memory", Place::Memory), tier("sqlite", file)];
        Self { prefix: "quickstart".to_owned(), tiers, one_run: false }
    }

    /// What the URLs name, under a prefix that no other run has.
    pub(crate) fn of_urls(urls: &[String]) -> Self {
        let mut tiers: Vec<Tier> = Vec::new();
        for url in urls {
            let (scheme, whole) = match url.split_once(':') {
                Some((scheme, _)) => (scheme, url.clone()),
                None => (url.as_str(), format!("{url}://")),
            };
            let numbered = |number: usize| match number {
                1 => scheme.to_owned(),
                _ => format!("{scheme}_{number}"),
            };
            let is_free = |name: &String| tiers.iter().all(|tier| tier.name != *name);
            let name = (1..).map(numbered).find(is_free).unwrap_or_default();
            tiers.push(Tier { name, place: Place::Url(whole) });
        }
        let prefix = format!("quickstart-{:016x}", fastrand::u64(..));
        Self { prefix, tiers, one_run: true }
    }

    /// The tiers' names.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.tiers.iter().map(|tier| tier.name.as_str()).collect()
    }

    /// Whether nothing is to be left behind.
    pub(crate) fn is_for_one_run(&self) -> bool {
        self.one_run
    }

    /// Opens all of them.
    pub(crate) async fn open(&self) -> Result<Cache, AnyError> {
        let mut cache = Cache::builder().prefix(&self.prefix);
        for Tier { name, place } in &self.tiers {
            cache = match place {
                Place::Memory => {
                    cache.storage(name, Memory::builder().max_entries(1_000_000).build()?)
                }
                Place::File(path) => cache.storage(name, SqliteOptions::new(path).open().await?),
                Place::Url(url) => cache.storage(name, tiers::open(url).await?),
            };
        }
        Ok(cache.build()?)
    }
}
