//! Copying the strings of execve(2) from the program that is to be replaced: up to two megabytes,
//! a slice at a time. What is copied stays so while a page for the rest is mended.

use vortex_abi::{Errno, Span};
use vortex_machine::{Access, PAGE};

use super::operands::{Operands, Unready};
use crate::memory::{AddressSpace, Words, pin, zero_in};

/// The most that arguments and environment have together, a pointer for each included.
const MOST: usize = 2 << 20;
/// And the longest of them, as Linux has it (`MAX_ARG_STRLEN`), with the zero.
const LONGEST: usize = 128 << 10;
/// Pointers that are read together.
const POINTERS: usize = 16;
/// Bytes that are copied together.
const PIECE: usize = 512;
/// What one run may cost, in instructions, about.
const RUN: usize = 10_000;
const PIECE_COST: usize = 1_500;
const BYTE_COST: usize = 6;

/// Copied so far.
pub(super) struct Gathering {
    operands: Operands,
    words: Words,
    /// Where the next pointers are; zero where there are no more in the array.
    array: u64,
    /// The array after it.
    second: Option<u64>,
    /// Pointers that were read and are not used yet, the last one first.
    pointers: [u64; POINTERS],
    count: usize,
    /// Where the string goes on that is being copied, and its length so far.
    string: Option<(u64, usize)>,
    left: usize,
}

impl Gathering {
    /// Of a call with these operands and arrays. No array at all is an empty one, as on Linux.
    pub fn new(operands: Operands, arguments: u64, environment: u64) -> Self {
        Self {
            operands,
            words: Words::default(),
            array: arguments,
            second: Some(environment),
            pointers: [0; POINTERS],
            count: 0,
            string: None,
            left: MOST,
        }
    }

    /// Copies some more. True when all is copied.
    ///
    /// # Errors
    /// A page that must be there first: then it goes on where it was. Else the call's error.
    pub fn go_on(&mut self, space: &AddressSpace) -> Result<bool, Unready> {
        let mut spent = 0;
        while spent < RUN {
            spent += PIECE_COST;
            if let Some((at, length)) = self.string {
                spent += BYTE_COST * self.copy(space, at, length)?;
            } else if let Some(place) = self.count.checked_sub(1) {
                let pointer = self.pointers.get(place).copied().unwrap_or(0);
                self.count = place;
                if pointer == 0 {
                    (self.array, self.count) = (0, 0);
                } else {
                    self.string = Some((pointer, 0));
                }
            } else if self.array != 0 {
                self.read_pointers(space)?;
            } else {
                match self.second.take() {
                    Some(environment) => self.array = environment,
                    None => return Ok(true),
                }
            }
        }
        Ok(false)
    }

    /// The operands, and what was copied.
    pub fn done(self) -> (Operands, Words) {
        (self.operands, self.words)
    }

    /// Reads some pointers: those that lie in one page, so that none is asked for that the
    /// array does not come to.
    fn read_pointers(&mut self, space: &AddressSpace) -> Result<(), Unready> {
        let left = PAGE - (self.array % PAGE as u64) as usize;
        let length = (left / 8 * 8).clamp(8, 8 * POINTERS);
        let mut bytes = [0; 8 * POINTERS];
        let pinned = pin(space, Span::new(self.array, length as u64), Access::Read)?;
        pinned.read(0, bytes.get_mut(..length).unwrap_or_default());
        self.count = length / 8;
        let all = bytes.chunks_exact(8).take(self.count).rev();
        for (place, pointer) in self.pointers.iter_mut().zip(all) {
            *place = pointer.try_into().map_or(0, u64::from_le_bytes);
        }
        let next = self.array.checked_add(length as u64);
        self.array = next.ok_or(Unready::Error(Errno::EFAULT))?;
        Ok(())
    }

    /// Copies a piece of a string; how many bytes that were.
    fn copy(&mut self, space: &AddressSpace, at: u64, before: usize) -> Result<usize, Unready> {
        let mut piece = [0; PIECE];
        let length = (PAGE as u64 - at % PAGE as u64).min(PIECE as u64);
        let pinned = pin(space, Span::new(at, length), Access::Read)?;
        let read = pinned.read(0, &mut piece);
        let bytes = piece.get(..read).unwrap_or_default();
        let end = zero_in(bytes);
        let text = bytes.get(..end.unwrap_or(read)).unwrap_or_default();
        let too_much = Unready::Error(Errno::E2BIG);
        if before + text.len() >= LONGEST {
            return Err(too_much);
        }
        // Beside its bytes each has a zero and a pointer.
        let more = text.len() + if end.is_some() { 9 } else { 0 };
        self.left = self.left.checked_sub(more).ok_or(too_much)?;
        let strings = match self.second {
            Some(_) => &mut self.words.arguments,
            None => &mut self.words.environment,
        };
        let added = strings.add(text).and_then(|()| match end {
            Some(_) => strings.end(),
            None => Ok(()),
        });
        added.map_err(|_| Unready::Error(Errno::ENOMEM))?;
        self.string = match end {
            Some(_) => None,
            None => {
                let next = at.checked_add(length).ok_or(Unready::Error(Errno::EFAULT))?;
                Some((next, before + text.len()))
            }
        };
        Ok(read)
    }
}
