//! Calls that wait at sockets.

use libc::{MSG_DONTWAIT, MSG_WAITALL, SIGUSR1, SOCK_DGRAM, SOCK_STREAM};
use vortex_guest::out::{seen, worked};
use vortex_guest::socket::{
    accept, address, bind, connect, listen, receive, send, set_option, shutdown,
};
use vortex_guest::temp::Temp;
use vortex_guest::{fd, proc, say, sig, time};

use super::{one, two};

pub fn waits() {
    for kind in [SOCK_STREAM, SOCK_DGRAM, libc::SOCK_SEQPACKET] {
        let (left, right) = two(kind);
        let child = proc::later(|| i32::from(send(right, b"after a while", 0, None).is_err()));
        seen("receive", receive(left, 64, 0));
        say!("{}", proc::wait(child));
        let child = proc::later(|| i32::from(shutdown(right, libc::SHUT_RDWR).is_err()));
        if kind != SOCK_DGRAM {
            seen("the end", receive(left, 64, 0));
        }
        say!("{}", proc::wait(child));
    }
}

pub fn room() {
    let (left, right) = two(SOCK_STREAM);
    let bytes = vec![b'r'; 1 << 20];
    let child = proc::later(|| {
        let (mut sum, mut room) = (0, vec![0; 1 << 16]);
        while sum < 1 << 20 {
            match fd::read(right, &mut room) {
                Ok(0) | Err(_) => break,
                Ok(some) => sum += some,
            }
        }
        i32::from(sum != 1 << 20)
    });
    seen("send all of it", send(left, &bytes, 0, None));
    say!("{}", proc::wait(child));
    let (left, right) = (one(SOCK_DGRAM), one(SOCK_DGRAM));
    let temp = Temp::new("sockets");
    let path = format!("{}/d", temp.path());
    worked("bind", bind(right, &address(&path)));
    worked("connect", connect(left, &address(&path)));
    while send(left, b"x", MSG_DONTWAIT, None).is_ok() {}
    let child = proc::later(|| i32::from(receive(right, 1, 0).is_err()));
    seen("wait for the reader", send(left, b"y", 0, None));
    say!("{}", proc::wait(child));
}

pub fn backlog() {
    let temp = Temp::new("sockets");
    let path = format!("{}/s", temp.path());
    let listener = one(SOCK_STREAM);
    worked("bind", bind(listener, &address(&path)));
    worked("listen", listen(listener, 1));
    for _ in 0..2 {
        worked("connect", connect(one(SOCK_STREAM), &address(&path)));
    }
    seen("not now", connect(one(SOCK_STREAM | libc::SOCK_NONBLOCK), &address(&path)));
    let child = proc::later(|| {
        for _ in 0..3 {
            let _ = accept(listener, 0);
        }
        0
    });
    seen("later", connect(one(SOCK_STREAM), &address(&path)));
    say!("{}", proc::wait(child));
    let child = proc::later(|| i32::from(connect(one(SOCK_STREAM), &address(&path)).is_err()));
    worked("accept", accept(listener, 0));
    say!("{}", proc::wait(child));
}

pub fn all() {
    let (left, right) = two(SOCK_STREAM);
    worked("send", send(right, b"abc", 0, None));
    let child = proc::later(|| {
        let _ = send(right, b"def", 0, None);
        time::pause(time::SOON);
        i32::from(send(right, b"ghijk", 0, None).is_err())
    });
    seen("all", receive(left, 9, MSG_WAITALL));
    say!("{}", proc::wait(child));
    let child = proc::later(|| i32::from(shutdown(right, libc::SHUT_WR).is_err()));
    seen("what there is", receive(left, 9, MSG_WAITALL));
    say!("{}", proc::wait(child));
    let (left, right) = two(SOCK_STREAM);
    worked("low", set_option(left, libc::SO_RCVLOWAT, &4_i32.to_le_bytes()));
    worked("send", send(right, b"ab", 0, None));
    let child = proc::later(|| i32::from(send(right, b"cd", 0, None).is_err()));
    seen("enough", receive(left, 64, 0));
    say!("{}", proc::wait(child));
}

