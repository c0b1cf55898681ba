//! Sets of descriptors to watch.

use std::time::Duration;

use libc::{
    EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLET, EPOLLEXCLUSIVE, EPOLLIN, EPOLLONESHOT, EPOLLOUT,
    EPOLLRDHUP, SIGUSR1,
};
use vortex_guest::event::{
    control, counter, read_number, set, wait, wait_exactly, wait_masked, watch, write_number,
};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::{entry, pipe, plain, poll};
use vortex_guest::socket::{self, pair};
use vortex_guest::temp::Temp;
use vortex_guest::{Res, fd, file, proc, say, sig, time};

crate::tests!("epoll":
    "level" => level,
    "edge" => edge,
    "once" => once,
    "changes" => changes,
    "wrong" => wrong,
    "nested" => nested,
    "circles" => circles,
    "closed" => closed,
    "duplicates" => duplicates,
    "many" => many,
    "few-at-a-time" => few,
    "sockets" => sockets,
    "hang-ups" => hang_ups,
    "waits" => waits,
    "time-out" => timeout,
    "signals" => signals,
    "after-fork" => forked,
    "several-wait" => several,
    "exclusive" => exclusive,
);

/// A set, where one cannot be missing.
fn new() -> i32 {
    set(0).unwrap_or_else(|error| vortex_guest::out::fail(&format!("no set: {error}")))
}

/// What is ready, with the descriptors' places among these.
fn ready(what: &str, set: i32, most: usize, known: &[i32]) {
    seen(what, told(wait(set, most, 0), known));
}

fn told(events: Res<Vec<(u64, u32)>>, known: &[i32]) -> Res<String> {
    events.map(|events| {
        let place = |fd: u64| known.iter().position(|known| *known as u64 == fd).unwrap_or(99);
        let events: Vec<_> =
            events.iter().map(|(fd, events)| format!("{}:{events:#x}", place(*fd))).collect();
        format!("[{}]", events.join(" "))
    })
}

fn level() {
    let (own, pipe) = (new(), plain());
    let known = [pipe.out, pipe.into];
    worked("watch", watch(own, pipe.out, EPOLLIN));
    worked("watch", watch(own, pipe.into, EPOLLOUT));
    ready("room", own, 8, &known);
    worked("write", fd::write(pipe.into, b"ab"));
    ready("bytes", own, 8, &known);
    ready("still", own, 8, &known);
    worked("read", fd::read_text(pipe.out, 1));
    ready("one left", own, 8, &known);
    worked("read", fd::read_text(pipe.out, 1));
    ready("none left", own, 8, &known);
}

fn edge() {
    let (own, pipe) = (new(), pipe(libc::O_NONBLOCK));
    let Ok(pipe) = pipe else { return say!("no pipe") };
    let known = [pipe.out, pipe.into];
    worked("watch", watch(own, pipe.out, EPOLLIN | EPOLLET));
    ready("nothing", own, 8, &known);
    worked("write", fd::write(pipe.into, b"ab"));
    ready("bytes", own, 8, &known);
    ready("told", own, 8, &known);
    worked("read", fd::read_text(pipe.out, 1));
    ready("one left", own, 8, &known);
    worked("write", fd::write(pipe.into, b"c"));
    ready("one more", own, 8, &known);
    worked("watch", watch(own, pipe.into, EPOLLOUT | EPOLLET));
    ready("room", own, 8, &known);
    while fd::write(pipe.into, &[0; 4096]).is_ok() {}
    ready("full", own, 8, &known);
    worked("read", fd::read(pipe.out, &mut vec![0; 1 << 16]));
    ready("room again", own, 8, &known);
    let Ok(count) = counter(0, libc::EFD_NONBLOCK) else { return say!("no counter") };
    worked("watch", watch(own, count, EPOLLIN | EPOLLET));
    for _ in 0..2 {
        worked("count", write_number(count, 1));
        ready("counted", own, 8, &[pipe.out, pipe.into, count]);
    }
    worked("count", write_number(count, 1));
    worked("count", write_number(count, 1));
    ready("counted twice", own, 8, &[pipe.out, pipe.into, count]);
    ready("told", own, 8, &[pipe.out, pipe.into, count]);
}

fn once() {
    let (own, pipe) = (new(), plain());
    let known = [pipe.out];
    worked("watch", watch(own, pipe.out, EPOLLIN | EPOLLONESHOT));
    worked("write", fd::write(pipe.into, b"a"));
    ready("once", own, 8, &known);
    worked("write", fd::write(pipe.into, b"b"));
    ready("not again", own, 8, &known);
    let events = (EPOLLIN | EPOLLONESHOT) as u32;
    worked("again", control(own, EPOLL_CTL_MOD, pipe.out, events));
    ready("again", own, 8, &known);
    worked("the writer leaves", fd::close(pipe.into));
    ready("not told", own, 8, &known);
}

