//! The executable resource's loading (ER), first version: static ELF programs, also
//! position-independent ones.

use alloc::sync::Arc;
use alloc::vec::Vec;

use elf::ElfBytes;
use elf::abi::{EM_X86_64, ET_DYN, ET_EXEC, PF_W, PF_X, PT_GNU_STACK, PT_INTERP, PT_LOAD};
use elf::endian::LittleEndian;
use vortex_abi::Span;
use vortex_abi::linux::auxvec::{
    AT_BASE, AT_CLKTCK, AT_EGID, AT_ENTRY, AT_EUID, AT_EXECFN, AT_FLAGS, AT_GID, AT_HWCAP, AT_NULL,
    AT_PAGESZ, AT_PHDR, AT_PHENT, AT_PHNUM, AT_RANDOM, AT_SECURE, AT_UID,
};
use vortex_machine::{Access, PAGE};
use vortex_units::ActivityId;

use super::regions::{Backing, Region};
use super::space::AddressSpace;
use crate::files::Image;

const PAGE_U64: u64 = PAGE as u64;
/// Program headers lie within so much of a file's beginning.
const HEADERS: usize = 4096;
/// Where a position-independent program is put.
const DYNAMIC_BASE: u64 = 0x5555_5555_4000;
/// The end of the stack, and how large it may grow.
pub(super) const STACK_TOP: u64 = 0x7fff_ffff_e000;
const STACK_SIZE: u64 = 8 << 20;
/// The most that arguments and environment take, as Linux: a quarter of the stack.
const STRINGS: usize = (STACK_SIZE / 4) as usize;

/// A program, ready to begin.
pub struct Program {
    /// Its memory.
    pub space: Arc<AddressSpace>,
    /// Where it begins.
    pub entry: u64,
    /// With which stack.
    pub stack: u64,
}

/// Why a program cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// Not a 64-bit ELF program of this machine (ENOEXEC).
    Format,
    /// It wants an interpreter, which is not offered yet (ENOENT).
    Interpreter,
    /// A segment lies where none can, or overlaps another's rights (ENOEXEC).
    Segment,
    /// Arguments and environment are too large (E2BIG).
    Arguments,
    /// Memory has run out.
    NoMemory,
}

/// Loads a program and builds its stack, for an activity. `random` is 16 bytes for its own
/// use.
///
/// # Errors
/// [`LoadError`]; nothing is left behind.
pub fn load(
    image: Arc<Image>,
    path: &[u8],
    arguments: &[Vec<u8>],
    environment: &[Vec<u8>],
    random: [u8; 16],
    owner: ActivityId,
) -> Result<Program, LoadError> {
    let mut start = [0; HEADERS];
    let read = image.read(0, &mut start);
    let start = start.get(..read).unwrap_or_default();
    // The header says where sections are, which lie beyond what was read: none are wanted.
    let mut without = [0; HEADERS];
    let start = without_sections(start, &mut without).ok_or(LoadError::Format)?;
    let file = ElfBytes::<LittleEndian>::minimal_parse(start).map_err(|_| LoadError::Format)?;
    let header = &file.ehdr;
    if header.e_machine != EM_X86_64 || header.class != elf::file::Class::ELF64 {
        return Err(LoadError::Format);
    }
    let base = match header.e_type {
        ET_EXEC => 0,
        ET_DYN => DYNAMIC_BASE,
        _ => return Err(LoadError::Format),
    };
    let space = AddressSpace::new(owner).ok_or(LoadError::NoMemory)?;
    let segments = file.segments().ok_or(LoadError::Format)?;
    let (mut end, mut headers) = (0, 0);
    for segment in segments.iter() {
        match segment.p_type {
            PT_INTERP => return Err(LoadError::Interpreter),
            PT_LOAD => {
                let loaded = map_segment(&space, &image, base, &segment)?;
                end = end.max(loaded);
                let within = header.e_phoff.wrapping_sub(segment.p_offset);
                if within < segment.p_filesz {
                    headers = base + segment.p_vaddr + within;
                }
            }
            // The stack is never executable, whatever it says.
            PT_GNU_STACK => {}
            _ => {}
        }
    }
    if end == 0 {
        return Err(LoadError::Format);
    }
    *space.heap.lock() = (end, end);
    let stack = Region::zeros(STACK_TOP);
    if !space.regions.lock().insert(STACK_TOP - STACK_SIZE, stack) {
        return Err(LoadError::Segment);
    }
    let entry = base.wrapping_add(header.e_entry);
    let auxiliary = [
        (AT_PHDR, headers),
        (AT_PHENT, u64::from(header.e_phentsize)),
        (AT_PHNUM, u64::from(header.e_phnum)),
        (AT_PAGESZ, PAGE_U64),
        (AT_BASE, 0),
        (AT_FLAGS, 0),
        (AT_ENTRY, entry),
        (AT_UID, 0),
        (AT_EUID, 0),
        (AT_GID, 0),
        (AT_EGID, 0),
        (AT_SECURE, 0),
        (AT_CLKTCK, 100),
        (AT_HWCAP, 0),
    ];
    let stack = build_stack(&space, path, arguments, environment, random, &auxiliary)?;
    Ok(Program { space, entry, stack })
}

