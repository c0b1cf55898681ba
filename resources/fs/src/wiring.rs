//! What these resources share: each other's ports, files, and what is mounted.
//!
//! # What the kernel has to provide
//! - A [`PageFrame`](crate::PageFrame) of its frames, and [`Frames`], which gives them for an
//!   activity, named by [`PageName::to_cookie`](crate::PageName::to_cookie). Orders of the
//!   memory multiplexor for such a frame become [`CacheRequest::reclaim`](crate::CacheRequest),
//!   sent at the place that the order says.
//! - The two resources, each with one core, and [`Wiring::ports`].
//! - Where programs can map files, [`Wiring::showing`].
//! - The first ticks: [`CacheRequest::tick`](crate::CacheRequest::tick) and
//!   [`Ext2Request::Tick`](crate::Ext2Request::Tick), as roots of the infrastructure's on the
//!   cores of these resources.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::fmt;

use spin::{Mutex, Once};
use vortex_grid::{Message, Port};
use vortex_storage::{VolumeId, Volumes};
use vortex_units::Cycles;

use crate::cache::{Files, Frames, PageFrame};
use crate::ext2r::{Ext2, Owing};
use crate::fcr::FileCache;
use crate::names::{MountId, Time};
use crate::shown::Showing;

/// The ports.
pub struct Ports<M: Message, F: PageFrame> {
    /// FCR.
    pub cache: Port<FileCache<M, F>>,
    /// EXT2R.
    pub ext2: Port<Ext2<M, F>>,
    /// Storage, beneath.
    pub volumes: Port<Volumes<M, F::Memory>>,
}

/// A file system that is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Where.
    pub volume: VolumeId,
    /// Blocks of the volume in one of the file system's.
    pub sectors: u32,
    /// Bytes of a block of the file system.
    pub block: u32,
}

/// What is shared.
pub struct Wiring<M: Message, F: PageFrame> {
    /// Set once, when the grid is built.
    pub ports: Once<Ports<M, F>>,
    /// Who shows files' pages to programs, if anybody does; set once.
    pub showing: Once<Box<dyn Showing<M, F>>>,
    /// Files with pages.
    pub files: Files<F>,
    pub(crate) frames: Arc<dyn Frames<F>>,
    /// Who has changed too much that is not written yet.
    pub owing: Owing,
    mounts: Mutex<BTreeMap<MountId, Mounted>>,
    clock: fn(Cycles) -> Time,
    pub(crate) storage: Arc<vortex_storage::Wiring<M, F::Memory>>,
    /// Where a line for people goes.
    says: fn(&str),
}

impl<M: Message, F: PageFrame> Wiring<M, F> {
    /// Above these disks, with memory from there, and a clock for the times in inodes; what
    /// people are to know is said line by line.
    #[must_use]
    pub fn new(
        storage: Arc<vortex_storage::Wiring<M, F::Memory>>,
        frames: Box<dyn Frames<F>>,
        clock: fn(Cycles) -> Time,
        says: fn(&str),
    ) -> Arc<Self> {
        let (ports, showing, mounts) = (Once::new(), Once::new(), Mutex::default());
        let frames: Arc<dyn Frames<F>> = Arc::from(frames);
        let files = Files::new(frames.clone());
        let owing = Owing::default();
        Arc::new(Self { ports, showing, files, frames, owing, mounts, clock, storage, says })
    }

    /// What time it is.
    pub(crate) fn time(&self, now: Cycles) -> Time {
        (self.clock)(now)
    }

    /// A file system that is mounted.
    #[must_use]
    pub fn mounted(&self, mount: MountId) -> Option<Mounted> {
        self.mounts.lock().get(&mount).copied()
    }

    pub(crate) fn mount(&self, mount: MountId, what: Mounted) {
        self.mounts.lock().insert(mount, what);
    }

    pub(crate) fn unmount(&self, mount: MountId) {
        self.mounts.lock().remove(&mount);
    }

    /// Says something to people.
    pub(crate) fn tell(&self, what: fmt::Arguments<'_>) {
        (self.says)(&alloc::format!("{what}"));
    }
}
