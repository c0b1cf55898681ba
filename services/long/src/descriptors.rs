//! As many descriptors as there may be, and many who wait for one.

use vortex_guest::mem::Region;
use vortex_guest::{fd, file, pipe, proc, sig, sys};

use crate::{Case, is, must};

pub const CASES: &[Case] = &[
    ("descriptors", descriptors),
    ("poll", poll),
    ("herd", herd),
    ("whole-locks", whole_locks),
    ("range-locks", range_locks),
    ("deadlock", deadlock),
];

/// As many as the hard limit allows: the number of one behind the last.
fn fill() -> Result<i32, String> {
    let (_, hard) = must("limit", proc::limit(libc::RLIMIT_NOFILE))?;
    must("limit", proc::set_limit(libc::RLIMIT_NOFILE, hard, hard))?;
    let mut last = must("open", file::open("/dev/null", libc::O_RDWR))?;
    while let Ok(next) = fd::dup(last) {
        last = next as i32;
    }
    is("the last", last as u64, hard - 1)?;
    Ok(last + 1)
}

fn descriptors() -> Result<(), String> {
    let end = fill()?;
    is("a child", proc::outcome(|| 0), "exit 0".into())?;
    let fd = must(
        "list",
        file::open("/proc/self/fd", libc::O_RDONLY).or_else(|_| {
            fd::close(end - 1)?;
            file::open("/proc/self/fd", libc::O_RDONLY)
        }),
    )?;
    let mut listed = 0;
    loop {
        match must("list", file::entries(fd, 1 << 16))?.len() {
            0 => break,
            more => listed += more,
        }
    }
    is("listed", listed, end as usize + 2)?;
    let child = proc::outcome(|| {
        let flags = libc::CLOSE_RANGE_CLOEXEC;
        // SAFETY: no memory is named.
        let marked = unsafe { sys!(libc::SYS_close_range, 3, u32::MAX, flags) };
        let own = crate::processes::own();
        let error = proc::exec(&own, &[&own, crate::processes::STARTED], &[]);
        marked.map_or(3, |_| error.0)
    });
    is("a child that starts a program", child, "exit 0".into())?;
    // SAFETY: no memory is named.
    must("close all", unsafe { sys!(libc::SYS_close_range, 3, u32::MAX, 0) })?;
    Ok(())
}

/// poll(2) and select(2) of all, with one that is ready at last.
fn poll() -> Result<(), String> {
    let ends = must("pipe", pipe::pipe(0))?;
    let idle = must("pipe", pipe::pipe(0))?;
    let (_, hard) = must("limit", proc::limit(libc::RLIMIT_NOFILE))?;
    must("limit", proc::set_limit(libc::RLIMIT_NOFILE, hard, hard))?;
    let mut last = idle.out;
    while let Ok(next) = fd::dup(idle.out) {
        last = next as i32;
    }
    let mut entries: Vec<_> = (0..hard)
        .map(|n| pipe::entry(if n + 1 == hard { ends.out } else { last }, libc::POLLIN))
        .collect();
    is("none", must("poll", pipe::poll(&mut entries, 0))?, 0)?;
    is("none soon", must("poll", pipe::poll(&mut entries, 20))?, 0)?;
    let child = proc::child(|| {
        vortex_guest::time::pause(std::time::Duration::from_millis(50));
        fd::write(ends.into, b"x").map_or(1, |_| 0)
    });
    is("one", must("poll", pipe::poll(&mut entries, -1))?, 1)?;
    is("the last", entries[hard as usize - 1].revents, libc::POLLIN)?;
    is("the child", proc::wait(child), "exit 0".into())?;
    // Descriptors of their own, all of them.
    let mut words = vec![u64::MAX; (last as usize + 1).div_ceil(64)];
    words[0] &= !0b111;
    let select = |words: &mut Vec<u64>| {
        let mut time = [0_i64; 2];
        let (sets, time) = (words.as_mut_ptr(), time.as_mut_ptr());
        // SAFETY: the kernel reads and writes the set and the time.
        unsafe { sys!(libc::SYS_select, last + 1, sets, 0, 0, time) }
    };
    is("selected", must("select", select(&mut words))?, 1)?;
    let expected = 1_u64 << ends.out;
    is("the one", words[0], expected)?;
    Ok(())
}

/// Children that do one thing and end.
fn children(count: usize, work: impl Fn(usize) -> i32) -> Vec<i32> {
    (0..count).map(|n| proc::child(|| work(n))).collect()
}

fn all_end(children: Vec<i32>) -> Result<(), String> {
    children.into_iter().try_for_each(|child| is("a child", proc::wait(child), "exit 0".into()))
}