/// Copies an ELF file's beginning, with no sections in its header.
fn without_sections<'a>(start: &[u8], copy: &'a mut [u8; HEADERS]) -> Option<&'a [u8]> {
    let copy = copy.get_mut(..start.len())?;
    copy.copy_from_slice(start);
    copy.get_mut(0x28..0x30)?.fill(0);
    copy.get_mut(0x3a..0x40)?.fill(0);
    Some(copy)
}

/// Makes the regions of a segment; returns where it ends.
fn map_segment(
    space: &AddressSpace,
    image: &Arc<Image>,
    base: u64,
    segment: &elf::segment::ProgramHeader,
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
    if segment.p_filesz > segment.p_memsz || file_end > image.size {
        return Err(LoadError::Segment);
    }
    if segment.p_memsz == 0 {
        return Ok(0);
    }
    let end = add(start, segment.p_memsz)?;
    let first = start & !(PAGE_U64 - 1);
    let last = end.checked_next_multiple_of(PAGE_U64).ok_or(LoadError::Segment)?;
    let at = segment.p_offset as i64 - (start - first) as i64;
    // Within the first page may lie bytes of the file that are before the segment: as on
    // Linux, they are there.
    let shown = if segment.p_filesz == segment.p_memsz { u64::MAX } else { file_end };
    let backing = Backing::File(image.clone(), shown, at);
    let mut regions = space.regions.lock();
    if !regions.is_free(first, last) {
        return Err(LoadError::Segment);
    }
    let region = Region { access, backing, ..Region::zeros(last) };
    if regions.insert(first, region) { Ok(end) } else { Err(LoadError::Segment) }
}

/// Builds the first stack: strings, vectors, the auxiliary vector (System V ABI, 3.4.1).
fn build_stack(
    space: &AddressSpace,
    path: &[u8],
    arguments: &[Vec<u8>],
    environment: &[Vec<u8>],
    random: [u8; 16],
    auxiliary: &[(u32, u64)],
) -> Result<u64, LoadError> {
    let strings = arguments.iter().chain(environment);
    let size: usize = strings.map(|string| string.len() + 9).sum::<usize>() + path.len();
    if size > STRINGS {
        return Err(LoadError::Arguments);
    }
    let mut at = STACK_TOP - 8;
    let mut put = |bytes: &[u8], zero: bool| {
        at -= bytes.len() as u64 + u64::from(zero);
        let filled = space.fill(at, bytes) && (!zero || space.fill(at + bytes.len() as u64, &[0]));
        if filled { Ok(at) } else { Err(LoadError::NoMemory) }
    };
    let name = put(path, true)?;
    let mut pointers = |strings: &[Vec<u8>]| {
        let mut places = Vec::new();
        places.try_reserve_exact(strings.len()).map_err(|_| LoadError::NoMemory)?;
        // As on Linux, the first has the lowest address.
        for string in strings.iter().rev() {
            places.push(put(string, true)?);
        }
        places.reverse();
        Ok::<_, LoadError>(places)
    };
    let environment = pointers(environment)?;
    let given = arguments;
    let arguments = pointers(given)?;
    let first = arguments.first().copied().unwrap_or_default();
    let length = given.iter().map(|string| string.len() as u64 + 1).sum();
    *space.arguments.lock() = Span::new(first, length);
    let random = put(&random, false)?;
    let mut words = Vec::new();
    let count = arguments.len() + environment.len() + 2 * auxiliary.len() + 9;
    words.try_reserve_exact(count).map_err(|_| LoadError::NoMemory)?;
    words.push(arguments.len() as u64);
    words.extend(arguments);
    words.push(0);
    words.extend(environment);
    words.push(0);
    let more = [(AT_RANDOM, random), (AT_EXECFN, name), (AT_NULL, 0)];
    words.extend(auxiliary.iter().chain(&more).flat_map(|&(key, value)| [u64::from(key), value]));
    let stack = (random - 8 * words.len() as u64) & !15;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(8 * words.len()).map_err(|_| LoadError::NoMemory)?;
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    if space.fill(stack, &bytes) { Ok(stack) } else { Err(LoadError::NoMemory) }
}
