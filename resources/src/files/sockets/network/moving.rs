//! Sending and receiving: a call's bytes are given to TCPR where they lie.

use alloc::sync::Arc;
use alloc::vec;
use core::net::{Ipv4Addr, SocketAddrV4};

use vortex_abi::linux::net::{MSG_OOB, MSG_PEEK};
use vortex_abi::{Errno, Files};

use super::super::super::calls::{Cx, Result};
use super::super::super::request::FileCall;
use super::super::super::resource::{Done, FileSystem};
use super::super::send::of_many;
use super::{NetAsked, address};
use crate::memory::Pinned;
use crate::network::{Held, NetCall, NetError, Socket, What};

/// Pieces, and bytes, of a call that TCPR works on in one run.
const PIECES: usize = 32;
const BYTES: usize = 16 << 10;

/// The bytes of a call from where it is, as far as one run goes.
fn held(call: &FileCall, stream: bool) -> core::result::Result<Held, Errno> {
    let mut held = Held::default();
    let buffer = match call.operands.buffer(0) {
        Ok(buffer) => buffer,
        // Nothing to be moved has no place.
        Err(_) if call.operands.bytes() == 0 && is_empty(call) => return Ok(held),
        Err(error) => return Err(error),
    };
    let most = buffer.len().saturating_sub(call.done);
    let most = if stream { most.min(BYTES) } else { most };
    if most > 0 && !buffer.hold(call.done, most, PIECES, &mut held) {
        return Err(Errno::ENOMEM);
    }
    Ok(held)
}

fn is_empty(call: &FileCall) -> bool {
    match call.call {
        Files::Read { count, .. } | Files::Write { count, .. } => count == 0,
        Files::Sendto { count, .. } | Files::Recvfrom { count, .. } => count == 0,
        _ => false,
    }
}

impl FileSystem {
    pub(super) fn send_network(
        &mut self,
        call: &FileCall,
        socket: &Arc<Socket>,
        flags: u32,
    ) -> Result {
        if of_many(call) == Some(0) {
            return Ok(Done::Value(0));
        }
        if flags & MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        let stream = socket.is_stream();
        let mut to = None;
        if call.shape.name > 0 && !stream {
            let mut bytes = vec![0; call.shape.name as usize];
            call.operands.buffer(1)?.read(0, &mut bytes);
            to = address::read(&bytes)?.map(|to| match to.ip().is_unspecified() {
                // As on Linux, nobody is this machine.
                true => SocketAddrV4::new(Ipv4Addr::LOCALHOST, to.port()),
                false => to,
            });
        }
        let length = call.operands.buffer(0).map_or(0, |buffer| buffer.len());
        if !stream && call.shape.whole > length as u64 {
            return Err(Errno::EMSGSIZE);
        }
        let network = self.system.network.get().ok_or(Errno::ENETUNREACH)?;
        network.wiring.before_send(socket, to).map_err(NetError::errno)?;
        let what = What::Send(held(call, stream)?, to);
        let socket = socket.clone();
        Ok(Done::Network(NetAsked(NetCall { socket, what })))
    }

    pub(super) fn receive_network(
        &mut self,
        call: &FileCall,
        socket: Arc<Socket>,
        flags: u32,
        cx: &Cx<'_>,
    ) -> Result {
        if of_many(call) == Some(0) {
            return Ok(Done::Value(0));
        }
        if flags & MSG_OOB != 0 {
            return Err(Errno::EINVAL);
        }
        // Who reads nothing waits for nothing; who receives nothing does.
        let reads = matches!(call.call, Files::Read { .. } | Files::Readv { .. });
        if reads && socket.is_stream() && call.operands.buffer(0).map_or(0, Pinned::len) == 0 {
            return Ok(Done::Value(0));
        }
        // What has nothing is not asked: it says that it has before anybody is told.
        if socket.has_nothing() {
            return self.blocks_network(call, &socket, false, cx);
        }
        let what = What::Receive(held(call, socket.is_stream())?, flags & MSG_PEEK != 0);
        Ok(Done::Network(NetAsked(NetCall { socket, what })))
    }
}
