//! Calls that wait.

use std::time::Duration;

use libc::{MSG_DONTWAIT, MSG_WAITALL, SIGUSR1, SO_RCVTIMEO, SOCK_STREAM};
use libc::{POLLOUT, SO_SNDTIMEO, SOL_SOCKET};
use vortex_guest::out::{seen, worked};
use vortex_guest::socket::{connect, receive, send, shutdown};
use vortex_guest::{fd, inet, proc, say, sig, time};

use super::{bound, listener, one, two, until};

pub fn waits() {
    let (client, server) = two();
    let child = proc::later(|| i32::from(send(client, b"after a while", 0, None).is_err()));
    seen("receive", receive(server, 64, 0));
    say!("{}", proc::wait(child));
    let child = proc::later(|| i32::from(shutdown(client, libc::SHUT_RDWR).is_err()));
    seen("the end", receive(server, 64, 0));
    say!("{}", proc::wait(child));
    let (listens, port) = listener();
    let child = proc::later(|| i32::from(connect(one(SOCK_STREAM), &inet::here(port)).is_err()));
    worked("accept", inet::accept(listens, 0));
    say!("{}", proc::wait(child));
    let (datagrams, port) = bound();
    let child =
        proc::later(|| i32::from(send(bound().0, b"late", 0, Some(&inet::here(port))) != Ok(4)));
    let message = inet::receive(datagrams, &[64], 0);
    seen("receive", message.map(|message| message.parts.concat()));
    say!("{}", proc::wait(child));
}

pub fn all() {
    let (client, server) = two();
    let child = proc::later(|| {
        for part in [&b"one"[..], b"two", b"three"] {
            if send(client, part, 0, None).is_err() {
                return 1;
            }
            time::pause(time::SOON);
        }
        0
    });
    seen("all", receive(server, 11, MSG_WAITALL));
    say!("{}", proc::wait(child));
    worked("send", send(client, b"half", 0, None));
    let child = proc::later(|| i32::from(shutdown(client, libc::SHUT_WR).is_err()));
    seen("up to the end", receive(server, 11, MSG_WAITALL));
    say!("{}", proc::wait(child));
}

pub fn times_out() {
    let short = [0_i64.to_le_bytes(), 30_000_i64.to_le_bytes()].concat();
    let (client, server) = two();
    seen("time", inet::set_option(server, SOL_SOCKET, SO_RCVTIMEO, &short));
    seen("receive", receive(server, 8, 0));
    seen("read", fd::read_text(server, 8));
    worked("send", send(client, b"some", 0, None));
    seen("receive", receive(server, 8, MSG_WAITALL));
    let (listens, port) = listener();
    seen("time", inet::set_option(listens, SOL_SOCKET, SO_RCVTIMEO, &short));
    seen("accept", inet::accept(listens, 0).map(|_| "made"));
    let (datagrams, _) = bound();
    seen("time", inet::set_option(datagrams, SOL_SOCKET, SO_RCVTIMEO, &short));
    seen("receive", receive(datagrams, 8, 0));
    let client = one(SOCK_STREAM);
    worked("connect", connect(client, &inet::here(port)));
    seen("time", inet::set_option(client, SOL_SOCKET, SO_SNDTIMEO, &short));
    let much = vec![b's'; 8 << 20];
    // Some of it has gone, then nothing more goes.
    let sent = send(client, &much, 0, None);
    say!("some: {}", sent.is_ok_and(|sent| sent > 0 && sent < much.len()));
    // A little may have moved on meanwhile.
    let mut last = Ok(0);
    for _ in 0..20 {
        last = send(client, &much, 0, None);
        if last.is_err() {
            break;
        }
    }
    seen("nothing more", last);
    for wrong in [[0_i64, 1_000_000], [0, -1]] {
        let value = [wrong[0].to_le_bytes(), wrong[1].to_le_bytes()].concat();
        seen("no time", inet::set_option(client, SOL_SOCKET, SO_SNDTIMEO, &value));
    }
}

pub fn interrupted() {
    let (_client, server) = two();
    let (listens, _) = listener();
    let own = proc::pid();
    worked("handle", sig::handle(SIGUSR1, sig::NOTE, 0, &[]));
    let child = proc::later(|| i32::from(sig::kill(own, SIGUSR1).is_err()));
    seen("receive", receive(server, 1, 0));
    say!("{}", proc::wait(child));
    let child = proc::later(|| i32::from(sig::kill(own, SIGUSR1).is_err()));
    seen("accept", inet::accept(listens, 0).map(|_| "made"));
    say!("{}", proc::wait(child));
    // Repeated, and then something comes.
    let (client, server) = two();
    worked("handle", sig::handle(SIGUSR1, sig::NOTE, libc::SA_RESTART, &[]));
    let child = proc::later(|| {
        let _ = sig::kill(own, SIGUSR1);
        time::pause(time::SOON);
        i32::from(send(client, b"at last", 0, None).is_err())
    });
    seen("receive", receive(server, 64, 0));
    say!("{}", proc::wait(child));
    // What has gone counts.
    let (client, _server) = two();
    let much = vec![b'i'; 8 << 20];
    let child = proc::child(|| {
        for _ in 0..60 {
            time::pause(Duration::from_millis(100));
            let _ = sig::kill(own, SIGUSR1);
        }
        0
    });
    let sent = send(client, &much, 0, None);
    say!("some: {}", sent.is_ok_and(|sent| sent > 0 && sent < much.len()));
    worked("kill", sig::kill(child, libc::SIGKILL));
    say!("{}", proc::wait(child));
}

/// Who does not wait is told when there is no room, and when there is again.
pub fn full() {
    let (client, server) = two();
    worked("flags", fd::fcntl(client, libc::F_SETFL, libc::O_NONBLOCK));
    let (piece, mut sum) = (vec![b'f'; 4_096], 0_usize);
    let why = loop {
        match send(client, &piece, 0, None) {
            Ok(sent) => sum += sent,
            Err(why) => break why,
        }
    };
    say!("some: {} {why}", sum > 0);
    seen("by a flag too", send(server, b"other way", MSG_DONTWAIT, None));
    let child = proc::child(|| {
        let (mut got, mut room) = (0, vec![0; 1 << 16]);
        while got < sum {
            let most = room.len().min(sum - got);
            match fd::read(server, &mut room[..most]) {
                Ok(0) | Err(_) => return 1,
                Ok(some) => got += some,
            }
        }
        0
    });
    until(client, POLLOUT);
    worked("again", send(client, b"x", 0, None));
    say!("{}", proc::wait(child));
    seen("the last", receive(server, 8, 0));
}

/// Megabytes, both ways at once.
pub fn large() {
    const SIZE: usize = 3 << 20;
    let bytes: Vec<u8> = (0..SIZE).map(|n| (n / 251 + n * 3) as u8).collect();
    let (client, server) = two();
    let sender = |fd: i32| {
        proc::child(|| {
            let sent = send(fd, &bytes, 0, None) == Ok(SIZE);
            i32::from(!sent || shutdown(fd, libc::SHUT_WR).is_err())
        })
    };
    let other = {
        let child = sender(server);
        let mine = sender(client);
        let reader = proc::child(|| i32::from(fd::read_all(server).is_ok_and(|all| all != bytes)));
        seen("equal", Ok(fd::read_all(client).is_ok_and(|all| all == bytes)));
        [child, mine, reader]
    };
    for child in other {
        say!("{}", proc::wait(child));
    }
}
