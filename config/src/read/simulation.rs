//! The simulated part: resources, threads, arrivals.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use roxmltree::Node;
use vortex_units::{Bytes, Cycles, Frames, Nanos};

use super::activities::find;
use super::element::{Field, Fields, Reader};
use super::steps;
use crate::{
    ActivityIndex, Arrivals, Config, Device, Pattern, Place, ResourceIndex, SimSend,
    SimulatedResource, Simulation, Span, Workload, limits,
};

pub(super) const THREAD: &str = "resource.thread";

pub(super) fn simulation(
    reader: &mut Reader<'_>,
    node: Node<'_, '_>,
    config: &Config,
) -> Option<Simulation> {
    let fields = reader.open(node, &["seed", "duration"], &["resource", "workload", "arrivals"]);
    let seed = fields.get("seed").and_then(|field| reader.number(field, 0, 1 << 50)).unwrap_or(1);
    let duration = reader.need(&fields, "duration").and_then(|field| {
        let duration = reader.time(&field)?;
        if duration.is_zero() {
            reader.bad(&field, "a time above zero, as 10 s");
        }
        Some(duration)
    });
    let mut resources = Vec::new();
    let mut places: Vec<Option<usize>> = vec![None; config.resources.len()];
    for node in fields.all("resource") {
        let Some(resource) = resource(reader, node, config) else { continue };
        let slot = places.get_mut(resource.resource.index())?;
        if slot.replace(resources.len()).is_some() {
            reader.flaw(resource.place, "this resource is described twice", "it once");
        }
        resources.push(resource);
    }
    let mut simulation = Simulation {
        seed,
        duration: duration.unwrap_or(Nanos::ZERO),
        resources,
        workloads: Vec::new(),
        arrivals: Vec::new(),
        place: fields.place,
    };
    let ways = steps::ways(reader, config, &simulation, &places);
    for node in fields.all("workload") {
        if let Some(workload) = workload(reader, node, config, &places) {
            simulation.workloads.push(workload);
        }
    }
    let threads = |w: &Workload| u64::from(w.threads) * u64::from(w.processes);
    if simulation.workloads.iter().map(threads).sum::<u64>() > limits::THREADS {
        let right = format!("at most {} in all workloads", limits::THREADS);
        reader.flaw(fields.place, "there are too many threads", right);
    }
    for node in fields.all("arrivals") {
        if let Some(arrivals) = arrivals(reader, node, config, &places, &ways) {
            simulation.arrivals.push(arrivals);
        }
    }
    if fields.all("workload").chain(fields.all("arrivals")).next().is_none() {
        reader.warn(fields.place, "nothing happens in this simulation");
    }
    Some(simulation)
}

/// A resource that has a scheduler and a description.
pub(super) fn target(
    reader: &mut Reader<'_>,
    config: &Config,
    places: &[Option<usize>],
    field: &Field,
) -> Option<ResourceIndex> {
    let described = |(index, resource): (usize, _)| {
        places.get(index).is_some_and(Option::is_some).then_some((index, resource))
    };
    let names = || config.resources.iter().enumerate().filter_map(described);
    let found = names().find(|(_, resource)| resource.resource == field.text);
    if found.is_none() {
        reader.unknown(field, "simulated resource", names().map(|(_, r)| r.resource.as_str()));
    }
    found.and_then(|(index, _)| u32::try_from(index).ok()).map(ResourceIndex)
}

fn scheduled(reader: &mut Reader<'_>, config: &Config, field: &Field) -> Option<ResourceIndex> {
    let found = config.resources.iter().position(|r| r.resource == field.text);
    if field.text == THREAD {
        let what = "the simulator has resource.thread itself";
        reader.flaw(field.place, what, "<workload> to describe threads");
        return None;
    }
    if found.is_none() {
        let names = config.resources.iter().map(|r| r.resource.as_str());
        reader.unknown(field, "resource with a scheduler", names.filter(|name| *name != THREAD));
    }
    found.and_then(|index| u32::try_from(index).ok()).map(ResourceIndex)
}

fn resource(
    reader: &mut Reader<'_>,
    node: Node<'_, '_>,
    config: &Config,
) -> Option<SimulatedResource> {
    const VALUES: &[&str] = &["name", "cost", "bytes", "memory", "bill"];
    let fields = reader.open(node, VALUES, &["device", "send"]);
    let cost = reader.need(&fields, "cost");
    let cost = cost.and_then(|field| reader.span(&field, config.machine.frequency));
    let bytes = fields.get("bytes").and_then(|field| reader.bytes(field));
    let memory = fields.get("memory").and_then(|field| reader.frames(field));
    let bills_causer = fields.get("bill").is_some_and(|field| {
        if field.text != "causer" {
            reader.bad(field, "causer, or no bill at all");
        }
        true
    });
    let mut device = None;
    for node in fields.all("device") {
        let values = reader.open(node, &["rate", "room"], &[]);
        if device.is_some() {
            reader.flaw(values.place, "there is a second <device>", "one a resource");
        }
        let rate = reader.need(&values, "rate").and_then(|f| positive(reader, &f));
        let room = reader.need(&values, "room").and_then(|f| positive(reader, &f));
        device = rate.zip(room).map(|(rate, room)| Device { rate, room });
    }
    let mut sends = Vec::new();
    for node in fields.all("send") {
        let values = reader.open(node, &["to", "count", "bytes", "wait"], &[]);
        let to = reader.need(&values, "to").and_then(|f| scheduled(reader, config, &f));
        let count = values.get("count").and_then(|field| reader.number32(field, 1, 1_000));
        let bytes = values.get("bytes").and_then(|field| reader.bytes(field));
        let wait = values.get("wait").is_some_and(|field| match field.text.as_str() {
            "yes" => true,
            "no" => false,
            _ => {
                reader.bad(field, "yes or no");
                false
            }
        });
        let Some(to) = to else { continue };
        if sends.len() >= limits::SCHEDULERS {
            reader.flaw(values.place, "a resource has too many sends", "a <count>");
            break;
        }
        sends.push(SimSend { to, count: count.unwrap_or(1), bytes, wait, place: values.place });
    }
    let name = reader.need(&fields, "name")?;
    let nothing = Span { least: Cycles::ZERO, most: Cycles::ZERO };
    Some(SimulatedResource {
        resource: scheduled(reader, config, &name)?,
        cost: cost.unwrap_or(nothing),
        bytes,
        memory: memory.unwrap_or(Frames::ZERO),
        bills_causer,
        device,
        sends,
        place: fields.place,
    })
}

