//! Pinning the buffers of a call that has very large ones, or very many: a slice at a time. What
//! is pinned stays so while a page of the rest is mended. A call that goes on after a part of many
//! buffers passes over those that are done, in slices too.

use alloc::boxed::Box;

use vortex_abi::{Errno, Files, In, InOut, Iov, IovIn, IovOut, Operand, Out, Span};
use vortex_machine::{Access, PAGE};

use super::operands::{AGAIN_BYTES, FEW_BYTES, Operands, Unready};
use super::stub::{goes_without, prepare_or_without};
use super::thread::Thread;
use crate::files::MAX_RW_COUNT;
use crate::memory::{AddressSpace, Pinned, pin};

/// What is done in one run: a buffer of many is looked at for one, a page is pinned for so much.
const SLICE: usize = 112;
const PIN: usize = 2;
/// What is pinned at once: no more buffers.
const FEW_BUFFERS: u64 = 8;
/// The most buffers in one call (`UIO_MAXIOV`).
const IOV_MAX: u64 = 1024;

/// What a write that has waited pins of its rest, and moves at a time.
pub(super) const REST: u64 = 64 << 10;

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
    /// Of many: where they are, as the array says, once that is pinned.
    array: Option<Pinned>,
    /// The next, and how much was pinned when it was begun.
    next: u64,
    before: usize,
    /// That one, as it was when it was begun, and how much of it is passed over: what the array
    /// says then does not count.
    entry: Option<(Span, u64)>,
    /// How much is still to be passed over, and was.
    skip: u64,
    passed: u64,
}

/// Pinned so far.
pub(super) struct Pinning {
    wanted: [Option<Operand>; 3],
    place: usize,
    operands: Operands,
    part: Option<Part>,
    /// How much of the first that are many is done.
    skip: u64,
    /// How many pages its call had faulted for when it was begun.
    faults: u32,
}

/// Whether operands are so large that they are pinned so, as far as that is known without a look
/// at an array.
fn is_long(wanted: &[Option<Operand>; 3]) -> bool {
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
    fn of(operand: Operand, skip: u64) -> Option<Self> {
        let (from, access) = match operand {
            Operand::Path(_) => return None,
            Operand::In(span) => (From::One(span.0), Access::Read),
            Operand::Out(span) => (From::One(span.0), Access::Write),
            Operand::InOut(span) => (From::One(span.0), Access::Write),
            Operand::IovIn(iov) => (From::Many(iov.0), Access::Read),
            Operand::IovOut(iov) => (From::Many(iov.0), Access::Write),
        };
        let (pinned, array) = (Pinned::default(), None);
        Some(Self { from, access, pinned, array, next: 0, before: 0, entry: None, skip, passed: 0 })
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
                    *left = left.saturating_sub(1);
                    let (span, over) = match self.entry {
                        Some(entry) => entry,
                        None => self.look(space, iov)?,
                    };
                    self.entry = Some((span, over));
                    if !self.span(space, span, self.before, left)? {
                        return Ok(false);
                    }
                    self.entry = None;
                    self.next += 1;
                    self.before = self.pinned.len();
                    self.skip = self.skip.saturating_sub(over);
                    self.passed = self.passed.saturating_add(over);
                }
                Ok(true)
            }
        }
    }

    /// The next buffer of an array, without what of it is done and cut to what may still be
    /// pinned; and how much is done.
    fn look(&mut self, space: &AddressSpace, iov: Iov) -> Result<(Span, u64), Unready> {
        let array = match self.array.take() {
            Some(array) => array,
            None => {
                let array = pin(space, Span::new(iov.address, iov.count * 16), Access::Read)?;
                // As many pages as there can be: a longer and longer list would be copied.
                let bytes = u64::from(iov.most).saturating_sub(self.skip);
                let pages = (bytes / PAGE as u64).saturating_add(2 * iov.count);
                self.pinned.reserve(usize::try_from(pages).unwrap_or(usize::MAX))?;
                array
            }
        };
        let mut entry = [0; 16];
        let array = self.array.insert(array);
        array.read(self.next as usize * 16, &mut entry);
        let (base, length) = entry.split_at(8);
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        let (base, length) = (word(base), word(length));
        if length > i64::MAX as u64 {
            return Err(Unready::Error(Errno::EINVAL));
        }
        let reached = self.passed.saturating_add(self.before as u64);
        let length = length.min(u64::from(iov.most).saturating_sub(reached));
        let over = self.skip.min(length);
        Ok((Span::new(base.saturating_add(over), length.saturating_sub(over)), over))
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
            *left = left.saturating_sub(PIN);
            let at = span.address + done;
            let length = rest.min(PAGE as u64 - at % PAGE as u64);
            self.pinned.add(space, Span::new(at, length), self.access)?;
        }
    }
}

impl Pinning {
    /// Of these operands nothing yet; of the first of many buffers so much is left out that is
    /// done.
    fn new(wanted: [Option<Operand>; 3], skip: u64, faults: u32) -> Self {
        Self { wanted, place: 0, operands: Operands::default(), part: None, skip, faults }
    }