pub fn timeout() {
    let (left, _right) = two(SOCK_STREAM);
    let short = [0_i64.to_le_bytes(), 20_000_i64.to_le_bytes()].concat();
    worked("a time to receive", set_option(left, libc::SO_RCVTIMEO, &short));
    worked("a time to send", set_option(left, libc::SO_SNDTIMEO, &short));
    seen("receive", receive(left, 1, 0));
    seen("read", fd::read_text(left, 1));
    let sent = send(left, &vec![0; 1 << 20], 0, None);
    seen("send", sent.map(|sent| sent > 0 && sent < 1 << 20));
    seen("and more", send(left, &vec![0; 1 << 20], 0, None));
    let temp = Temp::new("sockets");
    let listener = one(SOCK_STREAM);
    worked("bind", bind(listener, &address(&format!("{}/s", temp.path()))));
    worked("listen", listen(listener, 1));
    worked("a time", set_option(listener, libc::SO_RCVTIMEO, &short));
    seen("accept", accept(listener, 0));
}

pub fn interrupted() {
    let (left, _right) = two(SOCK_STREAM);
    let own = proc::pid();
    for (flags, limited) in [(0, false), (0, true), (libc::SA_RESTART, true)] {
        worked("handle", sig::handle(SIGUSR1, sig::NOTE, flags, &[]));
        if limited {
            let long = [60_i64.to_le_bytes(), 0_i64.to_le_bytes()].concat();
            worked("a time", set_option(left, libc::SO_RCVTIMEO, &long));
        }
        let child = proc::later(|| i32::from(sig::kill(own, SIGUSR1).is_err()));
        seen("receive", receive(left, 1, 0));
        say!("{}", proc::wait(child));
    }
    // Repeated, and then something comes.
    let (left, right) = two(SOCK_STREAM);
    worked("handle", sig::handle(SIGUSR1, sig::NOTE, libc::SA_RESTART, &[]));
    let child = proc::later(|| {
        let _ = sig::kill(own, SIGUSR1);
        time::pause(time::SOON);
        i32::from(send(right, b"at last", 0, None).is_err())
    });
    seen("receive", receive(left, 64, 0));
    say!("{}", proc::wait(child));
}

pub fn large() {
    for kind in [SOCK_DGRAM, libc::SOCK_SEQPACKET] {
        let (left, right) = two(kind);
        let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
        seen("send", send(left, &bytes, 0, None));
        let expected = format!("100000 {}", vortex_guest::out::text(&bytes));
        let heard = receive(right, 120_000, 0);
        say!("the same: {}", heard == Ok(expected));
        seen("too long", send(left, &vec![0; 220_000], 0, None));
    }
}

pub fn many() {
    let (left, right) = two(SOCK_STREAM);
    let child = proc::child(|| {
        let mut sent = 0_u32;
        while sent < 500_000 {
            let bytes: Vec<u8> = (sent..sent + 777).map(|at| (at % 253) as u8).collect();
            if fd::write(left, &bytes) != Ok(777) {
                return 1;
            }
            sent += 777;
        }
        0
    });
    let (mut sum, mut right_order, mut room) = (0_u32, true, vec![0; 5000]);
    let _ = fd::close(left);
    loop {
        match fd::read(right, &mut room) {
            Ok(some @ 1..) => {
                let same = |(at, byte): (u32, &u8)| (at % 253) as u8 == *byte;
                right_order &= (sum..).zip(&room[..some]).all(same);
                sum += some as u32;
            }
            other => {
                seen("the end", other);
                break;
            }
        }
    }
    say!("{sum} bytes, in order: {right_order}, {}", proc::wait(child));
}

pub fn server() {
    let temp = Temp::new("sockets");
    let path = format!("{}/s", temp.path());
    let listener = one(SOCK_STREAM);
    worked("bind", bind(listener, &address(&path)));
    worked("listen", listen(listener, 16));
    let clients: Vec<_> = (0..8_u8)
        .map(|number| {
            proc::child(|| {
                let own = one(SOCK_STREAM);
                if connect(own, &address(&path)).is_err() {
                    return 1;
                }
                for round in 0..20_u8 {
                    let said = [number, round];
                    let mut heard = [0; 2];
                    if fd::write(own, &said) != Ok(2) || fd::read(own, &mut heard) != Ok(2) {
                        return 2;
                    }
                    if heard != [round, number] {
                        return 3;
                    }
                }
                0
            })
        })
        .collect();
    let servers: Vec<_> = (0..8)
        .map(|_| {
            let Ok(own) = accept(listener, 0) else { return -1 };
            let child = proc::child(|| {
                let mut heard = [0; 2];
                while fd::read(own, &mut heard) == Ok(2) {
                    heard.reverse();
                    if fd::write(own, &heard) != Ok(2) {
                        return 1;
                    }
                }
                0
            });
            let _ = fd::close(own);
            child
        })
        .collect();
    for child in clients.into_iter().chain(servers) {
        say!("{}", proc::wait(child));
    }
}
