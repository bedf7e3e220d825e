use std::fmt::Write;

use super::{Lane, Picture, STYLES, Style};

const LEFT: f64 = 150.0;
const WIDTH: usize = 1_000;
const ROW: f64 = 12.0;
const CHART: f64 = 160.0;
/// So many steps of opacity: neighbours of one step are one rectangle.
const STEPS: f64 = 8.0;

/// The picture as SVG 1.1. Every row of coverage is a group with the kind as its class, and every
/// rectangle in it a span in which there is some of it.
pub(crate) fn svg(picture: &Picture) -> String {
    let lane_height = 24.0 + ROW * STYLES.len() as f64 + 14.0;
    let height = 40.0 + lane_height * picture.lanes.len() as f64 + CHART + 60.0;
    let total = LEFT + WIDTH as f64 + 20.0;
    let mut text = String::new();
    let _ = writeln!(
        text,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {height}" width="{total}" height="{height}" font-family="sans-serif" font-size="10">
<title>What is known of candles, {} to {}</title>
<rect width="{total}" height="{height}" fill="#ffffff"/>"##,
        picture.from, picture.to
    );
    let mut top = 30.0;
    for lane in &picture.lanes {
        let _ = writeln!(
            text,
            r#"<g class="series"><text x="{LEFT}" y="{top}" font-size="13">{}</text>"#,
            escaped(&lane.name)
        );
        for (place, style) in STYLES.iter().enumerate() {
            row(&mut text, picture, lane, style, top + 10.0 + ROW * place as f64);
        }
        text.push_str("</g>\n");
        top += lane_height;
    }
    closes(&mut text, picture, top + 10.0);
    let below = top + CHART + 30.0;
    let right = LEFT + WIDTH as f64;
    let _ = writeln!(
        text,
        r#"<text x="{LEFT}" y="{below}">{}</text><text x="{right}" y="{below}" text-anchor="end">{}</text>
</svg>"#,
        picture.from, picture.to
    );
    text
}

fn row(text: &mut String, picture: &Picture, lane: &Lane, style: &Style, top: f64) {
    let Style { kind, name, says, fill, .. } = style;
    let middle = top + ROW - 3.0;
    let end = LEFT - 22.0;
    let swatch = LEFT - 16.0;
    let _ = writeln!(
        text,
        r##"<g class="{name}" fill="{fill}"><title>{says}</title><text x="{end}" y="{middle}" text-anchor="end" fill="#212529">{says}</text><rect class="key" x="{swatch}" y="{top}" width="10" height="{}"/>"##,
        ROW - 2.0
    );
    let shares = picture.shares(lane, *kind, WIDTH);
    let step = |share: f64| if share > 1e-9 { (share * STEPS).ceil().max(1.0) } else { 0.0 };
    let mut column = 0;
    while column < WIDTH {
        let own = step(shares[column]);
        let same = shares[column..].iter().take_while(|share| step(**share) == own).count();
        if own > 0.0 {
            let (x, opacity) = (LEFT + column as f64, own.min(STEPS) / STEPS);
            let _ = writeln!(
                text,
                r#"<rect class="span" x="{x}" y="{top}" width="{same}" height="{}" opacity="{opacity}"/>"#,
                ROW - 2.0
            );
        }
        column += same;
    }
    text.push_str("</g>\n");
}

/// A line from the lowest to the highest close of each column, with gaps where there is none.
fn closes(text: &mut String, picture: &Picture, top: f64) {
    let Some((low, high)) = picture.range() else { return };
    let scale = CHART / (high - low).max(f64::MIN_POSITIVE);
    let y = |value: f64| top + (high - value) * scale;
    let mut path = String::new();
    let mut is_down = false;
    for (column, band) in picture.bands(WIDTH).iter().enumerate() {
        let Some((low, high)) = band else {
            is_down = false;
            continue;
        };
        let x = LEFT + column as f64 + 0.5;
        let letter = if is_down { 'L' } else { 'M' };
        let _ = write!(path, "{letter}{x:.1} {:.1}L{x:.1} {:.1}", y(*high), y(*low));
        is_down = true;
    }
    let end = LEFT - 6.0;
    let _ = writeln!(
        text,
        r##"<g class="closes"><text x="{end}" y="{}" text-anchor="end">{high:.2}</text><text x="{end}" y="{}" text-anchor="end">{low:.2}</text><path d="{path}" fill="none" stroke="#1864ab"/></g>"##,
        top + 8.0,
        top + CHART
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::every_kind;

    #[tokio::test]
    async fn it_parses_and_shows_every_kind_where_it_is() {
        let text = svg(&every_kind().await);
        let document = roxmltree::Document::parse(&text).unwrap();
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "svg");
        for (place, style) in STYLES.iter().enumerate() {
            let group = root
                .descendants()
                .find(|node| node.attribute("class") == Some(style.name))
                .unwrap_or_else(|| panic!("no group of {}", style.name));
            assert_eq!(group.attribute("fill"), Some(style.fill));
            let spans: Vec<_> = group
                .descendants()
                .filter(|node| node.attribute("class") == Some("span"))
                .collect();
            let number = |name| -> Vec<f64> {
                let texts = spans.iter().filter_map(|node| node.attribute(name));
                texts.map(|text| text.parse().unwrap()).collect()
            };
            // Each has a seventh of the width, at its place.
            let (x, width) = (number("x"), number("width"));
            let first = LEFT + WIDTH as f64 / 7.0 * place as f64;
            assert!((x[0] - first).abs() <= 1.0, "{} begins at {}", style.name, x[0]);
            let all: f64 = width.iter().sum();
            assert!((all - WIDTH as f64 / 7.0).abs() <= 2.0, "{} is {all} wide", style.name);
        }
        let fills: std::collections::BTreeSet<_> = STYLES.iter().map(|style| style.fill).collect();
        assert_eq!(fills.len(), STYLES.len(), "no two kinds look alike");
        let path = root.descendants().find(|node| node.has_tag_name("path")).unwrap();
        assert!(path.attribute("d").unwrap().starts_with('M'));
        assert!(text.contains("A &lt;B&gt;"));
    }
}
