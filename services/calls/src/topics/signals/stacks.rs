//! A stack of its own for handlers.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use libc::{SA_ONSTACK, SIGUSR1, c_int, c_void, siginfo_t};
use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::out::{seen, worked};
use vortex_guest::sig;
use vortex_guest::{Res, say, sys};

static FLAGS: AtomicUsize = AtomicUsize::new(0);
static CHANGE: AtomicUsize = AtomicUsize::new(0);
static STACK: AtomicUsize = AtomicUsize::new(0);

extern "C" fn where_am_i(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    let local = 0_u8;
    STACK.store(std::hint::black_box(&raw const local) as usize, SeqCst);
    let answer = set_stack(Some((0, 0, libc::SS_DISABLE)));
    CHANGE.store(answer.map_or_else(|error| error.0 as usize, |_| 0), SeqCst);
    FLAGS.store(stack_flags() as usize, SeqCst);
}

/// Sets the stack for signals: where, how large, flags.
fn set_stack(new: Option<(usize, usize, i32)>) -> Res {
    let (at, size, flags) = new.unwrap_or((0, 0, libc::SS_DISABLE));
    let new = libc::stack_t { ss_sp: at as *mut c_void, ss_flags: flags, ss_size: size };
    // SAFETY: the kernel reads the structure; the stack is memory of the test's own.
    unsafe { sys!(libc::SYS_sigaltstack, &raw const new, 0) }
}

fn stack_flags() -> i32 {
    let mut old = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    // SAFETY: the kernel writes the structure.
    let _ = unsafe { sys!(libc::SYS_sigaltstack, 0, &raw mut old) };
    old.ss_flags
}

pub fn own_stack() {
    let region = Region::anonymous(16 * PAGE, BOTH);
    say!("flags before {}", stack_flags());
    worked("set", set_stack(Some((region.start(), region.length(), 0))));
    say!("flags {}", stack_flags());
    let on_it = || {
        let at = STACK.load(SeqCst);
        at >= region.start() && at < region.start() + region.length()
    };
    worked("handle", sig::handle(SIGUSR1, where_am_i, SA_ONSTACK, &[]));
    worked("raise", sig::raise(SIGUSR1));
    say!("on it {}", on_it());
    say!("flags on it {}", FLAGS.load(SeqCst));
    say!("change while on it {}", vortex_guest::Errno(CHANGE.load(SeqCst) as i32));
    say!("flags after it {}", stack_flags());
    worked("handle", sig::handle(SIGUSR1, where_am_i, 0, &[]));
    worked("raise", sig::raise(SIGUSR1));
    say!("on it without SA_ONSTACK {}", on_it());
}

pub fn stack_errors() {
    let region = Region::anonymous(16 * PAGE, BOTH);
    seen("too small", set_stack(Some((region.start(), 1024, 0))));
    seen("wrong flags", set_stack(Some((region.start(), region.length(), 8))));
    seen("off", set_stack(None));
    say!("flags {}", stack_flags());
}
