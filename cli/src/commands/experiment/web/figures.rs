//! What was measured, and whether it is within its bounds.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

use super::card::Card;
use super::load::Told;
use crate::commands::experiment::checks::Check;
use crate::commands::experiment::samples::{Core, Holder, Sample};

/// The servers and what they are entitled to, in per cent.
pub const SERVERS: [(&str, f64); 3] = [("a", 50.0), ("b", 33.0), ("c", 17.0)];
/// Where bytes are divided; where packets come from, and go through.
const DWR: &str = "resource.dwr";
const NDIR: &str = "resource.ndir";
const NDRR: &str = "resource.ndrr";
/// How the resources of processes' threads are named, which are counted with the multiplexor's.
const THREADS: &str = "resource.thread";
/// Who has what is for nobody, and from how many of its packets in a second on there is a flood.
const STRAYS: &str = "network.strays";
const FLOOD: u64 = 500;
/// Points that a share of a second may be off.
const OFF: f64 = 1.0;
/// Per cent of what the card gives that must be used by all.
const USED: f64 = 95.0;
/// Per cent of it that each must reach alone: one is enough to use the card.
const ALONE_USED: f64 = 90.0;
/// Per cent of what is consumed that may be the infrastructure's.
const NOBODYS: f64 = 5.0;
/// Bytes of a second from which on a server is at work.
const AT_WORK: u64 = 50_000;

/// What the servers sent in the time between two samples.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// How long that was.
    pub seconds: f64,
    /// Bytes of each server at DWR.
    pub bytes: [u64; 3],
    /// Packets of all, the servers' and others'.
    pub packets: u64,
    /// Packets that came and were for nobody.
    pub strays: u64,
}

/// A stretch of seconds, without its beginning and its last.
#[derive(Clone, Debug, Serialize)]
pub struct Stretch {
    /// Which seconds.
    pub seconds: Range<usize>,
    /// The share of each server, in per cent of the three's, in each second.
    pub shares: Vec<[f64; 3]>,
    /// The same of all of it.
    pub means: [f64; 3],
    /// Packets a second, bytes a second.
    pub rate: (f64, f64),
}

/// Where cycles went, in per cent of all that there were.
#[derive(Clone, Debug, Serialize)]
pub struct Used {
    /// The resource; empty for threads.
    pub resource: String,
    /// Of a, b, c, the infrastructure, others.
    pub by: [f64; 5],
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Each second.
    pub rows: Vec<Row>,
    /// Each server alone, where that was measured.
    pub alone: Vec<Stretch>,
    /// All three.
    pub together: Stretch,
    /// That part of it in which packets came for nobody.
    pub flooded: Option<Stretch>,
    /// Two of them.
    pub without: Option<Stretch>,
    /// Where the cycles went while all were at work.
    pub used: Vec<Used>,
    /// What each core did, in per cent of its time.
    pub busy: Vec<f64>,
    /// What the infrastructure is of all that was consumed, in per cent.
    pub infrastructure: f64,
    /// What was consumed, in per cent of all cycles; and cycles for a byte at DWR.
    pub consumed: f64,
    /// See [`Self::consumed`].
    pub a_byte: f64,
    /// Cycles on nobody's bill, of the whole run.
    pub unaccounted: i64,
    /// A second's packets that came, packets that were sent, and interrupts' requests.
    pub packets: (f64, f64, f64),
    /// What the card did in the whole run.
    pub card: Card,
    /// What the ApacheBenches say.
    pub told: Vec<Told>,
}

fn of(sample: &Sample, resource: &str, activity: Option<&str>) -> Holder {
    let all = sample.cores.values().flat_map(|core| &core.holders);
    let mine = all
        .filter(|((at, of), _)| at == resource && activity.is_none_or(|activity| activity == of));
    mine.fold(Holder::default(), |sum, (_, it)| Holder {
        bytes: sum.bytes + it.bytes,
        requests: sum.requests + it.requests,
    })
}

fn seconds(from: &Sample, to: &Sample) -> f64 {
    to.stamp.saturating_sub(from.stamp) as f64 / (to.megahertz as f64 * 1e6)
}

fn row(from: &Sample, to: &Sample) -> Row {
    let bytes = SERVERS.map(|(name, _)| {
        let [from, to] = [from, to].map(|sample| of(sample, DWR, Some(name)).bytes);
        to.saturating_sub(from)
    });
    let [before, after] = [from, to].map(|sample| of(sample, DWR, None).requests);
    let [first, last] = [from, to].map(|sample| of(sample, NDRR, Some(STRAYS)).requests);
    Row {
        seconds: seconds(from, to),
        bytes,
        packets: after.saturating_sub(before),
        strays: last.saturating_sub(first),
    }
}

fn shares(bytes: [u64; 3]) -> [f64; 3] {
    let all: u64 = bytes.iter().sum();
    bytes.map(|bytes| bytes as f64 * 100.0 / all.max(1) as f64)
}

