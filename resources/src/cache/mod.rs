//! Files on disks: the resources of `vortex-fs` with the machine's memory, and their files as
//! the tree of files sees them.

mod contents;
mod frame;

pub use contents::Contents;
pub use frame::{CacheFrame, CacheFrames};
pub use vortex_fs::{CacheReply, Ext2Reply, Ext2Request, Time};

use crate::Mail;

/// What they share.
pub type Wiring = vortex_fs::Wiring<Mail, CacheFrame>;
/// Their ports.
pub type Ports = vortex_fs::Ports<Mail, CacheFrame>;
/// FCR.
pub type FileCache = vortex_fs::FileCache<Mail, CacheFrame>;
/// EXT2R.
pub type Ext2 = vortex_fs::Ext2<Mail, CacheFrame>;
/// To FCR.
pub type CacheRequest = vortex_fs::CacheRequest<CacheFrame>;
/// A file with its pages.
pub type CachedFile = vortex_fs::CachedFile<CacheFrame>;
