//! The experiment for people: what the paper has beside what was measured.

use std::fmt::Write as _;

use super::figures::{Figures, PROCESSES};
use super::throttle::Rate;
use crate::commands::experiment::checks::{self, Check};
use crate::human;
use crate::table::{Align, Table};

/// What Linux's schedulers made of the same disk (Debian 6.1 in the same machine).
const LINUX: &str = "Linux: 34/33/33 without a scheduler, 48/33/19 with BFQ, 50/33/17 with iocost \
                     at half the rate";

/// A rate in words.
pub fn rate(rate: Rate) -> String {
    match rate {
        Rate { bytes: 0, operations } => format!("{operations} operations/s"),
        Rate { bytes, .. } => format!("{:.0} MB/s", bytes as f64 / 1e6),
    }
}

/// All of it.
pub fn report(figures: &Figures, bounds: &[Check], laid: &str) -> String {
    let mut text = format!(
        "Bytes of a slow disk (§4.5, Figures 15 and 16): {} cores, {} s\n\nMade by Vortex: {laid}\n",
        figures.cores,
        figures.rows.len()
    );
    text += "\nBytes at DRWR, in per cent of the three processes' (Figure 15)\n";
    text += &seconds(figures);
    let _ = writeln!(text, "\nOver all seconds ({LINUX})");
    text += &means(figures);
    text += "\nThe disk, as QEMU tells it, at the rates that it was given\n";
    text += &disk(figures);
    text += "\nWhere the cycles went (Figure 16)\n";
    text += &cycles(figures);
    text += &checks::report(bounds);
    text
}

fn seconds(figures: &Figures) -> String {
    let columns = [
        ("second", Align::Right),
        ("a", Align::Right),
        ("b", Align::Right),
        ("c", Align::Right),
        ("MB/s", Align::Right),
        ("requests", Align::Right),
        ("KB each", Align::Right),
    ];
    let mut table = Table::new(&columns);
    for (place, row) in figures.rows.iter().enumerate() {
        let (bytes, requests): (u64, u64) = (row.bytes.iter().sum(), row.requests.iter().sum());
        let each = bytes as f64 / requests.max(1) as f64 / 1024.0;
        let [a, b, c] = row.shares.map(|share| format!("{share:.2}"));
        table.row([
            (place + 1).to_string(),
            a,
            b,
            c,
            format!("{:.2}", bytes as f64 / row.seconds / 1e6),
            requests.to_string(),
            format!("{each:.1}"),
        ]);
    }
    table.render()
}

fn means(figures: &Figures) -> String {
    let columns = [
        ("process", Align::Left),
        ("entitled and paper", Align::Right),
        ("measured", Align::Right),
        ("off", Align::Right),
        ("KB a request", Align::Right),
    ];
    let mut table = Table::new(&columns);
    for (((name, wanted), mean), size) in PROCESSES.iter().zip(figures.means).zip(figures.sizes) {
        table.row([
            (*name).into(),
            format!("{wanted:.0} %"),
            format!("{mean:.3} %"),
            format!("{:+.3}", mean - wanted),
            format!("{:.1}", size / 1024.0),
        ]);
    }
    table.render()
}

fn disk(figures: &Figures) -> String {
    let columns = [
        ("rate", Align::Left),
        ("seconds", Align::Right),
        ("MB/s", Align::Right),
        ("operations/s", Align::Right),
        ("used", Align::Right),
        ("least in a second", Align::Right),
    ];
    let mut table = Table::new(&columns);
    for (phase, used) in figures.phases() {
        let same = figures.disk.iter().filter(|it| it.phase == phase.phase && !it.first);
        let least = same.map(super::throttle::Second::used).fold(f64::INFINITY, f64::min);
        table.row([
            rate(phase.rate),
            format!("{:.1}", phase.seconds),
            format!("{:.2}", phase.bytes as f64 / phase.seconds / 1e6),
            format!("{:.0}", phase.operations as f64 / phase.seconds),
            format!("{used:.1} %"),
            format!("{least:.1} %"),
        ]);
    }
    table.render()
}

fn cycles(figures: &Figures) -> String {
    let columns = [("", Align::Left), ("cycles", Align::Right), ("of all", Align::Right)];
    let mut table = Table::new(&columns);
    for used in &figures.used {
        let per_cent = format!("{:.3} %", used.per_cent);
        table.row([used.name.clone(), human::grouped(used.cycles), per_cent]);
    }
    let infrastructure = format!("{:.3} %", figures.infrastructure);
    table.row(["of these the infrastructure's".into(), String::new(), infrastructure]);
    let busy = format!("{:.3} %", figures.busy);
    table.row(["all (paper: 0.99 % of 8 cores of 2.66 GHz)".into(), String::new(), busy]);
    table.render()
}
