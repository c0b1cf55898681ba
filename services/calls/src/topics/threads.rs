//! Threads: those of the system call alone, and those of the standard library.

use std::cell::Cell;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};

use libc::{CLONE_CHILD_CLEARTID, CLONE_CHILD_SETTID, CLONE_PARENT_SETTID, CLONE_SETTLS};
use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::out::{seen, worked};
use vortex_guest::thread::{self, THREAD, Words};
use vortex_guest::{fd, futex, proc, say, sys};

use super::exec::ME;

crate::tests!("threads":
    "share-memory" => share_memory,
    "numbers" => numbers,
    "clear-number" => clear_number,
    "set-number" => set_number,
    "set-tid-address" => set_tid_address,
    "own-fs" => own_fs,
    "thread-exit" => thread_exit,
    "exit-group" => exit_group,
    "exit-by-other" => exit_by_other,
    "main-ends-first" => main_ends_first,
    "exec-ends-others" => exec_ends_others,
    "local-storage" => local_storage,
    "many" => many,
    "share-descriptors" => share_descriptors,
    "share-folder" => share_folder,
    "mutex" => mutex,
    "condition" => condition,
    "barrier" => barrier,
    "channel" => channel,
    "fork-in-thread" => fork_in_thread,
    "deep-stack" => deep_stack,
    "not-awaited" => not_awaited,
);

/// Words for raw threads to work with, the first of them cleared at their end.
static WORDS: [AtomicU32; 8] = [const { AtomicU32::new(0) }; 8];
static SEEN: [AtomicI32; 4] = [const { AtomicI32::new(0) }; 4];

/// Starts a raw thread whose end clears word 0, and waits for that.
fn run_raw(work: thread::Work, argument: usize) {
    WORDS[0].store(1, SeqCst);
    let words = Words { child: WORDS[0].as_ptr() as usize, ..Words::default() };
    match thread::start(THREAD | CLONE_CHILD_CLEARTID, words, work, argument) {
        Ok(_) => join_raw(),
        Err(error) => say!("no thread: {error}"),
    }
}

fn join_raw() {
    loop {
        let value = WORDS[0].load(SeqCst);
        if value == 0 {
            return;
        }
        let _ = futex::wait(&WORDS[0], value, None);
    }
}

extern "C" fn store(value: usize) {
    WORDS[1].store(value as u32, SeqCst);
}

fn share_memory() {
    run_raw(store, 77);
    say!("stored by the thread {}", WORDS[1].load(SeqCst));
}

extern "C" fn ask_numbers(_: usize) {
    SEEN[0].store(proc::pid(), SeqCst);
    SEEN[1].store(proc::tid(), SeqCst);
    SEEN[2].store(proc::parent(), SeqCst);
}

fn numbers() {
    run_raw(ask_numbers, 0);
    let [pid, tid, parent, _] = [0, 1, 2, 3].map(|n| SEEN[n].load(SeqCst));
    say!("the same process {}", pid == proc::pid());
    say!("another thread {}", tid != proc::tid() && tid > 0);
    say!("the same parent {}", parent == proc::parent());
}

fn clear_number() {
    WORDS[0].store(1234, SeqCst);
    let words = Words { child: WORDS[0].as_ptr() as usize, ..Words::default() };
    worked("start", thread::start(THREAD | CLONE_CHILD_CLEARTID, words, store, 5));
    join_raw();
    say!("cleared {}", WORDS[0].load(SeqCst));
    say!("after its work {}", WORDS[1].load(SeqCst));
}

fn set_number() {
    let (parent, child) = (WORDS[2].as_ptr() as usize, WORDS[3].as_ptr() as usize);
    let words = Words { parent, child, local: 0 };
    let tid = thread::start(THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID, words, store, 5);
    let tid = tid.unwrap_or(-1) as u32;
    say!("for the parent {}", WORDS[2].load(SeqCst) == tid);
    proc::until(|| WORDS[3].load(SeqCst) != 0);
    say!("for the child {}", WORDS[3].load(SeqCst) == tid);
}

extern "C" fn clear_another(_: usize) {
    // SAFETY: the word stays.
    let answer = unsafe { sys!(libc::SYS_set_tid_address, WORDS[4].as_ptr()) };
    SEEN[0].store(i32::from(answer == Ok(proc::tid() as usize)), SeqCst);
}

fn set_tid_address() {
    WORDS[4].store(99, SeqCst);
    WORDS[0].store(98, SeqCst);
    let words = Words { child: WORDS[0].as_ptr() as usize, ..Words::default() };
    worked("start", thread::start(THREAD | CLONE_CHILD_CLEARTID, words, clear_another, 0));
    proc::until(|| WORDS[4].load(SeqCst) == 0);
    say!("gives the thread's number {}", SEEN[0].load(SeqCst));
    say!("the first word stays {}", WORDS[0].load(SeqCst));
}

