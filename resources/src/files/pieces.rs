//! Calls that are done a piece at a time: random bytes, room for a file, and a copy from one
//! file to another.

use vortex_abi::Errno;
use vortex_files::{OpenId, Sought};

use super::calls::{Cx, Result};
use super::request::{FileCall, MAX_RW_COUNT};
use super::resource::{Done, FileSystem};
use crate::process::signals::Signal;

/// Random bytes made in one run.
const RANDOM_PIECE: usize = 1024;

impl FileSystem {
    /// getrandom(2), a piece at a time.
    pub(super) fn random(&self, call: &mut FileCall, flags: u32) -> Result {
        const NONBLOCK: u32 = 1;
        const RANDOM: u32 = 2;
        const INSECURE: u32 = 4;
        let both = RANDOM | INSECURE;
        if flags & !(NONBLOCK | both) != 0 || flags & both == both {
            return Err(Errno::EINVAL);
        }
        if call.is_cut_short() {
            return Ok(Done::Value(call.done as u64));
        }
        let buffer = call.operands.buffer(0)?;
        let end = buffer.len().min(call.done.saturating_add(RANDOM_PIECE));
        let mut piece = [0; 64];
        while call.done < end {
            let part = piece.get_mut(..(end - call.done).min(64)).unwrap_or_default();
            self.system.random.lock().fill(part);
            call.done += buffer.write(call.done, part);
        }
        Ok(match () {
            () if end < buffer.len() => Done::More,
            () if call.has_rest(end) => Done::Rest(end as u64),
            () => Done::Value(end as u64),
        })
    }

    /// lseek(2); a hole behind very many pages is looked for in further runs.
    pub(super) fn seek(
        &mut self,
        call: &mut FileCall,
        fd: vortex_abi::Fd,
        offset: i64,
        whence: u32,
    ) -> Result {
        let open = self.open_of(call, fd)?;
        let from = if call.done > 0 { call.done as i64 } else { offset };
        match self.root.seek_some(open, from, whence)? {
            Sought::At(found) => Ok(Done::Value(found)),
            Sought::Behind(next) => {
                call.done = usize::try_from(next).unwrap_or(usize::MAX);
                Ok(Done::More)
            }
        }
    }

    /// fallocate(2), a step at a time.
    pub(super) fn allocate(
        &mut self,
        call: &mut FileCall,
        fd: vortex_abi::Fd,
        mode: u32,
        (offset, length): (i64, i64),
        cx: &Cx<'_>,
    ) -> Result {
        let open = self.open_of(call, fd)?;
        let done = call.done as i64;
        let rest = (offset.saturating_add(done), length.saturating_sub(done));
        let more = self
            .with(call, cx, |root, caller, _| root.allocate(caller, open, mode, rest.0, rest.1))?;
        call.done = call.done.saturating_add(usize::try_from(more).unwrap_or(usize::MAX));
        Ok(if more == 0 || call.done as i64 >= length { Done::Value(0) } else { Done::More })
    }

    /// Copies through the kernel, a page in each run, until there is no more or all is copied.
    /// With each open file comes the operand that says where, and is told where it has come to;
    /// without one that is where the file is. What is copied already counts, whatever happens
    /// then.
    pub(super) fn copy(
        &mut self,
        call: &mut FileCall,
        from: (OpenId, Option<usize>),
        to: (OpenId, Option<usize>),
        count: u64,
        cx: &Cx<'_>,
    ) -> Result {
        match self.copy_piece(
            call,
            from,
            to,
            count.min(MAX_RW_COUNT).saturating_sub(call.reached()),
            cx,
        ) {
            Ok(Done::Value(0)) => self.copied(call, to),
            Ok(Done::Value(moved)) => {
                call.done = call.done.saturating_add(moved as usize);
                let all = call.reached() >= count.min(MAX_RW_COUNT);
                if all { self.copied(call, to) } else { Ok(Done::More) }
            }
            Err(_) if call.done > 0 && !call.walks.get_mut().stops() => self.copied(call, to),
            result => result,
        }
    }

    /// What there is to be copied is.
    fn copied(&self, call: &mut FileCall, (to, place): (OpenId, Option<usize>)) -> Result {
        let done = Done::Value(call.done as u64);
        // What was told of where it goes on is where this has come to.
        let end = offset(call, place)?.map(i64::unsigned_abs);
        self.follow(call, to, end, done, true)
    }

    fn copy_piece(
        &mut self,
        call: &FileCall,
        (from, from_at): (OpenId, Option<usize>),
        (to, to_at): (OpenId, Option<usize>),
        left: u64,
        cx: &Cx<'_>,
    ) -> Result {
        let (offset, other) = (offset(call, from_at)?, offset(call, to_at)?);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(vortex_machine::PAGE);
        let mut collected = vortex_files::Collect::new(most);
        let system = self.system.clone();
        let read = self.with(call, cx, |root, caller, effects| {
            let mut random = |bytes: &mut [u8]| system.random.lock().fill(bytes);
            root.read(caller, from, offset, &mut collected, &mut random, effects)
        })?;
        match read {
            vortex_files::Outcome::Done(_) => {}
            vortex_files::Outcome::More => return Ok(Done::More),
            _ => return Err(Errno::EINVAL),
        }
        let bytes = collected.into_bytes();
        let mut source = &bytes[..];
        let written = self.with(call, cx, |root, caller, effects| {
            root.write(caller, to, other, &mut source, effects)
        });
        // What was read and is not written is read again.
        let back = |root: &mut vortex_files::Root, bytes: usize| {
            if offset.is_none() && bytes > 0 {
                let _ = root.seek(from, -(bytes as i64), 1);
            }
        };
        let Ok(written) = written else {
            back(&mut self.root, bytes.len());
            if written.as_ref().is_err_and(|error| *error == Errno::EPIPE)
                && self.root.raises_pipe(to)
            {
                call.thread.raise(Signal::PIPE);
            }
            return written.map(|_| Done::More);
        };
        let moved = match written {
            vortex_files::Outcome::Done(moved) => moved,
            vortex_files::Outcome::Device(_) => {
                self.terminal.write(&bytes);
                bytes.len()
            }
            vortex_files::Outcome::WouldBlock(key) => {
                back(&mut self.root, bytes.len());
                if call.expired {
                    return Err(Errno::EAGAIN);
                }
                let deadline = self.socket_deadline(call, to, true, cx);
                return Ok(Done::Wait([key].into(), deadline));
            }
            vortex_files::Outcome::Disk { .. }
            | vortex_files::Outcome::External(_)
            | vortex_files::Outcome::Signals(_)
            | vortex_files::Outcome::More => {
                return Err(Errno::EINVAL);
            }
        };
        let tell = |place: Option<usize>, offset: Option<i64>| match (place, offset) {
            (Some(place), Some(offset)) => {
                call.operands.give(place, &offset.saturating_add(moved as i64).to_le_bytes())
            }
            _ => Ok(()),
        };
        tell(from_at, offset)?;
        tell(to_at, other)?;
        back(&mut self.root, bytes.len().saturating_sub(moved));
        Ok(Done::Value(moved as u64))
    }
}

/// Where to, as the operand in this place says; `None` where it was not given.
pub(super) fn offset(
    call: &FileCall,
    place: Option<usize>,
) -> core::result::Result<Option<i64>, Errno> {
    match place.filter(|&place| call.operands.buffer(place).is_ok()) {
        Some(place) => Ok(Some(i64::from_le_bytes(call.operands.bytes_of::<8>(place)?))),
        None => Ok(None),
    }
}
