//! The same as a picture: a panel for each trace, the hit ratio over the size.

use std::fmt::Write as _;

use crate::replay::Point;

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 200.0;
const MARGIN: f64 = 36.0;
const COLUMNS: usize = 3;
const COLOURS: [&str; 14] = [
    "#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f",
    "#bcbd22", "#17becf", "#393b79", "#637939", "#8c6d31", "#843c39",
];

/// An SVG document.
pub(crate) fn svg(points: &[Point]) -> String {
    let mut traces: Vec<&str> = points.iter().map(|point| &*point.trace).collect();
    traces.dedup();
    let names: Vec<&str> =
        points.first().into_iter().flat_map(|point| &point.ratios).map(|(name, _)| *name).collect();
    let rows = traces.len().div_ceil(COLUMNS);
    let legend_rows = (names.len() + 1).div_ceil(6);
    let (width, panels) = (WIDTH * COLUMNS as f64, HEIGHT * rows as f64);
    let height = panels + 20.0 * legend_rows as f64 + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"white\"/>\n"
    );
    for (nth, trace) in traces.iter().enumerate() {
        let of_trace: Vec<&Point> = points.iter().filter(|point| point.trace == *trace).collect();
        let left = (nth % COLUMNS) as f64 * WIDTH;
        panel(&mut svg, &of_trace, left, (nth / COLUMNS) as f64 * HEIGHT);
    }
    let optimum = std::iter::once(("OPT", "#000000"));
    let named = names.iter().zip(COLOURS.iter().cycle()).map(|(name, colour)| (*name, *colour));
    for (nth, (name, colour)) in optimum.chain(named).enumerate() {
        let (x, y) = ((nth % 6) as f64 * 150.0 + 10.0, panels + (nth / 6) as f64 * 20.0 + 15.0);
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{:.1}\" width=\"14\" height=\"3\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{y}\">{}</text>",
            y - 5.0,
            x + 20.0,
            escaped(name)
        );
    }
    svg + "</svg>\n"
}

fn panel(svg: &mut String, points: &[&Point], left: f64, top: f64) {
    let Some(first) = points.first() else { return };
    let most = points.iter().map(|point| point.optimum).fold(1.0, f64::max);
    let (low, high) = points.iter().fold((f64::MAX, 0.0_f64), |(low, high), point| {
        let log = (point.entries.max(1) as f64).ln();
        (low.min(log), high.max(log))
    });
    let span = (high - low).max(1e-9);
    let x = |entries: u64| {
        left + MARGIN + ((entries.max(1) as f64).ln() - low) / span * (WIDTH - 2.0 * MARGIN)
    };
    let y = |ratio: f64| top + HEIGHT - MARGIN - ratio / most * (HEIGHT - 2.0 * MARGIN);
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" font-weight=\"bold\">{}</text>\
         <path d=\"M{:.1} {:.1}V{:.1}H{:.1}\" fill=\"none\" stroke=\"#888\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\">{most:.0} %</text>",
        left + MARGIN,
        top + 20.0,
        escaped(&first.trace),
        left + MARGIN,
        top + MARGIN,
        top + HEIGHT - MARGIN,
        left + WIDTH - MARGIN,
        left + 4.0,
        top + MARGIN,
    );
    for point in points {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(point.entries),
            top + HEIGHT - MARGIN + 14.0,
            point.entries
        );
    }
    let mut line = |colour: &str, thickness: f64, ratio: &dyn Fn(&Point) -> f64| {
        let places =
            points.iter().map(|point| format!("{:.1},{:.1}", x(point.entries), y(ratio(point))));
        let places: Vec<String> = places.collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{thickness}\"/>",
            places.join(" ")
        );
    };
    line("#000000", 1.5, &|point| point.optimum);
    for (nth, colour) in (0..first.ratios.len()).zip(COLOURS.iter().cycle()) {
        line(colour, if nth == 0 { 2.5 } else { 1.0 }, &|point| point.ratios[nth].1);
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_line_for_each_policy_and_the_optimum_in_each_panel() {
        let point = |trace: &str, entries| Point {
            trace: trace.to_owned(),
            entries,
            accesses: 100,
            optimum: 50.0,
            ratios: vec![("adaptive", 40.0), ("lru", 30.0)],
            best: Some(30.0),
        };
        let svg = svg(&[point("a<b", 10), point("a<b", 100), point("c", 10)]);
        assert_eq!(svg.matches("<polyline").count(), 6);
        assert!(svg.contains("a&lt;b") && svg.ends_with("</svg>\n"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
