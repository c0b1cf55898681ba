//! Descriptors and credentials that go along with messages.

use libc::{MSG_CMSG_CLOEXEC, MSG_DONTWAIT, MSG_PEEK, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::plain;
use vortex_guest::socket::{
    Message, control, receive, receive_message, send, send_message, set_option,
};
use vortex_guest::temp::Temp;
use vortex_guest::{Res, fd, file, proc, say};

use super::two;

/// Numbers of descriptors are said as so many.
fn told(message: Res<Message>) -> Res<String> {
    message.map(|message| {
        let along = message.control.iter().map(|(kind, words)| match *kind {
            libc::SCM_RIGHTS => format!("{} descriptors", words.len()),
            libc::SCM_CREDENTIALS => {
                let own = words.first() == Some(&proc::pid());
                format!("credentials, own {own}, {:?}", words.get(1..).unwrap_or_default())
            }
            other => format!("{other}: {words:?}"),
        });
        let along: Vec<_> = along.collect();
        format!("'{}' {along:?} {:#x}", message.text, message.flags)
    })
}

fn rights(message: &Res<Message>) -> Vec<i32> {
    let message = message.as_ref();
    let control = message.map(|message| message.control.clone()).unwrap_or_default();
    control.into_iter().filter(|(kind, _)| *kind == libc::SCM_RIGHTS).flat_map(|it| it.1).collect()
}

pub fn descriptors() {
    for kind in [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET] {
        let (left, right) = two(kind);
        let pipe = plain();
        let along = control(libc::SCM_RIGHTS, &[pipe.into, pipe.out]);
        seen("send", send_message(left, b"two", &along, 0));
        worked("close", fd::close(pipe.into));
        worked("close", fd::close(pipe.out));
        let message = receive_message(right, 64, 64, MSG_CMSG_CLOEXEC);
        let got = rights(&message);
        seen("receive", told(message));
        let [into, out] = got[..] else { return say!("no two: {got:?}") };
        seen("closes on exec", fd::fcntl(into, libc::F_GETFD, 0));
        seen("write", fd::write(into, b"through it"));
        seen("read", fd::read_text(out, 64));
        worked("send", send(left, b"none", 0, None));
        seen("receive", told(receive_message(right, 64, 64, 0)));
    }
    // To a child, which has none of them.
    let (left, right) = two(SOCK_STREAM);
    let child = proc::child(|| {
        let message = receive_message(right, 1, 64, 0);
        match rights(&message)[..] {
            [only] => i32::from(fd::write(only, b"from the child") != Ok(14)),
            _ => 2,
        }
    });
    let pipe = plain();
    seen("send", send_message(left, b"x", &control(libc::SCM_RIGHTS, &[pipe.into]), 0));
    worked("close", fd::close(pipe.into));
    seen("read", fd::read_text(pipe.out, 64));
    say!("{}", proc::wait(child));
    seen("the end", fd::read_text(pipe.out, 64));
}

pub fn wrong() {
    let (left, right) = two(SOCK_STREAM);
    seen("no descriptor", send_message(left, b"x", &control(libc::SCM_RIGHTS, &[4711]), 0));
    seen("too many", send_message(left, b"x", &control(libc::SCM_RIGHTS, &[0; 254]), 0));
    seen("none", send_message(left, b"x", &control(libc::SCM_RIGHTS, &[]), 0));
    let mut short = control(libc::SCM_RIGHTS, &[0]);
    short[0] = 8;
    seen("too short", send_message(left, b"x", &short, 0));
    short[0] = 200;
    seen("too long", send_message(left, b"x", &short, 0));
    seen("another kind", send_message(left, b"x", &control(99, &[0]), 0));
    let mut level = control(libc::SCM_RIGHTS, &[0]);
    level[8] = 99;
    seen("another level", send_message(left, b"y", &level, 0));
    seen("what came", told(receive_message(right, 64, 64, MSG_DONTWAIT)));
    seen("with nothing", send_message(left, b"", &control(libc::SCM_RIGHTS, &[0]), 0));
    seen("nothing came", told(receive_message(right, 64, 64, MSG_DONTWAIT)));
}

pub fn lost() {
    for how in 0..3 {
        let (left, right) = two(SOCK_STREAM);
        let pipe = plain();
        let along = control(libc::SCM_RIGHTS, &[pipe.into]);
        worked("send", send_message(left, b"x", &along, 0));
        worked("close", fd::close(pipe.into));
        match how {
            0 => worked("close", fd::close(right)),
            1 => seen("read", fd::read_text(right, 8)),
            _ => seen("receive", receive(right, 8, 0)),
        }
        seen("nobody writes", fd::read_text(pipe.out, 8));
    }
}

pub fn cut() {
    let (left, right) = two(SOCK_DGRAM);
    for room in [0, 8, 16, 20, 24, 27, 28, 32, 64] {
        let along = control(libc::SCM_RIGHTS, &[0, 0, 0]);
        worked("send", send_message(left, b"x", &along, 0));
        seen(&format!("room {room}"), told(receive_message(right, 8, room, 0)));
    }
}

pub fn peeked() {
    let (left, right) = two(SOCK_STREAM);
    worked("send", send(left, b"before ", 0, None));
    worked("send", send_message(left, b"with", &control(libc::SCM_RIGHTS, &[0]), 0));
    worked("send", send(left, b" after", 0, None));
    for flags in [MSG_PEEK, MSG_PEEK, 0, 0] {
        seen("receive", told(receive_message(right, 64, 64, flags)));
    }
}

pub fn circles() {
    // Sockets through themselves and each other: when all are closed, nothing is left.
    for _ in 0..50 {
        let (left, right) = two(SOCK_STREAM);
        let (one, other) = two(SOCK_STREAM);
        let both = control(libc::SCM_RIGHTS, &[left, right]);
        if send_message(left, b"x", &both, 0) != Ok(1) || send_message(one, b"x", &both, 0) != Ok(1)
        {
            return say!("not sent");
        }
        if send_message(right, b"x", &control(libc::SCM_RIGHTS, &[one, other]), 0) != Ok(1) {
            return say!("not sent");
        }
        for it in [left, right, one, other] {
            let _ = fd::close(it);
        }
    }
    let (left, right) = two(SOCK_STREAM);
    let (inner, end) = two(SOCK_STREAM);
    worked("a socket", send_message(left, b"x", &control(libc::SCM_RIGHTS, &[inner]), 0));
    worked("in it", send_message(end, b"y", &control(libc::SCM_RIGHTS, &[right]), 0));
    worked("close", fd::close(inner));
    let message = receive_message(right, 8, 64, 0);
    let got = rights(&message);
    seen("it arrives", told(message));
    let [inner] = got[..] else { return say!("no one: {got:?}") };
    seen("and what is in it", told(receive_message(inner, 8, 64, 0)));
    seen("the end lives", send(end, b"z", 0, None));
    seen("receive", receive(inner, 8, 0));
}

pub fn credentials() {
    for kind in [SOCK_STREAM, SOCK_DGRAM] {
        let (left, right) = two(kind);
        worked("before", send(left, b"before", 0, None));
        worked("wanted", set_option(right, libc::SO_PASSCRED, &1_i32.to_le_bytes()));
        worked("after", send(left, b"after", 0, None));
        seen("receive", told(receive_message(right, 64, 64, 0)));
        seen("receive", told(receive_message(right, 64, 64, 0)));
        let own = control(libc::SCM_CREDENTIALS, &[proc::pid(), 0, 0]);
        seen("said", send_message(left, b"said", &own, 0));
        seen("receive", told(receive_message(right, 64, 64, 0)));
        let both = [own, control(libc::SCM_RIGHTS, &[0])].concat();
        seen("with a descriptor", send_message(left, b"both", &both, 0));
        seen("receive", told(receive_message(right, 64, 64, 0)));
        seen("short", send_message(left, b"x", &control(libc::SCM_CREDENTIALS, &[0]), 0));
    }
}

pub fn files() {
    let temp = Temp::new("sockets");
    let path = format!("{}/f", temp.path());
    worked("a file", file::put(&path, b"the bytes of a file"));
    let Ok(from) = file::open(&path, libc::O_RDONLY) else { return say!("not opened") };
    let (left, right) = two(SOCK_STREAM);
    seen("to a socket", fd::sendfile(left, from, 9));
    seen("receive", receive(right, 64, 0));
    seen("the rest", fd::sendfile(left, from, 100));
    seen("receive", receive(right, 64, 0));
    seen("from a socket", fd::sendfile(left, right, 9));
}
