//! The kernel's functions, as resources of the grid. They talk by requests alone.
//!
//! [`Mail`] is the closed message type that carries all their requests and replies. What
//! they share is named in [`System`]: the ports of the others, and what is true of the
//! whole machine.
#![no_std]

extern crate alloc;

pub mod aio;
pub mod bill;
pub mod cache;
pub mod files;
mod graves;
mod mail;
pub mod memory;
pub mod monitor;
pub mod network;
pub mod process;
pub mod quota;
pub mod storage;
mod system;

pub use graves::free_some;
pub use mail::{Answer, Mail};
pub use system::{Idle, MOUNTED, Ports, System, WallClock};
