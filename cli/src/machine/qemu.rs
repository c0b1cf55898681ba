//! The command line of QEMU, from what a machine is to have.
//!
//! What the kernel is promised stands here and nowhere else: a q35 without display, its
//! console the first serial port, a port at 0xf4 through which it may end with a status.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use super::accelerator::Accelerator;
use super::disk::Disks;
use super::error::MachineError;
use super::leash;
use super::size::{Cores, Memory};
use crate::home;

/// The program, where nothing else is said.
const QEMU: &str = "qemu-system-x86_64";
/// The environment variable that names another.
const OTHER: &str = "VORTEX_QEMU";

/// The program: that of the host, or the one that `VORTEX_QEMU` names.
pub fn program() -> OsString {
    let other = std::env::var_os(OTHER).filter(|name| !name.is_empty());
    other.unwrap_or_else(|| QEMU.into())
}

/// A version of QEMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second.
    pub minor: u32,
}

/// A machine to start.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What executes its instructions.
    pub accelerator: Accelerator,
    /// Whether guest time counts instructions instead of following the host's clock: one
    /// simple instruction is 2 ns, and every run is like every other.
    pub counted: bool,
    /// Its cores.
    pub cores: Cores,
    /// Its memory.
    pub memory: Memory,
    /// The kernel's ELF file.
    pub kernel: PathBuf,
    /// The archive that is its first root file system.
    pub image: Option<PathBuf>,
    /// The kernel's command line, word by word.
    pub words: Vec<String>,
    /// Its disks.
    pub disks: Disks,
    /// Further arguments of QEMU, such as networks.
    pub devices: Vec<OsString>,
}

impl Version {
    /// From which several counted cores share the time fairly; before, one may starve.
    pub const COUNTS_CORES: Self = Self { major: 10, minor: 0 };

    /// Asks the QEMU that is installed.
    ///
    /// # Errors
    /// [`MachineError::NoQemu`] and [`MachineError::Version`].
    pub fn installed() -> Result<Self, MachineError> {
        let output =
            Command::new(program()).arg("--version").output().map_err(MachineError::NoQemu)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        Self::read(&said).ok_or(MachineError::Version(said))
    }

    fn read(said: &str) -> Option<Self> {
        let number = said.split_once("version ")?.1.split_whitespace().next()?;
        let mut parts = number.split('.').map(|part| part.parse().ok());
        Some(Self { major: parts.next()??, minor: parts.next()?? })
    }
}

impl Machine {
    /// Whether this QEMU can be this machine.
    ///
    /// # Errors
    /// [`MachineError::TooOld`].
    pub fn suits(&self, found: Version) -> Result<(), MachineError> {
        let needs = Version::COUNTS_CORES;
        if self.counted && self.cores.get() > 1 && found < needs {
            let what = "repeatable guest time on more than one core";
            return Err(MachineError::TooOld { what, needs, found });
        }
        Ok(())
    }

