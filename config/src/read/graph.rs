//! Who draws from whom: no circles, and no core by two ways.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use vortex_units::CoreId;

use super::element::Reader;
use super::whole::Tags;
use crate::{Config, Draw, Place, SchedulerIndex, Source, StackedScheduler};

/// Orders schedulers so that each draws from earlier ones only, and gives each its cores.
pub(super) fn order(
    reader: &mut Reader<'_>,
    tags: &mut Tags,
    mut found: Vec<StackedScheduler>,
) -> Vec<StackedScheduler> {
    // Rounds of taking whatever draws from nothing untaken; at most 256 × 256 steps of 256.
    let mut new_index: Vec<Option<SchedulerIndex>> = vec![None; found.len()];
    let mut order = Vec::new();
    loop {
        let before = order.len();
        for (index, scheduler) in found.iter().enumerate() {
            let ready = scheduler.draws.iter().all(|draw| match draw.from {
                Source::Multiplexor(_) => true,
                Source::Scheduler(other) => {
                    new_index.get(other.index()).is_some_and(Option::is_some)
                }
            });
            if ready && new_index.get(index).is_some_and(Option::is_none) {
                let number = u32::try_from(order.len()).unwrap_or(u32::MAX);
                if let Some(slot) = new_index.get_mut(index) {
                    *slot = Some(SchedulerIndex(number));
                }
                order.push(index);
            }
        }
        if order.len() == before {
            break;
        }
    }
    if order.len() < found.len() {
        for (index, scheduler) in found.iter().enumerate() {
            if in_circle(&found, index) {
                let what = format!("'{}' requests time from itself through others", scheduler.tag);
                reader.flaw(scheduler.place, what, "schedulers whose requests end at multiplexors");
            }
        }
        return found;
    }
    for scheduler in &mut found {
        for draw in &mut scheduler.draws {
            if let Source::Scheduler(other) = &mut draw.from
                && let Some(Some(new)) = new_index.get(other.index())
            {
                *other = *new;
            }
        }
    }
    for index in tags.schedulers.values_mut() {
        if let Some(Some(new)) = new_index.get(index.index()) {
            *index = *new;
        }
    }
    let mut sorted: Vec<StackedScheduler> = Vec::new();
    for index in order {
        if let Some(mut scheduler) = found.get(index).cloned() {
            scheduler.cores = cores(reader, &scheduler.draws, &sorted, scheduler.place);
            sorted.push(scheduler);
        }
    }
    sorted
}

/// Whether this scheduler can be reached from itself.
fn in_circle(found: &[StackedScheduler], start: usize) -> bool {
    let mut seen = vec![false; found.len()];
    let mut open = vec![start];
    while let Some(index) = open.pop() {
        for draw in found.get(index).map(|s| s.draws.as_slice()).unwrap_or_default() {
            let Source::Scheduler(next) = draw.from else { continue };
            if next.index() == start {
                return true;
            }
            if let Some(slot) = seen.get_mut(next.index())
                && !*slot
            {
                *slot = true;
                open.push(next.index());
            }
        }
    }
    false
}

/// The cores that these requests reach, each by one way.
pub(super) fn cores(
    reader: &mut Reader<'_>,
    draws: &[Draw],
    schedulers: &[StackedScheduler],
    place: Place,
) -> Vec<CoreId> {
    let mut cores: Vec<CoreId> = Vec::new();
    for draw in draws {
        let one;
        let reached: &[CoreId] = match draw.from {
            Source::Multiplexor(core) => {
                one = [core];
                &one
            }
            Source::Scheduler(index) => {
                schedulers.get(index.index()).map(|s| s.cores.as_slice()).unwrap_or_default()
            }
        };
        for core in reached {
            if cores.contains(core) {
                let what = format!("{core} is reached in two ways");
                let at = if draw.place.line == 0 { place } else { draw.place };
                reader.flaw(at, what, "one way to each core");
            } else {
                cores.push(*core);
            }
        }
    }
    cores.sort();
    cores
}

/// Warns of multiplexors and schedulers that nothing asks for time.
pub(super) fn idle(reader: &mut Reader<'_>, config: &Config) {
    let all = || {
        let stacked = config.schedulers.iter().flat_map(|scheduler| &scheduler.draws);
        stacked.chain(config.resources.iter().flat_map(|resource| &resource.draws))
    };
    for multiplexor in &config.multiplexors {
        if !all().any(|draw| draw.from == Source::Multiplexor(multiplexor.core)) {
            let what = format!("nothing runs on '{}': it has no clients", multiplexor.tag);
            reader.warn(multiplexor.place, what);
        }
    }
    for (index, scheduler) in config.schedulers.iter().enumerate() {
        let is = |draw: &Draw| matches!(draw.from, Source::Scheduler(i) if i.index() == index);
        if !all().any(is) {
            let what = format!("the scheduler '{}' has no clients", scheduler.tag);
            reader.warn(scheduler.place, what);
        }
    }
}
