//! Signals: sending, blocking, handling.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering::SeqCst};

use libc::{
    SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SIGCHLD, SIGKILL, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2,
    c_int, c_void, siginfo_t,
};
use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::plain;
use vortex_guest::sig::{self, NOTE, REAL_TIME};
use vortex_guest::{Res, fd, proc, say, sys};

crate::tests!("signals":
    "handled-at-once" => at_once,
    "block" => block,
    "coalesce" => coalesce,
    "real-time-queue" => real_time,
    "lowest-first" => lowest_first,
    "suspend" => suspend,
    "take" => take,
    "reset-handler" => reset_handler,
    "defer" => defer,
    "no-defer" => no_defer,
    "mask-of-handler" => mask_of_handler,
    "sender" => sender,
    "value" => value,
    "child-ended" => child_ended,
    "child-stop" => child_stop,
    "own-stack" => own_stack,
    "stack-errors" => stack_errors,
    "default-actions" => default_actions,
    "send-errors" => send_errors,
    "action-errors" => action_errors,
    "action-told" => action_told,
    "ignored-is-dropped" => ignored,
    "fork-inherits" => fork_inherits,
    "to-thread" => to_thread,
    "to-any-thread" => to_any_thread,
    "thread-masks" => thread_masks,
    "kill-blocked" => kill_blocked,
    "storm" => storm,
    "mask-changed-in-handler" => mask_changed,
    "context" => context,
);

fn at_once() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    for n in 1..=3 {
        worked("raise", sig::raise(SIGUSR1));
        say!("noted {} after {n}", sig::noted());
    }
}

fn block() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    sig::block(&[SIGUSR1]);
    worked("raise", sig::raise(SIGUSR1));
    say!("noted {}, pending {}", sig::noted(), sig::names(sig::pending()));
    sig::unblock(&[SIGUSR1]);
    say!("noted {}, pending {}", sig::noted(), sig::names(sig::pending()));
    let before = sig::mask(libc::SIG_SETMASK, &[SIGUSR1, SIGUSR2]);
    seen("before", before.map(sig::names));
    let before = sig::mask(libc::SIG_UNBLOCK, &[SIGUSR1]);
    seen("then", before.map(sig::names));
    seen("last", sig::mask(libc::SIG_BLOCK, &[]).map(sig::names));
    let before = sig::mask(libc::SIG_BLOCK, &[SIGKILL, SIGSTOP]);
    seen("block what cannot be", before.map(sig::names));
    seen("it is not", sig::mask(libc::SIG_BLOCK, &[]).map(sig::names));
    seen("no such way", sig::mask(99, &[]).map(sig::names));
}

fn coalesce() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    sig::block(&[SIGUSR1]);
    (0..5).for_each(|_| worked("raise", sig::raise(SIGUSR1)));
    sig::unblock(&[SIGUSR1]);
    say!("noted {}", sig::noted());
}

fn real_time() {
    worked("handle", sig::handle(REAL_TIME, NOTE, 0, &[]));
    sig::block(&[REAL_TIME]);
    for value in [7, 3, 5] {
        worked("queue", sig::queue(proc::pid(), REAL_TIME, value));
    }
    sig::unblock(&[REAL_TIME]);
    say!("noted {}", sig::noted());
    (0..3).for_each(|n| say!("value {}", sig::noted_at(n).value.load(SeqCst)));
}

fn lowest_first() {
    for signal in [SIGUSR1, SIGUSR2, REAL_TIME, REAL_TIME + 1, REAL_TIME + 2] {
        // Each blocks all others, so that they come one after the other.
        let all: Vec<_> = (1..=64).collect();
        worked("handle", sig::handle(signal, NOTE, 0, &all));
        sig::block(&[signal]);
    }
    for signal in [REAL_TIME + 2, SIGUSR2, REAL_TIME, SIGUSR1, REAL_TIME + 1] {
        worked("raise", sig::raise(signal));
    }
    let _ = sig::mask(libc::SIG_SETMASK, &[]);
    say!("{}", sig::noted_names());
}

fn suspend() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    sig::block(&[SIGUSR1, SIGUSR2]);
    worked("raise", sig::raise(SIGUSR1));
    seen("suspend", sig::suspend(&[]));
    say!("noted {}", sig::noted());
    seen("mask after it", sig::mask(libc::SIG_BLOCK, &[]).map(sig::names));
    let me = proc::pid();
    let child = proc::child(|| sig::kill(me, SIGUSR1).map_or(1, |_| 0));
    seen("suspend", sig::suspend(&[]));
    say!("noted {}", sig::noted());
    say!("child {}", proc::wait(child));
}

