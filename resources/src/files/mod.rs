//! Files: the resource around the root file system's logic (`vortex-files`), with its calls.
//!
//! All files are at home on one core: the resource is configured for one, and owns them.

mod calls;
mod image;
mod images;
mod locks;
mod proc;
mod residence;
mod resource;
mod select;
mod streams;
mod terminal;
mod waits;

pub(crate) use calls::timespec;
pub use image::{Image, Pages};
pub use resource::{FileCall, FileRequest, FileSystem, FilesId};