extern "C" fn read_fs(_: usize) {
    let value: u64;
    // SAFETY: the maker gave this thread a base with a word at 8.
    unsafe { std::arch::asm!("mov {}, fs:[8]", out(reg) value, options(nostack, readonly)) };
    WORDS[5].store(value as u32, SeqCst);
}

fn own_fs() {
    let region = Region::anonymous(PAGE, BOTH);
    region.put(8, 201);
    WORDS[0].store(1, SeqCst);
    let child = WORDS[0].as_ptr() as usize;
    let words = Words { child, local: region.start(), parent: 0 };
    let flags = THREAD | CLONE_CHILD_CLEARTID | CLONE_SETTLS;
    worked("start", thread::start(flags, words, read_fs, 0));
    join_raw();
    say!("read {}", WORDS[5].load(SeqCst));
}

extern "C" fn end_early(_: usize) {
    WORDS[1].store(1, SeqCst);
    thread::exit(33);
}

fn thread_exit() {
    run_raw(end_early, 0);
    say!("the process goes on {}", WORDS[1].load(SeqCst));
    say!("and by itself {}", proc::outcome(|| thread::exit(34)));
}

extern "C" fn for_ever(_: usize) {
    WORDS[1].fetch_add(1, SeqCst);
    loop {
        proc::give_way();
    }
}

extern "C" fn asleep_for_ever(_: usize) {
    WORDS[1].fetch_add(1, SeqCst);
    loop {
        let _ = futex::wait(&WORDS[6], 0, None);
    }
}

fn exit_group() {
    say!(
        "child {}",
        proc::outcome(|| {
            for work in [for_ever, asleep_for_ever, for_ever, asleep_for_ever] {
                worked("start", thread::start(THREAD, Words::default(), work, 0));
            }
            proc::until(|| WORDS[1].load(SeqCst) == 4);
            12
        })
    );
}

extern "C" fn exit_all(code: usize) {
    proc::exit(code as i32);
}

fn exit_by_other() {
    say!(
        "child {}",
        proc::outcome(|| {
            worked("start", thread::start(THREAD, Words::default(), for_ever, 0));
            // It may end all before anything could be said of it.
            if thread::start(THREAD, Words::default(), exit_all, 56).is_err() {
                return 1;
            }
            loop {
                let _ = futex::wait(&WORDS[6], 0, None);
            }
        })
    );
}

extern "C" fn late_exit(_: usize) {
    // First the main thread has said what it does.
    proc::until(|| WORDS[1].load(SeqCst) == 1);
    for _ in 0..200 {
        proc::give_way();
    }
    proc::exit(21);
}

fn main_ends_first() {
    say!(
        "child {}",
        proc::outcome(|| {
            WORDS[1].store(0, SeqCst);
            worked("start", thread::start(THREAD, Words::default(), late_exit, 0));
            WORDS[1].store(1, SeqCst);
            thread::exit(1)
        })
    );
}

fn exec_ends_others() {
    say!(
        "child {}",
        proc::outcome(|| {
            worked("start", thread::start(THREAD, Words::default(), for_ever, 0));
            worked("start", thread::start(THREAD, Words::default(), asleep_for_ever, 0));
            proc::until(|| WORDS[1].load(SeqCst) == 2);
            seen("exec", Ok(proc::exec(ME, &["calls", "--as", "exit", "17"], &[])));
            1
        })
    );
    // By a thread that is not the first: the number stays that of the process.
    let pipe = vortex_guest::pipe::plain();
    let child = proc::child(|| {
        worked("onto output", fd::dup2(pipe.into, 1));
        let other = std::thread::spawn(|| proc::exec(ME, &["calls", "--as", "pid"], &[]));
        let _ = other.join();
        1
    });
    say!("child {}", proc::wait(child));
    let said = fd::read_text(pipe.out, 64).unwrap_or_default();
    say!("its number {}", said.ends_with(&format!("{child}\\n")));
}

thread_local! {
    static LOCAL: Cell<u32> = const { Cell::new(5) };
}

struct AtEnd(Arc<AtomicU32>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

thread_local! {
    static DROPPED: Cell<Option<AtEnd>> = const { Cell::new(None) };
}

fn local_storage() {
    LOCAL.set(1000);
    let ended = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let ended = ended.clone();
            std::thread::spawn(move || {
                let before = LOCAL.get();
                DROPPED.set(Some(AtEnd(ended)));
                for _ in 0..1000 {
                    LOCAL.set(LOCAL.get() + n);
                    proc::give_way();
                }
                (before, LOCAL.get())
            })
        })
        .collect();
    for thread in threads {
        say!("{:?}", thread.join().unwrap_or_default());
    }
    say!("here {}", LOCAL.get());
    say!("dropped at the end {}", ended.load(SeqCst));
}

