//! Sockets: their calls, from each to its operation.
//!
//! Those of `AF_UNIX` are served here, by the logic of `vortex-files`. Of all other families
//! sockets are objects of a provider beneath ([`network`]): the file resource keeps their
//! descriptors and asks it.

mod accept;
mod control;
mod network;
mod options;
mod parcel;
mod receive;
mod send;

pub use self::network::NetAsked;
pub(super) use self::network::Network;
pub(super) use self::parcel::Parcel;
use vortex_abi::linux::general::O_CLOEXEC;
use vortex_abi::{Errno, Files};
use vortex_files::{Fd, Object, OpenId};
use vortex_units::{Cycles, Nanos};

use super::calls::{Cx, Result, done};
use super::request::FileCall;
use super::resource::{Done, FileSystem};

/// `AF_UNIX`.
const UNIX: i32 = 1;
/// Families that Linux knows.
const FAMILIES: i32 = 46;
/// `SOCK_CLOEXEC`.
const CLOEXEC: u32 = O_CLOEXEC;

/// The descriptor that a call of a socket is about.
fn descriptor(call: &Files) -> Option<vortex_abi::Fd> {
    match *call {
        Files::Connect { fd, .. }
        | Files::Accept { fd, .. }
        | Files::Accept4 { fd, .. }
        | Files::Sendto { fd, .. }
        | Files::Recvfrom { fd, .. }
        | Files::Sendmsg { fd, .. }
        | Files::Recvmsg { fd, .. }
        | Files::Sendmmsg { fd, .. }
        | Files::Recvmmsg { fd, .. }
        | Files::Shutdown { fd, .. }
        | Files::Bind { fd, .. }
        | Files::Listen { fd, .. }
        | Files::Getsockname { fd, .. }
        | Files::Getpeername { fd, .. }
        | Files::Setsockopt { fd, .. }
        | Files::Getsockopt { fd, .. } => Some(fd),
        _ => None,
    }
}

impl FileSystem {
    /// A call of a socket.
    pub(super) fn socket_call(&mut self, call: &mut FileCall, cx: &mut Cx<'_>) -> Result {
        let Some(fd) = descriptor(&call.call) else { return self.make_sockets(call, cx) };
        let open = self.open_of(call, fd)?;
        // What would have no effect is refused.
        if let Files::Recvmmsg { timeout: Some(_), .. } = call.call {
            return Err(Errno::EOPNOTSUPP);
        }
        match self.root.object(open)? {
            Object::Socket { .. } => self.unix_call(call, open, cx),
            Object::External(tag) => self.network_call(call, open, tag, cx),
            _ => Err(Errno::ENOTSOCK),
        }
    }

    fn make_sockets(&mut self, call: &mut FileCall, cx: &mut Cx<'_>) -> Result {
        match call.call {
            Files::Socket { family: UNIX, kind, protocol } => {
                self.limited(call)?.table.make_room(1)?;
                let open = self.with(call, cx, |root, caller, _| {
                    root.unix_socket(caller, kind as u32, protocol)
                })?;
                let fd = self.install(call, open, kind as u32 & CLOEXEC != 0)?;
                Ok(Done::Value(fd.get() as u64))
            }
            Files::Socketpair { family: UNIX, kind, protocol, .. } => {
                self.limited(call)?.table.make_room(2)?;
                let (one, other) = self.with(call, cx, |root, caller, _| {
                    root.unix_pair(caller, kind as u32, protocol)
                })?;
                let close = kind as u32 & CLOEXEC != 0;
                let (one, other) =
                    (self.install(call, one, close)?, self.install(call, other, close)?);
                let (one, other) = (one.get().to_le_bytes(), other.get().to_le_bytes());
                call.operands.give(0, &[one, other].concat())?;
                Ok(Done::Value(0))
            }
            Files::Socket { family, .. } | Files::Socketpair { family, .. }
                if !(0..FAMILIES).contains(&family) =>
            {
                Err(Errno::EAFNOSUPPORT)
            }
            Files::Socket { family, kind, protocol } => {
                self.network_socket(call, (family, kind as u32, protocol), cx)
            }
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// Gives an open file a descriptor.
    pub(super) fn install(
        &mut self,
        call: &FileCall,
        open: OpenId,
        close_on_exec: bool,
    ) -> core::result::Result<Fd, Errno> {
        let files = self.files.get_mut(&call.files).ok_or(Errno::EBADF);
        let fd = files.and_then(|files| files.table.install(open, close_on_exec));
        if fd.is_err() {
            self.root.close(open, &mut self.effects);
        }
        fd
    }

    /// A call of a socket of `AF_UNIX`.
    fn unix_call(&mut self, call: &mut FileCall, open: OpenId, cx: &mut Cx<'_>) -> Result {
        match call.call {
            Files::Bind { length, .. } => {
                let address = address(call, length)?;
                self.with(call, cx, |root, caller, _| root.bind(caller, open, &address)).map(done)
            }
            Files::Listen { backlog, .. } => self
                .with(call, cx, |root, caller, effects| root.listen(caller, open, backlog, effects))
                .map(done),
            Files::Connect { length, .. } => self.connect(call, open, length, cx),
            Files::Accept { .. } => self.accept(call, open, 0, cx),
            Files::Accept4 { flags, .. } => self.accept(call, open, flags, cx),
            Files::Shutdown { how, .. } => {
                self.root.shutdown(open, how, &mut self.effects).map(done)
            }
            Files::Getsockname { .. } => {
                let name = self.root.socket_name(open)?;
                tell_address(call, &name).map(done)
            }
            Files::Getpeername { .. } => {
                let name = self.root.peer_name(open)?;
                tell_address(call, &name).map(done)
            }
            Files::Setsockopt { level, option, length, .. } => {
                self.set_option(call, open, (level, option), length)
            }
            Files::Getsockopt { level, option, .. } => self.tell_option(call, open, level, option),
            Files::Sendto { flags, .. }
            | Files::Sendmsg { flags, .. }
            | Files::Sendmmsg { flags, .. } => self.send(call, open, flags, cx),
            Files::Recvfrom { flags, .. }
            | Files::Recvmsg { flags, .. }
            | Files::Recvmmsg { flags, .. } => self.receive(call, open, flags, cx),
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    /// Until when a call waits at a socket.
    pub(super) fn socket_deadline(
        &self,
        call: &FileCall,
        open: OpenId,
        sends: bool,
        cx: &Cx<'_>,
    ) -> Option<Cycles> {
        call.deadline.or_else(|| {
            let nanos = self.root.socket_time(open, sends)?.saturating_mul(1_000);
            Some(self.system.clock.after(cx.now(), Nanos::new(nanos)))
        })
    }
}

/// The address that a call names.
fn address(call: &FileCall, length: u32) -> core::result::Result<alloc::vec::Vec<u8>, Errno> {
    let buffer = call.operands.buffer(0)?;
    if length as usize > buffer.len() {
        return Err(Errno::EINVAL);
    }
    let mut bytes = alloc::vec![0; length as usize];
    buffer.read(0, &mut bytes);
    Ok(bytes)
}

/// Tells an address, as far as there is room for it, and its length.
fn tell_address(call: &FileCall, address: &[u8]) -> core::result::Result<(), Errno> {
    if call.operands.buffer(2).is_err() {
        return Ok(());
    }
    let room = (call.shape.name as usize).min(address.len());
    if let Ok(buffer) = call.operands.buffer(1) {
        buffer.write(0, address.get(..room).unwrap_or_default());
    }
    call.operands.give(2, &(address.len() as u32).to_le_bytes())
}
