//! Memory that a disk reads or writes: parts of frames.

use vortex_machine::{Buffer, Frame, PAGE, Piece, Use};
use vortex_storage::Memory;
use vortex_units::{ActivityId, Bytes};

/// It.
#[derive(Debug, Default)]
pub struct DiskMemory(Buffer);

impl DiskMemory {
    /// A part of a frame more behind the others. False where the heap has no room.
    #[must_use]
    pub fn add(&mut self, piece: Piece) -> bool {
        self.0.add(piece)
    }

    pub(super) fn into_buffer(self) -> Buffer {
        self.0
    }
}

impl Memory for DiskMemory {
    fn none() -> Self {
        Self::default()
    }

    fn own(bytes: usize) -> Option<Self> {
        let mut memory = Self::default();
        if bytes == 0 || bytes > PAGE {
            return None;
        }
        let frame = Frame::zeroed_for(ActivityId::INFRASTRUCTURE, Use::Device)?;
        memory.add(Piece::new(frame, 0, bytes)?).then_some(memory)
    }

    fn part(&self, at: usize, bytes: usize) -> Option<Self> {
        self.0.part(at, bytes).map(Self)
    }

    fn join(&mut self, other: &Self) -> bool {
        self.0.join(&other.0)
    }

    fn bytes(&self) -> Bytes {
        self.0.len()
    }

    fn pieces(&self) -> usize {
        self.0.pieces()
    }

    fn read(&self, bytes: &mut [u8]) -> usize {
        self.0.read(bytes)
    }

    fn write(&self, bytes: &[u8]) -> usize {
        self.0.write(bytes)
    }
}
