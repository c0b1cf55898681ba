//! Sockets of `AF_INET` at 127.0.0.1: TCP and UDP.
//!
//! The host has other programs with sockets: no port is chosen, and none is printed.

mod datagrams;
mod ends;
mod files;
mod options;
mod ready;
mod streams;
mod waits;

use libc::{SOCK_DGRAM, SOCK_STREAM};
use vortex_guest::out::{fail, seen};
use vortex_guest::pipe::{entry, poll};
use vortex_guest::socket::{bind, connect, listen, socket};
use vortex_guest::{Res, inet};

crate::tests!("inet":
    "families" => streams::families,
    "names" => streams::names,
    "bind" => streams::binds,
    "connect" => streams::connects,
    "accept" => streams::accepts,
    "refused" => streams::refused,
    "connect-later" => streams::later,
    "refused-later" => streams::refused_later,
    "connected" => streams::connected,
    "parts" => streams::parts,
    "peek" => streams::peek,
    "many" => streams::many,
    "shared" => streams::shared,
    "half-closed" => ends::half_closed,
    "shut" => ends::shut,
    "reset" => ends::reset,
    "broken" => ends::broken,
    "signal" => ends::signal,
    "listener-gone" => ends::listener_gone,
    "linger" => ends::linger,
    "linger-waits" => ends::linger_waits,
    "again" => ends::again,
    "options" => options::numbers,
    "options-wrong" => options::wrong,
    "options-inherited" => options::inherited,
    "cork" => options::cork,
    "poll" => ready::polls,
    "level" => ready::level,
    "edge" => ready::edge,
    "once" => ready::once,
    "events" => ready::ends,
    "waiting-bytes" => ready::waiting_bytes,
    "waits" => waits::waits,
    "waits-for-all" => waits::all,
    "times-out" => waits::times_out,
    "interrupted" => waits::interrupted,
    "full" => waits::full,
    "large" => waits::large,
    "datagrams" => datagrams::plain,
    "datagrams-connected" => datagrams::connected,
    "datagrams-refused" => datagrams::refused,
    "datagrams-cut" => datagrams::cut,
    "datagrams-many" => datagrams::many,
    "datagrams-wrong" => datagrams::wrong,
    "sendfile" => files::plain,
    "sendfile-whole" => files::whole,
    "sendfile-full" => files::full,
    "sendfile-wrong" => files::wrong,
    "sendfile-interrupted" => files::interrupted,
);

/// A socket, where one cannot be missing.
fn one(kind: i32) -> i32 {
    must("socket", socket(libc::AF_INET, kind, 0))
}

fn must<T>(what: &str, answer: Res<T>) -> T {
    answer.unwrap_or_else(|error| fail(&format!("{what}: {error}")))
}

/// Somebody who listens, and the port.
fn listener() -> (i32, u16) {
    let fd = one(SOCK_STREAM);
    must("bind", bind(fd, &inet::here(0)));
    must("listen", listen(fd, 8));
    (fd, inet::port(fd))
}

/// A connection: who began it, and who was asked.
fn two() -> (i32, i32) {
    let (listens, port) = listener();
    let client = one(SOCK_STREAM);
    must("connect", connect(client, &inet::here(port)));
    let (server, _) = must("accept", inet::accept(listens, 0));
    must("close", vortex_guest::fd::close(listens));
    (client, server)
}

/// A socket for datagrams, and its port.
fn bound() -> (i32, u16) {
    let fd = one(SOCK_DGRAM);
    must("bind", bind(fd, &inet::here(0)));
    (fd, inet::port(fd))
}

/// Waits until a descriptor is ready for this, or has ended: for what comes by itself.
fn until(fd: i32, events: i16) {
    let mut entries = [entry(fd, events)];
    let answer = poll(&mut entries, 5_000);
    if answer != Ok(1) {
        seen("nothing has come", answer);
    }
}

/// Waits until all of these events are there, and says which.
fn events(what: &str, fd: i32, all: i16) {
    let wanted = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP;
    let mut is = 0;
    for _ in 0..500 {
        let mut entries = [entry(fd, wanted)];
        let _ = poll(&mut entries, 0);
        is = entries[0].revents;
        if is & all == all {
            break;
        }
        vortex_guest::time::pause(std::time::Duration::from_millis(10));
    }
    seen(what, Ok(vortex_guest::pipe::events(is)));
}
