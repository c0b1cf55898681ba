//! Why a machine could not be started or attended. Each variant is made in one place.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Of QEMU and of the kernel that it is given.
#[derive(Debug)]
pub enum MachineError {
    /// QEMU is not installed, or does not start.
    NoQemu(io::Error),
    /// `qemu-system-x86_64 --version` says nothing of a version.
    Version(String),
    /// QEMU is older than what was asked for needs.
    TooOld {
        /// What needs it.
        what: &'static str,
        /// The first version that has it.
        needs: super::qemu::Version,
        /// The version installed.
        found: super::qemu::Version,
    },
    /// KVM was demanded and does not work here.
    NoKvm(super::accelerator::Refusal),
    /// The guest of KVM's trial cannot be written.
    Trial(io::Error),
    /// Cargo does not start.
    NoCargo(io::Error),
    /// The kernel does not compile; cargo has said why.
    KernelBuild,
    /// Our own programs do not compile; cargo has said why.
    OwnBuild,
    /// The kernel that was named is not there.
    NoKernel(PathBuf, io::Error),
    /// What the kernel's addresses mean cannot be read from it.
    Symbols(PathBuf, String),
    /// The terminal does not let itself be switched.
    Terminal(io::Error),
    /// Signals cannot be received.
    Signals(io::Error),
    /// QEMU cannot be told to stop, or waited for.
    Stop(io::Error),
}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoQemu(error) => write!(
                f,
                "cannot start {}: {error}; on Debian or Ubuntu: sudo apt-get install \
                 --no-install-recommends qemu-system-x86; VORTEX_QEMU may name another",
                super::qemu::program().display()
            ),
            Self::Version(said) => write!(
                f,
                "{} --version names no version: {}",
                super::qemu::program().display(),
                said.trim()
            ),
            Self::TooOld { what, needs, found } => {
                write!(f, "{what} needs QEMU {needs} or later; this is {found}")
            }
            Self::NoKvm(refusal) => {
                write!(f, "KVM: {refusal}; '--accel auto' would emulate instead")
            }
            Self::Trial(error) => write!(f, "cannot write the guest of KVM's trial: {error}"),
            Self::NoCargo(error) => write!(f, "cannot start cargo: {error}"),
            Self::KernelBuild => {
                f.write_str("the kernel could not be built; what cargo said is above")
            }
            Self::OwnBuild => f.write_str(
                "the programs in services/ could not be built; what cargo said is above",
            ),
            Self::NoKernel(path, error) => {
                write!(f, "cannot read the kernel {}: {error}", path.display())
            }
            Self::Symbols(path, error) => {
                write!(f, "no names for addresses from {}: {error}", path.display())
            }
            Self::Terminal(error) => write!(f, "cannot set up the terminal: {error}"),
            Self::Signals(error) => write!(f, "cannot receive signals: {error}"),
            Self::Stop(error) => write!(f, "cannot stop QEMU: {error}"),
        }
    }
}

impl std::error::Error for MachineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoQemu(error)
            | Self::Trial(error)
            | Self::NoCargo(error)
            | Self::NoKernel(_, error)
            | Self::Terminal(error)
            | Self::Signals(error)
            | Self::Stop(error) => Some(error),
            _ => None,
        }
    }
}
