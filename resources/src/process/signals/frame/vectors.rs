//! The vector state in a frame: the processor's layout, with Linux's words about it.
//!
//! Bytes 464 to 511, which the processor leaves to software, say how long the state is and
//! which parts are in it; a magic number there and one behind the end say that this is true.
//! Where they are not, a program has made the frame by FXSAVE's rules: then x87 and SSE are
//! all that is there.

use alloc::vec::Vec;

use super::build::BuildError;
use super::bytes::{read_half, read_word, write, write_half, write_word};

/// How vector state is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// By XSAVE, in its standard form; else by FXSAVE.
    pub xsave: bool,
    /// With XSAVE, the parts that are on, as XCR0 has them.
    pub parts: u64,
    /// The length.
    pub size: usize,
}

impl Format {
    /// Whether it is one that a processor has.
    const fn is_valid(&self) -> bool {
        if self.xsave { self.size >= EXTENDED && self.size <= LARGEST } else { self.size == LEGACY }
    }

    /// Where it may lie.
    pub(super) const fn alignment(&self) -> u64 {
        if self.xsave { 64 } else { 16 }
    }
}

const LEGACY: usize = 512;
/// The legacy part and the header.
const EXTENDED: usize = LEGACY + 64;
/// More than any processor has.
const LARGEST: usize = 1 << 16;
const MXCSR: usize = 24;
const HEADER: usize = LEGACY;
/// `_fpx_sw_bytes`: magic, length with the second magic, parts, length.
const SOFTWARE: usize = 464;
const MAGIC1: u32 = 0x4650_5853;
const MAGIC2: u32 = 0x4650_5845;
const MAGIC2_SIZE: usize = 4;

const X87: u64 = 1;
const SSE: u64 = 2;
const AVX: u64 = 4;
const FIRST_CONTROL: u32 = 0x037f;
const FIRST_MXCSR: u32 = 0x1f80;
const MXCSR_FREE: u32 = 0xffff;

fn zeroed(length: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).ok()?;
    bytes.resize(length, 0);
    Some(bytes)
}

/// The state to be written into a frame.
///
/// Of a part in its first state XSAVEOPT writes nothing. Programs know no such thing of x87
/// and SSE, so these two are written out and said to be there.
pub(super) fn saved(vectors: &[u8], format: Format) -> Result<Vec<u8>, BuildError> {
    let Format { xsave, parts, size } = format;
    if !format.is_valid() || vectors.len() != size {
        return Err(BuildError::NoVectors);
    }
    let length = if xsave { size + MAGIC2_SIZE } else { size };
    let mut bytes = zeroed(length).ok_or(BuildError::NoMemory)?;
    write(&mut bytes, 0, vectors);
    if !xsave {
        return Ok(bytes);
    }
    let present = read_word(vectors, HEADER).unwrap_or(0);
    if present & X87 == 0 {
        write(&mut bytes, 0, &[0; MXCSR]);
        write(&mut bytes, 32, &[0; 128]);
        write_half(&mut bytes, 0, FIRST_CONTROL);
    }
    if present & SSE == 0 {
        write(&mut bytes, 160, &[0; 256]);
    }
    write(&mut bytes, SOFTWARE, &[0; LEGACY - SOFTWARE]);
    write_half(&mut bytes, SOFTWARE, MAGIC1);
    write_half(&mut bytes, SOFTWARE + 4, length as u32);
    write_word(&mut bytes, SOFTWARE + 8, parts);
    write_half(&mut bytes, SOFTWARE + 16, size as u32);
    write(&mut bytes, HEADER, &[0; EXTENDED - HEADER]);
    write_word(&mut bytes, HEADER, present | X87 | SSE);
    write_half(&mut bytes, size, MAGIC2);
    Ok(bytes)
}

/// The state in which programs begin.
pub(super) fn first(format: Format) -> Option<Vec<u8>> {
    let mut bytes = format.is_valid().then(|| zeroed(format.size))??;
    write_half(&mut bytes, 0, FIRST_CONTROL);
    write_half(&mut bytes, MXCSR, FIRST_MXCSR);
    if format.xsave {
        write_word(&mut bytes, HEADER, X87 | SSE);
    }
    Some(bytes)
}

/// What a frame's legacy part says is there: how much is to be read, and which parts of it
/// count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub size: usize,
    parts: u64,
}

impl Claim {
    pub const LEGACY: Self = Self { size: LEGACY, parts: X87 | SSE };

    /// From the legacy part; `magic2` is asked for the half word at this offset.
    pub fn read<E>(
        legacy: &[u8; LEGACY],
        format: Format,
        magic2: impl FnOnce(usize) -> Result<u32, E>,
    ) -> Result<Self, E> {
        let half = |at| read_half(legacy, SOFTWARE + at).unwrap_or(0);
        let (magic, extended, size) = (half(0), half(4) as usize, half(16) as usize);
        let parts = read_word(legacy, SOFTWARE + 8).unwrap_or(0);
        let fits = (EXTENDED..=format.size).contains(&size) && size <= extended;
        if !format.xsave || magic != MAGIC1 || !fits || magic2(size)? != MAGIC2 {
            return Ok(Self::LEGACY);
        }
        Ok(Self { size, parts: parts & format.parts })
    }

    /// The state that the processor is to load, from the bytes of a frame; none where it
    /// would refuse them.
    pub fn taken(self, mut bytes: Vec<u8>, format: Format) -> Option<Vec<u8>> {
        bytes.resize(format.size, 0);
        write(&mut bytes, SOFTWARE, &[0; LEGACY - SOFTWARE]);
        if self.parts & (SSE | AVX) == 0 {
            write_half(&mut bytes, MXCSR, FIRST_MXCSR);
        }
        if read_half(&bytes, MXCSR)? & !MXCSR_FREE != 0 {
            return None;
        }
        if !format.xsave {
            return Some(bytes);
        }
        let mut present = X87 | SSE;
        if self.size > LEGACY {
            // What the standard form of XRSTOR demands of the header.
            present = read_word(&bytes, HEADER)?;
            let reserved = read_word(&bytes, HEADER + 8)? | read_word(&bytes, HEADER + 16)?;
            if present & !format.parts != 0 || reserved != 0 {
                return None;
            }
        }
        write(&mut bytes, HEADER, &[0; EXTENDED - HEADER]);
        write_word(&mut bytes, HEADER, present & self.parts);
        Some(bytes)
    }
}
