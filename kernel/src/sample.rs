//! A core's part of a sample of the machine (§4.1), taken between two requests: the run
//! that was open is booked, and what it is booked to is told.

use alloc::string::String;
use alloc::vec::Vec;

use vortex_abi::performance::{Blame, Client, Core as Part, Kind};
use vortex_grid::{ClientReport, Core, CoreReport, Drawer, DrawerReport};
use vortex_resources::Mail;
use vortex_units::ActivityId;

use crate::assemble::Shared;
use crate::clock::Clock;

/// Gives this core's part, if it is asked for. Whoever asked pays for it.
pub fn give(core: &mut Core<Mail, Clock>, shared: &Shared) {
    let id = core.id();
    let Some((number, asker)) = shared.samples.wanted(id) else { return };
    let report = core.report();
    let mut part = part(id.get(), &report);
    blame(&mut part, &report, |activity| shared.activities().is_gone(activity));
    shared.samples.give(id, number, part);
    // Who has not waited for it may be gone.
    let gone = shared.activities().is_gone(asker);
    core.worked_for(if gone { ActivityId::INFRASTRUCTURE } else { asker });
}

fn part(number: u16, report: &CoreReport) -> Part {
    let holders = report.clients.iter().map(holder);
    let used = report.activities.iter().filter(|(_, cycles)| !cycles.is_zero());
    Part {
        number,
        stamp: report.stamp.get(),
        elapsed: report.elapsed.get(),
        idle: report.idle.get(),
        host: report.host.get(),
        departed: report.departed.get(),
        used: used.map(|(activity, cycles)| (index(*activity), cycles.get())).collect(),
        clients: report.drawers.iter().map(drawer).chain(holders).collect::<Vec<_>>(),
        ..Part::default()
    }
}

/// Who made whom wait. Those who are gone have no name, and another may have their number.
fn blame(part: &mut Part, report: &CoreReport, gone: impl Fn(ActivityId) -> bool) {
    part.unnamed = report.blame_unnamed.get();
    for row in &report.blame {
        let cycles = row.cycles.get();
        if gone(row.victim) || gone(row.causer) {
            part.unnamed = part.unnamed.saturating_add(cycles);
        } else {
            let (victim, causer) = (index(row.victim), index(row.causer));
            part.blame.push(Blame { victim, causer, cycles });
        }
    }
}

fn drawer(report: &DrawerReport) -> Client {
    let statistics = &report.statistics;
    let (kind, instance, resource, activity) = match &report.drawer {
        Drawer::Activity(activity) => (Kind::Threads, 0, String::new(), index(*activity)),
        Drawer::Resource(instance, name) => (Kind::Resource, instance.get(), name.clone(), 0),
    };
    Client {
        kind,
        instance,
        resource,
        activity,
        cycles: statistics.cycles.get(),
        memory: statistics.memory.get(),
        requests: statistics.requests.get(),
        ..Client::default()
    }
}

fn holder(report: &ClientReport) -> Client {
    Client {
        kind: Kind::Holder,
        instance: report.instance.get(),
        resource: report.resource.clone(),
        activity: index(report.activity),
        cycles: report.statistics.cycles.get(),
        bytes: report.usage.bytes.get(),
        memory: report.statistics.memory.get(),
        requests: report.statistics.requests.get(),
        runs: report.usage.runs.get(),
        waited: report.usage.waited.get(),
        longest: report.usage.longest_wait.get(),
        queued: report.queued as u64,
    }
}

fn index(activity: ActivityId) -> u32 {
    u32::try_from(activity.index()).unwrap_or(u32::MAX)
}
