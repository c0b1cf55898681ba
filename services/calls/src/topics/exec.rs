//! Becoming another program.

use libc::{F_SETFD, O_RDONLY, SIGTERM, SIGUSR1, SIGUSR2};
use vortex_guest::out::{seen, worked};
use vortex_guest::pipe::plain;
use vortex_guest::temp::Temp;
use vortex_guest::{fd, file, out, proc, say, sig, sys};

crate::tests!("exec":
    "arguments" => arguments,
    "no-environment" => no_environment,
    "auxiliary-vector" => auxiliary,
    "long-arguments" => long,
    "descriptors" => descriptors,
    "keeps-number" => keeps_number,
    "signals" => signals,
    "pending-signal" => pending,
    "script" => script,
    "script-of-script" => nested,
    "script-errors" => script_errors,
    "errors" => errors,
    "not-a-program" => not_a_program,
    "broken-programs" => broken,
    "too-long" => too_long,
    "memory-replaced" => replaced,
    "of-a-file-removed" => removed,
    "through-link" => through_link,
    "of-a-file-being-written" => being_written,
    "writing-what-runs" => writing_what_runs,
);

/// This program.
pub const ME: &str = "/proc/self/exe";

/// Runs a program in a child, and says how that ended.
pub fn run(path: &str, arguments: &[&str], environment: &[&str]) {
    let ended = proc::outcome(|| {
        say!("exec: {}", proc::exec(path, arguments, environment));
        1
    });
    say!("{ended}");
}

/// Where this program is.
pub fn here() -> String {
    file::readlink(ME, 4096).unwrap_or_else(|error| out::fail(&format!("{ME}: {error}")))
}

fn arguments() {
    let environment = ["A=1", "PATH=/nowhere", "EMPTY="];
    run(ME, &["called so", "--as", "arguments", "one", "", "two words", "ü"], &environment);
}

fn no_environment() {
    run(ME, &["calls", "--as", "arguments"], &[]);
}

fn auxiliary() {
    run(ME, &["calls", "--as", "auxiliary"], &[]);
}

/// More than a page of them, and one that is longer than a page.
fn long() {
    let many: Vec<String> = (0..2000).map(|n| format!("argument-{n}")).collect();
    let all = ["calls", "--as", "count"].into_iter().chain(many.iter().map(String::as_str));
    run(ME, &all.collect::<Vec<_>>(), &[]);
    run(ME, &["calls", "--as", "count", &"x".repeat(100_000)], &[]);
}

fn descriptors() {
    let _temp = Temp::new("exec");
    let ended = proc::outcome(|| {
        worked("made", file::put("a", b"0123456789"));
        let fd = file::open("a", O_RDONLY).unwrap_or(-1);
        worked("stays", fd::dup2(fd, 5));
        worked("closes", fd::dup3(fd, 6, libc::O_CLOEXEC));
        worked("stays too", fd::dup2(fd, 7));
        worked("closes after all", fd::fcntl(7, F_SETFD, 1));
        worked("close", fd::close(fd));
        seen("read here", fd::read_text(5, 4));
        say!("exec: {}", proc::exec(ME, &["calls", "--as", "descriptors"], &[]));
        1
    });
    say!("{ended}");
}

fn keeps_number() {
    let pipe = plain();
    let child = proc::child(|| {
        worked("onto output", fd::dup2(pipe.into, 1));
        say!("exec: {}", proc::exec(ME, &["calls", "--as", "pid"], &[]));
        1
    });
    say!("{}", proc::wait(child));
    let said = fd::read_text(pipe.out, 128).unwrap_or_default();
    say!("the same number {}", said.ends_with(&format!("{child}\\n")));
}

/// Handled signals go back to their default, ignored ones stay so, the mask stays.
fn signals() {
    let ended = proc::outcome(|| {
        worked("handle", sig::handle(SIGUSR1, sig::NOTE, 0, &[]));
        worked("ignore", sig::ignore(SIGUSR2));
        sig::block(&[SIGTERM, sig::REAL_TIME]);
        say!("exec: {}", proc::exec(ME, &["calls", "--as", "signals"], &[]));
        1
    });
    say!("{ended}");
}

fn pending() {
    let ended = proc::outcome(|| {
        sig::block(&[SIGUSR1]);
        worked("raise", sig::raise(SIGUSR1));
        say!("exec: {}", proc::exec(ME, &["calls", "--as", "signals"], &[]));
        1
    });
    say!("{ended}");
}

fn executable(path: &str, content: &[u8]) {
    worked("made", file::put(path, content).and_then(|()| file::chmod(path, 0o755)));
}

fn script() {
    let _temp = Temp::new("exec");
    worked("link to this program", file::symlink(&here(), "me"));
    // The interpreter gets what its line says, the script's path, and the arguments.
    executable("--as", b"#!me\n");
    run("--as", &["dropped", "arguments", "x", "y"], &["A=1"]);
    executable("script", b"#!./me --script\nrest\n");
    run("script", &["dropped", "x"], &[]);
    run("./script", &["dropped"], &[]);
    executable("no-newline", b"#!./me --script");
    run("no-newline", &["dropped", "x"], &[]);
    // What follows the interpreter is one argument, whatever is in it.
    executable("spaces", b"#! \t ./me   --script two  words \t\n");
    run("spaces", &["dropped", "x"], &[]);
}

fn nested() {
    let _temp = Temp::new("exec");
    worked("link to this program", file::symlink(&here(), "me"));
    executable("inner", b"#!./me --script\n");
    executable("outer", b"#!./inner more\n");
    run("outer", &["dropped", "x"], &[]);
    executable("circle", b"#!./circle\n");
    run("circle", &["circle"], &[]);
}

