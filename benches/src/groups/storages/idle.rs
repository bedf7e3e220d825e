//! What an open storage that nobody uses holds in memory.

use anyhow::ensure;
use tiers::key::Key;
use tiers_benches::allocations::held_by;
use tiers_benches::{Row, Run};
use tokio::runtime::Runtime;

use super::subject::{IDLE_MEMORY, Place, Subject};

const HELD_BYTES_MAX: f64 = (2 << 20) as f64;
/// What all of them share is made by the first, and not counted.
const STORAGES: usize = 8;

pub(super) fn measure(
    run: &mut Run<'_>,
    runtime: &Runtime,
    subject: &dyn Subject,
    place: &Place,
) -> anyhow::Result<()> {
    let row = subject.row(IDLE_MEMORY);
    if !run.wants(&[&row]) {
        return Ok(());
    }
    let key = Key::parse("bench:idle:v1")?;
    // Each has read once, so that it has all that it keeps.
    let open = || {
        runtime.block_on(async {
            let storage = subject.open(&place.patient_url()).await?;
            ensure!(storage.get(&key).await?.entry.is_none(), "{key} is there");
            Ok(storage)
        })
    };
    let first = open()?;
    let (storages, held_bytes) =
        held_by(|| (0..STORAGES).map(|_| open()).collect::<anyhow::Result<Vec<_>>>());
    let storages = storages?;
    let held_bytes = held_bytes as f64 / STORAGES as f64;
    run.note(&format!("  {}: an idle storage holds {held_bytes:.0} B", subject.name()));
    run.report(&Row::at_most(row, held_bytes, HELD_BYTES_MAX, "B"))?;
    for storage in storages.into_iter().chain([first]) {
        runtime.block_on(storage.close())?;
    }
    Ok(())
}
