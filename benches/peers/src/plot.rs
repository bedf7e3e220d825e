//! Plots as SVG.

use anyhow::Context as _;
use plotters::prelude::*;

/// Colours that people with any colour vision tell apart (Okabe and Ito's), and one grey.
const COLOURS: [RGBColor; 8] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(130, 130, 130),
];

const SIZE: (u32, u32) = (760, 460);
const FONT: &str = "sans-serif";

fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

/// A line: its name, and its points from left to right.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Lines over a logarithmic axis from left to right, in per cent from bottom to top.
pub(crate) fn lines(title: &str, axis: &str, lines: &[Line]) -> anyhow::Result<String> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let left = points().map(|point| point.0).fold(f64::INFINITY, f64::min);
    let right = points().map(|point| point.0).fold(0.0, f64::max);
    anyhow::ensure!(left < right, "a plot of nothing");
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(title, (FONT, 18))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d((left..right).log_scale(), 0.0..100.0)?;
        let per_cent = |value: &f64| format!("{value} %");
        chart
            .configure_mesh()
            .x_desc(axis)
            .y_desc("hit ratio")
            .x_label_formatter(&per_cent)
            .y_label_formatter(&per_cent)
            .light_line_style(TRANSPARENT)
            .label_style((FONT, 13))
            .draw()?;
        for (index, line) in lines.iter().enumerate() {
            // The first is what the plot is about.
            let style = colour(index).stroke_width(if index == 0 { 4 } else { 2 });
            chart
                .draw_series(LineSeries::new(line.points.iter().copied(), style))?
                .label(line.name.as_str())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .label_font((FONT, 13))
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.2))
            .draw()?;
        root.present()?;
    }
    Ok(svg + "\n")
}

/// Bars of one colour: its name, and one bar for each group.
#[derive(Debug)]
pub(crate) struct Bars {
    pub(crate) name: String,
    pub(crate) heights: Vec<f64>,
}

/// Bars in groups over a logarithmic axis from bottom to top.
pub(crate) fn bars(
    title: &str,
    axis: &str,
    groups: &[&str],
    bars: &[Bars],
) -> anyhow::Result<String> {
    let heights = || bars.iter().flat_map(|bars| bars.heights.iter().copied());
    let decade = |height: f64, round: fn(f64) -> f64| 10_f64.powf(round(height.log10()));
    let bottom = decade(heights().fold(f64::INFINITY, f64::min), f64::floor);
    let top = decade(heights().fold(0.0, f64::max), f64::ceil);
    anyhow::ensure!(bottom > 0.0 && bottom < top && !groups.is_empty(), "a plot of nothing");
    // A fifth of each group's place stays free.
    let width = 0.8 / bars.len() as f64;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(title, (FONT, 18))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(84)
            .build_cartesian_2d(
                (0..groups.len() - 1).into_segmented(),
                (bottom..top).log_scale(),
            )?;
        let named = |place: &SegmentValue<usize>| match place {
            SegmentValue::CenterOf(group) => {
                groups.get(*group).map(|&name| name.to_owned()).unwrap_or_default()
            }
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(groups.len())
            .x_label_formatter(&named)
            .y_desc(axis)
            .y_label_formatter(&|height| tiers_benches::table::rounded(*height))
            .light_line_style(TRANSPARENT)
            .label_style((FONT, 13))
            .draw()?;
        // The same area with numbers from left to right, for bars that stand beside each other.
        let mut inner =
            chart.set_secondary_coord(0.0..groups.len() as f64, (bottom..top).log_scale());
        for (index, series) in bars.iter().enumerate() {
            let style = colour(index).filled();
            let bar = |(group, height): (usize, &f64)| {
                let left = group as f64 + 0.1 + index as f64 * width;
                Rectangle::new([(left, bottom), (left + width, *height)], style)
            };
            inner
                .draw_secondary_series(series.heights.iter().enumerate().map(bar))?
                .label(series.name.as_str())
                .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], style));
        }
        inner
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .label_font((FONT, 13))
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.2))
            .draw()?;
        root.present().context("a plot")?;
    }
    Ok(svg + "\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says what it expects")]
mod tests {
    use super::*;

    #[test]
    fn a_plot_names_its_lines() {
        let line =
            |name: &str| Line { name: name.to_owned(), points: vec![(0.1, 10.0), (10.0, 60.0)] };
        let svg = lines("hits", "size", &[line("tiers"), line("other")]).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("tiers") && svg.contains("other"), "{svg}");
        assert!(lines("hits", "size", &[]).is_err());
    }

    #[test]
    fn a_plot_names_its_bars_and_their_groups() {
        let series = |name: &str| Bars { name: name.to_owned(), heights: vec![1500.0, 2e6] };
        let svg =
            bars("rates", "1/s", &["get", "set"], &[series("memory"), series("sqlite")]).unwrap();
        for word in ["memory", "sqlite", "get", "set"] {
            assert!(svg.contains(word), "{word} is missing: {svg}");
        }
        assert!(bars("rates", "1/s", &[], &[]).is_err());
    }
}
