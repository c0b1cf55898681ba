//! The figures on Vortex: a machine for each, with one core, one activity, one program.

use std::collections::BTreeMap;

use super::{ALL, LIMIT, TICKS, cycles};
use crate::commands::experiment::stage::{Stage, fill};
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

/// Instructions of each, in the order of [`ALL`].
pub fn measure() -> Result<Vec<u64>, Failure> {
    let cores = Cores::LEAST;
    let stage = Stage { accelerator: Accelerator::Tcg, counted: true, cores };
    let one = |measured: &super::Measured| {
        let (name, count) = (measured.name, measured.count);
        let text = fill(CONFIGURATION, cores, &BTreeMap::from([("count", count)]));
        let said = stage.run(&text.replace("NAME", name), &["bench"], LIMIT, None)?;
        let cycles = cycles(&said, name);
        Ok(cycles.ok_or(Failure::Unexpected("a line 'NAME N cycles'", said))? / TICKS)
    };
    ALL.iter().map(one).collect()
}
