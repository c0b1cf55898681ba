//! What `/proc` shows of a process and of its tasks (proc_pid_stat(5), proc_pid_status(5)).

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::Write as _;
use core::sync::atomic::Ordering;

use vortex_abi::Span;
use vortex_files::{ProcKind, ProcText};
use vortex_units::Cycles;

use super::{Names, ProcView};
use crate::memory::maps;
use crate::process::signals::SignalSet;
use crate::process::{INFINITY, Process, ThreadState};

/// So many bytes of its arguments are told in one run.
const ARGUMENTS: usize = 2048;
const PAGE: u64 = 4096;

/// Of which task: all of a process together, or one.
pub(super) enum Task {
    /// The process.
    All,
    /// One of its threads.
    One(Arc<ThreadState>),
}

const TASK: [(&[u8], ProcKind); 12] = [
    (b"stat", ProcKind::File),
    (b"status", ProcKind::File),
    (b"statm", ProcKind::File),
    (b"cmdline", ProcKind::File),
    (b"comm", ProcKind::File),
    (b"maps", ProcKind::File),
    (b"limits", ProcKind::File),
    (b"mounts", ProcKind::File),
    (b"exe", ProcKind::Link),
    (b"cwd", ProcKind::Link),
    (b"root", ProcKind::Link),
    (b"fd", ProcKind::Directory),
];
const PROCESS: [(&[u8], ProcKind); 13] = {
    let mut names = [(b"task" as &[u8], ProcKind::Directory); 13];
    let mut at = 0;
    while at < TASK.len() {
        names[at] = TASK[at];
        at += 1;
    }
    names
};

/// What is in a process's directory, or in a task's.
pub(super) fn names(task: &Task) -> &'static Names {
    match task {
        Task::All => &PROCESS,
        Task::One(_) => &TASK,
    }
}

/// How a process or task is: its letter, and that in words. A process is as its first thread.
fn state(process: &Process, task: &Task, asks: bool) -> (char, &'static str) {
    let runs = |task: &Arc<ThreadState>| task.core().is_some();
    let running = asks
        || match task {
            Task::All => process.threads.lock().first().as_ref().is_some_and(runs),
            Task::One(task) => runs(task),
        };
    if process.count.load(Ordering::Relaxed) == 0 {
        ('Z', "zombie")
    } else if process.is_stopped() {
        ('T', "stopped")
    } else if running {
        ('R', "running")
    } else {
        ('S', "sleeping")
    }
}

/// A set of signals as `status` writes it.
fn mask(set: SignalSet) -> String {
    format!("{:016x}", set.bits())
}

