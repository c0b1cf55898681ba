//! A simulated SCSI host with disks, by the specifications of virtio and of SCSI. It does what
//! it is given when it is told to, in the order that it is told, and lies where it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use vortex_units::Bytes;

use super::ram::Ram;
use crate::{DeviceQueue, Given, Memory, StorageError};

const HEAD: usize = 51;
const ANSWER: usize = 108;

/// A disk.
pub struct Disk {
    pub image: Vec<u8>,
    pub block: usize,
    /// It has been switched on, and has not said so yet.
    pub attention: bool,
    /// Blocks that cannot be read or written.
    pub broken: Vec<u64>,
    /// Sense of the commands to come, one each.
    pub senses: VecDeque<[u8; 3]>,
    pub flushes: u32,
}

impl Disk {
    pub fn new(image: Vec<u8>, block: usize) -> Self {
        let (broken, senses) = (Vec::new(), VecDeque::new());
        Self { image, block, attention: true, broken, senses, flushes: 0 }
    }
}

/// What it may do wrong, with what it does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It names what it was not given.
    Used,
    /// It says that it has written nothing.
    Nothing,
    /// Its answer is all ones.
    Ones,
    /// It says that it has moved less.
    Residual,
    /// It says that the command was reset.
    Host,
    /// Its sense is no sense.
    Sense,
}

/// The host's state.
pub struct Host<T> {
    pub disks: BTreeMap<(u8, u16), Disk>,
    pub works: Vec<(Ram, Ram, T)>,
    done: VecDeque<Result<(T, Bytes), T>>,
    pub quiet: bool,
    pub size: usize,
    pub stopped: bool,
    pub lie: Option<Lie>,
    /// Bytes of blocks read and written, in the order in which it was done.
    pub trace: Vec<(u8, u64, usize)>,
    /// What was in flight at most.
    pub most: usize,
    /// It does not end what it is asked to.
    pub deaf: bool,
    pub aborted: usize,
}

impl<T> Host<T> {
    pub fn new(size: usize) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            disks: BTreeMap::new(),
            works: Vec::new(),
            done: VecDeque::new(),
            quiet: false,
            size,
            stopped: false,
            lie: None,
            trace: Vec::new(),
            most: 0,
            deaf: false,
            aborted: 0,
        }))
    }

    /// Whether it would interrupt now.
    pub fn interrupts(&self) -> bool {
        !self.quiet && !self.done.is_empty()
    }

    /// Does one of the things that it was given.
    pub fn work(&mut self, which: usize) {
        if self.works.is_empty() {
            return;
        }
        let (reads, writes, ticket) = self.works.remove(which % self.works.len());
        let request = reads.part(0, HEAD).unwrap().to_vec();
        let out = reads.part(HEAD, reads.bytes().get() as usize - HEAD).unwrap().to_vec();
        let (mut answer, data) =
            self.answer(&request, &out, writes.bytes().get() as usize - ANSWER);
        let mut written = ANSWER + data.len();
        match self.lie.take() {
            Some(Lie::Used) => {
                self.done.push_back(Err(ticket));
                return;
            }
            Some(Lie::Nothing) => written = 0,
            Some(Lie::Ones) => answer = [0xff; ANSWER],
            Some(Lie::Residual) => answer[4] = 1,
            Some(Lie::Host) => answer[11] = 4,
            Some(Lie::Sense) => {
                answer[10] = 2;
                answer[0] = 0xff;
                answer[1] = 0xff;
                answer[12] = 0x11;
            }
            None => {}
        }
        writes.write_at(0, &answer);
        writes.write_at(ANSWER, &data);
        self.done.push_back(Ok((ticket, Bytes::new(written as u64))));
    }

    fn answer(&mut self, request: &[u8], out: &[u8], room: usize) -> ([u8; ANSWER], Vec<u8>) {
        let mut answer = [0; ANSWER];
        assert_eq!((request[0], &request[4..8]), (1, &[0; 4][..]), "the form of virtio's LUNs");
        assert_eq!(request[2] & 0xc0, 0x40, "flat addressing");
        let unit = u16::from_be_bytes([request[2] & 0x3f, request[3]]);
        let cdb = &request[19..];
        let there = (request[1], unit);
        if !self.disks.keys().any(|(target, _)| *target == request[1]) {
            answer[11] = 3;
            return (answer, Vec::new());
        }
        if cdb[0] == 0xa0 {
            let units: Vec<u16> =
                self.disks.keys().filter(|key| key.0 == request[1]).map(|key| key.1).collect();
            let mut list = vec![0; 8];
            list[..4].copy_from_slice(&(units.len() as u32 * 8).to_be_bytes());
            for unit in units {
                list.extend([0x40 | (unit >> 8) as u8, unit as u8, 0, 0, 0, 0, 0, 0]);
            }
            list.truncate(room);
            return (answer, list);
        }
        let Some(disk) = self.disks.get_mut(&there) else {
            answer[11] = 12;
            return (answer, Vec::new());
        };
        let mut fail = |sense: [u8; 3]| {
            answer[0] = 18;
            answer[10] = 2;
            answer[12] = 0x70;
            answer[14] = sense[0];
            answer[24] = sense[1];
            answer[25] = sense[2];
            (answer, Vec::new())
        };
        if cdb[0] == 0x12 {
            let mut data = vec![0; 36];
            data[8..32].copy_from_slice(b"VORTEX   SIMULATED DISK ");
            return (answer, data);
        }
        // SPC-4: an attention is told of with the first command that is not INQUIRY.
        if std::mem::replace(&mut disk.attention, false) {
            return fail([6, 0x29, 0]);
        }
        if let Some(sense) = disk.senses.pop_front() {
            return fail(sense);
        }
        let blocks = (disk.image.len() / disk.block) as u64;
        let (block, count) = match cdb[0] {
            0x9e if cdb[1] == 0x10 => {
                let mut data = vec![0; 32];
                data[..8].copy_from_slice(&(blocks - 1).to_be_bytes());
                data[8..12].copy_from_slice(&(disk.block as u32).to_be_bytes());
                return (answer, data);
            }
            0x35 => {
                disk.flushes += 1;
                return (answer, Vec::new());
            }
            0x28 | 0x2a => {
                let count = u16::from_be_bytes([cdb[7], cdb[8]]);
                (u64::from(u32::from_be_bytes(cdb[2..6].try_into().unwrap())), u64::from(count))
            }
            0x88 | 0x8a => (
                u64::from_be_bytes(cdb[2..10].try_into().unwrap()),
                u64::from(u32::from_be_bytes(cdb[10..14].try_into().unwrap())),
            ),
            _ => return fail([5, 0x20, 0]),
        };
        if block + count > blocks {
            return fail([5, 0x21, 0]);
        }
        let writes = matches!(cdb[0], 0x2a | 0x8a);
        if disk.broken.iter().any(|broken| (block..block + count).contains(broken)) {
            return fail(if writes { [3, 0x0c, 0] } else { [3, 0x11, 0] });
        }
        let bytes = block as usize * disk.block..(block + count) as usize * disk.block;
        self.trace.push((there.0, block, bytes.len()));
        if writes {
            assert_eq!(out.len(), bytes.len());
            disk.image[bytes].copy_from_slice(out);
            return (answer, Vec::new());
        }
        assert_eq!(room, bytes.len());
        (answer, disk.image[bytes].to_vec())
    }
}

