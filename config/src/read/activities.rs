//! Activities, their entitlements and budgets.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use roxmltree::Node;
use vortex_units::{Frames, Share};

use super::element::{Field, Fields, Reader};
use super::groups;
use super::rates::Rates;
use super::schedulers::{Of, ignored};
use crate::{
    Activity, ActivityIndex, Algorithm, Config, Control, Entitlement, GroupIndex, Limits,
    MemoryBudget, Metric, Performance, Place, ResourceIndex, limits,
};

const THREAD: &str = "resource.thread";

pub(super) fn activities(reader: &mut Reader<'_>, parts: &Fields<'_, '_>, config: &mut Config) {
    let infrastructure = parts.all("infrastructure").next();
    let written = infrastructure.map(|node| activity(reader, node, config));
    let (mut found, mut names) = (Vec::new(), BTreeMap::new());
    let mut rates = Rates::default();
    if let Some((activity, _)) = &written {
        rates.judge(reader, activity, config);
    }
    names.insert("infrastructure".to_string(), Place::default());
    let aside = config.machine.reserve.saturating_add(config.machine.swap);
    let mut memory = aside.saturating_add(
        written.as_ref().map_or(Frames::ZERO, |(activity, _)| activity.memory.minimum),
    );
    for (index, node) in parts.all("activity").enumerate() {
        if index >= limits::ACTIVITIES {
            let place = reader.place(node.range().start);
            let right = format!("at most {}", limits::ACTIVITIES);
            reader.flaw(place, "there are too many activities", right);
            break;
        }
        let (activity, shared) = activity(reader, node, config);
        rates.judge(reader, &activity, config);
        if let Some(before) = names.insert(activity.name.clone(), activity.place)
            && !activity.name.is_empty()
        {
            let (what, right) = if before.line == 0 {
                (format!("'{}' is the reserved activity", activity.name), "<infrastructure>")
            } else {
                let name = &activity.name;
                (format!("the activity '{name}' is given twice, first at {before}"), "another name")
            };
            reader.flaw(activity.place, what, right);
        }
        if !shared && somewhere(config, |policy| policy.uses_shares) {
            let what = format!("'{}' has no <share> and counts as 1", activity.name);
            reader.warn(activity.place, what);
        }
        let before = memory;
        memory = memory.saturating_add(activity.memory.minimum);
        if memory > config.machine.memory && before <= config.machine.memory {
            let all = config.machine.memory;
            let what =
                format!("reserve, swap and minimums up to here ({memory}) exceed memory ({all})");
            reader.flaw(activity.place, what, "smaller minimums or more <memory>");
        }
        found.push(activity);
    }
    let sum: u64 = found.iter().map(|activity| u64::from(activity.share.hundredths())).sum();
    let sum = u32::try_from(sum).unwrap_or(u32::MAX).clamp(1, Share::LARGEST.hundredths());
    let others = if found.is_empty() {
        Share::ONE
    } else {
        Share::from_hundredths(sum).unwrap_or(Share::ONE)
    };
    let infrastructure = match written {
        Some((activity, true)) => activity,
        Some((activity, false)) => Activity { share: others, ..activity },
        None => Activity {
            name: "infrastructure".to_string(),
            share: others,
            priority: 0,
            group: None,
            entitlements: Vec::new(),
            memory: MemoryBudget::default(),
            nodes: None,
            limits: Limits::default(),
            performance: Performance::Own,
            control: Control::None,
            place: Place::default(),
        },
    };
    config.activities = core::iter::once(infrastructure).chain(found).collect();
}

/// Whether activities are clients of any scheduler with this quality.
fn somewhere(config: &Config, quality: impl Fn(&Algorithm) -> bool) -> bool {
    let resources = config.resources.iter().filter(|r| r.resource != THREAD);
    let multiplexors = config.multiplexors.iter().map(|m| &m.algorithm);
    multiplexors.chain(resources.map(|r| &r.algorithm)).any(quality)
}

