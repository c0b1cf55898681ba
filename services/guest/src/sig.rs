//! Signals: names, masks, sending, and a handler that notes what it was told.

use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering::SeqCst};

use libc::{c_int, c_void, siginfo_t};

use crate::{Res, errno, proc, sys};

const NAMES: &str = "SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 \
    SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN \
    SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS";

/// The first real-time signal that these programs use (the C library keeps those before).
pub const REAL_TIME: i32 = 40;

/// A signal by name.
pub fn name(signal: i32) -> String {
    match usize::try_from(signal - 1).ok().and_then(|at| NAMES.split_whitespace().nth(at)) {
        Some(name) => name.into(),
        None => format!("signal {signal}"),
    }
}

/// What a handler is.
pub type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

/// Sets an action as it stands.
pub fn action(signal: i32, handler: usize, flags: i32, blocked: &[i32]) -> Res<libc::sigaction> {
    // SAFETY: all zero is a value of it.
    let mut new: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut old: libc::sigaction = unsafe { std::mem::zeroed() };
    new.sa_sigaction = handler;
    new.sa_flags = flags;
    for signal in blocked {
        // SAFETY: the set is ours.
        unsafe { libc::sigaddset(&raw mut new.sa_mask, *signal) };
    }
    // SAFETY: both structures are ours; a handler is one of `Handler`'s type, whose flags
    // hold SA_SIGINFO, or one of the two constants.
    match unsafe { libc::sigaction(signal, &raw const new, &raw mut old) } {
        0 => Ok(old),
        _ => Err(errno::last()),
    }
}

/// Handles a signal; SA_SIGINFO is added to the flags.
pub fn handle(signal: i32, handler: Handler, flags: i32, blocked: &[i32]) -> Res<()> {
    action(signal, handler as usize, flags | libc::SA_SIGINFO, blocked).map(|_| ())
}

/// Default action.
pub fn default(signal: i32) -> Res<()> {
    action(signal, libc::SIG_DFL, 0, &[]).map(|_| ())
}

/// Ignores a signal.
pub fn ignore(signal: i32) -> Res<()> {
    action(signal, libc::SIG_IGN, 0, &[]).map(|_| ())
}

/// How the kernel has a set of signals.
pub fn set(signals: &[i32]) -> u64 {
    signals.iter().fold(0, |set, signal| set | 1 << (signal - 1))
}

/// The names in a set.
pub fn names(set: u64) -> String {
    let all: Vec<_> = (1..=64).filter(|n| set & 1 << (n - 1) != 0).map(name).collect();
    if all.is_empty() { "none".into() } else { all.join(" ") }
}

/// Changes this thread's mask, and gives the one before.
pub fn mask(how: i32, signals: &[i32]) -> Res<u64> {
    let (new, mut old) = (set(signals), 0_u64);
    // SAFETY: the kernel reads the one set and writes the other.
    unsafe { sys!(libc::SYS_rt_sigprocmask, how, &raw const new, &raw mut old, 8) }?;
    Ok(old)
}

/// Blocks signals.
pub fn block(signals: &[i32]) {
    let _ = mask(libc::SIG_BLOCK, signals);
}

/// Lets signals through.
pub fn unblock(signals: &[i32]) {
    let _ = mask(libc::SIG_UNBLOCK, signals);
}

/// Those that are pending.
pub fn pending() -> u64 {
    let mut set = 0_u64;
    // SAFETY: the kernel writes the set.
    let _ = unsafe { sys!(libc::SYS_rt_sigpending, &raw mut set, 8) };
    set
}

/// Waits with this mask for a signal.
pub fn suspend(blocked: &[i32]) -> Res {
    let set = set(blocked);
    // SAFETY: the kernel reads the set.
    unsafe { sys!(libc::SYS_rt_sigsuspend, &raw const set, 8) }
}

/// Takes a pending signal of these, waiting so many milliseconds at most.
pub fn take(signals: &[i32], milliseconds: u64) -> Res {
    let (set, time) = (set(signals), std::time::Duration::from_millis(milliseconds));
    let time = crate::time::spec(time);
    // SAFETY: the kernel reads set and time; no information is asked for.
    unsafe { sys!(libc::SYS_rt_sigtimedwait, &raw const set, 0, &raw const time, 8) }
}

/// Sends to a process, or to a group.
pub fn kill(pid: i32, signal: i32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_kill, pid, signal) }
}

/// Sends to a thread.
pub fn thread_kill(pid: i32, tid: i32, signal: i32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_tgkill, pid, tid, signal) }
}

/// Sends to this process.
pub fn raise(signal: i32) -> Res {
    kill(proc::pid(), signal)
}