fn changes() {
    let (own, pipe) = (new(), plain());
    let known = [pipe.out];
    worked("write", fd::write(pipe.into, b"a"));
    seen("watch nothing", watch(own, pipe.out, 0));
    ready("nothing", own, 8, &known);
    seen("change", control(own, EPOLL_CTL_MOD, pipe.out, EPOLLIN as u32));
    ready("bytes", own, 8, &known);
    seen("take away", control(own, EPOLL_CTL_DEL, pipe.out, 0));
    ready("nothing", own, 8, &known);
    seen("take away again", control(own, EPOLL_CTL_DEL, pipe.out, 0));
    seen("change again", control(own, EPOLL_CTL_MOD, pipe.out, EPOLLIN as u32));
    seen("watch", watch(own, pipe.out, EPOLLIN));
    seen("watch again", watch(own, pipe.out, EPOLLIN));
    ready("bytes", own, 8, &known);
}

fn wrong() {
    let (own, pipe, temp) = (new(), plain(), Temp::new("epoll"));
    seen("no set", watch(pipe.out, pipe.into, EPOLLIN));
    seen("nothing", watch(4711, pipe.out, EPOLLIN));
    seen("nothing", watch(own, 4711, EPOLLIN));
    seen("itself", watch(own, own, EPOLLIN));
    seen("no operation", control(own, 9, pipe.out, 0));
    seen("no events", wait(own, 0, 0).map(|events| events.len()));
    seen("wait for nothing", wait(pipe.out, 1, 0).map(|events| events.len()));
    let path = format!("{}/f", temp.path());
    worked("a file", file::put(&path, b"x"));
    if let Ok(it) = file::open(&path, libc::O_RDONLY) {
        seen("a file", watch(own, it, EPOLLIN));
    }
    if let Ok(it) = file::open(temp.path(), libc::O_RDONLY | libc::O_DIRECTORY) {
        seen("a folder", watch(own, it, EPOLLIN));
    }
    if let Ok(it) = file::open("/dev/null", libc::O_RDWR) {
        seen("nothing", watch(own, it, EPOLLIN));
    }
    seen("wrong flags", set(1));
    // SAFETY: plain numbers.
    seen("no size", unsafe { vortex_guest::sys!(libc::SYS_epoll_create, 0) });
    seen("read it", fd::read_text(own, 8));
    seen("write it", fd::write(own, b"12345678"));
    seen("exclusive change", control(own, EPOLL_CTL_MOD, pipe.out, EPOLLEXCLUSIVE as u32));
    seen("exclusive once", watch(own, pipe.out, EPOLLEXCLUSIVE | EPOLLONESHOT));
    seen("its flags", fd::fcntl(own, libc::F_GETFL, 0));
    if let Ok(other) = set(libc::EPOLL_CLOEXEC) {
        seen("closed on exec", fd::fcntl(other, libc::F_GETFD, 0));
    }
}

fn nested() {
    let (outer, inner, pipe) = (new(), new(), plain());
    worked("watch", watch(inner, pipe.out, EPOLLIN));
    worked("watch the set", watch(outer, inner, EPOLLIN));
    ready("nothing", outer, 8, &[inner]);
    worked("write", fd::write(pipe.into, b"x"));
    let mut entries = [entry(inner, libc::POLLIN), entry(outer, libc::POLLIN)];
    seen("both are ready", poll(&mut entries, 0));
    ready("the set", outer, 8, &[inner]);
    ready("in the set", inner, 8, &[pipe.out]);
    worked("read", fd::read_text(pipe.out, 8));
    ready("nothing", outer, 8, &[inner]);
    seen("none is ready", poll(&mut entries, 0));
    worked("write", fd::write(pipe.into, b"x"));
    ready("again", outer, 8, &[inner]);
    worked("close", fd::close(inner));
    ready("the set is gone", outer, 8, &[inner]);
}

fn circles() {
    let sets: Vec<i32> = (0..8).map(|_| new()).collect();
    for (place, pair) in sets.windows(2).enumerate() {
        seen(&format!("{place}"), watch(pair[0], pair[1], EPOLLIN));
    }
    let sets: Vec<i32> = (0..3).map(|_| new()).collect();
    worked("one in the next", watch(sets[0], sets[1], EPOLLIN));
    worked("one in the next", watch(sets[1], sets[2], EPOLLIN));
    seen("a circle", watch(sets[2], sets[0], EPOLLIN));
    seen("and two", watch(sets[1], sets[0], EPOLLIN));
}

