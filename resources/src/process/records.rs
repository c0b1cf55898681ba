//! The processes by their numbers, their groups and their parents: whoever asks for some of them
//! does not look at all.
//!
//! # Invariants
//! `kin`, `changed`, `groups` and `counts` say of each process what its record says. A record's
//! group and parent are changed here alone.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_units::ActivityId;

use super::processes::{Pid, Process};

/// A process, alive or not yet waited for.
pub(super) struct Record {
    pub process: Arc<Process>,
    parent: Pid,
    zombie: bool,
    /// A stop or a going on that the parent has not waited for: its status, and whether it
    /// goes on.
    report: Option<(i32, bool)>,
    /// The thread that waits until this process leaves its memory (vfork).
    pub borrowed_from: Option<Pid>,
}

impl Record {
    /// One that lives.
    pub fn new(process: Arc<Process>, parent: Pid, borrowed_from: Option<Pid>) -> Self {
        Self { process, parent, zombie: false, report: None, borrowed_from }
    }

    pub fn parent(&self) -> Pid {
        self.parent
    }

    pub fn is_zombie(&self) -> bool {
        self.zombie
    }

    pub fn report(&self) -> Option<(i32, bool)> {
        self.report
    }

    fn group(&self) -> i32 {
        self.process.group.load(Ordering::Relaxed)
    }

    fn has_changed(&self) -> bool {
        self.zombie || self.report.is_some()
    }
}

/// A parent, a group, and a child of the one in the other.
type Child = (Pid, i32, Pid);

/// All of them.
#[derive(Default)]
pub(super) struct Records {
    all: BTreeMap<Pid, Record>,
    kin: BTreeSet<Child>,
    /// Those of whose change their parent is to be told.
    changed: BTreeSet<Child>,
    groups: BTreeSet<(i32, Pid)>,
    /// How many an activity has, by its place.
    counts: BTreeMap<usize, u32>,
}

const FIRST: Pid = Pid(i32::MIN);
const LAST: Pid = Pid(i32::MAX);

impl Records {
    pub fn get(&self, pid: Pid) -> Option<&Record> {
        self.all.get(&pid)
    }

    /// The process itself.
    pub fn process(&self, pid: Pid) -> Option<Arc<Process>> {
        self.all.get(&pid).map(|record| record.process.clone())
    }

    pub fn insert(&mut self, pid: Pid, record: Record) {
        *self.counts.entry(record.process.activity.index()).or_default() += 1;
        self.groups.insert((record.group(), pid));
        self.note(pid, &record);
        self.all.insert(pid, record);
    }

    pub fn remove(&mut self, pid: Pid) -> Option<Record> {
        let record = self.all.remove(&pid)?;
        self.groups.remove(&(record.group(), pid));
        self.unnote(pid, &record);
        if let Some(count) = self.counts.get_mut(&record.process.activity.index()) {
            *count = count.saturating_sub(1);
        }
        Some(record)
    }

    fn note(&mut self, pid: Pid, record: &Record) {
        let child = (record.parent, record.group(), pid);
        self.kin.insert(child);
        if record.has_changed() {
            self.changed.insert(child);
        }
    }

    fn unnote(&mut self, pid: Pid, record: &Record) {
        let child = (record.parent, record.group(), pid);
        self.kin.remove(&child);
        self.changed.remove(&child);
    }

    /// Changes what is said of one.
    fn change(&mut self, pid: Pid, change: impl FnOnce(&mut Record)) {
        if let Some(mut record) = self.all.remove(&pid) {
            self.unnote(pid, &record);
            change(&mut record);
            self.note(pid, &record);
            self.all.insert(pid, record);
        }
    }

    /// It has ended, and waits for its parent.
    pub fn bury(&mut self, pid: Pid) {
        self.change(pid, |record| record.zombie = true);
    }

    /// Its parent is to be told this of it, or nothing any more.
    pub fn set_report(&mut self, pid: Pid, report: Option<(i32, bool)>) {
        self.change(pid, |record| record.report = report);
    }

    /// It is another's child now; nobody's, where that is zero.
    pub fn set_parent(&mut self, pid: Pid, parent: Pid) {
        self.change(pid, |record| {
            record.parent = parent;
            record.process.parent.store(parent.0.max(1), Ordering::Relaxed);
        });
    }

    /// It is in another group now.
    pub fn set_group(&mut self, pid: Pid, group: i32) {
        if let Some(record) = self.all.get(&pid) {
            self.groups.remove(&(record.group(), pid));
            self.groups.insert((group, pid));
        }
        self.change(pid, |record| record.process.group.store(group, Ordering::Relaxed));
    }

    /// Who waits for being told of whom is told: nobody has borrowed its memory any more.
    pub fn take_borrower(&mut self, pid: Pid) -> Option<Pid> {
        self.all.get_mut(&pid)?.borrowed_from.take()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.all.values()
    }

    /// How many an activity has.
    pub fn count(&self, activity: ActivityId) -> u32 {
        self.counts.get(&activity.index()).copied().unwrap_or(0)
    }

    /// Some member of a group.
    pub fn member(&self, group: i32) -> Option<&Record> {
        let (_, pid) = self.groups.range((group, FIRST)..=(group, LAST)).next()?;
        self.all.get(pid)
    }

    /// So many of a group's members, or of all, from a number on.
    pub fn from(&self, group: Option<i32>, pid: Pid, most: usize) -> Vec<Arc<Process>> {
        let process = |pid: &Pid| self.process(*pid);
        match group {
            Some(group) => {
                let members = self.groups.range((group, pid)..=(group, LAST));
                members.take(most).filter_map(|(_, pid)| process(pid)).collect()
            }
            None => self.all.range(pid..).take(most).filter_map(|(pid, _)| process(pid)).collect(),
        }
    }

    fn of(set: &BTreeSet<Child>, parent: Pid, group: Option<i32>) -> impl Iterator<Item = Pid> {
        let (from, to) = group.map_or((i32::MIN, i32::MAX), |group| (group, group));
        set.range((parent, from, FIRST)..=(parent, to, LAST)).map(|(_, _, pid)| *pid)
    }

    /// Whether a process has a child, in this group if one is given.
    pub fn has_child(&self, parent: Pid, group: Option<i32>) -> bool {
        Self::of(&self.kin, parent, group).next().is_some()
    }

    /// Some child of a process.
    pub fn child(&self, parent: Pid) -> Option<Pid> {
        Self::of(&self.kin, parent, None).next()
    }

    /// The children of whose change a process is to be told, in this group if one is given.
    pub fn changed(&self, parent: Pid, group: Option<i32>) -> impl Iterator<Item = Pid> {
        Self::of(&self.changed, parent, group)
    }
}
