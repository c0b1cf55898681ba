//! Frames that pages of files on disks lie in.

use vortex_fs::{Bills, Frames as FramesOf, PageFrame, PageName};
use vortex_machine::{Frame, Piece, Use};
use vortex_memory::Cookie;
use vortex_units::{ActivityId, Bytes, Frames};

use crate::bill::ObjectKind;
use crate::storage::DiskMemory;

/// A handle of one.
#[derive(Clone)]
pub struct CacheFrame(pub Frame);

impl PageFrame for CacheFrame {
    type Memory = DiskMemory;

    fn read(&self, at: usize, bytes: &mut [u8]) -> usize {
        self.0.read(at, bytes)
    }

    fn write(&self, at: usize, bytes: &[u8]) -> usize {
        self.0.write(at, bytes)
    }

    fn clear(&self, at: usize, bytes: usize) {
        self.0.clear(at, bytes);
    }

    fn is_sole(&self) -> bool {
        self.0.is_sole()
    }

    fn memory(&self, at: usize, bytes: usize) -> Option<DiskMemory> {
        let mut memory = DiskMemory::default();
        memory.add(Piece::new(self.0.clone(), at, bytes)?).then_some(memory)
    }
}

/// By so much the kernel's heap must be able to grow for the cache to get more memory: what is
/// known of pages, and of where they are on the disk, lies in it, and cannot be asked back. Who
/// reads and writes files until memory is full gives up clean pages before that.
const HEAP: Frames = Frames::new(1024);

/// Where they come from: the memory multiplexor.
pub struct CacheFrames;

impl Bills for CacheFrames {
    fn charge(&self, activity: ActivityId, bytes: Bytes) {
        vortex_machine::force_object(activity, ObjectKind::File, bytes);
    }

    fn credit(&self, activity: ActivityId, bytes: Bytes) {
        vortex_machine::refund_object(activity, ObjectKind::File, bytes);
    }

    fn limit(&self, activity: ActivityId) -> Bytes {
        crate::bill::limit_of(activity)
    }
}

impl FramesOf<CacheFrame> for CacheFrames {
    fn allocate(&self, activity: ActivityId, name: PageName) -> Option<CacheFrame> {
        if vortex_machine::multiplexor().is_some_and(|memory| memory.kernel_room() < HEAP) {
            return None;
        }
        let frame = CacheFrame(Frame::zeroed_for(activity, Use::Cache)?);
        self.name(&frame, name);
        Some(frame)
    }

    fn name(&self, frame: &CacheFrame, name: PageName) {
        if let Some(memory) = vortex_machine::multiplexor() {
            memory.rename(frame.0.id(), Use::Cache.resource(), Cookie(name.to_cookie()));
        }
    }

    fn most(&self, activity: ActivityId) -> Option<u64> {
        let standing = vortex_machine::multiplexor()?.standing(activity).ok()?;
        let (all, _) = vortex_machine::memory_counters();
        Some(standing.budget.hard.map_or(all, |hard| hard.min(all)).get())
    }
}
