//! Tables as Markdown.

/// A table whose first column holds names, and the others figures.
#[derive(Debug)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of these columns, the first that of the names.
    pub fn new(header: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// A row: a name and its figures.
    pub fn add(&mut self, row: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(row.into_iter().map(Into::into).collect());
    }

    /// As Markdown.
    pub fn to_markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let under = |column| if column == 0 { "---" } else { "---:" };
        let rule: Vec<_> = (0..self.header.len()).map(|column| under(column).to_owned()).collect();
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        line(&self.header) + &line(&rule) + &rows
    }
}

/// Three digits that count, with the thousands apart: `1,230,000`.
pub fn rounded(figure: f64) -> String {
    if figure < 100.0 {
        let decimals = if figure < 10.0 { 2 } else { 1 };
        return format!("{figure:.decimals$}");
    }
    let unit = 10_f64.powi(figure.log10().floor() as i32 - 2);
    let digits = format!("{:.0}", (figure / unit).round() * unit);
    let mut apart = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

/// A time with three digits that count: `52.1 us`, `1.84 ms`, `2.31 s`.
pub fn time(nanoseconds: f64) -> String {
    let (figure, unit) = match nanoseconds {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "us"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    format!("{} {unit}", rounded(figure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_to_the_right_of_names() {
        let mut table = Table::new(["cache", "ns"]);
        table.add(["tiers", "12"]);
        assert_eq!(table.to_markdown(), "| cache | ns |\n| --- | ---: |\n| tiers | 12 |\n");
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        let times = [80.4, 52_130.0, 1_840_000.0, 2_313_000_000.0].map(time);
        assert_eq!(times, ["80.4 ns", "52.1 us", "1.84 ms", "2.31 s"]);
    }

    #[test]
    fn three_digits_count() {
        let figures = [1_234_567.0, 99_960.0, 123.4, 12.34, 1.234, 1000.0].map(rounded);
        assert_eq!(figures, ["1,230,000", "100,000", "123", "12.3", "1.23", "1,000"]);
    }
}
