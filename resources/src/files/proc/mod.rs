//! `/proc` as the file system shows it: made up from what its resource was told, and what
//! processes let others see of them.
//!
//! Paths name processes by their numbers: `self` and `thread-self` are links, so that an
//! open file is about the process that it was opened for, whoever reads it.

mod machine;
mod process;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_files::{Fd, OpenId, ProcEntry, ProcKind, ProcLink, ProcName, ProcSource, ProcText};
use vortex_units::Cycles;

use self::process::Task;
use super::request::FilesId;
use super::tables::Files;
use crate::System;
use crate::process::{Pid, Process};

/// What `/proc` shows to one process.
pub struct ProcView<'a> {
    /// Who asks.
    pub process: &'a Process,
    /// And which of its threads.
    pub tid: Pid,
    /// All descriptors.
    pub files: &'a BTreeMap<FilesId, Files>,
    /// What all resources know.
    pub system: &'a System,
    /// The time stamp.
    pub now: Cycles,
}

const DIRECTORY: ProcEntry = ProcEntry { kind: ProcKind::Directory, permissions: 0o555 };
const FILE: ProcEntry = ProcEntry { kind: ProcKind::File, permissions: 0o444 };
const LINK: ProcEntry = ProcEntry { kind: ProcKind::Link, permissions: 0o777 };

/// Names and their kinds.
type Names = [(&'static [u8], ProcKind)];

/// A path below `/proc`, taken apart.
enum Place<'p> {
    /// About the machine.
    Machine(&'p [u8]),
    /// In a process's directory, or in that of one of its tasks.
    Process(Arc<Process>, Task, &'p [u8]),
}

/// A number as `/proc` writes it.
fn number(text: &[u8]) -> Option<i32> {
    let text = core::str::from_utf8(text).ok()?;
    let canonical = text == "0" || !text.starts_with(['0', '+', '-']);
    text.parse().ok().filter(|_| canonical)
}

/// The first component of a path, and the rest.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().position(|&byte| byte == b'/') {
        Some(at) => (path.get(..at).unwrap_or(path), path.get(at + 1..).unwrap_or_default()),
        None => (path, b""),
    }
}

fn find(names: &Names, name: &[u8]) -> Option<ProcEntry> {
    names.iter().find(|(own, _)| *own == name).map(|(_, kind)| entry_of(*kind))
}

const fn entry_of(kind: ProcKind) -> ProcEntry {
    match kind {
        ProcKind::Directory => DIRECTORY,
        ProcKind::File => FILE,
        ProcKind::Link => LINK,
    }
}

/// Names made in one run.
const NAMES: usize = 24;

/// Some of these names, from a place on.
fn list(names: &[(&[u8], ProcKind)], from: u64) -> Vec<ProcName> {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let rest = names.iter().zip(1..).skip(from).take(NAMES);
    rest.map(|((name, kind), next)| ProcName { name: name.to_vec(), kind: *kind, next }).collect()
}

/// The name of what has this number; the place behind it is `offset` further.
fn numbered(number: i32, kind: ProcKind, offset: u64) -> ProcName {
    let next = u64::try_from(number).unwrap_or(0).saturating_add(1).saturating_add(offset);
    ProcName { name: format!("{number}").into_bytes(), kind, next }
}

/// The number that a place names, in a listing of numbers that begins at `offset`.
fn number_at(from: u64, offset: u64) -> i32 {
    i32::try_from(from.saturating_sub(offset)).unwrap_or(i32::MAX)
}

/// Where the processes begin in the listing of `/proc`.
const PROCESSES: u64 = 1 << 32;

impl ProcView<'_> {
    /// What a path is about; nothing where there is no such process or task.
    fn place<'p>(&self, path: &'p [u8]) -> Option<Place<'p>> {
        let (first, rest) = split(path);
        let Some(pid) = number(first) else { return Some(Place::Machine(path)) };
        let process = self.system.registry.get(Pid(pid))?;
        if let (b"task", within) = split(rest)
            && let (tid, rest) = split(within)
            && !tid.is_empty()
        {
            let tid = number(tid)?;
            let task = process.threads.lock().get(Pid(tid))?;
            return Some(Place::Process(process, Task::One(task), rest));
        }
        Some(Place::Process(process, Task::All, rest))
    }

    /// The open file of `fd/N`, a path in a process's directory.
    fn descriptor(&self, process: &Process, name: &[u8]) -> Option<OpenId> {
        let fd = number(name.strip_prefix(b"fd/")?)?;
        self.files.get(&process.files)?.table.get(Fd::new(fd)).ok()
    }
}

