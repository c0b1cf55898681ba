//! Small named tests of system calls. `calls --list` names them; `calls NAME` runs one and
//! prints what it observed. Linux's output is what Vortex's must equal, byte by byte: a test
//! prints nothing that differs between two runs, and waits for what it needs, not for a time.

mod again;
mod topics;

use vortex_guest::{args::Args, fd, file, out, proc, say, sig};

const USAGE: &str = "\
usage: calls --list        names of the tests, a line each
       calls NAME...       run these
       calls --all         run all, each in a child, with its name before its output";

/// A test.
pub struct Test {
    /// By which it is asked for: topic and subject.
    pub name: &'static str,
    /// What it does and prints.
    pub run: fn(),
}

/// A table of tests of one topic: a function `read_back` of the topic `files` is the test
/// `files-read-back`.
#[macro_export]
macro_rules! tests {
    ($topic:literal: $($name:literal => $run:path),+ $(,)?) => {
        /// The tests of this topic.
        pub const TESTS: &[$crate::Test] =
            &[$($crate::Test { name: concat!($topic, "-", $name), run: $run }),+];
    };
}

fn main() {
    // A program started by a test, to say how it finds itself.
    match std::env::args().nth(1) {
        Some(first) if first == "--as" => again::run(),
        Some(first) if first.starts_with("--script") => again::script(),
        _ => {}
    }
    let mut args = Args::new(USAGE);
    let (list, all) = (args.flag("--list"), args.flag("--all"));
    let mut chosen = Vec::new();
    while let Some(name) = args.word() {
        match topics::all().find(|test| test.name == name) {
            Some(test) => chosen.push(test),
            None => args.wrong(&format!("there is no test '{name}'")),
        }
    }
    if all {
        chosen = topics::all().collect();
    }
    if !list && chosen.is_empty() {
        args.wrong("nothing to do");
    }
    args.end();
    if list {
        topics::all().for_each(|test| say!("{}", test.name));
        proc::exit(0);
    }
    plain_state();
    if let [test] = chosen[..] {
        (test.run)();
        proc::exit(0);
    }
    let mut good = true;
    for test in chosen {
        say!("== {}", test.name);
        let ended = proc::outcome(|| {
            (test.run)();
            0
        });
        if ended != "exit 0" {
            say!("{ended}");
            good = false;
        }
    }
    proc::exit(if good { 0 } else { 1 });
}

/// The same state whoever started us: no descriptors but three, default signals, the usual
/// mask of modes, no cores.
fn plain_state() {
    for descriptor in 3..256 {
        let _ = fd::close(descriptor);
    }
    for descriptor in 0..3 {
        if file::fstat(descriptor).is_err() && file::open("/dev/null", libc::O_RDWR).is_err() {
            out::fail("no /dev/null");
        }
    }
    sig::reset();
    let _ = file::umask(0o022);
    if let Ok((_, hard)) = proc::limit(libc::RLIMIT_CORE) {
        let _ = proc::set_limit(libc::RLIMIT_CORE, 0, hard);
    }
    if let Ok((_, hard)) = proc::limit(libc::RLIMIT_NOFILE) {
        let _ = proc::set_limit(libc::RLIMIT_NOFILE, hard.min(1024), hard);
    }
}
