//! A configuration with all busy in it, and whether anybody had less than it was promised.

use std::collections::BTreeMap;

use vortex_config::{Config, Guarantee, Level, Metric, Scope, ShareForm, THREAD, analyse};
use vortex_sim::{Options, Report};

use crate::common::{for_ms, parse, run_config};

/// What may be missing, in points: slices and requests are not infinitely short.
const POINTS: f64 = 0.5;
/// How long a request takes, in seconds, and as the file has it.
const REQUEST: f64 = 100e-6;
const COST: &str = "100 us";
/// How many come of each activity, on each core: more than one core could do.
const RATE: usize = 12_000;

/// Who is busy, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// Threads of all activities, one on every core.
    pub threads: bool,
    /// A resource that all ask for more than it can do: requests waiting in a second would hold
    /// the nodes that the first needs.
    pub busy: Option<&'a str>,
    /// In milliseconds.
    pub millis: u64,
}

/// The configuration's schedulers and activities, with a simulation that has this load.
pub fn saturated(text: &str, load: Load<'_>) -> String {
    let config = parse(text);
    let head = text.split("<simulation").next().unwrap();
    let head = head.trim_end().trim_end_matches("</schedulerconfig>");
    // Threads on every core.
    let head = head.replace(r#"<loadsharing core="3"> fixed"#, "<loadsharing> fewest-bound");
    let names: Vec<_> = config.activities.iter().map(|activity| activity.name.as_str()).collect();
    let cores = config.multiplexors.len();
    let mut work = String::new();
    if let Some(resource) = load.busy {
        work += &format!(r#"<resource name="{resource}" cost="{COST}"/>"#);
    }
    for name in names.iter().skip(1).filter(|_| load.threads) {
        work += &format!(
            r#"<workload activity="{name}" threads="{cores}"><compute> 20 ms </compute></workload>"#
        );
    }
    for (resource, name) in load.busy.iter().flat_map(|r| names.iter().map(move |name| (r, name))) {
        let (rate, flows) = (RATE * cores, 8 * cores);
        work += &format!(
            r#"<arrivals resource="{resource}" activity="{name}" rate="{rate}" flows="{flows}" bytes="100"/>"#
        );
    }
    format!(r#"{head}<simulation duration="1 s">{work}</simulation></schedulerconfig>"#)
}

/// Cycles by core, resource and activity, as places.
type Used = BTreeMap<(u16, usize, usize), u64>;

fn used(report: &Report) -> Used {
    let mut used = Used::new();
    for row in &report.trace {
        *used.entry((row.core.get(), row.resource, row.activity)).or_default() += row.cycles.get();
    }
    used
}

/// Runs the load; every promise about who has work where it is made is held against what came of
/// it. How many there were, or the first that was broken.
pub fn try_kept(text: &str, load: Load<'_>) -> Result<usize, String> {
    let text = saturated(text, load);
    let mut config = parse(&text);
    // What waits on one core does not hold the nodes that others need.
    let nodes = RATE * config.multiplexors.len() * usize::try_from(load.millis).unwrap() / 1_000;
    for activity in &mut config.activities {
        activity.nodes = u32::try_from(nodes + 1_000).ok();
    }
    let options = Options { trace: 10_000_000, ..for_ms(load.millis, load.millis) };
    let report = run_config(&config, &options);
    let used = used(&report);
    let mut compared = 0;
    for line in &analyse(&config).guarantees {
        compared += compare(&config, &report, &used, line, load)
            .map_err(|why| format!("{load:?}: {why}: {line:?}\n{text}"))?;
    }
    Ok(compared)
}

/// The same; all have to be kept.
pub fn kept(what: &str, text: &str, load: Load<'_>) -> usize {
    try_kept(text, load).unwrap_or_else(|why| panic!("{what}: {why}"))
}

/// Whether an activity has work where a promise is made of it.
fn is_at_work(config: &Config, used: &Used, line: &Guarantee, load: Load<'_>) -> bool {
    let at = match line.scope {
        Scope::Threads | Scope::Whole(None) => {
            return load.threads && config.thread().is_some_and(|it| it.cores.contains(&line.core));
        }
        Scope::Whole(Some(at)) | Scope::Resource(at) => at.index(),
    };
    // Load sharing may have bound none of its labels there.
    load.busy == Some(config.resources[at].resource.as_str())
        && used.contains_key(&(line.core.get(), at, line.activity.index()))
}

fn compare(
    config: &Config,
    report: &Report,
    used: &Used,
    line: &Guarantee,
    load: Load<'_>,
) -> Result<usize, String> {
    if !is_at_work(config, used, line, load) {
        return Ok(0);
    }
    let core = report.cores.iter().find(|core| core.core == line.core).unwrap();
    let of = |at| used.get(&(line.core.get(), at, line.activity.index())).copied().unwrap_or(0);
    let thread = config.resources.iter().position(|it| it.resource == THREAD);
    let through = config.multiplexor(line.core).unwrap();
    let through = through.shares == ShareForm::ChargeThrough && through.algorithm.uses_shares;
    let had = match line.scope {
        Scope::Whole(_) => core.activities[line.activity.index()].get(),
        Scope::Threads if through => core.activities[line.activity.index()].get(),
        Scope::Threads => of(thread.unwrap()),
        Scope::Resource(at) => of(at.index()),
    };
    let slices = behind(config, line);
    let own = Had { cycles: had, all: core.elapsed.get(), requests: 0, slices };
    let mut compared = at_least("of the core", own, line.of_core, line)?;
    if let Scope::Resource(at) = line.scope
        && config.resources[at.index()].metric != Metric::ServiceTime
    {
        let all = used
            .range((line.core.get(), at.index(), 0)..=(line.core.get(), at.index(), usize::MAX));
        let all = all.map(|(_, cycles)| *cycles).sum::<u64>();
        // Of little it is not worth asking for the parts.
        if all > core.elapsed.get() / 50 {
            let requests = config.activities.len();
            let own = Had { cycles: had, all, requests, slices: 0 };
            compared += at_least("of its service", own, line.of_resource, line)?;
        }
    }
    Ok(compared)
}

/// How many slices a client may be behind at its multiplexor by the bound in the policy's own
/// file: with n clients each of the others' longest, where there is no eligibility (stride, and
/// what shares as it does), and one of its own that it has been late.
fn behind(config: &Config, line: &Guarantee) -> usize {
    const LATE: [&str; 4] = ["propshare.stride", "deadline.cbs", "reserve.mclock", "hierarchy"];
    let multiplexor = config.multiplexor(line.core).unwrap();
    if LATE.contains(&multiplexor.algorithm.name.as_str()) {
        return config.activities.len();
    }
    0
}

/// What somebody had, of how much.
struct Had {
    cycles: u64,
    all: u64,
    /// So many requests more or less are nobody's fault.
    requests: usize,
    /// And so many time slices of 5 ms.
    slices: usize,
}

fn at_least(what: &str, had: Had, level: Level, line: &Guarantee) -> Result<usize, String> {
    let Level::AtLeast(part) = level else { return Ok(0) };
    // Of a machine of 1 GHz, or more.
    let seconds = had.all as f64 / 1e9;
    let part = f64::from(part.billionths()) / 1e9;
    let holds = line.holds;
    // Of turns, two may have to be waited for; those of requests are of the resource's time.
    let in_service = match (line.of_resource, line.of_core) {
        _ if had.requests > 0 => part,
        (Level::AtLeast(own), _) => f64::from(own.billionths()) / 1e9,
        _ => 0.0,
    };
    let rounds = if had.requests > 0 { 0.0 } else { holds.rounds.get() as f64 / 1e6 };
    let turns = 2.0 * (part * rounds + in_service * holds.requests as f64 * REQUEST);
    // Lots of 5 ms each, five times as far off as they are on average.
    let lots =
        if holds.on_average { 5.0 * (part * (1.0 - part) * 0.005 * seconds).sqrt() } else { 0.0 };
    let missing = (had.requests as f64 * REQUEST + turns + lots) / seconds;
    let least = POINTS.max(100.0 * had.slices as f64 * 0.005 / seconds);
    let (promised, missing) = (100.0 * part, least + 100.0 * missing);
    let had = 100.0 * had.cycles as f64 / had.all as f64;
    if had >= promised - missing {
        return Ok(1);
    }
    Err(format!("{had:.2} % {what}, not {promised:.2} % less {missing:.2}"))
}