fn script_errors() {
    let _temp = Temp::new("exec");
    executable("missing", b"#!/none/such\n");
    run("missing", &["missing"], &[]);
    executable("nothing", b"#!\n");
    run("nothing", &["nothing"], &[]);
    executable("spaces", b"#!   \n");
    run("spaces", &["spaces"], &[]);
    executable("folder", b"#!/dev\n");
    run("folder", &["folder"], &[]);
}

fn errors() {
    let _temp = Temp::new("exec");
    let try_it = |what: &str, path: &str| seen(what, Ok(proc::exec(path, &["x"], &[])));
    try_it("missing", "none");
    try_it("empty name", "");
    try_it("folder", ".");
    worked("made", file::put("a", b"#!/bin/sh\n"));
    try_it("not executable", "a");
    try_it("below a file", "a/b");
    try_it("long name", &"x".repeat(300));
    try_it("device", "/dev/null");
    // SAFETY: there is no memory at the addresses.
    let nowhere = unsafe { sys!(libc::SYS_execve, sys::NOWHERE, 0, 0) };
    seen("name nowhere", nowhere);
    let path = file::path(ME);
    // SAFETY: as above.
    let nowhere = unsafe { sys!(libc::SYS_execve, path.as_ptr(), sys::NOWHERE, 0) };
    seen("arguments nowhere", nowhere);
}

fn not_a_program() {
    let _temp = Temp::new("exec");
    let content: [(&str, &[u8]); 5] = [
        ("empty", b""),
        ("one byte", b"x"),
        ("text", b"echo hello\n"),
        ("zeros", &[0; 4096]),
        ("magic alone", b"\x7fELF"),
    ];
    for (what, content) in content {
        executable("a", content);
        seen(what, Ok(proc::exec("a", &["a"], &[])));
    }
}

/// This program with one field of its header wrong.
fn broken() {
    let _temp = Temp::new("exec");
    let good = file::get(&here()).unwrap_or_default();
    let cases: [(&str, usize, &[u8]); 6] = [
        ("as it is", 0, b"\x7f"),
        ("other magic", 1, b"x"),
        ("machine", 18, &[40, 0]),
        ("type relocatable", 16, &[1, 0]),
        ("size of a program header", 54, &[55, 0]),
        ("no program headers", 56, &[0, 0]),
    ];
    for (what, at, bytes) in cases {
        let mut program = good.clone();
        program.splice(at..at + bytes.len(), bytes.iter().copied());
        executable("a", &program);
        say!("{what}");
        run("a", &["a", "--as", "exit", "3"], &[]);
    }
    executable("a", &good[..100.min(good.len())]);
    say!("cut off");
    run("a", &["a", "--as", "exit", "3"], &[]);
}

fn too_long() {
    let word = "x".repeat(200_000);
    run(ME, &["calls", "--as", "count", &word], &[]);
    let words = vec!["x".repeat(100_000); 100];
    let all = ["calls", "--as", "count"].into_iter().chain(words.iter().map(String::as_str));
    run(ME, &all.collect::<Vec<_>>(), &[]);
}

/// The new program has nothing of the old one's memory: what was shared stays with us.
fn replaced() {
    let region = vortex_guest::mem::Region::shared(4096);
    region.put(0, 1);
    let child = proc::child(|| {
        region.put(0, 2);
        let _ = proc::exec(ME, &["calls", "--as", "nothing"], &[]);
        region.put(0, 3);
        1
    });
    say!("{}", proc::wait(child));
    say!("last written {}", region.get(0));
}

fn removed() {
    let _temp = Temp::new("exec");
    let good = file::get(&here()).unwrap_or_default();
    executable("a", &good);
    let (go, there) = (plain(), plain());
    let child = proc::child(|| {
        worked("onto 0", fd::dup2(go.out, 0));
        let _ = fd::write(there.into, b"x");
        let _ = fd::read_text(0, 1);
        seen("exec", Ok(proc::exec("a", &["a", "--as", "exit", "5"], &[])));
        2
    });
    worked("the child has said so", fd::read_text(there.out, 1));
    worked("unlink", file::unlink("a"));
    worked("go", fd::write(go.into, b"x"));
    say!("{}", proc::wait(child));
}

fn being_written() {
    let _temp = Temp::new("exec");
    let good = file::get(&here()).unwrap_or_default();
    executable("a", &good);
    let writer = file::open("a", libc::O_WRONLY).unwrap_or(-1);
    run("./a", &["a", "--as", "exit", "5"], &[]);
    worked("close", fd::close(writer));
    run("./a", &["a", "--as", "exit", "5"], &[]);
}

fn writing_what_runs() {
    let _temp = Temp::new("exec");
    let good = file::get(&here()).unwrap_or_default();
    executable("a", &good);
    let (go, there) = (plain(), plain());
    let child = proc::child(|| {
        let _ = (fd::dup2(go.out, 0), fd::dup2(there.into, 1));
        let _ = proc::exec("./a", &["a", "--as", "wait"], &[]);
        1
    });
    seen("it runs", fd::read_text(there.out, 1));
    let opened = |flags| file::open("a", flags).map(|_| "open");
    seen("to write", opened(libc::O_WRONLY));
    seen("to cut", opened(libc::O_RDONLY | libc::O_TRUNC));
    seen("to read", opened(libc::O_RDONLY));
    seen("truncate", file::truncate("a", 0));
    worked("go", fd::write(go.into, b"x"));
    say!("{}", proc::wait(child));
    seen("to write", opened(libc::O_WRONLY));
}

fn through_link() {
    let _temp = Temp::new("exec");
    worked("link", file::symlink(&here(), "link"));
    run("link", &["called so", "--as", "arguments", "x"], &[]);
    run("./link", &["calls", "--as", "auxiliary"], &[]);
}
