//! The experiment for people: the paper's figures beside those measured.

use super::figures::{Figures, PROCESSES};
use super::verdict::{quantum, sample_bound};
use crate::commands::experiment::checks::{self, Check};
use crate::human;
use crate::table::{Align, Table};

/// All of it.
pub fn report(main: &Figures, others: &[Figures], bounds: &[Check]) -> String {
    let mut text = format!(
        "CPU attribution (§4.1, §4.2, Figure 8): {} cores, {:.0} s, timeslices of {} ms{}\n\n",
        main.cores,
        main.seconds,
        main.timeslice,
        if main.counted { ", counted time" } else { "" }
    );
    text += "Shares of the three processes on each core, in per cent (entitled: 50, 33, 17)\n";
    text += &rows(main);
    text += "\nMeans\n";
    text += &means(main);
    text += "\nWhere the cycles went\n";
    text += &cycles(main);
    text += "\nAccuracy of single samples, in points\n";
    text += &accuracy(main, others);
    text += &checks::report(bounds);
    text
}

fn triple(shares: &[f64; 3]) -> String {
    shares.map(|share| format!("{share:.2}")).join("  ")
}

fn rows(figures: &Figures) -> String {
    let names: Vec<String> =
        (0..figures.cores).map(|core| format!("core {core}: a, b, c")).collect();
    let mut columns = vec![("sample", Align::Right)];
    columns.extend(names.iter().map(|name| (name.as_str(), Align::Right)));
    let mut table = Table::new(&columns);
    for rows in figures.rows.chunk_by(|one, next| one.sample == next.sample) {
        let first = rows.first().map(|row| row.sample.to_string());
        table.row(first.into_iter().chain(rows.iter().map(|row| triple(&row.shares))));
    }
    table.render()
}

fn means(figures: &Figures) -> String {
    let columns = [
        ("process", Align::Left),
        ("entitled and paper", Align::Right),
        ("measured", Align::Right),
        ("off", Align::Right),
    ];
    let mut table = Table::new(&columns);
    for ((name, wanted), mean) in PROCESSES.iter().zip(figures.means) {
        let off = format!("{:+.3}", mean - wanted);
        table.row([(*name).into(), format!("{wanted:.0} %"), format!("{mean:.3} %"), off]);
    }
    table.render()
}

fn cycles(figures: &Figures) -> String {
    let columns = [
        ("", Align::Left),
        ("cycles", Align::Right),
        ("of all", Align::Right),
        ("paper", Align::Right),
        ("Linux here", Align::Right),
    ];
    let mut table = Table::new(&columns);
    let mut row = |what: &str, cycles: i128, paper: &str, linux: &str| {
        let per_cent = format!("{:.4} %", figures.per_cent(cycles as f64));
        let sign = if cycles < 0 { "-" } else { "" };
        let cycles = human::grouped(u64::try_from(cycles.unsigned_abs()).unwrap_or(u64::MAX));
        table.row([what.into(), format!("{sign}{cycles}"), per_cent, paper.into(), linux.into()]);
    };
    row("elapsed x cores", figures.available.into(), "", "");
    row("unaccounted", figures.unaccounted.into(), "0.004 %", "0.13 %");
    row(
        "the same, all cores by core 0's counter",
        figures.unaccounted_by_core_0.into(),
        "0.004 %",
        "",
    );
    row("in no multiplexor client, most of it for sampling", figures.beside_clients.into(), "", "");
    row("infrastructure", figures.infrastructure.into(), "", "");
    row("sampler", figures.sampler.into(), "", "");
    row("idle", figures.idle.into(), "", "");
    table.render()
}

fn accuracy(main: &Figures, others: &[Figures]) -> String {
    let columns = [
        ("timeslice", Align::Right),
        ("samples", Align::Right),
        ("mean", Align::Right),
        ("largest", Align::Right),
        ("paper: within", Align::Right),
        ("quantum", Align::Right),
        ("bound", Align::Right),
    ];
    let mut table = Table::new(&columns);
    let mut all: Vec<_> = [main].into_iter().chain(others).collect();
    all.sort_by_key(|figures| figures.timeslice);
    for figures in all {
        table.row([
            format!("{} ms", figures.timeslice),
            figures.rows.len().to_string(),
            format!("{:.3}", figures.sample_deviation),
            format!("{:.3}", figures.largest_deviation),
            format!("{:.1}", f64::from(figures.timeslice) / 10.0),
            format!("{:.0} ms", quantum(figures)),
            format!("{:.2}", sample_bound(figures)),
        ]);
    }
    table.render()
}
