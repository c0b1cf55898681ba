//! UDP.

use std::net::Ipv4Addr;

use libc::{MSG_DONTWAIT, MSG_NOSIGNAL, MSG_PEEK, MSG_TRUNC, POLLIN, SO_ERROR, SOCK_DGRAM};
use libc::{SHUT_RD, SHUT_WR, SOL_SOCKET};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::{entry, poll};
use vortex_guest::socket::{bind, connect, receive_many, send, send_many, shutdown};
use vortex_guest::{Res, fd, inet, say};

use super::{bound, must, one, until};

/// A message, with whom it is from by these names.
fn told(message: Res<inet::Message>, known: &[(&str, u16)]) -> Res<String> {
    message.map(|message| {
        let from = message.from.map(|from| {
            let named = known.iter().find(|(_, port)| *port == from.port());
            format!("{} at {}", named.map_or("somebody", |(name, _)| name), from.ip())
        });
        let from = from.unwrap_or_else(|| "nobody".into());
        format!("{} {:?} {:#x} from {from}", message.count, message.parts, message.flags)
    })
}

pub fn plain() {
    let ((one, first), (other, second)) = (bound(), bound());
    let known = [("one", first), ("other", second)];
    for bytes in [&b"hello"[..], b"", b"the third"] {
        seen("send", send(one, bytes, 0, Some(&inet::here(second))));
    }
    until(other, POLLIN);
    for _ in 0..3 {
        seen("receive", told(inet::receive(other, &[64], 0), &known));
    }
    seen("nothing", told(inet::receive(other, &[64], MSG_DONTWAIT), &known));
    seen("back", inet::send(other, &[b"in ", b"", b"parts"], Some(&inet::here(first)), 0));
    seen("receive", told(inet::receive(one, &[2, 0, 64], 0), &known));
    // To oneself, and by the address of nobody in particular.
    seen("to itself", send(one, b"me", 0, Some(&inet::here(first))));
    seen("receive", told(inet::receive(one, &[64], 0), &known));
    let anybody = inet::address(Ipv4Addr::UNSPECIFIED, first);
    seen("to anybody", send(other, b"any", 0, Some(&anybody)));
    seen("receive", told(inet::receive(one, &[64], 0), &known));
    // Who has no address gets one.
    let fresh = super::one(SOCK_DGRAM);
    seen("fresh", send(fresh, b"fresh", 0, Some(&inet::here(first))));
    say!("has a port: {}", inet::port(fresh) > 0);
    let known = [("fresh", inet::port(fresh))];
    seen("receive", told(inet::receive(one, &[64], 0), &known));
    let mut entries = [entry(one, POLLIN | libc::POLLOUT)];
    seen("poll", poll(&mut entries, 0).map(|_| format!("{:#x}", entries[0].revents)));
}

pub fn connected() {
    let ((server, port), (client, own)) = (bound(), bound());
    let (stranger, strange) = bound();
    let known = [("server", port), ("client", own), ("stranger", strange)];
    seen("nowhere", send(client, b"x", 0, None));
    seen("nowhere", fd::write(client, b"x"));
    worked("connect", connect(client, &inet::here(port)));
    seen("peer", inet::name(client, true).map(|name| (name.port() == port).to_string()));
    seen("own", inet::name(client, false).map(|name| *name.ip()));
    seen("write", fd::write(client, b"by write"));
    seen("receive", told(inet::receive(server, &[64], 0), &known));
    // Others are not heard.
    seen("strange", send(stranger, b"not heard", 0, Some(&inet::here(own))));
    seen("right", send(server, b"heard", 0, Some(&inet::here(own))));
    seen("receive", told(inet::receive(client, &[64], 0), &known));
    seen("nothing", told(inet::receive(client, &[64], MSG_DONTWAIT), &known));
    // But others can be sent to.
    seen("to another", send(client, b"aside", 0, Some(&inet::here(strange))));
    seen("receive", told(inet::receive(stranger, &[64], 0), &known));
    // Another, then none.
    worked("connect", connect(client, &inet::here(strange)));
    seen("send", send(client, b"anew", 0, None));
    seen("receive", told(inet::receive(stranger, &[64], 0), &known));
    let none = (libc::AF_UNSPEC as u16).to_le_bytes();
    worked("no more", connect(client, &[&none[..], &[0; 14]].concat()));
    seen("peer", inet::name(client, true));
    seen("send", send(client, b"x", 0, None));
    // Who had no address has one now.
    let fresh = one(SOCK_DGRAM);
    worked("connect", connect(fresh, &inet::here(port)));
    let named = inet::name(fresh, false);
    seen("own", named.map(|name| format!("{} {}", name.ip(), name.port() > 0)));
    worked("no more", connect(fresh, &[&none[..], &[0; 14]].concat()));
    seen("own", inet::name(fresh, false).map(|name| *name.ip()));
}

