//! What was used between two samples: who had what, where, and who made whom wait.
//!
//! # Invariants
//! Cycles here are the sample's own integers; the residue is what law 1 says is nothing.
//! Where a scheduler has credited somebody more than it charged meanwhile, that counts as
//! nothing used.

use std::collections::BTreeMap;

use serde::Serialize;
use vortex_abi::performance::{Client, Core, Kind, OTHERS, PROCESSORS, Sample};

use super::said::{self, Apart, Decides};

/// Bytes of a frame.
const FRAME: u64 = 4096;
/// The reserved activity's name.
pub const INFRASTRUCTURE: &str = "infrastructure";

/// It. Activities are named: their numbers are the machine's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Seconds since the machine's first core started, when the second sample was taken.
    pub at: f64,
    /// Seconds between the two.
    pub seconds: f64,
    /// Cycles a second.
    pub hertz: f64,
    /// The cores' time.
    pub cores: Vec<CoreTime>,
    /// Cycles since the beginning that are on no bill, all cores together.
    pub residue: i64,
    /// By activity.
    pub activities: BTreeMap<String, Held>,
    /// By resource and activity.
    pub resources: BTreeMap<String, BTreeMap<String, Use>>,
    /// The activities' shares when the second sample was taken: at the processors.
    pub shares: BTreeMap<String, f64>,
    /// On the cores where they are others there.
    pub on: BTreeMap<u16, BTreeMap<String, f64>>,
    /// And at the resources where they are others.
    pub apart: BTreeMap<String, BTreeMap<String, f64>>,
    /// All that is not the usual: of places, and of cores.
    pub said: Vec<Apart>,
    /// By which policies is decided, and what schedulers have.
    pub schedulers: Vec<Decides>,
    /// Cycles that the first waited while the second ran, as far as it was looked into.
    pub blame: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Cycles of a core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CoreTime {
    /// Which.
    pub core: u16,
    /// All.
    pub elapsed: u64,
    /// With nothing to do.
    pub idle: u64,
    /// Taken by the hypervisor.
    pub host: u64,
}

/// What an activity used and has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Cycles on its bill.
    pub cycles: u64,
    /// Bytes of frames that it has now.
    pub memory: u64,
    /// Bytes of the kernel's memory that its objects take now.
    pub objects: u64,
}

/// What an activity used of a resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Use {
    /// Cycles.
    pub cycles: u64,
    /// Bytes that were moved.
    #[serde(skip_serializing_if = "nothing")]
    pub bytes: u64,
    /// Requests.
    #[serde(skip_serializing_if = "nothing")]
    pub requests: u64,
    /// Runs begun.
    #[serde(skip_serializing_if = "nothing")]
    pub runs: u64,
    /// Cycles that its requests waited until they first ran, in sum.
    #[serde(skip_serializing_if = "nothing")]
    pub waited: u64,
    /// Requests that wait now.
    #[serde(skip_serializing_if = "nothing")]
    pub queued: u64,
}

fn nothing(number: &u64) -> bool {
    *number == 0
}

impl Use {
    fn add(&mut self, client: &Client, before: Option<&Client>) {
        let since = |of: fn(&Client) -> u64| of(client).saturating_sub(before.map_or(0, of));
        self.cycles += since(|of| of.cycles);
        self.bytes += since(|of| of.bytes);
        self.requests += since(|of| of.requests);
        self.runs += since(|of| of.runs);
        self.waited += since(|of| of.waited);
        self.queued += client.queued;
    }
}

