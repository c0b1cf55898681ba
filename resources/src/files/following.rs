//! What follows when a call has moved bytes of a file: it is open with `O_DSYNC` or `O_SYNC`, and
//! what was written is on the medium before the call returns; or with `O_DIRECT`, and what has
//! moved has gone to its device and is not kept in memory.
//!
//! A call that waits for this has its result: it is not made again, whatever becomes of that.

use alloc::boxed::Box;

use vortex_abi::linux::general::{O_DSYNC, O_SYNC, RWF_DSYNC, RWF_SYNC};
use vortex_abi::{Errno, Files};
use vortex_files::{Ask, Follows, Object, OpenId, Then};
use vortex_grid::Outcome;

use super::asks::For;
use super::calls::{Cx, Result};
use super::request::FileCall;
use super::resource::{Done, FileSystem, Next};
use crate::Answer;

/// What places and lengths are multiples of with `O_DIRECT`: the blocks of a disk.
const BLOCK: u64 = 512;
/// And addresses: the words that Linux's SCSI wants.
const WORD: u16 = 4;

/// A call that has moved its bytes, and waits for what follows.
pub(super) struct Following {
    moved: Moved,
    then: Option<Ask>,
    /// The open file that they have moved, which they have not if that fails.
    open: Option<OpenId>,
}

/// What it answers at last.
#[derive(Clone, Copy)]
pub(super) enum Moved {
    /// So many bytes.
    All(u64),
    /// So many, and it is made again for the rest.
    Some(u64),
}

impl Following {
    pub fn of(moved: Moved) -> Box<Self> {
        Box::new(Self { moved, then: None, open: None })
    }

    /// It has what it has waited for.
    pub fn ended(&self) -> Next {
        Outcome::Reply(match self.moved {
            Moved::All(bytes) => Answer::Call(Ok(bytes)),
            Moved::Some(bytes) => Answer::GoOn(bytes),
        })
    }
}

/// The flags of an open file that a call has for itself: those of preadv2(2) and pwritev2(2).
fn besides(call: &FileCall) -> u32 {
    match call.call {
        Files::Pwritev2 { flags, .. } if flags & RWF_SYNC != 0 => O_SYNC,
        Files::Pwritev2 { flags, .. } if flags & RWF_DSYNC != 0 => O_DSYNC,
        _ => 0,
    }
}

impl FileSystem {
    /// With `O_DIRECT` a file on a disk is moved by its disk's blocks.
    ///
    /// # Errors
    /// `EINVAL` where place, length or address is no multiple of one.
    pub(super) fn check_direct(
        &self,
        call: &FileCall,
        (open, operand): (OpenId, usize),
        offset: Option<i64>,
        writes: bool,
    ) -> core::result::Result<(), Errno> {
        let Some(place) = self.root.direct_place(open, offset, writes)? else { return Ok(()) };
        let buffer = call.operands.buffer(operand)?;
        // Of one buffer it is known how long it is in all.
        let length = match call.call {
            Files::Read { count, .. }
            | Files::Pread64 { count, .. }
            | Files::Write { count, .. }
            | Files::Pwrite64 { count, .. } => count,
            _ => buffer.len() as u64,
        };
        let whole = |number: u64| number.is_multiple_of(BLOCK);
        let fits = length == 0 || whole(place) && whole(length) && buffer.is_aligned(WORD);
        if fits { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// What a call that has moved bytes of an open file, up to `end` where a place was given,
    /// waits for before it answers this.
    #[inline]
    pub(super) fn follow(
        &self,
        call: &mut FileCall,
        open: OpenId,
        end: Option<u64>,
        done: Done,
        writes: bool,
    ) -> Result {
        if self.root.is_followed(open, besides(call))? {
            self.follow_so(call, open, end, done, writes)
        } else {
            Ok(done)
        }
    }

    #[cold]
    fn follow_so(
        &self,
        call: &mut FileCall,
        open: OpenId,
        end: Option<u64>,
        done: Done,
        writes: bool,
    ) -> Result {
        let moved = match done {
            Done::Value(bytes) if bytes > 0 => Moved::All(bytes),
            Done::Rest(bytes) => Moved::Some(bytes),
            done => return Ok(done),
        };
        let (Moved::All(bytes) | Moved::Some(bytes)) = moved;
        let moves = end.is_none();
        let end = self.root.place_of(open, end, writes)?;
        let range = (end.saturating_sub(bytes), end);
        let Follows { sync, evict } = self.root.follows(open, besides(call), range, writes)?;
        let (first, then) = match sync {
            Some(sync) => (Some(sync), evict),
            None => (evict, None),
        };
        let Some(first) = first else { return Ok(done) };
        let open = (writes && moves).then_some(open);
        call.following = Some(Box::new(Following { moved, then, open }));
        Ok(Done::Ask(first))
    }

    /// What a call waits for that has moved its bytes is there, or has failed.
    pub(super) fn followed(
        &mut self,
        call: &mut FileCall,
        mut following: Box<Following>,
        then: core::result::Result<Then, Errno>,
        cx: &mut Cx<'_>,
    ) -> Next {
        match (then, following.then.take()) {
            (Err(error), _) => {
                // As on Linux, it is where it was.
                let (Moved::All(bytes) | Moved::Some(bytes)) = following.moved;
                let back = i64::try_from(bytes).unwrap_or(0);
                let _gone = following.open.map(|open| self.root.seek(open, -back, 1));
                Outcome::Reply(Answer::Failed(error))
            }
            (Ok(_), Some(next)) => {
                call.following = Some(following);
                self.ask_to_follow(call, next, cx)
            }
            (Ok(_), None) => following.ended(),
        }
    }

    /// Asks what follows. Where that is not to be had the call has failed: it is not made again.
    pub(super) fn ask_to_follow(&mut self, call: &FileCall, ask: Ask, cx: &mut Cx<'_>) -> Next {
        match self.keep_for_answer(For::Call(call.thread.tid), ask, cx) {
            Outcome::Reply(Answer::Call(Err(error))) => Outcome::Reply(Answer::Failed(error)),
            next => next,
        }
    }

    /// Whether what is written to an open disk is to be on the medium.
    pub(super) fn disk_lasts(&self, call: &FileCall, open: OpenId) -> bool {
        let disk = matches!(self.root.object(open), Ok(Object::Disk(_)));
        disk && self.root.lasts(open, besides(call))
    }
}