impl Row {
    /// Which servers were at work.
    fn at_work(&self) -> [bool; 3] {
        self.bytes.map(|bytes| bytes >= AT_WORK)
    }
}

impl Stretch {
    /// These seconds but for the first three, in which connections begin (QEMU takes few at a
    /// time), and the last, if something is left.
    fn of(rows: &[Row], all: Range<usize>) -> Option<Self> {
        Self::inner(rows, all.start + 3..all.end.checked_sub(1)?)
    }

    fn inner(rows: &[Row], seconds: Range<usize>) -> Option<Self> {
        let inner = rows.get(seconds.clone()).filter(|rows| !rows.is_empty())?;
        let mut bytes = [0; 3];
        for row in inner {
            for (sum, more) in bytes.iter_mut().zip(row.bytes) {
                *sum += more;
            }
        }
        let time: f64 = inner.iter().map(|row| row.seconds).sum();
        let packets: u64 = inner.iter().map(|row| row.packets).sum();
        Some(Self {
            seconds,
            shares: inner.iter().map(|row| shares(row.bytes)).collect(),
            means: shares(bytes),
            rate: (packets as f64 / time, bytes.iter().sum::<u64>() as f64 / time),
        })
    }

    /// How far a second's share is off from what is entitled to, at most.
    pub fn off(&self, entitled: [f64; 3]) -> f64 {
        let each = |shares: &[f64; 3]| {
            shares
                .iter()
                .zip(entitled)
                .map(|(share, wanted)| (share - wanted).abs())
                .fold(0.0, f64::max)
        };
        self.shares.iter().map(each).fold(0.0, f64::max)
    }
}

/// What is entitled to while these are at work.
pub fn entitled(at_work: [bool; 3]) -> [f64; 3] {
    let each = SERVERS.map(|(_, share)| share);
    let all: f64 = each.iter().zip(at_work).filter(|(_, works)| *works).map(|(it, _)| it).sum();
    let mut entitled = [0.0; 3];
    for ((wanted, share), works) in entitled.iter_mut().zip(each).zip(at_work) {
        *wanted = if works { share * 100.0 / all } else { 0.0 };
    }
    entitled
}

/// The first run of seconds in which just these were at work.
fn alone(rows: &[Row], who: [bool; 3]) -> Option<Range<usize>> {
    let start = rows.iter().position(|row| row.at_work() == who)?;
    let length = rows.iter().skip(start).take_while(|row| row.at_work() == who).count();
    Some(start..start + length)
}

/// The seconds with a flood, but for the first and the last.
fn flooded(rows: &[Row]) -> Option<Range<usize>> {
    let floods = |row: &Row| row.strays >= FLOOD;
    Some(rows.iter().position(floods)? + 1..rows.iter().rposition(floods)?)
}

/// From the first second in which all were at work to the last: what is between is judged,
/// whoever was at work in it.
fn together(rows: &[Row]) -> Option<Range<usize>> {
    let all = |row: &Row| row.at_work() == [true; 3];
    Some(rows.iter().position(all)?..rows.iter().rposition(all)? + 1)
}

/// What was consumed between two samples.
struct Consumed {
    used: Vec<Used>,
    busy: Vec<f64>,
    infrastructure: f64,
    cycles: u64,
    available: u64,
}

fn consumed(from: &Sample, to: &Sample) -> Consumed {
    let mut all = BTreeMap::<&str, [f64; 5]>::new();
    let mut busy = Vec::new();
    let (mut available, mut consumed, mut infrastructure) = (0, 0, 0);
    for (number, core) in &to.cores {
        let before = from.cores.get(number).cloned().unwrap_or_default();
        let time = core.stamp.saturating_sub(before.stamp);
        let idle = core.idle.saturating_sub(before.idle);
        available += time;
        consumed += time.saturating_sub(idle);
        infrastructure += core.of("infrastructure").saturating_sub(before.of("infrastructure"));
        busy.push(time.saturating_sub(idle) as f64 * 100.0 / time.max(1) as f64);
        let own = |resource: &str| resource.starts_with(THREADS);
        for ((resource, activity), cycles) in core.parts.iter().filter(|((at, _), _)| !own(at)) {
            let cycles = cycles.saturating_sub(before.at(resource, activity));
            let place = match activity.as_str() {
                "infrastructure" => 3,
                name => SERVERS.iter().position(|(server, _)| *server == name).unwrap_or(4),
            };
            if let Some(place) = all.entry(resource).or_default().get_mut(place) {
                *place += cycles as f64;
            }
        }
    }
    let per_cent = |cycles: f64| cycles * 100.0 / available.max(1) as f64;
    let mut used: Vec<_> = all
        .into_iter()
        .map(|(resource, by)| Used { resource: resource.into(), by: by.map(per_cent) })
        .collect();
    used.retain(|used| used.by.iter().sum::<f64>() >= 0.01);
    used.sort_by(|one, other| {
        let sum = |it: &Used| it.by.iter().sum::<f64>();
        sum(other).total_cmp(&sum(one))
    });
    let infrastructure = infrastructure as f64 * 100.0 / consumed.max(1) as f64;
    Consumed { used, busy, infrastructure, cycles: consumed, available }
}

