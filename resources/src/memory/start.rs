//! The first stack of a program: strings, pointers to them, the auxiliary vector (System V ABI,
//! 3.4.1). It may be megabytes: it is written a piece at a time.
//!
//! ```text
//!  stack │ count, pointers, auxiliary vector │ … │ random │ arguments │ environment │ path │ top
//! ```

use alloc::vec::Vec;

use vortex_abi::Span;
use vortex_abi::linux::auxvec::{AT_EXECFN, AT_NULL, AT_RANDOM};

use super::executable::LoadError;
use super::space::AddressSpace;
use super::strings::{Strings, zero_in};

/// How much arguments and environment are at most, as on Linux: a quarter of the stack, but so
/// much always, and no more than the other.
pub(super) const MOST: (u64, u64) = (128 << 10, 6 << 20);
/// Bytes that are written at once.
const PIECE: usize = 1024;
/// What one run may cost, in instructions, about: each piece, and each pointer.
const RUN: usize = 18_000;
const PIECE_COST: usize = 5_000;
const BYTE_COST: usize = 5;
const POINTER_COST: usize = 60;
/// Pointers that are written together.
const POINTERS: usize = 64;

/// What a program is started with. Those before the arguments take the place of the first: a
/// script's interpreter, its argument, and the script.
#[derive(Debug, Default)]
pub struct Words {
    /// What comes before the arguments, in place of their first.
    pub before: Option<Strings>,
    /// The arguments.
    pub arguments: Strings,
    /// The environment.
    pub environment: Strings,
}

/// Strings that are to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Before,
    Arguments,
    Environment,
    Last,
}

/// A stack that is being written.
#[derive(Debug)]
pub(super) struct Stack {
    words: Words,
    part: Part,
    /// How far that part is written.
    done: usize,
    /// Where its next byte goes.
    at: u64,
    /// Whether the next byte begins a string.
    begins: bool,
    /// Pointers not yet written, and where they go.
    pointers: Vec<u64>,
    pointers_at: u64,
    /// What follows the pointers.
    rest: Vec<u64>,
    /// Its end: where the program begins to use it.
    pub stack: u64,
}

impl Words {
    /// These; the first argument is the program's name.
    ///
    /// # Errors
    /// [`LoadError::NoMemory`].
    pub fn of(arguments: &[Vec<u8>], environment: &[Vec<u8>]) -> Result<Self, LoadError> {
        let of = |strings: &[Vec<u8>]| {
            Strings::of(strings.iter().map(Vec::as_slice)).map_err(|_| LoadError::NoMemory)
        };
        let (arguments, environment) = (of(arguments)?, of(environment)?);
        Ok(Self { before: None, arguments, environment })
    }

    /// Bytes of the first argument that are left out, and how many arguments that are.
    fn skipped(&self) -> (usize, usize) {
        match self.before {
            Some(_) => (self.arguments.first(), self.arguments.count().min(1)),
            None => (0, 0),
        }
    }

    /// How many arguments there are, and their bytes.
    fn arguments(&self) -> (usize, usize) {
        let (bytes, count) = self.skipped();
        let before = self.before.as_ref().map_or((0, 0), |all| (all.count(), all.bytes()));
        (
            before.0 + self.arguments.count().saturating_sub(count),
            before.1 + self.arguments.bytes().saturating_sub(bytes),
        )
    }
}