fn take() {
    sig::block(&[SIGUSR1, SIGUSR2, REAL_TIME]);
    seen("none", sig::take(&[SIGUSR1], 0));
    seen("none for a moment", sig::take(&[SIGUSR1], 5));
    worked("raise", sig::raise(SIGUSR2));
    worked("raise", sig::raise(SIGUSR1));
    seen("one of both", sig::take(&[SIGUSR1, SIGUSR2], 0));
    seen("the other", sig::take(&[SIGUSR1, SIGUSR2], 0));
    seen("none", sig::take(&[SIGUSR1, SIGUSR2], 0));
    let me = proc::pid();
    let child = proc::child(|| sig::kill(me, REAL_TIME).map_or(1, |_| 0));
    seen("from the child", sig::take(&[REAL_TIME], 30_000));
    say!("child {}", proc::wait(child));
}

fn reset_handler() {
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

fn defer() {
    worked("handle", sig::handle(SIGUSR1, again, 0, &[]));
    worked("raise", sig::raise(SIGUSR1));
    say!("turns {} deepest {}", TURNS.load(SeqCst), DEEPEST.load(SeqCst));
}

fn no_defer() {
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

fn mask_of_handler() {
    worked("handle", sig::handle(SIGUSR1, look_at_mask, 0, &[SIGUSR2, SIGTERM]));
    worked("handle", sig::handle(SIGUSR2, NOTE, 0, &[]));
    worked("raise", sig::raise(SIGUSR1));
    say!("blocked inside {}", sig::names(INSIDE[0].load(SeqCst) as u64));
    say!("noted inside {}, after it {}", INSIDE[1].load(SeqCst), sig::noted());
    seen("blocked after it", sig::mask(libc::SIG_BLOCK, &[]).map(sig::names));
}

fn told(n: usize) {
    let note = sig::noted_at(n);
    let (signal, code) = (note.signal.load(SeqCst), note.code.load(SeqCst));
    say!("{} {}", sig::name(signal), sig::code_name(signal, code));
}

fn sender() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    worked("by kill", sig::raise(SIGUSR1));
    worked("by tgkill", sig::thread_kill(proc::pid(), proc::tid(), SIGUSR1));
    let me = proc::pid();
    let child = proc::child(|| sig::kill(me, SIGUSR1).map_or(1, |_| 0));
    say!("child {}", proc::wait(child));
    proc::until(|| sig::noted() == 3);
    (0..3).for_each(told);
    let from = |n: usize| sig::noted_at(n).sender.load(SeqCst);
    say!("{} {} {}", from(0) == me, from(1) == me, from(2) == child);
}

fn value() {
    worked("handle", sig::handle(REAL_TIME, NOTE, 0, &[]));
    worked("queue", sig::queue(proc::pid(), REAL_TIME, -77));
    told(0);
    say!("value {}", sig::noted_at(0).value.load(SeqCst));
    say!("from here {}", sig::noted_at(0).sender.load(SeqCst) == proc::pid());
}

fn child_ended() {
    worked("handle", sig::handle(SIGCHLD, NOTE, 0, &[]));
    let mut children = Vec::new();
    for (n, work) in [|| 42, || sig::raise(SIGKILL).map_or(1, |_| 0)].into_iter().enumerate() {
        children.push(proc::child(work));
        proc::until(|| sig::noted() == n + 1);
        told(n);
        let note = sig::noted_at(n);
        let right = note.sender.load(SeqCst) == children[n];
        say!("the child {right}, status {}", note.value.load(SeqCst));
    }
    children.into_iter().for_each(|child| say!("child {}", proc::wait(child)));
}

/// Tells a stop and a continuation too, unless SA_NOCLDSTOP.
fn child_stop() {
    for flags in [0, libc::SA_NOCLDSTOP] {
        say!(
            "child {}",
            proc::outcome(|| {
                worked("handle", sig::handle(SIGCHLD, NOTE, flags, &[]));
                let child = proc::child(|| {
                    loop {
                        proc::give_way();
                    }
                });
                for (n, signal) in [SIGSTOP, libc::SIGCONT, SIGKILL].into_iter().enumerate() {
                    worked("send", sig::kill(child, signal));
                    let options = libc::WUNTRACED | libc::WCONTINUED;
                    say!(
                        "{}",
                        loop {
                            match proc::wait_for(child, options) {
                                Err(error) if error.0 == libc::EINTR => {}
                                Err(error) => break error.to_string(),
                                Ok((_, status)) => break proc::ended(status),
                            }
                        }
                    );
                    // Each is told before the next: signals of one kind would be one.
                    let all = if flags == 0 { n + 1 } else { n / 2 };
                    proc::until(|| sig::noted() >= all);
                }
                (0..sig::noted()).for_each(told);
                0
            })
        );
    }
}

static STACK: AtomicUsize = AtomicUsize::new(0);

extern "C" fn where_am_i(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    let local = 0_u8;
    STACK.store(std::hint::black_box(&raw const local) as usize, SeqCst);
    let answer = set_stack(Some((0, 0, libc::SS_DISABLE)));
    INSIDE[0].store(answer.map_or_else(|error| error.0 as usize, |_| 0), SeqCst);
    INSIDE[1].store(stack_flags() as usize, SeqCst);
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

fn own_stack() {
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
    say!("flags on it {}", INSIDE[1].load(SeqCst));
    say!("change while on it {}", vortex_guest::Errno(INSIDE[0].load(SeqCst) as i32));
    say!("flags after it {}", stack_flags());
    worked("handle", sig::handle(SIGUSR1, where_am_i, 0, &[]));
    worked("raise", sig::raise(SIGUSR1));
    say!("on it without SA_ONSTACK {}", on_it());
}

fn stack_errors() {
    let region = Region::anonymous(16 * PAGE, BOTH);
    seen("too small", set_stack(Some((region.start(), 1024, 0))));
    seen("wrong flags", set_stack(Some((region.start(), region.length(), 8))));
    seen("off", set_stack(None));
    say!("flags {}", stack_flags());
}

fn default_actions() {
    let standard = (1..=31).filter(|n| ![SIGSTOP, 20, 21, 22].contains(n));
    for signal in standard.chain([REAL_TIME]) {
        let ended = proc::outcome(|| sig::raise(signal).map_or(1, |_| 0));
        say!("{}: {ended}", sig::name(signal));
    }
}

fn send_errors() {
    seen("to nobody", sig::kill(1 << 22, SIGUSR1));
    seen("no such signal", sig::raise(65));
    seen("negative", sig::raise(-1));
    seen("nothing to myself", sig::raise(0));
    seen("nothing to nobody", sig::kill(1 << 22, 0));
    seen("to a thread of another", sig::thread_kill(1 << 22, proc::tid(), 0));
    seen("to no thread", sig::thread_kill(proc::pid(), 1 << 22, 0));
    seen("to thread 0", sig::thread_kill(proc::pid(), 0, 0));
    seen("to this thread", sig::thread_kill(proc::pid(), proc::tid(), 0));
    seen("to an empty group", sig::kill(-(1 << 22), SIGUSR1));
}

fn action_errors() {
    for signal in [SIGKILL, SIGSTOP, 0, 65, -1] {
        seen(&format!("ignore {signal}"), sig::ignore(signal).map(|()| "ok"));
    }
    // SAFETY: nothing is changed; there is no memory at that address.
    let answer = unsafe { sys!(libc::SYS_rt_sigaction, SIGKILL, 0, 0, 8) };
    seen("ask about SIGKILL", answer);
    // SAFETY: as above.
    seen("wrong size", unsafe { sys!(libc::SYS_rt_sigaction, SIGUSR1, 0, 0, 4) });
    // SAFETY: as above.
    let answer = unsafe { sys!(libc::SYS_rt_sigaction, SIGUSR1, sys::NOWHERE, 0, 8) };
    seen("action nowhere", answer);
    // SAFETY: as above.
    let answer = unsafe { sys!(libc::SYS_rt_sigprocmask, 0, sys::NOWHERE, 0, 8) };
    seen("mask nowhere", answer);
}

fn action_told() {
    let flags = SA_NODEFER | libc::SA_RESTART;
    worked("set", sig::handle(SIGUSR1, NOTE, flags, &[SIGUSR2, SIGTERM]));
    match sig::action(SIGUSR1, libc::SIG_IGN, 0, &[]) {
        Ok(old) => {
            say!("the handler {}", old.sa_sigaction == NOTE as usize);
            say!("the flags {}", old.sa_flags & 0x7bff_ffff == flags | libc::SA_SIGINFO);
            // SAFETY: the set is ours.
            let has = |signal| unsafe { libc::sigismember(&raw const old.sa_mask, signal) };
            say!("the mask {} {} {}", has(SIGUSR2), has(SIGTERM), has(SIGUSR1));
        }
        Err(error) => say!("{error}"),
    }
    let old = sig::action(SIGUSR1, libc::SIG_DFL, 0, &[]);
    seen("then ignored", old.map(|old| old.sa_sigaction == libc::SIG_IGN));
}

/// What is ignored is dropped even while it is pending.
fn ignored() {
    worked("ignore", sig::ignore(SIGUSR1));
    worked("raise", sig::raise(SIGUSR1));
    worked("default", sig::default(SIGUSR1));
    sig::block(&[SIGUSR1]);
    worked("raise", sig::raise(SIGUSR1));
    say!("pending {}", sig::names(sig::pending()));
    worked("ignore", sig::ignore(SIGUSR1));
    say!("pending {}", sig::names(sig::pending()));
    worked("default", sig::default(SIGUSR1));
    sig::unblock(&[SIGUSR1]);
    say!("still here");
}

fn fork_inherits() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    sig::block(&[SIGUSR2]);
    worked("raise", sig::raise(SIGUSR2));
    say!(
        "child {}",
        proc::outcome(|| {
            say!("blocked {}", sig::names(sig::mask(libc::SIG_BLOCK, &[]).unwrap_or(0)));
            say!("pending {}", sig::names(sig::pending()));
            worked("raise", sig::raise(SIGUSR1));
            say!("noted {}", sig::noted());
            0
        })
    );
    say!("here pending {}", sig::names(sig::pending()));
    say!("here noted {}", sig::noted());
}

/// Runs a thread that tells its number and waits until it may end.
fn with_thread(masked: &'static [i32], work: impl FnOnce(i32)) {
    static NUMBER: AtomicI32 = AtomicI32::new(0);
    static END: AtomicU32 = AtomicU32::new(0);
    NUMBER.store(0, SeqCst);
    END.store(0, SeqCst);
    let thread = std::thread::spawn(move || {
        sig::block(masked);
        NUMBER.store(proc::tid(), SeqCst);
        proc::until(|| END.load(SeqCst) == 1);
    });
    proc::until(|| NUMBER.load(SeqCst) != 0);
    work(NUMBER.load(SeqCst));
    END.store(1, SeqCst);
    drop(thread.join());
}

fn to_thread() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    with_thread(&[], |other| {
        worked("send", sig::thread_kill(proc::pid(), other, SIGUSR1));
        proc::until(|| sig::noted() == 1);
        say!("taken by it {}", sig::noted_at(0).thread.load(SeqCst) == other);
        worked("send here", sig::thread_kill(proc::pid(), proc::tid(), SIGUSR1));
        say!("taken here {}", sig::noted_at(1).thread.load(SeqCst) == proc::tid());
    });
}

