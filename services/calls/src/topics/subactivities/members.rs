//! What becomes of the threads and processes in a sub-activity, and of it with them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libc::{SIGCONT, SIGKILL, SIGSTOP, SIGUSR1};
use vortex_guest::activity::{Limits, bind, close, create};
use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::out::worked;
use vortex_guest::{proc, say, sig, time};

use super::bills::{STOP, spinners};
use super::{MOMENT, made, observe, sample, spin, total, whole_again};
use crate::topics::exec::ME;

pub fn inherited() {
    let promised = [
        "a thread is bound as its maker: true",
        "no second process: EAGAIN",
        "a child too: true",
        "no third thread: true",
        "closed: ok",
    ];
    observe(&promised, || {
        let Ok(part) = create(500, Limits { processes: 1, threads: 2, requests: 0 }) else {
            return say!("not made");
        };
        let _ = bind(part, 0);
        let begin = total(&sample(), part);
        let thread = std::thread::spawn(|| spin(MOMENT));
        let third = create_thread();
        let _ = thread.join();
        let after = total(&sample(), part);
        say!("a thread is bound as its maker: {}", after > begin);
        let child = proc::fork(|| {
            worked("no second process", proc::fork(|| 0));
            spin(MOMENT);
            0
        });
        let before = after;
        let _ = child.map(proc::wait);
        let after = total(&sample(), part);
        say!("a child too: {}", after > before);
        say!("no third thread: {third}");
        let _ = bind(0, 0);
        worked("closed", close(part));
    });
}

/// Whether another thread is refused.
fn create_thread() -> bool {
    std::thread::Builder::new().spawn(|| {}).is_err()
}

pub fn ended() {
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

pub fn signals() {
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

pub fn memory() {
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
