//! Multiplexors, stacked schedulers, and requests for time.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use roxmltree::Node;
use vortex_units::{CoreId, Rate};

use super::element::{Field, Fields, Reader, TEXT};
use super::value::anything;
use super::whole::Tags;
use super::{graph, groups, names};
use crate::{
    Algorithm, Draw, Metric, Multiplexor, Parameter, SchedulerIndex, ShareForm, Source,
    StackedScheduler, limits,
};

/// The resource that says how long a device serves a request.
const SERVES: &str = "resource.drwr";

/// The resources whose requests have a position on a disk.
const POSITIONS: [&str; 4] =
    ["resource.storage", "resource.scsi", "resource.sdrwr", "resource.drwr"];

pub(super) fn multiplexors(
    reader: &mut Reader<'_>,
    tags: &mut Tags,
    nodes: &[Node<'_, '_>],
) -> Vec<Multiplexor> {
    const VALUES: &[&str] = &["tag", "core", "algorithm", "metric", "shares", "runon"];
    let mut found: Vec<Multiplexor> = Vec::new();
    let mut cores = BTreeSet::new();
    for node in nodes {
        let fields = reader.open(*node, VALUES, &["param"]);
        let tag = reader.need(&fields, "tag");
        let core = reader.need(&fields, "core").and_then(|field| {
            let core = reader.core(&field)?;
            if !cores.insert(core) {
                let what = format!("{core} has two multiplexors");
                reader.flaw(field.place, what, "one multiplexor a core");
            }
            Some(core)
        });
        if let Some(tag) = &tag {
            reader.name(tag);
            if tags.claim(reader, tag) {
                tags.multiplexors.insert(tag.text.clone(), core);
            }
        }
        let (algorithm, metric, params) = policy(reader, &fields, Of::Core);
        let shares = fields.get("shares").map_or(ShareForm::default(), |field| {
            if !algorithm.uses_shares {
                ignored(reader, field, "shares", (&algorithm, Of::Core));
            }
            match field.text.as_str() {
                "charge-through" => ShareForm::ChargeThrough,
                "paper" => ShareForm::Paper,
                _ => {
                    let right =
                        names::expected(&field.text, ["charge-through", "paper"].into_iter());
                    reader.bad(field, &right);
                    ShareForm::Paper
                }
            }
        });
        let run_on = fields.get("runon").and_then(|f| reader.micros(f));
        found.push(Multiplexor {
            tag: tag.map(|tag| tag.text).unwrap_or_default(),
            core: core.unwrap_or(CoreId::new(0)),
            algorithm,
            metric,
            shares,
            run_on: run_on.unwrap_or(shares.run_on()),
            params,
            place: fields.place,
        });
    }
    found.sort_by_key(|multiplexor| multiplexor.core);
    found
}

pub(super) fn stacked(
    reader: &mut Reader<'_>,
    tags: &mut Tags,
    nodes: &[Node<'_, '_>],
    multiplexors: &[Multiplexor],
) -> Vec<StackedScheduler> {
    const VALUES: &[&str] = &["tag", "algorithm", "metric", "limit"];
    const ELEMENTS: &[&str] = &["param", "cpumultiplexor", "scheduler"];
    let mut found: Vec<StackedScheduler> = Vec::new();
    let mut opened = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let fields = reader.open(*node, VALUES, ELEMENTS);
        if index >= limits::SCHEDULERS {
            let right = format!("at most {}", limits::SCHEDULERS);
            reader.flaw(fields.place, "there are too many schedulers", right);
            break;
        }
        let tag = reader.need(&fields, "tag");
        if let Some(tag) = &tag {
            reader.name(tag);
            if tags.claim(reader, tag) {
                let number = SchedulerIndex(u32::try_from(index).unwrap_or(u32::MAX));
                tags.schedulers.insert(tag.text.clone(), number);
            }
        }
        let (mut algorithm, metric, params) = policy(reader, &fields, Of::Schedulers);
        let limit = fields.get("limit").and_then(|field| limit(reader, field, &metric));
        algorithm.work_conserving &= limit.is_none();
        let tag = tag.map(|tag| tag.text).unwrap_or_default();
        let (draws, cores, place) = (Vec::new(), Vec::new(), fields.place);
        found.push(StackedScheduler { tag, algorithm, metric, params, limit, draws, cores, place });
        opened.push(fields);
    }
    for (index, fields) in opened.iter().enumerate() {
        let asked = draws(reader, tags, fields, multiplexors, &found);
        if let Some(scheduler) = found.get_mut(index) {
            scheduler.draws = asked;
        }
    }
    graph::order(reader, tags, found)
}

