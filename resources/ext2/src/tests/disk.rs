//! A disk in memory, which can note what is done to it.

use std::vec::Vec;

/// What has been done to a disk.
#[derive(Clone, Debug)]
pub enum Event {
    /// A write, to this byte.
    Write(u64, Vec<u8>),
    /// What was written before stays.
    Flush,
}

/// A disk.
#[derive(Default)]
pub struct Disk {
    pub bytes: Vec<u8>,
    pub log: Option<Vec<Event>>,
}

impl Disk {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, log: None }
    }

    pub fn read(&self, at: u64, length: usize) -> &[u8] {
        &self.bytes[at as usize..at as usize + length]
    }

    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        self.bytes[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        if let Some(log) = &mut self.log {
            log.push(Event::Write(at, bytes.to_vec()));
        }
    }

    pub fn flush(&mut self) {
        if let Some(log) = &mut self.log {
            log.push(Event::Flush);
        }
    }
}
