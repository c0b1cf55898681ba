//! Sockets of the network: the tree of files has their descriptors, the network's resources all
//! else (`vortex-network`).
//!
//! What is a matter of tables is done at once. What moves data, begins a connection or ends one
//! is asked of TCPR, on the flow's core; the call is pending meanwhile and goes on with the answer
//! (decision 0150). Where that would wait, it waits here until TCPR says that the socket is
//! ready: that is published before it is said, and looked at once more when the wait begins.

mod address;
mod answers;
mod calls;
mod linger;
mod moving;
mod options;
mod sendfile;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

use vortex_abi::linux::general::{O_CLOEXEC, O_NONBLOCK, S_IFSOCK};
use vortex_abi::{Errno, Files};
use vortex_files::{OpenId, Side, WaitKey};
use vortex_grid::Labels;

use super::super::calls::{Cx, Result};
use super::super::request::{FileCall, FileRequest};
use super::super::resource::{Done, FileSystem};
use crate::bill::owner_of;
use crate::network::{NetCall, NetError, Socket, SocketId, TcpRequest, What, ready};

/// `AF_INET`, and the kinds.
const INET: i32 = 2;
const STREAM: u32 = 1;
const DATAGRAM: u32 = 2;
const KIND: u32 = 0xf;
/// Their protocols.
const TCP: i32 = 6;
const UDP: i32 = 17;

/// What the file resource has of the network's sockets.
#[derive(Default)]
pub struct Network {
    /// Those that have descriptors.
    all: BTreeMap<SocketId, Open>,
    /// Those that have none any more, and of whom TCPR is still to be told.
    closing: VecDeque<Arc<Socket>>,
    /// Those whose programs wait until all has arrived, with the numbers of their objects.
    lingering: BTreeMap<SocketId, u64>,
    /// A request is on its way that tells of them.
    closes: bool,
}

/// A socket that has a descriptor.
struct Open {
    socket: Arc<Socket>,
    /// The number of its object in the tree: by it is known who waits for it.
    object: u64,
    /// A connection was begun, and whoever began it was not told what became of it.
    connecting: bool,
    /// How long a call waits at most, in microseconds: to read, and to write.
    times: [Option<u64>; 2],
}

/// What TCPR is asked for a call.
pub struct NetAsked(pub(in super::super) NetCall);

impl Network {
    /// Which of these events a socket is ready for, and whether it has failed or is at its end.
    pub fn ready(&self, tag: u64, events: u32) -> u32 {
        const ALWAYS: u32 = ready::ERROR | ready::HANG_UP;
        /// `POLLRDNORM` and `POLLWRNORM`.
        const READ_TOO: u32 = 0x40;
        const WRITE_TOO: u32 = 0x100;
        let Some(open) = self.all.get(&SocketId(tag)) else { return ready::ERROR };
        let mut is = open.socket.look() & !ready::ARRIVED;
        for (one, other) in [(ready::READ, READ_TOO), (ready::WRITE, WRITE_TOO)] {
            if is & one != 0 {
                is |= other;
            }
        }
        is & (events | ALWAYS)
    }

    /// What who waits for a socket waits for.
    fn key(&self, socket: &Socket, side: Side) -> core::result::Result<WaitKey, Errno> {
        let open = self.all.get(&socket.id()).ok_or(Errno::EBADF)?;
        Ok(WaitKey { object: open.object, side })
    }

    /// Whether TCPR is still to be told of some that have no descriptor any more.
    pub(in super::super) fn have_closing(&self) -> bool {
        !self.closing.is_empty()
    }
}

impl FileSystem {
    /// `socket` of another family: which, of what kind, and its protocol.
    pub(super) fn network_socket(
        &mut self,
        call: &mut FileCall,
        (family, kind, protocol): (i32, u32, i32),
        cx: &mut Cx<'_>,
    ) -> Result {
        let network = self.system.network.get().filter(|_| family == INET);
        let wiring = network.ok_or(Errno::EAFNOSUPPORT)?.wiring.clone();
        let stream = match (kind & KIND, protocol) {
            (STREAM, 0 | TCP) => true,
            (DATAGRAM, 0 | UDP) => false,
            (STREAM | DATAGRAM, _) => return Err(Errno::EPROTONOSUPPORT),
            _ => return Err(Errno::ESOCKTNOSUPPORT),
        };
        if kind & !(KIND | O_CLOEXEC | O_NONBLOCK) != 0 {
            return Err(Errno::EINVAL);
        }
        self.limited(call)?.table.make_room(1)?;
        let socket = wiring.socket(stream, cx.root()).map_err(NetError::errno)?;
        self.open_socket(call, socket, kind, cx)
    }

