//! recvfrom(2), recvmsg(2) and recvmmsg(2).

use alloc::boxed::Box;

use vortex_abi::linux::net::{MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL};
use vortex_abi::{Errno, Files};
use vortex_files::{Got, OpenId, Received, Receiving};
use vortex_units::Bytes;

use super::super::calls::{Cx, Result};
use super::super::request::FileCall;
use super::super::resource::{Done, FileSystem};
use super::super::streams::Cursor;
use super::parcel::{Inbox, Parcel};
use super::send::{of_many, one_done};
use super::tell_address;
use crate::process::waits_for_one;

/// The places of what is told in `struct msghdr`.
const NAME: usize = 8;
const CONTROL: usize = 40;
const FLAGS: usize = 48;

impl FileSystem {
    /// Receives a message, or more of a stream; what is received already counts, whatever happens
    /// then.
    pub(super) fn receive(
        &mut self,
        call: &mut FileCall,
        open: OpenId,
        flags: u32,
        cx: &mut Cx<'_>,
    ) -> Result {
        if of_many(call) == Some(0) {
            return Ok(Done::Value(0));
        }
        if flags & MSG_OOB != 0 {
            let stream = self.root.raises_pipe(open);
            return Err(if stream { Errno::EINVAL } else { Errno::EOPNOTSUPP });
        }
        let enough = of_many(call).is_some() && call.before > 0 && waits_for_one(flags);
        let receiving = Receiving {
            peek: flags & MSG_PEEK != 0,
            nonblocking: flags & MSG_DONTWAIT != 0 || call.expired || enough,
            all: flags & MSG_WAITALL != 0,
            has: if of_many(call).is_some() { 0 } else { call.before as usize } + call.done,
        };
        let buffer = call.operands.buffer(0)?;
        if let Some(parcel) = &mut call.parcel {
            let (all, answer) = (parcel.hand_out(buffer), parcel.answer);
            return if all { one_done(call, answer) } else { Ok(Done::More) };
        }
        let stream = self.root.raises_pipe(open);
        let cursor = Cursor { buffer, at: call.done, whole: !stream };
        let mut sink = Inbox { cursor, kept: None };
        let got = self.root.receive(open, receiving, &mut sink, &mut self.effects);
        let mut received = match got {
            Ok(Got::Done(received)) => received,
            Err(_) if call.done > 0 => return one_done(call, call.done),
            Err(error) => return Err(error),
            // Of several messages one is not received in two parts of a call.
            Ok(Got::WouldBlock(_)) if call.done > 0 && of_many(call).is_some() => {
                return one_done(call, call.done);
            }
            Ok(Got::WouldBlock(key)) => {
                let deadline = self.socket_deadline(call, open, false, cx);
                return Ok(Done::Wait([key].into(), deadline));
            }
        };
        let kept = sink.kept.take();
        cx.moved(Bytes::new(received.count as u64));
        let alone = received.rights.is_empty();
        if call.done == 0 || !alone {
            self.tell_message(call, &mut received, flags)?;
        }
        call.done += received.count;
        if received.is_message {
            let all = flags & MSG_TRUNC != 0;
            let answer = if all { received.length } else { received.count };
            let Some(bytes) = kept else { return one_done(call, answer) };
            let parcel = Parcel::received(cx.root(), bytes, (received.count, answer));
            call.parcel = Some(Box::new(parcel));
            return Ok(Done::More);
        }
        let wants = received.count < received.least;
        if alone && !received.ended && !receiving.peek && (received.more || wants) {
            return Ok(Done::More);
        }
        one_done(call, call.done)
    }

    /// Tells who sent a message, what came along, and what of it is lost.
    fn tell_message(
        &mut self,
        call: &FileCall,
        received: &mut Received,
        flags: u32,
    ) -> core::result::Result<(), Errno> {
        let address = received.address.take().unwrap_or_default();
        if let Files::Recvfrom { .. } = call.call {
            for open in core::mem::take(&mut received.rights) {
                self.root.close(open, &mut self.effects);
            }
            return tell_address(call, &address);
        }
        let (control, mut told) = self.give_along(call, received, flags)?;
        if received.is_message && received.length > received.count {
            told |= MSG_TRUNC;
        }
        let room = (call.shape.name as usize).min(address.len());
        if room > 0 {
            call.operands.give(1, address.get(..room).unwrap_or_default())?;
        }
        let header = call.operands.buffer(2)?;
        if call.shape.name > 0 {
            header.write(NAME, &(address.len() as u32).to_le_bytes());
        }
        header.write(CONTROL, &(control as u64).to_le_bytes());
        header.write(FLAGS, &told.to_le_bytes());
        Ok(())
    }
}