/// What a scheduler's clients have together in a second.
pub(super) fn limit(reader: &mut Reader<'_>, field: &Field, metric: &Metric) -> Option<Rate> {
    if !matches!(metric, Metric::Bytes | Metric::Requests) {
        let what = "a limit here is of bytes or of requests in a second";
        reader.flaw(field.place, what, "metric=\"bytes\" or metric=\"requests\"");
        return None;
    }
    reader.rate(field, metric)
}

/// Whose scheduler it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of<'a> {
    /// A core's multiplexor.
    Core,
    /// One between others.
    Schedulers,
    /// This resource's.
    Resource(&'a str),
    /// A node of a tree.
    Group,
}

impl Of<'_> {
    /// Whether its clients are activities.
    fn has_activities(self) -> bool {
        !matches!(self, Self::Schedulers | Self::Resource(crate::THREAD))
    }

    /// Whether it can have a policy.
    fn fits(self, policy: &crate::KnownPolicy) -> bool {
        let has_positions = matches!(self, Self::Resource(name) if POSITIONS.contains(&name));
        let looks = policy.uses_reservations || policy.uses_periods || policy.uses_groups;
        match self {
            Self::Group => policy.is_for_groups(),
            _ => (has_positions || !policy.uses_positions) && (self.has_activities() || !looks),
        }
    }
}

/// Algorithm, metric and the policy's own entries, which every scheduler has; of this resource,
/// if it is one's.
pub(super) fn policy(
    reader: &mut Reader<'_>,
    fields: &Fields<'_, '_>,
    of: Of<'_>,
) -> (Algorithm, Metric, Vec<Parameter>) {
    let field = reader.need(fields, "algorithm");
    let algorithm = field.map_or_else(anything, |field| reader.algorithm(&field));
    let metric = fields.get("metric").map_or(Metric::Cycles, |field| reader.metric(field));
    if let Some(field) = fields.get("metric")
        && metric == Metric::ServiceTime
        && of != Of::Resource(SERVES)
    {
        let right = format!("another metric: {SERVES} alone says what its device's service takes");
        reader.flaw(field.place, "nothing here has a service time", right);
    }
    if let Some(field) = fields.get("algorithm") {
        fits(reader, field, &algorithm, of);
    }
    let mut params: Vec<Parameter> = Vec::new();
    let known = reader.known.policies.iter().find(|policy| policy.name == algorithm.name);
    for node in fields.all("param") {
        let entry = reader.open(node, &["name", TEXT], &[]);
        let (name, value) = (reader.need(&entry, "name"), reader.need(&entry, TEXT));
        let (Some(name), Some(value)) = (name, value) else { continue };
        if let Some(policy) = known
            && !policy.parameters.contains(&name.text)
        {
            let kind = format!("parameter of {}", policy.name);
            reader.unknown(&name, &kind, policy.parameters.iter().map(|p| p.as_str()));
        }
        if params.len() >= limits::ATTRIBUTES {
            let right = format!("at most {}", limits::ATTRIBUTES);
            reader.flaw(entry.place, "there are too many parameters", right);
            break;
        }
        if params.iter().any(|param| param.name == name.text) {
            let what = format!("the parameter '{}' is given twice", names::short(&name.text));
            reader.flaw(entry.place, what, "it once");
        }
        params.push(Parameter { name: name.text, value: value.text, place: entry.place });
    }
    (rooted(reader, algorithm, &params), metric, params)
}

/// A policy of groups has the qualities of its root's.
pub(super) fn rooted(
    reader: &mut Reader<'_>,
    algorithm: Algorithm,
    params: &[Parameter],
) -> Algorithm {
    if !algorithm.uses_groups {
        return algorithm;
    }
    let param = params.iter().find(|param| param.name == "root");
    let name = param.map_or(groups::ALGORITHM, |param| param.value.as_str());
    let known = reader.known;
    let Some(root) = known.policies.iter().find(|policy| policy.name == name) else {
        let field =
            Field { place: param.map_or_else(Default::default, |it| it.place), text: name.into() };
        groups::unknown(reader, &field);
        return algorithm;
    };
    if !root.is_for_groups()
        && let Some(param) = param
    {
        groups::unknown(reader, &Field { place: param.place, text: name.into() });
    }
    Algorithm {
        uses_shares: root.uses_shares,
        uses_priority: root.uses_priority,
        work_conserving: root.work_conserving,
        ..algorithm
    }
}

