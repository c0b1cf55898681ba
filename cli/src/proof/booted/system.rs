//! The kernels that the tests run on: ours, and Debian's beside it in a machine that is
//! alike but for its kernel.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::machine::RUNNER;
use crate::commands::built_in;
use crate::failure::Failure;
use crate::machine::accelerator::Accelerator;
use crate::machine::console::{Names, Symbols};
use crate::machine::disk::Disks;
use crate::machine::image::{Content, GuestPath, ImageError, Node, Tree};
use crate::machine::linux::{self, Linux};
use crate::machine::qemu::Machine;
use crate::machine::size::{Cores, Memory};

/// Where ours has its configuration.
pub const CONFIG: &str = "/etc/vortex.xml";
const CORES: u16 = 2;

/// One of them.
#[derive(Clone, Debug)]
pub enum System {
    /// Ours.
    Vortex {
        /// Its ELF file.
        kernel: PathBuf,
        /// The checkout that it was built from.
        root: PathBuf,
    },
    /// Debian's.
    Linux(Linux),
}

/// What addresses of the kernel mean, where that is known.
pub struct Addresses(Option<Symbols>);

impl System {
    /// What it and the host's Linux are called.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Vortex { .. } => "Vortex",
            Self::Linux(_) => "Debian's kernel",
        }
    }

    /// Where it is listed what it does otherwise than the host's Linux.
    pub const fn list(&self) -> &'static str {
        match self {
            Self::Vortex { .. } => "services/known-failures.txt",
            Self::Linux(_) => "services/linux-differences.txt",
        }
    }

    /// How long it may be silent, its boot included, beside what a test may take: of a test the
    /// runner takes care.
    pub const fn patience(&self) -> Duration {
        match self {
            Self::Vortex { .. } => Duration::from_secs(7),
            Self::Linux(_) => Duration::from_secs(52),
        }
    }

    /// Its machine with this image and so many mebibytes.
    pub fn machine(&self, image: &Path, memory: u64) -> Machine {
        let (kernel, words) = match self {
            Self::Vortex { kernel, .. } => {
                (kernel, vec![format!("config={CONFIG}"), "exit=debug".into()])
            }
            Self::Linux(linux) => (&linux.kernel, Linux::words()),
        };
        Machine {
            accelerator: Accelerator::Tcg,
            counted: false,
            cores: cores(),
            memory: Memory::mebibytes(memory).unwrap_or(Memory::LEAST),
            kernel: kernel.clone(),
            image: Some(image.to_path_buf()),
            words,
            disks: Disks::default(),
            devices: Vec::new(),
        }
    }

    /// Puts into the tree what makes this system start the runner.
    ///
    /// # Errors
    /// Those of the tree.
    pub fn start_runner(&self, tree: &mut Tree, programs: &Path) -> Result<(), ImageError> {
        match self {
            Self::Vortex { .. } => {
                let config = built_in::text(cores(), &[RUNNER.into()]).into_bytes();
                let path = GuestPath::root().follow(CONFIG);
                tree.put(&path, Node::File(Content::Bytes(config), 0o644)).map(drop)
            }
            Self::Linux(_) => linux::start(tree, programs, [&[RUNNER][..]]),
        }
    }

    /// What its addresses mean.
    ///
    /// # Errors
    /// Where our own kernel cannot be read.
    pub fn addresses(&self) -> Result<Addresses, Failure> {
        Ok(Addresses(match self {
            Self::Vortex { kernel, root } => Some(Symbols::read(kernel, root)?),
            Self::Linux(_) => None,
        }))
    }
}

impl Names for Addresses {
    fn name(&self, address: u64, first: bool) -> Option<String> {
        self.0.as_ref()?.name(address, first)
    }
}

/// The cores of each.
pub fn cores() -> Cores {
    Cores::new(CORES).unwrap_or(Cores::LEAST)
}
