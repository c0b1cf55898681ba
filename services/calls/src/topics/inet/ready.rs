//! Who is ready: poll(2) and epoll(7).

use libc::{
    EPOLL_CTL_MOD, EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLRDHUP,
    POLLIN, POLLOUT, SHUT_WR, SOCK_NONBLOCK, SOCK_STREAM,
};
use vortex_guest::event::{control, set, wait, watch};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::{entry, poll};
use vortex_guest::socket::{connect, receive, send, shutdown};
use vortex_guest::{fd, inet, say};

use super::{bound, listener, must, one, two, until};

/// What a set says within a second.
fn next(what: &str, own: i32, known: &[i32]) {
    let events = wait(own, 8, 1_000).map(|events| {
        let place = |fd: u64| known.iter().position(|known| *known as u64 == fd).unwrap_or(99);
        let all = events.iter().map(|(fd, events)| format!("{}:{events:#x}", place(*fd)));
        let mut all: Vec<_> = all.collect();
        all.sort();
        format!("[{}]", all.join(" "))
    });
    seen(what, events);
}

/// Waits until a set says that all of these are so of one descriptor: what comes one after the
/// other may be told so.
fn until_all(what: &str, own: i32, all: i32) {
    let mut is = 0;
    for _ in 0..100 {
        for (_, events) in wait(own, 1, 1_000).unwrap_or_default() {
            is |= events;
        }
        if is & all as u32 == all as u32 {
            break;
        }
        vortex_guest::time::pause(std::time::Duration::from_millis(10));
    }
    say!("{what}: {is:#x}");
}

pub fn polls() {
    let (listens, port) = listener();
    let client = one(SOCK_STREAM);
    let mut entries = [entry(listens, POLLIN), entry(client, POLLIN | POLLOUT)];
    seen("fresh", poll(&mut entries, 0));
    say!("{:#x} {:#x}", entries[0].revents, entries[1].revents);
    worked("connect", connect(client, &inet::here(port)));
    until(listens, POLLIN);
    let mut entries = [entry(listens, POLLIN | POLLOUT), entry(client, POLLIN | POLLOUT)];
    seen("connected", poll(&mut entries, 0));
    say!("{:#x} {:#x}", entries[0].revents, entries[1].revents);
    let (server, _) = must("accept", inet::accept(listens, 0));
    let mut entries = [entry(listens, POLLIN), entry(server, POLLIN | POLLOUT)];
    seen("accepted", poll(&mut entries, 0));
    say!("{:#x} {:#x}", entries[0].revents, entries[1].revents);
    worked("send", send(client, b"x", 0, None));
    until(server, POLLIN);
    // The other names of the same two.
    let both = libc::POLLRDNORM | libc::POLLWRNORM;
    let mut entries = [entry(server, both), entry(client, both)];
    seen("something", poll(&mut entries, 0));
    say!("{:#x} {:#x}", entries[0].revents, entries[1].revents);
}

pub fn level() {
    let own = must("set", set(0));
    let (client, server) = two();
    worked("watch", watch(own, server, EPOLLIN));
    seen("nothing", wait(own, 8, 0).map(|events| events.len()));
    worked("send", send(client, b"abc", 0, None));
    let known = [server];
    next("something", own, &known);
    next("still", own, &known);
    seen("receive", receive(server, 2, 0));
    next("still", own, &known);
    seen("receive", receive(server, 2, 0));
    seen("nothing", wait(own, 8, 0).map(|events| events.len()));
    worked("both", control(own, EPOLL_CTL_MOD, server, (EPOLLIN | EPOLLOUT) as u32));
    next("to write", own, &known);
}

