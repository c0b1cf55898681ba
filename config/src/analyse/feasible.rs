//! What is asked that cannot be had, whatever the schedulers do: shares of more cores than an
//! activity can use at a time, and reservations of more than there is to reserve of.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use vortex_units::{CoreId, Micros, Rate, Share};

use super::holds::{Reserved, shortest, time};
use super::level::{Fraction, Level};
use super::notes::rate;
use super::way::{scheduler, standing, wanted};
use super::{Guarantee, Note, NoteKind, Scope};
use crate::{Activity, Config, LoadSharing, Metric, ResourceIndex, SchedulerIndex, Source};

/// A whole core, in the parts in which guarantees are counted.
const CORE: u64 = Fraction::WHOLE.billionths() as u64;

/// The shortest time slice that a file may say, in microseconds.
const LEAST: u64 = 100;

pub(super) fn notes(config: &Config, guarantees: &[Guarantee]) -> Vec<Note> {
    let mut notes = Vec::new();
    threads(config, guarantees, &mut notes);
    bound(config, &mut notes);
    reserved(config, &mut notes);
    carried(config, &mut notes);
    short(config, &mut notes);
    notes
}

fn unsound(notes: &mut Vec<Note>, place: crate::Place, text: String, right: String) {
    notes.push(Note { kind: NoteKind::Unsound, place, text, right: Some(right) });
}

