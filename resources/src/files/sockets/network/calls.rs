//! Names, connections, and their ends.

use alloc::sync::Arc;

use vortex_abi::Errno;
use vortex_abi::linux::general::{O_CLOEXEC, O_NONBLOCK};
use vortex_files::{OpenId, Side};
use vortex_units::{Cycles, Nanos};

use super::super::super::calls::{Cx, Result, done};
use super::super::super::request::FileCall;
use super::super::super::resource::{Done, FileSystem};
use super::super::{address as read_address, tell_address};
use super::{NetAsked, address};
use crate::bill::owner_of;
use crate::network::{NetCall, NetError, Shut, Socket, What, ready};

impl FileSystem {
    fn wiring(&self) -> core::result::Result<Arc<crate::network::Wiring>, Errno> {
        Ok(self.system.network.get().ok_or(Errno::ENETUNREACH)?.wiring.clone())
    }

    pub(super) fn bind_network(
        &self,
        call: &FileCall,
        socket: &Arc<Socket>,
        length: u32,
        cx: &Cx<'_>,
    ) -> Result {
        let to = address::read(&read_address(call, length)?)?.ok_or(Errno::EAFNOSUPPORT)?;
        self.wiring()?.bind(socket, to, cx.now()).map(done).map_err(NetError::errno)
    }

    pub(super) fn listen_network(&self, socket: &Arc<Socket>, backlog: i32) -> Result {
        // As on Linux, less than none is as many as may be.
        let backlog = usize::try_from(backlog).unwrap_or(usize::MAX);
        self.wiring()?.listen(socket, backlog).map(done).map_err(NetError::errno)
    }

    pub(super) fn accept_network(
        &mut self,
        call: &FileCall,
        open: OpenId,
        socket: &Arc<Socket>,
        flags: u32,
        cx: &mut Cx<'_>,
    ) -> Result {
        if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
            return Err(Errno::EINVAL);
        }
        self.limited(call)?.table.make_room(1)?;
        // A connection that is taken and cannot be had would be lost.
        self.root.check_open(owner_of(cx.root()))?;
        match self.wiring()?.accept(socket) {
            Ok(made) => {
                let (id, name) = (made.id(), address::bytes(made.remote()));
                let opened = self.open_socket(call, made, flags, cx)?;
                // It waits as long as the one at which it waited.
                if let Some(times) = self.network.all.get(&socket.id()).map(|open| open.times)
                    && let Some(made) = self.network.all.get_mut(&id)
                {
                    made.times = times;
                }
                tell_address(call, &name)?;
                Ok(opened)
            }
            Err(NetError::WouldBlock) => self.wait_network(call, open, socket, Side::Readable, cx),
            Err(error) => Err(error.errno()),
        }
    }

    /// The call waits until its socket is ready, if it waits.
    pub(super) fn wait_network(
        &mut self,
        call: &FileCall,
        open: OpenId,
        socket: &Arc<Socket>,
        side: Side,
        cx: &Cx<'_>,
    ) -> Result {
        if call.expired || self.root.is_nonblocking(open)? {
            return Err(Errno::EAGAIN);
        }
        let deadline = self.network_deadline(call, socket, side, cx);
        Ok(Done::Wait([self.network.key(socket, side)?].into(), deadline))
    }

    /// Until when a call waits at a socket.
    pub(super) fn network_deadline(
        &self,
        call: &FileCall,
        socket: &Socket,
        side: Side,
        cx: &Cx<'_>,
    ) -> Option<Cycles> {
        call.deadline.or_else(|| {
            let [read, write] = self.network.all.get(&socket.id())?.times;
            let micros = if side == Side::Readable { read } else { write }?;
            let nanos = Nanos::new(micros.saturating_mul(1_000));
            Some(self.system.clock.after(cx.now(), nanos))
        })
    }

    pub(super) fn connect_network(
        &mut self,
        call: &FileCall,
        open: OpenId,
        socket: &Arc<Socket>,
        length: u32,
        cx: &mut Cx<'_>,
    ) -> Result {
        let to = address::read(&read_address(call, length)?)?;
        let wiring = self.wiring()?;
        let Some(to) = to else {
            return wiring.disconnect(socket).map(done).map_err(NetError::errno);
        };
        let state = self.network_open(socket.id().0)?;
        if state.connecting {
            // It was begun, by this call or another.
            if socket.ready() & (ready::WRITE | ready::ERROR | ready::HANG_UP) != 0 {
                state.connecting = false;
                return match socket.take_error() {
                    Some(error) => Err(error.errno()),
                    // Somebody else was told why.
                    None if socket.has_failed() => Err(Errno::ECONNABORTED),
                    None => Ok(Done::Value(0)),
                };
            }
            return match self.wait_network(call, open, socket, Side::Writable, cx) {
                Err(_) if call.expired => Err(Errno::EINPROGRESS),
                Err(_) => Err(Errno::EALREADY),
                waits => waits,
            };
        }
        match wiring.plan(socket, to) {
            Ok(true) => {
                self.network_open(socket.id().0)?.connecting = true;
                let (socket, what) = (socket.clone(), What::Connect);
                Ok(Done::Network(NetAsked(NetCall { socket, what })))
            }
            Ok(false) => Ok(Done::Value(0)),
            Err(error) => Err(error.errno()),
        }
    }

    /// How many bytes wait to be read, or have not arrived yet.
    pub(in super::super::super) fn network_waiting(
        &mut self,
        call: &FileCall,
        tag: u64,
        sent: bool,
    ) -> Result {
        let socket = &self.network_open(tag)?.socket;
        let bytes = if sent { socket.unsent_bytes() } else { socket.waiting_bytes() };
        let bytes = bytes.ok_or(Errno::EINVAL)? as u32;
        call.operands.give(0, &bytes.to_le_bytes()).map(done)
    }

    pub(super) fn shut_network(socket: Arc<Socket>, how: i32) -> Result {
        let how = match how {
            0 => Shut::Read,
            1 => Shut::Write,
            2 => Shut::Both,
            _ => return Err(Errno::EINVAL),
        };
        let what = What::Shutdown(how);
        Ok(Done::Network(NetAsked(NetCall { socket, what })))
    }

    pub(super) fn name_network(call: &FileCall, socket: &Arc<Socket>, other: bool) -> Result {
        let name = if other { Some(socket.peer().ok_or(Errno::ENOTCONN)?) } else { socket.local() };
        tell_address(call, &address::bytes(name)).map(done)
    }
}
