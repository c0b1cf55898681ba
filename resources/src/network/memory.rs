//! Where packets lie, and programs' data: parts of frames.

use alloc::vec::Vec;

use vortex_machine::{Frame, PAGE, Piece, Use};
use vortex_network::{BUFFER, Buffer, Data, Host};
use vortex_units::{ActivityId, Bytes};

use crate::bill::{Charged, ObjectKind};

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

/// Memory of a program, or of a file, held while a call is about it.
#[derive(Default)]
pub struct Held {
    parts: Vec<Part>,
    bytes: usize,
}

/// Where some of the bytes are.
enum Part {
    /// In a frame of the program's, or of the cache's.
    Lies(Piece),
    /// Here: of a file in memory, on the bill of who sends it.
    Copy { all: Vec<u8>, _bill: Charged },
}

impl Held {
    /// A piece more. False where the heap has no room.
    #[must_use]
    pub fn add(&mut self, piece: Piece) -> bool {
        let length = usize::from(piece.length);
        self.put(Part::Lies(piece), length)
    }

    /// These bytes too, on this bill. False where that has no room, or the heap.
    #[must_use]
    pub fn copy(&mut self, bytes: &[u8], activity: ActivityId) -> bool {
        let size = Bytes::new(bytes.len() as u64);
        let Some(bill) = Charged::new(activity, ObjectKind::Open, size) else { return false };
        let mut all = Vec::new();
        if all.try_reserve_exact(bytes.len()).is_err() {
            return false;
        }
        all.extend_from_slice(bytes);
        self.put(Part::Copy { all, _bill: bill }, bytes.len())
    }

    fn put(&mut self, part: Part, length: usize) -> bool {
        let room = self.parts.try_reserve(1).is_ok();
        if room {
            self.bytes += length;
            self.parts.push(part);
        }
        room
    }

    /// Each part of so many bytes from a place on: what it is, where in it, and how many.
    fn each(&self, at: usize, bytes: usize, mut work: impl FnMut(&Part, usize, usize)) {
        let (mut skip, mut left) = (at, bytes);
        for part in &self.parts {
            let length = part.length();
            if skip >= length {
                skip -= length;
                continue;
            }
            let take = (length - skip).min(left);
            if take == 0 {
                return;
            }
            work(part, skip, take);
            left -= take;
            skip = 0;
        }
    }
}

impl Part {
    fn length(&self) -> usize {
        match self {
            Self::Lies(piece) => usize::from(piece.length),
            Self::Copy { all, .. } => all.len(),
        }
    }
}

impl Data for Held {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn read(&self, at: usize, bytes: &mut [u8]) -> usize {
        let mut done = 0;
        self.each(at, bytes.len(), |part, from, length| {
            let to = bytes.get_mut(done..done + length).unwrap_or_default();
            done += match part {
                Part::Lies(piece) => piece.frame.read(usize::from(piece.offset) + from, to),
                Part::Copy { all, .. } => {
                    to.copy_from_slice(all.get(from..from + length).unwrap_or_default());
                    length
                }
            };
        });
        done
    }

    fn write(&self, at: usize, bytes: &[u8]) -> usize {
        let mut done = 0;
        self.each(at, bytes.len(), |part, to, length| {
            let from = bytes.get(done..done + length).unwrap_or_default();
            // Copies are sent, and never received into.
            if let Part::Lies(piece) = part {
                done += piece.frame.write(usize::from(piece.offset) + to, from);
            }
        });
        done
    }
}