impl Stack {
    /// One that ends at `top`; of strings at most a part of so many bytes. The words are taken
    /// once it is there.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn new(
        words: &mut Words,
        space: &AddressSpace,
        path: &[u8],
        random: [u8; 16],
        auxiliary: &[(u32, u64)],
        (top, most): (u64, u64),
    ) -> Result<Self, LoadError> {
        let (count, bytes) = words.arguments();
        let environment = &words.environment;
        let strings = bytes + environment.bytes() + path.len() + 1;
        let pointers = count + environment.count();
        if (strings + 8 * pointers) as u64 > most.clamp(MOST.0, MOST.1) {
            return Err(LoadError::Arguments);
        }
        let at = top - 8 - strings as u64;
        let key = at - random.len() as u64;
        let name = at + (bytes + environment.bytes()) as u64;
        *space.arguments.lock() = Span::new(at, bytes as u64);
        let more = [(AT_RANDOM, key), (AT_EXECFN, name), (AT_NULL, 0)];
        let mut rest = Vec::new();
        rest.try_reserve_exact(2 * (auxiliary.len() + more.len()))
            .map_err(|_| LoadError::NoMemory)?;
        rest.extend(auxiliary.iter().chain(&more).flat_map(|&(k, value)| [u64::from(k), value]));
        let length = 1 + pointers + 2 + rest.len();
        let stack = (key - 8 * length as u64) & !15;
        let mut first = Vec::new();
        first.try_reserve_exact(POINTERS + 2).map_err(|_| LoadError::NoMemory)?;
        first.push(count as u64);
        let mut ends = Vec::new();
        ends.try_reserve_exact(path.len() + 1).map_err(|_| LoadError::NoMemory)?;
        ends.extend_from_slice(path);
        ends.push(0);
        // The two ends; what lies between is written on the way.
        space.fill(key, &random)?;
        space.fill(name, &ends)?;
        Ok(Self {
            words: core::mem::take(words),
            part: Part::Before,
            done: 0,
            at,
            begins: true,
            pointers: first,
            pointers_at: stack,
            rest,
            stack,
        })
    }

    /// Writes some more. True when all is.
    ///
    /// # Errors
    /// [`LoadError::NoMemory`] and [`LoadError::Away`]: then it may be tried again.
    pub fn go_on(&mut self, space: &AddressSpace) -> Result<bool, LoadError> {
        let mut spent = 0;
        while spent < RUN {
            let strings = match self.part {
                Part::Before => self.words.before.as_ref(),
                Part::Arguments => Some(&self.words.arguments),
                Part::Environment => Some(&self.words.environment),
                Part::Last => return self.write_rest(space).map(|()| true),
            };
            let piece = strings.map_or(&[][..], |strings| strings.piece(self.done, PIECE));
            if piece.is_empty() {
                self.next_part();
                continue;
            }
            space.fill(self.at, piece)?;
            spent += PIECE_COST + BYTE_COST * piece.len();
            let mut from = 0;
            while from < piece.len() {
                if self.begins {
                    if self.pointers.len() >= POINTERS {
                        let written =
                            write_pointers(&mut self.pointers, &mut self.pointers_at, space);
                        if let Err(error) = written {
                            // It goes on from here.
                            self.at += from as u64;
                            self.done += from;
                            return Err(error);
                        }
                        spent += PIECE_COST;
                    }
                    self.pointers.push(self.at + from as u64);
                    spent += POINTER_COST;
                }
                let end = zero_in(piece.get(from..).unwrap_or_default());
                self.begins = end.is_some();
                from += end.map_or(piece.len(), |end| end + 1);
            }
            self.at += piece.len() as u64;
            self.done += piece.len();
        }
        // All together would be too much to be freed in one run (law 5).
        match self.part {
            Part::Before | Part::Last => {}
            Part::Arguments => self.words.arguments.forget(self.done),
            Part::Environment => self.words.environment.forget(self.done),
        }
        Ok(false)
    }

    fn next_part(&mut self) {
        (self.part, self.done) = match self.part {
            Part::Before => (Part::Arguments, self.words.skipped().0),
            Part::Arguments => (Part::Environment, 0),
            Part::Environment | Part::Last => (Part::Last, 0),
        };
        if self.part == Part::Environment || self.part == Part::Last {
            // There is room: it is kept for the two ends.
            self.pointers.push(0);
        }
    }

    fn write_rest(&mut self, space: &AddressSpace) -> Result<(), LoadError> {
        write_pointers(&mut self.pointers, &mut self.pointers_at, space)?;
        write_pointers(&mut self.rest, &mut self.pointers_at, space)
    }
}

/// Writes them all, or none.
fn write_pointers(
    pointers: &mut Vec<u64>,
    at: &mut u64,
    space: &AddressSpace,
) -> Result<(), LoadError> {
    let mut bytes = [0; 8 * (POINTERS + 2)];
    let length = 8 * pointers.len();
    for (place, pointer) in bytes.chunks_exact_mut(8).zip(pointers.iter()) {
        place.copy_from_slice(&pointer.to_le_bytes());
    }
    space.fill(*at, bytes.get(..length).ok_or(LoadError::NoMemory)?)?;
    pointers.clear();
    *at += length as u64;
    Ok(())
}
