//! What TCPR answers, and how the call goes on with it.

use vortex_abi::linux::net::{MSG_DONTWAIT, MSG_NOSIGNAL, MSG_TRUNC, MSG_WAITALL};
use vortex_abi::{Errno, Files};
use vortex_files::{Object, Side};
use vortex_grid::{At, Continuation, Outcome};
use vortex_units::Bytes;

use super::super::super::calls::{Cx, Result};
use super::super::super::request::{FileCall, FileRequest};
use super::super::super::resource::{Done, FileSystem, Next};
use super::super::send::{of_many, one_done};
use super::super::tell_address;
use super::{NetAsked, address};
use crate::network::{Moved, NetError, NetReply, Socket, ask, ready};
use crate::process::signals::Signal;
use crate::{Answer, Mail};

/// The places of what is told in `struct msghdr`.
const NAME: usize = 8;
const CONTROL: usize = 40;
const FLAGS: usize = 48;

/// The descriptor, and whether bytes go out.
fn about(call: &Files) -> Option<(vortex_abi::Fd, bool)> {
    match *call {
        Files::Read { fd, .. }
        | Files::Readv { fd, .. }
        | Files::Recvfrom { fd, .. }
        | Files::Recvmsg { fd, .. }
        | Files::Recvmmsg { fd, .. } => Some((fd, false)),
        Files::Write { fd, .. }
        | Files::Writev { fd, .. }
        | Files::Sendto { fd, .. }
        | Files::Sendmsg { fd, .. }
        | Files::Sendmmsg { fd, .. }
        | Files::Connect { fd, .. }
        | Files::Shutdown { fd, .. } => Some((fd, true)),
        Files::Sendfile { to, .. } => Some((to, true)),
        _ => None,
    }
}

fn flags_of(call: &Files) -> u32 {
    match *call {
        Files::Sendto { flags, .. }
        | Files::Sendmsg { flags, .. }
        | Files::Sendmmsg { flags, .. }
        | Files::Recvfrom { flags, .. }
        | Files::Recvmsg { flags, .. }
        | Files::Recvmmsg { flags, .. } => flags,
        _ => 0,
    }
}

impl FileSystem {
    /// Asks TCPR for a call, which waits for the answer: nobody else does, for a thread's calls
    /// have no order with others'.
    pub(in super::super::super) fn ask_network(&self, asked: NetAsked, cx: &mut Cx<'_>) -> Next {
        let NetAsked(asked) = asked;
        let network = self.system.network.get();
        match network.map(|network| ask(&network.wiring, asked, cx)) {
            Some(Ok(trigger)) => Outcome::Pending(trigger, At::routine::<Answered>()),
            _ => Outcome::Reply(Answer::Call(Err(Errno::ENOMEM))),
        }
    }

    /// A call goes on with what TCPR has answered.
    fn moved_network(
        &mut self,
        call: &mut FileCall,
        result: core::result::Result<Moved, NetError>,
        cx: &mut Cx<'_>,
    ) -> Result {
        let (fd, sends) = about(&call.call).ok_or(Errno::EINVAL)?;
        let from_file = call.from_file.take();
        match result {
            Ok(_) if matches!(call.call, Files::Shutdown { .. } | Files::Connect { .. }) => {
                Ok(Done::Value(0))
            }
            Ok(moved) => {
                cx.moved(Bytes::new(moved.bytes as u64));
                if let Some(from) = from_file {
                    return self.sent_file(call, &from, moved.bytes);
                }
                if sends { self.sent_network(call, moved) } else { received(call, moved) }
            }
            Err(NetError::InProgress) => {
                let open = self.open_of(call, fd)?;
                if self.root.is_nonblocking(open)? {
                    return Err(Errno::EINPROGRESS);
                }
                // It is looked at as one that was begun.
                Ok(Done::More)
            }
            Err(NetError::WouldBlock) => {
                let socket = self.socket_of(call, fd)?;
                self.blocks_network(call, &socket, sends, cx)
            }
            // What is done counts.
            Err(_) if call.done > 0 => one_done(call, call.done),
            Err(error) => {
                let quiet = flags_of(&call.call) & MSG_NOSIGNAL != 0;
                if sends && error == NetError::Pipe && !quiet {
                    call.thread.raise(Signal::PIPE);
                }
                Err(error.errno())
            }
        }
    }

