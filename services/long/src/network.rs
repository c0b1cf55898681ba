//! As many connections as there may be, at the machine's own address. Where there is no network
//! nothing is done.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::thread;

use vortex_guest::inet;

use crate::{Case, is};

pub const CASES: &[Case] = &[
    ("connections-end", connections_end),
    ("backlog-left", backlog_left),
    ("ports", ports),
    ("stream-large", stream_large),
    ("sendfile-large", sendfile_large),
    ("refused", refused),
];

/// More than the kernel remembers of those that have ended.
const ENDED: usize = 4_400;
/// As many as wait to be accepted.
const BACKLOG: usize = 120;

fn told<T>(what: &str, answer: std::io::Result<T>) -> Result<T, String> {
    answer.map_err(|error| format!("{what}: {error}"))
}

/// A listener, if there is a network.
fn listener() -> Result<Option<(TcpListener, SocketAddr)>, String> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) {
        Ok(listener) => {
            let address = told("address", listener.local_addr())?;
            Ok(Some((listener, address)))
        }
        // As the kernel says without a card.
        Err(error) if error.kind() == ErrorKind::NetworkUnreachable => Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => Ok(None),
        Err(error) => Err(format!("listen: {error}")),
    }
}

fn connections_end() -> Result<(), String> {
    let Some((listener, address)) = listener()? else { return Ok(()) };
    for _ in 0..ENDED {
        let client = told("connect", TcpStream::connect(address))?;
        let (mut server, _) = told("accept", listener.accept())?;
        drop(client);
        is("the end", told("read", server.read(&mut [0; 8]))?, 0)?;
    }
    Ok(())
}

fn backlog_left() -> Result<(), String> {
    let Some((listener, address)) = listener()? else { return Ok(()) };
    let connect = |_| told("connect", TcpStream::connect(address));
    let clients = (0..BACKLOG).map(connect).collect::<Result<Vec<_>, _>>()?;
    drop(listener);
    for mut client in clients {
        match client.read(&mut [0; 8]) {
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => return Err(format!("one that was left: {other:?}")),
        }
    }
    Ok(())
}

fn ports() -> Result<(), String> {
    const MANY: usize = 200;
    if listener()?.is_none() {
        return Ok(());
    }
    let bind = |_| told("bind", UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
    let all = (0..MANY).map(bind).collect::<Result<Vec<_>, _>>()?;
    let mut ports: Vec<_> =
        all.iter().filter_map(|one| Some(one.local_addr().ok()?.port())).collect();
    ports.sort_unstable();
    ports.dedup();
    is("ports", ports.len(), MANY)
}

fn stream_large() -> Result<(), String> {
    const BYTES: usize = 4 << 20;
    let Some((listener, address)) = listener()? else { return Ok(()) };
    let reads = thread::spawn(move || -> std::io::Result<usize> {
        let mut stream = TcpStream::connect(address)?;
        let (mut buffer, mut all) = (vec![0; 1 << 20], 0);
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(all),
                more => all += more,
            }
        }
    });
    let (mut server, _) = told("accept", listener.accept())?;
    told("write", server.write_all(&vec![7; BYTES]))?;
    drop(server);
    let read = reads.join().map_err(|_| "the reader has panicked".to_string())?;
    is("read", told("read", read)?, BYTES)
}

/// A whole file in one call, to one who reads as fast as it comes, corked and not.
fn sendfile_large() -> Result<(), String> {
    const BYTES: usize = 4 << 20;
    let Some((listener, address)) = listener()? else { return Ok(()) };
    told("file", std::fs::write("/tmp/sent", vec![9; BYTES]))?;
    let file = told("open", std::fs::File::open("/tmp/sent"))?;
    for corked in [0_i32, 1] {
        let reads = thread::spawn(move || -> std::io::Result<usize> {
            let (mut stream, mut all) = (TcpStream::connect(address)?, Vec::new());
            stream.read_to_end(&mut all)
        });
        let (server, _) = told("accept", listener.accept())?;
        let option = inet::set_option(
            server.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_CORK,
            &corked.to_le_bytes(),
        );
        option.map_err(|error| format!("cork: {error}"))?;
        let mut at = 0;
        let sent = inet::send_file(server.as_raw_fd(), file.as_raw_fd(), &mut at, 2 * BYTES);
        is("sent", sent.map_err(|error| format!("sendfile: {error}"))?, BYTES)?;
        is("then at", at, BYTES as i64)?;
        drop(server);
        let read = reads.join().map_err(|_| "the reader has panicked".to_string())?;
        is("read", told("read", read)?, BYTES)?;
    }
    told("unlink", std::fs::remove_file("/tmp/sent"))
}

fn refused() -> Result<(), String> {
    let Some((listener, address)) = listener()? else { return Ok(()) };
    drop(listener);
    match TcpStream::connect(address) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
        other => Err(format!("where nobody listens: {other:?}")),
    }
}