    /// Gives a socket a descriptor.
    fn open_socket(
        &mut self,
        call: &FileCall,
        socket: Arc<Socket>,
        flags: u32,
        cx: &mut Cx<'_>,
    ) -> Result {
        let (id, owner, now) = (socket.id(), owner_of(cx.root()), self.time(cx.now()));
        let nonblocking = flags & O_NONBLOCK;
        let opened = self.root.open_external(id.0, S_IFSOCK, nonblocking, owner, now);
        let Ok(open) = opened else {
            self.network.closing.push_back(socket);
            return opened.map(|_| Done::Value(0));
        };
        let [first, ..] = self.root.poll(open, 0).waits;
        let object = first.map_or(0, |key| key.object);
        let (connecting, times) = (false, [None; 2]);
        self.network.all.insert(id, Open { socket, object, connecting, times });
        let fd = self.install(call, open, flags & O_CLOEXEC != 0)?;
        Ok(Done::Value(fd.get() as u64))
    }

    /// The socket with this number.
    fn network_open(&mut self, tag: u64) -> core::result::Result<&mut Open, Errno> {
        self.network.all.get_mut(&SocketId(tag)).ok_or(Errno::ENOTSOCK)
    }

    /// A call of such a socket: of sockets alone, or one that reads or writes.
    pub(in super::super) fn network_call(
        &mut self,
        call: &mut FileCall,
        open: OpenId,
        tag: u64,
        cx: &mut Cx<'_>,
    ) -> Result {
        let socket = self.network_open(tag)?.socket.clone();
        match call.call {
            Files::Bind { length, .. } => self.bind_network(call, &socket, length, cx),
            Files::Listen { backlog, .. } => self.listen_network(&socket, backlog),
            Files::Accept { .. } => self.accept_network(call, open, &socket, 0, cx),
            Files::Accept4 { flags, .. } => self.accept_network(call, open, &socket, flags, cx),
            Files::Connect { length, .. } => self.connect_network(call, open, &socket, length, cx),
            Files::Shutdown { how, .. } => Self::shut_network(socket, how),
            Files::Getsockname { .. } => Self::name_network(call, &socket, false),
            Files::Getpeername { .. } => Self::name_network(call, &socket, true),
            Files::Setsockopt { level, option, .. } => {
                self.set_network(call, tag, (level as u32, option as u32), cx)
            }
            Files::Getsockopt { level, option, .. } => {
                self.tell_network(call, tag, (level as u32, option as u32))
            }
            Files::Write { .. } | Files::Writev { .. } => self.send_network(call, &socket, 0),
            Files::Sendto { flags, .. }
            | Files::Sendmsg { flags, .. }
            | Files::Sendmmsg { flags, .. } => self.send_network(call, &socket, flags),
            Files::Read { .. } | Files::Readv { .. } => self.receive_network(call, socket, 0, cx),
            Files::Recvfrom { flags, .. }
            | Files::Recvmsg { flags, .. }
            | Files::Recvmmsg { flags, .. } => self.receive_network(call, socket, flags, cx),
            _ => Err(Errno::ESPIPE),
        }
    }

    /// A socket is ready for something: who waits for it looks anew.
    pub(in super::super) fn network_ready(&mut self, socket: SocketId) {
        let Some(object) = self.network.all.get(&socket).map(|open| open.object) else {
            return self.lingered(socket);
        };
        self.wake_for(WaitKey { object, side: Side::Readable });
        self.wake_for(WaitKey { object, side: Side::Writable });
    }

    /// These have lost their last descriptor.
    pub(in super::super) fn release_sockets(&mut self) {
        for tag in self.effects.released() {
            if let Some(open) = self.network.all.remove(&SocketId(*tag)) {
                self.network.closing.push_back(open.socket);
            }
        }
    }

    /// TCPR is told of some of those that have no descriptor any more; of the others in a
    /// further run.
    pub(in super::super) fn close_sockets(&mut self, again: bool, cx: &mut Cx<'_>) {
        if again {
            self.network.closes = false;
        }
        let network = self.system.network.get();
        let Some(ports) = network.and_then(|network| network.wiring.ports.get()) else { return };
        if let Some(socket) = self.network.closing.pop_front() {
            let labels = Labels::flow(socket.label());
            let call = NetCall { socket: socket.clone(), what: What::Close };
            if cx.send(ports.tcp, labels, TcpRequest::Call(call)).is_err() {
                self.network.closing.push_front(socket);
            }
        }
        if !self.network.closing.is_empty()
            && !self.network.closes
            && let Some(own) = self.own()
        {
            self.network.closes = cx.send(own, Labels::NONE, FileRequest::CloseSockets).is_ok();
        }
    }
}
