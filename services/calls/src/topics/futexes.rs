//! Futexes: among threads, among processes.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use libc::{
    CLOCK_MONOTONIC, FUTEX_CLOCK_REALTIME, FUTEX_CMP_REQUEUE, FUTEX_PRIVATE_FLAG, FUTEX_REQUEUE,
    FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE, FUTEX_WAKE_BITSET,
};
use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::out::{seen, worked};
use vortex_guest::{futex, proc, say, sys, time};

crate::tests!("futexes":
    "other-value" => other_value,
    "nobody-waits" => nobody,
    "timeout" => timeout,
    "absolute-timeout" => absolute,
    "threads" => threads,
    "processes" => processes,
    "wake-count" => wake_count,
    "requeue" => requeue,
    "compare-requeue" => compare_requeue,
    "bits" => bits,
    "wake-operation" => wake_operation,
    "errors" => errors,
    "ping-pong" => ping_pong,
    "robust-thread" => robust_thread,
    "robust-process" => robust_process,
    "robust-list" => robust_list,
    "file-mapping" => file_mapping,
);

const MOMENT: Option<Duration> = Some(Duration::from_millis(5));

fn word() -> &'static AtomicU32 {
    Region::shared(PAGE).word(0)
}

/// Wakes until so many have been woken in all: those that were still on their way are
/// met by a later turn.
fn wake_all(word: &AtomicU32, operation: i32, count: usize, bits: u32) -> usize {
    let mut woken = 0;
    proc::until(|| {
        woken += futex::wake_with(word, operation, 1, bits).unwrap_or(0);
        woken >= count
    });
    woken
}

fn other_value() {
    let word = word();
    word.store(3, SeqCst);
    seen("shared", futex::wait(word, 4, None));
    seen("private", futex::wait_private(word, 4, None));
    seen("with a time", futex::wait(word, 4, MOMENT));
}

fn nobody() {
    seen("shared", futex::wake(word(), 10));
    seen("private", futex::wake_private(word(), 10));
    seen("none asked for", futex::wake(word(), 0));
}

fn timeout() {
    let begin = time::now();
    seen("shared", futex::wait(word(), 0, MOMENT));
    seen("private", futex::wait_private(word(), 0, MOMENT));
    say!("it took so long {}", time::now() - begin >= Duration::from_millis(10));
    seen("no time", futex::wait(word(), 0, Some(Duration::ZERO)));
}

fn absolute() {
    let past = Some(time::spec(Duration::from_nanos(1)));
    seen("past", futex::wait_with(word(), FUTEX_WAIT_BITSET, 0, past, !0));
    let clock = FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME;
    seen("past, by the date", futex::wait_with(word(), clock, 0, past, !0));
    let soon = time::clock(CLOCK_MONOTONIC).unwrap_or_default() + Duration::from_millis(10);
    seen("soon", futex::wait_with(word(), FUTEX_WAIT_BITSET, 0, Some(time::spec(soon)), !0));
    say!("not before {}", time::now() >= soon);
}

fn threads() {
    let word = word();
    let thread = std::thread::spawn(|| futex::wait_private(word, 0, None));
    say!("woken {}", wake_all(word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0));
    seen("the thread", thread.join().unwrap_or(Ok(99)));
    let thread = std::thread::spawn(|| {
        while word.load(SeqCst) == 0 {
            let _ = futex::wait_private(word, 0, None);
        }
        word.load(SeqCst)
    });
    word.store(5, SeqCst);
    worked("wake", futex::wake_private(word, 1));
    say!("the thread saw {}", thread.join().unwrap_or(0));
}

fn processes() {
    let word = word();
    let child = proc::child(|| futex::wait(word, 0, None).map_or(1, |_| 0));
    say!("woken {}", wake_all(word, FUTEX_WAKE, 1, 0));
    say!("child {}", proc::wait(child));
    // The same memory at another address is the same futex; private memory is not shared.
    let private = Region::anonymous(PAGE, BOTH).word(0);
    let child = proc::child(|| futex::wait(private, 0, MOMENT).map_or_else(|e| e.0, |_| 0));
    seen("not by its copy", futex::wake(private, 1));
    say!("timed out {}", proc::wait(child) == format!("exit {}", libc::ETIMEDOUT));
}

/// Wakes as many as are asked for, and no more.
fn wake_count() {
    let region = Region::shared(PAGE);
    let (word, out) = (region.word(0), region.word(1));
    let children: Vec<_> = (0..5)
        .map(|_| {
            proc::child(|| {
                let answer = futex::wait(word, 0, None);
                out.fetch_add(1, SeqCst);
                answer.map_or(1, |_| 0)
            })
        })
        .collect();
    let mut woken = 0;
    for count in [1, 3, 5] {
        woken += wake_all(word, FUTEX_WAKE, count - woken, 0);
        proc::until(|| out.load(SeqCst) as usize >= woken);
        time::pause(Duration::from_millis(5));
        say!("woken {woken}, out {}", out.load(SeqCst));
    }
    children.iter().for_each(|child| say!("child {}", proc::wait(*child)));
}

