//! Many threads of one process.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use vortex_guest::mem::Region;
use vortex_guest::thread::{self, THREAD, Words};
use vortex_guest::{file, futex, proc, sig, time};

use crate::{Case, is, must};

pub const CASES: &[Case] = &[
    ("threads-woken", woken),
    ("threads-moved", moved),
    ("threads-killed", killed),
    ("threads-exec", executed),
    ("threads-signals", signalled),
];

const MANY: u32 = 1_500;

static GATE: AtomicU32 = AtomicU32::new(0);
static OTHER: AtomicU32 = AtomicU32::new(0);
static ARRIVED: AtomicU32 = AtomicU32::new(0);
static GONE: AtomicU32 = AtomicU32::new(0);

/// Waits until the gate opens.
extern "C" fn wait(_: usize) {
    ARRIVED.fetch_add(1, SeqCst);
    while GATE.load(SeqCst) == 0 {
        let _ = futex::wait_private(&GATE, 0, None);
    }
    GONE.fetch_add(1, SeqCst);
}

/// Waits once.
extern "C" fn wait_once(_: usize) {
    ARRIVED.fetch_add(1, SeqCst);
    let _ = futex::wait_private(&GATE, 0, None);
    GONE.fetch_add(1, SeqCst);
}

fn start(work: thread::Work) -> Result<(), String> {
    for _ in 0..MANY {
        must("a thread", thread::start(THREAD, Words::default(), work, 0))?;
    }
    proc::until(|| ARRIVED.load(SeqCst) == MANY);
    // From there to the wait itself.
    time::pause(Duration::from_millis(100));
    Ok(())
}

/// All are woken at once.
fn woken() -> Result<(), String> {
    start(wait)?;
    must("stat", file::get("/proc/self/stat"))?;
    must("status", file::get("/proc/self/status"))?;
    let tasks = must("tasks", file::open("/proc/self/task", libc::O_RDONLY))?;
    let mut listed = 0;
    loop {
        match must("list", file::entries(tasks, 1 << 16))?.len() {
            0 => break,
            more => listed += more,
        }
    }
    is("tasks", listed, MANY as usize + 3)?;
    GATE.store(1, SeqCst);
    is("woken", must("wake", futex::wake_private(&GATE, u32::MAX >> 1))?, MANY as usize)?;
    proc::until(|| GONE.load(SeqCst) == MANY);
    Ok(())
}

/// All are moved to another word, and woken there.
fn moved() -> Result<(), String> {
    start(wait_once)?;
    let how = libc::FUTEX_REQUEUE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: both words are there for good.
    let moved = unsafe {
        vortex_guest::sys!(libc::SYS_futex, GATE.as_ptr(), how, 1, i32::MAX, OTHER.as_ptr(), 0)
    };
    is("moved", must("requeue", moved)?, MANY as usize)?;
    must("wake", futex::wake_private(&OTHER, u32::MAX >> 1))?;
    proc::until(|| GONE.load(SeqCst) == MANY);
    Ok(())
}

/// All end with their process.
fn killed() -> Result<(), String> {
    let how = proc::outcome(|| {
        if start(wait).is_err() {
            return 1;
        }
        sig::kill(proc::pid(), libc::SIGKILL).map_or(2, |_| 3)
    });
    is("killed", how, "killed by SIGKILL".into())?;
    let how = proc::outcome(|| if start(wait).is_err() { 1 } else { 0 });
    is("ended", how, "exit 0".into())
}

/// One of many starts a program.
fn executed() -> Result<(), String> {
    let how = proc::outcome(|| {
        if start(wait).is_err() {
            return 1;
        }
        let own = crate::processes::own();
        proc::exec(&own, &[&own, crate::processes::STARTED], &[]).0
    });
    is("the program", how, "exit 0".into())
}

/// Signals to a process of many threads, to one of them, and a stop.
fn signalled() -> Result<(), String> {
    let ready = Region::shared(vortex_guest::mem::PAGE);
    let child = proc::child(|| {
        sig::block(&[libc::SIGUSR1]);
        if start(wait).is_err() {
            return 1;
        }
        ready.word(0).store(1, SeqCst);
        proc::until(|| ready.word(0).load(SeqCst) == 2);
        0
    });
    proc::until(|| ready.word(0).load(SeqCst) == 1);
    must("nobody takes it", sig::kill(child, libc::SIGUSR1))?;
    must("stop", sig::kill(child, libc::SIGSTOP))?;
    is("stopped", must("wait", proc::wait_for(child, libc::WUNTRACED))?.0, child)?;
    must("go on", sig::kill(child, libc::SIGCONT))?;
    // The last of its threads, by its number.
    must("a thread", sig::thread_kill(child, child + MANY as i32, 0))?;
    must("nobody", sig::thread_kill(child, child, 0))?;
    ready.word(0).store(2, SeqCst);
    is("the child", proc::wait(child), "exit 0".into())
}
