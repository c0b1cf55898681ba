//! `bench kernel`: what the process interface costs on the booted machine, in instructions.
//!
//! Guest time counts instructions (`-icount shift=1`: the counter advances by two at each),
//! on one core, so that every run gives the same figures. The same program (`services/bench`)
//! runs on Linux; its figures there, in a machine of the same kind, are still to be set
//! beside these.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;

use crate::commands::experiment::stage::{Stage, fill};
use crate::failure::Failure;
use crate::machine::accelerator::Accelerator;
use crate::machine::size::Cores;
use crate::out;
use crate::table::{Align, Table};

/// What the counter advances by at an instruction.
const TICKS: u64 = 2;
/// In which a machine ends.
const LIMIT: Duration = Duration::from_secs(120);

/// What is measured: the benchmark's name, how often, and what it is.
const MEASURED: &[(&str, u32, &str)] = &[
    ("getppid", 5_000, "the null call, direct"),
    ("null-write", 1_000, "the null call, as a request"),
    ("yield", 1_000, "a yield to another thread"),
    ("switch", 500, "two threads in turn by futex, there and back"),
    ("pipe", 500, "a byte to another process and back"),
    ("fork", 50, "fork, exit, wait"),
    ("exec", 30, "fork, exec, exit, wait"),
    ("fault", 1_000, "the first touch of a page"),
];

/// A figure.
#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    what: &'static str,
    instructions: u64,
}

/// One core, one activity, one program.
const CONFIGURATION: &str = r#"<schedulerconfig>
<machine memory="256 MiB"/>
<cpumultiplexor tag="cpumux{core}" core="{core}" algorithm="propshare.wfq"/>
<resourcescheduler resource="resource.thread" algorithm="propshare.round-robin">
<cpumultiplexor tag="cpumux{core}"/>
</resourcescheduler>
<activity name="bench" share="100"/>
<service activity="bench">
<program> /bin/bench </program>
<argument> NAME </argument> <argument> {count} </argument> <argument> --cycles </argument>
</service>
</schedulerconfig>
"#;

/// Measures all and prints.
pub fn run(json: bool) -> Result<ExitCode, Failure> {
    let cores = Cores::LEAST;
    let stage = Stage { accelerator: Accelerator::Tcg, counted: true, cores };
    let mut figures = Vec::new();
    for &(name, count, what) in MEASURED {
        let text = fill(CONFIGURATION, cores, &BTreeMap::from([("count", count)]));
        let said = stage.run(&text.replace("NAME", name), &["bench"], LIMIT, None)?;
        let cycles = figure(&said, name);
        let cycles =
            cycles.ok_or_else(|| Failure::Unexpected("a line 'NAME N cycles'", said.clone()))?;
        figures.push(Figure { name, what, instructions: cycles / TICKS });
    }
    if json {
        out::put(&format!("{}\n", serde_json::to_string_pretty(&figures)?));
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&[
        ("benchmark", Align::Left),
        ("instructions", Align::Right),
        ("what it is", Align::Left),
    ]);
    for figure in &figures {
        table.row([figure.name.into(), figure.instructions.to_string(), figure.what.into()]);
    }
    out::put(&table.render());
    Ok(ExitCode::SUCCESS)
}

/// The figure in a line `NAME N cycles`.
fn figure(said: &str, name: &str) -> Option<u64> {
    said.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(name)).then(|| words.next()?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn a_figure_is_found_among_what_the_machine_says() {
        let said = "vortex: bench makes system call 334\ngetppid 1270 cycles\ncore 0: 5 cycles\n";
        assert_eq!(figure(said, "getppid"), Some(1270));
        assert_eq!(figure(said, "pipe"), None);
    }
}
