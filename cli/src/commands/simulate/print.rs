//! The report for people: shares first, as they are what isolation is about.

use std::path::Path;

use vortex_sim::{Report, ShareRow};
use vortex_units::Cycles;

use crate::human;
use crate::table::{Align, Table};

use Align::{Left, Right};

/// Below this part of a core's time, in per cent, its idle time is not spoken of.
const LITTLE: f64 = 0.05;

/// The whole report.
pub fn report(path: &Path, report: &Report) -> String {
    let frequency = report.frequency.get() as f64;
    let mut text = format!(
        "{}: {} of virtual time on {} at {:.2} GHz, seed {}\n",
        path.display(),
        human::nanos(1e9 * report.duration.get() as f64 / frequency),
        human::count(report.cores.len(), "core", "cores"),
        frequency / 1e9,
        report.seed
    );
    let mut section = |title: &str, table: Table| {
        if !table.is_empty() {
            text += &format!("\n{title}\n\n{}", table.render());
        }
    };
    section("Share of what all activities used, against what each is entitled to", shares(report));
    section("Each core's time", cores(report));
    section("By activity and resource", usage(report));
    section("Who waited while whom ran (sampled)", blame(report));
    section("Refused", refusals(report));
    text + "\n" + &ledger(report)
}

fn name(names: &[String], place: usize) -> String {
    names.get(place).cloned().unwrap_or_default()
}

fn time(report: &Report, cycles: Cycles) -> String {
    human::nanos(1e9 * cycles.get() as f64 / report.frequency.get().max(1) as f64)
}

/// Overall, and on each core where one differs from it by half a point.
fn shares(report: &Report) -> Table {
    let mut table = Table::new(&[
        ("activity", Left),
        ("core", Left),
        ("entitled", Right),
        ("received", Right),
        ("off by", Right),
        ("at worst", Right),
        ("cycles", Right),
    ]);
    let differs = |row: &ShareRow| row.core.is_some() && row.deviation.0.abs() >= 0.5;
    let by_core = report.cores.len() > 1 && report.shares.iter().any(differs);
    for row in &report.shares {
        if row.core.is_some() && !by_core {
            continue;
        }
        table.row([
            name(&report.activities, row.activity),
            row.core.map_or("all".into(), |core| core.get().to_string()),
            format!("{:.2} %", row.entitled.0),
            format!("{:.2} %", row.received.0),
            points(row.deviation.0),
            points(row.worst_interval.0),
            human::cycles(row.cycles.get()),
        ]);
    }
    table
}

/// Points off: `+0.12`; nothing is plain `0.00`.
fn points(points: f64) -> String {
    if points.abs() < 0.005 { "0.00".into() } else { format!("{points:+.2}") }
}

fn cores(report: &Report) -> Table {
    let columns: Vec<_> = [("core", Left)]
        .into_iter()
        .chain(report.activities.iter().map(|name| (name.as_str(), Right)))
        .chain([("idle", Right)])
        .collect();
    let mut table = Table::new(&columns);
    for core in &report.cores {
        let part = |cycles: Cycles| {
            let percent = 100.0 * cycles.get() as f64 / core.elapsed.get().max(1) as f64;
            match percent {
                0.0 => "-".to_string(),
                few if few < LITTLE => format!("<{LITTLE} %"),
                _ => format!("{percent:.1} %"),
            }
        };
        let used = core.activities.iter().map(|&cycles| part(cycles));
        table.row([core.core.get().to_string()].into_iter().chain(used).chain([part(core.idle)]));
    }
    table
}

fn usage(report: &Report) -> Table {
    let mut table = Table::new(&[
        ("activity", Left),
        ("resource", Left),
        ("requests", Right),
        ("cycles", Right),
        ("bytes", Right),
        ("mean wait", Right),
        ("longest", Right),
        ("queued", Right),
    ]);
    for row in report.usage.iter().filter(|row| !row.requests.is_zero() || row.queued > 0) {
        table.row([
            name(&report.activities, row.activity),
            name(&report.resources, row.resource),
            human::grouped(row.requests.get()),
            human::cycles(row.cycles.get()),
            if row.bytes.is_zero() { "-".into() } else { human::bytes(row.bytes.get()) },
            time(report, row.mean_wait),
            time(report, row.longest_wait),
            if row.queued == 0 { "-".into() } else { row.queued.to_string() },
        ]);
    }
    table
}

/// A line a victim, a column a causer: of its explained waits, who ran how much of them.
fn blame(report: &Report) -> Table {
    let columns: Vec<_> = [("waiting", Left)]
        .into_iter()
        .chain(report.activities.iter().map(|name| (name.as_str(), Right)))
        .collect();
    let mut table = Table::new(&columns);
    for victim in 0..report.activities.len() {
        let of = |causer: usize| -> u64 {
            let rows = report.blame.iter();
            let rows = rows.filter(|row| row.victim == victim && row.causer == causer);
            rows.map(|row| row.cycles.get()).sum()
        };
        let parts: Vec<u64> = (0..report.activities.len()).map(of).collect();
        let whole: u64 = parts.iter().sum();
        if whole > 0 {
            let cells = parts.iter().map(|&part| match part {
                0 => "-".into(),
                part => human::percent(part as f64, whole as f64),
            });
            table.row([name(&report.activities, victim)].into_iter().chain(cells));
        }
    }
    table
}

fn refusals(report: &Report) -> Table {
    let mut table = Table::new(&[("activity", Left), ("why", Left), ("times", Right)]);
    for row in &report.refusals {
        table.row([
            name(&report.activities, row.activity),
            row.reason.to_string(),
            human::grouped(row.count),
        ]);
    }
    table
}

fn ledger(report: &Report) -> String {
    let audit = &report.audit;
    let runs = human::grouped(report.runs);
    let checks = human::grouped(audit.checks);
    if audit.failed == 0 {
        return format!("Ledger: every cycle is accounted for ({checks} audits, {runs} runs)\n");
    }
    let first = audit.first.as_ref().map_or_else(String::new, |first| {
        let (ledger, booked) = (first.ledger.get(), first.booked.get());
        format!("; the first on {}: {ledger} cycles in the ledger, {booked} booked", first.core)
    });
    format!(
        "LEDGER OUT OF BALANCE: {} of {checks} audits failed{first}. This is a defect of Vortex, \
         not of the file.\n",
        human::grouped(audit.failed)
    )
}