fn to_any_thread() {
    worked("handle", sig::handle(SIGUSR1, NOTE, 0, &[]));
    with_thread(&[], |other| {
        sig::block(&[SIGUSR1]);
        worked("send to the process", sig::raise(SIGUSR1));
        proc::until(|| sig::noted() == 1);
        say!("taken by who does not block {}", sig::noted_at(0).thread.load(SeqCst) == other);
        worked("send to this thread", sig::thread_kill(proc::pid(), proc::tid(), SIGUSR1));
        say!("pending {}, noted {}", sig::names(sig::pending()), sig::noted());
        sig::unblock(&[SIGUSR1]);
        say!("noted {}", sig::noted());
    });
}

fn thread_masks() {
    with_thread(&[SIGUSR2], |other| {
        worked("send to a thread", sig::thread_kill(proc::pid(), other, SIGUSR2));
        say!("not pending here {}", sig::names(sig::pending()));
        seen("blocked here", sig::mask(libc::SIG_BLOCK, &[]).map(sig::names));
    });
    sig::block(&[SIGTERM]);
    let other = std::thread::spawn(|| sig::mask(libc::SIG_BLOCK, &[]).unwrap_or(0));
    say!("inherited {}", sig::names(other.join().unwrap_or(0)));
}

fn kill_blocked() {
    let all: Vec<_> = (1..=64).collect();
    say!(
        "{}",
        proc::outcome(|| {
            sig::block(&all);
            sig::raise(SIGTERM).and_then(|_| sig::raise(SIGKILL)).map_or(1, |_| 0)
        })
    );
}