/// Many who wait for a byte each of one pipe, and for the end of one file.
fn herd() -> Result<(), String> {
    const HERD: usize = 250;
    let (ends, gate) = (pipe::plain(), pipe::plain());
    let herd = children(HERD, |_| {
        let _ = fd::close(gate.into);
        let one = fd::read(ends.out, &mut [0]) == Ok(1);
        let end = fd::read(gate.out, &mut [0]) == Ok(0);
        i32::from(!(one && end))
    });
    vortex_guest::time::pause(std::time::Duration::from_millis(300));
    for _ in 0..HERD {
        must("write", fd::write(ends.into, b"x"))?;
    }
    vortex_guest::time::pause(std::time::Duration::from_millis(300));
    must("close", fd::close(gate.into))?;
    all_end(herd)
}

/// Many who wait for flock(2) of one file.
fn whole_locks() -> Result<(), String> {
    const MANY: usize = 200;
    let open = || file::open("/tmp/whole", libc::O_RDWR | libc::O_CREAT);
    let fd = must("open", open())?;
    // SAFETY: no memory is named.
    let lock = |fd: i32, how: i32| unsafe { sys!(libc::SYS_flock, fd, how) };
    must("lock", lock(fd, libc::LOCK_EX))?;
    let waiting = children(MANY, |n| {
        let _ = fd::close(fd);
        let Ok(own) = open() else { return 2 };
        i32::from(lock(own, if n % 4 == 0 { libc::LOCK_EX } else { libc::LOCK_SH }).is_err())
    });
    vortex_guest::time::pause(std::time::Duration::from_millis(300));
    must("unlock", lock(fd, libc::LOCK_UN))?;
    all_end(waiting)
}

fn range(kind: i32, first: i64, length: i64) -> libc::flock {
    libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: first,
        l_len: length,
        l_pid: 0,
    }
}

fn set(fd: i32, how: i32, lock: &libc::flock) -> vortex_guest::Res {
    // SAFETY: the kernel reads the structure.
    unsafe { sys!(libc::SYS_fcntl, fd, how, lock as *const _) }
}

/// Many ranges of one file, taken and given up at once.
fn range_locks() -> Result<(), String> {
    let fd = must("open", file::open("/tmp/ranges", libc::O_RDWR | libc::O_CREAT))?;
    let mut taken = 0;
    while taken < 250 && set(fd, libc::F_SETLK, &range(libc::F_WRLCK, 2 * taken, 1)).is_ok() {
        taken += 1;
    }
    is("many", taken >= 250, true)?;
    let waiting = children(100, |n| {
        i32::from(set(fd, libc::F_SETLKW, &range(libc::F_RDLCK, 2 * n as i64, 1)).is_err())
    });
    vortex_guest::time::pause(std::time::Duration::from_millis(300));
    must("all for reading", set(fd, libc::F_SETLK, &range(libc::F_RDLCK, 0, 0)))?;
    must("none", set(fd, libc::F_SETLK, &range(libc::F_UNLCK, 0, 0)))?;
    all_end(waiting)
}

/// A chain of those who wait for each other, beside many who wait for others.
fn deadlock() -> Result<(), String> {
    const CHAIN: usize = 8;
    let fd = must("open", file::open("/tmp/chain", libc::O_RDWR | libc::O_CREAT))?;
    let ready = Region::shared(vortex_guest::mem::PAGE);
    must("lock", set(fd, libc::F_SETLK, &range(libc::F_WRLCK, 1_000, 1)))?;
    let crowd = children(200, |_| {
        let _ = set(fd, libc::F_SETLKW, &range(libc::F_WRLCK, 1_000, 1));
        0
    });
    let chain = children(CHAIN, |n| {
        let own = range(libc::F_WRLCK, n as i64, 1);
        if set(fd, libc::F_SETLKW, &own).is_err() {
            return 2;
        }
        ready.word(0).fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        proc::until(|| ready.word(0).load(std::sync::atomic::Ordering::SeqCst) == CHAIN as u32);
        // Each waits for the next; whoever closes the ring is refused.
        let next = range(libc::F_WRLCK, ((n + 1) % CHAIN) as i64, 1);
        match set(fd, libc::F_SETLKW, &next) {
            Ok(_) => 0,
            Err(error) if error.0 == libc::EDEADLK => 7,
            Err(_) => 3,
        }
    });
    let mut refused = 0;
    for child in chain {
        refused += usize::from(proc::wait(child) == "exit 7");
    }
    is("refused", refused, 1)?;
    must("unlock", set(fd, libc::F_SETLK, &range(libc::F_UNLCK, 0, 0)))?;
    for child in crowd {
        is("one of the crowd", proc::wait(child), "exit 0".into())?;
    }
    sig::reset();
    Ok(())
}
