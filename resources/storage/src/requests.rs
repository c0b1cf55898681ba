//! What these resources are asked for, and what they answer.

use alloc::boxed::Box;

use vortex_grid::{Carries, Message};
use vortex_units::Bytes;

use crate::address::Address;
use crate::error::StorageError;
use crate::memory::Memory;
use crate::probe::Probe;
use crate::register::Registering;
use crate::scsi::Command;
use crate::volume::VolumeId;

/// To a driver: the one form of request and data that all drivers take (§4.5), a chain of what
/// the device reads and of what it writes behind it.
pub struct DeviceRequest<B> {
    /// What the device reads.
    pub reads: B,
    /// What it writes.
    pub writes: B,
    /// Bytes of it that were asked for, without what the device wants beside.
    pub bytes: Bytes,
    /// Where on the device it is about.
    pub position: u64,
    /// How many positions it moves.
    pub count: u32,
    /// Which of the units behind the device is to do it, where it is for one that is known.
    pub unit: Option<u32>,
    /// Its number there, different for all.
    pub tag: u64,
}

/// To who serves a device's interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptRequest {
    /// The device has interrupted.
    Interrupt,
    /// Time has passed: whether something takes too long, or was missed.
    Tick,
}

/// To SDRWR: a command for a disk.
pub struct CommandRequest<B> {
    /// Which disk.
    pub address: Address,
    /// What it is to do.
    pub command: Command,
    /// With what.
    pub data: B,
    /// What stands before and behind the data, while the device works on it.
    pub(crate) head: Option<B>,
}

impl<B> CommandRequest<B> {
    /// A command.
    #[must_use]
    pub const fn new(address: Address, command: Command, data: B) -> Self {
        Self { address, command, data, head: None }
    }
}

/// What is done with blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// They are read.
    Read,
    /// They are written.
    Write,
    /// What was written before is to be on the medium.
    Flush,
}

/// To SCSIR.
pub enum ScsiRequest<B> {
    /// Look for disks, at this target and those of its group behind it.
    Find(u8),
    /// Look for disks at a target.
    Probe(Box<Probe>),
    /// Blocks of a disk.
    Blocks {
        /// Which disk.
        address: Address,
        /// Bytes of its blocks.
        block_size: u32,
        /// What is done.
        operation: Operation,
        /// The first block.
        block: u64,
        /// From or to where.
        data: B,
        /// How often it was made again.
        tries: u8,
    },
}

/// To storage.
pub enum VolumeRequest<B> {
    /// A disk was found: it, and what it is divided into, become volumes.
    Register(Box<Registering>),
    /// Blocks of a volume.
    Blocks {
        /// Which volume.
        volume: VolumeId,
        /// What is done.
        operation: Operation,
        /// The first block.
        block: u64,
        /// From or to where.
        data: B,
    },
}

/// What they answer.
pub enum Reply<B> {
    /// A driver: how many bytes the device says it has written.
    Device(Result<Bytes, StorageError>),
    /// The others: the data, and what has become of it.
    Data(B, Result<(), StorageError>),
}

impl<B> ScsiRequest<B> {
    /// Where on a disk it is about.
    #[must_use]
    pub fn position(&self) -> u64 {
        match self {
            Self::Blocks { block, .. } => *block,
            _ => 0,
        }
    }

    /// What it asks for, for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Find(_) => "find disks",
            Self::Probe(_) => "probe",
            Self::Blocks { operation, .. } => operation.name(),
        }
    }
}

impl<B> VolumeRequest<B> {
    /// Where on a volume it is about.
    #[must_use]
    pub fn position(&self) -> u64 {
        match self {
            Self::Blocks { block, .. } => *block,
            _ => 0,
        }
    }

    /// What it asks for, for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Register(_) => "register",
            Self::Blocks { operation, .. } => operation.name(),
        }
    }
}

/// What a request counts for where bytes are what counts and it moves none: the smallest
/// block. Else a flood of them would cost nothing.
const LEAST: Bytes = Bytes::new(512);

/// What a request for so many bytes counts for.
#[must_use]
pub fn counted(bytes: Bytes) -> Bytes {
    bytes.max(LEAST)
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Flush => "flush",
        }
    }
}

/// A message type that carries all of it.
pub trait Mail<B: Memory>:
    Message
    + Carries<DeviceRequest<B>>
    + Carries<InterruptRequest>
    + Carries<CommandRequest<B>>
    + Carries<ScsiRequest<B>>
    + Carries<VolumeRequest<B>>
    + Carries<Reply<B>>
{
}

impl<B: Memory, M> Mail<B> for M where
    M: Message
        + Carries<DeviceRequest<B>>
        + Carries<InterruptRequest>
        + Carries<CommandRequest<B>>
        + Carries<ScsiRequest<B>>
        + Carries<VolumeRequest<B>>
        + Carries<Reply<B>>
{
}
