//! Meddling with processes that are none of its own: signals that stop and kill, limits on
//! the time that they have, niceness.

use std::time::Duration;

use vortex_guest::{proc, say, sig, sys, time};

/// Numbers of processes and threads that are tried.
const NUMBERS: std::ops::Range<i32> = 1..64;
const SIGNALS: [i32; 4] = [0, libc::SIGSTOP, libc::SIGTERM, libc::SIGKILL];

/// Whether this is Vortex: elsewhere it would be let.
fn is_vortex() -> bool {
    const FIELD: usize = 65;
    let mut names = [0u8; 6 * FIELD];
    // SAFETY: the kernel fills the six fields of a `struct utsname`.
    let told = unsafe { sys!(libc::SYS_uname, names.as_mut_ptr()) };
    told.is_ok() && names[2 * FIELD..3 * FIELD].windows(6).any(|word| word == b"vortex")
}

/// Again and again, for so long; tells when it is refused first, and whenever it is let.
pub fn others(seconds: u64) {
    if !is_vortex() {
        say!("meddle: only on Vortex");
        return;
    }
    let end = time::now() + Duration::from_secs(seconds);
    let mut told = false;
    while time::now() < end {
        for one in NUMBERS.filter(|&one| one != proc::pid()) {
            for came in meddle(one) {
                match came {
                    None => say!("meddle: let do something to {one}"),
                    Some(libc::EPERM) if !told => {
                        say!("meddle: refused");
                        told = true;
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

/// All that can be tried with one process; what each came to.
fn meddle(one: i32) -> Vec<Option<i32>> {
    let mut came: Vec<_> = SIGNALS.iter().map(|&signal| sig::kill(one, signal)).collect();
    came.extend(SIGNALS.map(|signal| sig::thread_kill(one, one, signal)));
    came.push(sig::queue(one, libc::SIGKILL, 0));
    let little: [u64; 2] = [1, 1];
    for limit in [libc::RLIMIT_CPU, libc::RLIMIT_AS, libc::RLIMIT_NOFILE] {
        // SAFETY: the kernel reads the two words; the old ones are not asked for.
        let set = unsafe { sys!(libc::SYS_prlimit64, one, limit, little.as_ptr(), 0) };
        came.push(set);
    }
    // SAFETY: no memory is named.
    let nice = unsafe { sys!(libc::SYS_setpriority, libc::PRIO_PROCESS, one, 19) };
    came.push(nice);
    came.into_iter().map(|came| came.err().map(|error| error.0)).collect()
}
