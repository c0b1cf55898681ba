//! Datagrams: echoes each to who has sent it, until one says `end`: `net echo PORT`.

use std::net::UdpSocket;
use std::process::ExitCode;

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

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let port = match words[..] {
        ["echo", port] => port.parse().ok(),
        _ => None,
    };
    let Some(port) = port else {
        eprintln!("net echo PORT");
        return ExitCode::FAILURE;
    };
    match echo(port) {
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