/// Three that wait at one word are moved to another and woken there.
fn moved(operation: i32) {
    let region = Region::shared(PAGE);
    let (from, to) = (region.word(0), region.word(1));
    let child = || proc::child(|| futex::wait(from, 0, None).map_or(1, |_| 0));
    let children = [child(), child(), child()];
    let mut moved = 0;
    proc::until(|| {
        moved += futex::requeue(from, operation, 0, 1, to, 0).unwrap_or(0);
        moved >= 3
    });
    say!("moved {moved}");
    seen("woken at the first", futex::wake(from, 10));
    seen("woken at the other", futex::wake(to, 2));
    seen("the last", futex::wake(to, 10));
    children.into_iter().for_each(|child| say!("child {}", proc::wait(child)));
}

fn requeue() {
    // FUTEX_REQUEUE answers with those that were woken and moved alike, on Linux from 2.6 on.
    moved(FUTEX_REQUEUE);
}

fn compare_requeue() {
    let (from, to) = (word(), word());
    from.store(2, SeqCst);
    seen("other value", futex::requeue(from, FUTEX_CMP_REQUEUE, 1, 1, to, 3));
    seen("right value", futex::requeue(from, FUTEX_CMP_REQUEUE, 1, 1, to, 2));
    moved(FUTEX_CMP_REQUEUE);
}

fn bits() {
    let word = word();
    let wait = |bits| {
        proc::child(move || {
            let answer = futex::wait_with(word, FUTEX_WAIT_BITSET, 0, None, bits);
            answer.map_or(1, |_| 0)
        })
    };
    let (first, second) = (wait(0b01), wait(0b10));
    say!("woken {}", wake_all(word, FUTEX_WAKE_BITSET, 1, 0b10));
    say!("second {}", proc::wait(second));
    seen("first waits", proc::wait_for(first, libc::WNOHANG).map(|(pid, _)| pid));
    seen("wrong bits", futex::wake_with(word, FUTEX_WAKE_BITSET, 10, 0b100));
    say!("a plain wake counts as all bits {}", wake_all(word, FUTEX_WAKE, 1, 0));
    say!("first {}", proc::wait(first));
    seen("wait for no bits", futex::wait_with(word, FUTEX_WAIT_BITSET, 0, None, 0));
    seen("wake no bits", futex::wake_with(word, FUTEX_WAKE_BITSET, 1, 0));
}

fn wake_operation() {
    let (one, two) = (word(), word());
    two.store(5, SeqCst);
    // Set the second to 9 (operation 0), and wake there if it was 5 (comparison 0).
    let operation = 9 << 12 | 5;
    // SAFETY: the kernel changes the second word.
    let answer = unsafe {
        sys!(libc::SYS_futex, one.as_ptr(), libc::FUTEX_WAKE_OP, 1, 1, two.as_ptr(), operation)
    };
    seen("nobody there", answer);
    say!("changed to {}", two.load(SeqCst));
}

fn errors() {
    let region = Region::shared(PAGE);
    seen("between words", futex::at(region.start() + 2, FUTEX_WAIT, 0));
    seen("wake between words", futex::at(region.start() + 2, FUTEX_WAKE, 1));
    seen("nowhere", futex::at(sys::NOWHERE, FUTEX_WAIT, 0));
    seen("unmapped", futex::at(0x10_0000_0000 - PAGE, FUTEX_WAIT, 0));
    seen("no such operation", futex::at(region.start(), 99, 0));
    let wrong = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000_000 };
    seen("wrong time", futex::wait_with(region.word(0), FUTEX_WAIT, 0, Some(wrong), 0));
    let wrong = libc::timespec { tv_sec: -1, tv_nsec: 0 };
    seen("negative time", futex::wait_with(region.word(0), FUTEX_WAIT, 0, Some(wrong), 0));
}

/// Two processes hand a number to and fro.
fn ping_pong() {
    let word = word();
    let play = |own: u32| {
        for _ in 0..500 {
            loop {
                let value = word.load(SeqCst);
                if value % 2 == own {
                    break;
                }
                let _ = futex::wait(word, value, None);
            }
            word.fetch_add(1, SeqCst);
            let _ = futex::wake(word, 1);
        }
    };
    let child = proc::child(|| {
        play(1);
        0
    });
    play(0);
    say!("child {}", proc::wait(child));
    say!("turns {}", word.load(SeqCst));
}

