//! What schedulers are to be: their policies, what one between others carries, and how they stand
//! where they request time.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use vortex_units::CoreId;

use super::super::schedulers::{Of, fits, rooted};
use super::{
    Judged, Lines, PARAM, field, held, looked_at, or_none, share_and_priority, value, way, wrong,
};
use crate::change::NOWHERE;
use crate::{
    Algorithm, At, Change, Config, Known, Multiplexor, Parameter, ShareForm, Source, THREAD,
};

/// Another policy.
pub(super) fn policy(
    config: &Config,
    known: &Known,
    lines: &Lines<'_>,
    at: At,
    core: Option<CoreId>,
) -> Judged<Change> {
    let params: Vec<Parameter> = lines
        .0
        .iter()
        .filter_map(|(name, value)| {
            let name = name.strip_prefix(PARAM)?.to_string();
            Some(Parameter { name, value: value.to_string(), place: NOWHERE })
        })
        .collect();
    let names = lines.0.iter().map(|(name, _)| *name).filter(|name| name.starts_with(PARAM));
    let names: Vec<_> = ["at", "core", "policy"].into_iter().chain(names).collect();
    lines.only(&names)?;
    if matches!(at, At::Resource(_)) && core.is_some() {
        return wrong("a resource has one policy, on all its cores: expected no core");
    }
    let of = match at {
        At::Multiplexors => Of::Core,
        At::Scheduler(_) => Of::Schedulers,
        At::Resource(index) => {
            Of::Resource(config.resources.get(index.index()).map_or("", |it| &it.resource))
        }
    };
    let Some(field) = lines.field("policy") else { return wrong("") };
    let algorithm = value(known, |reader| {
        let algorithm = reader.algorithm(&field);
        fits(reader, &field, &algorithm, of);
        let policy = reader.known.policies.iter().find(|policy| policy.name == algorithm.name);
        for param in &params {
            if let Some(policy) = policy.filter(|it| !it.parameters.contains(&param.name)) {
                let kind = format!("parameter of {}", policy.name);
                let name = self::field(&param.name);
                reader.unknown(&name, &kind, policy.parameters.iter().map(String::as_str));
            }
        }
        Some(rooted(reader, algorithm, &params))
    })?;
    if let At::Multiplexors = at {
        let meant = |mux: &&Multiplexor| core.is_none_or(|core| core == mux.core);
        let through = |mux: &&Multiplexor| {
            mux.shares == ShareForm::ChargeThrough && mux.algorithm.uses_shares
        };
        if !algorithm.uses_shares
            && let Some(mux) = config.multiplexors.iter().filter(meant).find(through)
        {
            let (tag, name) = (&mux.tag, &algorithm.name);
            return wrong(format!(
                "'{tag}' charges through, for which {name} has no shares: expected a policy of \
                 shares, or the machine begun with another"
            ));
        }
    }
    way::policy_in_time(config, at, &params)?;
    drawn(config, at, core, &algorithm)?;
    grouped(config, at, &algorithm)?;
    Ok(Change::Policy { at, core, algorithm, params })
}

/// Whether what resources, and schedulers, were given there means something to a policy too.
fn drawn(config: &Config, at: At, core: Option<CoreId>, policy: &Algorithm) -> Judged<()> {
    let is = |from: Source| match (at, from) {
        (At::Multiplexors, Source::Multiplexor(own)) => core.is_none_or(|core| core == own),
        (At::Scheduler(bus), Source::Scheduler(own)) => bus == own,
        _ => false,
    };
    let resources = config.resources.iter().map(|it| (it.resource.as_str(), &it.draws));
    let all = resources.chain(config.schedulers.iter().map(|it| (it.tag.as_str(), &it.draws)));
    for (name, draws) in all {
        for draw in draws.iter().filter(|draw| is(draw.from)) {
            let has = [
                ("share", draw.share.is_some() && !policy.uses_shares),
                ("priority", draw.priority.is_some() && !policy.uses_priority),
            ];
            let Some((knob, _)) = has.into_iter().find(|(_, ignored)| *ignored) else { continue };
            let right = match name == THREAD {
                true => format!("no {knob} of it in the file that the machine is begun with"),
                false => format!("none ({knob} = none) before the policy is another"),
            };
            let policy = &policy.name;
            return held(format!(
                "'{name}' has a {knob} there, which {policy} does not keep: expected {right}"
            ));
        }
    }
    Ok(())
}

