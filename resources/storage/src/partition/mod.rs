//! Partition tables: MBR with its extended partitions, and GPT (UEFI 2.10, chapter 5). A reader
//! says which blocks it wants, is given them, and says what it has found: it reads nothing
//! itself.

mod crc;
mod gpt;
mod mbr;

use alloc::vec::Vec;
use core::fmt;

use crc::Crc;
use gpt::Header;

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Its number, from 1.
    pub number: u8,
    /// Its first block.
    pub first: u64,
    /// How many blocks.
    pub blocks: u64,
}

/// Blocks that are to be read, together no more than 4 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The first.
    pub block: u64,
    /// How many.
    pub blocks: u32,
}

/// What is wrong with a table; the partitions that it names all the same are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It cannot be read.
    Unreadable,
    /// A partition lies beyond the end of the disk, or over another.
    Partition(u64),
    /// There are more than there is room for.
    Many,
    /// The first GPT is damaged; the second is used.
    First,
    /// Both are.
    Both,
    /// The chain of extended partitions leads astray.
    Chain,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("its partition table cannot be read"),
            Self::Partition(first) => {
                write!(f, "the partition at block {first} is not on it, or lies over another")
            }
            Self::Many => f.write_str("it has more partitions than there are names for"),
            Self::First => f.write_str("its first GPT is damaged; the second is used"),
            Self::Both => f.write_str("its GPT is damaged, both copies of it"),
            Self::Chain => f.write_str("its extended partitions lead astray"),
        }
    }
}

/// Partitions that have names.
const MOST: u8 = 15;
/// Extended partitions that are followed: each has one more name.
const LINKS: u8 = 64;
/// The number of the first partition in an extended one.
const FIRST_LOGICAL: u8 = 5;
/// The bytes that are read at once.
const PIECE: u32 = 4096;

#[derive(Clone, Debug)]
enum Step {
    Mbr,
    /// An extended partition, which begins at the first block; the one to be read lies so much
    /// behind.
    Link {
        base: u64,
        at: u64,
    },
    Header {
        at: u64,
    },
    Entries {
        header: Header,
        done: u32,
        crc: Crc,
        found: Vec<Extent>,
    },
    End,
}

/// Reads a table.
#[derive(Clone, Debug)]
pub struct Reader {
    block_size: u32,
    blocks: u64,
    step: Step,
    found: Vec<Extent>,
    flaws: Vec<Flaw>,
    links: u8,
    /// The second GPT is being read.
    second: bool,
}

impl Reader {
    /// Of a disk of so many blocks.
    #[must_use]
    pub const fn new(block_size: u32, blocks: u64) -> Self {
        Self {
            block_size,
            blocks,
            step: Step::Mbr,
            found: Vec::new(),
            flaws: Vec::new(),
            links: 0,
            second: false,
        }
    }

    /// What is to be read next; `None` at the end.
    #[must_use]
    pub fn wanted(&self) -> Option<Wanted> {
        let one = |block| Some(Wanted { block, blocks: 1 });
        match &self.step {
            Step::Mbr => one(0),
            Step::Link { base, at } => one(base.checked_add(*at)?),
            Step::Header { at } => one(*at),
            Step::Entries { header, done, .. } => {
                let block = u64::from(done.checked_div(self.block_size)?);
                let left = header.bytes().saturating_sub(*done).min(PIECE);
                let blocks = left.div_ceil(self.block_size);
                Some(Wanted { block: header.entries.checked_add(block)?, blocks })
            }
            Step::End => None,
        }
    }

    /// It was read, or cannot be.
    pub fn read(&mut self, bytes: Option<&[u8]>) {
        let step = core::mem::replace(&mut self.step, Step::End);
        let Some(bytes) = bytes else {
            match step {
                Step::Header { .. } | Step::Entries { .. } => self.damaged(),
                _ => self.flaws.push(Flaw::Unreadable),
            }
            return;
        };
        match step {
            Step::Mbr => self.mbr(bytes),
            Step::Link { base, at } => self.link(bytes, base, at),
            Step::Header { at } => self.header(bytes, at),
            Step::Entries { header, done, crc, found } => {
                self.entries(bytes, header, (done, crc, found));
            }
            Step::End => {}
        }
    }

