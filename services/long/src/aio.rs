//! As many asynchronous operations as there may be. On Vortex alone: a thread for each is not
//! what is measured.

use std::time::Duration;

use vortex_aio::{Operation, begin_all, is_vortex, wait_any};
use vortex_guest::{fd, file, pipe, proc};

use crate::{Case, is, must};

pub const CASES: &[Case] = &[
    ("operations-wait", wait),
    ("operations-left", left),
    ("operations-cancelled", cancelled),
    ("operations-list", list),
    ("operations-large", large),
    ("operations-exit", exit),
];

const MOST: usize = 1_024;

fn on_pipe(out: i32) -> Result<Vec<Operation>, String> {
    let mut all: Vec<_> = (0..MOST).map(|_| Operation::reads(out, 1, 0)).collect();
    for read in &mut all {
        must("begin", read.begin())?;
    }
    Ok(all)
}

fn wait() -> Result<(), String> {
    if !is_vortex() {
        return Ok(());
    }
    let pipe = pipe::plain();
    let mut all = on_pipe(pipe.out)?;
    must("write", fd::write(pipe.into, &[1; MOST]))?;
    must("any", wait_any(&all[MOST - 1..], None))?;
    must("any", wait_any(&all, None))?;
    let done = all.iter_mut().filter_map(|read| read.take().ok()).sum::<usize>();
    is("read", done, MOST)
}

/// Operations that other threads wait for.
struct Lent<'a>(&'a [Operation]);

// SAFETY: who waits for them takes their addresses, and the kernel looks at them.
unsafe impl Sync for Lent<'_> {}

impl Lent<'_> {
    fn all(&self) -> &[Operation] {
        self.0
    }
}

/// Many threads wait for all of them, one after the other, and have no patience.
fn left() -> Result<(), String> {
    const THREADS: usize = 100;
    if !is_vortex() {
        return Ok(());
    }
    let pipe = pipe::plain();
    let mut all = on_pipe(pipe.out)?;
    for _ in 0..THREADS {
        let lent = Lent(&all);
        let wait = || wait_any(lent.all(), Some(Duration::ZERO));
        let waited = std::thread::scope(|scope| scope.spawn(wait).join());
        match waited {
            Ok(Err(error)) if error.0 == libc::EAGAIN => {}
            other => return Err(format!("a wait without patience: {other:?}")),
        }
    }
    must("write", fd::write(pipe.into, &[1; MOST]))?;
    must("any", wait_any(&all[MOST - 1..], None))?;
    let done = all.iter_mut().filter_map(|read| read.take().ok()).sum::<usize>();
    is("read", done, MOST)
}

fn cancelled() -> Result<(), String> {
    if !is_vortex() {
        return Ok(());
    }
    let pipe = pipe::plain();
    let mut all = on_pipe(pipe.out)?;
    // SAFETY: no block is given.
    let told = must("cancel", unsafe { vortex_aio::cancel(pipe.out, std::ptr::null_mut()) })?;
    is("told", told, libc::AIO_CANCELED)?;
    let left = all.iter_mut().filter_map(|read| read.take().ok()).count();
    is("not cancelled", left, 0)
}

fn list() -> Result<(), String> {
    if !is_vortex() {
        return Ok(());
    }
    let path = "/tmp/list";
    must("put", file::put(path, &[7; 4_096]))?;
    let file = must("open", file::open(path, libc::O_RDWR))?;
    let mut all: Vec<_> = (0..MOST).map(|n| Operation::reads(file, 4, n as i64 * 4)).collect();
    must("list", begin_all(libc::LIO_WAIT, &mut all, None))?;
    let done = all.iter_mut().filter_map(|read| read.take().ok()).sum::<usize>();
    is("read", done, MOST * 4)
}

fn large() -> Result<(), String> {
    const SIZE: usize = 8 << 20;
    if !is_vortex() {
        return Ok(());
    }
    let file = must("open", file::open("/tmp/large", libc::O_RDWR | libc::O_CREAT))?;
    let mut write = Operation::writes(file, &vec![9; SIZE], 0);
    must("begin", write.begin())?;
    is("written", must("write", write.take())?, SIZE)?;
    let mut read = Operation::reads(file, SIZE, 0);
    must("begin", read.begin())?;
    is("read", must("read", read.take())?, SIZE)
}

fn exit() -> Result<(), String> {
    if !is_vortex() {
        return Ok(());
    }
    let pipe = pipe::plain();
    let child = proc::outcome(|| match on_pipe(pipe.out) {
        Ok(all) => {
            std::mem::forget(all);
            5
        }
        Err(_) => 6,
    });
    is("a child", child, "exit 5".into())
}
