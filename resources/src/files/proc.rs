//! `/proc` as the file system shows it: made up from what its resource was told.

use alloc::format;
use alloc::vec::Vec;

use vortex_files::{ProcEntry, ProcKind, ProcLink, ProcSource};

use crate::process::Pid;

/// What `/proc` shows to one process.
pub struct ProcView<'a> {
    /// Who asks.
    pub pid: Pid,
    /// The name of its program.
    pub name: &'a [u8],
    /// Its program's path.
    pub path: &'a [u8],
    /// How many cores there are.
    pub cores: u16,
    /// Seconds since the machine began, in hundredths.
    pub uptime: u64,
}

const DIRECTORY: ProcEntry = ProcEntry { kind: ProcKind::Directory, permissions: 0o555 };
const FILE: ProcEntry = ProcEntry { kind: ProcKind::File, permissions: 0o444 };
const LINK: ProcEntry = ProcEntry { kind: ProcKind::Link, permissions: 0o777 };

const OWN: [(&[u8], ProcKind); 4] = [
    (b"stat", ProcKind::File),
    (b"status", ProcKind::File),
    (b"cmdline", ProcKind::File),
    (b"exe", ProcKind::Link),
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
        format!("{}", self.pid.0).into_bytes()
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
        let name = alloc::string::String::from_utf8_lossy(self.name);
        let pid = self.pid.0;
        let (all, free) = vortex_machine::memory_counters();
        let text = match (self.own(path), path) {
            (Some(b"stat"), _) => {
                format!("{pid} ({name}) R 0 {pid} {pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 0 0 0\n")
            }
            (Some(b"status"), _) => {
                format!("Name:\t{name}\nState:\tR (running)\nPid:\t{pid}\nThreads:\t1\n")
            }
            (Some(b"cmdline"), _) => format!("{name}\0"),
            (None, b"meminfo") => format!(
                "MemTotal: {:>12} kB\nMemFree:  {:>12} kB\nMemAvailable: {:>8} kB\n",
                all.get() * 4,
                free.get() * 4,
                free.get() * 4
            ),
            (None, b"uptime") => format!("{}.{:02} 0.00\n", self.uptime / 100, self.uptime % 100),
            (None, b"cpuinfo") => {
                (0..self.cores).map(|core| format!("processor\t: {core}\n\n")).collect()
            }
            (None, b"version") => "Vortex version 0.1.0\n".into(),
            _ => return None,
        };
        Some(text.into_bytes())
    }

    fn link(&self, path: &[u8]) -> Option<ProcLink> {
        let text = match (self.own(path), path) {
            (_, b"self") => self.number(),
            (Some(b"exe"), _) => self.path.to_vec(),
            _ => return None,
        };
        Some(ProcLink { text, target: None })
    }
}
