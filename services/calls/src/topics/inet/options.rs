//! setsockopt(2) and getsockopt(2).

use libc::{IPPROTO_IP, IPPROTO_TCP, POLLIN, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET};
use vortex_guest::out::seen;
use vortex_guest::socket::{connect, receive, send};
use vortex_guest::{inet, say};

use super::{listener, must, one, two, until};

/// Those that are a number, with what to set them to.
const NUMBERS: &[(&str, i32, i32, &[i32])] = &[
    ("SO_REUSEADDR", SOL_SOCKET, libc::SO_REUSEADDR, &[1, 0, 7]),
    ("SO_REUSEPORT", SOL_SOCKET, libc::SO_REUSEPORT, &[1, 0]),
    ("SO_KEEPALIVE", SOL_SOCKET, libc::SO_KEEPALIVE, &[1, 0, 5]),
    ("SO_BROADCAST", SOL_SOCKET, libc::SO_BROADCAST, &[1, 0]),
    ("TCP_NODELAY", IPPROTO_TCP, libc::TCP_NODELAY, &[1, 0, 9]),
    ("TCP_CORK", IPPROTO_TCP, libc::TCP_CORK, &[1, 0]),
    ("TCP_KEEPIDLE", IPPROTO_TCP, libc::TCP_KEEPIDLE, &[60, 0, 32_768]),
    ("TCP_KEEPINTVL", IPPROTO_TCP, libc::TCP_KEEPINTVL, &[10, 0, 32_768]),
    ("TCP_KEEPCNT", IPPROTO_TCP, libc::TCP_KEEPCNT, &[3, 0, 128]),
    ("TCP_USER_TIMEOUT", IPPROTO_TCP, libc::TCP_USER_TIMEOUT, &[30_000, 0, -1]),
    ("IP_TOS", IPPROTO_IP, libc::IP_TOS, &[0x10, 0x08, 0]),
    ("IP_TTL", IPPROTO_IP, libc::IP_TTL, &[10, 0, 256, 255]),
];

pub fn numbers() {
    for kind in [SOCK_STREAM, SOCK_DGRAM] {
        let fd = one(kind);
        for (name, level, option, values) in NUMBERS {
            seen(name, inet::option(fd, *level, *option));
            for value in *values {
                let set = inet::set_option(fd, *level, *option, &value.to_le_bytes());
                seen(&format!("to {value}"), set);
                seen("told", inet::option(fd, *level, *option));
            }
        }
        for (name, option) in [
            ("SO_TYPE", libc::SO_TYPE),
            ("SO_DOMAIN", libc::SO_DOMAIN),
            ("SO_PROTOCOL", libc::SO_PROTOCOL),
            ("SO_ACCEPTCONN", libc::SO_ACCEPTCONN),
            ("SO_ERROR", libc::SO_ERROR),
        ] {
            seen(name, inet::option(fd, SOL_SOCKET, option));
        }
    }
    let (listens, _) = listener();
    seen("listens", inet::option(listens, SOL_SOCKET, libc::SO_ACCEPTCONN));
    // What is acknowledged when: it goes back to what it was by itself.
    let (client, _server) = two();
    let quick = inet::set_option(client, IPPROTO_TCP, libc::TCP_QUICKACK, &1_i32.to_le_bytes());
    seen("TCP_QUICKACK", quick);
    seen("told", inet::option(client, IPPROTO_TCP, libc::TCP_QUICKACK));
}

pub fn wrong() {
    let on = 1_i32.to_le_bytes();
    for kind in [SOCK_STREAM, SOCK_DGRAM] {
        let fd = one(kind);
        for (level, option) in [
            (SOL_SOCKET, 9_999),
            (IPPROTO_TCP, 9_999),
            (IPPROTO_IP, 9_999),
            (IPPROTO_TCP, libc::TCP_NODELAY),
            (77, 1),
            (SOL_SOCKET, libc::SO_TYPE),
            (SOL_SOCKET, libc::SO_ERROR),
        ] {
            seen(&format!("set {level} {option}"), inet::set_option(fd, level, option, &on));
        }
        for (level, option) in [(SOL_SOCKET, 9_999), (IPPROTO_TCP, 9_999), (77, 1)] {
            seen(&format!("get {level} {option}"), inet::option(fd, level, option));
        }
        for bytes in [&on[..0], &on[..3]] {
            let set = inet::set_option(fd, SOL_SOCKET, libc::SO_KEEPALIVE, bytes);
            seen(&format!("of {} bytes", bytes.len()), set);
        }
        let short = inet::long_option(fd, SOL_SOCKET, libc::SO_TYPE, 2);
        seen("told in part", short.map(|bytes| format!("{bytes:?}")));
        let long = inet::long_option(fd, SOL_SOCKET, libc::SO_TYPE, 16);
        seen("told in much", long.map(|bytes| format!("{bytes:?}")));
    }
}

/// Who is accepted has what the one had who listened.
pub fn inherited() {
    let (listens, port) = listener();
    for (_, level, option, values) in NUMBERS {
        let value = values[0].to_le_bytes();
        if *option != libc::TCP_CORK || *level != IPPROTO_TCP {
            let _ = inet::set_option(listens, *level, *option, &value);
        }
    }
    let time = [3_i64.to_le_bytes(), 0_i64.to_le_bytes()].concat();
    seen("time", inet::set_option(listens, SOL_SOCKET, libc::SO_RCVTIMEO, &time));
    let client = one(SOCK_STREAM);
    seen("connect", connect(client, &inet::here(port)));
    let (server, _) = must("accept", inet::accept(listens, 0));
    for (name, level, option, _) in NUMBERS {
        seen(name, inet::option(server, *level, *option));
    }
    let time = inet::long_option(server, SOL_SOCKET, libc::SO_RCVTIMEO, 16);
    seen("time", time.map(|time| format!("{time:?}")));
}

/// What is held back goes when there is no reason to hold it back any more.
pub fn cork() {
    let (client, server) = two();
    let cork = |on: i32| {
        seen("cork", inet::set_option(client, IPPROTO_TCP, libc::TCP_CORK, &on.to_le_bytes()));
    };
    cork(1);
    for part in [&b"a"[..], b"bc", b"def"] {
        seen("send", send(client, part, 0, None));
    }
    seen("nothing yet", receive(server, 64, libc::MSG_DONTWAIT));
    cork(0);
    until(server, POLLIN);
    seen("all at once", receive(server, 64, 0));
    // What fills a segment is not held back.
    cork(1);
    let much = vec![b'm'; 100_000];
    let child = vortex_guest::proc::child(|| {
        let (mut sum, mut room) = (0, vec![0; 4_096]);
        while sum < 100_000 {
            sum += vortex_guest::fd::read(server, &mut room).unwrap_or(100_000);
        }
        i32::from(sum != 100_000)
    });
    seen("much", send(client, &much, 0, None));
    cork(0);
    say!("{}", vortex_guest::proc::wait(child));
}