impl ProcView<'_> {
    /// A file in a process's directory, or in a task's.
    pub(super) fn about(
        &self,
        process: &Process,
        task: &Task,
        file: &[u8],
        from: u64,
    ) -> Option<ProcText> {
        let text = match file {
            b"stat" => self.stat(process, task),
            b"status" => self.status(process, task),
            b"statm" => {
                let (size, resident) = sizes(process);
                format!("{} {resident} 0 0 0 {} 0\n", size / PAGE, size / PAGE)
            }
            b"cmdline" => {
                if process.count.load(Ordering::Relaxed) == 0 {
                    return Some(ProcText::default());
                }
                let space = process.memory();
                let all = *space.arguments.lock();
                let left = all.length.saturating_sub(from);
                let rest = Span::new(all.address.saturating_add(from), left);
                let bytes = space.peek(rest, ARGUMENTS);
                let told = bytes.len() as u64;
                let next = (told > 0 && told < left).then_some(from.saturating_add(told));
                return Some(ProcText { bytes, next });
            }
            b"comm" => format!("{}\n", String::from_utf8_lossy(&process.name().0)),
            // Where a program lies its own activity may know.
            b"maps" if !self.process.may_change(process) => String::new(),
            b"maps" => {
                let (text, next) = maps(&process.memory(), from);
                return Some(ProcText { bytes: text.into_bytes(), next });
            }
            b"limits" => limits(process),
            b"mounts" => {
                let mut text = String::from(super::machine::MOUNTS);
                text.push_str(&self.system.mounts.lock());
                text
            }
            _ => return None,
        };
        Some(ProcText::whole(text.into_bytes()))
    }

    fn asks(&self, process: &Process) -> bool {
        process.pid == self.process.pid
    }

    fn ticks(&self, cycles: u64) -> u64 {
        self.system.clock.nanos(Cycles::new(cycles)).get() / 10_000_000
    }

    fn stat(&self, process: &Process, task: &Task) -> String {
        let (name, _) = process.name();
        let name = String::from_utf8_lossy(&name);
        let (letter, _) = state(process, task, self.asks(process));
        let of = |word: &core::sync::atomic::AtomicI32| word.load(Ordering::Relaxed);
        let (id, used, blocked) = match task {
            Task::All => (process.pid.0, process.used.load(Ordering::Relaxed), None),
            Task::One(task) => (task.tid.0, task.used().get(), Some(task.blocked())),
        };
        let user = self.ticks(used);
        let children = self.ticks(process.used_by_children.load(Ordering::Relaxed));
        let nice = of(&process.nice);
        let began = self.system.clock.since_start(process.began).get() / 10_000_000;
        let (size, resident) = sizes(process);
        let first = process.threads.lock().first().map(|first| first.blocked());
        let blocked = blocked.or(first).unwrap_or(SignalSet::EMPTY).bits();
        let (ignored, caught) = process.actions.lock().dispositions();
        let threads = process.count.load(Ordering::Relaxed);
        format!(
            "{id} ({name}) {letter} {} {} {} 0 -1 0 0 0 0 0 {user} 0 {children} 0 {} {nice} \
             {threads} 0 {began} {size} {resident} {INFINITY} 0 0 0 0 0 {} {blocked} {} {} 0 0 0 \
             17 0 0 0 0 0 0 0 0 0 0 0 0 0 {}\n",
            of(&process.parent),
            of(&process.group),
            of(&process.session),
            20 + nice,
            process.pending.lock().set().bits(),
            ignored.bits(),
            caught.bits(),
            of(&process.status),
        )
    }

    fn status(&self, process: &Process, task: &Task) -> String {
        let (name, _) = process.name();
        let name = String::from_utf8_lossy(&name);
        let (letter, word) = state(process, task, self.asks(process));
        let pid = process.pid.0;
        let (id, own) = match task {
            Task::All => (pid, process.threads.lock().first()),
            Task::One(task) => (task.tid.0, Some(task.clone())),
        };
        let (size, resident) = sizes(process);
        let (ignored, caught) = process.actions.lock().dispositions();
        let descriptors = self.files.get(&process.files);
        let descriptors = descriptors.map_or(0, |files| files.table.iter().count());
        let blocked = own.as_ref().map_or(SignalSet::EMPTY, |own| own.blocked());
        let pending = own.map_or(SignalSet::EMPTY, |own| own.pending.lock().set());
        format!(
            "Name:\t{name}\nState:\t{letter} ({word})\nTgid:\t{pid}\nPid:\t{id}\n\
             PPid:\t{}\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n\
             FDSize:\t{descriptors}\nVmSize:\t{:8} kB\nVmRSS:\t{:8} kB\nThreads:\t{}\n\
             SigPnd:\t{}\nShdPnd:\t{}\nSigBlk:\t{}\nSigIgn:\t{}\nSigCgt:\t{}\n",
            process.parent.load(Ordering::Relaxed),
            size / 1024,
            resident * (PAGE / 1024),
            process.count.load(Ordering::Relaxed),
            mask(pending),
            mask(process.pending.lock().set()),
            mask(blocked),
            mask(ignored),
            mask(caught),
        )
    }
}

/// Bytes of a process's address space, and pages that are in memory; none of one that has
/// ended.
fn sizes(process: &Process) -> (u64, u64) {
    if process.count.load(Ordering::Relaxed) == 0 {
        return (0, 0);
    }
    let space = process.memory();
    let bytes = space.regions.lock().bytes().0;
    (bytes, space.space.held())
}

/// Its limits, a line for each (proc_pid_limits(5)).
fn limits(process: &Process) -> String {
    const NAMES: [(&str, &str); 16] = [
        ("Max cpu time", "seconds"),
        ("Max file size", "bytes"),
        ("Max data size", "bytes"),
        ("Max stack size", "bytes"),
        ("Max core file size", "bytes"),
        ("Max resident set", "bytes"),
        ("Max processes", "processes"),
        ("Max open files", "files"),
        ("Max locked memory", "bytes"),
        ("Max address space", "bytes"),
        ("Max file locks", "locks"),
        ("Max pending signals", "signals"),
        ("Max msgqueue size", "bytes"),
        ("Max nice priority", ""),
        ("Max realtime priority", ""),
        ("Max realtime timeout", "us"),
    ];
    let shown = |limit: u64| match limit {
        INFINITY => String::from("unlimited"),
        limit => format!("{limit}"),
    };
    let mut text = String::from(
        "Limit                     Soft Limit           Hard Limit           Units     \n",
    );
    for (number, (name, unit)) in (0..).zip(NAMES) {
        let Ok(pair) = process.limits.get(number) else { continue };
        let (soft, hard) = (shown(pair.soft), shown(pair.hard));
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<25} {soft:<20} {hard:<20} {unit:<10}");
    }
    text
}