fn positive(reader: &mut Reader<'_>, field: &Field) -> Option<Bytes> {
    let bytes = reader.bytes(field)?;
    if bytes.is_zero() {
        reader.bad(field, "more than nothing");
    }
    Some(bytes)
}

fn workload(
    reader: &mut Reader<'_>,
    node: Node<'_, '_>,
    config: &Config,
    places: &[Option<usize>],
) -> Option<Workload> {
    const VALUES: &[&str] = &["activity", "processes", "threads", "start", "stop"];
    let fields = reader.open(node, VALUES, &["compute", "call", "send", "sleep"]);
    if !config.resources.iter().any(|resource| resource.resource == THREAD) {
        let what = "threads have no scheduler to run them";
        reader.flaw(fields.place, what, "a <resourcescheduler> for resource.thread");
    }
    let activity = reader.need(&fields, "activity");
    let activity = activity.and_then(|field| find(reader, config, &field, false));
    let [processes, threads] = ["processes", "threads"]
        .map(|name| fields.get(name).and_then(|field| reader.number32(field, 1, 100_000)));
    let (start, stop) = times(reader, &fields);
    let steps = steps::steps(reader, &fields, config, places);
    Some(Workload {
        activity: activity?,
        processes: processes.unwrap_or(1),
        threads: threads.unwrap_or(1),
        start,
        stop,
        steps,
        place: fields.place,
    })
}

fn times(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> (Nanos, Option<Nanos>) {
    let start = fields.get("start").and_then(|f| reader.time(f)).unwrap_or(Nanos::ZERO);
    let stop = fields.get("stop").and_then(|field| {
        let stop = reader.time(field)?;
        if stop <= start {
            reader.bad(field, "a time after the start");
        }
        Some(stop)
    });
    (start, stop)
}

fn arrivals(
    reader: &mut Reader<'_>,
    node: Node<'_, '_>,
    config: &Config,
    places: &[Option<usize>],
    ways: &steps::Ways,
) -> Option<Arrivals> {
    const VALUES: &[&str] =
        &["resource", "activity", "causer", "rate", "bytes", "flows", "pattern", "start", "stop"];
    let fields = reader.open(node, VALUES, &[]);
    let resource = reader.need(&fields, "resource");
    let resource = resource.and_then(|field| target(reader, config, places, &field));
    let activity = match fields.get("activity") {
        Some(field) => find(reader, config, field, true),
        None => Some(ActivityIndex::INFRASTRUCTURE),
    };
    let causer = fields.get("causer").and_then(|field| {
        let causer = find(reader, config, field, false);
        if activity.is_some_and(|activity| activity != ActivityIndex::INFRASTRUCTURE) {
            let what = "these arrivals have an activity from the start";
            reader.flaw(field.place, what, "a causer for the infrastructure's arrivals only");
        } else if resource.is_some_and(|resource| !ways.bills(resource)) {
            let what = "no resource on the way of these arrivals bills the causer";
            reader.flaw(field.place, what, "bill=\"causer\" at one of them");
        }
        causer
    });
    let rate = reader.need(&fields, "rate");
    let rate = rate.and_then(|field| reader.number(&field, 1, 100_000_000));
    let bytes = fields.get("bytes").and_then(|field| reader.bytes(field));
    let flows = fields.get("flows").and_then(|field| reader.number32(field, 1, 1_000_000));
    let pattern =
        fields.get("pattern").map_or(Pattern::default(), |field| match field.text.as_str() {
            "periodic" => Pattern::Periodic,
            "poisson" => Pattern::Poisson,
            _ => {
                reader.bad(field, "periodic or poisson");
                Pattern::Periodic
            }
        });
    let (start, stop) = times(reader, &fields);
    Some(Arrivals {
        resource: resource?,
        activity: activity?,
        causer,
        rate: rate?,
        bytes: bytes.unwrap_or(Bytes::ZERO),
        flows: flows.unwrap_or(1),
        pattern,
        start,
        stop,
        place: fields.place,
    })
}

/// Where a flaw of a whole way is told: at the send that starts it.
pub(super) fn first_place(resource: &SimulatedResource) -> Place {
    resource.sends.first().map_or(resource.place, |send| send.place)
}
