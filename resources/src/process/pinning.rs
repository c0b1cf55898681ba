//! Pinning the buffers of a call that has very large ones, or very many: a slice at a time. What
//! is pinned stays so while a page of the rest is mended.

use vortex_abi::{Errno, Iov, Operand, Span};
use vortex_machine::{Access, PAGE};

use super::operands::{Operands, Unready};
use crate::memory::{AddressSpace, Pinned, pin};

/// Pieces and pages that are pinned in one run.
const SLICE: usize = 64;
/// What is pinned at once: no more pages, and no more buffers.
const FEW_BYTES: u64 = 16 * PAGE as u64;
const FEW_BUFFERS: u64 = 8;
/// The most buffers in one call (`UIO_MAXIOV`).
const IOV_MAX: u64 = 1024;

/// Where a buffer comes from.
#[derive(Clone, Copy)]
enum From {
    One(Span),
    Many(Iov),
}

/// A buffer that is being pinned.
struct Part {
    from: From,
    access: Access,
    pinned: Pinned,
    /// Of many: the next, and how much was pinned when it was begun.
    next: u64,
    before: usize,
}

/// Pinned so far.
pub(super) struct Pinning {
    wanted: [Option<Operand>; 3],
    place: usize,
    operands: Operands,
    part: Option<Part>,
}

/// Whether operands are so large that they are pinned so.
pub(super) fn is_long(wanted: &[Option<Operand>; 3]) -> bool {
    wanted.iter().flatten().any(|operand| match operand {
        Operand::Path(_) => false,
        Operand::In(span) => span.0.length > FEW_BYTES,
        Operand::Out(span) => span.0.length > FEW_BYTES,
        Operand::InOut(span) => span.0.length > FEW_BYTES,
        Operand::IovIn(iov) => iov.0.count > FEW_BUFFERS,
        Operand::IovOut(iov) => iov.0.count > FEW_BUFFERS,
    })
}

impl Part {
    fn of(operand: Operand) -> Option<Self> {
        let (from, access) = match operand {
            Operand::Path(_) => return None,
            Operand::In(span) => (From::One(span.0), Access::Read),
            Operand::Out(span) => (From::One(span.0), Access::Write),
            Operand::InOut(span) => (From::One(span.0), Access::Write),
            Operand::IovIn(iov) => (From::Many(iov.0), Access::Read),
            Operand::IovOut(iov) => (From::Many(iov.0), Access::Write),
        };
        Some(Self { from, access, pinned: Pinned::default(), next: 0, before: 0 })
    }

    /// Pins some more, of a number that is left. True when all is.
    fn go_on(&mut self, space: &AddressSpace, left: &mut usize) -> Result<bool, Unready> {
        match self.from {
            From::One(span) => self.span(space, span, 0, left),
            From::Many(iov) => {
                if iov.count > IOV_MAX {
                    return Err(Unready::Error(Errno::EINVAL));
                }
                while self.next < iov.count {
                    if *left == 0 {
                        return Ok(false);
                    }
                    *left -= 1;
                    let span = self.entry(space, iov)?;
                    if !self.span(space, span, self.before, left)? {
                        return Ok(false);
                    }
                    self.next += 1;
                    self.before = self.pinned.len();
                }
                Ok(true)
            }
        }
    }

    /// The next buffer of an array, cut to what may still be pinned.
    fn entry(&self, space: &AddressSpace, iov: Iov) -> Result<Span, Unready> {
        let at = iov.address.saturating_add(self.next * 16);
        let mut entry = [0; 16];
        pin(space, Span::new(at, 16), Access::Read)?.read(0, &mut entry);
        let (base, length) = entry.split_at(8);
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        let (base, length) = (word(base), word(length));
        if length > i64::MAX as u64 {
            return Err(Unready::Error(Errno::EINVAL));
        }
        let left = u64::from(iov.most).saturating_sub(self.before as u64);
        Ok(Span::new(base, length.min(left)))
    }

    /// Pins some more of a buffer, before which so much was pinned.
    fn span(
        &mut self,
        space: &AddressSpace,
        span: Span,
        before: usize,
        left: &mut usize,
    ) -> Result<bool, Unready> {
        if span.address.checked_add(span.length).is_none() {
            return Err(Unready::Error(Errno::EFAULT));
        }
        loop {
            let done = (self.pinned.len() - before) as u64;
            let rest = span.length.saturating_sub(done);
            if rest == 0 {
                return Ok(true);
            }
            if *left == 0 {
                return Ok(false);
            }
            *left -= 1;
            let at = span.address + done;
            let length = rest.min(PAGE as u64 - at % PAGE as u64);
            self.pinned.add(space, Span::new(at, length), self.access)?;
        }
    }
}

impl Pinning {
    /// Of these operands nothing yet.
    pub fn new(wanted: [Option<Operand>; 3]) -> Self {
        Self { wanted, place: 0, operands: Operands::default(), part: None }
    }

    /// Pins some more. True when all is pinned.
    ///
    /// # Errors
    /// A page that must be there first: then it goes on where it was. Else the call's error.
    pub fn go_on(&mut self, space: &AddressSpace) -> Result<bool, Unready> {
        let mut left = SLICE;
        while let Some(wanted) = self.wanted.get(self.place) {
            let Some(operand) = *wanted else {
                self.place += 1;
                continue;
            };
            if self.part.is_none() {
                self.part = Part::of(operand);
            }
            match &mut self.part {
                Some(part) => {
                    if !part.go_on(space, &mut left)? {
                        return Ok(false);
                    }
                }
                // A path: copied as ever.
                None => {
                    let mut alone = [None; 3];
                    if let Some(place) = alone.get_mut(self.place) {
                        *place = Some(operand);
                    }
                    self.operands.take_in(Operands::prepare(space, alone)?);
                }
            }
            if let Some(part) = self.part.take() {
                self.operands.set(self.place, part.pinned);
            }
            self.place += 1;
        }
        Ok(true)
    }

    /// The operands.
    pub fn done(self) -> Operands {
        self.operands
    }
}
