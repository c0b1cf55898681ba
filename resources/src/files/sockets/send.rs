//! sendto(2), sendmsg(2) and sendmmsg(2).

use alloc::boxed::Box;
use alloc::vec::Vec;

use vortex_abi::linux::net::{MSG_DONTWAIT, MSG_NOSIGNAL, MSG_OOB};
use vortex_abi::{Errno, Files};
use vortex_files::{OpenId, Outcome as Moved, Sending, Source};
use vortex_units::Bytes;

use super::super::calls::{Cx, Result};
use super::super::request::FileCall;
use super::super::resource::{Done, FileSystem};
use super::super::streams::Cursor;
use super::control::Along;
use super::parcel::{PIECE, Parcel};
use crate::process::MANY;
use crate::process::signals::Signal;

/// The place of a message's length in `struct mmsghdr`.
const LENGTH: usize = 56;

/// Messages of a call that are still to be moved; `None` where it is of one alone.
pub(super) fn of_many(call: &FileCall) -> Option<u64> {
    match call.call {
        Files::Sendmmsg { count, .. } | Files::Recvmmsg { count, .. } => {
            Some(u64::from(count.min(MANY)).saturating_sub(call.before))
        }
        _ => None,
    }
}

/// A message of a call is done. How the call goes on, of several.
pub(super) fn one_done(call: &FileCall, bytes: usize) -> Result {
    let Some(left) = of_many(call) else { return Ok(Done::Value(bytes as u64)) };
    if let Ok(header) = call.operands.buffer(2) {
        header.write(LENGTH, &(bytes as u32).to_le_bytes());
    }
    Ok(if left > 1 { Done::Rest(1) } else { Done::Value(1) })
}

impl FileSystem {
    /// Sends a message, or more of a stream; what is sent already counts, whatever happens then.
    pub(super) fn send(
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
            return Err(Errno::EOPNOTSUPP);
        }
        let first = call.done == 0 && (call.before == 0 || of_many(call).is_some());
        let sent = self.send_piece(call, open, flags, first, cx);
        match sent {
            Err(error) if !call.walks.get_mut().stops() => {
                if call.done > 0 {
                    return one_done(call, call.done);
                }
                let tells = first && flags & MSG_NOSIGNAL == 0 && self.root.raises_pipe(open);
                if error == Errno::EPIPE && tells {
                    call.thread.raise(Signal::PIPE);
                }
                Err(error)
            }
            other => other,
        }
    }

    fn send_piece(
        &mut self,
        call: &mut FileCall,
        open: OpenId,
        flags: u32,
        first: bool,
        cx: &mut Cx<'_>,
    ) -> Result {
        let Along { rights, credentials } =
            if first { self.take_along(call)? } else { Along::default() };
        let mut address: Vec<u8> = Vec::new();
        if call.shape.name > 0 {
            address = alloc::vec![0; call.shape.name as usize];
            call.operands.buffer(1)?.read(0, &mut address);
        }
        let buffer = call.operands.buffer(0)?;
        let (length, stream) = (buffer.len(), self.root.raises_pipe(open));
        // What was cut is longer than a message can be.
        if !stream && call.shape.whole > length as u64 {
            return Err(Errno::EMSGSIZE);
        }
        let sending = Sending {
            address: (!address.is_empty()).then_some(&address[..]),
            rights: &rights,
            credentials,
            nonblocking: flags & MSG_DONTWAIT != 0 || call.expired,
        };
        let mut parcel = match call.parcel.take() {
            None if !stream && length > PIECE => Some(Parcel::gathering(cx.root(), length)?),
            parcel => parcel.map(|parcel| *parcel),
        };
        if let Some(parcel) = parcel.take_if(|parcel| !parcel.gather(buffer)) {
            call.parcel = Some(Box::new(parcel));
            return Ok(Done::More);
        }
        let mut cursor = Cursor { buffer, at: call.done, whole: !stream };
        let source: &mut dyn Source = match &mut parcel {
            Some(parcel) => parcel,
            None => &mut cursor,
        };
        let moved = self.with(call, cx, |root, caller, effects| {
            root.send(caller, open, &sending, source, effects)
        })?;
        let sent = match moved {
            Moved::Done(sent) => sent,
            // Of several messages one is not sent in two parts of a call.
            Moved::WouldBlock(_) if call.done > 0 && of_many(call).is_some() => {
                return one_done(call, call.done);
            }
            Moved::WouldBlock(key) => {
                let deadline = self.socket_deadline(call, open, true, cx);
                return Ok(Done::Wait([key].into(), deadline));
            }
            _ => return Err(Errno::EOPNOTSUPP),
        };
        cx.moved(Bytes::new(sent as u64));
        call.done += sent;
        if stream && sent > 0 && call.done < length {
            return Ok(Done::More);
        }
        let all = call.before.saturating_add(call.done as u64);
        if stream && sent > 0 && all < call.shape.whole {
            return Ok(Done::Rest(call.done as u64));
        }
        one_done(call, call.done)
    }
}
