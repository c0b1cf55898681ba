//! How connections end.

use std::time::Duration;

use libc::{MSG_NOSIGNAL, POLLERR, POLLHUP, POLLIN, POLLRDHUP, SO_ERROR, SO_LINGER, SOL_SOCKET};
use libc::{SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_STREAM};
use vortex_guest::out::{seen, worked};
use vortex_guest::socket::{bind, connect, listen, receive, send, shutdown};
use vortex_guest::{fd, inet, proc, say, time};

use super::{events, listener, must, one, two, until};

pub fn half_closed() {
    let (client, server) = two();
    seen("send", send(client, b"a request", 0, None));
    worked("no more", shutdown(client, SHUT_WR));
    seen("send", send(client, b"x", MSG_NOSIGNAL, None));
    events("server", server, POLLIN | POLLRDHUP);
    seen("receive", receive(server, 64, 0));
    seen("the end", receive(server, 64, 0));
    seen("answer", send(server, b"an answer", 0, None));
    seen("receive", receive(client, 64, 0));
    events("client", client, 0);
    worked("no more", shutdown(server, SHUT_WR));
    events("client", client, POLLIN | POLLRDHUP | POLLHUP);
    seen("the end", receive(client, 64, 0));
    events("server", server, POLLIN | POLLRDHUP | POLLHUP);
    seen("no more", shutdown(client, SHUT_WR).map(|_| "ok"));
    seen("error", inet::option(client, SOL_SOCKET, SO_ERROR));
}

pub fn shut() {
    let (client, server) = two();
    seen("how", shutdown(client, 3));
    seen("not connected", shutdown(one(SOCK_STREAM), SHUT_RDWR));
    worked("reads no more", shutdown(client, SHUT_RD));
    seen("the end", receive(client, 8, 0));
    seen("send", send(client, b"still", 0, None));
    seen("receive", receive(server, 8, 0));
    worked("nothing more", shutdown(client, SHUT_RDWR));
    seen("the end", receive(server, 8, 0));
    seen("the end", receive(client, 8, 0));
    // Who listens and does no more.
    let (listens, port) = listener();
    worked("listens no more", shutdown(listens, SHUT_RDWR));
    seen("accept", inet::accept(listens, 0).map(|_| "made"));
    seen("connect", connect(one(SOCK_STREAM), &inet::here(port)));
}

/// Whoever leaves with something unread says so.
pub fn reset() {
    let (client, server) = two();
    worked("send", send(client, b"never read", 0, None));
    until(server, POLLIN);
    worked("close", fd::close(server));
    events("client", client, POLLIN | POLLERR | POLLHUP | POLLRDHUP);
    seen("receive", receive(client, 8, 0));
    seen("receive", receive(client, 8, 0));
    seen("send", send(client, b"x", MSG_NOSIGNAL, None));
    let (client, server) = two();
    worked("send", send(client, b"never read", 0, None));
    until(server, POLLIN);
    worked("close", fd::close(server));
    events("client", client, POLLIN | POLLERR | POLLHUP | POLLRDHUP);
    seen("error", inet::option(client, SOL_SOCKET, SO_ERROR));
    seen("error", inet::option(client, SOL_SOCKET, SO_ERROR));
    seen("send", send(client, b"x", MSG_NOSIGNAL, None));
    seen("peer", inet::name(client, true).map(|_| "known"));
}

/// Whoever sends to one that has left is told so, the second time.
pub fn broken() {
    let (client, server) = two();
    worked("close", fd::close(server));
    events("client", client, POLLIN | POLLRDHUP);
    seen("send", send(client, b"x", MSG_NOSIGNAL, None));
    events("client", client, POLLIN | POLLERR | POLLHUP | POLLRDHUP);
    seen("send", send(client, b"x", MSG_NOSIGNAL, None));
    seen("send", send(client, b"x", MSG_NOSIGNAL, None));
    seen("receive", receive(client, 8, 0));
}

pub fn signal() {
    for by_file in [false, true] {
        let (client, server) = two();
        worked("no more", shutdown(client, SHUT_WR));
        let how = proc::outcome(|| {
            let answer = if by_file {
                let from = must("open", vortex_guest::file::open("/proc/self/exe", libc::O_RDONLY));
                fd::sendfile(client, from, 4)
            } else {
                fd::write(client, b"x")
            };
            seen("answer", answer);
            0
        });
        say!("{how}");
        worked("close", fd::close(server));
    }
}

