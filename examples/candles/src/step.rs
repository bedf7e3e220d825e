use std::time::Duration;

use cache_series::cache::{Reading, Source};
use cache_series::row::Candle;
use comfy_table::Table;
use serde_json::{Value, json};

/// What a step took.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// What was read, in words.
    pub(crate) what: String,
    /// Calls for candles that the venue counted.
    pub(crate) calls: u64,
    /// Candles that came from each tier.
    pub(crate) memory: u64,
    pub(crate) database: u64,
    pub(crate) exchange: u64,
    pub(crate) elapsed: Duration,
}

impl Step {
    pub(crate) fn new(
        name: &'static str,
        what: impl Into<String>,
        calls: u64,
        reading: &Reading<Candle>,
        elapsed: Duration,
    ) -> Self {
        Self {
            name,
            what: what.into(),
            calls,
            memory: reading.rows_from(Source::Memory),
            database: reading.rows_from(Source::Database),
            exchange: reading.rows_from(Source::Venue),
            elapsed,
        }
    }

    /// The object that `--json` prints.
    pub(crate) fn json(&self) -> Value {
        let Self { name, calls, memory, database, exchange, .. } = self;
        json!({
            "step": name, "calls": calls, "memory": memory, "database": database,
            "exchange": exchange,
        })
    }

    fn row(&self) -> Vec<String> {
        let counts = [self.calls, self.memory, self.database, self.exchange];
        let counts = counts.map(|count| count.to_string());
        let mut row = vec![self.name.to_owned()];
        row.extend(counts);
        row.extend([format!("{:.3}", self.elapsed.as_secs_f64() * 1e3), self.what.clone()]);
        row
    }
}

/// Prints a step as soon as it is over, where objects are wanted.
pub(crate) fn tell(json: bool, step: &Step) {
    if json {
        println!("{}", step.json());
    }
}

/// All steps, for people.
pub(crate) fn table(steps: &[Step]) -> Table {
    let mut table = Table::new();
    table.set_header(["step", "calls", "memory", "database", "exchange", "ms", "what was read"]);
    table.add_rows(steps.iter().map(Step::row));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_says_what_came_from_where() {
        let step = Step {
            name: "warm",
            what: String::new(),
            calls: 0,
            memory: 7,
            database: 0,
            exchange: 0,
            elapsed: Duration::from_millis(1),
        };
        let expected =
            json!({"step": "warm", "calls": 0, "memory": 7, "database": 0, "exchange": 0});
        assert_eq!(step.json(), expected);
    }
}
