//! What sockets cost, within the machine: at 127.0.0.1, one thread at both ends, so that every
//! run does the same. Packets are as long as on a card, on Linux too.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use vortex_guest::{out, socket, sys};

use crate::work::Work;

/// Bytes of a request, and of its answer.
const REQUEST: usize = 100;
/// Bytes that are written and read at a time of those that are many.
const PIECE: usize = 4_096;
const MEGABYTE: usize = 1 << 20;
/// The port at which nobody is.
const NOBODY: u16 = 9;

/// All of it.
pub const ALL: &[Work] = &[
    ("request-kept", "100 bytes to a server and back, by a connection that is kept", kept),
    ("request", "a connection, 100 bytes to a server and back, and its end", whole),
    ("megabyte", "a megabyte by a connection, 4 KiB at a time", megabytes),
    ("datagram", "a datagram of 100 bytes, sent and received", datagrams),
    ("nobody", "a datagram of 100 bytes to a port at which nobody is", to_nobody),
];

/// Whether it is one of these; if so, there is a network then.
pub fn prepare(name: &str) -> bool {
    let is_one = ALL.iter().any(|(other, ..)| *other == name);
    if is_one {
        set_up();
    }
    is_one
}

/// Linux's own network is not up where nobody has set it up, and has packets of 64 KiB. Vortex
/// knows none of these requests, and needs none.
fn set_up() {
    const FLAGS: [(u32, u32); 3] = [(0x19, 0), (0x1f, 0), (0x24, 0)];
    let Ok(fd) = socket::socket(libc::AF_INET, libc::SOCK_DGRAM, 0) else {
        out::fail("there is no network");
    };
    let request = |what: u64, value: [u8; 16]| {
        let mut bytes = [0_u8; 40];
        bytes[..2].copy_from_slice(b"lo");
        bytes[16..32].copy_from_slice(&value);
        // SAFETY: the kernel reads the request, and writes within it.
        let _ = unsafe { sys!(libc::SYS_ioctl, fd, what, bytes.as_mut_ptr()) };
    };
    let number = |number: u32| {
        let mut value = [0; 16];
        value[..4].copy_from_slice(&number.to_le_bytes());
        value
    };
    request(libc::SIOCSIFFLAGS, number((libc::IFF_UP | libc::IFF_RUNNING) as u32));
    request(libc::SIOCSIFMTU, number(1_500));
    // Scatter and gather, and both ways of making segments later.
    for pair in FLAGS {
        let pair = [pair.0, pair.1];
        let mut value = [0; 16];
        value[..8].copy_from_slice(&(pair.as_ptr() as u64).to_le_bytes());
        request(libc::SIOCETHTOOL, value);
    }
}

fn must<T>(what: &str, answer: std::io::Result<T>) -> T {
    answer.unwrap_or_else(|error| out::fail(&format!("{what}: {error}")))
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = must("listen", TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let address = must("address", listener.local_addr());
    (listener, address)
}

fn connected(listener: &TcpListener, address: SocketAddr) -> (TcpStream, TcpStream) {
    let client = must("connect", TcpStream::connect(address));
    let (server, _) = must("accept", listener.accept());
    for end in [&client, &server] {
        must("no delay", end.set_nodelay(true));
    }
    (client, server)
}

fn turn(client: &mut TcpStream, server: &mut TcpStream) {
    let mut bytes = [7; REQUEST];
    must("request", client.write_all(&bytes));
    must("its arrival", server.read_exact(&mut bytes));
    must("answer", server.write_all(&bytes));
    must("its arrival", client.read_exact(&mut bytes));
}

fn kept(count: u64) {
    let (listener, address) = listener();
    let (mut client, mut server) = connected(&listener, address);
    (0..count).for_each(|_| turn(&mut client, &mut server));
}

fn whole(count: u64) {
    let (listener, address) = listener();
    for _ in 0..count {
        let (mut client, mut server) = connected(&listener, address);
        turn(&mut client, &mut server);
        drop(server);
        if must("the end", client.read(&mut [0; REQUEST])) != 0 {
            out::fail("there is more than was sent");
        }
    }
}

fn megabytes(count: u64) {
    let (listener, address) = listener();
    let (mut client, mut server) = connected(&listener, address);
    let mut bytes = vec![7; PIECE];
    for _ in 0..count * (MEGABYTE / PIECE) as u64 {
        must("write", server.write_all(&bytes));
        must("read", client.read_exact(&mut bytes));
    }
}

fn datagrams(count: u64) {
    let sends = must("bind", UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
    let receives = must("bind", UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
    let to = must("address", receives.local_addr());
    for _ in 0..count {
        must("send", sends.send_to(&[7; REQUEST], to));
        must("receive", receives.recv(&mut [0; REQUEST]));
    }
}

fn to_nobody(count: u64) {
    let sends = must("bind", UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
    for _ in 0..count {
        must("send", sends.send_to(&[7; REQUEST], (Ipv4Addr::LOCALHOST, NOBODY)));
    }
}
