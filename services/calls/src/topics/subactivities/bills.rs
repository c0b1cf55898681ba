//! On whose bill a bound thread runs, and with what share.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use vortex_guest::activity::{bind, close};
use vortex_guest::out::worked;
use vortex_guest::{Res, proc, say, time};

use super::{MOMENT, Sample, cycles, made, observe, sample, spin, total};

pub static STOP: AtomicBool = AtomicBool::new(false);

/// Threads that are bound and spin until they are to stop.
pub fn spinners(handle: u64, count: u32) -> Vec<std::thread::JoinHandle<Res<usize>>> {
    let work = move || {
        let bound = bind(handle, 0);
        while !STOP.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
        bound
    };
    (0..count).map(|_| std::thread::spawn(work)).collect()
}

pub fn bill() {
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

pub fn shares() {
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

pub fn others_thread() {
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
        worked("bound", bind(part, tid));
        let clock = time::cycles();
        time::pause(MOMENT);
        let used = total(&sample(), part);
        say!("on its bill: {}", used > (time::cycles() - clock) / 4);
        worked("away", bind(0, tid));
        time::pause(MOMENT);
        let then = total(&sample(), part);
        time::pause(MOMENT);
        say!("then not: {}", total(&sample(), part) - then < used / 10);
        STOP.store(true, Ordering::Relaxed);
        let _ = thread.join();
        let _ = close(part);
    });
}