fn many() {
    let sum = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..100)
        .map(|n| {
            let sum = sum.clone();
            std::thread::spawn(move || sum.fetch_add(n, SeqCst))
        })
        .collect();
    say!("ended {}", threads.into_iter().filter_map(|thread| thread.join().ok()).count());
    say!("sum {}", sum.load(SeqCst));
    let double = |n: &u32| {
        std::thread::spawn({
            let n = *n;
            move || n * 2
        })
        .join()
        .ok()
            == Some(n * 2)
    };
    let in_turn = (0..300).filter(double);
    say!("in turn {}", in_turn.count());
}

fn share_descriptors() {
    let pipe = vortex_guest::pipe::plain();
    let other = std::thread::spawn(move || {
        worked("close in the thread", fd::close(pipe.into));
        fd::dup(pipe.out).map(|fd| fd as i32)
    });
    let made = other.join();
    seen("write here", fd::write(pipe.into, b"x"));
    let made = made.ok().and_then(Result::ok).unwrap_or(-1);
    worked("the thread's copy is open here", fd::fcntl(made, libc::F_GETFD, 0));
}

fn share_folder() {
    let other = std::thread::spawn(|| vortex_guest::file::chdir("/dev"));
    worked("the thread goes to /dev", other.join().unwrap_or(Ok(0)));
    seen("here", vortex_guest::file::current(64));
}

fn mutex() {
    let shared = Arc::new(Mutex::new(0_u64));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let shared = shared.clone();
            std::thread::spawn(move || {
                for _ in 0..5000 {
                    *shared.lock().unwrap_or_else(|poison| poison.into_inner()) += 1;
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| drop(thread.join()));
    say!("sum {}", shared.lock().unwrap_or_else(|poison| poison.into_inner()));
}

/// A number handed to and fro between two threads.
fn condition() {
    let shared = Arc::new((Mutex::new(0_u32), Condvar::new()));
    let turn = |own: u32, shared: &(Mutex<u32>, Condvar)| {
        for _ in 0..500 {
            let guard = shared.0.lock().unwrap_or_else(|poison| poison.into_inner());
            let mut guard = shared
                .1
                .wait_while(guard, |value| *value % 2 != own)
                .unwrap_or_else(|poison| poison.into_inner());
            *guard += 1;
            shared.1.notify_one();
        }
    };
    let other = shared.clone();
    let thread = std::thread::spawn(move || turn(1, &other));
    turn(0, &shared);
    drop(thread.join());
    say!("turns {}", shared.0.lock().unwrap_or_else(|poison| poison.into_inner()));
}

fn barrier() {
    let barrier = Arc::new(Barrier::new(5));
    let (begun, wrong) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let threads: Vec<_> = (0..5)
        .map(|_| {
            let (barrier, begun, wrong) = (barrier.clone(), begun.clone(), wrong.clone());
            std::thread::spawn(move || {
                let mut led = 0;
                for round in 1..=50 {
                    begun.fetch_add(1, SeqCst);
                    led += u32::from(barrier.wait().is_leader());
                    wrong.fetch_add(u32::from(begun.load(SeqCst) < round * 5), SeqCst);
                    barrier.wait();
                }
                led
            })
        })
        .collect();
    let led: u32 = threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum();
    say!("rounds {led}, wrong {}", wrong.load(SeqCst));
}

fn channel() {
    let (send, receive) = mpsc::sync_channel(3);
    let threads: Vec<_> = (0..4_u64)
        .map(|n| {
            let send = send.clone();
            std::thread::spawn(move || (0..250).all(|m| send.send(n * 250 + m).is_ok()))
        })
        .collect();
    drop(send);
    say!("sum {}", receive.iter().sum::<u64>());
    say!("all sent {}", threads.into_iter().all(|thread| thread.join().unwrap_or(false)));
}

/// Of a process with several threads the child has one.
fn fork_in_thread() {
    let other = std::thread::spawn(|| {
        let here = proc::tid();
        let child = proc::child(|| i32::from(proc::pid() != proc::tid() || proc::tid() == here));
        proc::wait(child)
    });
    say!("child {}", other.join().unwrap_or_default());
}

fn deep_stack() {
    fn sum(n: u64) -> u64 {
        let local = std::hint::black_box([n; 16]);
        if n == 0 { 0 } else { sum(n - 1) + local[(n % 16) as usize] }
    }
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(|| sum(50_000));
    say!("in a thread {}", thread.map_or(0, |thread| thread.join().unwrap_or(0)));
    say!("here {}", sum(20_000));
}

/// A thread is no child.
fn not_awaited() {
    run_raw(store, 1);
    seen("wait", proc::wait_for(-1, 0).map(|(pid, _)| pid));
}