impl ProcSource for ProcView<'_> {
    fn entry(&self, path: &[u8]) -> Option<ProcEntry> {
        match self.place(path)? {
            Place::Machine(b"") => Some(DIRECTORY),
            Place::Machine(path) => machine::entry(path),
            Place::Process(_, _, b"") => Some(DIRECTORY),
            Place::Process(process, task, name) => {
                if self.descriptor(&process, name).is_some() {
                    return Some(LINK);
                }
                find(process::names(&task), name)
            }
        }
    }

    fn list(&self, path: &[u8], from: u64) -> Vec<ProcName> {
        let directory = |number: Pid, offset| numbered(number.0, ProcKind::Directory, offset);
        match self.place(path) {
            Some(Place::Machine(b"")) if from < PROCESSES => {
                let mut names = machine::list(b"", from);
                if names.is_empty() {
                    names = self.list(path, PROCESSES);
                }
                names
            }
            Some(Place::Machine(b"")) => {
                let first = Pid(number_at(from, PROCESSES));
                let some = self.system.registry.numbers(first, NAMES);
                some.into_iter().map(|pid| directory(pid, PROCESSES)).collect()
            }
            Some(Place::Machine(path)) => machine::list(path, from),
            Some(Place::Process(_, task, b"")) => list(process::names(&task), from),
            Some(Place::Process(process, _, b"fd")) => {
                let Some(files) = self.files.get(&process.files) else { return Vec::new() };
                let some = files.table.iter_from(Fd::new(number_at(from, 0))).take(NAMES);
                some.map(|(fd, _)| numbered(fd.get(), ProcKind::Link, 0)).collect()
            }
            Some(Place::Process(process, Task::All, b"task")) => {
                let some = process.threads.lock().from(Pid(number_at(from, 0)), NAMES);
                some.iter().map(|task| directory(task.tid, 0)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn read(&self, path: &[u8], from: u64) -> Option<ProcText> {
        match self.place(path)? {
            Place::Machine(path) => self.machine(path, from),
            Place::Process(process, task, name) => self.about(&process, &task, name, from),
        }
    }

    fn link(&self, path: &[u8]) -> Option<ProcLink> {
        let text = |text: Vec<u8>| Some(ProcLink { text, target: None });
        let own = self.process.pid.0;
        match self.place(path)? {
            Place::Machine(b"self") => text(format!("{own}").into_bytes()),
            Place::Machine(b"thread-self") => {
                text(format!("{own}/task/{}", self.tid.0).into_bytes())
            }
            Place::Machine(b"mounts") => text(b"self/mounts".to_vec()),
            Place::Process(process, _, b"exe") => text(process.name().1),
            Place::Process(_, _, b"root") => text(b"/".to_vec()),
            Place::Process(process, _, b"cwd") => {
                let target = self.files.get(&process.files)?.place.cwd().clone();
                Some(ProcLink { text: Vec::new(), target: Some(target) })
            }
            _ => None,
        }
    }

    fn open(&self, path: &[u8]) -> Option<OpenId> {
        match self.place(path)? {
            Place::Process(process, _, name) => self.descriptor(&process, name),
            Place::Machine(_) => None,
        }
    }
}
