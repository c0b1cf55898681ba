//! A wire between machines: seeded, it loses, turns over, doubles and spoils what it carries.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::vec::Vec;

use crate::packet::VIRTIO;
use crate::{BUFFER, Broken, Buffer, Host, Ring, Slot};

/// The tests' memory.
pub struct Ram;

/// A buffer.
pub struct Bytes(Mutex<Vec<u8>>);

impl Host for Ram {
    type Buffer = Bytes;
    type Data = Held;
}

impl Buffer for Bytes {
    fn make(into: &mut Vec<Self>) -> bool {
        into.push(Self(Mutex::new(std::vec![0; BUFFER])));
        true
    }

    fn read(&self, at: usize, bytes: &mut [u8]) -> usize {
        let all = self.0.lock().unwrap();
        let length = bytes.len().min(all.len().saturating_sub(at));
        bytes[..length].copy_from_slice(&all[at..at + length]);
        length
    }

    fn write(&self, at: usize, bytes: &[u8]) -> usize {
        let mut all = self.0.lock().unwrap();
        let length = bytes.len().min(all.len().saturating_sub(at));
        all[at..at + length].copy_from_slice(&bytes[..length]);
        length
    }
}

/// A program's memory.
#[derive(Clone)]
pub struct Held(pub Arc<Mutex<Vec<u8>>>);

impl Held {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(bytes.to_vec())))
    }
}

impl crate::Data for Held {
    fn bytes(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn read(&self, at: usize, bytes: &mut [u8]) -> usize {
        let all = self.0.lock().unwrap();
        let length = bytes.len().min(all.len().saturating_sub(at));
        bytes[..length].copy_from_slice(&all[at..at + length]);
        length
    }

    fn write(&self, at: usize, bytes: &[u8]) -> usize {
        let mut all = self.0.lock().unwrap();
        let length = bytes.len().min(all.len().saturating_sub(at));
        all[at..at + length].copy_from_slice(&bytes[..length]);
        length
    }
}

/// What a device has.
pub struct Port {
    /// Buffers for them.
    empty: VecDeque<Slot<Ram>>,
    full: VecDeque<(Slot<Ram>, usize)>,
    /// Frames to be sent, and those that were.
    sending: VecDeque<Slot<Ram>>,
    sent: VecDeque<Slot<Ram>>,
    /// The driver is told: of what has come, of what was sent.
    listens: [bool; 2],
    pub wants: bool,
    size: usize,
    /// Says what cannot be, from now on.
    pub lies: bool,
}

impl Port {
    pub fn new(size: usize) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            empty: VecDeque::new(),
            full: VecDeque::new(),
            sending: VecDeque::new(),
            sent: VecDeque::new(),
            listens: [true; 2],
            wants: false,
            size,
            lies: false,
        }))
    }

    /// A frame comes; what has no buffer is lost, as with every device.
    pub fn comes(&mut self, frame: &[u8]) {
        let Some(slot) = self.empty.pop_front() else { return };
        let buffer = slot.packet.buffer().unwrap();
        buffer.write(0, &[0; VIRTIO]);
        let length = VIRTIO + buffer.write(VIRTIO, frame);
        self.full.push_back((slot, length));
        self.wants |= self.listens[0];
    }

    /// A frame goes, if there is one.
    pub fn goes(&mut self) -> Option<Vec<u8>> {
        let slot = self.sending.pop_front()?;
        let mut frame = std::vec![0; slot.packet.length() - VIRTIO];
        slot.packet.read(VIRTIO, &mut frame);
        self.sent.push_back(slot);
        self.wants |= self.listens[1];
        Some(frame)
    }
}

/// What comes, and what goes.
pub struct Receives(pub Arc<Mutex<Port>>);
pub struct Sends(pub Arc<Mutex<Port>>);

impl Ring<Ram> for Receives {
    fn give(&mut self, slot: Slot<Ram>) -> Result<(), Slot<Ram>> {
        let mut port = self.0.lock().unwrap();
        if port.empty.len() + port.full.len() >= port.size {
            return Err(slot);
        }
        port.empty.push_back(slot);
        Ok(())
    }

    fn take(&mut self) -> Result<Option<(Slot<Ram>, usize)>, Broken> {
        let mut port = self.0.lock().unwrap();
        if port.lies { Err(Broken) } else { Ok(port.full.pop_front()) }
    }

    fn has_room(&self) -> bool {
        let port = self.0.lock().unwrap();
        port.empty.len() + port.full.len() < port.size
    }

    fn fill(&self) -> (u16, u16) {
        let port = self.0.lock().unwrap();
        ((port.empty.len() + port.full.len()) as u16, port.size as u16)
    }

    fn be_quiet(&mut self) {
        self.0.lock().unwrap().listens[0] = false;
    }

    fn listen(&mut self) -> bool {
        let mut port = self.0.lock().unwrap();
        port.listens[0] = true;
        !port.full.is_empty()
    }

    fn stop(&mut self) -> Vec<Slot<Ram>> {
        let mut port = self.0.lock().unwrap();
        let mut all: Vec<_> = port.empty.drain(..).collect();
        all.extend(port.full.drain(..).map(|(slot, _)| slot));
        all
    }
}

impl Ring<Ram> for Sends {
    fn give(&mut self, slot: Slot<Ram>) -> Result<(), Slot<Ram>> {
        if !self.has_room() {
            return Err(slot);
        }
        self.0.lock().unwrap().sending.push_back(slot);
        Ok(())
    }

    fn take(&mut self) -> Result<Option<(Slot<Ram>, usize)>, Broken> {
        let mut port = self.0.lock().unwrap();
        Ok(port.sent.pop_front().map(|slot| (slot, 0)))
    }

    fn has_room(&self) -> bool {
        let (has, size) = self.fill();
        has < size
    }

    fn fill(&self) -> (u16, u16) {
        let port = self.0.lock().unwrap();
        ((port.sending.len() + port.sent.len()) as u16, port.size as u16)
    }

    fn be_quiet(&mut self) {
        self.0.lock().unwrap().listens[1] = false;
    }

    fn listen(&mut self) -> bool {
        let mut port = self.0.lock().unwrap();
        port.listens[1] = true;
        !port.sent.is_empty()
    }

    fn stop(&mut self) -> Vec<Slot<Ram>> {
        let mut port = self.0.lock().unwrap();
        let mut all: Vec<_> = port.sending.drain(..).collect();
        all.extend(port.sent.drain(..));
        all
    }
}

/// Random numbers: SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % below
    }
}

/// How bad a wire is: of a hundred frames so many.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    pub lost: u64,
    pub doubled: u64,
    pub spoiled: u64,
    pub late: u64,
}

/// What is on its way to one machine.
#[derive(Default)]
pub struct Way(Vec<Vec<u8>>);

impl Way {
    /// A frame is sent.
    pub fn send(&mut self, mut frame: Vec<u8>, weather: Weather, dice: &mut Dice) {
        if dice.below(100) < weather.lost {
            return;
        }
        if dice.below(100) < weather.doubled {
            self.0.push(frame.clone());
        }
        if dice.below(100) < weather.spoiled {
            let at = dice.below(frame.len() as u64) as usize;
            frame[at] ^= 1 << dice.below(8);
        }
        self.0.push(frame);
    }

    /// One arrives: the first, or another.
    pub fn next(&mut self, weather: Weather, dice: &mut Dice) -> Option<Vec<u8>> {
        if self.0.is_empty() {
            return None;
        }
        let late = dice.below(100) < weather.late;
        let which = if late { dice.below(self.0.len() as u64) as usize } else { 0 };
        Some(self.0.remove(which))
    }
}