    /// How its time is counted. A halted machine skips to its next timer; not where it waits for
    /// disks, which answer in the host's time: while they are slow it would skip all limits on
    /// how long they may take.
    fn counting(&self) -> &'static str {
        if self.disks.disks.is_empty() { "shift=1,sleep=off" } else { "shift=1,sleep=on" }
    }

    /// The arguments, the program's name not among them.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut list: Vec<OsString> = Vec::new();
        let mut add = |words: &[&OsStr]| list.extend(words.iter().map(OsString::from));
        let text = OsStr::new;
        add(&[text("-nodefaults"), text("-no-user-config"), text("-M"), text("q35")]);
        add(&[text("-accel"), text(self.accelerator.argument(self.counted))]);
        if self.counted {
            add(&[text("-icount"), text(self.counting())]);
        }
        add(&[text("-cpu"), text(self.accelerator.processor(self.counted))]);
        add(&[text("-smp"), text(&self.cores.to_string())]);
        add(&[text("-m"), text(&self.memory.to_string())]);
        add(&[text("-display"), text("none"), text("-serial"), text("stdio")]);
        add(&[text("-no-reboot"), text("-device"), text("isa-debug-exit,iobase=0xf4,iosize=1")]);
        add(&[text("-kernel"), self.kernel.as_os_str()]);
        if let Some(image) = &self.image {
            add(&[text("-initrd"), image.as_os_str()]);
        }
        // What is to be counted alike must lie alike.
        const FIXED: &str = "randomize=off";
        let said = self.words.iter().any(|word| word == FIXED);
        let fixed = (self.counted && !said).then(|| FIXED.to_string());
        let words: Vec<_> = self.words.iter().cloned().chain(fixed).collect();
        if !words.is_empty() {
            add(&[text("-append"), text(&words.join(" "))]);
        }
        list.extend(self.disks.arguments(self.cores));
        list.extend(self.devices.iter().cloned());
        list
    }

    /// The command, ready to be started; the machine ends with this command.
    pub fn command(&self) -> Command {
        let mut command = leash::command(&program());
        command.args(self.arguments());
        command
    }

    /// The line that a person would type.
    pub fn line(&self) -> String {
        let arguments = self.arguments();
        let words = arguments.iter().map(|word| home::quoted(&word.to_string_lossy()));
        [home::quoted(&program().to_string_lossy())]
            .into_iter()
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Whether the kernel was told to end with a status.
    pub fn ends_with_status(&self) -> bool {
        self.words.iter().any(|word| word == "exit=debug")
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::disk::Disk;
    use super::*;

    fn machine() -> Machine {
        Machine {
            accelerator: Accelerator::Tcg,
            counted: false,
            cores: Cores::new(4).unwrap(),
            memory: Memory::mebibytes(256).unwrap(),
            kernel: "k".into(),
            image: Some("root image.cpio".into()),
            words: vec!["config=/etc/vortex.xml".into(), "exit=debug".into()],
            disks: Disks::default(),
            devices: Vec::new(),
        }
    }

    #[test]
    fn the_line_is_what_the_kernel_is_promised() {
        let line = machine().line();
        let arguments = line.strip_prefix(&program().into_string().unwrap());
        assert_eq!(
            arguments.unwrap(),
            " -nodefaults -no-user-config -M q35 -accel tcg,thread=multi -cpu \
             max -smp 4 -m 256M -display none -serial stdio -no-reboot -device \
             isa-debug-exit,iobase=0xf4,iosize=1 -kernel k -initrd 'root image.cpio' -append \
             'config=/etc/vortex.xml exit=debug'"
        );
        assert!(machine().ends_with_status());
    }

    #[test]
    fn counted_time_is_one_thread_and_needs_a_new_qemu_for_many_cores() {
        let mut machine = Machine { counted: true, ..machine() };
        let counts = "-accel tcg,thread=single -icount shift=1,sleep=off -cpu max,-x2apic ";
        assert!(machine.line().contains(counts));
        let disks = Disks { disks: vec![Disk::new(Path::new("a"))], depth: None };
        let waits = Machine { disks, ..machine.clone() };
        assert!(waits.line().contains("-icount shift=1,sleep=on"), "{}", waits.line());
        let old = Version { major: 7, minor: 2 };
        assert!(matches!(machine.suits(old), Err(MachineError::TooOld { .. })));
        assert!(machine.suits(Version { major: 10, minor: 0 }).is_ok());
        machine.cores = Cores::new(1).unwrap();
        assert!(machine.suits(old).is_ok());
    }

    #[test]
    fn a_version_is_found_in_what_distributions_say() {
        let read = Version::read;
        let debian = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright";
        assert_eq!(read(debian), Some(Version { major: 7, minor: 2 }));
        assert_eq!(read("QEMU emulator version 10.0.2"), Some(Version { major: 10, minor: 0 }));
        assert_eq!(read("something else"), None);
    }
}
