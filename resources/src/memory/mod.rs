//! Virtual memory: the address space resource (ASR), and the executable resource's loading.

mod advice;
mod asr;
mod away;
mod bounds;
mod calls;
mod executable;
mod layout;
mod mappings;
mod maps;
mod mend;
mod orders;
mod pages;
mod pin;
mod ramdisk;
mod reclaimer;
mod regions;
mod remap;
mod segments;
mod shared;
mod space;
mod swap;

pub use asr::{AddressSpaces, FaultError, Mapping, MemoryRequest, Stage};
pub use bounds::Bounds;
pub use executable::{Given, LoadError, Program, load};
pub use layout::Layout;
pub use maps::maps;
pub use mend::mend_here;
pub use orders::Reclaim;
pub use pin::{Pinned, Unpinned, pin, read_string};
pub use ramdisk::RamDisk;
pub use reclaimer::{ReclaimRequest, Reclaimer};
pub use regions::{Backing, Region, Regions};
pub use segments::interpreter;
pub use shared::Shared;
pub use space::AddressSpace;
pub use swap::{Device, DeviceError, Place, ReadError, Volume};
