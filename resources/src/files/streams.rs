//! Moving bytes: reading, writing, and the console.

use core::any::Any;

use vortex_abi::{Errno, Files};
use vortex_files::{
    Dev, Fd, Object, OpenId, Outcome as Moved, Side, Sink, Source, WINDOW, WaitKey,
};
use vortex_grid::{Context, Labels};
use vortex_units::Bytes;

use super::disks::Wish;
use super::request::{FileCall, MAX_RW_COUNT};
use super::resource::{Done, FileSystem};
use crate::Mail;
use crate::cache::CacheFrame;
use crate::memory::Pinned;
use crate::process::signals::Signal;
use crate::process::{Pid, ProcessRequest};

/// Bytes that one run writes to the console: its device takes one at a time.
const CHUNK: usize = 256;
/// What a reader of the console waits for.
pub(super) const CONSOLE: WaitKey = WaitKey { object: u64::MAX, side: Side::Readable };

/// A place in a pinned buffer, to be filled from there on or emptied.
pub(super) struct Cursor<'a> {
    pub buffer: &'a Pinned,
    pub at: usize,
    /// All of it at once, in however many pieces it lies.
    pub whole: bool,
}

impl Cursor<'_> {
    fn rest(&self) -> usize {
        self.buffer.some_from(self.at, if self.whole { usize::MAX } else { PIECES })
    }
}

/// Pieces of a buffer that are moved in one run.
const PIECES: usize = 192;

impl Sink for Cursor<'_> {
    fn room(&self) -> usize {
        self.rest()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        self.at += self.buffer.write(self.at, bytes);
        Ok(())
    }

    fn put_from(&mut self, page: &dyn Any, within: usize, bytes: usize) -> Option<usize> {
        let CacheFrame(page) = page.downcast_ref()?;
        let took = self.buffer.write_from(self.at, page, within, bytes);
        self.at += took;
        Some(took)
    }
}

impl Source for Cursor<'_> {
    fn left(&self) -> usize {
        self.rest()
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<(), Errno> {
        self.at += self.buffer.read(self.at, bytes);
        Ok(())
    }

    fn take_into(&mut self, page: &dyn Any, within: usize, bytes: usize) -> Option<usize> {
        let CacheFrame(page) = page.downcast_ref()?;
        let gave = self.buffer.read_into(self.at, page, within, bytes);
        self.at += gave;
        Some(gave)
    }
}

type Cx<'a> = Context<'a, Mail>;

impl FileSystem {
    pub(super) fn open_of(&self, call: &FileCall, fd: vortex_abi::Fd) -> Result<OpenId, Errno> {
        self.files.get(&call.files).ok_or(Errno::EBADF)?.table.get(Fd::new(fd.0))
    }

    /// Reads a piece; what is read already counts, whatever happens then.
    pub(super) fn read(
        &mut self,
        call: &mut FileCall,
        fd: vortex_abi::Fd,
        operand: usize,
        offset: Option<i64>,
        cx: &mut Cx<'_>,
    ) -> Result<Done, Errno> {
        match self.read_piece(call, fd, operand, offset, cx) {
            Err(_) if call.done > 0 && !call.walks.get_mut().stops() => {
                Ok(Done::Value(call.done as u64))
            }
            result => result,
        }
    }

    fn read_piece(
        &mut self,
        call: &mut FileCall,
        fd: vortex_abi::Fd,
        operand: usize,
        offset: Option<i64>,
        cx: &mut Cx<'_>,
    ) -> Result<Done, Errno> {
        let open = self.open_of(call, fd)?;
        let Ok(buffer) = call.operands.buffer(operand) else {
            return self.without_buffer(call, open, false);
        };
        if call.is_cut_short() && is_endless(&self.root.object(open)?) {
            return Ok(Done::Value(call.done as u64));
        }
        let (before, length) = (call.done, buffer.len());
        if before == 0 {
            self.check_direct(call, (open, operand), offset, false)?;
        }
        let mut sink = Cursor { buffer, at: before, whole: false };
        let some = sink.room();
        let reached = call.before.saturating_add(before as u64);
        let offset = offset.map(|offset| offset.saturating_add_unsigned(reached));
        let system = self.system.clone();
        let moved = self.with(call, cx, |root, caller, effects| {
            let mut random = |bytes: &mut [u8]| system.random.lock().fill(bytes);
            root.read(caller, open, offset, &mut sink, &mut random, effects)
        })?;
        match moved {
            Moved::Done(bytes) => {
                cx.moved(Bytes::new(bytes as u64));
                let all = before + bytes;
                // What never ends comes in pieces, until all is there.
                let object = self.root.object(open)?;
                // So does a file, a window or very many places at a time, until it ends.
                let behind = offset.map(|offset| offset.saturating_add_unsigned(bytes as u64));
                let whole = bytes == some.min(WINDOW);
                let goes_on = || bytes > 0 && self.root.goes_on(open, behind);
                let file = Object::File == object && (whole || goes_on());
                let has_more = file || (bytes > 0 && is_endless(&object));
                if has_more && bytes > 0 && all < length {
                    call.done = all;
                    return Ok(Done::More);
                }
                let rest = has_more && call.has_rest(all);
                let done = if rest { Done::Rest(all as u64) } else { Done::Value(all as u64) };
                match object {
                    Object::File => {
                        let end = behind.map(i64::unsigned_abs);
                        self.follow(call, open, end, done, false)
                    }
                    _ => Ok(done),
                }
            }
            Moved::WouldBlock(_) if call.expired => Err(Errno::EAGAIN),
            Moved::WouldBlock(key) => {
                let deadline = self.socket_deadline(call, open, false, cx);
                Ok(Done::Wait([key].into(), deadline))
            }
            Moved::Device(_) => Ok(self.read_console(buffer)),
            Moved::Disk { dev, at, left } => {
                let moves = offset.is_none();
                self.read_disk(call, &Wish { open, dev, operand, moves, at, left })
            }
            Moved::External(tag) => self.network_call(call, open, tag, cx),
            Moved::Signals(mask) => self.read_signals(call, open, operand, mask),
            Moved::More => Ok(Done::More),
        }
    }

