//! Entitlements, and of whom a resource requests time, as the grid wants them.

use alloc::vec::Vec;

use vortex_config::{ActivityIndex, Config, Draw, Metric, ResourceScheduler, Source};
use vortex_grid::{Class, Entitlement, EntitlementAt, Frequency, MULTIPLEXOR, Parent, Standing};
use vortex_units::{CoreId, Micros, Rate, Share};

/// The class of the resource in this place of the configuration.
#[must_use]
pub fn class(resource: usize) -> Class {
    Class(u16::try_from(resource).unwrap_or(u16::MAX - 1))
}

/// The resource whose requests this one favours, if it has a place in the configuration.
#[must_use]
pub fn favours(config: &Config, scheduler: &ResourceScheduler) -> Option<Class> {
    let name = scheduler.favours.as_ref()?;
    config.resources.iter().position(|resource| resource.resource == *name).map(class)
}

/// Of whom a draw requests, and how its client stands there.
#[must_use]
pub fn parent(draw: &Draw) -> Parent {
    let share = draw.share.unwrap_or(Share::ONE);
    let standing = Standing { share, priority: draw.priority.unwrap_or(0) };
    match draw.from {
        Source::Multiplexor(_) => Parent::Multiplexor(standing),
        Source::Scheduler(bus) => Parent::Scheduler(bus.index(), standing),
    }
}

/// The share of an activity's client at a core's multiplexor: its part of what
/// `resource.thread` has there together, or its own.
#[must_use]
pub fn multiplexor_share(config: &Config, activity: usize, core: CoreId) -> Share {
    let index = ActivityIndex(u32::try_from(activity).unwrap_or(u32::MAX));
    let own = || config.activities.get(activity).map(|a| a.share_at(None, core));
    let part = if activity == 0 { None } else { config.thread_share(index, core) };
    part.or_else(own).unwrap_or(Share::ONE)
}

/// How the activity's thread instances stand where they request time on a core: as the
/// activity itself does at the core's multiplexor.
#[must_use]
pub fn thread_standing(config: &Config, activity: usize, core: CoreId) -> Standing {
    let own = config.activities.get(activity);
    Standing {
        share: multiplexor_share(config, activity, core),
        priority: own.map_or(0, |own| own.priority_at(None, core)),
    }
}

/// A rate of the metric's own units: the configuration has times in microseconds, the metric
/// in cycles of this clock.
pub(crate) fn rate(rate: Rate, metric: &Metric, frequency: Frequency) -> Rate {
    match metric {
        Metric::Cycles | Metric::ServiceTime => {
            Rate::new(frequency.cycles(Micros::new(rate.get())).get())
        }
        _ => rate,
    }
}

/// The entitlement of the activity in this place of the configuration, with times in cycles of
/// this clock.
#[must_use]
pub fn entitlement(config: &Config, index: usize, frequency: Frequency) -> Entitlement {
    let Some(activity) = config.activities.get(index) else { return Entitlement::new(Share::ONE) };
    let mut entitlement = Entitlement::new(activity.share);
    entitlement.priority = activity.priority;
    entitlement.group = activity.group.map(|group| group.0);
    entitlement.nodes = activity.nodes.unwrap_or(entitlement.nodes);
    for written in &activity.entitlements {
        if let Some(resource) = written.resource {
            let (core, share, priority) = (written.core, written.share, written.priority);
            let class = class(resource.index());
            let metric = config.resources.get(resource.index()).map(|written| &written.metric);
            let rate = |it: Option<Rate>| Some(rate(it?, metric?, frequency));
            let (reservation, limit) = (rate(written.reservation), rate(written.limit));
            let period = written.period;
            entitlement.at.push(EntitlementAt {
                class,
                core,
                share,
                priority,
                reservation,
                limit,
                period,
            });
        }
    }
    for mux in &config.multiplexors {
        let standing = thread_standing(config, index, mux.core);
        let reserved = activity.reservation_at(None, mux.core);
        entitlement.at.push(EntitlementAt {
            class: MULTIPLEXOR,
            core: Some(mux.core),
            share: Some(standing.share),
            priority: Some(standing.priority),
            reservation: reserved.map(|reserved| rate(reserved, &mux.metric, frequency)),
            limit: None,
            period: activity.period_at(None, mux.core),
        });
    }
    entitlement
}

/// The cores of a resource and of whom it requests on each, ascending.
#[must_use]
pub fn places(scheduler: &ResourceScheduler) -> Vec<(CoreId, Parent)> {
    let on = |core: CoreId| {
        let direct = scheduler.draws.iter().find(|d| d.from == Source::Multiplexor(core));
        let stacked = || scheduler.draws.iter().find(|d| matches!(d.from, Source::Scheduler(_)));
        let draw = direct.or_else(stacked)?;
        Some((core, parent(draw)))
    };
    scheduler.cores.iter().filter_map(|&core| on(core)).collect()
}
