//! Making the report when a simulation has ended.

use std::collections::BTreeMap;

use vortex_assembly::multiplexor_share;
use vortex_grid::CoreReport;
use vortex_units::{ActivityId, CoreId, Cycles, Frames, Requests, Share};

use super::{BlameRow, CoreUsage, Received, Refusal, Report, ShareRow, TraceRow, UsageRow};
use crate::build::Built;
use crate::run::Simulator;

/// Reads everything off the cores.
pub(crate) fn report(simulator: Simulator) -> Report {
    let Simulator { built, mut units, audit, refusals, samples, .. } = simulator;
    let reports: Vec<(CoreId, CoreReport)> =
        units.iter_mut().map(|unit| (unit.id(), unit.core.report())).collect();
    let place = |activity| built.activities.iter().position(|&a| a == activity).unwrap_or(0);
    let cores: Vec<CoreUsage> = reports.iter().map(|(id, r)| core(&built, *id, r)).collect();
    let mut traced: Vec<_> = units.iter().flat_map(|unit| unit.clock.take_trace()).collect();
    traced.sort_by_key(|run| (run.began, run.core));
    let mut refused = built.tally.failures();
    for (what, count) in refusals {
        *refused.entry(what).or_default() += count;
    }
    let refusals = refused
        .into_iter()
        .map(|((activity, reason), count)| Refusal { activity: place(activity), reason, count })
        .collect();
    let mut report = Report {
        seed: built.simulation.seed,
        frequency: built.config.machine.frequency,
        duration: built.duration,
        activities: built.config.activities.iter().map(|a| a.name.clone()).collect(),
        resources: built.config.resources.iter().map(|r| r.resource.clone()).collect(),
        usage: usage(&built, &reports),
        shares: Vec::new(),
        blame: blame(&reports, place),
        refusals,
        audit,
        runs: units.iter().map(|unit| unit.clock.runs()).sum(),
        locks: built.grid.locks_taken(),
        trace: traced
            .into_iter()
            .map(|run| TraceRow {
                at: run.began,
                core: run.core,
                resource: run.resource as usize,
                activity: place(run.activity),
                cycles: run.cycles,
            })
            .collect(),
        cores,
        samples,
    };
    report.shares = shares(&built, &report);
    report
}

fn core(built: &Built, core: CoreId, report: &CoreReport) -> CoreUsage {
    let of = |activity| {
        let used = report.activities.iter().find(|(of, _)| *of == activity);
        used.map_or(Cycles::ZERO, |(_, used)| *used)
    };
    let activities = built.activities.iter().map(|&activity| of(activity)).collect();
    CoreUsage { core, elapsed: report.elapsed, idle: report.idle, activities }
}

fn usage(built: &Built, reports: &[(CoreId, CoreReport)]) -> Vec<UsageRow> {
    let mut rows: BTreeMap<(usize, usize), (UsageRow, Cycles)> = BTreeMap::new();
    for client in reports.iter().flat_map(|(_, report)| &report.clients) {
        let find = |activity| built.activities.iter().position(|&a| a == activity);
        let named = |name: &str| built.config.resources.iter().position(|r| r.resource == name);
        let (Some(activity), Some(resource)) = (find(client.activity), named(&client.resource))
        else {
            continue;
        };
        let (row, waited) = rows.entry((activity, resource)).or_insert_with(|| {
            let number = u32::try_from(resource).unwrap_or(u32::MAX);
            (empty(activity, resource, built.tally.peak(client.activity, number)), Cycles::ZERO)
        });
        row.cycles += client.usage.cycles;
        row.bytes += client.usage.bytes;
        row.requests += client.usage.runs;
        row.longest_wait = row.longest_wait.max(client.usage.longest_wait);
        row.queued += client.queued;
        *waited += client.usage.waited;
    }
    let mean = |(mut row, waited): (UsageRow, Cycles)| {
        row.mean_wait = Cycles::new(waited.get() / row.requests.get().max(1));
        row
    };
    rows.into_values().map(mean).collect()
}

