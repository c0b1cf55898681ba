//! Memory of the tests' own.

use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use vortex_units::Bytes;

use crate::Memory;

/// Parts of byte arrays, in order.
#[derive(Clone, Debug, Default)]
pub struct Ram(Vec<Part>);

#[derive(Clone, Debug)]
struct Part {
    all: Arc<Mutex<Vec<u8>>>,
    at: usize,
    bytes: usize,
}

impl Ram {
    /// A copy of these, in pieces of at most so many bytes.
    pub fn of(bytes: &[u8], piece: usize) -> Self {
        let mut ram = Self::default();
        for piece in bytes.chunks(piece) {
            let all = Arc::new(Mutex::new(piece.to_vec()));
            ram.0.push(Part { all, at: 0, bytes: piece.len() });
        }
        ram
    }

    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.bytes().get() as usize];
        assert_eq!(self.read(&mut bytes), bytes.len());
        bytes
    }

    /// Writes from a place on; how many bytes had room.
    pub fn write_at(&self, at: usize, bytes: &[u8]) -> usize {
        let left = self.bytes().get() as usize - at;
        let length = bytes.len().min(left);
        self.part(at, length).map_or(0, |part| part.write(bytes))
    }
}

impl Memory for Ram {
    fn none() -> Self {
        Self::default()
    }

    fn own(bytes: usize) -> Option<Self> {
        (bytes > 0 && bytes <= 4096).then(|| Self::of(&vec![0; bytes], 4096))
    }

    fn part(&self, at: usize, bytes: usize) -> Option<Self> {
        let (mut skip, mut left, mut parts) = (at, bytes, Vec::new());
        for part in &self.0 {
            if skip >= part.bytes {
                skip -= part.bytes;
                continue;
            }
            let take = left.min(part.bytes - skip);
            if take > 0 {
                parts.push(Part { all: part.all.clone(), at: part.at + skip, bytes: take });
            }
            left -= take;
            skip = 0;
        }
        (left == 0).then_some(Self(parts))
    }

    fn join(&mut self, other: &Self) -> bool {
        self.0.extend(other.0.iter().cloned());
        true
    }

    fn bytes(&self) -> Bytes {
        Bytes::new(self.0.iter().map(|part| part.bytes as u64).sum())
    }

    fn pieces(&self) -> usize {
        self.0.len()
    }

    fn read(&self, mut bytes: &mut [u8]) -> usize {
        let mut done = 0;
        for part in &self.0 {
            let (head, tail) = bytes.split_at_mut(part.bytes.min(bytes.len()));
            head.copy_from_slice(&part.all.lock().unwrap()[part.at..part.at + head.len()]);
            done += head.len();
            bytes = tail;
        }
        done
    }

    fn write(&self, mut bytes: &[u8]) -> usize {
        let mut done = 0;
        for part in &self.0 {
            let (head, tail) = bytes.split_at(part.bytes.min(bytes.len()));
            part.all.lock().unwrap()[part.at..part.at + head.len()].copy_from_slice(head);
            done += head.len();
            bytes = tail;
        }
        done
    }
}
