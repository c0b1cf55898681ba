//! Memory of the tests' own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use vortex_storage::Memory;
use vortex_units::{ActivityId, Bytes};

use crate::{Bills, Frames, PAGE, PageFrame, PageName};

/// Parts of pages, in order.
#[derive(Clone, Debug, Default)]
pub struct Ram(Vec<Part>);

#[derive(Clone, Debug)]
struct Part {
    all: Arc<Mutex<Vec<u8>>>,
    at: usize,
    bytes: usize,
}

impl Ram {
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.bytes().get() as usize];
        assert_eq!(self.read(&mut bytes), bytes.len());
        bytes
    }
}

impl Memory for Ram {
    fn none() -> Self {
        Self::default()
    }

    fn own(bytes: usize) -> Option<Self> {
        let all = Arc::new(Mutex::new(vec![0xaa; bytes]));
        (bytes > 0 && bytes <= PAGE).then(|| Self(vec![Part { all, at: 0, bytes }]))
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

/// A page's frame; it goes back to whose it was when the last handle is gone.
#[derive(Clone)]
pub struct Frame(Arc<Given>);

struct Given {
    bytes: Arc<Mutex<Vec<u8>>>,
    of: Pool,
    who: ActivityId,
}

impl Drop for Given {
    fn drop(&mut self) {
        *self.of.0.lock().unwrap().used.get_mut(&self.who).unwrap() -= 1;
    }
}

impl PageFrame for Frame {
    type Memory = Ram;

    fn read(&self, at: usize, bytes: &mut [u8]) -> usize {
        let all = self.0.bytes.lock().unwrap();
        let end = PAGE.min(at + bytes.len());
        bytes[..end - at].copy_from_slice(&all[at..end]);
        end - at
    }

    fn write(&self, at: usize, bytes: &[u8]) -> usize {
        let mut all = self.0.bytes.lock().unwrap();
        let end = PAGE.min(at + bytes.len());
        all[at..end].copy_from_slice(&bytes[..end - at]);
        end - at
    }

    fn clear(&self, at: usize, bytes: usize) {
        self.0.bytes.lock().unwrap()[at..(at + bytes).min(PAGE)].fill(0);
    }

    fn is_sole(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    fn memory(&self, at: usize, bytes: usize) -> Option<Ram> {
        (at + bytes <= PAGE).then(|| Ram(vec![Part { all: self.0.bytes.clone(), at, bytes }]))
    }
}

/// Frames, with what each activity has and may have.
#[derive(Clone, Default)]
pub struct Pool(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    used: BTreeMap<ActivityId, u64>,
    most: BTreeMap<ActivityId, u64>,
    /// Bytes of metadata.
    metadata: BTreeMap<ActivityId, u64>,
    /// The most that it ever had.
    peak: BTreeMap<ActivityId, u64>,
}

impl Pool {
    pub fn limit(&self, who: ActivityId, most: u64) {
        self.0.lock().unwrap().most.insert(who, most);
    }

    pub fn used(&self, who: ActivityId) -> u64 {
        self.0.lock().unwrap().used.get(&who).copied().unwrap_or(0)
    }

    /// Bytes of metadata on its bill.
    pub fn metadata(&self, who: ActivityId) -> u64 {
        self.0.lock().unwrap().metadata.get(&who).copied().unwrap_or(0)
    }

    pub fn peak(&self, who: ActivityId) -> u64 {
        self.0.lock().unwrap().peak.get(&who).copied().unwrap_or(0)
    }
}

impl Bills for Pool {
    fn charge(&self, who: ActivityId, bytes: Bytes) {
        *self.0.lock().unwrap().metadata.entry(who).or_default() += bytes.get();
    }

    fn credit(&self, who: ActivityId, bytes: Bytes) {
        *self.0.lock().unwrap().metadata.get_mut(&who).unwrap() -= bytes.get();
    }

    fn limit(&self, who: ActivityId) -> Bytes {
        let most = self.0.lock().unwrap().most.get(&who).copied();
        Bytes::new(most.map_or(u64::MAX, |pages| pages * PAGE as u64))
    }
}

impl Frames<Frame> for Pool {
    fn name(&self, _: &Frame, _: PageName) {}

    fn allocate(&self, who: ActivityId, _: PageName) -> Option<Frame> {
        let mut counts = self.0.lock().unwrap();
        let most = counts.most.get(&who).copied().unwrap_or(u64::MAX);
        let used = counts.used.entry(who).or_default();
        if *used >= most {
            return None;
        }
        *used += 1;
        let used = *used;
        let peak = counts.peak.entry(who).or_default();
        *peak = used.max(*peak);
        let bytes = Arc::new(Mutex::new(vec![0; PAGE]));
        Some(Frame(Arc::new(Given { bytes, of: self.clone(), who })))
    }

    fn most(&self, who: ActivityId) -> Option<u64> {
        self.0.lock().unwrap().most.get(&who).copied()
    }
}