pub fn edge() {
    let own = must("set", set(0));
    let (client, server) = two();
    worked("watch", watch(own, server, EPOLLIN | EPOLLET));
    let known = [server];
    worked("send", send(client, b"abc", 0, None));
    next("something", own, &known);
    seen("not again", wait(own, 8, 0).map(|events| events.len()));
    seen("receive", receive(server, 1, 0));
    seen("nor for the rest", wait(own, 8, 0).map(|events| events.len()));
    worked("send", send(client, b"def", 0, None));
    next("more", own, &known);
    seen("receive", receive(server, 64, 0));
    worked("close", fd::close(client));
    next("the end", own, &known);
    seen("not again", wait(own, 8, 0).map(|events| events.len()));
    // Who listens.
    let (listens, port) = listener();
    worked("watch", watch(own, listens, EPOLLIN | EPOLLET));
    for _ in 0..2 {
        worked("connect", connect(one(SOCK_STREAM), &inet::here(port)));
        next("somebody", own, &[listens]);
        seen("not again", wait(own, 8, 0).map(|events| events.len()));
    }
}

pub fn once() {
    let own = must("set", set(0));
    let (client, server) = two();
    worked("watch", watch(own, server, EPOLLIN | EPOLLONESHOT));
    worked("send", send(client, b"abc", 0, None));
    next("something", own, &[server]);
    worked("send", send(client, b"def", 0, None));
    seen("not again", wait(own, 8, 0).map(|events| events.len()));
    let again = (EPOLLIN | EPOLLONESHOT) as u32;
    worked("again", control(own, EPOLL_CTL_MOD, server, again));
    next("something", own, &[server]);
}

/// What the end of a connection, and its beginning, are told as.
pub fn ends() {
    let own = must("set", set(0));
    let (client, server) = two();
    worked("watch", watch(own, server, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
    worked("no more", shutdown(client, SHUT_WR));
    until_all("half", own, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    worked("no more", shutdown(server, SHUT_WR));
    until_all("whole", own, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
    worked("close", fd::close(server));
    let (client, server) = two();
    worked("watch", watch(own, client, EPOLLIN | EPOLLRDHUP));
    worked("send", send(client, b"unread", 0, None));
    until(server, POLLIN);
    worked("close", fd::close(server));
    until_all("reset", own, EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP);
    worked("close", fd::close(client));
    // Connections that are begun.
    let (_listens, port) = listener();
    let begins = one(SOCK_STREAM | SOCK_NONBLOCK);
    seen("connect", connect(begins, &inet::here(port)));
    worked("watch", watch(own, begins, EPOLLIN | EPOLLOUT));
    until_all("there", own, EPOLLOUT);
    let refused = one(SOCK_STREAM | SOCK_NONBLOCK);
    let nobody = inet::here(inet::port(begins));
    seen("connect", connect(refused, &nobody));
    worked("unwatch", control(own, libc::EPOLL_CTL_DEL, begins, 0));
    worked("watch", watch(own, refused, EPOLLIN | EPOLLOUT));
    until_all("refused", own, EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP);
}

/// How much can be read, and has not arrived yet.
pub fn waiting_bytes() {
    let (client, server) = two();
    seen("nothing", fd::ioctl(server, libc::FIONREAD as usize));
    worked("send", send(client, b"abcdef", 0, None));
    until(server, POLLIN);
    seen("something", fd::ioctl(server, libc::FIONREAD as usize));
    seen("receive", receive(server, 2, 0));
    seen("the rest", fd::ioctl(server, libc::FIONREAD as usize));
    let (datagrams, port) = bound();
    seen("no datagram", fd::ioctl(datagrams, libc::FIONREAD as usize));
    for bytes in [&b"first"[..], b"the second"] {
        worked("send", send(datagrams, bytes, 0, Some(&inet::here(port))));
    }
    until(datagrams, POLLIN);
    seen("the first's", fd::ioctl(datagrams, libc::FIONREAD as usize));
    let (listens, _) = listener();
    seen("who listens", fd::ioctl(listens, libc::FIONREAD as usize));
    seen("all has arrived", fd::ioctl(server, libc::TIOCOUTQ as usize));
    seen("nothing of the kind", fd::ioctl(server, libc::TCGETS as usize));
}
