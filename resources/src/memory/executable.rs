//! The executable resource's loading (ER): ELF programs, static or with an interpreter that
//! loads their libraries, at fixed places or position-independent.

use alloc::sync::Arc;

use vortex_abi::linux::auxvec::{
    AT_BASE, AT_CLKTCK, AT_EGID, AT_ENTRY, AT_EUID, AT_FLAGS, AT_GID, AT_HWCAP, AT_PAGESZ, AT_PHDR,
    AT_PHENT, AT_PHNUM, AT_SECURE, AT_UID,
};
use vortex_machine::PAGE;
use vortex_units::ActivityId;

use super::layout::Layout;
use super::regions::Region;
use super::segments::{self, Place};
use super::space::{AddressSpace, Unfilled};
use super::start::{self, Stack, Words};
use crate::files::Image;
use crate::process::{Limited, Rlimits};

const PAGE_U64: u64 = PAGE as u64;
/// The smallest and the largest stack, whatever its limit.
const STACK: (u64, u64) = (start::MOST.0 + (64 << 10), 1 << 30);

/// A program whose stack is still being written.
pub struct Loading {
    space: Arc<AddressSpace>,
    entry: u64,
    stack: Stack,
}

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
    /// This page of it has left already: it is to be brought back.
    Away(u64),
}

impl From<Unfilled> for LoadError {
    fn from(why: Unfilled) -> Self {
        match why {
            Unfilled::NoMemory => Self::NoMemory,
            Unfilled::Away(page) => Self::Away(page),
        }
    }
}

/// What a program finds as it begins, and what it is given.
pub struct Given<'a> {
    /// Its arguments and its environment: taken from there when it is loaded.
    pub words: &'a mut Words,
    /// Bytes for its own use.
    pub key: [u8; 16],
    /// Where its places come from, if they are not to be always the same.
    pub places: Option<&'a mut dyn FnMut() -> u64>,
    /// How much memory it may have.
    pub limits: &'a Rlimits,
    /// On whose bill it is.
    pub owner: ActivityId,
}

/// Loads a program, and the interpreter that it wants, if any, and begins its stack.
///
/// # Errors
/// [`LoadError`]; nothing is left behind.
pub fn load(
    image: &Arc<Image>,
    interpreter: Option<&Arc<Image>>,
    path: &[u8],
    given: Given<'_>,
) -> Result<Loading, LoadError> {
    let Given { words, key, places, limits, owner } = given;
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
                LoadError::NoMemory | LoadError::Away(_) => error,
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
    let stack = Stack::new(words, &space, path, key, &auxiliary, top)?;
    image.let_go();
    interpreter.inspect(|image| image.let_go());
    Ok(Loading { space, entry: first.map_or(program.entry, |first| first.entry), stack })
}

impl Loading {
    /// Writes some more of the stack: the program, when it is ready to begin.
    ///
    /// # Errors
    /// [`LoadError::NoMemory`] and [`LoadError::Away`]: it may be tried again.
    pub fn go_on(&mut self) -> Result<Option<Program>, LoadError> {
        if !self.stack.go_on(&self.space)? {
            return Ok(None);
        }
        let (entry, stack) = (self.entry, self.stack.stack);
        Ok(Some(Program { space: self.space.clone(), entry, stack }))
    }

    /// Its memory, where it is not to begin: to be given back.
    #[must_use]
    pub fn space(&self) -> &Arc<AddressSpace> {
        &self.space
    }
}
