//! What was measured, for people.

use std::fmt::Write as _;

use super::measure::{Beside, Figures};
use super::sites::Side;
use crate::commands::experiment::checks::{self, Check};
use crate::table::{Align, Table};

/// All of it.
pub fn report(rate: f64, ours: &Figures, theirs: Option<&Figures>, checks: &[Check]) -> String {
    let mut text = String::from("Pages of 1,000 bytes of one site, while the other is flooded\n");
    let mut table = Table::new(&[
        ("", Align::Left),
        ("beside", Align::Left),
        ("pages/s", Align::Right),
        ("half, ms", Align::Right),
        ("99 %, ms", Align::Right),
        ("failed", Align::Right),
        ("of", Align::Right),
        ("flood/s", Align::Right),
        ("not taken/s", Align::Right),
    ]);
    let sides = [(Side::Ours, Some(ours)), (Side::Linux, theirs)];
    let mut packets = String::new();
    for (side, figures) in sides {
        let Some(figures) = figures else { continue };
        let _ = write!(packets, "\n  {}: {:.0} a second", side.name(), figures.packets);
        for (at, row) in figures.rows.iter().enumerate() {
            let flood = match row.beside {
                Beside::Alone => String::new(),
                Beside::Slow => format!("{:.0} at once", row.taken),
                _ => format!("{:.0}", row.taken),
            };
            table.row([
                if at == 0 { side.name().into() } else { String::new() },
                row.beside.name().into(),
                format!("{:.0}", row.pages),
                format!("{:.1}", row.half),
                format!("{:.1}", row.most),
                row.failed.to_string(),
                row.asked.to_string(),
                flood,
                if row.beside == Beside::Alone {
                    String::new()
                } else {
                    format!("{:.0}", row.left)
                },
            ]);
        }
    }
    text += &table.render();
    let _ = writeln!(
        text,
        "\nPages a second: with 8 asked for at once. How long they take: with {rate:.0} asked for a \
         second.\nSmall packets for nobody that the machine takes, of which a flood is 80 %:{packets}"
    );
    text += &checks::report(checks);
    text
}