/// Connections that nobody accepts go with who listens.
pub fn listener_gone() {
    let (listens, port) = listener();
    let client = one(SOCK_STREAM);
    worked("connect", connect(client, &inet::here(port)));
    until(listens, POLLIN);
    worked("close", fd::close(listens));
    events("client", client, POLLIN | POLLERR | POLLHUP | POLLRDHUP);
    seen("receive", receive(client, 8, 0));
    seen("connect", connect(one(SOCK_STREAM), &inet::here(port)));
}

fn lingers(on: i32, seconds: i32) -> [u8; 8] {
    let mut value = [0; 8];
    value[..4].copy_from_slice(&on.to_le_bytes());
    value[4..].copy_from_slice(&seconds.to_le_bytes());
    value
}

pub fn linger() {
    let set = |fd, on, seconds| inet::set_option(fd, SOL_SOCKET, SO_LINGER, &lingers(on, seconds));
    let told = |fd| inet::long_option(fd, SOL_SOCKET, SO_LINGER, 8).map(|is| format!("{is:?}"));
    let (client, server) = two();
    seen("fresh", told(client));
    seen("short", inet::set_option(client, SOL_SOCKET, SO_LINGER, &[1, 0, 0, 0]));
    seen("on", set(client, 1, 7));
    seen("told", told(client));
    seen("off", set(client, 0, 9));
    seen("told", told(client));
    seen("at once", set(client, 1, 0));
    seen("told", told(client));
    // Without time, what is not sent is lost, and the other end is told that it is.
    worked("close", fd::close(client));
    events("server", server, POLLIN | POLLERR | POLLHUP | POLLRDHUP);
    seen("receive", receive(server, 8, 0));
    seen("receive", receive(server, 8, 0));
}

/// Who has time to linger waits until all has arrived, or the time is over.
pub fn linger_waits() {
    const MOST: Duration = Duration::from_millis(700);
    for (seconds, reads) in [(20, true), (1, false), (0, true)] {
        let (client, server) = two();
        if seconds > 0 {
            let value = lingers(1, seconds);
            worked("on", inet::set_option(client, SOL_SOCKET, SO_LINGER, &value));
        }
        worked("flags", fd::fcntl(client, libc::F_SETFL, libc::O_NONBLOCK));
        // Linux's buffers grow where nobody says how large they are.
        let small = 65_536_i32.to_le_bytes();
        worked("small", inet::set_option(server, SOL_SOCKET, libc::SO_RCVBUF, &small));
        let (mut sum, mut full) = (0, 0);
        while full < 5 {
            match send(client, &[b'l'; 4_096], 0, None) {
                Ok(sent) => (sum, full) = (sum + sent, 0),
                Err(_) => {
                    full += 1;
                    time::pause(Duration::from_millis(20));
                }
            }
        }
        // Whoever reads begins when it is closed.
        let child = proc::child(|| {
            let _ = fd::close(client);
            time::pause(Duration::from_millis(500));
            let all = if reads { fd::read_all(server).map_or(0, |all| all.len()) } else { sum };
            time::pause(Duration::from_millis(1_500));
            i32::from(all != sum)
        });
        worked("close", fd::close(server));
        // Who closes it last waits: the child has done so by then.
        time::pause(Duration::from_millis(100));
        let began = time::now();
        worked("close", fd::close(client));
        let took = time::now() - began;
        let said = match (took >= Duration::from_millis(200), took >= MOST) {
            (false, _) => "at once",
            (true, false) => "when all had arrived",
            (true, true) => "after its time",
        };
        say!("closed {said}");
        say!("{}", proc::wait(child));
    }
}

/// A port of which connections are left, for who comes next.
pub fn again() {
    for reuse in [0_i32, 1] {
        let (listens, client) = (one(SOCK_STREAM), one(SOCK_STREAM));
        let wish = reuse.to_le_bytes();
        worked("reuse", inet::set_option(listens, SOL_SOCKET, libc::SO_REUSEADDR, &wish));
        worked("bind", bind(listens, &inet::here(0)));
        worked("listen", listen(listens, 1));
        let same = inet::here(inet::port(listens));
        worked("connect", connect(client, &same));
        let (server, _) = must("accept", inet::accept(listens, 0));
        worked("close who listens", fd::close(listens));
        let next = |what: &str| {
            let fd = one(SOCK_STREAM);
            let set = inet::set_option(fd, SOL_SOCKET, libc::SO_REUSEADDR, &wish);
            worked("reuse", set);
            worked(what, bind(fd, &same));
            worked("close", fd::close(fd));
        };
        next("with a connection");
        // Who closes first remembers it for a while.
        worked("close", fd::close(server));
        seen("the end", receive(client, 1, 0));
        worked("close", fd::close(client));
        next("with a memory of one");
    }
}