/// Parts of a core, or of cores, in per cent.
fn percent(billionths: u64) -> String {
    let hundredths = billionths / 100_000;
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

/// An activity of which so few threads may be that they cannot use all that they are promised.
fn threads(config: &Config, guarantees: &[Guarantee], notes: &mut Vec<Note>) {
    for (index, activity) in config.activities.iter().enumerate().skip(1) {
        let Some(most) = activity.limits.threads.map(u64::from) else { continue };
        let own = guarantees
            .iter()
            .filter(|line| line.scope == Scope::Threads && line.activity.index() == index);
        let parts = own.filter_map(|line| match line.of_core {
            Level::AtLeast(part) if part.billionths() > 0 => Some((line.core, part.billionths())),
            _ => None,
        });
        let parts: Vec<(CoreId, u32)> = parts.collect();
        let all: u64 = parts.iter().map(|(_, part)| u64::from(*part)).sum();
        let most_used = most.saturating_mul(CORE);
        if all <= most_used {
            continue;
        }
        let text = format!(
            "'{}' is promised {} of a core on {} cores together, and its threads, {most} at most, \
             use {} at a time: the rest of its weight is in vain",
            activity.name,
            percent(all),
            parts.len(),
            percent(most_used)
        );
        let mut right = format!("room for {} threads", all.div_ceil(CORE));
        if let Some(share) = feasible(config, activity, &parts, most) {
            right += &format!(", or a share of at most {share}");
        }
        unsound(notes, activity.place, text, right);
    }
}

/// The largest share with which all that is promised can be used, where the activity has the same
/// everywhere.
fn feasible(
    config: &Config,
    activity: &Activity,
    parts: &[(CoreId, u32)],
    threads: u64,
) -> Option<String> {
    let (_, first) = *parts.first()?;
    let same = parts.iter().all(|(_, part)| *part == first);
    let plain = activity.entitlements.iter().all(|it| it.resource.is_some() || it.share.is_none());
    let whole =
        config.thread().is_none_or(|thread| thread.draws.iter().all(|it| it.share.is_none()));
    let reserved = parts.iter().any(|(core, _)| activity.reservation_at(None, *core).is_some());
    if !same || !plain || !whole || reserved || activity.group.is_some() {
        return None;
    }
    // Its part p = s / (s + others); n of k cores are used with p = n / k.
    let own = u64::from(activity.share.hundredths());
    let others =
        (u128::from(own) * u128::from(CORE) / u128::from(first)).saturating_sub(own.into());
    let free = (parts.len() as u64).checked_sub(threads).filter(|free| *free > 0)?;
    let share = others * u128::from(threads) / u128::from(free);
    let share = Share::from_hundredths(u32::try_from(share).ok()?).ok()?;
    (threads > 0).then(|| format!("{share}"))
}

/// Threads that are all bound to one of the cores that they are given.
fn bound(config: &Config, notes: &mut Vec<Note>) {
    let Some(thread) = config.thread() else { return };
    let LoadSharing::Fixed { core } = thread.load_sharing else { return };
    let others: Vec<CoreId> = thread.cores.iter().copied().filter(|own| *own != core).collect();
    if others.is_empty() {
        return;
    }
    let names: Vec<String> = others.iter().map(|core| format!("{core}")).collect();
    let text = format!(
        "all threads are bound to {core}: what activities are promised of {} they do not use",
        names.join(", ")
    );
    let right = format!("fewest-bound, or {} on {core} alone", thread.resource);
    unsound(notes, thread.place, text, right);
}

/// Reservations of a resource's time, of more than the resource itself is certain of.
fn reserved(config: &Config, notes: &mut Vec<Note>) {
    for (index, resource) in config.resources.iter().enumerate() {
        let Ok(number) = u32::try_from(index).map(ResourceIndex) else { return };
        if resource.metric != Metric::Cycles || !resource.algorithm.uses_reservations {
            continue;
        }
        for &core in &resource.cores {
            let all = config.activities.iter();
            let all = all.filter_map(|activity| activity.reservation_at(Some(number), core));
            let all = all.map(Rate::get).fold(0_u64, u64::saturating_add);
            // Microseconds a second.
            let all = all.saturating_mul(CORE / 1_000_000);
            if all == 0 {
                continue;
            }
            let name = &resource.resource;
            let (certain, why) = match standing(config, resource, core).level {
                Level::AtLeast(part) => (u64::from(part.billionths()), None),
                Level::None(reason) => (0, Some(reason)),
            };
            if all <= certain {
                continue;
            }
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            let text = format!(
                "{} of {core}'s time at '{name}' are reserved, and '{name}' itself is certain of \
                 {}{why}",
                percent(all),
                percent(certain)
            );
            let mut right = match certain {
                0 => String::from("no reservation there"),
                certain => format!("reservations of {} together", percent(certain)),
            };
            if let Some(share) = wanted(config, resource, core, all) {
                right += &format!(", or a share of at least {share} for '{name}'");
            }
            unsound(notes, resource.place, text, right);
        }
    }
}

/// More reserved beneath a limited scheduler than that lets through.
fn carried(config: &Config, notes: &mut Vec<Note>) {
    for (index, bus) in config.schedulers.iter().enumerate() {
        let Ok(number) = u32::try_from(index).map(SchedulerIndex) else { return };
        let Some(limit) = bus.limit else { continue };
        let all = config.reserved_beneath(number, None);
        if all <= limit.get() {
            continue;
        }
        let (most, all) = (rate(limit, &bus.metric), rate(Rate::new(all), &bus.metric));
        let text = format!("{all} are reserved beneath '{}', which lets {most} through", bus.tag);
        let right =
            format!("a limit of {all} at '{}', or reservations of {most} together", bus.tag);
        unsound(notes, bus.place, text, right);
    }
}

/// Reservations of a core in periods that may pass while another has its turn.
fn short(config: &Config, notes: &mut Vec<Note>) {
    for multiplexor in &config.multiplexors {
        let core = multiplexor.core;
        let Some(of) = scheduler(config, Source::Multiplexor(core)) else { continue };
        for activity in &config.activities {
            let reserved = Reserved::of(activity, None, core, of);
            let Some(reserved) = reserved.filter(|reserved| reserved.is_short(config)) else {
                continue;
            };
            let own = activity.entitlements.iter().filter(|it| it.resource.is_none());
            let mut own = own.filter(|it| it.core.is_none_or(|own| own == core));
            let place =
                own.find(|it| it.reservation.is_some()).map_or(activity.place, |it| it.place);
            let (slice, least) = (time(config.machine.timeslice), time(shortest(config)));
            let most = reserved.period.map_or(0, |period| period.get() / 2);
            let text = format!(
                "'{}' has {reserved} of '{}', and whose turn it is keeps the core for up to \
                 {slice}: periods pass in which it has nothing",
                activity.name, multiplexor.tag
            );
            let mut right = format!("a period of at least {least}");
            if most >= LEAST {
                right += &format!(", or a timeslice of at most {}", time(Micros::new(most)));
            }
            unsound(notes, place, text, right);
        }
    }
}
