//! Files: the resource around the root file system's logic (`vortex-files`), with its calls.
//!
//! All files are at home on one core: the resource is configured for one, and owns them.

mod aio;
mod asks;
mod below;
mod calls;
mod changes;
mod control;
mod disks;
mod ends;
mod events;
mod extended;
mod following;
mod giving;
mod image;
mod image_pages;
mod images;
mod locks;
mod mapping;
mod mounts;
mod named;
mod pieces;
mod poll;
mod proc;
mod request;
mod residence;
mod resource;
mod select;
mod signals;
mod sockets;
mod streams;
mod tables;
mod terminal;
mod times;
mod top;
mod waits;
mod waking;

pub use aio::{AioOpen, AioOpened, AioWant};
pub use disks::volume_of;
pub use ends::{Behind, Ends};
pub use image::{Image, NoFrame};
pub use image_pages::Pages;
pub use request::{FileCall, FileRequest, FilesId, MAX_RW_COUNT};
pub use resource::FileSystem;
pub(crate) use times::timespec;