fn closed() {
    let (own, pipe) = (new(), plain());
    worked("watch", watch(own, pipe.out, EPOLLIN));
    worked("write", fd::write(pipe.into, b"x"));
    let Ok(copy) = fd::dup(pipe.out) else { return say!("no copy") };
    worked("close", fd::close(pipe.out));
    ready("the copy keeps it", own, 8, &[pipe.out]);
    seen("by its old number", control(own, EPOLL_CTL_DEL, pipe.out, 0));
    worked("close the copy", fd::close(copy as i32));
    ready("gone", own, 8, &[pipe.out]);
    let other = plain();
    seen("the number again", watch(own, other.out, EPOLLIN));
    worked("close the set", fd::close(own));
    worked("write", fd::write(other.into, b"x"));
}

fn duplicates() {
    let (own, pipe) = (new(), plain());
    let Ok(copy) = fd::dup(pipe.out) else { return say!("no copy") };
    seen("watch", watch(own, pipe.out, EPOLLIN));
    seen("watch the copy", watch(own, copy as i32, EPOLLIN));
    worked("write", fd::write(pipe.into, b"x"));
    seen("both", wait(own, 8, 0).map(|events| events.len()));
    seen("take one away", control(own, EPOLL_CTL_DEL, pipe.out, 0));
    ready("the copy", own, 8, &[pipe.out, copy as i32]);
}

fn many() {
    let own = new();
    let counters: Vec<i32> = (0..400).filter_map(|_| counter(0, 0).ok()).collect();
    let watched = counters.iter().filter(|&&it| watch(own, it, EPOLLIN).is_ok()).count();
    say!("{watched} watched");
    for place in (0..400).step_by(3) {
        let _ = write_number(counters[place], 1);
    }
    let events = wait(own, 1000, 0).unwrap_or_default();
    let mut places: Vec<_> = events.iter().map(|(fd, _)| *fd).collect();
    places.sort_unstable();
    let expected = (0..400).step_by(3).map(|place| counters[place] as u64);
    say!("{} ready, the right ones: {}", events.len(), expected.eq(places));
    for place in (0..400).step_by(3) {
        let _ = read_number(counters[place]);
    }
    seen("none", wait(own, 1000, 0).map(|events| events.len()));
    counters.iter().for_each(|&it| {
        let _ = fd::close(it);
    });
    seen("none", wait(own, 1000, 0).map(|events| events.len()));
}

fn few() {
    let own = new();
    let counters: Vec<i32> = (0..10).filter_map(|_| counter(1, 0).ok()).collect();
    counters.iter().for_each(|&it| worked("watch", watch(own, it, EPOLLIN)));
    for _ in 0..5 {
        ready("three", own, 3, &counters);
    }
}

fn sockets() {
    let own = new();
    let Ok((left, right)) = pair(libc::SOCK_STREAM) else { return say!("no pair") };
    let known = [left, right];
    worked("watch", watch(own, left, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET));
    ready("room", own, 8, &known);
    ready("told", own, 8, &known);
    worked("send", fd::write(right, b"x"));
    ready("bytes", own, 8, &known);
    worked("send", fd::write(left, b"y"));
    ready("sent", own, 8, &known);
    worked("read", fd::read_text(right, 8));
    ready("it was read", own, 8, &known);
    worked("shut", socket::shutdown(right, libc::SHUT_WR));
    ready("half closed", own, 8, &known);
    worked("close", fd::close(right));
    ready("closed", own, 8, &known);
    let temp = Temp::new("epoll");
    let path = format!("{}/s", temp.path());
    let Ok(listener) = socket::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) else { return };
    worked("bind", socket::bind(listener, &socket::address(&path)));
    worked("watch", watch(own, listener, EPOLLIN));
    ready("not listening", own, 8, &[left, listener]);
    worked("listen", socket::listen(listener, 4));
    ready("listening", own, 8, &[left, listener]);
    let Ok(client) = socket::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0) else { return };
    worked("connect", socket::connect(client, &socket::address(&path)));
    ready("somebody", own, 8, &[left, listener]);
}

fn hang_ups() {
    let own = new();
    for events in [EPOLLIN, 0, EPOLLOUT] {
        let pipe = plain();
        worked("watch", watch(own, pipe.out, events));
        worked("the writer leaves", fd::close(pipe.into));
        ready("hang-up", own, 8, &[pipe.out]);
        worked("close", fd::close(pipe.out));
        let pipe = plain();
        worked("watch", watch(own, pipe.into, events | EPOLLET));
        ready("room", own, 8, &[pipe.into]);
        worked("the reader leaves", fd::close(pipe.out));
        ready("broken", own, 8, &[pipe.into]);
        worked("close", fd::close(pipe.into));
    }
}