/// Who is connected is told that nobody is there.
pub fn refused() {
    let (gone, port) = bound();
    worked("close", fd::close(gone));
    let client = one(SOCK_DGRAM);
    worked("connect", connect(client, &inet::here(port)));
    seen("send", send(client, b"x", 0, None));
    super::events("events", client, libc::POLLERR);
    seen("receive", told(inet::receive(client, &[8], 0), &[]));
    seen("receive", told(inet::receive(client, &[8], MSG_DONTWAIT), &[]));
    seen("send", send(client, b"x", 0, None));
    super::events("events", client, libc::POLLERR);
    seen("error", inet::option(client, SOL_SOCKET, SO_ERROR));
    seen("error", inet::option(client, SOL_SOCKET, SO_ERROR));
    seen("send", send(client, b"x", 0, None));
    super::events("events", client, libc::POLLERR);
    seen("send", send(client, b"x", 0, None));
    // Who is not hears nothing of it.
    let other = one(SOCK_DGRAM);
    seen("send", send(other, b"x", 0, Some(&inet::here(port))));
    seen("send", send(other, b"x", 0, Some(&inet::here(port))));
    seen("receive", told(inet::receive(other, &[8], MSG_DONTWAIT), &[]));
}

pub fn cut() {
    let ((one, port), (other, _)) = (bound(), bound());
    let to = inet::here(port);
    for _ in 0..5 {
        worked("send", send(other, b"0123456789", 0, Some(&to)));
    }
    until(one, POLLIN);
    let short = |flags| told(inet::receive(one, &[4], flags), &[]);
    seen("peek", short(MSG_PEEK));
    seen("peek and its length", short(MSG_PEEK | MSG_TRUNC));
    seen("cut", short(0));
    seen("cut, and its length", short(MSG_TRUNC));
    seen("read", fd::read_text(one, 3));
    seen("nothing of it", told(inet::receive(one, &[0], 0), &[]));
    seen("in parts", told(inet::receive(one, &[3, 3], 0), &[]));
    let longest = vec![b'l'; 1_472];
    seen("a packet's", send(other, &longest, 0, Some(&to)));
    let message = inet::receive(one, &[2_000], 0);
    seen("receive", message.map(|message| message.parts.concat().len()));
    seen("too long", send(other, &vec![b't'; 70_000], 0, Some(&to)));
}

pub fn many() {
    let ((one, port), (other, _)) = (bound(), bound());
    worked("connect", connect(other, &inet::here(port)));
    let sent = send_many(other, &[b"a", b"", b"ccc", b"dd"], 0);
    seen("send", sent.map(|(count, lengths)| format!("{count} {lengths:?}")));
    until(one, POLLIN);
    let got = |count| {
        receive_many(one, count, 2, MSG_DONTWAIT)
            .map(|(count, lengths)| format!("{count} {lengths:?}"))
    };
    // All have arrived when the last has.
    vortex_guest::time::pause(std::time::Duration::from_millis(50));
    seen("receive", got(3));
    seen("receive", got(3));
    seen("receive", got(3));
}

pub fn wrong() {
    let ((one, port), other) = (bound(), super::one(SOCK_DGRAM));
    seen("no port", send(one, b"x", 0, Some(&inet::here(0))));
    seen("short", send(one, b"x", 0, Some(&inet::here(port)[..8])));
    seen("another family", send(one, b"x", 0, Some(&vortex_guest::socket::address("/x"))));
    let long = vortex_guest::socket::address("/a/long/name");
    seen("and long", send(one, b"x", 0, Some(&long)));
    let all = inet::address(Ipv4Addr::BROADCAST, port);
    seen("to all", send(one, b"x", 0, Some(&all)));
    seen("out of band", send(one, b"x", libc::MSG_OOB, Some(&inet::here(port))));
    seen("shut", shutdown(other, SHUT_WR));
    worked("connect", connect(other, &inet::here(port)));
    seen("reads no more", shutdown(other, SHUT_RD));
    seen("receive", told(inet::receive(other, &[8], MSG_DONTWAIT), &[]));
    seen("writes no more", shutdown(other, SHUT_WR));
    seen("send", send(other, b"x", MSG_NOSIGNAL, None));
    // One that is bound elsewhere than it is sent from.
    let all = super::one(SOCK_DGRAM);
    worked("bind", bind(all, &inet::address(Ipv4Addr::UNSPECIFIED, 0)));
    let named = must("name", inet::name(all, false));
    seen("send", send(one, b"to all", 0, Some(&inet::here(named.port()))));
    seen("receive", told(inet::receive(all, &[8], 0), &[("one", port)]));
}
