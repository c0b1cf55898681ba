//! What a connection, or a socket for datagrams, has of smoltcp: a socket alone in its set, and its
//! buffers, on its activity's bill.

use alloc::boxed::Box;
use alloc::vec::Vec;

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::IpAddress;

use crate::address::Addresses;
use crate::bill::Charged;
use crate::cork::Cork;
use crate::options::Options;

/// A socket of smoltcp's, alone in its set.
pub(crate) struct Speech {
    pub set: SocketSet<'static>,
    pub handle: SocketHandle,
    /// How far it was when it was last looked at.
    pub was: tcp::State,
    /// What is held back.
    pub cork: Option<Box<Cork>>,
    /// Who reads it was told that something has come, and will acknowledge that.
    pub is_to_be_read: bool,
    /// What its packets ask of the network.
    pub service: u8,
    /// Its buffers.
    pub _charged: Charged,
}

/// Bytes that a connection receives before they are read.
const RECEIVE: usize = 6_656;
/// And sends before they are acknowledged.
const SEND: usize = 8 * 1024;
/// Bytes of datagrams that wait, in each direction, and how many.
const DATAGRAMS: usize = 16 * 1024;
const EACH_WAY: usize = 32;
/// What smoltcp's socket takes beside.
const BESIDE: usize = 1024;

impl Speech {
    /// What a connection's takes on its activity's bill.
    pub const STREAM: u64 = (RECEIVE + SEND + BESIDE) as u64;
    /// The same of one for datagrams.
    pub const DATAGRAM: u64 = (2 * DATAGRAMS + BESIDE) as u64;

    /// For a connection. `None` where the heap has no room.
    pub fn stream(charged: Charged) -> Option<Box<Self>> {
        let receive = tcp::SocketBuffer::new(zeros(RECEIVE)?);
        let socket = tcp::Socket::new(receive, tcp::SocketBuffer::new(zeros(SEND)?));
        let mut set = SocketSet::new(Vec::new());
        let handle = set.add(socket);
        let (was, cork, is_to_be_read, service) = (tcp::State::Closed, None, false, 0);
        Some(Box::new(Self { set, handle, was, cork, is_to_be_read, service, _charged: charged }))
    }

    /// For datagrams. `None` where the heap has no room.
    pub fn datagrams(charged: Charged) -> Option<Box<Self>> {
        let buffer = || {
            let metadata = alloc::vec![udp::PacketMetadata::EMPTY; EACH_WAY];
            Some(udp::PacketBuffer::new(metadata, zeros(DATAGRAMS)?))
        };
        let socket = udp::Socket::new(buffer()?, buffer()?);
        let mut set = SocketSet::new(Vec::new());
        let handle = set.add(socket);
        let (was, cork, is_to_be_read, service) = (tcp::State::Closed, None, false, 0);
        Some(Box::new(Self { set, handle, was, cork, is_to_be_read, service, _charged: charged }))
    }

    pub fn tcp(&mut self) -> &mut tcp::Socket<'static> {
        self.set.get_mut(self.handle)
    }

    /// Whether the other end of a connection is in this machine.
    pub fn stays(&mut self, addresses: &Addresses) -> bool {
        let IpAddress::Ipv4(ip) = match self.tcp().remote_endpoint() {
            Some(remote) => remote.addr,
            None => return false,
        };
        addresses.is_own(ip)
    }

    pub fn udp(&mut self) -> &mut udp::Socket<'static> {
        self.set.get_mut(self.handle)
    }

    /// What is set is so from now on.
    pub fn apply(&mut self, options: &Options, stream: bool) {
        self.service = options.service;
        let hops = Some(options.hops.max(1));
        if !stream {
            return self.udp().set_hop_limit(hops);
        }
        let tcp = self.tcp();
        tcp.set_hop_limit(hops);
        tcp.set_nagle_enabled(!options.no_delay);
        tcp.set_ack_delay((!options.quick).then_some(ACKNOWLEDGES));
        // How long it may be silent is looked at by TCPR (`patience`).
        let silence = smoltcp::time::Duration::from_micros(options.silence().get());
        tcp.set_keep_alive(options.keep_alive.then_some(silence));
    }

    /// Whether a connection has nothing to send but acknowledgements.
    pub fn has_nothing_to_send(&mut self) -> bool {
        let tcp = self.tcp();
        tcp.state() == tcp::State::Established && tcp.send_queue() == 0
    }

    /// What is held back goes. Whether that is anything.
    pub fn uncork(&mut self) -> bool {
        let Some(mut cork) = self.cork.take() else { return false };
        let any = cork.holds();
        cork.flush(self.tcp());
        any
    }
}

/// How long an acknowledgement waits for something to go with.
const ACKNOWLEDGES: smoltcp::time::Duration = smoltcp::time::Duration::from_millis(10);

fn zeros(bytes: usize) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    all.try_reserve_exact(bytes).ok()?;
    all.resize(bytes, 0);
    Some(all)
}
