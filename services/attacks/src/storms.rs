//! The storms.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use vortex_guest::random::Random;
use vortex_guest::{fd, futex, pipe, proc, say, sig, sys, time};

/// Forks children that stay until it is refused, or there are enough; reaps all. Again and
/// again, for so long; tells of the last time.
pub fn forks(most: u64, seconds: u64) {
    let end = time::now() + Duration::from_secs(seconds);
    loop {
        let told = bomb(most);
        if time::now() >= end {
            say!("{told}");
            return;
        }
    }
}

fn bomb(most: u64) -> String {
    let gate = pipe::plain();
    let mut children = Vec::new();
    let mut refused = false;
    while (children.len() as u64) < most && !refused {
        let child = proc::fork(|| {
            let _ = fd::close(gate.into);
            let _ = fd::read(gate.out, &mut [0]);
            0
        });
        match child {
            Ok(child) => children.push(child),
            Err(_) => refused = true,
        }
    }
    let _ = fd::close(gate.into);
    let reaped = children.iter().filter(|child| proc::wait(**child) == "exit 0").count();
    let end = if refused { "then refused" } else { "none refused" };
    format!("{} children, {end}, {reaped} reaped", children.len())
}

fn until(seconds: u64) {
    let end = time::now() + Duration::from_secs(seconds);
    while time::now() < end {
        time::pause(Duration::from_millis(10));
    }
}

static STOP: AtomicBool = AtomicBool::new(false);

/// Threads that are ready all the time; fewer, where that many are refused.
pub fn threads(count: u64, seconds: u64) {
    // They wait for each other first: a storm from the first on would be one of few.
    static GATE: AtomicU32 = AtomicU32::new(0);
    let spin = || {
        while GATE.load(SeqCst) == 0 {
            let _ = futex::wait_private(&GATE, 0, None);
        }
        while !STOP.load(SeqCst) {
            proc::give_way();
        }
    };
    let start = || std::thread::Builder::new().stack_size(16 << 10).spawn(spin).ok();
    let started: Vec<_> = (0..count).map_while(|_| start()).collect();
    let all = started.len();
    GATE.store(1, SeqCst);
    let _ = futex::wake_private(&GATE, i32::MAX as u32);
    say!("{all} threads of {count} are ready");
    until(seconds);
    STOP.store(true, SeqCst);
    let joined = started.into_iter().filter_map(|thread| thread.join().ok()).count();
    say!("{all} threads of {count}, {joined} joined");
}

/// Threads that are started and joined, four at a time.
pub fn operations(seconds: u64) {
    let end = time::now() + Duration::from_secs(seconds);
    let mut made = 0_u64;
    while time::now() < end {
        let start = || std::thread::Builder::new().stack_size(16 << 10).spawn(|| ()).ok();
        let started: Vec<_> = (0..4).filter_map(|_| start()).collect();
        made += started.into_iter().filter_map(|thread| thread.join().ok()).count() as u64;
    }
    say!("threads were made: {}", made > 0);
}

/// Threads that send each other signals, handled and empty.
pub fn signals(count: u64, seconds: u64) {
    static HANDLED: AtomicU64 = AtomicU64::new(0);
    static NUMBERS: [AtomicI32; 64] = [const { AtomicI32::new(0) }; 64];
    extern "C" fn handler(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
        HANDLED.fetch_add(1, SeqCst);
    }
    let _ = sig::handle(libc::SIGUSR1, handler, libc::SA_RESTART, &[]);
    let pid = proc::pid();
    let ended = std::sync::Barrier::new(count.min(64) as usize);
    std::thread::scope(|scope| {
        for n in 0..count.min(64) {
            let ended = &ended;
            scope.spawn(move || {
                NUMBERS[n as usize].store(proc::tid(), SeqCst);
                let mut random = Random::new(n);
                while !STOP.load(SeqCst) {
                    let to = NUMBERS[random.below(count.min(64) as usize)].load(SeqCst);
                    if to != 0 {
                        let _ = sig::thread_kill(pid, to, random.one(&[0, libc::SIGUSR1]));
                    }
                }
                // Nobody ends while another may still send to it.
                ended.wait();
            });
        }
        until(seconds);
        STOP.store(true, SeqCst);
    });
    say!("some handled: {}", HANDLED.load(SeqCst) > 0);
}

/// Calls that change nothing with whatever arguments.
const HARMLESS: &[i64] = &[
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_sched_yield,
    libc::SYS_fsync,
    libc::SYS_lseek,
    libc::SYS_getpgid,
    libc::SYS_dup2,
    600,
];

/// Wrong arguments to them, in a loop.
pub fn calls(seed: u64, seconds: u64) {
    let (end, mut random) = (time::now() + Duration::from_secs(seconds), Random::new(seed));
    let mut made = 0_u64;
    while time::now() < end {
        for _ in 0..1000 {
            let call = random.one(HARMLESS);
            // No descriptor is so large, and no address is given a meaning.
            let a = 1 << 20 | random.number() as usize & 0x7fff_ffff;
            // SAFETY: none of these calls has memory named by its arguments.
            let _ = unsafe { sys::call(call, &[a, random.number() as usize, 0]) };
            made += 1;
        }
    }
    say!("calls were made: {}", made > 0);
}