/// A queue of the host.
pub struct Queue<T>(pub Arc<Mutex<Host<T>>>);

impl<T: Send> DeviceQueue<Ram, T> for Queue<T> {
    fn give(&mut self, reads: Ram, writes: Ram, ticket: T) -> Given<T> {
        let mut host = self.0.lock().unwrap();
        if reads.pieces() + writes.pieces() > 16 || host.stopped {
            return Given::Never(ticket);
        }
        if host.works.len() + host.done.len() == host.size {
            return Given::Full(ticket);
        }
        host.works.push((reads, writes, ticket));
        host.most = host.most.max(host.works.len());
        Given::Yes
    }

    fn take(&mut self) -> Result<Option<(T, Bytes)>, StorageError> {
        let mut host = self.0.lock().unwrap();
        match host.done.pop_front() {
            None => Ok(None),
            Some(Ok(done)) => Ok(Some(done)),
            Some(Err(ticket)) => {
                host.works.push((Ram::none(), Ram::none(), ticket));
                Err(StorageError::Broken)
            }
        }
    }

    fn be_quiet(&mut self) {
        self.0.lock().unwrap().quiet = true;
    }

    fn listen(&mut self) -> bool {
        let mut host = self.0.lock().unwrap();
        host.quiet = false;
        !host.done.is_empty()
    }

    fn stop(&mut self) -> Vec<T> {
        let mut host = self.0.lock().unwrap();
        host.stopped = true;
        let works: Vec<_> = host.works.drain(..).map(|(_, _, ticket)| ticket).collect();
        let done = std::mem::take(&mut host.done);
        let done =
            done.into_iter().map(|done| done.map_or_else(|ticket| ticket, |(ticket, _)| ticket));
        works.into_iter().chain(done).collect()
    }

    fn in_flight(&self) -> u16 {
        let host = self.0.lock().unwrap();
        (host.works.len() + host.done.len()) as u16
    }

    fn has_room(&self) -> bool {
        let host = self.0.lock().unwrap();
        host.stopped || host.works.len() + host.done.len() < host.size
    }

    fn each(&self, look: &mut dyn FnMut(&T)) {
        self.0.lock().unwrap().works.iter().for_each(|(_, _, ticket)| look(ticket));
    }

    fn tell(&mut self, message: &[u8]) -> bool {
        let host = &mut *self.0.lock().unwrap();
        assert_eq!((message.len(), &message[..8]), (24, &[0; 8][..]), "a function, ABORT TASK");
        if host.deaf {
            return true;
        }
        // The unit and the number are in the command's head side by side, as here.
        let is_it =
            |(reads, ..): &(Ram, Ram, T)| reads.part(0, 16).unwrap().to_vec() == message[8..];
        let at = host.works.iter().position(is_it).expect("a command that it has");
        let (_, writes, ticket) = host.works.remove(at);
        let mut answer = [0; ANSWER];
        answer[11] = 2;
        writes.write_at(0, &answer);
        host.done.push_back(Ok((ticket, Bytes::new(ANSWER as u64))));
        host.aborted += 1;
        true
    }
}