static STORM: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    STORM.fetch_add(1, SeqCst);
}

/// Many queued signals of a child arrive each, and the sum at work stays right.
fn storm() {
    worked("handle", sig::handle(REAL_TIME, count, 0, &[]));
    let (me, go) = (proc::pid(), plain());
    let child = proc::child(|| {
        let _ = fd::read_text(go.out, 1);
        let sent = (0..500).filter(|n| {
            proc::until(|| sig::queue(me, REAL_TIME, *n).is_ok());
            true
        });
        i32::from(sent.count() != 500)
    });
    worked("go", fd::write(go.into, b"x"));
    let mut sum = 0_u64;
    proc::until(|| {
        sum = (0..1000).sum();
        STORM.load(SeqCst) == 500
    });
    say!("handled {}, sum {sum}", STORM.load(SeqCst));
    say!("child {}", proc::wait(child));
}

/// A handler's return sets the mask that the context holds.
extern "C" fn change_mask(_: c_int, _: *mut siginfo_t, context: *mut c_void) {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: with SA_SIGINFO the kernel passes a context, which nobody else uses now.
    let context = unsafe { &mut *context };
    // SAFETY: the set is within it.
    unsafe { libc::sigaddset(&raw mut context.uc_sigmask, SIGUSR2) };
}

fn mask_changed() {
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

fn context() {
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
