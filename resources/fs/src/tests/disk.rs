//! A simulated SCSI disk behind a virtio host, with a cache that forgets at a power cut. It does
//! what it is given when it is told to, in any order, and remembers every write and flush.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use vortex_storage::{DeviceQueue, Given, Memory, StorageError};
use vortex_units::Bytes;

use super::ram::Ram;

const HEAD: usize = 51;
const ANSWER: usize = 108;
pub const SECTOR: usize = 512;

fn is_read(request: &Ram) -> bool {
    matches!(request.to_vec()[19], 0x28 | 0x88)
}

/// What was done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Write { at: usize, bytes: Vec<u8> },
    Flush,
}

pub struct Disk<T> {
    pub image: Vec<u8>,
    /// Sectors that cannot be read, and that cannot be written.
    pub unreadable: Vec<u64>,
    pub unwritable: Vec<u64>,
    pub log: Option<Vec<Event>>,
    /// Reads and writes: whether it writes, where, and how many bytes.
    pub trace: Vec<(bool, u64, usize)>,
    pub flushes: usize,
    pub works: Vec<(Ram, Ram, T)>,
    /// It reads, but does nothing else.
    pub stalls: bool,
    done: VecDeque<(T, Bytes)>,
    quiet: bool,
    pub size: usize,
}

impl<T> Disk<T> {
    pub fn new(image: Vec<u8>, size: usize) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            image,
            unreadable: Vec::new(),
            unwritable: Vec::new(),
            log: None,
            trace: Vec::new(),
            flushes: 0,
            works: Vec::new(),
            stalls: false,
            done: VecDeque::new(),
            quiet: false,
            size,
        }))
    }

    pub fn interrupts(&self) -> bool {
        !self.quiet && !self.done.is_empty()
    }

    pub fn note(&mut self, event: Event) {
        if let Some(log) = &mut self.log {
            log.push(event);
        }
    }

    /// Whether it has nothing to do.
    pub fn is_idle(&self) -> bool {
        !self.works.iter().any(|(reads, ..)| !self.stalls || is_read(reads))
    }

    /// Does one of the things that it was given.
    pub fn work(&mut self, which: usize) {
        if self.is_idle() {
            return;
        }
        let mut at = which % self.works.len();
        while self.stalls && !is_read(&self.works[at].0) {
            at = (at + 1) % self.works.len();
        }
        let (reads, writes, ticket) = self.works.remove(at);
        let reads = reads.to_vec();
        let room = writes.bytes().get() as usize - ANSWER;
        let (answer, mut data) = self.answer(&reads[..HEAD], &reads[HEAD..]);
        data.truncate(room);
        let written = ANSWER + data.len();
        writes.write(&[&answer[..], &data].concat());
        self.done.push_back((ticket, Bytes::new(written as u64)));
    }

    fn answer(&mut self, request: &[u8], out: &[u8]) -> ([u8; ANSWER], Vec<u8>) {
        let mut answer = [0; ANSWER];
        if request[1] != 0 || request[3] != 0 {
            answer[11] = 3;
            return (answer, Vec::new());
        }
        let fail = |sense: [u8; 3]| {
            let mut answer = [0; ANSWER];
            (answer[0], answer[10], answer[12]) = (18, 2, 0x70);
            (answer[14], answer[24], answer[25]) = (sense[0], sense[1], sense[2]);
            (answer, Vec::new())
        };
        let cdb = &request[19..];
        let last = (self.image.len() / SECTOR - 1) as u64;
        let long = || u64::from_be_bytes(cdb[2..10].try_into().unwrap());
        let (block, count) = match cdb[0] {
            0xa0 => return (answer, [&8_u32.to_be_bytes()[..], &[0; 12]].concat()),
            0x12 => return (answer, vec![0; 36]),
            0x9e => {
                let mut data = vec![0; 32];
                data[..8].copy_from_slice(&last.to_be_bytes());
                data[8..12].copy_from_slice(&(SECTOR as u32).to_be_bytes());
                return (answer, data);
            }
            0x35 => {
                self.flushes += 1;
                self.note(Event::Flush);
                return (answer, Vec::new());
            }
            0x28 | 0x2a => (
                u64::from(u32::from_be_bytes(cdb[2..6].try_into().unwrap())),
                u64::from(u16::from_be_bytes([cdb[7], cdb[8]])),
            ),
            0x88 | 0x8a => (long(), u64::from(u32::from_be_bytes(cdb[10..14].try_into().unwrap()))),
            _ => return fail([5, 0x20, 0]),
        };
        assert!(block + count <= last + 1, "beyond the disk");
        let writes = matches!(cdb[0], 0x2a | 0x8a);
        let bad = if writes { &self.unwritable } else { &self.unreadable };
        if bad.iter().any(|bad| (block..block + count).contains(bad)) {
            return fail([3, if writes { 0x0c } else { 0x11 }, 0]);
        }
        let (at, bytes) = (block as usize * SECTOR, count as usize * SECTOR);
        assert!(bytes <= 32 * 1024, "more than 32 KB at once");
        self.trace.push((writes, block, bytes));
        if writes {
            assert_eq!(out.len(), bytes);
            self.image[at..at + bytes].copy_from_slice(out);
            self.note(Event::Write { at, bytes: out.to_vec() });
            return (answer, Vec::new());
        }
        (answer, self.image[at..at + bytes].to_vec())
    }
}