/// Whether a policy has here what it decides by.
pub(super) fn fits(reader: &mut Reader<'_>, field: &Field, policy: &Algorithm, of: Of<'_>) {
    let has_positions = matches!(of, Of::Resource(name) if POSITIONS.contains(&name));
    if policy.uses_positions && !has_positions {
        let what = format!("requests have no position here, by which {} orders", policy.name);
        reader.flaw(field.place, what, format!("another algorithm, or {}", POSITIONS.join(", ")));
    }
    // The stand-in for an unknown policy has no name.
    let of_activities = of.has_activities();
    let looks = policy.uses_reservations || policy.uses_periods || policy.uses_groups;
    if looks && !policy.name.is_empty() && !of_activities {
        let what = format!("{} is for clients that are activities", policy.name);
        reader.flaw(field.place, what, "it at a multiplexor, or a resource but resource.thread");
    }
}

/// Of whom a scheduler requests time.
pub(super) fn draws(
    reader: &mut Reader<'_>,
    tags: &Tags,
    fields: &Fields<'_, '_>,
    multiplexors: &[Multiplexor],
    schedulers: &[StackedScheduler],
) -> Vec<Draw> {
    let mut found: Vec<Draw> = Vec::new();
    for node in &fields.elements {
        let kind = node.tag_name().name();
        if kind != "cpumultiplexor" && kind != "scheduler" {
            continue;
        }
        let client = reader.open(*node, &["tag", "share", "priority"], &[]);
        let Some(tag) = reader.need(&client, "tag") else { continue };
        let (from, policy) = if kind == "scheduler" {
            let Some(&index) = tags.schedulers.get(&tag.text) else {
                reader.unknown(&tag, "scheduler", tags.schedulers.keys().map(|t| t.as_str()));
                continue;
            };
            let policy = schedulers.get(index.index()).map(|scheduler| &scheduler.algorithm);
            (Source::Scheduler(index), policy)
        } else {
            let Some(&core) = tags.multiplexors.get(&tag.text) else {
                let tags = tags.multiplexors.keys().map(|t| t.as_str());
                reader.unknown(&tag, "CPU multiplexor", tags);
                continue;
            };
            let Some(core) = core else { continue };
            let policy = multiplexors.iter().find(|m| m.core == core).map(|m| &m.algorithm);
            (Source::Multiplexor(core), policy)
        };
        let of = match from {
            Source::Multiplexor(_) => Of::Core,
            Source::Scheduler(_) => Of::Schedulers,
        };
        let stand_in = anything();
        let policy = policy.unwrap_or(&stand_in);
        let share = client.get("share").and_then(|field| {
            if !policy.uses_shares {
                ignored(reader, field, "share", (policy, of));
            }
            reader.share(field)
        });
        let priority = client.get("priority").and_then(|field| {
            if !policy.uses_priority {
                ignored(reader, field, "priority", (policy, of));
            }
            reader.number32(field, 0, 1_000_000)
        });
        if found.len() > usize::from(limits::CORES) + limits::SCHEDULERS {
            break;
        }
        if found.iter().any(|draw| draw.from == from) {
            let what = format!("time is requested twice from '{}'", tag.text);
            reader.flaw(client.place, what, "one request with one share");
            continue;
        }
        found.push(Draw { from, share, priority, place: client.place });
    }
    if found.is_empty() && !fields.elements.iter().any(|n| n.tag_name().name() != "param") {
        let what = "nothing gives this scheduler any time";
        reader.flaw(fields.place, what, "<cpumultiplexor> or <scheduler> with a <tag>");
    }
    found
}

/// A knob that the policy would not look at, and what this scheduler could have instead.
pub(super) fn ignored(
    reader: &mut Reader<'_>,
    field: &Field,
    knob: &str,
    (policy, of): (&Algorithm, Of<'_>),
) {
    let what = format!("{} ignores '{knob}'", policy.name);
    let fitting = |p: &&crate::KnownPolicy| match knob {
        "priority" => p.uses_priority,
        "reservation" => p.uses_reservations,
        // What an activity asks of resources a multiplexor does not hold back.
        "limit" => p.uses_limits && of != Of::Core,
        "period" => p.uses_periods,
        _ => p.uses_shares,
    };
    // A tree has the qualities of its root's policy.
    let (of, kind) = if policy.uses_groups { (Of::Group, "a root") } else { (of, "an algorithm") };
    let all = reader.known.policies.iter().filter(fitting).filter(|policy| of.fits(policy));
    let others: Vec<_> = all.map(|policy| policy.name.as_str()).collect();
    let right = if others.is_empty() {
        format!("no {knob}")
    } else {
        format!("no {knob}, or {kind} that has any: {}", others.join(", "))
    };
    reader.flaw(field.place, what, right);
}
