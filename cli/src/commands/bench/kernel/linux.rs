//! The figures on Debian's kernel: one machine, in which they are measured one after the
//! other.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::disk::Image;
use super::{DYNAMIC, LIMIT, Measured, TICKS, cycles};
use crate::failure::Failure;
use crate::machine::accelerator::Accelerator;
use crate::machine::console::{self, Manner};
use crate::machine::disk::Disks;
use crate::machine::ending::Ending;
use crate::machine::image::{self, GuestPath, Node, Programs, Tree};
use crate::machine::linux;
use crate::machine::qemu::Machine;
use crate::machine::size::{Cores, Memory};

const BENCH: &str = "/bin/bench";

/// What was measured.
#[derive(Debug)]
pub struct Linux {
    /// On what.
    pub about: About,
    said: String,
}

/// Which Linux it was, and how it ran.
#[derive(Debug, Serialize)]
pub struct About {
    /// The package and its version.
    pub package: String,
    /// Its command line.
    pub command_line: String,
    /// What it says of each of the processor's flaws, where it does something about it.
    pub mitigations: Vec<(String, String)>,
}

impl Linux {
    /// Instructions of one execution.
    pub fn instructions(&self, name: &str) -> Option<u64> {
        cycles(&self.said, name).map(|cycles| cycles / TICKS)
    }
}

/// Measures all, or says why Linux cannot be had.
pub fn measure(
    all: &[Measured],
    root: &Path,
    programs: &Path,
    disk: Option<&Image>,
) -> Result<Linux, String> {
    let linux = linux::Linux::get(root).map_err(|error| error.to_string())?;
    let disks = disk.map(|disk| disk.fresh(None)).transpose().map_err(|why| why.to_string())?;
    let modules = match &disks {
        Some(_) => linux::Linux::modules(root).map_err(|error| error.to_string())?,
        None => Vec::new(),
    };
    let own = Own { linux: &linux, modules, programs };
    let list: Vec<_> = all.iter().map(|one| (one.name, one.count)).collect();
    let said = own.machine(&list, true, disks.unwrap_or_default());
    let said = said.map_err(|failure| failure.to_string())?;
    let about = About::read(&linux.package, &said);
    let measured = Linux { about, said };
    match all.iter().find(|one| measured.instructions(one.name).is_none()) {
        Some(missing) => Err(format!("it does not measure {}: {}", missing.name, measured.said)),
        None => Ok(measured),
    }
}

/// What a disk lets through, by nanoseconds: how long this takes.
pub fn nanoseconds(
    name: &'static str,
    root: &Path,
    programs: &Path,
    disks: Disks,
) -> Result<u64, String> {
    let linux = linux::Linux::get(root).map_err(|error| error.to_string())?;
    let modules = linux::Linux::modules(root).map_err(|error| error.to_string())?;
    let own = Own { linux: &linux, modules, programs };
    let said = own.machine(&[(name, 1)], false, disks).map_err(|failure| failure.to_string())?;
    cycles(&said, name).ok_or(said)
}

/// What a machine of Linux's is made of.
struct Own<'a> {
    linux: &'a linux::Linux,
    modules: Vec<PathBuf>,
    programs: &'a Path,
}

impl Own<'_> {
    fn machine(&self, all: &[(&str, u32)], counted: bool, disks: Disks) -> Result<String, Failure> {
        let Self { linux, modules, programs } = self;
        let mut tree = Tree::with_basics();
        image::take(&mut tree, &programs.join("bench"), &GuestPath::root().follow(BENCH))?;
        image::take(&mut tree, Path::new(DYNAMIC), &GuestPath::root().follow(DYNAMIC))?;
        let mut needs = Programs::into(&mut tree);
        needs.add(DYNAMIC, "a measurement")?;
        needs.finish()?;
        let counts: Vec<_> = all.iter().map(|(name, count)| (*name, count.to_string())).collect();
        let words = if counted { 4 } else { 3 };
        let commands: Vec<[&str; 4]> =
            counts.iter().map(|(name, count)| [BENCH, name, count, "--cycles"]).collect();
        let commands = commands.iter().filter_map(|command| command.get(..words));
        linux::start(&mut tree, programs, commands)?;
        if !disks.disks.is_empty() {
            tree.put(&GuestPath::root().follow("/mnt"), Node::Directory(0o755))?;
            linux::load(&mut tree, modules, disks.disks.len())?;
        }
        let (file, _) = image::temporary(&tree)?;
        let machine = Machine {
            accelerator: Accelerator::Tcg,
            counted,
            cores: Cores::LEAST,
            memory: Memory::mebibytes(256).unwrap_or(Memory::LEAST),
            kernel: linux.kernel.clone(),
            image: Some(file.path().to_path_buf()),
            words: linux::Linux::words(),
            disks,
            devices: Vec::new(),
        };
        let events = console::watch()?;
        let manner = Manner { limit: Some(LIMIT), with_status: false };
        match console::capture(machine.command(), &events, manner)? {
            (Ending::Good, said) => Ok(said),
            (other, said) => {
                Err(Failure::ProgramFailed(format!("Linux's machine ({other})"), said))
            }
        }
    }
}

impl About {
    /// From the lines `init: WHAT VALUE` on the console.
    fn read(package: &str, said: &str) -> Self {
        let lines = || said.lines().filter_map(|line| line.trim_end().strip_prefix("init: "));
        let after = |what: &str| lines().find_map(|line| line.strip_prefix(what));
        let flaws = lines().filter_map(|line| line.strip_prefix("flaw ")?.split_once(' '));
        let mitigated = flaws.filter_map(|(flaw, state)| {
            Some((flaw.into(), state.strip_prefix("Mitigation: ")?.into()))
        });
        Self {
            package: package.into(),
            command_line: after("command-line ").unwrap_or_default().into(),
            mitigations: mitigated.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_does_about_flaws_is_read_from_its_console() {
        let said = "init: release 6.1.0\r\ninit: command-line quiet x=1\r\n\
                    init: flaw meltdown Not affected\r\n\
                    init: flaw spectre_v2 Mitigation: Retpolines, STIBP: disabled\r\n\
                    getppid 200 cycles\r\n";
        let about = About::read("p 1", said);
        assert_eq!((about.package.as_str(), about.command_line.as_str()), ("p 1", "quiet x=1"));
        let retpolines = ("spectre_v2".into(), "Retpolines, STIBP: disabled".into());
        assert_eq!(about.mitigations, [retpolines]);
        let linux = Linux { about, said: said.into() };
        assert_eq!(linux.instructions("getppid"), Some(100));
    }
}
