//! Waiting for descriptors: `poll`, `ppoll`.

use std::time::Duration;

use libc::{POLLIN, POLLOUT, SIGUSR1};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::{Pipe, entry, events, plain, poll, ppoll};
use vortex_guest::temp::Temp;
use vortex_guest::{fd, file, proc, say, sig, time};

crate::tests!("polling":
    "nothing-ready" => nothing,
    "readable" => readable,
    "writable" => writable,
    "hang-up" => hang_up,
    "wrong-descriptors" => wrong,
    "files" => files,
    "many" => many,
    "waits" => waits,
    "timeout" => timeout,
    "interrupted" => interrupted,
    "mask" => mask,
    "errors" => errors,
);

fn one(what: &str, fd: i32, wanted: i16, timeout: i32) {
    let mut entries = [entry(fd, wanted)];
    let answer = poll(&mut entries, timeout);
    seen(what, answer.map(|ready| format!("{ready} {}", events(entries[0].revents))));
}

fn nothing() {
    one("an empty pipe", plain().out, POLLIN, 0);
    seen("no entries", poll(&mut [], 0));
}

fn readable() {
    let Pipe { out, into } = plain();
    worked("write", fd::write(into, b"xy"));
    one("with bytes in it", out, POLLIN, 0);
    one("for ever", out, POLLIN, -1);
    one("nothing asked for", out, 0, 0);
    worked("read 1", fd::read_text(out, 1));
    one("with a byte left", out, POLLIN, 0);
    worked("read 1", fd::read_text(out, 1));
    one("empty", out, POLLIN, 0);
}

fn writable() {
    let Pipe { out, into } = plain();
    one("empty", into, POLLOUT, 0);
    worked("nonblocking", fd::fcntl(into, libc::F_SETFL, libc::O_NONBLOCK));
    while fd::write(into, &[0; 4096]).is_ok() {}
    one("full", into, POLLOUT, 0);
    seen("drain", fd::read(out, &mut vec![0; 1 << 20]).map(|some| some >= 4096));
    one("drained", into, POLLOUT, 0);
}

fn hang_up() {
    let Pipe { out, into } = plain();
    worked("write", fd::write(into, b"x"));
    worked("close the writer", fd::close(into));
    one("bytes left", out, POLLIN, 0);
    worked("read", fd::read_text(out, 1));
    one("empty", out, POLLIN, 0);
    one("not asked for", out, 0, 0);
    let Pipe { out, into } = plain();
    worked("close the reader", fd::close(out));
    one("a pipe without a reader", into, POLLOUT, 0);
}

fn wrong() {
    one("777", 777, POLLIN, 0);
    one("777, for ever", 777, POLLIN, -1);
    one("-1 is passed over", -1, POLLIN, 0);
    let Pipe { out, into } = plain();
    worked("write", fd::write(into, b"x"));
    let mut entries = [entry(777, POLLIN), entry(-5, POLLIN), entry(out, POLLIN)];
    seen("all three", poll(&mut entries, -1));
    entries.iter().for_each(|entry| say!("{}: {}", entry.fd, events(entry.revents)));
}

fn files() {
    let _temp = Temp::new("polling");
    let fd = super::files::make("a");
    one("a file", fd, POLLIN | POLLOUT, 0);
    let null = file::open("/dev/null", libc::O_RDWR).unwrap_or(-1);
    one("the null device", null, POLLIN | POLLOUT, 0);
}

fn many() {
    let pipes: Vec<_> = (0..100).map(|_| plain()).collect();
    for n in [3, 50, 99] {
        worked("write", fd::write(pipes[n].into, b"x"));
    }
    let mut entries: Vec<_> = pipes.iter().map(|pipe| entry(pipe.out, POLLIN)).collect();
    seen("ready", poll(&mut entries, -1));
    let ready = entries.iter().enumerate().filter(|(_, entry)| entry.revents != 0);
    say!("{:?}", ready.map(|(n, _)| n).collect::<Vec<_>>());
}

fn waits() {
    let Pipe { out, into } = plain();
    let child = proc::child(|| {
        time::pause(Duration::from_millis(20));
        fd::write(into, b"late").map_or(1, |_| 0)
    });
    one("until the child writes", out, POLLIN, -1);
    seen("read", fd::read_text(out, 8));
    say!("child {}", proc::wait(child));
    let child = proc::child(|| {
        time::pause(Duration::from_millis(20));
        0
    });
    worked("close", fd::close(into));
    one("until the child ends", out, POLLIN, -1);
    say!("child {}", proc::wait(child));
}

fn timeout() {
    let Pipe { out, .. } = plain();
    let begin = time::now();
    one("20 ms", out, POLLIN, 20);
    say!("it took so long: {}", time::now() - begin >= Duration::from_millis(20));
    let begin = time::now();
    let mut entries = [entry(out, POLLIN)];
    seen("ppoll of 20 ms", ppoll(&mut entries, Some(Duration::from_millis(20)), None));
    say!("it took so long: {}", time::now() - begin >= Duration::from_millis(20));
    seen("ppoll of nothing", ppoll(&mut entries, Some(Duration::ZERO), None));
    seen("poll as a sleep", poll(&mut [], 5));
}

/// Is interrupted by a handler, whatever SA_RESTART says.
fn interrupted() {
    let out = plain().out;
    let child = super::restarts::handling(libc::SA_RESTART, || {
        one("poll", out, POLLIN, -1);
        0
    });
    say!("child {}", super::restarts::pester(child, SIGUSR1));
}

fn mask() {
    let out = plain().out;
    worked("handle", sig::handle(SIGUSR1, sig::NOTE, 0, &[]));
    sig::block(&[SIGUSR1]);
    worked("raise", sig::raise(SIGUSR1));
    say!("noted {}", sig::noted());
    let mut entries = [entry(out, POLLIN)];
    let short = Some(Duration::from_millis(1));
    seen("with it blocked", ppoll(&mut entries, short, Some(sig::set(&[SIGUSR1]))));
    say!("noted {}", sig::noted());
    seen("with it let through", ppoll(&mut entries, None, Some(0)));
    say!("noted {}", sig::noted());
    say!("blocked after it {}", sig::names(sig::mask(libc::SIG_BLOCK, &[]).unwrap_or(0)));
}

fn errors() {
    let entries = vec![entry(-1, 0); 1025];
    seen("more than the limit", poll(&mut entries.clone(), 0));
    let mut entries = [entry(0, POLLIN)];
    let wrong = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000_000 };
    // SAFETY: the kernel reads and writes the array and reads the time.
    let answer = unsafe {
        vortex_guest::sys!(libc::SYS_ppoll, entries.as_mut_ptr(), 1, &raw const wrong, 0, 8)
    };
    seen("wrong time", answer);
    // SAFETY: there is no memory at that address.
    let answer = unsafe { vortex_guest::sys!(libc::SYS_poll, vortex_guest::sys::NOWHERE, 1, 0) };
    seen("entries nowhere", answer);
}