/// Its queue.
pub struct Queue<T>(pub Arc<Mutex<Disk<T>>>);

impl<T: Send> DeviceQueue<Ram, T> for Queue<T> {
    fn give(&mut self, reads: Ram, writes: Ram, ticket: T) -> Given<T> {
        let mut disk = self.0.lock().unwrap();
        assert!(reads.pieces() + writes.pieces() <= 16, "too many pieces");
        if disk.works.len() + disk.done.len() == disk.size {
            return Given::Full(ticket);
        }
        disk.works.push((reads, writes, ticket));
        Given::Yes
    }

    fn take(&mut self) -> Result<Option<(T, Bytes)>, StorageError> {
        Ok(self.0.lock().unwrap().done.pop_front())
    }

    fn be_quiet(&mut self) {
        self.0.lock().unwrap().quiet = true;
    }

    fn listen(&mut self) -> bool {
        let mut disk = self.0.lock().unwrap();
        disk.quiet = false;
        !disk.done.is_empty()
    }

    fn stop(&mut self) -> Vec<T> {
        self.0.lock().unwrap().works.drain(..).map(|(_, _, ticket)| ticket).collect()
    }

    fn in_flight(&self) -> u16 {
        let disk = self.0.lock().unwrap();
        (disk.works.len() + disk.done.len()) as u16
    }

    fn has_room(&self) -> bool {
        let disk = self.0.lock().unwrap();
        disk.works.len() + disk.done.len() < disk.size
    }

    fn each(&self, look: &mut dyn FnMut(&T)) {
        self.0.lock().unwrap().works.iter().for_each(|(_, _, ticket)| look(ticket));
    }

    fn tell(&mut self, _: &[u8]) -> bool {
        false
    }
}

/// What a disk may hold after a power cut behind the first `events` of its log: all that was
/// flushed, and of the rest what `keeps` says.
pub fn after_cut(image: &[u8], events: &[Event], keeps: &mut dyn FnMut() -> bool) -> Vec<u8> {
    let mut image = image.to_vec();
    let flushed = events.iter().rposition(|event| *event == Event::Flush).unwrap_or(0);
    // What a cache still has it may have written in any order: of writes to the same place the
    // later ones win, whichever are kept.
    let mut left: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    for (number, event) in events.iter().enumerate() {
        let Event::Write { at, bytes } = event else { continue };
        if number < flushed {
            image[*at..*at + bytes.len()].copy_from_slice(bytes);
            continue;
        }
        for (sector, part) in bytes.chunks(SECTOR).enumerate() {
            if keeps() {
                left.insert(*at + sector * SECTOR, part.to_vec());
            }
        }
    }
    for (at, bytes) in left {
        image[at..at + bytes.len()].copy_from_slice(&bytes);
    }
    image
}
