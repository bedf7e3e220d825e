//! Storages on servers of their own, each beside its bare driver, and a table of all storages.
//!
//! | module | what is in it |
//! |---|---|
//! | [`subject`] | what is measured: a storage, its server and its driver |
//! | [`compared`] | ratios of calls that take the same round trips |
//! | [`idle`] | what an open storage holds in memory |
//! | [`table`] | latencies of all storages through a handle |
//! | `redis`, .. | the subjects |

mod compared;
mod idle;
#[cfg(feature = "mongodb")]
mod mongodb;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod subject;
mod table;

use anyhow::Context as _;
use tiers_benches::{Group, Run};

use subject::Subject;

pub(super) const GROUP: Group = Group { name: "storages", measure };

/// Those that this build has, in the order in which they run.
const SUBJECTS: &[&dyn Subject] = &[
    #[cfg(feature = "redis")]
    &redis::Redis,
    #[cfg(feature = "postgres")]
    &postgres::Postgres,
    #[cfg(feature = "mysql")]
    &mysql::MySql,
    #[cfg(feature = "mongodb")]
    &mongodb::MongoDb,
];

fn measure(run: &mut Run<'_>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    for subject in SUBJECTS {
        if !run.wants(&subject.rows()) {
            continue;
        }
        let name = subject.name();
        let place = subject.start().with_context(|| format!("no place for {name}"))?;
        compared::measure(run, &runtime, *subject, &place)
            .and_then(|()| idle::measure(run, &runtime, *subject, &place))
            .with_context(|| name.to_owned())?;
    }
    // Rows that are named are all that is asked for.
    if run.wants::<&str>(&[]) {
        table::measure(run, &runtime, SUBJECTS)?;
    }
    Ok(())
}
