//! Sockets of `AF_UNIX`.

mod passing;
mod waiting;

use libc::{MSG_DONTWAIT, MSG_NOSIGNAL, MSG_PEEK, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::{entry, poll};
use vortex_guest::socket::{
    accept, address, bind, connect, listen, name, option, pair, peer, receive, receive_many, send,
    send_many, set_option, shutdown, socket,
};
use vortex_guest::temp::Temp;
use vortex_guest::{fd, file, proc, say, sig};

crate::tests!("sockets":
    "pair" => pairs,
    "families" => families,
    "connect" => connects,
    "abstract" => hidden,
    "names" => names,
    "refused" => refused,
    "datagrams" => datagrams,
    "packets" => packets,
    "half-closed" => half_closed,
    "broken" => broken,
    "signal" => signal,
    "peek-and-cut" => peek,
    "options" => options,
    "who" => who,
    "ready" => ready,
    "several" => several,
    "no-sockets" => no_sockets,
    "waits" => waiting::waits,
    "waits-for-room" => waiting::room,
    "waits-to-connect" => waiting::backlog,
    "waits-for-all" => waiting::all,
    "times-out" => waiting::timeout,
    "interrupted" => waiting::interrupted,
    "large" => waiting::large,
    "many-bytes" => waiting::many,
    "server" => waiting::server,
    "descriptors" => passing::descriptors,
    "descriptors-wrong" => passing::wrong,
    "descriptors-lost" => passing::lost,
    "descriptors-cut" => passing::cut,
    "descriptors-peeked" => passing::peeked,
    "descriptors-in-circles" => passing::circles,
    "credentials" => passing::credentials,
    "sendfile" => passing::files,
);

/// A pair, where one cannot be missing.
fn two(kind: i32) -> (i32, i32) {
    pair(kind).unwrap_or_else(|error| vortex_guest::out::fail(&format!("no pair: {error}")))
}

/// A socket.
fn one(kind: i32) -> i32 {
    socket(libc::AF_UNIX, kind, 0)
        .unwrap_or_else(|error| vortex_guest::out::fail(&format!("no socket: {error}")))
}

/// Events of a descriptor, as a number.
fn events(what: &str, fd: i32) {
    let wanted = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP | libc::POLLPRI;
    let mut entries = [entry(fd, wanted)];
    let answer = poll(&mut entries, 0);
    seen(what, answer.map(|_| format!("{:#x}", entries[0].revents)));
}

fn pairs() {
    for kind in [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET] {
        let (one, other) = two(kind);
        seen("write", fd::write(one, b"hello"));
        seen("write", fd::write(one, b"world"));
        seen("read", fd::read_text(other, 7));
        seen("read", fd::read_text(other, 7));
        seen("and back", fd::writev(other, &[b"a", b"", b"bc"]));
        seen("read", fd::read_text(one, 64));
        seen("name", name(one, false));
        seen("peer", name(one, true));
        seen("seek", file::fstat(one).map(|stat| format!("{:o}", stat.mode())));
        seen("close", fd::close(one));
        seen("read at the end", receive(other, 8, MSG_DONTWAIT));
        seen("send", send(other, b"x", MSG_NOSIGNAL, None));
    }
}

fn families() {
    for (family, kind, protocol) in [
        (libc::AF_UNIX, SOCK_STREAM, 0),
        (libc::AF_UNIX, SOCK_STREAM, 1),
        (libc::AF_UNIX, SOCK_STREAM, 2),
        (libc::AF_UNIX, 0, 0),
        (libc::AF_UNIX, 9, 0),
        (libc::AF_UNIX, SOCK_STREAM | 0x100, 0),
        (libc::AF_UNIX, SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0),
        (-1, SOCK_STREAM, 0),
        (99, SOCK_STREAM, 0),
    ] {
        let made = socket(family, kind, protocol);
        worked(&format!("{family} {kind:#x} {protocol}"), made);
        if let Ok(fd) = made {
            seen("flags", fd::fcntl(fd, libc::F_GETFL, 0).map(|flags| flags & 0o4003));
            seen("of the descriptor", fd::fcntl(fd, libc::F_GETFD, 0));
            worked("close", fd::close(fd));
        }
    }
}

fn connects() {
    let temp = Temp::new("sockets");
    for kind in [SOCK_STREAM, SOCK_SEQPACKET] {
        let path = format!("{}/{kind}", temp.path());
        let listener = one(kind);
        seen("bind", bind(listener, &address(&path)));
        seen(
            "is there",
            file::lstat(&path).map(|stat| format!("{} {:o}", stat.kind(), stat.mode())),
        );
        seen("listen", listen(listener, 4));
        let client = one(kind);
        seen("connect", connect(client, &address(&path)));
        seen("again", connect(client, &address(&path)));
        seen("send before it is accepted", send(client, b"early", 0, None));
        let Ok(server) = accept(listener, libc::SOCK_CLOEXEC) else { return say!("not accepted") };
        seen("descriptor", fd::fcntl(server, libc::F_GETFD, 0));
        let receive = |fd| receive(fd, 64, 0).map(|told| told.replace(temp.path(), "T"));
        seen("receive", receive(server));
        seen("answer", send(server, b"late", 0, None));
        seen("receive", receive(client));
        for (fd, what) in [(listener, "listener"), (client, "client"), (server, "server")] {
            let told = |other| name(fd, other).map(|name| name.replace(temp.path(), "T"));
            seen(what, told(false));
            seen(what, told(true));
        }
        seen("unlink", file::unlink(&path));
        seen("connect to what is not there", connect(one(kind), &address(&path)));
        seen("the connection stays", send(client, b"!", 0, None));
    }
}

fn hidden() {
    let text = format!("\0vortex-{}", proc::pid());
    let listener = one(SOCK_STREAM);
    seen("bind", bind(listener, &address(&text)));
    seen("the same again", bind(one(SOCK_STREAM), &address(&text)));
    seen("of another kind", bind(one(SOCK_DGRAM), &address(&text)));
    seen("a second name", bind(listener, &address(&format!("{text}2"))));
    seen("listen", listen(listener, 1));
    let client = one(SOCK_STREAM);
    seen("connect", connect(client, &address(&text)));
    seen("close", fd::close(listener));
    seen("nobody takes it", receive(client, 8, 0));
    seen("nobody is there", connect(one(SOCK_STREAM), &address(&text)));
    let own = one(SOCK_STREAM);
    seen("any name", bind(own, &address("")));
    seen("length of it", name(own, false).map(|name| name.len()));
}

fn names() {
    let temp = Temp::new("sockets");
    let path = format!("{}/name", temp.path());
    worked("a file", file::put(&path, b""));
    let it = one(SOCK_STREAM);
    seen("bind where a file is", bind(it, &address(&path)));
    seen("nowhere", bind(it, &address(&format!("{}/no/name", temp.path()))));
    seen("no address", bind(it, &[]));
    seen("half an address", bind(it, &[1]));
    seen("another family", bind(it, &[2, 0, 0, 0, 0, 0, 0, 0]));
    seen("too long", bind(it, &address(&"x".repeat(120))));
    seen("longer than any", bind(it, &address(&"x".repeat(300))));
    seen("connect to a file", connect(it, &address(&path)));
    seen("open it", file::open(&path, libc::O_RDWR).map(|_| "opened"));
    let path = format!("{}/socket", temp.path());
    seen("bind", bind(it, &address(&path)));
    seen("open the name", file::open(&path, libc::O_RDWR));
    seen("listen without connections", listen(one(SOCK_DGRAM), 1));
    seen("listen without a name", listen(one(SOCK_STREAM), 1));
    seen("accept without listening", accept(it, 0));
    seen("wrong flags", accept(it, 1));
}

fn refused() {
    let temp = Temp::new("sockets");
    let path = format!("{}/s", temp.path());
    let it = one(SOCK_STREAM);
    seen("bind", bind(it, &address(&path)));
    seen("it does not listen", connect(one(SOCK_STREAM), &address(&path)));
    seen("of another kind", connect(one(SOCK_DGRAM), &address(&path)));
    seen("close", fd::close(it));
    seen("it is closed", connect(one(SOCK_STREAM), &address(&path)));
    seen("its name stays", bind(one(SOCK_STREAM), &address(&path)));
    seen("receive", receive(one(SOCK_STREAM), 1, MSG_DONTWAIT));
    seen("send", send(one(SOCK_STREAM), b"x", MSG_NOSIGNAL, None));
    seen("packets", receive(one(SOCK_SEQPACKET), 1, MSG_DONTWAIT));
    seen("packets", send(one(SOCK_SEQPACKET), b"x", MSG_NOSIGNAL, None));
    seen("datagrams", receive(one(SOCK_DGRAM), 1, MSG_DONTWAIT));
    seen("peer", name(one(SOCK_STREAM), true));
}

fn datagrams() {
    let temp = Temp::new("sockets");
    let (to, from) = (format!("{}/to", temp.path()), format!("{}/from", temp.path()));
    let (receiver, sender) = (one(SOCK_DGRAM), one(SOCK_DGRAM));
    seen("bind", bind(receiver, &address(&to)));
    seen("send", send(sender, b"anonymous", 0, Some(&address(&to))));
    seen("bind", bind(sender, &address(&from)));
    seen("send", send(sender, b"named", 0, Some(&address(&to))));
    seen("empty", send(sender, b"", 0, Some(&address(&to))));
    let receive = |fd, most| receive(fd, most, MSG_DONTWAIT).map(|it| it.replace(temp.path(), "T"));
    for most in [64, 3, 64, 64] {
        seen("receive", receive(receiver, most));
    }
    seen("connect", connect(sender, &address(&to)));
    seen("send", send(sender, b"connected", 0, None));
    seen("receive", receive(receiver, 64));
    let mut count = 0;
    while send(sender, b"x", MSG_DONTWAIT, None).is_ok() && count < 100 {
        count += 1;
    }
    say!("so many wait: {count}");
    seen("one more", send(sender, b"x", MSG_DONTWAIT, None));
    seen("one less", receive(receiver, 64));
    seen("one more", send(sender, b"x", MSG_DONTWAIT, None));
    seen("back", send(receiver, b"back", 0, Some(&address(&from))));
    seen("connect back", connect(receiver, &address(&from)));
    seen("from elsewhere", send(one(SOCK_DGRAM), b"x", 0, Some(&address(&to))));
    seen("too long", send(sender, &vec![0; 300_000], 0, None));
    seen("no more", fd::close(receiver));
    seen("send", send(sender, b"x", 0, None));
}

fn packets() {
    let (left, right) = two(SOCK_SEQPACKET);
    seen("send", send(left, b"first", 0, None));
    seen("send", send(left, b"second", 0, None));
    seen("empty", send(left, b"", 0, None));
    seen("with an address", send(left, b"third", 0, Some(&address("/nowhere"))));
    seen("cut", receive(right, 3, 0));
    seen("the next", receive(right, 64, 0));
    seen("the empty one", receive(right, 64, 0));
    seen("its length", receive(right, 2, libc::MSG_TRUNC));
    seen("nothing", receive(right, 2, MSG_DONTWAIT));
    seen("shut", shutdown(left, libc::SHUT_WR));
    seen("the end", receive(right, 2, 0));
}

fn half_closed() {
    let (left, right) = two(SOCK_STREAM);
    seen("send", send(left, b"last words", 0, None));
    seen("shut", shutdown(left, libc::SHUT_WR));
    events("left", left);
    events("right", right);
    seen("send more", send(left, b"x", MSG_NOSIGNAL, None));
    seen("receive", receive(right, 4, 0));
    seen("receive", receive(right, 64, 0));
    seen("the end", receive(right, 64, 0));
    seen("answer", send(right, b"answer", 0, None));
    seen("receive", receive(left, 64, 0));
    seen("shut the other", shutdown(right, libc::SHUT_RDWR));
    events("left", left);
    events("right", right);
    seen("no such direction", shutdown(left, 3));
    seen("unconnected", shutdown(one(SOCK_STREAM), libc::SHUT_RD));
}

fn broken() {
    for kind in [SOCK_STREAM, SOCK_SEQPACKET] {
        let (left, right) = two(kind);
        worked("send", send(left, b"unread", 0, None));
        worked("close", fd::close(right));
        events("left", left);
        seen("error", option(left, libc::SO_ERROR));
        seen("error", option(left, libc::SO_ERROR));
        seen("receive", receive(left, 8, 0));
        let (left, right) = two(kind);
        worked("send", send(left, b"unread", 0, None));
        worked("answer", send(right, b"answer", 0, None));
        worked("close", fd::close(right));
        seen("receive", receive(left, 8, 0));
        seen("receive", receive(left, 8, 0));
        seen("receive", receive(left, 8, 0));
    }
}

fn signal() {
    let (left, right) = two(SOCK_STREAM);
    worked("close", fd::close(right));
    seen("send", send(left, b"x", MSG_NOSIGNAL, None));
    for kind in [SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM] {
        let outcome = proc::outcome(|| {
            let (left, right) = two(kind);
            let _ = fd::close(right);
            seen("write", fd::write(left, b"x"));
            0
        });
        say!("{outcome}");
    }
}

fn peek() {
    let (left, right) = two(SOCK_STREAM);
    worked("send", send(left, b"abc", 0, None));
    worked("send", send(left, b"def", 0, None));
    seen("peek", receive(right, 4, MSG_PEEK));
    seen("peek", receive(right, 64, MSG_PEEK));
    seen("receive", receive(right, 2, 0));
    seen("peek", receive(right, 64, MSG_PEEK));
    seen("how many", ready_bytes(right));
    seen("receive", receive(right, 64, 0));
    let (left, right) = two(SOCK_DGRAM);
    worked("send", send(left, b"abcdef", 0, None));
    worked("send", send(left, b"ghi", 0, None));
    seen("peek", receive(right, 4, MSG_PEEK | libc::MSG_TRUNC));
    seen("how many", ready_bytes(right));
    seen("receive", receive(right, 4, 0));
    seen("receive", receive(right, 4, 0));
}

fn ready_bytes(of: i32) -> vortex_guest::Res<i32> {
    fd::ioctl(of, libc::FIONREAD as usize)
}

fn options() {
    let it = one(SOCK_STREAM);
    for (what, which) in [
        ("type", libc::SO_TYPE),
        ("domain", libc::SO_DOMAIN),
        ("protocol", libc::SO_PROTOCOL),
        ("listens", libc::SO_ACCEPTCONN),
        ("error", libc::SO_ERROR),
        ("keep alive", libc::SO_KEEPALIVE),
        ("pass credentials", libc::SO_PASSCRED),
        ("low", libc::SO_RCVLOWAT),
        ("no such", 4711),
    ] {
        seen(what, option(it, which));
    }
    for (which, value) in [
        (libc::SO_SNDBUF, 10_000_i32),
        (libc::SO_SNDBUF, 1),
        (libc::SO_RCVBUF, 1),
        (libc::SO_REUSEADDR, 5),
        (libc::SO_PASSCRED, 1),
        (libc::SO_KEEPALIVE, 0),
    ] {
        seen("set", set_option(it, which, &value.to_le_bytes()));
        seen("is", option(it, which));
    }
    seen("too short", set_option(it, libc::SO_SNDBUF, &[1]));
    seen("no such", set_option(it, 4711, &[0; 4]));
    seen("a time", set_option(it, libc::SO_RCVTIMEO, &[0; 16]));
    let wrong = [0_i64.to_le_bytes(), 2_000_000_i64.to_le_bytes()].concat();
    seen("a wrong time", set_option(it, libc::SO_RCVTIMEO, &wrong));
}

fn who() {
    let (left, _right) = two(SOCK_STREAM);
    seen("a pair's", peer(left).map(|[pid, user, _]| format!("{} {user}", pid == proc::pid())));
    seen("nobody's", peer(one(SOCK_STREAM)).map(|it| format!("{it:?}")));
    let temp = Temp::new("sockets");
    let path = format!("{}/s", temp.path());
    let listener = one(SOCK_STREAM);
    worked("bind", bind(listener, &address(&path)));
    worked("listen", listen(listener, 1));
    let parent = proc::pid();
    let child = proc::child(|| {
        let client = one(SOCK_STREAM);
        worked("connect", connect(client, &address(&path)));
        seen("the server is", peer(client).map(|[pid, ..]| pid == parent));
        0
    });
    say!("{}", proc::wait(child));
    let Ok(server) = accept(listener, 0) else { return say!("not accepted") };
    seen("the client was", peer(server).map(|[pid, ..]| pid == child));
}

fn ready() {
    let temp = Temp::new("sockets");
    let path = format!("{}/s", temp.path());
    for kind in [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET] {
        events("fresh", one(kind));
    }
    let listener = one(SOCK_STREAM);
    worked("bind", bind(listener, &address(&path)));
    worked("listen", listen(listener, 1));
    events("listens", listener);
    let client = one(SOCK_STREAM);
    worked("connect", connect(client, &address(&path)));
    events("somebody waits", listener);
    events("waits", client);
    let Ok(server) = accept(listener, 0) else { return say!("not accepted") };
    events("accepted", listener);
    events("server", server);
    worked("send", send(client, b"x", 0, None));
    events("server", server);
    worked("nonblocking", fd::fcntl(client, libc::F_SETFL, libc::O_NONBLOCK));
    while fd::write(client, &[0; 4096]).is_ok() {}
    events("full", client);
    worked("close", fd::close(server));
    events("broken", client);
}

fn several() {
    let (left, right) = two(SOCK_DGRAM);
    let told = |it: vortex_guest::Res<(usize, Vec<u32>)>| it.map(|it| format!("{it:?}"));
    seen("send", told(send_many(left, &[b"one", b"", b"three"], 0)));
    seen("receive", told(receive_many(right, 2, 4, 0)));
    seen("receive", told(receive_many(right, 4, 4, libc::MSG_WAITFORONE)));
    seen("receive", told(receive_many(right, 4, 4, MSG_DONTWAIT)));
    seen("none", told(receive_many(right, 0, 4, 0)));
    let (left, right) = two(SOCK_STREAM);
    seen("send", told(send_many(left, &[b"one", b"two"], 0)));
    seen("receive", told(receive_many(right, 4, 4, MSG_DONTWAIT)));
}

fn no_sockets() {
    let pipe = vortex_guest::pipe::plain();
    seen("bind", bind(pipe.out, &address("/x")));
    seen("listen", listen(pipe.out, 1));
    seen("accept", accept(pipe.out, 0));
    seen("send", send(pipe.into, b"x", 0, None));
    seen("receive", receive(pipe.out, 1, 0));
    seen("name", name(pipe.out, false));
    seen("option", option(pipe.out, libc::SO_TYPE));
    seen("shut", shutdown(pipe.out, 0));
    seen("no descriptor", shutdown(4711, 0));
    let (left, _right) = two(SOCK_STREAM);
    seen("a position", fd::pread(left, &mut [0; 4], 0));
    seen("seek", fd::seek(left, 0, 0));
    let _ = sig::default(libc::SIGPIPE);
}
