//! `set`: gives an activity of a machine that is hosted here another share, at once.

use std::process::ExitCode;

use crate::args::Set;
use crate::config_file;
use crate::failure::Failure;
use crate::home;
use crate::human;
use crate::out;
use crate::running::{self, Found};
use crate::table::{Align, Table};
use crate::watch::figures::{Figures, between};
use crate::watch::standing::Standing;
use crate::watch::{Monitor, Unheard};

/// Changes it, and says what each is entitled to now.
pub fn run(arguments: &Set) -> Result<ExitCode, Failure> {
    let found = running::running(&running::folder(&home::root()?), arguments.machine)?;
    let port = found.monitor().ok_or(Failure::NoMonitor(found.about.process))?;
    let secret = found.secret()?;
    let core = arguments.core.map(|core| core.to_string());
    let mut fields = vec![
        ("activity", arguments.activity.as_bytes()),
        ("resource", arguments.resource.as_bytes()),
        ("share", arguments.share.as_bytes()),
    ];
    fields.extend(core.iter().map(|core| ("core", core.as_bytes())));
    let mut monitor = Monitor::at(port);
    let said = monitor.order("/set", &secret, &fields).map_err(refused)?;
    out::put(&said);
    let sample = monitor.sample().map_err(|error| Failure::Unheard(error.to_string()))?;
    out::put(&entitled(&found, &between(None, &sample)));
    Ok(ExitCode::SUCCESS)
}

/// Why an order was not carried out.
pub fn refused(unheard: Unheard) -> Failure {
    match unheard {
        Unheard::Said(status, why) => {
            Failure::Refused(matches!(status, 400 | 404), why.trim_end().into())
        }
        other => Failure::Unheard(other.to_string()),
    }
}

/// The shares now, and at the processors each's part of all.
fn entitled(found: &Found, figures: &Figures) -> String {
    let standing = match config_file::read(&found.about.configuration) {
        Ok(Ok(config)) => Standing::of(&config),
        _ => Standing::default(),
    };
    let now = standing.now(figures);
    let columns = [("activity", Align::Left), ("share", Align::Right), ("entitled", Align::Right)];
    let mut table = Table::new(&columns);
    for name in &standing.activities {
        let share = figures.shares.get(name).map_or_else(|| "-".into(), ToString::to_string);
        let part = now.get(name).map_or_else(|| "-".into(), |part| human::percent(*part, 1.0));
        table.row([name.clone(), share, part]);
    }
    if table.is_empty() {
        return String::new();
    }
    let apart: Vec<_> = figures.apart.keys().map(String::as_str).collect();
    let note = match apart.is_empty() {
        true => String::new(),
        false => format!("Other shares at {}.\n", apart.join(", ")),
    };
    format!("\n{}{note}", table.render())
}
