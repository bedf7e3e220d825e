//! One speed target, and what was measured.

use serde::{Serialize, Serializer};

/// Which side of the bound is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The bound is the most that may be measured.
    Lower,
    /// The bound is the least that may be measured.
    Higher,
}

/// One speed target. As JSON it is one object with its fields and `holds`.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    name: String,
    measured: f64,
    bound: f64,
    unit: String,
    better: Better,
}

impl Row {
    /// A target that holds up to `bound`.
    pub fn at_most(name: impl Into<String>, measured: f64, bound: f64, unit: &str) -> Self {
        Self { name: name.into(), measured, bound, unit: unit.to_owned(), better: Better::Lower }
    }

    /// A target that holds from `bound` on.
    pub fn at_least(name: impl Into<String>, measured: f64, bound: f64, unit: &str) -> Self {
        Self { name: name.into(), measured, bound, unit: unit.to_owned(), better: Better::Higher }
    }

    /// The name, which begins with the group: `sqlite_get_one_in_flight`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was measured in this run.
    pub fn measured(&self) -> f64 {
        self.measured
    }

    /// Whether the target is met. What is no number meets none.
    pub fn holds(&self) -> bool {
        match self.better {
            Better::Lower => self.measured <= self.bound,
            Better::Higher => self.measured >= self.bound,
        }
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'row> {
            name: &'row str,
            measured: f64,
            bound: f64,
            unit: &'row str,
            better: Better,
            holds: bool,
        }
        let Self { name, measured, bound, unit, better } = self;
        let (measured, bound, better) = (*measured, *bound, *better);
        Fields { name, measured, bound, unit, better, holds: self.holds() }.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_holds_on_its_good_side() {
        assert!(Row::at_most("a", 9.0, 10.0, "ns").holds());
        assert!(Row::at_most("a", 10.0, 10.0, "ns").holds());
        assert!(!Row::at_most("a", 11.0, 10.0, "ns").holds());
        assert!(!Row::at_least("a", 9.0, 10.0, "1/s").holds());
        assert!(Row::at_least("a", 10.0, 10.0, "1/s").holds());
        assert!(!Row::at_most("a", f64::NAN, 10.0, "ns").holds());
        assert!(!Row::at_least("a", f64::NAN, 10.0, "ns").holds());
    }

    #[test]
    fn a_row_is_one_object_with_the_fields_that_readers_expect() {
        let row = Row::at_most("memory_hit", 50.5, 100.0, "ns");
        let expected = concat!(
            r#"{"name":"memory_hit","measured":50.5,"bound":100.0,"unit":"ns","#,
            r#""better":"lower","holds":true}"#
        );
        assert_eq!(serde_json::to_string(&row).unwrap(), expected);
        let row = Row::at_least("memory_hits", 1.0, 2.0, "1/s");
        assert!(
            serde_json::to_string(&row).unwrap().ends_with(r#""better":"higher","holds":false}"#)
        );
    }
}
