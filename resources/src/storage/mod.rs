//! Disks: the resources of `vortex-storage` on the machine's devices.

mod host;
mod memory;

pub use host::{Disks, NoDisks, Source, find};
pub use memory::DiskMemory;
pub use vortex_storage::{InterruptRequest, Operation, StorageError, Volume, VolumeId};

use crate::Mail;

/// What they share.
pub type Wiring = vortex_storage::Wiring<Mail, DiskMemory>;
/// Their ports.
pub type Ports = vortex_storage::Ports<Mail, DiskMemory>;
/// DRWR.
pub type Driver = vortex_storage::Driver<Mail, DiskMemory>;
/// DIR.
pub type Interrupts = vortex_storage::Interrupts<Mail, DiskMemory>;
/// SDRWR.
pub type Translator = vortex_storage::Translator<Mail, DiskMemory>;
/// SCSIR.
pub type Scsi = vortex_storage::Scsi<Mail, DiskMemory>;
/// Storage.
pub type Volumes = vortex_storage::Volumes<Mail, DiskMemory>;
/// To DRWR.
pub type DeviceRequest = vortex_storage::DeviceRequest<DiskMemory>;
/// To SDRWR.
pub type CommandRequest = vortex_storage::CommandRequest<DiskMemory>;
/// To SCSIR.
pub type ScsiRequest = vortex_storage::ScsiRequest<DiskMemory>;
/// To storage.
pub type VolumeRequest = vortex_storage::VolumeRequest<DiskMemory>;
/// What they answer.
pub type DiskReply = vortex_storage::Reply<DiskMemory>;
