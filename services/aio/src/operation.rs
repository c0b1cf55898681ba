//! An operation with its control block and its buffer: what a program can do with it is safe.

use std::ffi::c_void;
use std::ops::Range;
use std::time::Duration;

use libc::{aiocb, c_int, sigval};
use vortex_guest::{Errno, Res};

use crate::{block, cancel, error, fsync, list, read, suspend, take, write};

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Sync(c_int),
}

/// An operation.
pub struct Operation {
    // Boxed: the kernel and the C library know it by its address.
    block: Box<aiocb>,
    bytes: Vec<u8>,
    kind: Kind,
    begun: bool,
}

// SAFETY: what the pointers in the block name is the operation's own.
unsafe impl Send for Operation {}

impl Operation {
    fn new(fd: c_int, kind: Kind, mut bytes: Vec<u8>, at: i64) -> Self {
        let mut block = Box::new(block(fd));
        crate::buffer(&mut block, &mut bytes, at);
        block.aio_lio_opcode = match kind {
            Kind::Read => libc::LIO_READ,
            Kind::Write => libc::LIO_WRITE,
            Kind::Sync(_) => libc::LIO_NOP,
        };
        Self { block, bytes, kind, begun: false }
    }

    /// A read of so many bytes from a place on.
    pub fn reads(fd: c_int, count: usize, at: i64) -> Self {
        Self::new(fd, Kind::Read, vec![0; count], at)
    }

    /// A write to a place.
    pub fn writes(fd: c_int, bytes: &[u8], at: i64) -> Self {
        Self::new(fd, Kind::Write, bytes.to_vec(), at)
    }

    /// A read from a place on into a part of a buffer, which [`Self::into_bytes`] gives back.
    pub fn reads_into(fd: c_int, bytes: Vec<u8>, part: Range<usize>, at: i64) -> Self {
        Self::new(fd, Kind::Read, bytes, at).within(part)
    }

    /// A write to a place out of a part of a buffer, which [`Self::into_bytes`] gives back.
    pub fn writes_from(fd: c_int, bytes: Vec<u8>, part: Range<usize>, at: i64) -> Self {
        Self::new(fd, Kind::Write, bytes, at).within(part)
    }

    /// The same with this part of its buffer alone.
    fn within(mut self, part: Range<usize>) -> Self {
        let part = self.bytes.get_mut(part).unwrap_or_default();
        (self.block.aio_buf, self.block.aio_nbytes) = (part.as_mut_ptr().cast(), part.len());
        self
    }

    /// What was written before is to be on the device (`O_SYNC` or `O_DSYNC`).
    pub fn syncs(fd: c_int, how: c_int) -> Self {
        Self::new(fd, Kind::Sync(how), Vec::new(), 0)
    }

    /// The same with so many bytes at an address that need not be good.
    ///
    /// # Safety
    /// For a read, nobody may mind what is written there.
    pub unsafe fn at_address(mut self, address: usize, count: usize) -> Self {
        self.block.aio_buf = address as *mut c_void;
        self.block.aio_nbytes = count;
        self
    }

    /// When it has ended a signal says so, with a value.
    pub fn with_signal(mut self, signal: c_int, value: usize) -> Self {
        self.block.aio_sigevent.sigev_notify = libc::SIGEV_SIGNAL;
        self.block.aio_sigevent.sigev_signo = signal;
        self.block.aio_sigevent.sigev_value.sival_ptr = value as *mut c_void;
        self
    }

    /// When it has ended a thread does this.
    pub fn with_thread(mut self, function: extern "C" fn(sigval), value: usize) -> Self {
        let event = &mut self.block.aio_sigevent;
        event.sigev_notify = libc::SIGEV_THREAD;
        event.sigev_value.sival_ptr = value as *mut c_void;
        crate::thread::set_function(event, function);
        self
    }

    /// The next time it is about this descriptor.
    pub fn set_descriptor(&mut self, fd: c_int) {
        self.block.aio_fildes = fd;
    }

    /// The next time it is about this place of the file.
    pub fn set_place(&mut self, at: i64) {
        self.block.aio_offset = at;
    }

    /// Begins it.
    pub fn begin(&mut self) -> Res<()> {
        let block = &raw mut *self.block;
        // Block and buffer stay for as long as this lives, whose end waits for the operation's.
        let begun = match self.kind {
            // SAFETY: as above.
            Kind::Read => unsafe { read(block) },
            // SAFETY: as above.
            Kind::Write => unsafe { write(block) },
            // SAFETY: as above.
            Kind::Sync(how) => unsafe { fsync(how, block) },
        };
        self.begun = begun.is_ok();
        begun
    }

    /// How it stands.
    pub fn error(&self) -> c_int {
        // SAFETY: it is a block of an operation, or of zeros.
        unsafe { error(&raw const *self.block) }
    }

    /// Whether it has ended, for who does not want what it has read yet.
    pub fn has_ended(&self) -> bool {
        if !crate::is_vortex() {
            return self.error() != libc::EINPROGRESS;
        }
        // SAFETY: it is a block of an operation.
        unsafe { crate::state::error(self.address()) != libc::EINPROGRESS }
    }

    /// The block's address, for those that wait for several.
    pub fn address(&self) -> *const aiocb {
        &raw const *self.block
    }

    /// Waits for its end.
    pub fn wait(&self, limit: Option<Duration>) -> Res<()> {
        // SAFETY: it is a block of an operation.
        unsafe { suspend(&[self.address()], limit) }
    }

    /// Waits for its end, whatever signals come, and takes its result.
    pub fn take(&mut self) -> Res<usize> {
        while self.begun && self.wait(None) == Err(Errno(libc::EINTR)) {}
        self.begun = false;
        // SAFETY: it is a block of an operation.
        unsafe { take(&raw mut *self.block) }
    }

    /// Ends it before its time, if that can be.
    pub fn cancel(&mut self) -> Res<c_int> {
        // SAFETY: it is a block of an operation.
        unsafe { cancel(self.block.aio_fildes, &raw mut *self.block) }
    }

    /// What it has read, or is to write.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its buffer. If it has not ended, it is ended first.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.end();
        std::mem::take(&mut self.bytes)
    }

    /// Nothing is under way after this.
    fn end(&mut self) {
        if self.begun {
            let _ = self.cancel();
            let _ = self.take();
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.end();
    }
}

/// Begins all of these, and waits for all or not; where it does not, a signal with a value may
/// say that all have ended.
pub fn begin_all(
    mode: c_int,
    operations: &mut [Operation],
    signal: Option<(c_int, usize)>,
) -> Res<()> {
    let blocks: Vec<*mut aiocb> =
        operations.iter_mut().map(|operation| &raw mut *operation.block).collect();
    let event = signal.map(|(signal, value)| {
        let mut event = block(0).aio_sigevent;
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = signal;
        event.sigev_value.sival_ptr = value as *mut c_void;
        event
    });
    // musl keeps where it is, and reads it when all have ended.
    let event = event.map(|event| &*Box::leak(Box::new(event)));
    // SAFETY: as of `begin`.
    let done = unsafe { list(mode, &blocks, event) };
    operations.iter_mut().for_each(|operation| operation.begun = true);
    done
}

/// Waits until one of these has ended.
pub fn wait_any<'a>(
    operations: impl IntoIterator<Item = &'a Operation>,
    limit: Option<Duration>,
) -> Res<()> {
    let blocks: Vec<*const aiocb> = operations.into_iter().map(Operation::address).collect();
    // SAFETY: they are blocks of operations.
    unsafe { suspend(&blocks, limit) }
}
