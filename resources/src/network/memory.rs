//! Where packets lie, and programs' data: parts of frames.

use alloc::vec::Vec;

use vortex_machine::{Frame, PAGE, Piece, Use};
use vortex_network::{BUFFER, Buffer, Data, Host};
use vortex_units::ActivityId;

/// The machine's memory.
#[derive(Debug)]
pub struct Machine;

impl Host for Machine {
    type Buffer = NetBuffer;
    type Data = Held;
}

/// A part of a frame.
#[derive(Debug)]
pub struct NetBuffer {
    frame: Frame,
    offset: usize,
}

impl NetBuffer {
    /// The first bytes of it, for the device; `None` where there are not so many.
    #[must_use]
    pub fn piece(&self, length: usize) -> Option<Piece> {
        let fits = length <= BUFFER;
        fits.then(|| Piece::new(self.frame.clone(), self.offset, length)).flatten()
    }
}

impl Buffer for NetBuffer {
    fn make(into: &mut Vec<Self>) -> bool {
        let Some(frame) = Frame::zeroed_for(ActivityId::INFRASTRUCTURE, Use::Device) else {
            return false;
        };
        let parts = (0..PAGE / BUFFER).map(|at| at * BUFFER);
        into.extend(parts.map(|offset| Self { frame: frame.clone(), offset }));
        true
    }

    fn read(&self, at: usize, bytes: &mut [u8]) -> usize {
        let length = BUFFER.saturating_sub(at).min(bytes.len());
        self.frame.read(self.offset + at, bytes.get_mut(..length).unwrap_or_default())
    }

    fn write(&self, at: usize, bytes: &[u8]) -> usize {
        let length = BUFFER.saturating_sub(at).min(bytes.len());
        self.frame.write(self.offset + at, bytes.get(..length).unwrap_or_default())
    }
}

/// Memory of a program, held while a call is about it.
#[derive(Debug, Default)]
pub struct Held {
    pieces: Vec<Piece>,
    bytes: usize,
}

impl Held {
    /// A piece more. False where the heap has no room.
    #[must_use]
    pub fn add(&mut self, piece: Piece) -> bool {
        let room = self.pieces.try_reserve(1).is_ok();
        if room {
            self.bytes += usize::from(piece.length);
            self.pieces.push(piece);
        }
        room
    }

    /// Each piece of so many bytes from a place on.
    fn each(&self, at: usize, bytes: usize, mut work: impl FnMut(&Piece, usize, usize) -> usize) {
        let (mut skip, mut left) = (at, bytes);
        for piece in &self.pieces {
            let length = usize::from(piece.length);
            if skip >= length {
                skip -= length;
                continue;
            }
            let take = (length - skip).min(left);
            if take == 0 {
                return;
            }
            let done = work(piece, usize::from(piece.offset) + skip, take);
            left -= done.min(left);
            skip = 0;
        }
    }
}

impl Data for Held {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn read(&self, at: usize, bytes: &mut [u8]) -> usize {
        let mut done = 0;
        self.each(at, bytes.len(), |piece, offset, length| {
            let part = bytes.get_mut(done..done + length).unwrap_or_default();
            done += piece.frame.read(offset, part);
            length
        });
        done
    }

    fn write(&self, at: usize, bytes: &[u8]) -> usize {
        let mut done = 0;
        self.each(at, bytes.len(), |piece, offset, length| {
            let part = bytes.get(done..done + length).unwrap_or_default();
            done += piece.frame.write(offset, part);
            length
        });
        done
    }
}
