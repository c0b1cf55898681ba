//! What executes the machine's instructions: KVM where it works, else emulation (TCG).
//!
//! That `/dev/kvm` exists proves nothing: it may be closed to us, abort, hang, or be slower
//! than emulation. So KVM is tried with a tiny guest, in bounded time, before it gets a
//! kernel; and what was found is said.

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use super::disk::Disks;
use super::error::MachineError;
use super::process::Process;
use super::qemu::Machine;
use super::size::{Cores, Memory};
use super::trial;

const DEVICE: &str = "/dev/kvm";

/// How long the trial may take. A working KVM needs a third of a second, most of it for
/// QEMU's own start.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How long where KVM was demanded: it may be slow, but not dead.
const LONG_PATIENCE: Duration = Duration::from_secs(10);

/// The CPU models to try under KVM: with some hosts QEMU aborts on what they have in
/// `arch-capabilities`.
const PROCESSORS: &[&str] = &["max", "max,-arch-capabilities"];

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Wish {
    /// KVM if a bounded trial of it succeeds, else emulation.
    #[default]
    Auto,
    /// KVM or nothing.
    Kvm,
    /// Emulation.
    Tcg,
}

/// What is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The host's processor, as this model.
    Kvm(&'static str),
    /// Emulation, each core a thread.
    Tcg,
}

/// Why KVM is not used.
#[derive(Debug)]
pub enum Refusal {
    /// The device is not there.
    Absent,
    /// It cannot be opened.
    Closed(io::Error),
    /// The trial's QEMU ended in another way than the trial's guest.
    Failed(ExitStatus),
    /// The trial took too long: it hangs, or is slower than emulation.
    Slow(Duration),
    /// Guest time is to count instructions, which KVM cannot do.
    Counted,
}

impl Accelerator {
    /// Chooses, and says on standard error what was chosen and why.
    ///
    /// # Errors
    /// [`MachineError::NoKvm`] where it was demanded and does not work; those of the trial.
    pub fn choose(wish: Wish, counted: bool) -> Result<Self, MachineError> {
        let found = match wish {
            Wish::Tcg => return Ok(Self::Tcg),
            _ if counted => Err(Refusal::Counted),
            Wish::Auto => kvm(PATIENCE)?,
            Wish::Kvm => kvm(LONG_PATIENCE)?,
        };
        match found {
            Ok(kvm) => {
                eprintln!("vortex: KVM: works; using it");
                Ok(kvm)
            }
            Err(refusal) if wish == Wish::Kvm => Err(MachineError::NoKvm(refusal)),
            Err(refusal) => {
                eprintln!("vortex: KVM: {refusal}; emulating (TCG)");
                Ok(Self::Tcg)
            }
        }
    }

    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kvm(_) => "KVM",
            Self::Tcg => "emulated",
        }
    }

    /// As QEMU's `-accel` has it.
    pub const fn argument(self, counted: bool) -> &'static str {
        match (self, counted) {
            (Self::Kvm(_), _) => "kvm",
            (Self::Tcg, false) => "tcg,thread=multi",
            (Self::Tcg, true) => "tcg,thread=single",
        }
    }

    /// As QEMU's `-cpu` has it. A counting QEMU 10 gives up ("Bad icount read") when a core
    /// sets its x2APIC's timer; it gets the APIC whose registers are in memory.
    pub const fn processor(self, counted: bool) -> &'static str {
        match (self, counted) {
            (Self::Kvm(processor), _) => processor,
            (Self::Tcg, false) => "max",
            (Self::Tcg, true) => "max,-x2apic",
        }
    }
}

fn kvm(patience: Duration) -> Result<Result<Accelerator, Refusal>, MachineError> {
    if let Err(refusal) = open() {
        return Ok(Err(refusal));
    }
    let guest = trial::write().map_err(MachineError::Trial)?;
    let mut last = Refusal::Absent;
    for processor in PROCESSORS {
        let machine = trial_machine(Accelerator::Kvm(processor), guest.path());
        match attempt(&machine, patience)? {
            Ok(()) => return Ok(Ok(machine.accelerator)),
            // Another model does not make it faster.
            Err(refusal @ Refusal::Slow(_)) => return Ok(Err(refusal)),
            Err(refusal) => last = refusal,
        }
    }
    Ok(Err(last))
}

fn open() -> Result<(), Refusal> {
    match OpenOptions::new().read(true).write(true).open(DEVICE) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Refusal::Absent),
        Err(error) => Err(Refusal::Closed(error)),
    }
}

fn trial_machine(accelerator: Accelerator, guest: &std::path::Path) -> Machine {
    Machine {
        accelerator,
        counted: false,
        cores: Cores::LEAST,
        memory: Memory::LEAST,
        kernel: guest.to_path_buf(),
        image: None,
        words: Vec::new(),
        disks: Disks::default(),
        devices: Vec::new(),
    }
}

/// Runs the trial's guest on this machine.
fn attempt(machine: &Machine, patience: Duration) -> Result<Result<(), Refusal>, MachineError> {
    let mut command = machine.command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Process::start(&mut command).map_err(MachineError::NoQemu)?;
    Ok(match process.wait(patience).map_err(MachineError::Stop)? {
        Some(status) if status.code() == Some(i32::from(trial::STATUS) * 2 + 1) => Ok(()),
        Some(status) => Err(Refusal::Failed(status)),
        None => Err(Refusal::Slow(patience)),
    })
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => write!(f, "{DEVICE} does not exist"),
            Self::Closed(error) => {
                // Without the number that the operating system has for it.
                let text = error.to_string();
                let text = text.split(" (os error").next().unwrap_or_default().to_lowercase();
                write!(f, "{DEVICE} cannot be opened ({text})")
            }
            Self::Failed(status) => write!(f, "a trial boot failed (QEMU: {status})"),
            Self::Slow(limit) => write!(
                f,
                "a trial boot did not end within {} s, it hangs or is slow",
                limit.as_secs_f64()
            ),
            Self::Counted => f.write_str("cannot count instructions"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_not_is_one_line_for_people() {
        let error = io::Error::from_raw_os_error(13);
        let text = Refusal::Closed(error).to_string();
        assert_eq!(text, "/dev/kvm cannot be opened (permission denied)");
        let text = Refusal::Slow(PATIENCE).to_string();
        assert_eq!(text, "a trial boot did not end within 1.5 s, it hangs or is slow");
    }

    #[test]
    fn emulation_needs_no_trial_and_counting_forbids_kvm() {
        assert_eq!(Accelerator::choose(Wish::Tcg, false).unwrap(), Accelerator::Tcg);
        assert_eq!(Accelerator::choose(Wish::Auto, true).unwrap(), Accelerator::Tcg);
        let demanded = Accelerator::choose(Wish::Kvm, true);
        assert!(matches!(demanded, Err(MachineError::NoKvm(Refusal::Counted))));
    }

    #[test]
    fn the_trial_passes_where_instructions_are_executed() {
        if super::super::qemu::Version::installed().is_err() {
            eprintln!("not tried: QEMU is not installed");
            return;
        }
        let guest = trial::write().unwrap();
        let machine = trial_machine(Accelerator::Tcg, guest.path());
        attempt(&machine, Duration::from_secs(60)).unwrap().unwrap();
        let hung = attempt(&machine, Duration::ZERO).unwrap();
        assert!(matches!(hung, Err(Refusal::Slow(_))));
    }
}
