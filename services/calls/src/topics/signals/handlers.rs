//! How handlers are run: with what blocked, and what they can change.

use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::SeqCst};

use libc::{SA_NODEFER, SA_RESETHAND, SIGTERM, SIGUSR1, SIGUSR2, c_int, c_void, siginfo_t};
use vortex_guest::out::{seen, worked};
use vortex_guest::sig::{self, NOTE};
use vortex_guest::{proc, say};

pub fn reset_handler() {
    worked("handle", sig::handle(SIGUSR1, NOTE, SA_RESETHAND, &[]));
    say!(
        "{}",
        proc::outcome(|| {
            worked("once", sig::raise(SIGUSR1));
            say!("noted {}", sig::noted());
            worked("twice", sig::raise(SIGUSR1));
            0
        })
    );
}

static DEPTH: AtomicI32 = AtomicI32::new(0);
static DEEPEST: AtomicI32 = AtomicI32::new(0);
static TURNS: AtomicI32 = AtomicI32::new(0);

/// Sends the same signal again while it is being handled, three times in all.
extern "C" fn again(signal: c_int, _: *mut siginfo_t, _: *mut c_void) {
    let depth = DEPTH.fetch_add(1, SeqCst) + 1;
    DEEPEST.fetch_max(depth, SeqCst);
    if TURNS.fetch_add(1, SeqCst) < 2 {
        let _ = sig::raise(signal);
    }
    DEPTH.fetch_sub(1, SeqCst);
}

pub fn defer() {
    worked("handle", sig::handle(SIGUSR1, again, 0, &[]));
    worked("raise", sig::raise(SIGUSR1));
    say!("turns {} deepest {}", TURNS.load(SeqCst), DEEPEST.load(SeqCst));
}

pub fn no_defer() {
    worked("handle", sig::handle(SIGUSR1, again, SA_NODEFER, &[]));
    worked("raise", sig::raise(SIGUSR1));
    say!("turns {} deepest {}", TURNS.load(SeqCst), DEEPEST.load(SeqCst));
}

static INSIDE: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Looks at the mask, and sends another signal, which must wait.
extern "C" fn look_at_mask(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    INSIDE[0].store(sig::mask(libc::SIG_BLOCK, &[]).unwrap_or(0) as usize, SeqCst);
    let _ = sig::raise(SIGUSR2);
    INSIDE[1].store(sig::noted(), SeqCst);
}

pub fn mask_of_handler() {
    worked("handle", sig::handle(SIGUSR1, look_at_mask, 0, &[SIGUSR2, SIGTERM]));
    worked("handle", sig::handle(SIGUSR2, NOTE, 0, &[]));
    worked("raise", sig::raise(SIGUSR1));
    say!("blocked inside {}", sig::names(INSIDE[0].load(SeqCst) as u64));
    say!("noted inside {}, after it {}", INSIDE[1].load(SeqCst), sig::noted());
    seen("blocked after it", sig::mask(libc::SIG_BLOCK, &[]).map(sig::names));
}

/// A handler's return sets the mask that the context holds.
extern "C" fn change_mask(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: with SA_SIGINFO the kernel passes a context, which nobody else uses now.
    let context = unsafe { &mut *context };
    // SAFETY: the set is within it.
    unsafe { libc::sigaddset(&raw mut context.uc_sigmask, SIGUSR2) };
}

pub fn mask_changed() {
    worked("handle", sig::handle(SIGUSR1, change_mask, 0, &[]));
    worked("raise", sig::raise(SIGUSR1));
    seen("blocked", sig::mask(libc::SIG_BLOCK, &[]).map(sig::names));
}

/// Changes a register of what was interrupted.
extern "C" fn change_register(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: as above; the code interrupted expects it.
    unsafe { (*context).uc_mcontext.gregs[libc::REG_R12 as usize] += 1000 };
}

pub fn context() {
    worked("handle", sig::handle(SIGUSR1, change_register, 0, &[]));
    let (pid, mut value) = (proc::pid() as u64, 1_u64);
    // SAFETY: a kill of this process by the call itself, with r12 to be changed in between.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") libc::SYS_kill => _,
            in("rdi") pid,
            in("rsi") SIGUSR1 as u64,
            inlateout("r12") value,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    say!("register {value}");
}