impl Figures {
    /// Of all samples, of a run in which each was alone first or not; `None` where not all
    /// servers were at work.
    pub fn of(samples: &[Sample], whole: bool, told: Vec<Told>, card: Card) -> Option<Self> {
        let pairs = samples.windows(2);
        let rows: Vec<_> = pairs.map(|pair| Some(row(pair.first()?, pair.get(1)?))).collect();
        let rows: Vec<Row> = rows.into_iter().collect::<Option<_>>()?;
        let together = Stretch::of(&rows, together(&rows)?)?;
        let first = samples.get(together.seconds.start)?;
        let last = samples.get(together.seconds.end)?;
        let each = [[true, false, false], [false, true, false], [false, false, true]];
        let each = each.into_iter().filter(|_| whole);
        let alone_each = each.map(|who| Stretch::of(&rows, alone(&rows, who)?));
        let Consumed { used, busy, infrastructure, cycles, available } = consumed(first, last);
        let sent = of(last, DWR, None).bytes.saturating_sub(of(first, DWR, None).bytes);
        let a_second = |resource| {
            let [from, to] = [first, last].map(|sample| of(sample, resource, None).requests);
            to.saturating_sub(from) as f64 / seconds(first, last)
        };
        let unaccounted = samples.last()?.cores.iter().map(|(number, core)| {
            let before = samples.first()?.cores.get(number)?;
            let span = |what: &dyn Fn(&Core) -> u64| i64::try_from(what(core) - what(before)).ok();
            Some(span(&|core| core.stamp)? - span(&Core::booked)?)
        });
        let unaccounted = unaccounted.sum::<Option<i64>>()?;
        Some(Self {
            alone: alone_each.collect::<Option<_>>()?,
            flooded: flooded(&rows).and_then(|range| Stretch::inner(&rows, range)),
            without: rows
                .get(together.seconds.end + 1..)
                .and_then(|rest| alone(rest, [true, true, false]))
                .and_then(|range| {
                    let from = together.seconds.end + 1;
                    Stretch::of(&rows, range.start + from..range.end + from)
                }),
            packets: (a_second(NDRR), a_second(DWR), a_second(NDIR)),
            together,
            rows,
            used,
            busy,
            infrastructure,
            consumed: cycles as f64 * 100.0 / available.max(1) as f64,
            a_byte: cycles as f64 / sent.max(1) as f64,
            unaccounted,
            card,
            told,
        })
    }

    /// Packets a second that the card gives: the most that any of them had of it, alone or with
    /// others.
    pub fn given(&self) -> f64 {
        let all = self.alone.iter().chain([&self.together]).chain(&self.without);
        all.map(|stretch| stretch.rate.0).fold(0.0, f64::max)
    }

    /// The bounds.
    pub fn checks(&self) -> Vec<Check> {
        let mut all = Vec::new();
        let mut add = |what: String, measured: f64, bound: f64, unit, most: bool| {
            let holds = if most { measured <= bound } else { measured >= bound };
            all.push(Check { what, measured, bound, unit, holds });
        };
        for (alone, (name, _)) in self.alone.iter().zip(SERVERS) {
            let used = alone.rate.0 * 100.0 / self.given();
            add(
                format!("use of what the card gives, by {name} alone"),
                used,
                ALONE_USED,
                "%",
                false,
            );
        }
        let off = self.together.off(entitled([true; 3]));
        add("largest deviation of a second's share".into(), off, OFF, "points", true);
        let off = self.flooded.as_ref().map(|it| it.off(entitled([true; 3])));
        let off = off.unwrap_or(100.0);
        add("the same while packets come for nobody".into(), off, OFF, "points", true);
        let off = self.without.as_ref().map(|it| it.off(entitled([true, true, false])));
        let off = off.unwrap_or(100.0);
        add("the same once c has ended".into(), off, OFF, "points", true);
        let used = self.together.rate.0 * 100.0 / self.given();
        add("use of what the card gives, by all".into(), used, USED, "%", false);
        add("the infrastructure's part".into(), self.infrastructure, NOBODYS, "%", true);
        let unaccounted = self.unaccounted.unsigned_abs() as f64;
        add("cycles on nobody's bill".into(), unaccounted, 0.0, "cycles", true);
        let failed: u64 = self.told.iter().map(|told| told.failed).sum();
        add("pages that were not whole".into(), failed as f64, 0.0, "pages", true);
        add("packets and sockets left".into(), self.card.left as f64, 0.0, "", true);
        all
    }
}
