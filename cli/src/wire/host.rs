//! Who is on the wire: an address, and connections.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr};

use super::link::Link;

/// The two on the wire, in a network of so many bits.
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
pub const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const BITS: u8 = 24;
pub const MAC: EthernetAddress = EthernetAddress([0x52, 0x54, 0, 0, 0, 2]);
/// What QEMU gives a machine's first card.
pub const MACHINE_MAC: EthernetAddress = EthernetAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
/// Connections are from these ports on, round and round.
const FIRST_PORT: u16 = 10_000;
/// How long nothing is looked at, at most.
const PAUSE: Duration = Duration::from_millis(1);

/// The words of the kernel's command line that tell the machine so.
pub fn words() -> [String; 2] {
    [format!("ip={MACHINE}/{BITS}"), format!("gateway={HOST}")]
}

/// The host.
pub struct Host {
    link: Link,
    interface: Interface,
    sockets: SocketSet<'static>,
    begin: Instant,
    port: u16,
}

impl Host {
    /// At the end of the wire in this folder.
    pub fn new(folder: &Path) -> Self {
        let mut link = Link::new(folder);
        let mut config = Config::new(HardwareAddress::Ethernet(MAC));
        config.random_seed = u64::from(std::process::id());
        let mut interface = Interface::new(config, &mut link, smoltcp::time::Instant::ZERO);
        interface.update_ip_addrs(|all| {
            // There is room for the first.
            let _ = all.push(IpCidr::new(HOST.into(), BITS));
        });
        let sockets = SocketSet::new(Vec::new());
        Self { link, interface, sockets, begin: Instant::now(), port: FIRST_PORT }
    }

    /// Sends a frame of one's own, if the machine takes it now. Whether it has.
    pub fn send(&mut self, frame: &[u8]) -> bool {
        self.link.send(frame)
    }

    /// Begins a connection to a port of the machine's, with room for so many bytes each way.
    pub fn connect(&mut self, port: u16, room: usize) -> SocketHandle {
        let buffer = || SocketBuffer::new(vec![0; room]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        self.port = self.port.checked_add(1).unwrap_or(FIRST_PORT);
        // It is new, and neither port is zero.
        let _ = socket.connect(self.interface.context(), (MACHINE, port), self.port);
        self.sockets.add(socket)
    }

    /// A connection.
    pub fn socket(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Forgets one, whatever it was at.
    pub fn forget(&mut self, handle: SocketHandle) {
        self.sockets.remove(handle);
    }

    /// Ends one by a reset, which is sent, and forgets it.
    pub fn reset(&mut self, handle: SocketHandle) {
        self.socket(handle).abort();
        self.poll();
        self.forget(handle);
    }

    /// What has come is taken, and what is to go is sent.
    pub fn poll(&mut self) {
        let now = smoltcp::time::Instant::from_micros(self.begin.elapsed().as_micros() as i64);
        self.interface.poll(now, &mut self.link, &mut self.sockets);
        self.link.flush();
    }

    /// Waits for a frame, a moment at most.
    pub fn pause(&self) {
        let Some(descriptor) = self.link.descriptor() else {
            std::thread::sleep(PAUSE);
            return;
        };
        let mut all = [PollFd::new(&descriptor, PollFlags::IN)];
        let pause = Timespec { tv_sec: 0, tv_nsec: PAUSE.subsec_nanos().into() };
        // Where it fails nothing was waited for.
        let _ = poll(&mut all, Some(&pause));
    }
}