/// What happened between two samples; since the beginning where there is only one.
pub fn between(before: Option<&Sample>, after: &Sample) -> Figures {
    let hertz = f64::from(after.megahertz.max(1)) * 1e6;
    let mut figures = Figures { hertz, ..Figures::default() };
    for core in &after.cores {
        let before = before
            .and_then(|sample| sample.cores.iter().find(|before| before.number == core.number));
        add(&mut figures, after, core, before);
    }
    if let (Some(first), Some(time)) = (after.cores.first(), figures.cores.first()) {
        figures.at = first.elapsed as f64 / hertz;
        figures.seconds = time.elapsed as f64 / hertz;
    }
    for of in &after.memory {
        let held = figures.activities.entry(name(after, of.activity)).or_default();
        held.memory += of.frames.saturating_mul(FRAME);
        held.objects += of.objects;
    }
    for of in &after.entitled {
        let shares = match (of.resource.as_str(), of.core) {
            (PROCESSORS, None) => &mut figures.shares,
            (PROCESSORS, Some(core)) => figures.on.entry(core).or_default(),
            (resource, None) => figures.apart.entry(resource.into()).or_default(),
            (_, Some(_)) => continue,
        };
        shares.insert(name(after, of.activity), f64::from(of.hundredths) / 100.0);
    }
    (figures.said, figures.schedulers) = (said::apart(after), said::decides(&after.said));
    figures
}

fn add(figures: &mut Figures, sample: &Sample, core: &Core, before: Option<&Core>) {
    let since = |of: fn(&Core) -> u64| of(core).saturating_sub(before.map_or(0, of));
    figures.cores.push(CoreTime {
        core: core.number,
        elapsed: since(|core| core.elapsed),
        idle: since(|core| core.idle),
        host: since(|core| core.host),
    });
    figures.residue = figures.residue.saturating_add(residue(core));
    for (activity, cycles) in &core.used {
        let used = |core: &Core| core.used.iter().find(|(of, _)| of == activity).map(|of| of.1);
        let held = figures.activities.entry(name(sample, *activity)).or_default();
        held.cycles += cycles.saturating_sub(before.and_then(used).unwrap_or(0));
    }
    for client in core.clients.iter().filter(|client| client.kind == Kind::Holder) {
        let same = |of: &&Client| {
            of.kind == Kind::Holder
                && (of.instance, of.activity) == (client.instance, client.activity)
        };
        let before = before.and_then(|core| core.clients.iter().find(same));
        // Of an activity's own instances, as `resource.thread of web`, the resource.
        let name_of = client.resource.split(' ').next().unwrap_or_default();
        let resource = figures.resources.entry(name_of.to_string()).or_default();
        resource.entry(name(sample, client.activity)).or_default().add(client, before);
    }
    for row in &core.blame {
        let same = |of: &&vortex_abi::performance::Blame| {
            (of.victim, of.causer) == (row.victim, row.causer)
        };
        let before = before.and_then(|core| core.blame.iter().find(same));
        let cycles = row.cycles.saturating_sub(before.map_or(0, |row| row.cycles));
        if cycles > 0 {
            let causers = figures.blame.entry(name(sample, row.victim)).or_default();
            *causers.entry(name(sample, row.causer)).or_default() += cycles;
        }
    }
}

/// What of a core's time is on no bill.
fn residue(core: &Core) -> i64 {
    let used: u128 = core.used.iter().map(|(_, cycles)| u128::from(*cycles)).sum();
    let booked = used + u128::from(core.idle) + u128::from(core.host) + u128::from(core.departed);
    let difference = i128::from(core.elapsed) - i128::try_from(booked).unwrap_or(i128::MAX);
    i64::try_from(difference).unwrap_or(i64::MAX)
}

/// What an activity is called.
pub fn name(sample: &Sample, activity: u32) -> String {
    match sample.name(activity) {
        Some(name) => name.into(),
        None if activity == OTHERS => "others".into(),
        None => format!("activity {activity}"),
    }
}

impl Figures {
    /// Cycles of all cores.
    pub fn elapsed(&self) -> u64 {
        self.cores.iter().map(|core| core.elapsed).sum()
    }

    /// Of these, with nothing to do.
    pub fn idle(&self) -> u64 {
        self.cores.iter().map(|core| core.idle).sum()
    }

    /// What an activity used.
    pub fn cycles(&self, activity: &str) -> u64 {
        self.activities.get(activity).map_or(0, |held| held.cycles)
    }

    /// What all activities used, the infrastructure apart.
    pub fn used(&self) -> u64 {
        let own = self.activities.iter().filter(|(name, _)| *name != INFRASTRUCTURE);
        own.map(|(_, held)| held.cycles).sum()
    }

