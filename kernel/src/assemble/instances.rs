//! The instances of the resources, as the configuration has them or by default.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_config::{Config, ResourceScheduler};
use vortex_grid::policy::{Metric, Params, Scheduler};
use vortex_grid::{
    Class, Family, Frequency, Grid, InstanceSpec, MULTIPLEXOR, Parent, Reach, Standing,
};
use vortex_resources::process::Threads;
use vortex_resources::{Mail, System};
use vortex_units::{ActivityId, Micros, Share};

use super::Failure;

/// A resource that is at home on one core: the first of those that it has.
pub(super) fn home(spec: InstanceSpec) -> InstanceSpec {
    InstanceSpec { cores: spec.cores.into_iter().take(1).collect(), ..spec }
}

/// The thread resources of an activity's processes.
pub(super) fn add_threads(
    config: &Config,
    grid: &Arc<Grid<Mail>>,
    system: &Arc<System>,
    frequency: Frequency,
    activity: ActivityId,
    index: usize,
) -> Result<Family<Mail, Threads>, Failure> {
    let thread = config
        .thread()
        .ok_or_else(|| Failure::Scheduler("resource.thread is not configured".into()))?;
    let place = config
        .resources
        .iter()
        .position(|resource| resource.resource == thread.resource)
        .unwrap_or(0);
    let scheduler = vortex_assembly::resource(config, thread, frequency, None)
        .map_err(|error| Failure::Scheduler(format!("resource.thread: {error:?}")))?;
    let cores = vortex_assembly::places(thread)
        .into_iter()
        .map(|(core, _)| (core, Parent::Activity))
        .collect();
    let name =
        config.activities.get(index).map_or_else(String::new, |activity| activity.name.clone());
    let spec = InstanceSpec {
        name: format!("resource.thread of {name}"),
        class: vortex_assembly::class(place),
        scheduler,
        cores,
        owner: activity,
        batch: thread.batch,
        favours: favours(config, thread),
    };
    let system = system.clone();
    grid.family(spec, move |_| Threads { system: system.clone() })
        .ok_or_else(|| Failure::Scheduler(format!("resource.thread of {name}: too many")))
}

/// A resource as the configuration has it, or with the defaults: on all cores, fair.
pub(super) fn spec(
    config: &Config,
    frequency: Frequency,
    name: &str,
) -> Result<InstanceSpec, Failure> {
    let wrong = |error| Failure::Scheduler(format!("{name}: {error:?}"));
    if let Some(place) = config.resources.iter().position(|resource| resource.resource == name)
        && let Some(written) = config.resources.get(place)
    {
        return Ok(InstanceSpec {
            name: name.into(),
            class: vortex_assembly::class(place),
            scheduler: vortex_assembly::resource(config, written, frequency, None)
                .map_err(wrong)?,
            cores: vortex_assembly::places(written),
            owner: ActivityId::INFRASTRUCTURE,
            batch: written.batch,
            favours: favours(config, written),
        });
    }
    let share = Share::from_units(vortex_assembly::UNNAMED).unwrap_or(Share::ONE);
    let standing = Standing { share, priority: 0 };
    let cores =
        config.multiplexors.iter().map(|mux| (mux.core, Parent::Service(standing))).collect();
    Ok(InstanceSpec {
        name: name.into(),
        class: default_class(name)
            .ok_or_else(|| Failure::NotOffered(format!("a resource {name}")))?,
        scheduler: default_scheduler(name, frequency)
            .map_err(|error| Failure::Scheduler(format!("{name}: {error:?}")))?,
        cores,
        owner: ActivityId::INFRASTRUCTURE,
        batch: 1,
        favours: None,
    })
}

/// The class of the resource that this one favours, named by the configuration or not.
fn favours(config: &Config, written: &ResourceScheduler) -> Option<Class> {
    vortex_assembly::favours(config, written).or_else(|| default_class(written.favours.as_ref()?))
}

/// What resources' schedulers are called where a share is changed: by the resource's name, with
/// that of threads for the multiplexors, or `all`.
pub(super) fn reaches(config: &Config) -> Vec<(String, Reach)> {
    let written = config.resources.iter().enumerate();
    let written = written.map(|(place, it)| (it.resource.as_str(), vortex_assembly::class(place)));
    let others = vortex_assembly::resources().filter_map(|name| Some((name, default_class(name)?)));
    let threads = ("resource.thread", MULTIPLEXOR);
    // The first of a name counts.
    let all = core::iter::once(threads).chain(written).chain(others);
    core::iter::once(("all".into(), Reach::Everywhere))
        .chain(all.map(|(name, class)| (name.into(), Reach::At(class))))
        .collect()
}

/// The class of a resource that the configuration does not name.
fn default_class(name: &str) -> Option<Class> {
    Some(Class(u16::MAX - 2 - u16::try_from(vortex_assembly::place_of(name)?).ok()?))
}

fn default_scheduler(
    name: &str,
    frequency: Frequency,
) -> Result<Arc<dyn Scheduler>, vortex_schedulers::MakeError> {
    let debt = frequency.cycles(Micros::new(100_000)).get();
    let metric = match vortex_assembly::metric_of(name) {
        vortex_config::Metric::Bytes => Metric::Bytes,
        _ => Metric::Cycles,
    };
    let mut params = Params::new(metric, debt);
    params.load_sharing = Some(vortex_assembly::sharing_of(name, None));
    vortex_schedulers::make("propshare.wfq", params)
}
