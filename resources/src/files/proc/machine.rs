//! What `/proc` shows of the machine as a whole.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use vortex_files::{ProcEntry, ProcKind, ProcName, ProcText};
use vortex_units::Cycles;

use super::{DIRECTORY, Names, ProcView};
use crate::process::{PID_MAX, RELEASE, VERSION};

/// What is mounted beside disks' file systems.
pub(super) const MOUNTS: &str =
    "rootfs / rootfs rw 0 0\nproc /proc proc rw,nosuid,nodev,noexec 0 0\n";

const TOP: &Names = &[
    (b"self", ProcKind::Link),
    (b"thread-self", ProcKind::Link),
    (b"mounts", ProcKind::Link),
    (b"meminfo", ProcKind::File),
    (b"stat", ProcKind::File),
    (b"uptime", ProcKind::File),
    (b"loadavg", ProcKind::File),
    (b"cpuinfo", ProcKind::File),
    (b"version", ProcKind::File),
    (b"filesystems", ProcKind::File),
    (b"sys", ProcKind::Directory),
];
/// Below `sys`, by the whole path.
const SYS: &[&str] = &[
    "sys/fs/file-max",
    "sys/fs/nr_open",
    "sys/fs/pipe-max-size",
    "sys/kernel/hostname",
    "sys/kernel/osrelease",
    "sys/kernel/ostype",
    "sys/kernel/pid_max",
    "sys/kernel/randomize_va_space",
    "sys/kernel/version",
    "sys/vm/max_map_count",
    "sys/vm/overcommit_memory",
];

/// The part of a path below `sys` that follows this directory's, if it lies in it.
fn below<'p>(path: &'p str, directory: &[u8]) -> Option<&'p [u8]> {
    path.as_bytes().strip_prefix(directory)?.strip_prefix(b"/")
}

/// What is at a path that is about no process.
pub(super) fn entry(path: &[u8]) -> Option<ProcEntry> {
    super::find(TOP, path).or_else(|| {
        if SYS.iter().any(|own| own.as_bytes() == path) {
            return Some(super::FILE);
        }
        SYS.iter().any(|own| below(own, path).is_some()).then_some(DIRECTORY)
    })
}

/// The names in a directory that is no process's.
pub(super) fn list(path: &[u8], from: u64) -> Vec<ProcName> {
    if path.is_empty() {
        return super::list(TOP, from);
    }
    let mut names: Vec<(&[u8], ProcKind)> = Vec::new();
    for rest in SYS.iter().filter_map(|own| below(own, path)) {
        let (name, more) = super::split(rest);
        let kind = if more.is_empty() { ProcKind::File } else { ProcKind::Directory };
        if names.last().is_none_or(|(last, _)| *last != name) {
            names.push((name, kind));
        }
    }
    super::list(&names, from)
}

