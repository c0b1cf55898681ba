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

use vortex_files::{Fd, OpenId, ProcEntry, ProcKind, ProcLink, ProcSource};
use vortex_units::Cycles;

use self::process::Task;
use super::request::FilesId;
use super::tables::Files;
use crate::System;
use crate::process::{Pid, Process, ThreadState};

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

fn list(names: &Names) -> Vec<(Vec<u8>, ProcKind)> {
    names.iter().map(|(name, kind)| (name.to_vec(), *kind)).collect()
}

/// The tasks of a process that have not ended.
fn tasks(process: &Process) -> Vec<Arc<ThreadState>> {
    process.threads.lock().clone()
}

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
            let task = tasks(&process).into_iter().find(|task| task.tid.0 == tid)?;
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

    fn list(&self, path: &[u8]) -> Vec<(Vec<u8>, ProcKind)> {
        let decimal = |number: i32| format!("{number}").into_bytes();
        match self.place(path) {
            Some(Place::Machine(b"")) => {
                let mut names = machine::list(b"");
                let all = self.system.registry.numbers().into_iter();
                names.extend(all.map(|pid| (decimal(pid.0), ProcKind::Directory)));
                names
            }
            Some(Place::Machine(path)) => machine::list(path),
            Some(Place::Process(_, task, b"")) => list(process::names(&task)),
            Some(Place::Process(process, _, b"fd")) => {
                let link = |(fd, _): (Fd, OpenId)| (decimal(fd.get()), ProcKind::Link);
                let files = self.files.get(&process.files);
                files.into_iter().flat_map(|files| files.table.iter()).map(link).collect()
            }
            Some(Place::Process(process, Task::All, b"task")) => {
                let mut all: Vec<_> = tasks(&process).iter().map(|task| task.tid.0).collect();
                all.sort_unstable();
                all.into_iter().map(|tid| (decimal(tid), ProcKind::Directory)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn read(&self, path: &[u8]) -> Option<Vec<u8>> {
        match self.place(path)? {
            Place::Machine(path) => self.machine(path),
            Place::Process(process, task, name) => self.about(&process, &task, name),
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
