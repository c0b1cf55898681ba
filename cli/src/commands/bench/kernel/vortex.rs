//! The figures on Vortex: a machine for each, with one core, one activity, one program.

use std::collections::BTreeMap;

use super::{DYNAMIC, LIMIT, Measured, TICKS, cycles};
use crate::commands::experiment::stage::{Beside, Stage, fill};
use crate::failure::Failure;
use crate::machine::accelerator::Accelerator;
use crate::machine::size::Cores;

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

/// Instructions of each, in their order.
pub fn measure(all: &[Measured]) -> Result<Vec<u64>, Failure> {
    let cores = Cores::LEAST;
    let stage = Stage { accelerator: Accelerator::Tcg, counted: true, cores };
    let one = |measured: &Measured| {
        let (name, count) = (measured.name, measured.count);
        let text = fill(CONFIGURATION, cores, &BTreeMap::from([("count", count)]));
        let beside = Beside { host: &[DYNAMIC], ..Beside::default() };
        let text = text.replace("NAME", name);
        let said = stage.run_with(&text, &["bench"], LIMIT, beside)?;
        let cycles = cycles(&said, name);
        Ok(cycles.ok_or(Failure::Unexpected("a line 'NAME N cycles'", said))? / TICKS)
    };
    all.iter().map(one).collect()
}