/// Sends with a value.
pub fn queue(pid: i32, signal: i32, value: i32) -> Res {
    let mut info = [0_i32; 32];
    info[0] = signal;
    info[2] = libc::SI_QUEUE;
    info[4] = proc::pid();
    info[5] = proc::number(libc::SYS_getuid);
    info[6] = value;
    // SAFETY: the kernel reads the 128 bytes of a siginfo_t: signal, error, code, padding,
    // sender, user, value.
    unsafe { sys!(libc::SYS_rt_sigqueueinfo, pid, signal, info.as_ptr()) }
}

/// Every signal at its default, nothing blocked, no stack for signals: what the C library
/// and Rust have set, and what was inherited, is undone.
pub fn reset() {
    for signal in (1..=31).chain(REAL_TIME..=64) {
        let _ = default(signal);
    }
    let _ = mask(libc::SIG_SETMASK, &[]);
    let none =
        libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
    // SAFETY: the kernel reads the structure; no handler is running.
    let _ = unsafe { sys!(libc::SYS_sigaltstack, &raw const none, 0) };
}

/// What [`NOTE`] was told at one signal.
pub struct Note {
    /// The signal.
    pub signal: AtomicI32,
    /// Why it was sent.
    pub code: AtomicI32,
    /// Who sent it.
    pub sender: AtomicI32,
    /// The value sent with it; for SIGCHLD the status.
    pub value: AtomicI32,
    /// The address of a fault.
    pub address: AtomicU64,
    /// The thread that took it.
    pub thread: AtomicI32,
}

const ROOM: usize = 64;
static NOTES: [Note; ROOM] = [const {
    Note {
        signal: AtomicI32::new(0),
        code: AtomicI32::new(0),
        sender: AtomicI32::new(0),
        value: AtomicI32::new(0),
        address: AtomicU64::new(0),
        thread: AtomicI32::new(0),
    }
}; ROOM];
static NOTED: AtomicUsize = AtomicUsize::new(0);

/// A handler that notes what it was told; those beyond the room are counted only.
pub const NOTE: Handler = take_note;

extern "C" fn take_note(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
    let Some(note) = NOTES.get(NOTED.load(SeqCst)) else {
        NOTED.fetch_add(1, SeqCst);
        return;
    };
    // SAFETY: with SA_SIGINFO the kernel passes a siginfo_t.
    let info = unsafe { &*info };
    note.signal.store(signal, SeqCst);
    note.code.store(info.si_code, SeqCst);
    // SAFETY: plain numbers stand at these places of the union, whichever form it has.
    note.sender.store(unsafe { info.si_pid() }, SeqCst);
    // SAFETY: as above. The status of SIGCHLD and a sent value stand at the same place.
    note.value.store(unsafe { info.si_status() }, SeqCst);
    // SAFETY: as above.
    note.address.store(unsafe { info.si_addr() } as u64, SeqCst);
    note.thread.store(proc::tid(), SeqCst);
    NOTED.fetch_add(1, SeqCst);
}

/// How many signals were noted.
pub fn noted() -> usize {
    NOTED.load(SeqCst)
}

/// The n-th note.
pub fn noted_at(place: usize) -> &'static Note {
    &NOTES[place.min(ROOM - 1)]
}

/// The noted signals in order.
pub fn noted_names() -> String {
    let notes = NOTES[..noted().min(ROOM)].iter();
    let names: Vec<_> = notes.map(|note| name(note.signal.load(SeqCst))).collect();
    if names.is_empty() { "none".into() } else { names.join(" ") }
}

/// Why a signal was sent, by name.
pub fn code_name(signal: i32, code: i32) -> String {
    let name = match (signal, code) {
        (_, libc::SI_USER) => "SI_USER",
        (_, libc::SI_QUEUE) => "SI_QUEUE",
        (_, libc::SI_TKILL) => "SI_TKILL",
        (_, libc::SI_TIMER) => "SI_TIMER",
        (_, 0x80) => "SI_KERNEL",
        (libc::SIGCHLD, libc::CLD_EXITED) => "CLD_EXITED",
        (libc::SIGCHLD, libc::CLD_KILLED) => "CLD_KILLED",
        (libc::SIGCHLD, libc::CLD_DUMPED) => "CLD_DUMPED",
        (libc::SIGCHLD, libc::CLD_STOPPED) => "CLD_STOPPED",
        (libc::SIGCHLD, libc::CLD_CONTINUED) => "CLD_CONTINUED",
        (libc::SIGSEGV, 1) => "SEGV_MAPERR",
        (libc::SIGSEGV, 2) => "SEGV_ACCERR",
        (libc::SIGFPE, 1) => "FPE_INTDIV",
        (libc::SIGFPE, 3) => "FPE_FLTDIV",
        (libc::SIGILL, 2) => "ILL_ILLOPN",
        (libc::SIGBUS, 1) => "BUS_ADRALN",
        (libc::SIGBUS, 2) => "BUS_ADRERR",
        (libc::SIGTRAP, 1) => "TRAP_BRKPT",
        (libc::SIGTRAP, 2) => "TRAP_TRACE",
        _ => return format!("code {code}"),
    };
    name.into()
}
