//! The host's side of a virtual machine: what executes it, its command line, its kernel,
//! its first root file system, its console.
//!
//! What the kernel and this side promise each other: the kernel is an ELF with a PVH note;
//! its console is the first serial port; its command line is words `key=value`, of which
//! `config=` names the configuration inside the root file system; it ends by powering off,
//! or, told `exit=debug`, by writing a status to port 0xf4; a fault prints `panic: ` and
//! then a line `  at 0x<address>` a frame.

pub mod accelerator;
pub mod console;
pub mod debian;
pub mod disk;
pub mod ending;
mod error;
pub mod image;
pub mod kernel;
mod leash;
pub mod linux;
pub mod network;
pub mod own;
pub mod process;
pub mod qemu;
pub mod size;
mod trial;

pub use error::MachineError;
