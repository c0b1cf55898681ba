//! The segments of ELF files as regions. Nothing is read but the headers: pages come when
//! they are touched.

use alloc::sync::Arc;
use alloc::vec::Vec;

use elf::ElfBytes;
use elf::abi::{EM_X86_64, ET_DYN, ET_EXEC, PF_W, PF_X, PT_INTERP, PT_LOAD};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;
use vortex_machine::{Access, PAGE};

use super::executable::LoadError;
use super::regions::{Backing, Region};
use super::space::AddressSpace;
use crate::files::Image;

const PAGE_U64: u64 = PAGE as u64;
/// Program headers lie within so much of a file's beginning.
const HEADERS: usize = 4096;
/// The longest path of an interpreter, with its zero, as Linux.
const PATH_MOST: u64 = 4096;

/// As what a file is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The program itself: here, if it is position-independent.
    Program(u64),
    /// What loads its libraries: where `mmap` would put it.
    Interpreter,
}

/// Where a file's segments are.
#[derive(Debug)]
pub(super) struct Loaded {
    /// What was added to all of its addresses.
    pub base: u64,
    /// Where it begins.
    pub entry: u64,
    /// Where it ends.
    pub end: u64,
    /// Where its program headers are.
    pub headers: u64,
    /// Bytes of one.
    pub header_size: u64,
    /// How many there are.
    pub header_count: u64,
}

