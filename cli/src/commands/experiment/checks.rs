//! The bounds of an experiment, and whether they hold: what each has to say at its end.

use std::fmt::Write as _;

use serde::Serialize;

use crate::human;
use crate::table::{Align, Table};

/// A bound.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// On what.
    pub what: String,
    /// What was measured.
    pub measured: f64,
    /// What is allowed.
    pub bound: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// Whether it holds.
    pub holds: bool,
}

/// All of them for people, and how many do not hold.
pub fn report(checks: &[Check]) -> String {
    let columns = [
        ("", Align::Left),
        ("measured", Align::Right),
        ("bound", Align::Right),
        ("unit", Align::Left),
        ("holds", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for check in checks {
        let number = |number: f64| match check.unit {
            "cycles" => human::grouped(number as u64),
            _ => format!("{number:.3}"),
        };
        let holds = if check.holds { "yes" } else { "NO" };
        table.row([
            check.what.clone(),
            number(check.measured),
            number(check.bound),
            check.unit.into(),
            holds.into(),
        ]);
    }
    let mut text = format!("\nBounds\n{}", table.render());
    let wrong = checks.iter().filter(|check| !check.holds).count();
    let _ = match wrong {
        0 => writeln!(text, "\nEverything is within its bounds."),
        _ => writeln!(text, "\n{wrong} of {} bounds do not hold.", checks.len()),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_hold_is_said() {
        let check = |holds| Check {
            what: "cycles on nobody's bill".into(),
            measured: 12_345.0,
            bound: 0.0,
            unit: "cycles",
            holds,
        };
        assert!(report(&[check(true)]).ends_with("Everything is within its bounds.\n"));
        let text = report(&[check(true), check(false)]);
        assert!(text.contains("12,345") && text.contains("  NO\n"), "{text}");
        assert!(text.ends_with("1 of 2 bounds do not hold.\n"), "{text}");
    }
}
