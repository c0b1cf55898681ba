//! Datagrams: echoes each to who has sent it, until one says `end`: `net echo PORT`; or sends as
//! many as can be sent, for so many seconds: `net send ADDRESS SECONDS`.

use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The longest datagram.
const MOST: usize = 2048;

fn echo(port: u16) -> std::io::Result<u64> {
    let socket = UdpSocket::bind(("0.0.0.0", port))?;
    println!("net: echo at port {port}");
    let mut bytes = [0; MOST];
    let mut count = 0;
    loop {
        let (length, from) = socket.recv_from(&mut bytes)?;
        let datagram = bytes.get(..length).unwrap_or_default();
        if datagram == b"end" {
            return Ok(count);
        }
        socket.send_to(datagram, from)?;
        count += 1;
    }
}

/// Bytes of a datagram that is sent: a packet is as long as it may be.
const SENT: usize = 1472;
/// How often who has no room looks at the time.
const LOOK: Duration = Duration::from_millis(200);

fn send(to: SocketAddr, seconds: u64) -> std::io::Result<u64> {
    let socket = UdpSocket::bind(("0.0.0.0", 0))?;
    socket.set_write_timeout(Some(LOOK))?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut count = 0;
    while Instant::now() < end {
        match socket.send_to(&[0x55; SENT], to) {
            Ok(_) => count += 1,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["echo", port] => port.parse().ok().map(echo),
        ["send", to, seconds] => {
            to.parse().ok().zip(seconds.parse().ok()).map(|(to, seconds)| send(to, seconds))
        }
        _ => None,
    };
    let Some(done) = done else {
        eprintln!("net echo PORT | send ADDRESS:PORT SECONDS");
        return ExitCode::FAILURE;
    };
    match done {
        Ok(count) => {
            println!("net: {count} datagrams");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("net: {error}");
            ExitCode::FAILURE
        }
    }
}
