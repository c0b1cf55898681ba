//! What TCPR answers, and how the call goes on with it.

use vortex_abi::linux::net::{MSG_DONTWAIT, MSG_NOSIGNAL, MSG_TRUNC, MSG_WAITALL};
use vortex_abi::{Errno, Files};
use vortex_files::{Object, Side};
use vortex_grid::{At, Continuation, Labels, Outcome};
use vortex_units::Bytes;

use super::super::super::calls::{Cx, Result};
use super::super::super::request::{FileCall, FileRequest};
use super::super::super::resource::{Done, FileSystem, Next};
use super::super::send::{of_many, one_done};
use super::super::tell_address;
use super::{NetAsked, NetWait, address};
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
    /// Keeps a call while another request asks TCPR.
    pub(in super::super::super) fn keep_for_network(
        &mut self,
        call: &mut FileCall,
        asked: NetAsked,
        cx: &mut Cx<'_>,
    ) -> Next {
        let failed = || Outcome::Reply(Answer::Call(Err(Errno::ENOMEM)));
        let (Some(own), Some(kept)) = (self.own(), cx.keep()) else { return failed() };
        self.network.number += 1;
        let number = self.network.number;
        if cx.send(own, Labels::NONE, FileRequest::Network(Some(asked), number)).is_err() {
            return failed();
        }
        call.waits_for = number;
        self.network.waits.insert(number, NetWait::Asked(kept));
        Outcome::Kept
    }

    /// Asks TCPR, and waits.
    pub(in super::super::super) fn ask_network(
        &mut self,
        asked: &mut Option<NetAsked>,
        number: u64,
        cx: &mut Cx<'_>,
    ) -> Next {
        let network = self.system.network.get();
        let trigger = asked
            .take()
            .zip(network)
            .and_then(|(NetAsked(call), network)| ask(&network.wiring, call, cx).ok());
        match trigger {
            Some(trigger) => Outcome::Pending(trigger, At::routine::<Answered>()),
            None => {
                self.network_has_answered(number, Err(NetError::NoMemory), cx);
                Outcome::Done
            }
        }
    }

    fn network_has_answered(
        &mut self,
        number: u64,
        result: core::result::Result<Moved, NetError>,
        cx: &mut Cx<'_>,
    ) {
        if let Some(NetWait::Asked(kept)) = self.network.waits.remove(&number)
            && cx.go_on(kept, At::routine::<GoesOn>()).is_ok()
        {
            self.network.waits.insert(number, NetWait::Answered(result));
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
            Err(NetError::WouldBlock) => self.blocks_network(call, fd, sends, cx),
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
    fn blocks_network(
        &mut self,
        call: &FileCall,
        fd: vortex_abi::Fd,
        sends: bool,
        cx: &Cx<'_>,
    ) -> Result {
        let open = self.open_of(call, fd)?;
        let socket = self.socket_of(call, fd)?;
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
        let deadline = self.network_deadline(call, &socket, side, cx);
        Ok(Done::Wait([self.network.key(&socket, side)?].into(), deadline))
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

/// TCPR has answered.
struct Answered;

impl Continuation<Mail, FileSystem> for Answered {
    fn resume(files: &mut FileSystem, request: &mut FileRequest, cx: &mut Cx<'_>) -> Next {
        let FileRequest::Network(_, number) = request else { return Outcome::Done };
        let result = match cx.reply::<NetReply>() {
            Ok(Some(NetReply(result))) => result,
            _ => Err(NetError::NoMemory),
        };
        files.network_has_answered(*number, result, cx);
        Outcome::Done
    }
}

/// A call goes on after TCPR has answered.
struct GoesOn;

impl Continuation<Mail, FileSystem> for GoesOn {
    fn resume(files: &mut FileSystem, request: &mut FileRequest, cx: &mut Cx<'_>) -> Next {
        let FileRequest::Call(call) = request else { return Outcome::Done };
        let result = match files.network.waits.remove(&call.waits_for) {
            Some(NetWait::Answered(result)) => result,
            _ => Err(NetError::NoMemory),
        };
        let done = files.moved_network(call, result, cx);
        let next = files.end_call(call, done, cx);
        files.after(cx);
        next
    }
}