fn activity(reader: &mut Reader<'_>, node: Node<'_, '_>, config: &Config) -> (Activity, bool) {
    let reserved = node.has_tag_name("infrastructure");
    let fields = if reserved {
        reader.open(node, &["share", "priority", "nodes"], &["entitlement", "memory", "limits"])
    } else {
        reader.open(
            node,
            &["name", "group", "share", "priority", "nodes", "performance", "control"],
            &["entitlement", "memory", "limits"],
        )
    };
    let name = if reserved {
        "infrastructure".to_string()
    } else {
        reader.need(&fields, "name").map(|field| reader.name(&field)).unwrap_or_default()
    };
    let group = fields.get("group").and_then(|field| groups::of(reader, field, &config.groups));
    let share = fields.get("share").and_then(|field| {
        nowhere(reader, config, field, "share", |policy| {
            config.policy_of(policy, group).uses_shares
        });
        reader.share(field)
    });
    let priority = fields.get("priority").and_then(|field| {
        nowhere(reader, config, field, "priority", |policy| {
            config.policy_of(policy, group).uses_priority
        });
        reader.number32(field, 0, 1_000_000)
    });
    let (mut entitlements, mut seen) = (Vec::new(), BTreeSet::new());
    for node in fields.all("entitlement") {
        let Some(entitlement) = entitlement(reader, node, config, group) else { continue };
        if !seen.insert((entitlement.resource, entitlement.core)) {
            let what = "an entitlement for the same resource and core is given twice";
            reader.flaw(entitlement.place, what, "it once");
        }
        entitlements.push(entitlement);
    }
    let memory = budget(reader, &fields, config);
    let nodes = fields.get("nodes").and_then(|field| reader.number32(field, 1, 10_000_000));
    let limits = limits(reader, &fields);
    let performance = fields.get("performance").map_or(Performance::Own, |field| {
        match field.text.as_str() {
            "own" => {}
            "all" => return Performance::All,
            _ => reader.unknown(field, "right to performance data", ["own", "all"].into_iter()),
        }
        Performance::Own
    });
    let control = fields.get("control").map_or(Control::None, |field| {
        match field.text.as_str() {
            "none" => {}
            "all" => return Control::All,
            _ => reader.unknown(field, "right to entitle", ["none", "all"].into_iter()),
        }
        Control::None
    });
    let activity = Activity {
        name,
        share: share.unwrap_or(Share::ONE),
        priority: priority.unwrap_or(0),
        entitlements,
        memory,
        nodes,
        limits,
        performance,
        control,
        group,
        place: fields.place,
    };
    (activity, fields.get("share").is_some())
}

fn nowhere(
    reader: &mut Reader<'_>,
    config: &Config,
    field: &Field,
    knob: &str,
    quality: impl Fn(&Algorithm) -> bool,
) {
    if !config.multiplexors.is_empty() && !somewhere(config, quality) {
        let what = format!("no scheduler of which activities are clients uses '{knob}'");
        reader.flaw(field.place, what, format!("no {knob}, or an algorithm that has any"));
    }
}

fn entitlement(
    reader: &mut Reader<'_>,
    node: Node<'_, '_>,
    config: &Config,
    group: Option<GroupIndex>,
) -> Option<Entitlement> {
    const ENTITLES: &[&str] =
        &["resource", "core", "share", "priority", "reservation", "limit", "period"];
    let fields = reader.open(node, ENTITLES, &[]);
    let core_field = fields.get("core");
    let core = core_field.and_then(|field| reader.core(field));
    let (mut resource, mut policies) = (None, Vec::new());
    if let Some(field) = fields.get("resource") {
        let found = config.resources.iter().position(|r| r.resource == field.text);
        let Some((index, scheduler)) = found.and_then(|i| Some((i, config.resources.get(i)?)))
        else {
            let names = config.resources.iter().map(|r| r.resource.as_str());
            reader.unknown(field, "resource with a scheduler", names);
            return None;
        };
        if field.text == THREAD {
            let what = "the clients of resource.thread are threads, not activities";
            reader.flaw(field.place, what, "core=\"…\" without a resource: its share of the core");
        }
        if let (Some(core), Some(at)) = (core, core_field)
            && !scheduler.cores.contains(&core)
        {
            let what = format!("'{}' is not configured for {core}", field.text);
            let cores: Vec<_> = scheduler.cores.iter().map(|c| format!("{}", c.get())).collect();
            reader.flaw(at.place, what, format!("one of its cores: {}", cores.join(", ")));
        }
        resource = Some(ResourceIndex(u32::try_from(index).ok()?));
        policies.push(config.policy_of(&scheduler.algorithm, group));
    } else if let (Some(core), Some(at)) = (core, core_field) {
        match config.multiplexors.iter().find(|m| m.core == core) {
            Some(multiplexor) => policies.push(config.policy_of(&multiplexor.algorithm, group)),
            None => {
                let cores = config.multiplexors.iter().map(|m| format!("{}", m.core.get()));
                let right =
                    format!("one of those that have: {}", cores.collect::<Vec<_>>().join(", "));
                reader.flaw(at.place, format!("{core} has no multiplexor"), right);
            }
        }
    } else if core_field.is_none() {
        let what = "this entitlement names neither a resource nor a core";
        reader.flaw(
            fields.place,
            what,
            "resource, core or both; for all, the activity's own share",
        );
        return None;
    }
    let scheduler = resource.and_then(|index: ResourceIndex| config.resources.get(index.index()));
    let own = scheduler.map(|scheduler| &scheduler.algorithm);
    let own = own.or_else(|| Some(&config.multiplexor(core?)?.algorithm));
    let at = match scheduler {
        _ if group.is_some() && own.is_some_and(|own| own.uses_groups) => Of::Group,
        Some(scheduler) => Of::Resource(&scheduler.resource),
        None => Of::Core,
    };
    let share = fields.get("share").and_then(|field| {
        if let Some(policy) = policies.iter().find(|policy| !policy.uses_shares) {
            ignored(reader, field, "share", (policy, at));
        }
        reader.share(field)
    });
    let priority = fields.get("priority").and_then(|field| {
        if let Some(policy) = policies.iter().find(|policy| !policy.uses_priority) {
            ignored(reader, field, "priority", (policy, at));
        }
        reader.number32(field, 0, 1_000_000)
    });
    let multiplexor = core.and_then(|core| config.multiplexor(core));
    let metric = match (scheduler, multiplexor) {
        (Some(scheduler), _) => scheduler.metric.clone(),
        (None, Some(multiplexor)) => multiplexor.metric.clone(),
        (None, None) => Metric::Cycles,
    };
    let reservation = fields.get("reservation").and_then(|field| {
        if let Some(policy) = policies.iter().find(|policy| !policy.uses_reservations) {
            ignored(reader, field, "reservation", (policy, at));
            return None;
        }
        reader.rate(field, &metric)
    });
    let limit = fields.get("limit").and_then(|field| {
        if let Some(policy) = policies.iter().find(|policy| !policy.uses_limits) {
            ignored(reader, field, "limit", (policy, at));
            return None;
        }
        if scheduler.is_none() {
            let what = "what an activity asks of resources no limit at a multiplexor holds back";
            reader.flaw(field.place, what, "a limit at a resource");
            return None;
        }
        reader.rate(field, &metric)
    });
    let period = fields.get("period").and_then(|field| {
        if let Some(policy) = policies.iter().find(|policy| !policy.uses_periods) {
            ignored(reader, field, "period", (policy, at));
            return None;
        }
        reader.period(field)
    });
    if ENTITLES.iter().skip(2).all(|knob| fields.get(knob).is_none()) {
        let right = "a share, a priority, a reservation, a limit or a period";
        reader.flaw(fields.place, "this entitlement entitles to nothing", right);
    }
    let place = fields.place;
    Some(Entitlement { resource, core, share, priority, reservation, limit, period, place })
}

