//! Sub-activities: Vortex's own calls. Linux has none of them, so there a test prints what is
//! promised; on Vortex it prints what it has observed.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use libc::{SIGCONT, SIGKILL, SIGSTOP, SIGUSR1};
use vortex_abi::performance::{self, Sample};
use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::{Errno, Res, proc, say, sig, sys, time};

use super::exec::ME;

crate::tests!("subactivities":
    "errors" => errors,
    "bill" => bill,
    "names" => names,
    "shares" => shares,
    "others-thread" => others_thread,
    "inherited" => inherited,
    "ended" => ended,
    "signals" => signals,
    "many" => many,
    "memory" => memory,
);

const CREATE: i64 = 22017;
const BIND: i64 = 22018;
const CLOSE: i64 = 22019;

fn create(share: u32, limits: [u32; 3]) -> Res<u64> {
    let [processes, threads, requests] = limits;
    // SAFETY: the call names no memory.
    unsafe { sys!(CREATE, share, processes, threads, requests) }.map(|handle| handle as u64)
}

fn bind(handle: u64, tid: i32) -> Res<usize> {
    // SAFETY: the call names no memory.
    unsafe { sys!(BIND, handle, tid) }
}

fn close(handle: u64) -> Res<usize> {
    // SAFETY: the call names no memory.
    unsafe { sys!(CLOSE, handle) }
}

fn is_vortex() -> bool {
    // SAFETY: all zero is a value of it.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes the structure.
    let told = unsafe { sys!(libc::SYS_uname, &raw mut name) };
    let release: Vec<u8> = name.release.iter().map(|letter| *letter as u8).collect();
    told.is_ok() && release.windows(6).any(|word| word == b"vortex")
}

/// Prints what is observed; where there are no such calls, what is promised.
fn observe(promised: &[&str], run: impl FnOnce()) {
    if is_vortex() {
        run();
    } else {
        promised.iter().for_each(|line| say!("{line}"));
    }
}

fn said<T>(what: &str, answer: Res<T>) {
    match answer {
        Ok(_) => say!("{what}: ok"),
        Err(error) => say!("{what}: {error}"),
    }
}

/// A handle of a new one; the test ends where there is none.
fn made(share: u32) -> u64 {
    match create(share, [0; 3]) {
        Ok(handle) => handle,
        Err(error) => vortex_guest::out::fail(&format!("no sub-activity: {error}")),
    }
}

/// The caller's performance data.
fn sample() -> Sample {
    let mut buffer = vec![1_u8; 256 << 10];
    // SAFETY: the kernel writes within the buffer.
    let length = unsafe { sys!(i64::from(performance::NUMBER), buffer.as_mut_ptr(), buffer.len()) };
    let bytes = length.ok().and_then(|length| buffer.get(..length)).unwrap_or_default();
    performance::decode(bytes).unwrap_or_default()
}

/// Cycles of a sub-activity on each core.
fn cycles(sample: &Sample, handle: u64) -> Vec<u64> {
    let of = |core: &performance::Core| {
        let used = core.used.iter().find(|(activity, _)| *activity == handle as u32);
        used.map_or(0, |(_, cycles)| *cycles)
    };
    sample.cores.iter().map(of).collect()
}

fn total(sample: &Sample, handle: u64) -> u64 {
    cycles(sample, handle).iter().sum()
}

fn spin(span: Duration) {
    let end = time::now() + span;
    while time::now() < end {
        std::hint::spin_loop();
    }
}

const MOMENT: Duration = Duration::from_millis(200);

fn errors() {
    let promised = [
        "no share: EINVAL",
        "all: EINVAL",
        "more than all: EINVAL",
        "most: ok",
        "the rest and more: EINVAL",
        "too few requests: EAGAIN",
        "nobody's handle: EBADF",
        "close nobody's: EBADF",
        "nobody's thread: ESRCH",
        "another process's thread: ESRCH",
        "bind: ok",
        "bind again: ok",
        "close while bound: EBUSY",
        "a child's: EPERM",
        "a child's close: EPERM",
        "a child's own: EPERM",
        "away: ok",
        "away again: ok",
        "close: ok",
        "close again: EBADF",
        "bind to what is closed: EBADF",
    ];
    observe(&promised, || {
        said("no share", create(0, [0; 3]));
        said("all", create(1000, [0; 3]));
        said("more than all", create(u32::MAX, [0; 3]));
        let most = made(990);
        say!("most: ok");
        said("the rest and more", create(10, [0; 3]));
        said("too few requests", create(1, [0, 0, 1]));
        said("nobody's handle", bind(most + (7 << 32), 0));
        said("close nobody's", close(most + (7 << 32)));
        said("nobody's thread", bind(most, 4_000_000));
        said("another process's thread", bind(most, 1));
        said("bind", bind(most, 0));
        said("bind again", bind(most, 0));
        said("close while bound", close(most));
        let child = proc::child(|| {
            said("a child's", bind(most, 0));
            said("a child's close", close(most));
            said("a child's own", create(1, [0; 3]));
            0
        });
        let _ = proc::wait(child);
        said("away", bind(0, 0));
        said("away again", bind(0, proc::tid()));
        said("close", close(most));
        said("close again", close(most));
        said("bind to what is closed", bind(most, 0));
    });
}