/// The kernel's list of robust futexes, with one in it.
#[repr(C)]
struct Robust {
    first: usize,
    offset: isize,
    pending: usize,
    /// An entry: the next, which is the head again.
    next: usize,
    word: AtomicU32,
}

/// Takes the word as its owner, enters it into the list, and tells that by another word.
fn own_and_enter(robust: *mut Robust, word_at: usize, told: &AtomicU32) {
    let entry = robust as usize + std::mem::offset_of!(Robust, next);
    let content = Robust {
        first: entry,
        offset: word_at as isize - entry as isize,
        pending: 0,
        next: robust as usize,
        word: AtomicU32::new(proc::tid() as u32),
    };
    // SAFETY: the memory is the maker's, and large enough for one.
    unsafe { robust.write(content) };
    // SAFETY: the list stays where it is.
    let answer = unsafe { sys!(libc::SYS_set_robust_list, robust, 24) };
    told.store(if answer.is_ok() { 1 } else { 2 }, SeqCst);
}

fn robust_parts() -> (*mut Robust, usize, &'static AtomicU32, &'static AtomicU32) {
    let region = Region::shared(PAGE);
    let place = std::mem::offset_of!(Robust, word);
    let told = region.word(128);
    (region.start() as *mut Robust, region.start() + place, region.word(place / 4), told)
}

fn show_dead(word: &AtomicU32, told: &AtomicU32) {
    proc::until(|| word.load(SeqCst) & libc::FUTEX_OWNER_DIED != 0);
    say!("list accepted {}", told.load(SeqCst));
    say!("owner left {}", word.load(SeqCst) & libc::FUTEX_TID_MASK);
    say!("owner died {}", word.load(SeqCst) & libc::FUTEX_OWNER_DIED != 0);
}

fn robust_process() {
    let (robust, at, word, told) = robust_parts();
    let child = proc::child(|| {
        own_and_enter(robust, at, told);
        0
    });
    say!("child {}", proc::wait(child));
    show_dead(word, told);
    // Somebody who waits for it is woken.
    let (robust, at, word, told) = robust_parts();
    let child = proc::child(|| {
        own_and_enter(robust, at, told);
        proc::until(|| word.load(SeqCst) & libc::FUTEX_WAITERS != 0);
        vortex_guest::sig::raise(libc::SIGKILL).map_or(1, |_| 0)
    });
    proc::until(|| told.load(SeqCst) != 0);
    let value = word.fetch_or(libc::FUTEX_WAITERS, SeqCst) | libc::FUTEX_WAITERS;
    // It may have died before: then the value is another.
    let answer = futex::wait(word, value, None);
    let right = answer == Ok(0) || answer.is_err_and(|error| error.0 == libc::EAGAIN);
    say!("woken {right}");
    show_dead(word, told);
    say!("child {}", proc::wait(child));
}

fn robust_thread() {
    let (robust, at, word, told) = robust_parts();
    let robust = robust as usize;
    let thread = std::thread::spawn(move || own_and_enter(robust as *mut Robust, at, told));
    drop(thread.join());
    show_dead(word, told);
}

fn robust_list() {
    let (mut before, mut head, mut size) = (0_usize, 0_usize, 0_usize);
    // SAFETY: the kernel writes both words.
    let answer = unsafe { sys!(libc::SYS_get_robust_list, 0, &raw mut before, &raw mut size) };
    seen("get", answer);
    // SAFETY: the sizes are wrong ones, with which the kernel takes nothing.
    seen("wrong size", unsafe { sys!(libc::SYS_set_robust_list, sys::NOWHERE, 23) });
    // SAFETY: as above.
    let answer = unsafe { sys!(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut size) };
    seen("get", answer);
    say!("size {size}");
    say!("nothing taken {}", head == before);
    // SAFETY: as above.
    let answer = unsafe { sys!(libc::SYS_get_robust_list, 1 << 22, &raw mut head, &raw mut size) };
    seen("of nobody", answer);
}

/// Two mappings of one file's page hold the same futex.
fn file_mapping() {
    let _temp = vortex_guest::temp::Temp::new("futexes");
    let fd = super::files::make("a");
    worked("length", vortex_guest::fd::truncate(fd, PAGE as i64));
    let map = || Region::map(PAGE, BOTH, libc::MAP_SHARED, fd, 0);
    let (Ok(one), Ok(two)) = (map(), map()) else {
        say!("not mapped");
        return;
    };
    let child = proc::child(|| futex::wait(one.word(0), 0, None).map_or(1, |_| 0));
    say!("woken by the other {}", wake_all(two.word(0), FUTEX_WAKE, 1, 0));
    say!("child {}", proc::wait(child));
}
