//! The share of hits by the size of the cache, for requests by Zipf's law.
//!
//! Everyone is asked by one thread, and puts in what it has missed. The first requests fill the
//! caches and are not counted. The figures depend on no clock.

mod caches;

use std::time::Instant;

use tiers_benches::{Group, Run};

use crate::plot::{self, Line};
use crate::zipf;
use caches::CACHES;
use tiers_benches::table::Table;

pub(super) const GROUP: Group = Group { name: "zipf", measure };

const EXPONENTS: [f64; 4] = [0.7, 0.9, 1.0, 1.2];
/// Entries in the cache, as a share of the keys that there are.
const SHARES: [f64; 6] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3];
/// Of so many requests, one fills the caches.
const FILLING: usize = 5;
const BEST: &str = "best for independent requests";

fn measure(run: &mut Run<'_>) -> anyhow::Result<()> {
    let keys: u32 = run.sized(100_000, 20_000, 1000);
    let asked: usize = run.sized(1_000_000, 100_000, 2000);
    let begun = Instant::now();
    let mut text = format!(
        "{keys} keys, {asked} requests, of which the first {} fill the caches and are not counted.\n",
        asked / FILLING
    );
    for exponent in EXPONENTS {
        run.note(&format!("zipf: {asked} requests for {keys} keys, Zipf {exponent}"));
        let requests = zipf::requests(keys, exponent, asked)?;
        let (filling, counted) = requests.split_at(asked / FILLING);
        let mut curves = Vec::new();
        for cache in CACHES {
            let mut line = Line { name: cache.name.to_owned(), points: Vec::new() };
            for share in SHARES {
                let hits = (cache.hits)(entries(keys, share), filling, counted)?;
                line.points.push((share * 100.0, hits as f64 * 100.0 / counted.len() as f64));
            }
            curves.push(line);
        }
        let best =
            |share| zipf::share_of_the_most_popular(keys, exponent, entries(keys, share) as u32);
        let points = SHARES.map(|share| (share * 100.0, best(share) * 100.0)).to_vec();
        curves.push(Line { name: BEST.to_owned(), points });
        let title = format!("Zipf {exponent:.1}, {keys} keys");
        let svg = plot::lines(&title, "entries in the cache, of all keys", &curves)?;
        run.leave(&format!("plots/hit-ratio-zipf-{exponent:.1}.svg"), &svg)?;
        text += &format!("\nZipf {exponent:.1}:\n\n{}", table(&curves).to_markdown());
    }
    run.leave("zipf.md", &text)?;
    run.note(&format!("  in {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(())
}

fn entries(keys: u32, share: f64) -> usize {
    ((f64::from(keys) * share).round() as usize).max(1)
}

fn table(curves: &[Line]) -> Table {
    let sizes = SHARES.map(|share| format!("{} %", (share * 1000.0).round() / 10.0));
    let mut table = Table::new(["hits, per cent".to_owned()].into_iter().chain(sizes));
    for line in curves {
        let figures = line.points.iter().map(|point| format!("{:.1}", point.1));
        table.add([line.name.clone()].into_iter().chain(figures));
    }
    table
}