fn bill() {
    observe(&["before it ran: nothing", "bound: on its bill", "away: not"], || {
        let part = made(500);
        let begin = total(&sample(), part);
        say!("before it ran: {}", if begin == 0 { "nothing" } else { "something" });
        let _ = bind(part, 0);
        let before = time::cycles();
        spin(MOMENT);
        let _ = proc::number(libc::SYS_getpid);
        let spun = time::cycles() - before;
        let _ = bind(0, 0);
        let used = total(&sample(), part);
        // Others of the machine may have run meanwhile, but not most of the time.
        say!("bound: {}", if used > spun / 2 { "on its bill" } else { "elsewhere" });
        spin(MOMENT);
        let after = total(&sample(), part);
        say!("away: {}", if after - used < spun / 20 { "not" } else { "still" });
        let _ = close(part);
    });
}

fn names() {
    observe(&["named beside its whole: true", "one more: true", "gone: true"], || {
        let (one, other) = (made(100), made(100));
        let told = sample();
        let name = |handle: u64| told.name(handle as u32).unwrap_or_default().to_string();
        let whole = told
            .names
            .iter()
            .find(|(number, _)| told.cores[0].used.iter().any(|(of, _)| of == number));
        let whole = whole.map(|(_, name)| name.clone()).unwrap_or_default();
        let number = |name: &str| name.strip_prefix(&format!("{whole}/"))?.parse::<u32>().ok();
        let (first, second) = (number(&name(one)), number(&name(other)));
        say!("named beside its whole: {}", first.is_some());
        say!("one more: {}", second.is_some() && second == first.map(|first| first + 1));
        let (one_name, _) = (close(one).map(|_| name(one)), close(other));
        let gone = || {
            let told = sample();
            told.name(one as u32).is_none_or(|now| Ok(now.to_string()) != one_name)
        };
        proc::until(gone);
        say!("gone: true");
    });
}

static STOP: AtomicBool = AtomicBool::new(false);

/// Threads that are bound and spin until they are to stop.
fn spinners(handle: u64, count: u32) -> Vec<std::thread::JoinHandle<Res<usize>>> {
    let work = move || {
        let bound = bind(handle, 0);
        while !STOP.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
        bound
    };
    (0..count).map(|_| std::thread::spawn(work)).collect()
}

fn shares() {
    observe(&["bound: true", "on each core as 3 to 1: true", "closed: true"], || {
        let (large, small) = (made(600), made(200));
        let all: Vec<_> = spinners(large, 2).into_iter().chain(spinners(small, 2)).collect();
        time::pause(MOMENT);
        let before = sample();
        let since = |now: &Sample, handle| {
            let (before, now) = (cycles(&before, handle), cycles(now, handle));
            now.into_iter().zip(before).map(|(now, before)| now - before).collect::<Vec<_>>()
        };
        // Long enough that a core that stood still does not matter.
        let (mut large_used, mut small_used, mut as_entitled) = (Vec::new(), Vec::new(), false);
        for _ in 0..3 {
            time::pause(Duration::from_millis(1800));
            let now = sample();
            (large_used, small_used) = (since(&now, large), since(&now, small));
            let part = |(large, small): (&u64, &u64)| large * 1000 / (large + small).max(1);
            let mut parts = large_used.iter().zip(&small_used).map(part);
            as_entitled = parts.all(|part| (720..=780).contains(&part));
            if as_entitled {
                break;
            }
        }
        STOP.store(true, Ordering::Relaxed);
        let bound = all.into_iter().all(|thread| thread.join().is_ok_and(|bound| bound.is_ok()));
        say!("bound: {bound}");
        if !as_entitled {
            say!("{large_used:?} and {small_used:?} cycles");
        }
        say!("on each core as 3 to 1: {as_entitled}");
        say!("closed: {}", close(large).is_ok() && close(small).is_ok());
    });
}