fn waits() {
    let (own, pipe) = (new(), plain());
    worked("watch", watch(own, pipe.out, EPOLLIN));
    let child = proc::child(|| {
        time::pause(time::SOON);
        i32::from(fd::write(pipe.into, b"x").is_err())
    });
    seen("for ever", told(wait(own, 8, -1), &[pipe.out]));
    say!("{}", proc::wait(child));
    worked("read", fd::read_text(pipe.out, 8));
    let child = proc::child(|| {
        time::pause(time::SOON);
        i32::from(fd::write(pipe.into, b"x").is_err())
    });
    seen("a long time", told(wait(own, 8, 60_000), &[pipe.out]));
    say!("{}", proc::wait(child));
    worked("read", fd::read_text(pipe.out, 8));
    // What is watched while somebody waits.
    let other = plain();
    let child = proc::child(|| {
        time::pause(time::SOON);
        let _ = fd::write(other.into, b"x");
        i32::from(watch(own, other.out, EPOLLIN).is_err())
    });
    seen("watched meanwhile", told(wait(own, 8, -1), &[pipe.out, other.out]));
    say!("{}", proc::wait(child));
}

fn timeout() {
    let (own, pipe) = (new(), plain());
    worked("watch", watch(own, pipe.out, EPOLLIN));
    for millis in [0, 1, 20] {
        let before = time::now();
        seen("wait", wait(own, 8, millis).map(|events| events.len()));
        say!("long enough: {}", time::now() - before >= Duration::from_millis(millis as u64));
    }
    let before = time::now();
    let span = Duration::from_micros(1500);
    seen("exactly", wait_exactly(own, Some(span)));
    say!("long enough: {}", time::now() - before >= span);
    seen("not at all", wait_exactly(own, Some(Duration::ZERO)));
}

fn signals() {
    let own = new();
    let parent = proc::pid();
    for flags in [0, libc::SA_RESTART] {
        worked("handle", sig::handle(SIGUSR1, sig::NOTE, flags, &[]));
        let child = proc::child(|| {
            time::pause(time::SOON);
            i32::from(sig::kill(parent, SIGUSR1).is_err())
        });
        seen("wait", wait(own, 1, -1).map(|events| events.len()));
        say!("{}", proc::wait(child));
    }
    sig::block(&[SIGUSR1]);
    worked("kill", sig::kill(parent, SIGUSR1));
    seen("blocked", wait(own, 1, 1).map(|events| events.len()));
    seen("with another mask", wait_masked(own, -1, 0));
    say!("noted: {}", sig::noted());
}

fn forked() {
    let (own, pipe) = (new(), plain());
    worked("watch", watch(own, pipe.out, EPOLLIN));
    let child = proc::child(|| {
        let _ = fd::write(pipe.into, b"x");
        let other = counter(1, 0).unwrap_or(-1);
        i32::from(watch(own, other, EPOLLIN).is_err() || wait(own, 8, -1).is_err())
    });
    say!("{}", proc::wait(child));
    ready("of the child's only what is still open", own, 8, &[pipe.out]);
}

fn several() {
    let (own, pipe) = (new(), plain());
    worked("watch", watch(own, pipe.out, EPOLLIN));
    let children: Vec<_> = (0..3)
        .map(|_| proc::child(|| i32::from(wait(own, 8, -1).map(|events| events.len()) != Ok(1))))
        .collect();
    time::pause(time::SOON);
    worked("write", fd::write(pipe.into, b"x"));
    children.into_iter().for_each(|child| say!("{}", proc::wait(child)));
}

fn exclusive() {
    let pipe = plain();
    let (one, other) = (new(), new());
    seen("watch", watch(one, pipe.out, EPOLLIN | EPOLLEXCLUSIVE));
    seen("watch", watch(other, pipe.out, EPOLLIN | EPOLLEXCLUSIVE));
    worked("write", fd::write(pipe.into, b"x"));
    let of = |set| wait(set, 8, 0).map_or(0, |events| events.len());
    say!("at least one is told: {}", of(one) + of(other) > 0);
    seen("change", control(one, EPOLL_CTL_MOD, pipe.out, EPOLLIN as u32));
    seen("take away", control(one, EPOLL_CTL_DEL, pipe.out, 0));
    seen("a set", watch(one, other, EPOLLIN | EPOLLEXCLUSIVE));
}
