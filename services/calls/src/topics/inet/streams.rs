//! Names and connections.

use std::net::Ipv4Addr;

use libc::{MSG_DONTWAIT, MSG_PEEK, POLLIN, POLLOUT, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK};
use libc::{SO_ERROR, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET};
use vortex_guest::out::{seen, worked};
use vortex_guest::socket::{bind, connect, listen, receive, send, socket};
use vortex_guest::{fd, inet, proc, say};

use super::{listener, must, one, two, until};

pub fn families() {
    for (kind, protocol) in [
        (SOCK_STREAM, 0),
        (SOCK_STREAM, libc::IPPROTO_TCP),
        (SOCK_STREAM, libc::IPPROTO_UDP),
        (SOCK_DGRAM, 0),
        (SOCK_DGRAM, libc::IPPROTO_UDP),
        (SOCK_DGRAM, libc::IPPROTO_TCP),
        (SOCK_SEQPACKET, 0),
        (0, 0),
        (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
        (SOCK_STREAM | 0x100, 0),
    ] {
        let made = socket(libc::AF_INET, kind, protocol);
        worked(&format!("{kind:#x} {protocol}"), made);
        if let Ok(fd) = made {
            seen("flags", fd::fcntl(fd, libc::F_GETFL, 0).map(|flags| flags & 0o4003));
            seen("of the descriptor", fd::fcntl(fd, libc::F_GETFD, 0));
            seen("protocol", inet::option(fd, SOL_SOCKET, libc::SO_PROTOCOL));
            seen("seek", fd::seek(fd, 0, libc::SEEK_CUR));
            worked("close", fd::close(fd));
        }
    }
}

pub fn names() {
    for kind in [SOCK_STREAM, SOCK_DGRAM] {
        let fd = one(kind);
        seen("fresh", inet::name(fd, false));
        seen("other", inet::name(fd, true));
        worked("bind", bind(fd, &inet::here(0)));
        seen("own", inet::name(fd, false).map(|name| format!("{} {}", name.ip(), name.port() > 0)));
        seen("other", inet::name(fd, true));
        let any = one(kind);
        worked("bind to all", bind(any, &inet::address(Ipv4Addr::UNSPECIFIED, 0)));
        seen("own", inet::name(any, false).map(|name| *name.ip()));
    }
}

pub fn binds() {
    for kind in [SOCK_STREAM, SOCK_DGRAM] {
        let fd = one(kind);
        worked("short", bind(fd, &inet::here(0)[..15]));
        worked("another family", bind(fd, &vortex_guest::socket::address("/x")));
        worked("and long", bind(fd, &vortex_guest::socket::address("/a/long/name")));
        worked("not ours", bind(fd, &inet::address(Ipv4Addr::new(192, 0, 2, 1), 0)));
        worked("ours", bind(fd, &inet::here(0)));
        worked("once more", bind(fd, &inet::here(0)));
        let taken = inet::here(inet::port(fd));
        let other = one(kind);
        worked("taken", bind(other, &taken));
        let all = inet::address(Ipv4Addr::UNSPECIFIED, inet::port(fd));
        worked("of all", bind(other, &all));
        worked("close", fd::close(fd));
        worked("free again", bind(other, &taken));
    }
    // Who listens has it alone, whatever others wish for; who may share, may with who may.
    for (option, what) in [(libc::SO_REUSEADDR, "address"), (libc::SO_REUSEPORT, "port")] {
        let (one, other) = (one(SOCK_STREAM), one(SOCK_STREAM));
        for fd in [one, other] {
            worked(what, inet::set_option(fd, SOL_SOCKET, option, &1_i32.to_le_bytes()));
        }
        worked("bind", bind(one, &inet::here(0)));
        worked("listen", listen(one, 1));
        worked("bind", bind(other, &inet::here(inet::port(one))));
    }
}

pub fn connects() {
    let (listens, port) = listener();
    let client = one(SOCK_STREAM);
    worked("connect", connect(client, &inet::here(port)));
    let Ok((server, from)) = inet::accept(listens, 0) else { return say!("not accepted") };
    let (own, other) = (must("own", inet::name(client, false)), inet::name(client, true));
    say!("told of whom: {}", own == from);
    say!("from here: {}", own.ip());
    seen("to there", other.map(|name| (name.port() == port, *name.ip())).map(said));
    let there = (inet::name(server, false), inet::name(server, true));
    say!("the other way: {}", there.1 == Ok(own) && there.0 == inet::name(client, true));
    seen("send", send(client, b"hello", 0, None));
    seen("receive", receive(server, 64, 0));
    seen("write", fd::write(server, b"and back"));
    seen("read", fd::read_text(client, 64));
    seen("writev", fd::writev(client, &[b"in ", b"", b"parts"]));
    seen("read", fd::read_text(server, 3));
    seen("read", fd::read_text(server, 64));
    seen("once more", connect(client, &inet::here(port)));
    worked("close", fd::close(client));
    seen("the end", receive(server, 64, 0));
    seen("the end", receive(server, 64, 0));
}

fn said((same, ip): (bool, Ipv4Addr)) -> String {
    format!("{same} {ip}")
}

pub fn accepts() {
    let fd = one(SOCK_STREAM);
    seen("not listening", inet::accept(fd, 0).map(|_| "made"));
    seen("datagrams", inet::accept(one(SOCK_DGRAM), 0).map(|_| "made"));
    seen("datagrams listen", listen(one(SOCK_DGRAM), 1));
    let (listens, port) = listener();
    worked("flags", fd::fcntl(listens, libc::F_SETFL, libc::O_NONBLOCK));
    seen("nobody", inet::accept(listens, 0).map(|_| "made"));
    seen("flags", inet::accept(listens, 0x1000).map(|_| "made"));
    for flags in [0, SOCK_NONBLOCK, SOCK_CLOEXEC, SOCK_NONBLOCK | SOCK_CLOEXEC] {
        let client = one(SOCK_STREAM);
        worked("connect", connect(client, &inet::here(port)));
        until(listens, POLLIN);
        let Ok((server, _)) = inet::accept(listens, flags) else { return say!("not accepted") };
        seen("flags", fd::fcntl(server, libc::F_GETFL, 0).map(|flags| flags & 0o4003));
        seen("of the descriptor", fd::fcntl(server, libc::F_GETFD, 0));
        worked("close", fd::close(server));
    }
    seen("listen again", listen(listens, 2));
    let (client, _server) = two();
    seen("who is connected listens", listen(client, 2));
    seen("who listens connects", connect(listens, &inet::here(port)));
    seen("who listens sends", send(listens, b"x", libc::MSG_NOSIGNAL, None));
    seen("who listens receives", receive(listens, 1, 0));
}

pub fn refused() {
    let (bound, fd) = (one(SOCK_STREAM), one(SOCK_STREAM));
    worked("bind", bind(bound, &inet::here(0)));
    let nobody = inet::here(inet::port(bound));
    seen("connect", connect(fd, &nobody));
    seen("error", inet::option(fd, SOL_SOCKET, SO_ERROR));
    seen("once more", connect(fd, &nobody));
    worked("now somebody listens", listen(bound, 1));
    seen("and once more", connect(fd, &nobody));
    seen("send", send(fd, b"there", 0, None));
    let other = one(SOCK_STREAM);
    seen("no port", connect(other, &inet::here(0)));
    seen("short", connect(one(SOCK_STREAM), &inet::here(1)[..8]));
    seen("another family", connect(one(SOCK_STREAM), &vortex_guest::socket::address("/x")));
    let long = vortex_guest::socket::address("/a/long/name");
    seen("and long", connect(one(SOCK_STREAM), &long));
}

pub fn later() {
    let (listens, port) = listener();
    let fd = one(SOCK_STREAM | SOCK_NONBLOCK);
    seen("connect", connect(fd, &inet::here(port)));
    until(fd, POLLOUT);
    seen("error", inet::option(fd, SOL_SOCKET, SO_ERROR));
    seen("connect", connect(fd, &inet::here(port)));
    seen("nothing there", receive(fd, 1, 0));
    seen("send", send(fd, b"x", 0, None));
    let (server, _) = must("accept", inet::accept(listens, 0));
    seen("receive", receive(server, 1, 0));
    // Who does not ask for the error first learns it so.
    let fd = one(SOCK_STREAM | SOCK_NONBLOCK);
    seen("connect", connect(fd, &inet::here(port)));
    until(fd, POLLOUT);
    seen("connect", connect(fd, &inet::here(port)));
    seen("connect", connect(fd, &inet::here(port)));
}

pub fn refused_later() {
    let bound = one(SOCK_STREAM);
    worked("bind", bind(bound, &inet::here(0)));
    let nobody = inet::here(inet::port(bound));
    let fd = one(SOCK_STREAM | SOCK_NONBLOCK);
    seen("connect", connect(fd, &nobody));
    super::events("events", fd, libc::POLLERR | libc::POLLHUP);
    seen("error", inet::option(fd, SOL_SOCKET, SO_ERROR));
    seen("error", inet::option(fd, SOL_SOCKET, SO_ERROR));
    super::events("events", fd, 0);
    let fd = one(SOCK_STREAM | SOCK_NONBLOCK);
    seen("connect", connect(fd, &nobody));
    super::events("events", fd, libc::POLLERR | libc::POLLHUP);
    seen("connect", connect(fd, &nobody));
    let fd = one(SOCK_STREAM | SOCK_NONBLOCK);
    seen("connect", connect(fd, &nobody));
    super::events("events", fd, libc::POLLERR | libc::POLLHUP);
    seen("send", send(fd, b"x", libc::MSG_NOSIGNAL, None));
    seen("receive", receive(fd, 1, 0));
}

/// What can be done with who is not connected, and with who is.
pub fn connected() {
    let fd = one(SOCK_STREAM);
    seen("send", send(fd, b"x", libc::MSG_NOSIGNAL, None));
    seen("receive", receive(fd, 1, 0));
    seen("shutdown", vortex_guest::socket::shutdown(fd, libc::SHUT_WR));
    super::events("fresh", fd, 0);
    let (client, server) = two();
    super::events("connected", client, 0);
    let elsewhere = inet::here(1);
    seen("to somewhere", send(client, b"x", 0, Some(&elsewhere)));
    seen("arrives", receive(server, 8, 0));
    seen("nothing", send(client, b"", 0, None));
    seen("nothing", receive(server, 0, MSG_DONTWAIT));
    // Another name of the same.
    let other = must("dup", fd::dup(client)) as i32;
    worked("close", fd::close(client));
    seen("by the other name", send(other, b"y", 0, None));
    seen("arrives", receive(server, 8, 0));
}

pub fn parts() {
    let (client, server) = two();
    seen("send", inet::send(client, &[b"one", b"", b"two", b"three"], None, 0));
    until(server, POLLIN);
    match inet::receive(server, &[4, 0, 3, 64], 0) {
        Ok(message) => {
            say!("{} {:?} {:#x} {:?}", message.count, message.parts, message.flags, message.from);
        }
        Err(error) => say!("receive: {error}"),
    }
    seen("send", vortex_guest::socket::send_many(client, &[b"a", b"bc", b"def"], 0).map(told));
    let mut all = String::new();
    while all.len() < 6 {
        match fd::read_text(server, 16) {
            Ok(some) => all += &some,
            Err(error) => return say!("read: {error}"),
        }
    }
    say!("{all}");
}

fn told((count, lengths): (usize, Vec<u32>)) -> String {
    format!("{count} {lengths:?}")
}

pub fn peek() {
    let (client, server) = two();
    seen("nothing", receive(server, 8, MSG_DONTWAIT));
    seen("nothing", receive(server, 8, MSG_DONTWAIT | MSG_PEEK));
    seen("send", send(client, b"abcdef", 0, None));
    until(server, POLLIN);
    seen("peek", receive(server, 3, MSG_PEEK));
    seen("peek", receive(server, 64, MSG_PEEK));
    seen("receive", receive(server, 2, 0));
    seen("peek", receive(server, 64, MSG_PEEK | MSG_DONTWAIT));
    seen("receive", receive(server, 64, MSG_DONTWAIT));
    seen("receive", receive(server, 64, MSG_DONTWAIT));
    worked("close", fd::close(client));
    seen("peek at the end", receive(server, 64, MSG_PEEK));
    seen("the end", receive(server, 64, 0));
}

/// Several at once, each of which is answered.
pub fn many() {
    const COUNT: usize = 6;
    let (listens, port) = listener();
    let clients: Vec<_> = (0..COUNT)
        .map(|at| {
            let fd = one(SOCK_STREAM);
            must("connect", connect(fd, &inet::here(port)));
            must("send", send(fd, format!("number {at}").as_bytes(), 0, None));
            fd
        })
        .collect();
    // They are accepted in the order in which they came.
    for _ in 0..COUNT {
        let (server, _) = must("accept", inet::accept(listens, 0));
        seen("receive", receive(server, 64, 0));
        seen("answer", send(server, b"done", 0, None));
        worked("close", fd::close(server));
    }
    for client in clients {
        seen("receive", receive(client, 64, 0));
        seen("the end", receive(client, 64, 0));
    }
}

/// Processes that share who listens.
pub fn shared() {
    const EACH: usize = 3;
    let (listens, port) = listener();
    let children: Vec<_> = (0..2)
        .map(|_| {
            proc::child(|| {
                for _ in 0..EACH {
                    let (server, _) = must("accept", inet::accept(listens, 0));
                    must("answer", send(server, b"served", 0, None));
                    must("close", fd::close(server));
                }
                0
            })
        })
        .collect();
    worked("close", fd::close(listens));
    for _ in 0..2 * EACH {
        let client = one(SOCK_STREAM);
        must("connect", connect(client, &inet::here(port)));
        seen("receive", receive(client, 64, 0));
        seen("the end", receive(client, 64, 0));
    }
    for child in children {
        say!("{}", proc::wait(child));
    }
    seen("nobody any more", connect(one(SOCK_STREAM), &inet::here(port)));
}
