//! Virtual memory: the address space resource (ASR), and the executable resource's loading.

mod asr;
mod executable;
mod pin;
mod regions;
mod space;

pub use asr::{AddressSpaces, FaultError, MemoryRequest, Stage};
pub use executable::{LoadError, Program, load};
pub use pin::{Pinned, Unpinned, pin, read_string};
pub use regions::{Backing, Region, Regions};
pub use space::AddressSpace;
