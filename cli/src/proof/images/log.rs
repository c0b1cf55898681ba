//! The log of QEMU's driver `blklogwrites`: every write and flush of a disk, in the order in
//! which they were done. The format is that of Linux's dm-log-writes
//! (Documentation/admin-guide/device-mapper/log-writes.rst): a superblock, then entries, each a
//! sector that describes it and the sectors of its data.

use std::fs;
use std::path::Path;

/// `0x6a736677736872`, the superblock's first word.
const MAGIC: u64 = 0x006a_7366_7773_6872;
/// Flags of an entry.
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// What was written before this lasts.
    Flush,
    /// These bytes were written there.
    Write {
        /// The first byte on the disk.
        at: usize,
        /// They.
        bytes: Vec<u8>,
        /// Whether they last by themselves.
        lasts: bool,
    },
}

/// Reads a log.
///
/// # Errors
/// In words, where it is none.
pub fn read(path: &Path) -> Result<Vec<Done>, String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}

fn parse(bytes: &[u8]) -> Result<Vec<Done>, String> {
    let whole = |place: usize| word(bytes, place).ok_or("the log is too short");
    let (magic, version, count) = (whole(0)?, whole(8)?, whole(16)?);
    let sector = (whole(24)? & 0xffff_ffff) as usize;
    if (magic, version) != (MAGIC, 1) || !(512..=65_536).contains(&sector) {
        return Err("the log has no superblock".into());
    }
    let (mut list, mut at) = (Vec::new(), sector);
    for number in 0..count {
        let short = || format!("entry {number} of {count} is cut off");
        let part = |place: usize| word(bytes, at + place).ok_or_else(short);
        let (first, sectors, flags) = (part(0)?, part(8)?, part(16)?);
        at += sector;
        let place = |sectors: u64| {
            let place = usize::try_from(sectors).ok()?.checked_mul(sector)?;
            (place <= 1 << 40).then_some(place)
        };
        let (from, length) = (place(first).ok_or_else(short)?, place(sectors).ok_or_else(short)?);
        if flags & DISCARD != 0 {
            return Err(format!("entry {number} discards, which nobody was offered"));
        }
        // What comes with a flush is written after what was before it.
        if flags & FLUSH != 0 {
            list.push(Done::Flush);
        }
        if length > 0 {
            let data = bytes.get(at..at + length).ok_or_else(short)?.to_vec();
            list.push(Done::Write { at: from, bytes: data, lasts: flags & FUA != 0 });
            at += length;
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(entries: &[(u64, u64, u64)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut sector = |words: &[u64]| {
            let mut one: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            one.resize(512, 0);
            bytes.extend(one);
        };
        sector(&[MAGIC, 1, entries.len() as u64, 512]);
        for (number, (first, sectors, flags)) in entries.iter().enumerate() {
            sector(&[*first, *sectors, *flags, 0]);
            for _ in 0..*sectors {
                sector(&[number as u64; 64]);
            }
        }
        bytes
    }

    #[test]
    fn writes_and_flushes_are_read_in_their_order() {
        let bytes = log(&[(8, 2, 0), (0, 0, FLUSH), (3, 1, FUA)]);
        let found = parse(&bytes).unwrap();
        let Done::Write { at: 4096, bytes: first, lasts: false } = &found[0] else { panic!() };
        assert_eq!(*first, vec![0; 1024]);
        assert_eq!(found[1], Done::Flush);
        assert!(matches!(found[2], Done::Write { at: 1536, lasts: true, .. }));
        assert_eq!(found.len(), 3);
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_err(), "{length}");
        }
        let mut large = log(&[(0, 1, 0)]);
        large[512 + 8..512 + 16].fill(0xff);
        assert!(parse(&large).is_err());
        assert!(parse(&log(&[(0, 1, DISCARD)])).is_err());
    }
}
