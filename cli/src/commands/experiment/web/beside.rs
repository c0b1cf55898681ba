//! The runs beside each other, and beside the paper's: both servers, and what it costs where DIR
//! and DWR are not together, or have their core for themselves (§4.4). What a byte costs is
//! printed and not judged: under emulation a cycle is not the paper's, and is the dearer the more
//! the host has to do beside.

use std::fmt::Write as _;

use super::Came;
use super::figures::{Figures, entitled};
use super::machine::Layout;
use crate::table::{Align, Table};

/// What there is of each run, by which name, and what the paper has.
type Row = (&'static str, fn(&Figures) -> String, &'static str);

const ROWS: [Row; 12] = [
    ("largest deviation of a share, points", deviation, ""),
    ("KB/s at DWR", |it| format!("{:.0}", it.together.rate.1 / 1e3), ""),
    ("CPU, % of all cycles", |it| format!("{:.2}", it.consumed), "28.3"),
    ("of it the infrastructure's, %", |it| format!("{:.2}", it.infrastructure), "50"),
    ("use of the cores, %", cores, "15 \u{b1} 3, DWR's 100"),
    ("threads, % of all cycles", |it| at(it, ""), ""),
    ("DWR, % of all cycles", |it| at(it, "resource.dwr"), "3.5"),
    ("DIR, % of all cycles", |it| at(it, "resource.ndir"), "7.2"),
    ("requests of DIR a second", |it| format!("{:.0}", it.packets.2), "7300"),
    ("packets a request of DIR", packets, "15"),
    ("waits for the ring's lock, whole run", |it| it.card.waits.to_string(), ""),
    ("cycles for a byte at DWR", |it| format!("{:.0}", it.a_byte), ""),
];

fn deviation(figures: &Figures) -> String {
    format!("{:.2}", figures.together.off(entitled([true; 3])))
}

fn cores(figures: &Figures) -> String {
    let each: Vec<_> = figures.busy.iter().map(|busy| format!("{busy:.1}")).collect();
    each.join(", ")
}

fn at(figures: &Figures, resource: &str) -> String {
    let of = figures.used.iter().find(|used| used.resource == resource);
    format!("{:.2}", of.map_or(0.0, |used| used.by.iter().sum::<f64>()))
}

fn packets(figures: &Figures) -> String {
    let (came, sent, requests) = figures.packets;
    format!("{:.1}", (came + sent) / requests.max(1e-9))
}

/// Their comparison; nothing where there is one alone.
pub fn report(all: &[Came]) -> String {
    let Some(first) = all.first().filter(|_| all.len() > 1) else { return String::new() };
    let mut text = String::from("\n\nThe runs beside each other, all three servers at work\n");
    text += &table(all);
    let more = |came: &&Came| {
        let more = (came.figures.a_byte / first.figures.a_byte.max(1e-9) - 1.0) * 100.0;
        format!("{}, {}: {more:+.1} %", came.run.server(), came.run.layout.name())
    };
    let others: Vec<_> = all.iter().skip(1).collect();
    let each: Vec<_> = others.iter().map(more).collect();
    let _ = writeln!(text, "\nCycles for a byte against the first: {}", each.join("; "));
    if others.iter().any(|came| came.run.layout != Layout::Together) {
        text += "The paper: DIR apart from DWR takes 5.5 % more, all for the card's lock; where the \
                 two have a core alone it stays at 100 %, with more interrupts.\n";
    }
    text
}

fn table(all: &[Came]) -> String {
    let names: Vec<_> = all
        .iter()
        .map(|came| match came.run.layout {
            Layout::Together => came.run.server().to_string(),
            Layout::Apart => "DIR apart".into(),
            Layout::Alone => "both alone".into(),
        })
        .collect();
    let mut columns = vec![("", Align::Left)];
    columns.extend(names.iter().map(|name| (name.as_str(), Align::Right)));
    columns.push(("paper", Align::Left));
    let mut table = Table::new(&columns);
    for (what, of, paper) in ROWS {
        let each = all.iter().map(|came| of(&came.figures));
        let row: Vec<_> = [what.into()].into_iter().chain(each).chain([paper.into()]).collect();
        table.row(row);
    }
    table.render()
}