fn budget(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, config: &Config) -> MemoryBudget {
    let mut nodes = fields.all("memory");
    let Some(node) = nodes.next() else { return MemoryBudget::default() };
    for second in nodes {
        let place = reader.place(second.range().start);
        reader.flaw(place, "there is a second <memory>", "it once");
    }
    let memory = reader.open(node, &["minimum", "soft", "hard"], &[]);
    let [minimum, soft, hard] = ["minimum", "soft", "hard"]
        .map(|name| memory.get(name).and_then(|field| reader.frames(field)));
    let policy = reader.known.reclamations.iter().find(|known| known.name == config.reclamation);
    if let Some(field) = memory.get("soft")
        && let Some(policy) = policy.filter(|policy| !policy.uses_soft)
    {
        let what = format!("{} ignores 'soft'", policy.name);
        let others = reader.known.reclamations.iter().filter(|known| known.uses_soft);
        let others: Vec<_> = others.map(|known| known.name.as_str()).collect();
        let others = others.join(", ");
        let right = format!("no soft limit, or a memory multiplexor with any: {others}");
        reader.flaw(field.place, what, right);
    }
    let least = minimum.unwrap_or(Frames::ZERO);
    let middle = soft.unwrap_or(least);
    if least > middle || middle > hard.unwrap_or(middle) || least > hard.unwrap_or(least) {
        reader.flaw(memory.place, "the budget's lines cross", "minimum ≤ soft ≤ hard");
    }
    if hard.is_some_and(|hard| hard.is_zero()) {
        reader.flaw(memory.place, "nothing runs without memory", "a hard limit above zero");
    }
    if hard.is_some_and(|hard| hard > config.machine.memory) {
        reader.warn(memory.place, "the hard limit is beyond the machine's memory");
    }
    MemoryBudget { minimum: least, soft, hard }
}

fn limits(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Limits {
    const MOST: u32 = 4_194_304;
    let mut nodes = fields.all("limits");
    let Some(node) = nodes.next() else { return Limits::default() };
    for second in nodes {
        let place = reader.place(second.range().start);
        reader.flaw(place, "there is a second <limits>", "it once");
    }
    const NAMES: [&str; 6] = ["processes", "threads", "files", "pipes", "mappings", "signals"];
    let written = reader.open(node, &NAMES, &[]);
    if NAMES.iter().all(|name| written.get(name).is_none()) {
        let right = "processes, threads, files, pipes, mappings or signals";
        reader.flaw(written.place, "these limits limit nothing", right);
    }
    let [processes, threads, files, pipes, mappings, signals] =
        NAMES.map(|name| written.get(name).and_then(|field| reader.number32(field, 1, MOST)));
    Limits { processes, threads, files, pipes, mappings, signals }
}

/// The activity of this name.
pub(super) fn find(
    reader: &mut Reader<'_>,
    config: &Config,
    field: &Field,
    infrastructure: bool,
) -> Option<ActivityIndex> {
    let skip = usize::from(!infrastructure);
    let found = config.activities.iter().skip(skip).position(|a| a.name == field.text);
    if found.is_none() {
        let names = config.activities.iter().skip(skip).map(|a| a.name.as_str());
        reader.unknown(field, "activity", names);
    }
    u32::try_from(found? + skip).ok().map(ActivityIndex)
}
