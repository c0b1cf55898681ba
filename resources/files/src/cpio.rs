//! Archives in cpio's "newc" format, as an initial file system comes in.
//!
//! After Linux's `Documentation/driver-api/early-userspace/buffer-format.rst`: a header of
//! hexadecimal numbers, the name, the contents, each padded to 4 bytes; several archives
//! may follow each other, with zeros between. Reading is bounded by the bytes given and
//! allocates nothing.

use core::fmt;

const HEADER: usize = 110;
const NUMBERS: usize = 13;
const DIGITS: usize = 8;
const END: &[u8] = b"TRAILER!!!";

/// What is wrong with an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// No header starts with `070701` or `070702` there.
    Magic,
    /// A number of the header has a digit that is not hexadecimal.
    Number,
    /// The archive ends within a header.
    CutHeader,
    /// The archive ends within a name.
    CutName,
    /// A name is empty, does not end in a zero, or contains one.
    Name,
    /// The archive ends within a file's contents.
    CutContents,
    /// The archive ends without its `TRAILER!!!`.
    NoTrailer,
}

/// A flaw, and where: the offset of the header that it is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveError {
    /// What is wrong.
    pub flaw: Flaw,
    /// The offset in the archive.
    pub offset: usize,
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.flaw {
            Flaw::Magic => "no newc header (070701)",
            Flaw::Number => "a header with a number that is not hexadecimal",
            Flaw::CutHeader => "the end of the archive within a header",
            Flaw::CutName => "the end of the archive within a name",
            Flaw::Name => "an empty name, or one that does not end in one zero",
            Flaw::CutContents => "the end of the archive within a file",
            Flaw::NoTrailer => "the end of the archive without its TRAILER!!!",
        };
        write!(f, "archive: {what}, at byte {}", self.offset)
    }
}

/// An entry of an archive.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its path, as it stands there.
    pub name: &'a [u8],
    /// What it contains: a file's contents or a link's text.
    pub contents: &'a [u8],
    /// Which object of the archive it is, for hard links: inode and device numbers.
    pub object: [u32; 3],
    /// Type and permissions.
    pub mode: u32,
    /// Whose.
    pub user: u32,
    /// Whose group's.
    pub group: u32,
    /// How many names it has.
    pub links: u32,
    /// Seconds since 1970.
    pub modified: u32,
    /// The device it stands for: major and minor number.
    pub device: [u32; 2],
}

impl Entry<'_> {
    /// Whether this is its path from the root, with or without the slash or `./` before it.
    #[must_use]
    pub fn is_at(&self, path: &str) -> bool {
        let name = self.name.strip_prefix(b"./").or(self.name.strip_prefix(b"/"));
        let name = name.unwrap_or(self.name);
        name == path.trim_start_matches('/').as_bytes()
    }
}

/// What comes next in an archive.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// An entry.
    Entry(Entry<'a>),
    /// The end of one of the archives that follow each other: numbers of objects begin
    /// anew.
    Trailer,
}

/// A reader of archives. It stops at the first flaw.
pub struct Archive<'a> {
    bytes: &'a [u8],
    at: usize,
    open: bool,
}

impl<'a> Archive<'a> {
    /// Reads from the beginning of these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, open: true }
    }

    /// Where the reader is.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.at
    }

    /// The next item; `None` at the end.
    ///
    /// # Errors
    /// The first flaw.
    pub fn next_item(&mut self) -> Result<Option<Item<'a>>, ArchiveError> {
        if !self.open {
            let zeros = self.rest(self.at).iter().take_while(|&&byte| byte == 0).count();
            self.at = self.at.saturating_add(zeros);
        }
        let offset = self.at;
        if self.rest(offset).is_empty() {
            let flaw = ArchiveError { flaw: Flaw::NoTrailer, offset };
            return if core::mem::take(&mut self.open) { Err(flaw) } else { Ok(None) };
        }
        match self.item() {
            Ok(item) => {
                self.open = matches!(item, Item::Entry(_));
                Ok(Some(item))
            }
            Err(flaw) => {
                self.at = self.bytes.len();
                self.open = false;
                Err(ArchiveError { flaw, offset })
            }
        }
    }

    fn rest(&self, at: usize) -> &'a [u8] {
        self.bytes.get(at..).unwrap_or_default()
    }

    fn item(&mut self) -> Result<Item<'a>, Flaw> {
        let rest = self.rest(self.at);
        let magic = rest.get(..6).ok_or(Flaw::CutHeader)?;
        if magic != b"070701" && magic != b"070702" {
            return Err(Flaw::Magic);
        }
        let header = rest.get(6..HEADER).ok_or(Flaw::CutHeader)?;
        let mut numbers = [0_u32; NUMBERS];
        for (number, digits) in numbers.iter_mut().zip(header.chunks_exact(DIGITS)) {
            *number = hexadecimal(digits).ok_or(Flaw::Number)?;
        }
        let [inode, mode, user, group, links, modified, size, major, minor, device @ ..] = numbers;
        let [device_major, device_minor, name_size, _check] = device;

        let name_at = self.at.saturating_add(HEADER);
        let name_end = name_at.saturating_add(name_size as usize);
        let name = self.bytes.get(name_at..name_end).ok_or(Flaw::CutName)?;
        let name = match name.split_last() {
            Some((0, name)) if !name.is_empty() && !name.contains(&0) => name,
            _ => return Err(Flaw::Name),
        };
        let from = padded(name_end);
        let to = from.saturating_add(size as usize);
        let contents = match size {
            0 => &[],
            _ => self.bytes.get(from..to).ok_or(Flaw::CutContents)?,
        };
        self.at = padded(to);
        if name == END {
            return Ok(Item::Trailer);
        }
        Ok(Item::Entry(Entry {
            name,
            contents,
            object: [inode, major, minor],
            mode,
            user,
            group,
            links,
            modified,
            device: [device_major, device_minor],
        }))
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |number, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        number.checked_mul(16)?.checked_add(digit)
    })
}

fn padded(at: usize) -> usize {
    at.checked_next_multiple_of(4).unwrap_or(usize::MAX)
}