/// Hands a file's headers to `then`.
fn parsed<T>(
    image: &Image,
    then: impl FnOnce(&ElfBytes<'_, LittleEndian>) -> Result<T, LoadError>,
) -> Result<T, LoadError> {
    // Not on the kernel's stack, which has no room for it beneath all that leads here.
    let mut start = Vec::new();
    start.try_reserve_exact(HEADERS).map_err(|_| LoadError::NoMemory)?;
    start.resize(HEADERS, 0);
    let read = image.read(0, &mut start);
    let start = start.get_mut(..read).ok_or(LoadError::Format)?;
    // The header says where sections are, which lie beyond what was read: none are wanted.
    for place in [0x28..0x30, 0x3a..0x40] {
        start.get_mut(place).ok_or(LoadError::Format)?.fill(0);
    }
    let file = ElfBytes::<LittleEndian>::minimal_parse(start).map_err(|_| LoadError::Format)?;
    let header = &file.ehdr;
    if header.e_machine != EM_X86_64 || header.class != elf::file::Class::ELF64 {
        return Err(LoadError::Format);
    }
    then(&file)
}

/// The path of the interpreter that a program wants to be loaded by, if any.
///
/// # Errors
/// [`LoadError::Format`].
pub fn interpreter(image: &Image) -> Result<Option<Vec<u8>>, LoadError> {
    let Some(segment) = interpreter_segment(image)? else { return Ok(None) };
    if !(2..=PATH_MOST).contains(&segment.p_filesz) {
        return Err(LoadError::Format);
    }
    let mut path = Vec::new();
    let length = segment.p_filesz as usize;
    path.try_reserve_exact(length).map_err(|_| LoadError::NoMemory)?;
    path.resize(length, 0);
    if image.read(segment.p_offset, &mut path) < length || path.pop() != Some(0) {
        return Err(LoadError::Format);
    }
    let end = path.iter().position(|&byte| byte == 0).unwrap_or(path.len());
    path.truncate(end);
    Ok(Some(path))
}

fn interpreter_segment(image: &Image) -> Result<Option<ProgramHeader>, LoadError> {
    parsed(image, |file| {
        let segments = file.segments().ok_or(LoadError::Format)?;
        Ok(segments.iter().find(|segment| segment.p_type == PT_INTERP))
    })
}

/// Where in a file that path is, and how many bytes, as far as they may be that many.
#[must_use]
pub fn interpreter_place(image: &Image) -> Option<(u64, u64)> {
    let segment = interpreter_segment(image).ok()??;
    (segment.p_filesz <= PATH_MOST).then_some((segment.p_offset, segment.p_filesz))
}

/// Makes the regions of a file's segments.
///
/// # Errors
/// [`LoadError`]; some regions may be made then.
pub(super) fn map(
    space: &AddressSpace,
    image: &Arc<Image>,
    place: Place,
) -> Result<Loaded, LoadError> {
    parsed(image, |file| {
        let header = &file.ehdr;
        let segments = file.segments().ok_or(LoadError::Format)?;
        let loads = || segments.iter().filter(|segment| segment.p_type == PT_LOAD);
        let base = match (header.e_type, place) {
            (ET_EXEC, _) => 0,
            (ET_DYN, Place::Program(base)) => base,
            (ET_DYN, Place::Interpreter) => room(space, loads())?,
            _ => return Err(LoadError::Format),
        };
        let (mut end, mut headers) = (0, 0);
        for segment in loads() {
            end = end.max(map_segment(space, image, base, &segment)?);
            let within = header.e_phoff.wrapping_sub(segment.p_offset);
            if within < segment.p_filesz {
                headers = base.wrapping_add(segment.p_vaddr).wrapping_add(within);
            }
        }
        if end == 0 {
            return Err(LoadError::Format);
        }
        Ok(Loaded {
            base,
            entry: base.wrapping_add(header.e_entry),
            end,
            headers,
            header_size: u64::from(header.e_phentsize),
            header_count: u64::from(header.e_phnum),
        })
    })
}

/// Where there is room for all of a file's segments: what is to be added to their addresses.
fn room(
    space: &AddressSpace,
    loads: impl Iterator<Item = ProgramHeader>,
) -> Result<u64, LoadError> {
    let (mut first, mut last) = (u64::MAX, 0);
    for segment in loads {
        first = first.min(segment.p_vaddr & !(PAGE_U64 - 1));
        let end = segment.p_vaddr.checked_add(segment.p_memsz).ok_or(LoadError::Segment)?;
        last = last.max(end.checked_next_multiple_of(PAGE_U64).ok_or(LoadError::Segment)?);
    }
    let length = last.checked_sub(first).ok_or(LoadError::Format)?;
    let place =
        space.regions.lock().place(length, space.bounds.map_top()).ok_or(LoadError::NoMemory)?;
    place.checked_sub(first).ok_or(LoadError::Segment)
}

/// Makes the region of a segment; returns where it ends.
fn map_segment(
    space: &AddressSpace,
    image: &Arc<Image>,
    base: u64,
    segment: &ProgramHeader,
) -> Result<u64, LoadError> {
    let access = match (segment.p_flags & PF_W != 0, segment.p_flags & PF_X != 0) {
        (true, true) => return Err(LoadError::Segment),
        (true, false) => Access::Write,
        (false, true) => Access::Execute,
        (false, false) => Access::Read,
    };
    let add = |a: u64, b: u64| a.checked_add(b).ok_or(LoadError::Segment);
    let start = add(base, segment.p_vaddr)?;
    let file_end = add(segment.p_offset, segment.p_filesz)?;
    if segment.p_filesz > segment.p_memsz || file_end > image.size() {
        return Err(LoadError::Segment);
    }
    if segment.p_memsz == 0 {
        return Ok(0);
    }
    let end = add(start, segment.p_memsz)?;
    let first = start & !(PAGE_U64 - 1);
    let last = end.checked_next_multiple_of(PAGE_U64).ok_or(LoadError::Segment)?;
    let at = segment.p_offset as i64 - (start - first) as i64;
    // Within the first page may lie bytes of the file that are before the segment, and behind
    // it where no zeros follow: as on Linux, they are there.
    let shown = if segment.p_filesz == segment.p_memsz { u64::MAX } else { file_end };
    let backing = Backing::File(image.clone(), shown, at);
    let mut regions = space.regions.lock();
    if !regions.is_free(first, last) {
        return Err(LoadError::Segment);
    }
    let region = Region { access, backing, ..Region::zeros(last) };
    if regions.insert(first, region) { Ok(end) } else { Err(LoadError::Segment) }
}
