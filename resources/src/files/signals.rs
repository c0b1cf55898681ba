//! Signals that are read (`signalfd`): those that wait for the reader, or for its process.
//!
//! Whose signals they are is said by who asks, not by who made the descriptor, as on Linux. A
//! process that has asked is marked: whoever sends it a signal tells the file resource
//! ([`FileRequest::Signalled`]). First the mark is set, then it is looked: so one of both is seen.

use core::sync::atomic::Ordering;

use vortex_abi::linux::general::O_CLOEXEC;
use vortex_abi::{Errno, Files};
use vortex_files::{OpenId, SIGNALS, Side, WaitKey};

use super::calls::{Cx, Result};
use super::request::FileCall;
use super::resource::{Done, FileSystem};
use crate::bill::owner_of;
use crate::process::signals::{Detail, Info, SignalSet};
use crate::process::{Pid, ThreadState};

/// `struct signalfd_siginfo`.
const SIZE: usize = 128;
/// Signals that are read in one run.
const READ: usize = 16;

/// What who waits for a process's signals waits for.
pub(super) fn key(pid: Pid) -> WaitKey {
    WaitKey { object: SIGNALS | pid.0 as u64, side: Side::Readable }
}

/// Whether any of these signals waits for a thread, which will be told from now on.
pub(super) fn waiting(thread: &ThreadState, mask: u64) -> bool {
    thread.process.reads_signals.store(true, Ordering::SeqCst);
    let own = thread.pending.lock().set();
    let all = own.union(thread.process.pending.lock().set());
    all.bits() & mask != 0
}

impl FileSystem {
    /// signalfd4(2).
    pub(super) fn signal_file(&mut self, call: &mut FileCall, cx: &mut Cx<'_>) -> Result {
        let (fd, size, flags) = match call.call {
            Files::Signalfd { fd, size, .. } => (fd, size, 0),
            Files::Signalfd4 { fd, size, flags, .. } => (fd, size, flags),
            _ => return Err(Errno::ENOSYS),
        };
        if size != 8 {
            return Err(Errno::EINVAL);
        }
        let bits = u64::from_le_bytes(call.operands.bytes_of::<8>(0)?);
        let mask = SignalSet::from_bits(bits).blockable().bits();
        call.thread.process.reads_signals.store(true, Ordering::SeqCst);
        if fd.0 != -1 {
            let open = self.open_of(call, fd)?;
            self.root.set_signals(open, mask)?;
            self.wake_for(key(call.thread.process.pid));
            return Ok(Done::Value(fd.0 as u64));
        }
        self.limited(call)?.table.make_room(1)?;
        let now = self.time(cx.now());
        let open = self.root.signals(mask, flags, owner_of(cx.root()), now)?;
        let fd = self.install(call, open, flags & O_CLOEXEC != 0)?;
        Ok(Done::Value(fd.get() as u64))
    }

    /// Reads signals of these that wait.
    pub(super) fn read_signals(
        &mut self,
        call: &mut FileCall,
        open: OpenId,
        operand: usize,
        mask: u64,
    ) -> Result {
        let buffer = call.operands.buffer(operand)?;
        let most = buffer.len() / SIZE;
        if most == 0 {
            return Err(Errno::EINVAL);
        }
        let thread = &call.thread;
        let others = SignalSet::from_bits(!mask);
        let mut count = 0;
        if waiting(thread, mask) {
            while count < most.min(READ) {
                let own = thread.pending.lock().take(others);
                let taken = own.or_else(|| thread.process.pending.lock().take(others));
                let Some(info) = taken else { break };
                buffer.write(count * SIZE, &told(&info));
                count += 1;
            }
        }
        if count > 0 {
            return Ok(Done::Value((count * SIZE) as u64));
        }
        if self.root.is_nonblocking(open)? {
            return Err(Errno::EAGAIN);
        }
        Ok(Done::Wait([key(thread.process.pid)].into(), None))
    }
}

/// A signal as a reader gets it.
fn told(info: &Info) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    let mut put = |at: usize, word: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at + word.len()) {
            place.copy_from_slice(word);
        }
    };
    put(0, &(info.signal.number() as u32).to_le_bytes());
    put(4, &info.errno.to_le_bytes());
    put(8, &info.code.to_le_bytes());
    let mut sender = |pid: Pid, uid: u32| {
        put(12, &pid.0.to_le_bytes());
        put(16, &uid.to_le_bytes());
    };
    match info.detail {
        Detail::Sender { pid, uid } => sender(pid, uid),
        Detail::Queued { pid, uid, value } => {
            sender(pid, uid);
            put(44, &(value as u32).to_le_bytes());
            put(48, &value.to_le_bytes());
        }
        Detail::Timer { timer, overrun, value } => {
            put(24, &timer.to_le_bytes());
            put(32, &overrun.to_le_bytes());
            put(44, &(value as u32).to_le_bytes());
            put(48, &value.to_le_bytes());
        }
        Detail::Child { pid, uid, status, user, system } => {
            sender(pid, uid);
            put(40, &status.to_le_bytes());
            put(56, &user.to_le_bytes());
            put(64, &system.to_le_bytes());
        }
        Detail::Fault { address } => put(72, &address.to_le_bytes()),
        Detail::Call { .. } => {}
    }
    bytes
}
