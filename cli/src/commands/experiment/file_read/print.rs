//! The experiment for people: the paper's figures beside those measured.

use std::fmt::Write as _;

use super::figures::{BESIDE, Figures, PANELS, PROCESSES, deviation};
use crate::commands::experiment::checks::{self, Check};
use crate::table::{Align, Table};

/// What the paper's Figure 10 shows of the threads, about.
const PAPER_THREADS: [f64; 3] = [45.0, 30.0, 15.0];

/// All of it.
pub fn report(figures: &Figures, bounds: &[Check]) -> String {
    let mut text = format!(
        "Attribution under competition (§4.3, Figures 9 to 11), {}: {} cores, {:.0} s{}\n\n",
        figures.form,
        figures.cores,
        figures.seconds,
        if figures.counted { ", counted time" } else { "" }
    );
    text += "Figure 11: the processes' parts of what each used, in per cent, each second\n";
    text += &rows(figures);
    text += "\nOver the whole time (entitled and paper: 50, 33, 17)\n";
    text += &means(figures);
    text += "\nFigure 10: where the processes' cycles went, in per cent of all\n";
    text += &parts(figures);
    let reads = figures.reads.map(|reads| reads.to_string()).join(", ");
    let _ = writeln!(text, "\nReads of 32 KB: {reads}");
    text += &checks::report(bounds);
    text
}

fn triple(shares: &[f64; 3]) -> String {
    shares.map(|share| format!("{share:.2}")).join("  ")
}

fn rows(figures: &Figures) -> String {
    let names = PANELS.map(|(name, _)| format!("{}: a, b, c", figures.panel(name)));
    let mut columns = vec![("second", Align::Right)];
    columns.extend(names.iter().map(|name| (name.as_str(), Align::Right)));
    let mut table = Table::new(&columns);
    for row in &figures.rows {
        let number = row.sample.to_string();
        table.row(std::iter::once(number).chain(row.shares.iter().map(triple)));
    }
    table.render()
}

fn means(figures: &Figures) -> String {
    let columns = [
        ("", Align::Left),
        ("measured: a, b, c", Align::Right),
        ("off", Align::Right),
        ("a second off, mean", Align::Right),
        ("at worst", Align::Right),
        ("Linux (paper): mean, worst", Align::Right),
    ];
    let mut table = Table::new(&columns);
    for (place, ((name, _), mean)) in PANELS.iter().zip(&figures.means).enumerate() {
        let (worst, usual) = figures.off(place);
        table.row([
            figures.panel(name).into(),
            triple(mean),
            format!("{:.3}", deviation(mean)),
            format!("{usual:.3}"),
            format!("{worst:.3}"),
            "0.3 to 1.1, 5 to 7".into(),
        ]);
    }
    table.render()
}

fn parts(figures: &Figures) -> String {
    let columns = [("", Align::Left), ("measured", Align::Right), ("paper", Align::Right)];
    let mut table = Table::new(&columns);
    let threads: f64 = PAPER_THREADS.iter().sum();
    let mut sorted = figures.by_resource.clone();
    sorted.sort_by(|one, other| other.1.total_cmp(&one.1));
    for (name, used) in &sorted {
        let known = PANELS.iter().find(|(_, resource)| resource == name);
        let paper = match known {
            Some((_, "")) => format!("about {threads:.0}"),
            Some(_) => "together about 10".into(),
            None => String::new(),
        };
        let shown = match known {
            Some((shown, _)) => figures.panel(shown).to_string(),
            None if name == BESIDE => format!("{name}: open and close"),
            None => name.clone(),
        };
        table.row([shown, format!("{used:.2} %"), paper]);
    }
    for ((name, _), used) in PROCESSES.iter().zip(figures.by_process) {
        table.row([format!("process {name}, in all"), format!("{used:.2} %"), String::new()]);
    }
    let infrastructure = format!("{:.4} %", figures.infrastructure);
    table.row(["infrastructure".into(), infrastructure, String::new()]);
    table.row(["idle".into(), format!("{:.2} %", figures.idle), String::new()]);
    table.render()
}
