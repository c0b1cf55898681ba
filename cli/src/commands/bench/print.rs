//! The measured beside the goals, for people.

use super::groups::GROUPS;
use super::{GROWTH, IDLE, REQUEST, Results};
use crate::human;
use crate::table::{Align, Table};

/// The whole report.
pub fn report(results: &Results) -> String {
    format!(
        "Instructions for a request: send, schedule, dispatch, account; null handler,\n\
         propshare.wfq at the resource and at the multiplexor\n\n{}\n\
         Where they go\n\n{}\n\
         Growth with the number of activities (local)\n\n{}\n\
         Bytes\n\n{}",
        costs(results),
        breakdown(results),
        growth(results),
        bytes(results)
    )
}

fn verdict(measured: u64, goal: u64) -> String {
    if measured <= goal { "met".into() } else { format!("{:.1} x", measured as f64 / goal as f64) }
}

fn costs(results: &Results) -> String {
    let mut table = Table::new(&[
        ("request", Align::Left),
        ("measured", Align::Right),
        ("goal", Align::Right),
        ("", Align::Right),
    ]);
    for line in &results.lines {
        table.row([
            line.what.to_string(),
            human::grouped(line.instructions),
            human::grouped(line.goal),
            verdict(line.instructions, line.goal),
        ]);
    }
    table.render()
}

fn breakdown(results: &Results) -> String {
    let names = results.lines.iter().map(|line| (line.scenario, Align::Right));
    let columns: Vec<_> = [("step", Align::Left)].into_iter().chain(names).collect();
    let mut table = Table::new(&columns);
    for group in GROUPS {
        let cost = |groups: &std::collections::BTreeMap<&str, u64>| {
            groups.get(group).map_or_else(|| "-".into(), |cost| human::grouped(*cost))
        };
        let cells = results.lines.iter().map(|line| cost(&line.groups));
        table.row([(*group).to_string()].into_iter().chain(cells));
    }
    table.render()
}

fn growth(results: &Results) -> String {
    let mut table = Table::new(&[
        ("activities", Align::Right),
        ("instructions", Align::Right),
        ("of one", Align::Right),
    ]);
    let first = results.growth.first().map_or(1, |growth| growth.instructions.max(1));
    for growth in &results.growth {
        table.row([
            human::grouped(u64::from(growth.activities)),
            human::grouped(growth.instructions),
            format!("{:.2} x", growth.instructions as f64 / first as f64),
        ]);
    }
    let whole = results.growth_hundredths as f64 / 100.0;
    let goal = GROWTH.goal as f64 / 100.0;
    let met = if whole <= goal { "met" } else { "missed" };
    format!("{}  in all {whole:.2} x, goal {goal:.0} x: {met}\n", table.render())
}

fn bytes(results: &Results) -> String {
    let mut table = Table::new(&[
        ("what", Align::Left),
        ("measured", Align::Right),
        ("goal", Align::Right),
        ("", Align::Right),
    ]);
    let mut row = |what: &str, measured: u64, goal: u64| {
        let cells = [human::grouped(measured), human::grouped(goal), verdict(measured, goal)];
        table.row([what.to_string()].into_iter().chain(cells));
    };
    row("a queued request", results.request_bytes, REQUEST.goal);
    row("an idle activity on a core", results.idle_bytes, IDLE.goal);
    format!(
        "{}  beside that, {} bytes of an activity in the table that all cores share\n",
        table.render(),
        results.table_bytes
    )
}
