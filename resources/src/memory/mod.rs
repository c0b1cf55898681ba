//! Virtual memory: the address space resource (ASR), and the executable resource's loading.

mod asr;
mod bounds;
mod calls;
mod executable;
mod layout;
mod maps;
mod pages;
mod pin;
mod regions;
mod shared;
mod space;

pub use asr::{AddressSpaces, FaultError, Mapping, MemoryRequest, Stage};
pub use bounds::Bounds;
pub use executable::{Chance, LoadError, Program, load};
pub use layout::Layout;
pub use maps::maps;
pub use pin::{Pinned, Unpinned, pin, read_string};
pub use regions::{Backing, Region, Regions};
pub use shared::Shared;
pub use space::AddressSpace;