    /// An activity's share of a core's time.
    pub fn share_on(&self, core: u16, activity: &str) -> Option<f64> {
        let on = self.on.get(&core).and_then(|of| of.get(activity));
        on.or_else(|| self.shares.get(activity)).copied()
    }

    /// How long an activity's requests waited, at all resources.
    pub fn waited(&self, activity: &str) -> u64 {
        self.resources.values().filter_map(|of| of.get(activity)).map(|of| of.waited).sum()
    }

    /// Bytes that a resource moved for an activity.
    pub fn bytes(&self, resource: &str, activity: &str) -> u64 {
        self.resources.get(resource).and_then(|of| of.get(activity)).map_or(0, |of| of.bytes)
    }
}

#[cfg(test)]
mod tests {
    use vortex_abi::performance::{Blame, Entitled, Memory};

    use super::*;

    /// One core of 1 MHz on which `web` has used so much.
    fn sample(elapsed: u64, web: u64, blamed: u64) -> Sample {
        let client = Client {
            kind: Kind::Holder,
            instance: 3,
            resource: "resource.tcp of web".into(),
            activity: 2,
            cycles: web / 2,
            bytes: web * 10,
            runs: web,
            waited: blamed,
            queued: 1,
            ..Client::default()
        };
        let threads = Client { kind: Kind::Threads, activity: 2, cycles: 999, ..Client::default() };
        let core = Core {
            number: 4,
            elapsed,
            idle: elapsed - web - 5,
            used: vec![(0, 5), (2, web)],
            clients: vec![threads, client],
            blame: vec![Blame { victim: 2, causer: 0, cycles: blamed }],
            ..Core::default()
        };
        Sample {
            whole: true,
            megahertz: 1,
            names: vec![(0, INFRASTRUCTURE.into()), (2, "web".into())],
            memory: vec![Memory { activity: 2, frames: 2, objects: 7 }],
            entitled: [
                (PROCESSORS, None, 3_350),
                (PROCESSORS, Some(4), 7),
                ("resource.tcp", None, 50),
            ]
            .map(|(resource, core, hundredths)| Entitled {
                activity: 2,
                resource: resource.into(),
                core,
                hundredths,
                priority: 0,
            })
            .into(),
            cores: vec![core],
            ..Sample::default()
        }
    }

    #[test]
    fn what_happened_meanwhile_is_told() {
        let (first, second) = (sample(1_000_000, 100, 10), sample(3_000_000, 700, 60));
        let figures = between(Some(&first), &second);
        assert_eq!((figures.at, figures.seconds, figures.residue), (3.0, 2.0, 0));
        assert_eq!((figures.cycles("web"), figures.used()), (600, 600));
        assert_eq!((figures.elapsed(), figures.idle()), (2_000_000, 1_999_400));
        assert_eq!(figures.activities["web"], Held { cycles: 600, memory: 8192, objects: 7 });
        let used = figures.resources["resource.tcp"]["web"];
        assert_eq!((used.cycles, used.bytes, used.runs, used.queued), (300, 6000, 600, 1));
        assert_eq!(figures.blame["web"][INFRASTRUCTURE], 50);
        assert_eq!(figures.waited("web"), 50);
        assert_eq!(figures.shares["web"], 33.5);
        assert_eq!([0, 4].map(|core| figures.share_on(core, "web")), [Some(33.5), Some(0.07)]);
        assert_eq!(figures.share_on(0, "other"), None);
        assert_eq!(figures.said.len(), 2);
        assert_eq!(figures.apart["resource.tcp"]["web"], 0.5);
    }

    #[test]
    fn without_an_earlier_one_it_is_all_since_the_beginning() {
        let figures = between(None, &sample(1_000_000, 100, 10));
        assert_eq!((figures.seconds, figures.cycles("web")), (1.0, 100));
    }

    #[test]
    fn what_is_credited_is_not_used_and_what_is_missing_is_seen() {
        let (first, mut second) = (sample(1_000_000, 100, 10), sample(2_000_000, 50, 10));
        second.cores[0].elapsed += 3;
        let figures = between(Some(&first), &second);
        assert_eq!((figures.cycles("web"), figures.residue), (0, 3));
        assert!(figures.blame.is_empty());
    }
}
