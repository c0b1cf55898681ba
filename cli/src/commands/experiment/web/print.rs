//! The experiment for people: what the paper has beside what was measured.

use std::fmt::Write as _;

use super::PACE;
use super::figures::{Figures, SERVERS, Stretch, entitled};
use super::load::TOGETHER;
use super::machine::Run;
use crate::args::WebServer;
use crate::commands::experiment::checks::{self, Check};
use crate::table::{Align, Table};

/// What Linux made of three servers on the same link (Debian 6.1 in the same machine).
const LINUX: &str = "Linux: 32/32/36";

/// All of it.
pub fn report(run: Run, figures: &Figures, bounds: &[Check]) -> String {
    let case = match run.server {
        WebServer::Own => "the paper's case",
        WebServer::Lighttpd => "Debian's, as it is",
    };
    let mut text = format!(
        "Web servers on a slow card (§4.4, Figures 12 to 14): {} ({case}), {}, {} cores, {} s \
         with all three, {TOGETHER} connections each\n",
        run.server(),
        run.layout.name(),
        figures.busy.len(),
        figures.together.shares.len()
    );
    text += "\nEach second at DWR, in per cent of the three servers' bytes (Figure 13)\n";
    text += &seconds(figures);
    let pace = 1e9 / f64::from(PACE.every) * f64::from(PACE.packets);
    let _ =
        writeln!(text, "\nStretches of it ({LINUX}); the card's pace is {pace} packets a second");
    text += &stretches(figures);
    text += "\nPackets, a second, with all three at work\n";
    text += &packets(figures);
    text += "\nWhere the cycles went meanwhile, in per cent of all that there were (Figure 14)\n";
    text += &cycles(figures);
    text += "\nPages, as ApacheBench has them\n";
    text += &pages(figures);
    text += &checks::report(bounds);
    text
}

fn seconds(figures: &Figures) -> String {
    let columns = [
        ("second", Align::Right),
        ("a", Align::Right),
        ("b", Align::Right),
        ("c", Align::Right),
        ("KB/s", Align::Right),
        ("packets/s", Align::Right),
        ("for nobody", Align::Right),
        ("judged", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for (place, row) in figures.rows.iter().enumerate() {
        let all: u64 = row.bytes.iter().sum();
        if row.packets == 0 {
            continue;
        }
        let [a, b, c] =
            row.bytes.map(|bytes| format!("{:.2}", bytes as f64 * 100.0 / all.max(1) as f64));
        let within = |stretch: &Stretch| stretch.seconds.contains(&place);
        let judged = within(&figures.together) || figures.without.as_ref().is_some_and(within);
        table.row([
            place.to_string(),
            a,
            b,
            c,
            format!("{:.0}", all as f64 / row.seconds / 1e3),
            format!("{:.0}", row.packets as f64 / row.seconds),
            row.strays.to_string(),
            if judged { "yes".into() } else { String::new() },
        ]);
    }
    table.render()
}

fn stretches(figures: &Figures) -> String {
    let columns = [
        ("", Align::Left),
        ("a", Align::Right),
        ("b", Align::Right),
        ("c", Align::Right),
        ("off at most", Align::Right),
        ("packets/s", Align::Right),
        ("MB/s", Align::Right),
    ];
    let mut table = Table::new(&columns);
    let mut add = |name: String, stretch: &Stretch, at_work: [bool; 3]| {
        let [a, b, c] = stretch.means.map(|share| format!("{share:.2} %"));
        let (packets, bytes) = stretch.rate;
        table.row([
            name,
            a,
            b,
            c,
            format!("{:.2}", stretch.off(entitled(at_work))),
            format!("{packets:.0}"),
            format!("{:.3}", bytes / 1e6),
        ]);
    };
    for (place, (alone, (name, _))) in figures.alone.iter().zip(SERVERS).enumerate() {
        let mut at_work = [false; 3];
        at_work.iter_mut().skip(place).take(1).for_each(|works| *works = true);
        add(format!("{name} alone"), alone, at_work);
    }
    add("all three (paper: 50, 33, 17)".into(), &figures.together, [true; 3]);
    if let Some(flooded) = &figures.flooded {
        add("of these with packets for nobody".into(), flooded, [true; 3]);
    }
    if let Some(without) = &figures.without {
        add("without c (60.24, 39.76)".into(), without, [true, true, false]);
    }
    table.render()
}

fn packets(figures: &Figures) -> String {
    let columns = [("", Align::Left), ("paper", Align::Right), ("measured", Align::Right)];
    let mut table = Table::new(&columns);
    let (came, sent, _) = figures.packets;
    let card = &figures.card;
    let mut add = |name: &str, paper: &str, measured: f64| {
        table.row([name.to_string(), paper.to_string(), format!("{measured:.1}")]);
    };
    add("sent", "82000", sent);
    add("came", "24000", came);
    let each = (card.sent + card.came) as f64 / card.interrupts.max(1) as f64;
    add("interrupts in the whole run", "7300/s", card.interrupts as f64);
    add("packets sent an interrupt", "11", card.sent as f64 / card.interrupts.max(1) as f64);
    add("packets an interrupt, both ways", "15", each);
    add("suspensions of DWR in the whole run", "", card.suspended as f64);
    add("packets sent in the whole run", "", card.sent as f64);
    add("packets dropped in the whole run", "", card.dropped as f64);
    table.render()
}

fn cycles(figures: &Figures) -> String {
    let columns = [
        ("", Align::Left),
        ("a", Align::Right),
        ("b", Align::Right),
        ("c", Align::Right),
        ("infrastructure", Align::Right),
        ("others", Align::Right),
        ("all", Align::Right),
    ];
    let mut table = Table::new(&columns);
    let mut sums = [0.0; 5];
    let mut add = |name: &str, by: [f64; 5]| {
        let [a, b, c, infrastructure, others] = by.map(|it| format!("{it:.2}"));
        let all = format!("{:.2}", by.iter().sum::<f64>());
        table.row([name.to_string(), a, b, c, infrastructure, others, all]);
    };
    for used in &figures.used {
        let name = if used.resource.is_empty() { "threads" } else { &used.resource };
        add(name, used.by);
        for (sum, more) in sums.iter_mut().zip(used.by) {
            *sum += more;
        }
    }
    add("all (paper: 28.3, infrastructure 14.24, DIR 7.2)", sums);
    let mut text = table.render();
    let busy: Vec<_> = figures.busy.iter().map(|busy| format!("{busy:.1} %")).collect();
    let _ = writeln!(
        text,
        "\nUse of the cores (paper: 15 ± 3 %, and 100 % of that of DIR and DWR): {}",
        busy.join(", ")
    );
    let _ = writeln!(
        text,
        "The infrastructure's part of what was consumed, after billing back: {:.2} % (paper: 50 %)",
        figures.infrastructure
    );
    text
}

fn pages(figures: &Figures) -> String {
    let columns = [
        ("", Align::Left),
        ("complete", Align::Right),
        ("failed", Align::Right),
        ("bytes", Align::Right),
    ];
    let mut table = Table::new(&columns);
    let names =
        ["a alone", "b alone", "c alone", "a with others", "b with others", "c with others"];
    let left_out = names.len().saturating_sub(figures.told.len());
    for (told, name) in figures.told.iter().zip(names.into_iter().skip(left_out)) {
        table.row([
            name.into(),
            told.complete.to_string(),
            told.failed.to_string(),
            told.bytes.to_string(),
        ]);
    }
    table.render()
}
