//! What `/proc` shows of the machine as a whole.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::sync::atomic::Ordering;

use vortex_files::{ProcEntry, ProcKind};
use vortex_units::Cycles;

use super::{DIRECTORY, Names, ProcView};
use crate::process::{PID_MAX, RELEASE, VERSION};

/// What is mounted.
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
pub(super) fn list(path: &[u8]) -> Vec<(Vec<u8>, ProcKind)> {
    if path.is_empty() {
        return super::list(TOP);
    }
    let mut names: Vec<(Vec<u8>, ProcKind)> = Vec::new();
    for rest in SYS.iter().filter_map(|own| below(own, path)) {
        let (name, more) = super::split(rest);
        let kind = if more.is_empty() { ProcKind::File } else { ProcKind::Directory };
        if names.last().is_none_or(|(last, _)| last != name) {
            names.push((name.to_vec(), kind));
        }
    }
    names
}

impl ProcView<'_> {
    /// A file that is about no process.
    pub(super) fn machine(&self, path: &[u8]) -> Option<Vec<u8>> {
        let text = match path {
            b"meminfo" => meminfo(),
            b"stat" => self.machine_stat(),
            b"uptime" => {
                let idle = (0..self.system.cores).map(|core| self.idle(core)).sum();
                format!("{} {}\n", seconds(self.elapsed()), seconds(idle))
            }
            b"loadavg" => self.load_average(),
            b"cpuinfo" => self.cpuinfo(),
            b"version" => format!("Linux version {RELEASE} {VERSION}\n"),
            b"filesystems" => "nodev\trootfs\nnodev\tproc\nnodev\tpipefs\n".into(),
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
        Some(text.into_bytes())
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
        let registry = &self.system.registry;
        let living = registry.numbers().into_iter().filter_map(|pid| registry.get(pid));
        let living: u64 = living.map(|process| process.used.load(Ordering::Relaxed)).sum();
        let all = living.saturating_add(registry.used_by_gone());
        self.system.clock.nanos(Cycles::new(all)).get() / 10_000_000
    }

    /// The cores' time. How a core's own is divided into user mode and kernel is not known
    /// here: all of it is shown as user mode, but for the sum of all cores.
    fn machine_stat(&self) -> String {
        let elapsed = self.elapsed();
        let cores: Vec<_> = (0..self.system.cores)
            .map(|core| {
                let idle = self.idle(core).min(elapsed);
                (elapsed - idle, idle)
            })
            .collect();
        let (busy, idle) = cores.iter().fold((0, 0), |sum, core| (sum.0 + core.0, sum.1 + core.1));
        let user = self.user().min(busy);
        let mut text = format!("cpu  {user} 0 {} {idle} 0 0 0 0 0 0\n", busy - user);
        for (core, (busy, idle)) in cores.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = writeln!(text, "cpu{core} {busy} 0 0 {idle} 0 0 0 0 0 0");
        }
        let epoch = self.system.clock.epoch.get() / 1_000_000_000;
        let processes = self.system.processes.load(Ordering::Relaxed);
        let _ = writeln!(
            text,
            "ctxt 0\nbtime {epoch}\nprocesses {processes}\nprocs_running 1\nprocs_blocked 0"
        );
        text
    }

    /// How many cores were busy since the beginning, on the average: for all three spans
    /// that Linux tells of.
    fn load_average(&self) -> String {
        let elapsed = self.elapsed().max(1);
        let idle: u64 = (0..self.system.cores).map(|core| self.idle(core).min(elapsed)).sum();
        let busy = (elapsed * u64::from(self.system.cores) - idle) * 100 / elapsed;
        let load = format!("{}.{:02}", busy / 100, busy % 100);
        let numbers = self.system.registry.numbers();
        let last = numbers.last().map_or(0, |pid| pid.0);
        format!("{load} {load} {load} 1/{} {last}\n", numbers.len())
    }

    fn cpuinfo(&self) -> String {
        let megahertz = self.system.clock.frequency.as_megahertz();
        let line = |core| {
            format!("processor\t: {core}\nmodel name\t: x86-64\ncpu MHz\t\t: {megahertz}.000\n\n")
        };
        (0..self.system.cores).map(line).collect()
    }
}

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