    /// The partitions, by their numbers.
    #[must_use]
    pub fn partitions(&self) -> &[Extent] {
        &self.found
    }

    /// What is wrong.
    #[must_use]
    pub fn flaws(&self) -> &[Flaw] {
        &self.flaws
    }

    fn mbr(&mut self, bytes: &[u8]) {
        let Some(entries) = mbr::entries(bytes) else { return };
        if entries.iter().any(|entry| entry.is_protective()) {
            self.step = Step::Header { at: 1 };
            return;
        }
        let mut extended = None;
        for (number, entry) in (1_u8..).zip(entries) {
            if entry.is_extended() {
                extended = Some(entry.first);
            } else if !entry.is_empty() {
                self.add(number, entry.first, entry.blocks);
            }
        }
        if let Some(base) = extended {
            self.step = Step::Link { base, at: 0 };
        }
    }

    fn link(&mut self, bytes: &[u8], base: u64, at: u64) {
        let Some([logical, next, ..]) = mbr::entries(bytes) else {
            self.flaws.push(Flaw::Chain);
            return;
        };
        let number = FIRST_LOGICAL.saturating_add(self.links);
        self.links = self.links.saturating_add(1);
        if !logical.is_empty() {
            // It counts from its own table.
            let first = base.saturating_add(at).saturating_add(logical.first);
            self.add(number, first, logical.blocks);
        }
        if next.is_empty() {
            return;
        }
        // And the next table from the first.
        if !next.is_extended() || self.links >= LINKS || next.first <= at {
            self.flaws.push(Flaw::Chain);
            return;
        }
        self.step = Step::Link { base, at: next.first };
    }

    fn header(&mut self, bytes: &[u8], at: u64) {
        match Header::parse(bytes, at, self.blocks) {
            Some(header) => {
                let crc = Crc::new();
                self.step = Step::Entries { header, done: 0, crc, found: Vec::new() };
            }
            None => self.damaged(),
        }
    }

    /// A GPT cannot be used: the other may.
    fn damaged(&mut self) {
        let last = self.blocks.saturating_sub(1);
        if self.second || last <= 1 {
            self.flaws.push(Flaw::Both);
            return;
        }
        self.second = true;
        self.step = Step::Header { at: last };
    }

    fn entries(
        &mut self,
        bytes: &[u8],
        header: Header,
        (done, mut crc, mut found): (u32, Crc, Vec<Extent>),
    ) {
        let left = header.bytes().saturating_sub(done);
        let piece = bytes.get(..bytes.len().min(left as usize)).unwrap_or_default();
        crc.add(piece);
        for (place, entry) in piece.chunks_exact(header.size as usize).enumerate() {
            let before = done.checked_div(header.size).unwrap_or(0) as usize;
            if let Some((first, last)) = gpt::entry(entry) {
                let number = before.saturating_add(place).saturating_add(1);
                let blocks = last.saturating_sub(first).saturating_add(1);
                let number = u8::try_from(number).unwrap_or(u8::MAX);
                found.push(Extent { number, first, blocks });
            }
        }
        let done = done.saturating_add(piece.len() as u32);
        if piece.is_empty() {
            self.damaged();
        } else if done < header.bytes() {
            self.step = Step::Entries { header, done, crc, found };
        } else if crc.value() != header.crc {
            self.damaged();
        } else {
            if self.second {
                self.flaws.push(Flaw::First);
            }
            for Extent { number, first, blocks } in found {
                self.add(number, first, blocks);
            }
        }
    }

    fn add(&mut self, number: u8, first: u64, blocks: u64) {
        if number > MOST {
            if self.flaws.last() != Some(&Flaw::Many) {
                self.flaws.push(Flaw::Many);
            }
            return;
        }
        let end = first.checked_add(blocks).filter(|end| *end <= self.blocks);
        let over = |other: &Extent| {
            first < other.first.saturating_add(other.blocks)
                && other.first < first.saturating_add(blocks)
        };
        if end.is_none() || blocks == 0 || first == 0 || self.found.iter().any(over) {
            self.flaws.push(Flaw::Partition(first));
            return;
        }
        self.found.push(Extent { number, first, blocks });
    }
}
