//! The figures for people.

use std::fmt::Write as _;

use super::{Beside, Goal, Report};
use crate::human;
use crate::table::{Align, Table};

/// The table, and what its columns were measured on.
pub fn report(report: &Report) -> String {
    let mut text =
        String::from("Instructions of one execution, on one core, counted by the machine\n\n");
    text += &table(report);
    if let Some(of) = &report.throughput {
        let linux = of.linux.map_or("not measured".into(), |linux| format!("{linux:.1} %"));
        let _ = writeln!(
            text,
            "\nA file read in order from a disk of {} MB/s uses of that: Vortex {:.1} %, Linux {linux}",
            of.limit / 1_000_000,
            of.vortex
        );
    }
    let missed = report.figures.iter().filter(|figure| figure.goal == Goal::Missed).count();
    let goals = report.figures.iter().filter(|figure| figure.goal != Goal::None).count();
    // Writing to a string does not fail.
    let _ = match &report.linux {
        Beside::Absent { absent } => writeln!(text, "\nLinux was not measured: {absent}"),
        Beside::Measured(about) => {
            let flaws = about.mitigations.iter().map(|(flaw, what)| format!("\n  {flaw}: {what}"));
            let flaws = match about.mitigations[..] {
                [] => "\n  nothing".to_string(),
                _ => flaws.collect(),
            };
            writeln!(
                text,
                "\nThe goal is to be at or below Linux: missed at {missed} of {goals}.\n\n\
                 Linux: {}\nits command line: {}\nwhat it does about the processor's flaws, by \
                 default:{flaws}",
                about.package, about.command_line
            )
        }
    };
    text
}

fn table(report: &Report) -> String {
    let mut table = Table::new(&[
        ("benchmark", Align::Left),
        ("Vortex", Align::Right),
        ("Linux", Align::Right),
        ("ratio", Align::Right),
        ("goal", Align::Left),
        ("what it is", Align::Left),
    ]);
    for figure in &report.figures {
        let goal = match figure.goal {
            Goal::Reached => "reached",
            Goal::Missed => "missed",
            Goal::None => "none",
            Goal::Unknown => "?",
        };
        table.row([
            figure.name.into(),
            human::grouped(figure.vortex),
            figure.linux.map_or("not measured".into(), human::grouped),
            figure.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")),
            goal.into(),
            figure.what.into(),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::super::{Figure, PROCESS};
    use super::*;

    #[test]
    fn without_linux_its_column_says_so() {
        let figures = vec![Figure::of(&PROCESS[0], 100, None)];
        let linux = Beside::Absent { absent: "no apt".into() };
        let text = report(&Report { figures, throughput: None, linux });
        assert!(text.contains("not measured") && text.contains("no apt"), "{text}");
    }
}