fn empty(activity: usize, resource: usize, memory: Frames) -> UsageRow {
    UsageRow {
        activity,
        resource,
        cycles: Cycles::ZERO,
        bytes: vortex_units::Bytes::ZERO,
        memory,
        requests: Requests::ZERO,
        mean_wait: Cycles::ZERO,
        longest_wait: Cycles::ZERO,
        queued: 0,
    }
}

fn blame(reports: &[(CoreId, CoreReport)], place: impl Fn(ActivityId) -> usize) -> Vec<BlameRow> {
    let mut rows: BTreeMap<(usize, usize), Cycles> = BTreeMap::new();
    for row in reports.iter().flat_map(|(_, report)| &report.blame) {
        *rows.entry((place(row.victim), place(row.causer))).or_default() += row.cycles;
    }
    rows.into_iter().map(|((victim, causer), cycles)| BlameRow { victim, causer, cycles }).collect()
}

/// Weight and use of each activity that had work, somewhere.
struct Part {
    activity: usize,
    weight: Vec<Share>,
    cycles: Cycles,
}

fn shares(built: &Built, report: &Report) -> Vec<ShareRow> {
    let count = built.activities.len();
    let weight = |activity, core| multiplexor_share(&built.config, activity, core);
    let mut rows = Vec::new();
    for usage in &report.cores {
        let parts = (1..count).filter_map(|activity| {
            let cycles = usage.activities.get(activity).copied()?;
            let weight = vec![weight(activity, usage.core)];
            (!cycles.is_zero()).then_some(Part { activity, weight, cycles })
        });
        rows.extend(compare(&parts.collect::<Vec<_>>(), Some(usage.core), report));
    }
    let overall = (1..count).filter_map(|activity| {
        let on = |usage: &&CoreUsage| usage.activities.get(activity).is_some_and(|c| !c.is_zero());
        let used: Vec<&CoreUsage> = report.cores.iter().filter(on).collect();
        let cycles = used.iter().filter_map(|usage| usage.activities.get(activity)).copied().sum();
        let weight = used.iter().map(|usage| weight(activity, usage.core)).collect();
        (!used.is_empty()).then_some(Part { activity, weight, cycles })
    });
    rows.extend(compare(&overall.collect::<Vec<_>>(), None, report));
    rows
}

fn sum(weight: &[Share]) -> f64 {
    weight.iter().map(|share| f64::from(share.hundredths())).sum()
}

fn per_cent(part: Cycles, whole: Cycles) -> f64 {
    if whole.is_zero() { 0.0 } else { 100.0 * part.get() as f64 / whole.get() as f64 }
}

fn compare(parts: &[Part], core: Option<CoreId>, report: &Report) -> Vec<ShareRow> {
    let all_weight: f64 = parts.iter().map(|part| sum(&part.weight)).sum();
    let all_cycles: Cycles = parts.iter().map(|part| part.cycles).sum();
    let row = |part: &Part| {
        let entitled = 100.0 * sum(&part.weight) / all_weight;
        let received = per_cent(part.cycles, all_cycles);
        ShareRow {
            activity: part.activity,
            core,
            weight: part.weight.clone(),
            cycles: part.cycles,
            entitled: Received(entitled),
            received: Received(received),
            deviation: Received(received - entitled),
            worst_interval: Received(worst(part.activity, entitled, core, report)),
        }
    };
    parts.iter().map(row).collect()
}

/// The deviation with the largest amount among the samples in which anybody ran.
fn worst(activity: usize, entitled: f64, core: Option<CoreId>, report: &Report) -> f64 {
    let mut intervals: BTreeMap<Cycles, (Cycles, Cycles)> = BTreeMap::new();
    for sample in report.samples.iter().filter(|s| core.is_none_or(|core| s.core == core)) {
        let (own, all) = intervals.entry(sample.at).or_default();
        *own += sample.cycles.get(activity).copied().unwrap_or_default();
        *all += sample.cycles.iter().skip(1).copied().sum::<Cycles>();
    }
    intervals
        .values()
        .filter(|(_, all)| !all.is_zero())
        .map(|(own, all)| per_cent(*own, *all) - entitled)
        .fold(0.0, |worst: f64, next| if next.abs() > worst.abs() { next } else { worst })
}