    /// A call whose buffer is not there: devices that do not look at one do not miss it.
    fn without_buffer(&self, call: &FileCall, open: OpenId, writes: bool) -> Result<Done, Errno> {
        let (may_read, may_write) = self.root.rights(open)?;
        if !(if writes { may_write } else { may_read }) {
            return Err(Errno::EBADF);
        }
        match (self.root.object(open)?, call.call) {
            (Object::Device(Dev::NULL | Dev::ZERO), Files::Write { count, .. }) => {
                Ok(Done::Value(count.min(MAX_RW_COUNT)))
            }
            (Object::Device(Dev::FULL), Files::Write { .. }) => Err(Errno::ENOSPC),
            (Object::Device(Dev::NULL), Files::Read { .. }) => Ok(Done::Value(0)),
            _ => Err(Errno::EFAULT),
        }
    }

    /// Takes what the console's device has; true if there may be more.
    pub(super) fn input(&mut self, cx: &mut Cx<'_>) -> bool {
        let mut bytes = [0; 64];
        let count = vortex_machine::console_read(&mut bytes);
        let interrupt = self.terminal.typed(bytes.get(..count).unwrap_or_default());
        if interrupt && let Some(ports) = self.system.ports.get() {
            let request = ProcessRequest::Key(self.terminal.foreground, Signal::INT, Pid(0));
            let _ = cx.send(ports.process, Labels::NONE, request);
        }
        if self.terminal.is_readable() {
            self.wake_for(CONSOLE);
        }
        count == bytes.len()
    }

    fn read_console(&mut self, buffer: &Pinned) -> Done {
        if buffer.is_empty() {
            return Done::Value(0);
        }
        match self.terminal.read(buffer.len()) {
            Some(line) => Done::Value(buffer.write(0, &line) as u64),
            None => Done::Wait([CONSOLE].into(), None),
        }
    }

    /// Writes a piece; what is written already counts, whatever happens then.
    pub(super) fn write(
        &mut self,
        call: &mut FileCall,
        fd: vortex_abi::Fd,
        operand: usize,
        offset: Option<i64>,
        cx: &mut Cx<'_>,
    ) -> Result<Done, Errno> {
        match self.write_piece(call, fd, operand, offset, cx) {
            Err(_) if call.done > 0 => {
                let done = Done::Value(call.done as u64);
                if call.walks.get_mut().stops() {
                    return Ok(done);
                }
                let open = self.open_of(call, fd)?;
                let end = offset.map(|at| at.unsigned_abs().saturating_add(call.reached()));
                self.follow(call, open, end, done, true)
            }
            result => result,
        }
    }

    fn write_piece(
        &mut self,
        call: &mut FileCall,
        fd: vortex_abi::Fd,
        operand: usize,
        offset: Option<i64>,
        cx: &mut Cx<'_>,
    ) -> Result<Done, Errno> {
        let open = self.open_of(call, fd)?;
        let Ok(buffer) = call.operands.buffer(operand) else {
            return self.without_buffer(call, open, true);
        };
        let length = buffer.len();
        if call.done == 0 {
            self.check_direct(call, (open, operand), offset, true)?;
        }
        let mut source = Cursor { buffer, at: call.done, whole: false };
        let offset = offset.map(|offset| offset.saturating_add_unsigned(call.reached()));
        let moved = self.with(call, cx, |root, caller, effects| {
            root.write(caller, open, offset, &mut source, effects)
        });
        let written = match moved {
            Ok(Moved::Done(bytes)) => bytes,
            Ok(Moved::WouldBlock(_)) if call.expired => return Err(Errno::EAGAIN),
            Ok(Moved::WouldBlock(key)) => {
                let deadline = self.socket_deadline(call, open, true, cx);
                return Ok(Done::Wait([key].into(), deadline));
            }
            Ok(Moved::Device(_)) => {
                let mut bytes = [0; CHUNK];
                let count = buffer.read(call.done, &mut bytes);
                self.terminal.write(bytes.get(..count).unwrap_or_default());
                count
            }
            Ok(Moved::Disk { dev, at, left }) => {
                let moves = offset.is_none();
                return self.write_disk(call, &Wish { open, dev, operand, moves, at, left });
            }
            Ok(Moved::External(tag)) => return self.network_call(call, open, tag, cx),
            Ok(Moved::More | Moved::Signals(_)) => return Err(Errno::EINVAL),
            Err(error) => {
                if error == Errno::EPIPE && self.root.raises_pipe(open) {
                    call.thread.raise(Signal::PIPE);
                }
                return Err(error);
            }
        };
        cx.moved(Bytes::new(written as u64));
        call.done += written;
        let done = match written > 0 && call.done < length {
            true => return Ok(Done::More),
            false if written > 0 && call.has_rest(call.done) => Done::Rest(call.done as u64),
            false => Done::Value(call.done as u64),
        };
        let end = offset.map(|at| at.unsigned_abs().saturating_add(written as u64));
        self.follow(call, open, end, done, true)
    }
}

/// Whether as much can be read of it as is asked for.
fn is_endless(object: &Object) -> bool {
    matches!(object, Object::Device(Dev::RANDOM | Dev::URANDOM | Dev::ZERO | Dev::FULL))
}
