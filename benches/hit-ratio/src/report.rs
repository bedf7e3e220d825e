//! What is printed.

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::replay::Point;

/// A row of the summary of targets.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: &'static str,
    measured: f64,
    bound: f64,
    unit: &'static str,
    better: &'static str,
    holds: bool,
}

/// The share of the optimum that the default policy is to reach on the points of a reference.
const SHARE_MIN: f64 = 88.0;

/// The mean of the shares of the optimum.
pub(crate) fn mean_share(points: &[Point]) -> f64 {
    points.iter().map(Point::share).sum::<f64>() / points.len() as f64
}

/// The targets: against the reference if there is one, or else against the others as measured here.
pub(crate) fn rows(points: &[Point], has_reference: bool) -> Vec<Row> {
    let mean = mean_share(points);
    let bests: Option<Vec<f64>> = points
        .iter()
        .map(|point| point.best.map(|best| 100.0 * best / point.optimum.max(best).max(1e-9)))
        .collect();
    // Without a reference: as good as the best of the others at each point, less what it may be below.
    let mean_of_best = bests.map(|bests| bests.iter().sum::<f64>() / bests.len() as f64);
    let bound = if has_reference { Some(SHARE_MIN) } else { mean_of_best.map(|mean| 0.97 * mean) };
    let mut rows = Vec::new();
    if let Some(bound) = bound {
        let holds = mean >= bound;
        let name = "hit_ratio_mean";
        rows.push(Row { name, measured: mean, bound, unit: "%", better: "higher", holds });
    }
    let judged: Option<Vec<bool>> = points.iter().map(Point::is_near_best).collect();
    if let Some(judged) = judged {
        let failing = judged.iter().filter(|near| !**near).count() as f64;
        let (name, holds) = ("hit_ratio_worst", failing <= 0.0);
        rows.push(Row {
            name,
            measured: failing,
            bound: 0.0,
            unit: "points",
            better: "lower",
            holds,
        });
    }
    rows
}

/// One object a line for each policy at each point.
pub(crate) fn json(points: &[Point]) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Line<'point> {
        trace: &'point str,
        entries: u64,
        policy: &'point str,
        hit_ratio: f64,
        opt: f64,
    }
    let mut lines = String::new();
    for point in points {
        let Point { trace, entries, optimum: opt, .. } = point;
        for (policy, hit_ratio) in &point.ratios {
            let line = Line { trace, entries: *entries, policy, hit_ratio: *hit_ratio, opt: *opt };
            lines += &serde_json::to_string(&line)?;
            lines.push('\n');
        }
    }
    Ok(lines)
}

/// A line for each point, with the means at the end.
pub(crate) fn table(points: &[Point]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let names = points.first().into_iter().flat_map(|point| &point.ratios).map(|(name, _)| *name);
    let has_best = points.iter().any(|point| point.best.is_some());
    let mut header: Vec<String> = ["trace", "entries", "OPT"].map(str::to_owned).into();
    header.extend(names.map(str::to_owned));
    if has_best {
        header.push("best other".to_owned());
        header.push("near it".to_owned());
    }
    let columns = header.len();
    table.set_header(header);
    for point in points {
        let mut cells =
            vec![point.trace.clone(), point.entries.to_string(), format!("{:.2}", point.optimum)];
        cells.extend(point.ratios.iter().map(|(_, ratio)| format!("{ratio:.2}")));
        if has_best {
            cells.push(point.best.map_or_else(String::new, |best| format!("{best:.2}")));
            cells.push(match point.is_near_best() {
                Some(true) => "yes".to_owned(),
                Some(false) => "NO".to_owned(),
                None => String::new(),
            });
        }
        table.add_row(cells);
    }
    let mut cells = vec!["share of OPT".to_owned(), String::new(), "100.00".to_owned()];
    let contestants = points.first().map_or(0, |point| point.ratios.len());
    for nth in 0..contestants {
        let share = |point: &Point| match point.optimum {
            optimum if optimum > 0.0 => 100.0 * point.ratios[nth].1 / optimum,
            _ => 100.0,
        };
        let mean = points.iter().map(share).sum::<f64>() / points.len() as f64;
        cells.push(format!("{mean:.2}"));
    }
    cells.resize(columns, String::new());
    table.add_row(cells);
    for nth in 1..columns {
        if let Some(column) = table.column_mut(nth) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(ours: f64, best: Option<f64>) -> Point {
        let mut ratios = vec![("adaptive", ours)];
        ratios.extend(best.map(|best| ("lru", best)));
        let trace = "t".to_owned();
        Point { trace, entries: 10, accesses: 1000, optimum: 50.0, ratios, best }
    }

    #[test]
    fn rows_say_what_was_reached_and_how_many_points_fail() {
        let points = [point(45.0, Some(44.0)), point(30.0, Some(44.0))];
        let rows = serde_json::to_value(super::rows(&points, true)).unwrap();
        assert_eq!(rows[0]["name"], "hit_ratio_mean");
        assert_eq!((&rows[0]["measured"], &rows[0]["bound"]), (&75.0.into(), &88.0.into()));
        assert_eq!(rows[0]["holds"], false);
        assert_eq!((&rows[1]["measured"], &rows[1]["holds"]), (&1.0.into(), &false.into()));
        assert!(super::rows(&[point(45.0, None)], false).is_empty());
    }

    #[test]
    fn json_has_a_line_for_each_policy() {
        let lines = json(&[point(45.0, Some(44.0))]).unwrap();
        let expected = concat!(
            r#"{"trace":"t","entries":10,"policy":"adaptive","hit_ratio":45.0,"opt":50.0}"#,
            "\n",
            r#"{"trace":"t","entries":10,"policy":"lru","hit_ratio":44.0,"opt":50.0}"#,
            "\n"
        );
        assert_eq!(lines, expected);
    }
}