impl ProcView<'_> {
    /// A file that is about no process.
    pub(super) fn machine(&self, path: &[u8], from: u64) -> Option<ProcText> {
        let text = match path {
            b"meminfo" => meminfo(),
            b"stat" => return Some(self.machine_stat(from)),
            b"uptime" => {
                let idle = (0..self.system.cores).map(|core| self.idle(core)).sum();
                format!("{} {}\n", seconds(self.elapsed()), seconds(idle))
            }
            b"loadavg" => self.load_average(),
            b"cpuinfo" => return Some(self.cpuinfo(from)),
            b"version" => format!("Linux version {RELEASE} {VERSION}\n"),
            b"filesystems" => "nodev\trootfs\nnodev\tproc\nnodev\tpipefs\n\text2\n".into(),
            b"sys/fs/file-max" => "9223372036854775807\n".into(),
            b"sys/fs/nr_open" => "1048576\n".into(),
            b"sys/fs/pipe-max-size" => "1048576\n".into(),
            b"sys/kernel/hostname" => "vortex\n".into(),
            b"sys/kernel/osrelease" => format!("{RELEASE}\n"),
            b"sys/kernel/ostype" => "Linux\n".into(),
            b"sys/kernel/pid_max" => format!("{PID_MAX}\n"),
            b"sys/kernel/randomize_va_space" => {
                format!("{}\n", if self.system.randomize { 2 } else { 0 })
            }
            b"sys/kernel/version" => format!("{VERSION}\n"),
            b"sys/vm/max_map_count" => "65530\n".into(),
            b"sys/vm/overcommit_memory" => "1\n".into(),
            _ => return None,
        };
        Some(ProcText::whole(text.into_bytes()))
    }

    /// Hundredths of a second since the machine began.
    fn elapsed(&self) -> u64 {
        self.system.clock.since_start(self.now).get() / 10_000_000
    }

    /// Hundredths of a second that a core has slept.
    fn idle(&self, core: u16) -> u64 {
        let idle = self.system.idle.get(usize::from(core));
        let cycles = idle.map_or(Cycles::ZERO, |idle| idle.until(self.now));
        self.system.clock.nanos(cycles).get() / 10_000_000
    }

    /// Hundredths of a second in user mode: of all processes, those included that are gone.
    fn user(&self) -> u64 {
        let all = self.system.idle.iter().map(crate::Idle::user).sum();
        self.system.clock.nanos(all).get() / 10_000_000
    }

    /// For how long a core was busy, and slept.
    fn core(&self, core: u16) -> (u64, u64) {
        let elapsed = self.elapsed();
        let idle = self.idle(core).min(elapsed);
        (elapsed - idle, idle)
    }

    /// Some lines, one for a core, from this one on; and the first core that has none then.
    fn lines(&self, from: u64, line: impl Fn(u16) -> String) -> ProcText {
        let first = u16::try_from(from).unwrap_or(u16::MAX);
        let end = first.saturating_add(CORES).min(self.system.cores);
        let text: String = (first..end).map(line).collect();
        let next = (end < self.system.cores).then_some(end.into());
        ProcText { bytes: text.into_bytes(), next }
    }

    /// The cores' time. How a core's own is divided into user mode and kernel is not known
    /// here: all of it is shown as user mode, but for the sum of all cores.
    fn machine_stat(&self, from: u64) -> ProcText {
        let mut text = self.lines(from, |core| {
            let (busy, idle) = self.core(core);
            format!("cpu{core} {busy} 0 0 {idle} 0 0 0 0 0 0\n")
        });
        if from == 0 {
            let cores = (0..self.system.cores).map(|core| self.core(core));
            let (busy, idle) = cores.fold((0, 0), |sum, core| (sum.0 + core.0, sum.1 + core.1));
            let user = self.user().min(busy);
            let mut first =
                format!("cpu  {user} 0 {} {idle} 0 0 0 0 0 0\n", busy - user).into_bytes();
            first.append(&mut text.bytes);
            text.bytes = first;
        }
        if text.next.is_none() {
            let epoch = self.system.clock.epoch.get() / 1_000_000_000;
            let processes = self.system.processes.load(Ordering::Relaxed);
            let last = format!(
                "ctxt 0\nbtime {epoch}\nprocesses {processes}\nprocs_running 1\nprocs_blocked 0\n"
            );
            text.bytes.extend_from_slice(last.as_bytes());
        }
        text
    }

    /// How many cores were busy since the beginning, on the average: for all three spans
    /// that Linux tells of.
    fn load_average(&self) -> String {
        let elapsed = self.elapsed().max(1);
        let idle: u64 = (0..self.system.cores).map(|core| self.idle(core).min(elapsed)).sum();
        let busy = (elapsed * u64::from(self.system.cores) - idle) * 100 / elapsed;
        let load = format!("{}.{:02}", busy / 100, busy % 100);
        let (count, last) = self.system.registry.count();
        format!("{load} {load} {load} 1/{count} {}\n", last.0)
    }

    fn cpuinfo(&self, from: u64) -> ProcText {
        let megahertz = self.system.clock.frequency.as_megahertz();
        self.lines(from, |core| {
            format!("processor\t: {core}\nmodel name\t: x86-64\ncpu MHz\t\t: {megahertz}.000\n\n")
        })
    }
}

/// Cores that are told of in one run.
const CORES: u16 = 16;

/// So many hundredths of a second.
fn seconds(hundredths: u64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn meminfo() -> String {
    let (all, free) = vortex_machine::memory_counters();
    let (all, free) = (all.get() * 4, free.get() * 4);
    let lines = [
        ("MemTotal:", all),
        ("MemFree:", free),
        ("MemAvailable:", free),
        ("Buffers:", 0),
        ("Cached:", 0),
        ("SwapCached:", 0),
        ("Shmem:", 0),
        ("SReclaimable:", 0),
        ("SwapTotal:", 0),
        ("SwapFree:", 0),
    ];
    lines.iter().map(|(name, kilobytes)| format!("{name:<16}{kilobytes:>8} kB\n")).collect()
}