fn others_thread() {
    observe(&["bound: ok", "on its bill: true", "away: ok", "then not: true"], || {
        let part = made(500);
        static TID: AtomicU32 = AtomicU32::new(0);
        STOP.store(false, Ordering::Relaxed);
        let thread = std::thread::spawn(|| {
            TID.store(proc::tid() as u32, Ordering::Release);
            while !STOP.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        proc::until(|| TID.load(Ordering::Acquire) != 0);
        let tid = TID.load(Ordering::Acquire) as i32;
        said("bound", bind(part, tid));
        let clock = time::cycles();
        time::pause(MOMENT);
        let used = total(&sample(), part);
        say!("on its bill: {}", used > (time::cycles() - clock) / 4);
        said("away", bind(0, tid));
        time::pause(MOMENT);
        let then = total(&sample(), part);
        time::pause(MOMENT);
        say!("then not: {}", total(&sample(), part) - then < used / 10);
        STOP.store(true, Ordering::Relaxed);
        let _ = thread.join();
        let _ = close(part);
    });
}

fn inherited() {
    let promised = [
        "a thread is bound as its maker: true",
        "no second process: EAGAIN",
        "a child too: true",
        "no third thread: true",
        "closed: ok",
    ];
    observe(&promised, || {
        let Ok(part) = create(500, [1, 2, 0]) else { return say!("not made") };
        let _ = bind(part, 0);
        let begin = total(&sample(), part);
        let thread = std::thread::spawn(|| spin(MOMENT));
        let third = create_thread();
        let _ = thread.join();
        let after = total(&sample(), part);
        say!("a thread is bound as its maker: {}", after > begin);
        let child = proc::fork(|| {
            said("no second process", proc::fork(|| 0));
            spin(MOMENT);
            0
        });
        let before = after;
        let _ = child.map(proc::wait);
        let after = total(&sample(), part);
        say!("a child too: {}", after > before);
        say!("no third thread: {third}");
        let _ = bind(0, 0);
        said("closed", close(part));
    });
}

/// Whether another thread is refused.
fn create_thread() -> bool {
    std::thread::Builder::new().spawn(|| {}).is_err()
}

/// Whether all of the share is there again, before long.
fn whole_again() -> bool {
    let mut again = false;
    proc::until(|| match create(990, [0; 3]) {
        Ok(handle) => {
            again = close(handle).is_ok();
            true
        }
        Err(_) => false,
    });
    again
}

fn ended() {
    let promised = [
        "exit: exit 3, whole again: true",
        "kill: killed by SIGKILL, whole again: true",
        "threads end: exit 0, whole again: true",
        "exec: exit 0, whole again: true",
    ];
    observe(&promised, || {
        let bound = |work: fn() -> i32| {
            let child = proc::child(move || {
                let part = made(700);
                STOP.store(false, Ordering::Relaxed);
                let _threads = spinners(part, 3);
                let _ = bind(part, 0);
                time::pause(Duration::from_millis(20));
                work()
            });
            (proc::wait(child), whole_again())
        };
        let (how, again) = bound(|| 3);
        say!("exit: {how}, whole again: {again}");
        let (how, again) = bound(|| {
            let _ = sig::kill(proc::pid(), SIGKILL);
            1
        });
        say!("kill: {how}, whole again: {again}");
        let (how, again) = bound(|| {
            STOP.store(true, Ordering::Relaxed);
            time::pause(Duration::from_millis(20));
            0
        });
        say!("threads end: {how}, whole again: {again}");
        let (how, again) = bound(|| {
            let _ = proc::exec(ME, &["calls", "--as", "nothing"], &[]);
            1
        });
        say!("exec: {how}, whole again: {again}");
    });
}

fn signals() {
    let promised = [
        "a handler runs in a bound thread: true",
        "stopped: nothing is used: true",
        "and goes on: true",
        "exit 0",
    ];
    observe(&promised, || {
        static HANDLED: AtomicU32 = AtomicU32::new(0);
        extern "C" fn handler(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
            HANDLED.store(proc::tid() as u32, Ordering::SeqCst);
        }
        let child = proc::child(|| {
            let part = made(500);
            STOP.store(false, Ordering::Relaxed);
            let threads = spinners(part, 2);
            let _ = sig::handle(SIGUSR1, handler, 0, &[]);
            time::pause(Duration::from_millis(20));
            let tids: Vec<i32> = std::fs::read_dir("/proc/self/task").map_or(Vec::new(), |all| {
                let name = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
                all.flatten().filter_map(name).collect()
            });
            let mut handled = true;
            for tid in tids.into_iter().filter(|tid| *tid != proc::tid()) {
                let _ = sig::thread_kill(proc::pid(), tid, SIGUSR1);
                proc::until(|| HANDLED.load(Ordering::SeqCst) == tid as u32);
                handled &= HANDLED.load(Ordering::SeqCst) == tid as u32;
            }
            say!("a handler runs in a bound thread: {handled}");
            let own = proc::pid();
            let watcher = proc::child(|| {
                let _ = sig::kill(own, SIGSTOP);
                time::pause(Duration::from_millis(30));
                let before = total(&sample(), part);
                time::pause(MOMENT);
                let used = total(&sample(), part) - before;
                say!("stopped: nothing is used: {}", used == 0);
                let _ = sig::kill(own, SIGCONT);
                let before = total(&sample(), part);
                proc::until(|| total(&sample(), part) > before);
                say!("and goes on: true");
                0
            });
            let _ = proc::wait(watcher);
            STOP.store(true, Ordering::Relaxed);
            i32::from(threads.into_iter().any(|thread| thread.join().is_err()))
        });
        say!("{}", proc::wait(child));
    });
}

fn many() {
    observe(
        &["at a time: 15", "then: EAGAIN", "one after the other: true", "whole again: true"],
        || {
            let mut all = Vec::new();
            let refused = loop {
                match create(10, [0; 3]) {
                    Ok(handle) => all.push(handle),
                    Err(error) => break error,
                }
            };
            say!("at a time: {}", all.len());
            say!("then: {refused}");
            for handle in all {
                let _ = close(handle);
            }
            let mut good = true;
            for _ in 0..100 {
                let mut handle = Err(Errno(libc::EAGAIN));
                proc::until(|| {
                    handle = create(900, [0; 3]);
                    handle.is_ok()
                });
                good &= handle.is_ok_and(|handle| {
                    bind(handle, 0).is_ok() && bind(0, 0).is_ok() && close(handle).is_ok()
                });
            }
            say!("one after the other: {good}");
            say!("whole again: {}", whole_again());
        },
    );
}

/// Maps, fills, looks at and takes away memory; how often something was not as it was left.
fn map_and_look(own: u8, rounds: u32) -> u32 {
    const PAGES: usize = 24;
    let mut wrong = 0;
    for round in 0..rounds {
        let region = Region::anonymous(PAGES * PAGE, BOTH);
        let value = own.wrapping_add(round as u8).max(1);
        let pages = || (0..PAGES).map(|page| page * PAGE);
        pages().for_each(|at| region.put(at, value));
        if round % 3 == 0 {
            wrong += u32::from(region.protect(0, region.length(), libc::PROT_READ).is_err());
        }
        wrong += pages().filter(|at| region.get(*at) != value).count() as u32;
        wrong += u32::from(region.unmap(0, region.length()).is_err());
    }
    wrong
}

fn memory() {
    observe(&["all as it was left: true", "children too: true", "closed: true"], || {
        let parts = [made(300), made(300)];
        let work = |place: u8, handle: u64| {
            std::thread::spawn(move || {
                let bound = handle == 0 || bind(handle, 0).is_ok();
                if bound { map_and_look(place * 37, 250) } else { 10_000 }
            })
        };
        let handles = [parts[0], parts[1], 0, parts[0], parts[1]];
        let threads: Vec<_> = (1..).zip(handles).map(|(place, part)| work(place, part)).collect();
        // Meanwhile the space is copied.
        let mut children = true;
        for _ in 0..10 {
            children &= proc::outcome(|| map_and_look(7, 3) as i32) == "exit 0";
        }
        let wrong: Vec<u32> =
            threads.into_iter().map(|thread| thread.join().unwrap_or(20_000)).collect();
        if wrong.iter().any(|wrong| *wrong > 0) {
            say!("of each thread: {wrong:?}");
        }
        let wrong: u32 = wrong.into_iter().sum();
        say!("all as it was left: {}", wrong == 0);
        say!("children too: {children}");
        say!("closed: {}", parts.into_iter().all(|part| close(part).is_ok()));
    });
}
