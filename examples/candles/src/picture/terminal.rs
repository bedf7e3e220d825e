use std::fmt::Write;

use super::{Picture, STYLES, chart};

/// Characters for parts of a column, from nothing to all of it.
const SHARES: [char; 5] = [' ', '░', '▒', '▓', '█'];
const CHART_LINES: usize = 8;
/// Characters before a line.
const LABEL: usize = 18;

/// The picture as text of so many columns, in colours or without.
pub(crate) fn terminal(picture: &Picture, columns: usize, coloured: bool) -> String {
    let mut text = String::new();
    for lane in &picture.lanes {
        let _ = writeln!(text, "{}", lane.name);
        for style in STYLES {
            let shares = picture.shares(lane, style.kind, columns);
            let line: String = shares.into_iter().map(character).collect();
            if coloured {
                let _ = writeln!(
                    text,
                    "{:>LABEL$} \u{1b}[38;5;{}m{line}\u{1b}[0m",
                    style.says, style.ansi
                );
            } else {
                let _ = writeln!(text, "{:>LABEL$} {line}", style.says);
            }
        }
    }
    if let Some((low, high)) = picture.range() {
        let _ = writeln!(text, "closes of {}", picture.lanes.first().map_or("", |lane| &lane.name));
        let lines = chart::braille(&picture.bands(2 * columns), (low, high), CHART_LINES);
        let last = lines.len().saturating_sub(1);
        for (at, line) in lines.iter().enumerate() {
            let label = match at {
                0 => format!("{high:.2}"),
                _ if at == last => format!("{low:.2}"),
                _ => String::new(),
            };
            let _ = writeln!(text, "{label:>LABEL$} {line}");
        }
    }
    let (from, to) = (picture.from.to_string(), picture.to.to_string());
    let room = columns.saturating_sub(from.len() + to.len());
    let _ = writeln!(text, "{:>LABEL$} {from}{}{to}", "", " ".repeat(room));
    text
}

/// A part that is there is seen, however small.
fn character(share: f64) -> char {
    let steps = (SHARES.len() - 1) as f64;
    let at = (share * steps).round() as usize;
    SHARES[if share > 1e-9 { at.clamp(1, SHARES.len() - 1) } else { 0 }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::every_kind;

    #[tokio::test]
    async fn every_kind_has_a_line_of_its_own() {
        let picture = every_kind().await;
        let text = terminal(&picture, 70, false);
        for (place, style) in STYLES.iter().enumerate() {
            let line = text.lines().find(|line| line.trim_start().starts_with(style.says));
            let cells: String = line.unwrap().chars().skip(LABEL + 1).collect();
            let expected = format!("{}{}", " ".repeat(10 * place), "█".repeat(10));
            assert_eq!(cells.trim_end(), expected, "{}", style.name);
        }
        assert!(!text.contains('\u{1b}') && terminal(&picture, 70, true).contains('\u{1b}'));
        assert!(text.contains("9.00") && text.contains("1970-01-01T00:00:00Z"));
    }

    #[test]
    fn what_is_there_is_seen() {
        assert_eq!([0.0, 0.001, 0.3, 0.5, 0.8, 1.0].map(character), [' ', '░', '░', '▒', '▓', '█']);
    }
}
