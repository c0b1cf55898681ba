//! Processes: what a child has of its parent, and how it ends.

use std::sync::atomic::Ordering::SeqCst;

use libc::{CLONE_SETTLS, CLONE_SIGHAND, CLONE_THREAD, CLONE_VFORK, CLONE_VM, SIGCHLD};
use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::{self, plain};
use vortex_guest::thread::{self, Words};
use vortex_guest::{fd, proc, say, sig, sys};

crate::tests!("processes":
    "fork" => fork,
    "exit-codes" => exit_codes,
    "memory-copied" => memory_copied,
    "memory-shared" => memory_shared,
    "many" => many,
    "nested" => nested,
    "numbers" => numbers,
    "orphan" => orphan,
    "vfork" => vfork,
    "vfork-clone" => vfork_clone,
    "clone-errors" => clone_errors,
    "clone-undone" => clone_undone,
    "groups" => groups,
    "sessions" => sessions,
    "abort" => abort,
);

fn fork() {
    let me = proc::pid();
    let child = proc::child(|| {
        say!("child: parent is the parent: {}", proc::parent() == me);
        say!("child: another number: {}", proc::pid() != me);
        7
    });
    say!("child {}", proc::wait(child));
    say!("number is positive: {}", child > 0);
    say!("number unchanged: {}", proc::pid() == me);
}

fn exit_codes() {
    for code in [0, 1, 127, 255, 256, 257, -1] {
        say!("{code}: {}", proc::outcome(|| code));
    }
}

fn memory_copied() {
    let region = Region::anonymous(64 * PAGE, BOTH);
    region.fill(b'p');
    let value = std::sync::atomic::AtomicU32::new(1);
    let child = proc::outcome(|| {
        let seen = region.all(0, region.length(), b'p') && value.load(SeqCst) == 1;
        region.fill(b'c');
        value.store(2, SeqCst);
        i32::from(!(seen && region.all(0, region.length(), b'c')))
    });
    say!("child {child}");
    say!("unchanged {} {}", region.all(0, region.length(), b'p'), value.load(SeqCst));
    // The other way: what the parent writes after the fork is not the child's.
    let go = plain();
    let child = proc::child(|| {
        let _ = fd::read_text(go.out, 1);
        i32::from(!region.all(0, region.length(), b'p'))
    });
    region.fill(b'n');
    worked("go", fd::write(go.into, b"x"));
    say!("child {}", proc::wait(child));
}

fn memory_shared() {
    let region = Region::shared(4 * PAGE);
    region.put_all(0, b"from the parent");
    say!(
        "child {}",
        proc::outcome(|| {
            say!("child reads {}", region.text(0, 15));
            region.put_all(3 * PAGE, b"from the child");
            0
        })
    );
    say!("parent reads {}", region.text(3 * PAGE, 14));
}

fn many() {
    let children: Vec<_> = (0..50).map(|n| proc::child(move || n)).collect();
    let mut different = children.clone();
    different.sort_unstable();
    different.dedup();
    say!("different numbers {}", different.len());
    let right = children.iter().zip(0..).filter(|(c, n)| proc::wait(**c) == format!("exit {n}"));
    say!("right codes {}", right.count());
    // One after the other, more than there is room for at once in small systems.
    say!("in turn {}", (0..300).filter(|_| proc::outcome(|| 3) == "exit 3").count());
}

fn nested() {
    fn level(n: i32) -> i32 {
        match n {
            0 => 0,
            n => match proc::outcome(|| level(n - 1)).strip_prefix("exit ") {
                Some(code) => code.parse::<i32>().unwrap_or(100) + 1,
                None => 100,
            },
        }
    }
    say!("levels {}", level(20));
}

fn numbers() {
    say!("process is its first thread: {}", proc::pid() == proc::tid());
    say!("parent differs: {}", proc::parent() != proc::pid());
    let user = [libc::SYS_getuid, libc::SYS_geteuid].map(proc::number);
    say!("user is the effective one: {}", user[0] == user[1]);
    let group = [libc::SYS_getgid, libc::SYS_getegid].map(proc::number);
    say!("group is the effective one: {}", group[0] == group[1]);
    say!("child: {}", proc::outcome(|| i32::from(proc::pid() != proc::tid())));
}

