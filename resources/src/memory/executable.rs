//! The executable resource's loading (ER): ELF programs, static or with an interpreter that
//! loads their libraries, at fixed places or position-independent.

use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_abi::Span;
use vortex_abi::linux::auxvec::{
    AT_BASE, AT_CLKTCK, AT_EGID, AT_ENTRY, AT_EUID, AT_EXECFN, AT_FLAGS, AT_GID, AT_HWCAP, AT_NULL,
    AT_PAGESZ, AT_PHDR, AT_PHENT, AT_PHNUM, AT_RANDOM, AT_SECURE, AT_UID,
};
use vortex_machine::PAGE;
use vortex_units::ActivityId;

use super::regions::Region;
use super::segments::{self, Place};
use super::space::AddressSpace;
use crate::files::Image;

const PAGE_U64: u64 = PAGE as u64;
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
    /// Its interpreter is none (ELIBBAD).
    Library,
    /// A segment lies where none can, or overlaps another's rights (ENOEXEC).
    Segment,
    /// Arguments and environment are too large (E2BIG).
    Arguments,
    /// Memory has run out.
    NoMemory,
}

/// Loads a program, and the interpreter that it wants, if any, and builds its stack, for an
/// activity. `random` is 16 bytes for its own use.
///
/// # Errors
/// [`LoadError`]; nothing is left behind.
pub fn load(
    image: &Arc<Image>,
    interpreter: Option<&Arc<Image>>,
    path: &[u8],
    arguments: &[Vec<u8>],
    environment: &[Vec<u8>],
    random: [u8; 16],
    owner: ActivityId,
) -> Result<Program, LoadError> {
    let space = AddressSpace::new(owner).ok_or(LoadError::NoMemory)?;
    let program = segments::map(&space, image, Place::Program)?;
    *space.heap.lock() = (program.end, program.end);
    if !space.regions.lock().insert(STACK_TOP - STACK_SIZE, Region::zeros(STACK_TOP)) {
        return Err(LoadError::Segment);
    }
    // The interpreter begins, and finds the program by the auxiliary vector.
    let first = match interpreter {
        Some(image) => {
            Some(segments::map(&space, image, Place::Interpreter).map_err(|error| match error {
                LoadError::NoMemory => error,
                _ => LoadError::Library,
            })?)
        }
        None => None,
    };
    let auxiliary = [
        (AT_PHDR, program.headers),
        (AT_PHENT, program.header_size),
        (AT_PHNUM, program.header_count),
        (AT_PAGESZ, PAGE_U64),
        (AT_BASE, first.as_ref().map_or(0, |first| first.base)),
        (AT_FLAGS, 0),
        (AT_ENTRY, program.entry),
        (AT_UID, 0),
        (AT_EUID, 0),
        (AT_GID, 0),
        (AT_EGID, 0),
        (AT_SECURE, 0),
        (AT_CLKTCK, 100),
        (AT_HWCAP, 0),
    ];
    let stack = build_stack(&space, path, arguments, environment, random, &auxiliary)?;
    Ok(Program { space, entry: first.map_or(program.entry, |first| first.entry), stack })
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
    let size: usize = strings.map(|string| string.len() + 9).sum::<usize>() + path.len() + 1;
    if size > STRINGS {
        return Err(LoadError::Arguments);
    }
    let mut strings = Strings::new(size + random.len())?;
    let name = strings.put(path, true);
    let environment = strings.put_all(environment)?;
    let first = strings.at;
    let given = strings.put_all(arguments)?;
    let length = first - strings.at;
    *space.arguments.lock() = Span::new(strings.at, length);
    let random = strings.put(&random, false);
    let mut words = Vec::new();
    let count = given.len() + environment.len() + 2 * auxiliary.len() + 9;
    words.try_reserve_exact(count).map_err(|_| LoadError::NoMemory)?;
    words.push(given.len() as u64);
    words.extend(given);
    words.push(0);
    words.extend(environment);
    words.push(0);
    let more = [(AT_RANDOM, random), (AT_EXECFN, name), (AT_NULL, 0)];
    words.extend(auxiliary.iter().chain(&more).flat_map(|&(key, value)| [u64::from(key), value]));
    let stack = (random - 8 * words.len() as u64) & !15;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(8 * words.len()).map_err(|_| LoadError::NoMemory)?;
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    let filled = space.fill(strings.at, strings.bytes()) && space.fill(stack, &bytes);
    if filled { Ok(stack) } else { Err(LoadError::NoMemory) }
}

/// What lies at the end of the stack, made from its end on.
struct Strings {
    bytes: Vec<u8>,
    /// Where in `bytes` the last one that was put begins.
    begin: usize,
    /// And where that will be.
    at: u64,
}

impl Strings {
    /// Room for so many bytes.
    fn new(size: usize) -> Result<Self, LoadError> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| LoadError::NoMemory)?;
        bytes.resize(size, 0);
        Ok(Self { bytes, begin: size, at: STACK_TOP - 8 })
    }

    /// Puts bytes before the others; where they will be.
    fn put(&mut self, bytes: &[u8], zero: bool) -> u64 {
        let length = bytes.len() + usize::from(zero);
        self.begin = self.begin.saturating_sub(length);
        self.at -= length as u64;
        if let Some(place) = self.bytes.get_mut(self.begin..self.begin + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        self.at
    }

    /// Puts strings: as on Linux, the first has the lowest address.
    fn put_all(&mut self, strings: &[Vec<u8>]) -> Result<Vec<u64>, LoadError> {
        let mut places = Vec::new();
        places.try_reserve_exact(strings.len()).map_err(|_| LoadError::NoMemory)?;
        places.extend(strings.iter().rev().map(|string| self.put(string, true)));
        places.reverse();
        Ok(places)
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(self.begin..).unwrap_or_default()
    }
}