    /// How much is pinned of the operand that it is at, and which that is.
    fn reached(&self) -> (usize, usize) {
        (self.place, self.part.as_ref().map_or(0, |part| part.pinned.len()))
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
                self.part = Part::of(operand, core::mem::take(&mut self.skip));
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

/// The operands of a call: at once where they are small, else when all are pinned. What was begun
/// so goes on so, whatever an array or a header says meanwhile.
pub(super) fn pin_wanted(
    thread: &mut Thread,
    wanted: [Option<Operand>; 3],
) -> Result<Option<Operands>, Unready> {
    let long = is_long(&wanted);
    if long && thread.unreachable {
        // A call that goes without has no other buffer.
        return Ok(Some(Operands::default()));
    }
    if long || thread.pinning.is_some() {
        return pin_some(thread, wanted, 0);
    }
    let prepared = prepare_or_without(thread, wanted, goes_without(thread));
    let again = match prepared {
        Err(Unready::Long) => true,
        Err(Unready::Fault(address, _)) => is_far(&wanted, address),
        _ => false,
    };
    if again {
        // Some is pinned in this run already: it begins in one of its own.
        thread.pinning = Some(Box::new(Pinning::new(wanted, 0, thread.faults)));
        return Ok(None);
    }
    prepared.map(Some)
}

/// Whether a page of a buffer has so much of it before it that this is not to be pinned again.
fn is_far(wanted: &[Option<Operand>; 3], at: u64) -> bool {
    wanted.iter().flatten().any(|operand| match operand {
        Operand::In(In(span)) | Operand::Out(Out(span)) | Operand::InOut(InOut(span)) => {
            let before = at.saturating_sub(span.address);
            before > AGAIN_BYTES && before < span.length
        }
        Operand::Path(_) | Operand::IovIn(_) | Operand::IovOut(_) => false,
    })
}

/// Pins some more of large buffers, of which so much is done: the operands, when all are pinned.
fn pin_some(
    thread: &mut Thread,
    wanted: [Option<Operand>; 3],
    done: u64,
) -> Result<Option<Operands>, Unready> {
    let pinning = thread.pinning.take();
    let faults = thread.faults;
    let mut pinning = pinning.unwrap_or_else(|| Box::new(Pinning::new(wanted, done, faults)));
    let before = pinning.reached();
    let gone_on = pinning.go_on(&thread.space);
    if pinning.reached() > before {
        // They were good so far, however many of their pages had left memory. What was faulted for
        // before still counts: a call that begins to pin again and again comes to an end.
        thread.faults = pinning.faults;
    }
    match gone_on {
        Ok(true) => Ok(Some(pinning.done())),
        Ok(false) => {
            thread.pinning = Some(pinning);
            Ok(None)
        }
        // The call is made without the buffer that is not there.
        Err(Unready::Error(Errno::EFAULT)) if goes_without(thread) => Ok(Some(pinning.done())),
        Err(unready) => {
            if let Unready::Fault(..) = unready {
                thread.pinning = Some(pinning);
            }
            Err(unready)
        }
    }
}

/// What is left of the buffers of a write that waited after a part of them was written, or of a
/// read that goes on after a part of them; `None` where not all is pinned yet.
pub(super) fn rest(thread: &mut Thread, call: &Files) -> Result<Option<Operands>, Unready> {
    let done = thread.done;
    let left = |span: Span, count: u64| {
        let left = count.min(MAX_RW_COUNT).saturating_sub(done).min(REST);
        Span::new(span.address.saturating_add(done), left)
    };
    let all = |iov: Iov| Iov { most: u32::MAX, ..iov };
    let operand = match *call {
        Files::Write { buffer: In(span), count, .. }
        | Files::Pwrite64 { buffer: In(span), count, .. } => Operand::In(In(left(span, count))),
        Files::Writev { buffers: IovIn(iov), .. }
        | Files::Pwritev { buffers: IovIn(iov), .. }
        | Files::Pwritev2 { buffers: IovIn(iov), .. } => {
            return rest_of(thread, Operand::IovIn(IovIn(all(iov))), done);
        }
        Files::Read { buffer: Out(span), count, .. }
        | Files::Pread64 { buffer: Out(span), count, .. }
        | Files::Getrandom { buffer: Out(span), count, .. } => Operand::Out(Out(left(span, count))),
        Files::Readv { buffers: IovOut(iov), .. }
        | Files::Preadv { buffers: IovOut(iov), .. }
        | Files::Preadv2 { buffers: IovOut(iov), .. } => {
            return rest_of(thread, Operand::IovOut(IovOut(all(iov))), done);
        }
        _ => return Operands::prepare(&thread.space, call.operands()).map(Some),
    };
    pin_wanted(thread, [Some(operand), None, None])
}

/// The next of many buffers, of which so many bytes are done.
pub(super) fn rest_of(
    thread: &mut Thread,
    operand: Operand,
    done: u64,
) -> Result<Option<Operands>, Unready> {
    let next = |iov: Iov| {
        let reached = done.saturating_add(REST).min(u64::from(iov.most));
        Iov { most: u32::try_from(reached).unwrap_or(u32::MAX), ..iov }
    };
    let operand = match operand {
        Operand::IovIn(iov) => Operand::IovIn(IovIn(next(iov.0))),
        Operand::IovOut(iov) => Operand::IovOut(IovOut(next(iov.0))),
        one => one,
    };
    pin_some(thread, [Some(operand), None, None], done)
}
