//! A device for the swap volume: frames of memory set aside at boot, outside of every budget.
//! Blocks of it can be made to fail, for tests.

use alloc::vec::Vec;
use core::ops::Range;

use vortex_machine::{Frame, Use};
use vortex_units::{ActivityId, Frames};

use super::swap::{Device, DeviceError};

/// It.
#[derive(Debug)]
pub struct RamDisk {
    frames: Vec<Frame>,
    /// Blocks that cannot be read, and those that cannot be written.
    broken: (Range<u32>, Range<u32>),
}

impl RamDisk {
    /// One of so many blocks; `None` where memory has not so many.
    #[must_use]
    pub fn new(blocks: Frames) -> Option<Self> {
        let blocks = u32::try_from(blocks.get()).ok()?;
        let mut frames = Vec::new();
        frames.try_reserve_exact(blocks as usize).ok()?;
        for _ in 0..blocks {
            frames.push(Frame::zeroed_for(ActivityId::INFRASTRUCTURE, Use::Swap)?);
        }
        Some(Self { frames, broken: (0..0, 0..0) })
    }

    /// From now on reading these blocks, and writing those, fails.
    #[must_use]
    pub fn broken(self, reads: Range<u32>, writes: Range<u32>) -> Self {
        Self { broken: (reads, writes), ..self }
    }

    fn frame(&self, block: u32, broken: &Range<u32>) -> Result<&Frame, DeviceError> {
        let frame = self.frames.get(block as usize);
        frame.filter(|_| !broken.contains(&block)).ok_or(DeviceError)
    }
}

impl Device for RamDisk {
    fn blocks(&self) -> u32 {
        u32::try_from(self.frames.len()).unwrap_or(u32::MAX)
    }

    fn read(&self, block: u32, into: &Frame) -> Result<(), DeviceError> {
        into.copy_from(self.frame(block, &self.broken.0)?);
        Ok(())
    }

    fn write(&self, block: u32, from: &Frame) -> Result<(), DeviceError> {
        self.frame(block, &self.broken.1)?.copy_from(from);
        Ok(())
    }
}
