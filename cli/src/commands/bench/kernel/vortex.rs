//! The figures on Vortex: a machine for each, with one core, one activity, one program.

use std::collections::BTreeMap;

use super::disk::Image;
use super::{DYNAMIC, LIMIT, Measured, TICKS, With, cycles};
use crate::commands::experiment::stage::{Beside, Stage, fill};
use crate::failure::Failure;
use crate::machine::accelerator::Accelerator;
use crate::machine::disk::Disks;
use crate::machine::network;
use crate::machine::size::Cores;

const CONFIGURATION: &str = r#"<schedulerconfig>
<machine memory="256 MiB"/>
<cpumultiplexor tag="cpumux{core}" core="{core}" algorithm="propshare.wfq"/>
<resourcescheduler resource="resource.thread" algorithm="propshare.round-robin">
<cpumultiplexor tag="cpumux{core}"/>
</resourcescheduler>
<activity name="bench" share="100" performance="all"/>
<service activity="bench">
<program> /bin/bench </program>
<argument> NAME </argument> <argument> {count} </argument> OPTION
</service>
</schedulerconfig>
"#;

/// Instructions of each, in their order.
pub fn measure(all: &[Measured], with: With, disk: Option<&Image>) -> Result<Vec<u64>, Failure> {
    let one = |measured: &Measured| {
        let disks = disk.map(|disk| disk.fresh(None)).transpose()?;
        Ok(run(measured.name, measured.count, true, with, disks.as_ref())? / TICKS)
    };
    all.iter().map(one).collect()
}

/// One of them: cycles where time counts instructions, else nanoseconds.
pub fn one(name: &str, count: u32, counted: bool, disks: Option<&Disks>) -> Result<u64, Failure> {
    run(name, count, counted, With::Nothing, disks)
}

fn run(
    name: &str,
    count: u32,
    counted: bool,
    with: With,
    disks: Option<&Disks>,
) -> Result<u64, Failure> {
    let cores = Cores::LEAST;
    let stage = Stage { accelerator: Accelerator::Tcg, counted, cores };
    let text = fill(CONFIGURATION, cores, &BTreeMap::from([("count", count)]));
    let (mut card, mut words) = (Vec::new(), Vec::new());
    if with == With::Card {
        card.extend(network::arguments(&[]).into_iter().filter_map(|it| it.into_string().ok()));
        words.extend(network::words());
    }
    let card: Vec<_> = card.iter().map(String::as_str).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let (devices, words) = (&card[..], &words[..]);
    let beside = Beside { host: &[DYNAMIC], disks, devices, words, ..Beside::default() };
    let option = if counted { "<argument> --cycles </argument>" } else { "" };
    let text = text.replace("NAME", name).replace("OPTION", option);
    let said = stage.run_with(&text, &["bench"], LIMIT, beside)?;
    cycles(&said, name).ok_or(Failure::Unexpected("a line 'NAME N cycles'", said))
}