    fn sent_network(&mut self, call: &mut FileCall, moved: Moved) -> Result {
        call.done += moved.bytes;
        let length = call.operands.buffer(0).map_or(0, |buffer| buffer.len());
        let (fd, _) = about(&call.call).ok_or(Errno::EINVAL)?;
        let stream = self.socket_of(call, fd)?.is_stream();
        if stream && call.done < length {
            return Ok(Done::More);
        }
        let all = call.before.saturating_add(call.done as u64);
        if stream && moved.bytes > 0 && all < call.shape.whole {
            return Ok(Done::Rest(call.done as u64));
        }
        one_done(call, call.done)
    }

    fn socket_of(
        &mut self,
        call: &FileCall,
        fd: vortex_abi::Fd,
    ) -> core::result::Result<alloc::sync::Arc<Socket>, Errno> {
        let open = self.open_of(call, fd)?;
        match self.root.object(open)? {
            Object::External(tag) => Ok(self.network_open(tag)?.socket.clone()),
            _ => Err(Errno::ENOTSOCK),
        }
    }

    /// Nothing could be moved: it waits, or is told so.
    pub(super) fn blocks_network(
        &mut self,
        call: &FileCall,
        socket: &Socket,
        sends: bool,
        cx: &Cx<'_>,
    ) -> Result {
        let (fd, _) = about(&call.call).ok_or(Errno::EINVAL)?;
        let open = self.open_of(call, fd)?;
        let nonblocking = call.expired
            || flags_of(&call.call) & MSG_DONTWAIT != 0
            || self.root.is_nonblocking(open)?
            || of_many(call).is_some() && call.before > 0;
        if nonblocking {
            return match call.done {
                0 => Err(Errno::EAGAIN),
                done => one_done(call, done),
            };
        }
        // Of a stream, what is there is told.
        let all = flags_of(&call.call) & MSG_WAITALL != 0;
        if !sends && call.done > 0 && !all {
            return one_done(call, call.done);
        }
        let (side, bit) =
            if sends { (Side::Writable, ready::WRITE) } else { (Side::Readable, ready::READ) };
        // What it became ready for since it was asked was said to nobody.
        if socket.ready() & (bit | ready::HANG_UP | ready::ERROR) != 0 {
            return Ok(Done::More);
        }
        let deadline = self.network_deadline(call, socket, side, cx);
        Ok(Done::Wait([self.network.key(socket, side)?].into(), deadline))
    }
}

/// Bytes have come: who sent them is told too, where that is asked for.
fn received(call: &mut FileCall, moved: Moved) -> Result {
    let datagram = moved.from.is_some();
    if call.done == 0 {
        tell(call, moved)?;
    }
    call.done += moved.bytes;
    let flags = flags_of(&call.call);
    if datagram {
        let all = flags & MSG_TRUNC != 0;
        return one_done(call, if all { moved.whole } else { moved.bytes });
    }
    let length = call.operands.buffer(0).map_or(0, |buffer| buffer.len());
    if flags & MSG_WAITALL != 0 && moved.bytes > 0 && call.done < length {
        return Ok(Done::More);
    }
    one_done(call, call.done)
}

fn tell(call: &FileCall, moved: Moved) -> core::result::Result<(), Errno> {
    let all = address::bytes(moved.from);
    let name = if moved.from.is_some() { &all[..] } else { &[] };
    match call.call {
        Files::Recvfrom { .. } => tell_address(call, name),
        Files::Recvmsg { .. } | Files::Recvmmsg { .. } => {
            let room = (call.shape.name as usize).min(name.len());
            if room > 0 {
                call.operands.give(1, name.get(..room).unwrap_or_default())?;
            }
            let header = call.operands.buffer(2)?;
            if call.shape.name > 0 {
                header.write(NAME, &(name.len() as u32).to_le_bytes());
            }
            header.write(CONTROL, &0_u64.to_le_bytes());
            let cut = if moved.whole > moved.bytes { MSG_TRUNC } else { 0 };
            header.write(FLAGS, &cut.to_le_bytes());
            Ok(())
        }
        _ => Ok(()),
    }
}

/// TCPR has answered: the call goes on.
struct Answered;

impl Continuation<Mail, FileSystem> for Answered {
    fn resume(files: &mut FileSystem, request: &mut FileRequest, cx: &mut Cx<'_>) -> Next {
        let FileRequest::Call(call) = request else { return Outcome::Done };
        let result = match cx.reply::<NetReply>() {
            Ok(Some(NetReply(result))) => result,
            _ => Err(NetError::NoMemory),
        };
        let done = files.moved_network(call, result, cx);
        let next = files.end_call(call, done, cx);
        files.after(cx);
        next
    }
}
