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

use super::layout::Layout;
use super::regions::Region;
use super::segments::{self, Place};
use super::space::AddressSpace;
use crate::files::Image;
use crate::process::{Limited, Rlimits};

const PAGE_U64: u64 = PAGE as u64;
/// How much arguments and environment are at most, as on Linux: a quarter of the stack, but so
/// much always, and no more than the other.
const STRINGS: (u64, u64) = (128 << 10, 6 << 20);
/// The smallest and the largest stack, whatever its limit.
const STACK: (u64, u64) = (STRINGS.0 + (64 << 10), 1 << 30);

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

/// What a program finds as it begins, and what it is given.
pub struct Given<'a> {
    /// Its arguments.
    pub arguments: &'a [Vec<u8>],
    /// Its environment.
    pub environment: &'a [Vec<u8>],
    /// Bytes for its own use.
    pub key: [u8; 16],
    /// Where its places come from, if they are not to be always the same.
    pub places: Option<&'a mut dyn FnMut() -> u64>,
    /// How much memory it may have.
    pub limits: &'a Rlimits,
    /// On whose bill it is.
    pub owner: ActivityId,
}

/// Loads a program, and the interpreter that it wants, if any, and builds its stack.
///
/// # Errors
/// [`LoadError`]; nothing is left behind.
pub fn load(
    image: &Arc<Image>,
    interpreter: Option<&Arc<Image>>,
    path: &[u8],
    given: Given<'_>,
) -> Result<Program, LoadError> {
    let Given { arguments, environment, key, places, limits, owner } = given;
    let space = AddressSpace::new(owner).ok_or(LoadError::NoMemory)?;
    let most = limits.soft(Limited::Stack).clamp(STACK.0, STACK.1).next_multiple_of(PAGE_U64);
    let layout = places.map_or(Layout::FIXED, |word| Layout::random(most, word));
    space.bounds.set_top(layout.stack_top, layout.map_top);
    let program = segments::map(&space, image, Place::Program(layout.base))?;
    // Without chance the heap lies right behind the program.
    let heap = match layout.heap {
        0 => program.end,
        away => program.end.next_multiple_of(PAGE_U64).saturating_add(away),
    };
    *space.heap.lock() = (heap, heap);
    {
        let mut regions = space.regions.lock();
        let stack = Region { grows: true, ..Region::zeros(layout.stack_top) };
        if !regions.insert(layout.stack_top - most, stack) {
            return Err(LoadError::Segment);
        }
        limits.bound(&space.bounds);
        if !space.bounds.allow(&regions, 0, true) {
            return Err(LoadError::NoMemory);
        }
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
    let top = (layout.stack_top - layout.stack_skip, most / 4);
    let stack = build_stack(&space, path, (arguments, environment), key, &auxiliary, top)?;
    Ok(Program { space, entry: first.map_or(program.entry, |first| first.entry), stack })
}

/// Builds the first stack: strings, vectors, the auxiliary vector (System V ABI, 3.4.1).
fn build_stack(
    space: &AddressSpace,
    path: &[u8],
    (arguments, environment): (&[Vec<u8>], &[Vec<u8>]),
    random: [u8; 16],
    auxiliary: &[(u32, u64)],
    (top, most): (u64, u64),
) -> Result<u64, LoadError> {
    let strings = arguments.iter().chain(environment);
    let size: usize = strings.map(|string| string.len() + 9).sum::<usize>() + path.len() + 1;
    if size as u64 > most.clamp(STRINGS.0, STRINGS.1) {
        return Err(LoadError::Arguments);
    }
    let mut strings = Strings::new(size + random.len(), top - 8)?;
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
    /// Room for so many bytes, up to this place.
    fn new(size: usize, at: u64) -> Result<Self, LoadError> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| LoadError::NoMemory)?;
        bytes.resize(size, 0);
        Ok(Self { bytes, begin: size, at })
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