/// Whether groups mean as much to a policy as files may say of them.
fn grouped(config: &Config, at: At, policy: &Algorithm) -> Judged<()> {
    let roots = config.groups.iter().filter(|group| group.within.is_none());
    if policy.uses_groups {
        for group in roots {
            let has = [
                ("share", group.share != vortex_units::Share::ONE && !policy.uses_shares),
                ("priority", group.priority != 0 && !policy.uses_priority),
            ];
            if let Some((knob, _)) = has.into_iter().find(|(_, ignored)| *ignored) {
                let (name, root) = (&group.name, &policy.name);
                return wrong(format!(
                    "the group '{name}' has a {knob}, which this root of {root} ignores: expected \
                     another root"
                ));
            }
        }
        return Ok(());
    }
    let before = match at {
        At::Resource(index) => config.resources.get(index.index()).map(|it| &it.algorithm),
        At::Multiplexors => config.multiplexors.first().map(|it| &it.algorithm),
        At::Scheduler(_) => None,
    };
    let last = before.is_some_and(|it| it.uses_groups) && config.grouping().count() == 1;
    if last && !config.groups.is_empty() {
        return wrong("no scheduler would put activities into groups: expected 'hierarchy' here");
    }
    Ok(())
}

/// What a scheduler between others carries.
pub(super) fn limit(config: &Config, known: &Known, lines: &Lines<'_>, at: At) -> Judged<Change> {
    lines.only(&["at", "limit"])?;
    let At::Scheduler(index) = at else {
        let what = "a limit of all clients together is a scheduler's between others: expected an \
                    activity, or such a scheduler's tag";
        return wrong(what);
    };
    let (Some(bus), Some(field)) = (config.schedulers.get(index.index()), lines.field("limit"))
    else {
        return wrong("");
    };
    let limit = or_none(&field, || {
        let limit =
            value(known, |reader| super::super::schedulers::limit(reader, &field, &bus.metric))?;
        way::bus_lets_through(config, index, limit)?;
        Ok(limit)
    })?;
    Ok(Change::Limit(index, limit))
}

/// How a resource or a scheduler stands where it requests time.
pub(super) fn standing(
    config: &Config,
    known: &Known,
    lines: &Lines<'_>,
    at: At,
    core: Option<CoreId>,
) -> Judged<Change> {
    if let Some(knob) = ["reservation", "period"].into_iter().find(|knob| lines.get(knob).is_some())
    {
        return wrong(format!("a {knob} is an activity's: expected one"));
    }
    lines.only(&["at", "core", "share", "priority"])?;
    if at == At::Multiplexors {
        return wrong("a multiplexor requests of nobody: expected an activity, or a policy");
    }
    let meant = |from| match (core, from) {
        (Some(core), Source::Multiplexor(own)) => core == own,
        _ => true,
    };
    let draws = config.draws_of(at).iter().filter(|draw| meant(draw.from));
    let of = |from| match from {
        Source::Multiplexor(_) => Of::Core,
        Source::Scheduler(_) => Of::Schedulers,
    };
    let policies = draws.filter_map(|draw| Some((config.policy(draw.from)?, of(draw.from))));
    let policies: Vec<_> = policies.collect();
    let uses = |knob: &str, looks: fn(&Algorithm) -> bool| {
        looked_at(known, knob, policies.iter().copied(), looks)
    };
    let (share, priority) = share_and_priority(known, lines, uses)?;
    if share.is_none() && priority.is_none() {
        return wrong("what is to be is not said: a policy, a share, a priority or a limit");
    }
    Ok(Change::Standing { at, core, share, priority })
}