/// A child whose parent ended gets another.
fn orphan() {
    let (told, go) = (plain(), plain());
    let child = proc::child(|| {
        let parent = proc::pid();
        proc::child(|| {
            let _ = fd::read_text(go.out, 1);
            proc::until(|| proc::parent() != parent);
            let _ = fd::write(told.into, b"has another parent");
            0
        });
        0
    });
    say!("child {}", proc::wait(child));
    worked("go", fd::write(go.into, b"x"));
    seen("grandchild", fd::read_text(told.out, 64));
    seen("it is not mine", proc::wait_for(-1, 0).map(|_| "reaped"));
}

/// The child runs in the parent's memory while that waits.
fn vfork() {
    let word = Region::anonymous(PAGE, BOTH).word(0);
    let child = thread::vfork_store(word, 42, 5);
    say!("written before it went on: {}", word.load(SeqCst));
    match child {
        Ok(pid) => say!("child {}", proc::wait(pid)),
        Err(error) => say!("{error}"),
    }
}

extern "C" fn slow_store(word: usize) {
    for _ in 0..50 {
        proc::give_way();
    }
    // SAFETY: the maker passed a word that stays.
    let word = unsafe { std::sync::atomic::AtomicU32::from_ptr(word as *mut u32) };
    word.store(1, SeqCst);
}

fn vfork_clone() {
    let word = Region::anonymous(PAGE, BOTH).word(0);
    let start = |flags| thread::start(flags, Words::default(), slow_store, word.as_ptr() as usize);
    let child = start(CLONE_VM | CLONE_VFORK | SIGCHLD);
    say!("the parent waited: {}", word.load(SeqCst));
    say!("child {}", child.map_or_else(|error| error.to_string(), proc::wait));
    word.store(0, SeqCst);
    let child = start(CLONE_VM | SIGCHLD);
    say!("child {}", child.map_or_else(|error| error.to_string(), proc::wait));
    say!("shared memory without waiting: {}", word.load(SeqCst));
    word.store(0, SeqCst);
    let child = start(SIGCHLD);
    say!("child {}", child.map_or_else(|error| error.to_string(), proc::wait));
    say!("copied memory: {}", word.load(SeqCst));
}

fn clone_errors() {
    seen("thread without its signals", thread::refused(CLONE_THREAD | CLONE_VM));
    seen("signals without memory", thread::refused(CLONE_SIGHAND | SIGCHLD));
    let both = libc::CLONE_FS | libc::CLONE_NEWNS | SIGCHLD;
    seen("shared and new folder", thread::refused(both));
}

/// A child that could not be made has nothing: its copy of a descriptor least of all.
fn clone_undone() {
    let pipe = plain();
    let nowhere = Words { local: 1 << 63, ..Words::default() };
    let word = Region::anonymous(PAGE, BOTH).word(0).as_ptr() as usize;
    for _ in 0..20 {
        let made = thread::start(SIGCHLD | CLONE_SETTLS, nowhere, slow_store, word);
        seen("a base of FS that is none", made.map(|_| 0));
    }
    worked("close", fd::close(pipe.into));
    let mut entries = [pipe::entry(pipe.out, libc::POLLIN)];
    seen("nobody writes", pipe::poll(&mut entries, 1000));
    say!("{}", pipe::events(entries[0].revents));
}

fn groups() {
    let go = plain();
    let child = proc::child(|| {
        let _ = fd::read_text(go.out, 1);
        0
    });
    say!("inherited {}", proc::group(child) == proc::group(0));
    seen("own group", proc::set_group(child, child));
    say!("its number {}", proc::group(child) == Ok(child));
    seen("a group that is not there", proc::set_group(child, 1 << 22));
    seen("negative", proc::set_group(child, -1));
    seen("of nobody", proc::group(1 << 22));
    worked("signal to the group", sig::kill(-child, libc::SIGTERM));
    say!("child {}", proc::wait(child));
    seen("signal to the empty group", sig::kill(-child, libc::SIGTERM));
}

fn sessions() {
    let outcome = proc::outcome(|| {
        // SAFETY: no memory is named.
        let session = unsafe { sys!(libc::SYS_setsid) };
        say!("its number {}", session == Ok(proc::pid() as usize));
        say!("and group {}", proc::group(0) == Ok(proc::pid()));
        // SAFETY: no memory is named.
        seen("again", unsafe { sys!(libc::SYS_setsid) });
        seen("another group", proc::set_group(0, 1));
        0
    });
    say!("child {outcome}");
}

fn abort() {
    say!("child {}", proc::outcome(|| std::process::abort()));
}
