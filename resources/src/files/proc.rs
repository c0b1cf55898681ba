//! `/proc` as the file system shows it: made up from what its resource was told. Of the
//! processes, each sees its own alone.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_files::{Fd, OpenId, ProcEntry, ProcKind, ProcLink, ProcSource, Table};

use vortex_units::Cycles;

use crate::WallClock;
use crate::memory::maps;
use crate::process::Process;

/// The most of its arguments that a process is shown.
const ARGUMENTS: usize = 1 << 16;

/// What `/proc` shows to one process.
pub struct ProcView<'a> {
    /// Who asks.
    pub process: &'a Process,
    /// Its descriptors.
    pub table: &'a Table,
    /// How many cores there are.
    pub cores: u16,
    /// The machine's clock.
    pub clock: WallClock,
    /// Its counter's reading.
    pub now: Cycles,
}

const DIRECTORY: ProcEntry = ProcEntry { kind: ProcKind::Directory, permissions: 0o555 };
const FILE: ProcEntry = ProcEntry { kind: ProcKind::File, permissions: 0o444 };
const LINK: ProcEntry = ProcEntry { kind: ProcKind::Link, permissions: 0o777 };

const OWN: [(&[u8], ProcKind); 7] = [
    (b"stat", ProcKind::File),
    (b"status", ProcKind::File),
    (b"cmdline", ProcKind::File),
    (b"comm", ProcKind::File),
    (b"maps", ProcKind::File),
    (b"exe", ProcKind::Link),
    (b"fd", ProcKind::Directory),
];
const TOP: [(&[u8], ProcKind); 5] = [
    (b"self", ProcKind::Link),
    (b"meminfo", ProcKind::File),
    (b"uptime", ProcKind::File),
    (b"cpuinfo", ProcKind::File),
    (b"version", ProcKind::File),
];

impl ProcView<'_> {
    fn number(&self) -> Vec<u8> {
        format!("{}", self.process.pid.0).into_bytes()
    }

    /// The part of a path behind the process's own directory.
    fn own<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let rest =
            path.strip_prefix(b"self").or_else(|| path.strip_prefix(self.number().as_slice()))?;
        match rest {
            [] => Some(rest),
            [b'/', rest @ ..] => Some(rest),
            _ => None,
        }
    }

    /// The open file of `fd/N`, a path in the process's own directory.
    fn descriptor(&self, name: &[u8]) -> Option<OpenId> {
        let number = core::str::from_utf8(name.strip_prefix(b"fd/")?).ok()?;
        let canonical = number == "0" || !number.starts_with(['0', '+', '-']);
        let number = number.parse().ok().filter(|_| canonical)?;
        self.table.get(Fd::new(number)).ok()
    }

    /// A file in the process's own directory.
    fn about(&self, file: &[u8]) -> Option<String> {
        let process = self.process;
        let (name, _) = process.name();
        let name = String::from_utf8_lossy(&name);
        let pid = process.pid.0;
        let parent = process.parent.load(Ordering::Relaxed);
        let group = process.group.load(Ordering::Relaxed);
        let session = process.session.load(Ordering::Relaxed);
        let threads = process.count.load(Ordering::Relaxed);
        Some(match file {
            b"stat" => {
                let zeros = " 0".repeat(32);
                format!(
                    "{pid} ({name}) R {parent} {group} {session} 0 -1 0 0 0 0 0 0 0 0 0 20 0 \
                     {threads}{zeros}\n"
                )
            }
            b"status" => format!(
                "Name:\t{name}\nState:\tR (running)\nTgid:\t{pid}\nPid:\t{pid}\n\
                 PPid:\t{parent}\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n\
                 Threads:\t{threads}\n"
            ),
            b"comm" => format!("{name}\n"),
            b"maps" => maps(&process.memory()),
            _ => return None,
        })
    }
}

impl ProcSource for ProcView<'_> {
    fn entry(&self, path: &[u8]) -> Option<ProcEntry> {
        match path {
            b"" => return Some(DIRECTORY),
            b"self" => return Some(LINK),
            _ => {}
        }
        let find = |list: &[(&[u8], ProcKind)], name: &[u8]| {
            list.iter().find(|(own, _)| *own == name).map(|(_, kind)| match kind {
                ProcKind::Directory => DIRECTORY,
                ProcKind::File => FILE,
                ProcKind::Link => LINK,
            })
        };
        match self.own(path) {
            Some(b"") => Some(DIRECTORY),
            Some(name) if self.descriptor(name).is_some() => Some(LINK),
            Some(name) => find(&OWN, name),
            None => find(&TOP, path),
        }
    }

    fn list(&self, path: &[u8]) -> Vec<(Vec<u8>, ProcKind)> {
        let names = |list: &[(&[u8], ProcKind)]| {
            list.iter().map(|(name, kind)| (name.to_vec(), *kind)).collect()
        };
        match self.own(path) {
            Some(b"") => names(&OWN),
            Some(b"fd") => {
                let link = |(fd, _): (Fd, OpenId)| (format!("{}", fd.get()).into(), ProcKind::Link);
                self.table.iter().map(link).collect()
            }
            Some(_) => Vec::new(),
            None if path.is_empty() => {
                let mut list: Vec<_> = names(&TOP);
                list.push((self.number(), ProcKind::Directory));
                list
            }
            None => Vec::new(),
        }
    }

    fn read(&self, path: &[u8]) -> Option<Vec<u8>> {
        if let Some(file) = self.own(path) {
            if file == b"cmdline" {
                let space = self.process.memory();
                let arguments = *space.arguments.lock();
                return Some(space.peek(arguments, ARGUMENTS));
            }
            return self.about(file).map(String::into_bytes);
        }
        let (all, free) = vortex_machine::memory_counters();
        let text = match path {
            b"meminfo" => format!(
                "MemTotal: {:>12} kB\nMemFree:  {:>12} kB\nMemAvailable: {:>8} kB\n",
                all.get() * 4,
                free.get() * 4,
                free.get() * 4
            ),
            b"uptime" => {
                let hundredths = self.clock.since_start(self.now).get() / 10_000_000;
                format!("{}.{:02} 0.00\n", hundredths / 100, hundredths % 100)
            }
            b"cpuinfo" => (0..self.cores).map(|core| format!("processor\t: {core}\n\n")).collect(),
            b"version" => "Vortex version 0.1.0\n".into(),
            _ => return None,
        };
        Some(text.into_bytes())
    }

    fn link(&self, path: &[u8]) -> Option<ProcLink> {
        let text = match (self.own(path), path) {
            (_, b"self") => self.number(),
            (Some(b"exe"), _) => self.process.name().1,
            _ => return None,
        };
        Some(ProcLink { text, target: None })
    }

    fn open(&self, path: &[u8]) -> Option<OpenId> {
        self.descriptor(self.own(path)?)
    }
}
