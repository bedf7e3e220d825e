//! A table of what others measured: `trace,entries,OPT,policy,..`, ratios in per cent, empty where
//! there is none.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) trace: String,
    pub(crate) entries: u64,
    pub(crate) optimum: f64,
    /// The best of all policies.
    pub(crate) best: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Reference {
    points: Vec<Point>,
}

impl Reference {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot read {}", path.display());
        Self::parse(&fs::read_to_string(path).with_context(cannot)?).with_context(cannot)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut points = Vec::new();
        for (number, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty())
        {
            let columns: Vec<&str> = line.split(',').map(str::trim).collect();
            ensure!(columns.len() > 3, "line {} has no policy", number + 1);
            let ratios = columns[3..].iter().filter_map(|ratio| ratio.parse::<f64>().ok());
            points.push(Point {
                trace: columns[0].to_owned(),
                entries: columns[1].parse().with_context(|| format!("line {}", number + 1))?,
                optimum: columns[2].parse().with_context(|| format!("line {}", number + 1))?,
                best: ratios.fold(0.0, f64::max),
            });
        }
        Ok(Self { points })
    }

    pub(crate) fn point(&self, trace: &str, entries: u64) -> Option<&Point> {
        self.points.iter().find(|point| point.trace == trace && point.entries == entries)
    }

    pub(crate) fn sizes(&self, trace: &str) -> Vec<u64> {
        let of_trace = self.points.iter().filter(|point| point.trace == trace);
        of_trace.map(|point| point.entries).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_found_by_trace_and_size() {
        let table = "trace,entries,OPT,a,b\nx,10,50.5,30,40.25\nx,20,60,,\ny,5,1,0.5,\n";
        let reference = Reference::parse(table).unwrap();
        assert_eq!(reference.sizes("x"), [10, 20]);
        let point = reference.point("x", 10).unwrap();
        assert_eq!((point.optimum, point.best), (50.5, 40.25));
        assert!(reference.point("x", 5).is_none());
        assert!(Reference::parse("h\nx,many,1,2\n").is_err());
    }
}
