//! `set`: gives an activity of a machine that is hosted here another share, a reservation or a
//! limit, and a scheduler another policy, at once.

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
use crate::watch::said;
use crate::watch::standing::Standing;
use crate::watch::{Monitor, Unheard};

/// Changes it, and says what each is entitled to now.
pub fn run(arguments: &Set) -> Result<ExitCode, Failure> {
    let found = running::running(&running::folder(&home::root()?), arguments.machine)?;
    let port = found.monitor().ok_or(Failure::NoMonitor(found.about.process))?;
    let secret = found.secret()?;
    let fields = fields(arguments)?;
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let mut monitor = Monitor::at(port);
    let said = monitor.order("/set", &secret, &fields).map_err(refused)?;
    out::put(&said);
    let sample = monitor.sample().map_err(|error| Failure::Unheard(error.to_string()))?;
    out::put(&entitled(&found, &between(None, &sample)));
    Ok(ExitCode::SUCCESS)
}

/// What is to be said to the monitor.
fn fields(arguments: &Set) -> Result<Vec<(String, String)>, Failure> {
    let mut fields = Vec::new();
    let mut say = |name: &str, value: &str| fields.push((name.to_string(), value.to_string()));
    match &arguments.resource {
        Some(resource) => {
            say("activity", &arguments.activity);
            say("resource", resource);
        }
        None => say("resource", &arguments.activity),
    }
    let core = arguments.core.map(|core| core.to_string());
    let said = [
        ("share", arguments.share.as_ref().or(arguments.own_share.as_ref())),
        ("priority", arguments.priority.as_ref()),
        ("reservation", arguments.reservation.as_ref()),
        ("limit", arguments.limit.as_ref()),
        ("period", arguments.period.as_ref()),
        ("policy", arguments.policy.as_ref()),
    ];
    let said: Vec<_> = said.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    if said.is_empty() {
        let what = match &arguments.resource {
            Some(_) => "a share, --priority, --reservation, --limit or --period",
            None => "--policy, --share, --priority or --limit; or, after an activity, where",
        };
        return Err(Failure::Refused(true, format!("What is to be set is not said: {what}.")));
    }
    said.iter().for_each(|(name, value)| say(name, value));
    for param in &arguments.params {
        let Some((name, value)) = param.split_once('=') else {
            let why = format!("'{param}' is no parameter: NAME=VALUE.");
            return Err(Failure::Refused(true, why));
        };
        say(&format!("param.{}", name.trim()), value.trim());
    }
    if let Some(core) = &core {
        say("core", core);
    }
    Ok(fields)
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

/// The shares now, at the processors each's part of all, and whatever is not the usual.
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
    let mut text = format!("\n{}", table.render());
    let apart = said::apart_table(&figures.said);
    if !apart.is_empty() {
        text += &format!("\nSet apart\n{}", apart.render());
    }
    let changed = said::changed(&figures.schedulers, &standing.written);
    let schedulers = said::schedulers_table(changed);
    if !schedulers.is_empty() {
        text += &format!("\nSchedulers that are not as in the file\n{}", schedulers.render());
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        set: Set,
    }

    fn said(words: &str) -> Option<String> {
        let words = words.split('|').map(str::trim);
        let line = Line::try_parse_from(std::iter::once("set").chain(words)).ok()?;
        let fields = fields(&line.set).ok()?;
        let fields = fields.iter().map(|(name, value)| format!("{name}={value}"));
        Some(fields.collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn words_become_an_order() {
        for (words, wanted) in [
            ("shop | all | 50", "activity=shop; resource=all; share=50"),
            ("shop | cpu | 20 | --core | 1", "activity=shop; resource=cpu; share=20; core=1"),
            (
                "shop | drwr | --limit | none | --reservation | 4 MB/s",
                "activity=shop; resource=drwr; reservation=4 MB/s; limit=none",
            ),
            ("shop | cpu | --period | 20 ms", "activity=shop; resource=cpu; period=20 ms"),
            (
                "drwr | --policy | order.scan | --param | window=16",
                "resource=drwr; policy=order.scan; param.window=16",
            ),
            ("shop | tcp | --priority | 3", "activity=shop; resource=tcp; priority=3"),
            ("shop | all | 5 | --priority | 3", "activity=shop; resource=all; share=5; priority=3"),
            ("shop | tcp | none", "activity=shop; resource=tcp; share=none"),
            ("tcp | --share | 30", "resource=tcp; share=30"),
            ("tcp | --priority | 2 | --core | 0", "resource=tcp; priority=2; core=0"),
            ("bus | --limit | 4 MB/s", "resource=bus; limit=4 MB/s"),
        ] {
            assert_eq!(said(words).as_deref(), Some(wanted), "{words}");
        }
    }

    #[test]
    fn what_does_not_belong_together_is_no_order() {
        for words in [
            "shop",
            "shop | cpu",
            "shop | cpu | 1 | --policy | fifo",
            "shop | cpu | --share | 3",
            "tcp | --reservation | 3 %",
            "tcp | --param | a=b",
            "tcp | --policy | fifo | --param | ab",
            "tcp | --policy | fifo | --share | 3",
        ] {
            assert_eq!(said(words), None, "{words}");
        }
    }
}
