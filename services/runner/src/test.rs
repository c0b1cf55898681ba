//! One test: a process of its own, in an empty folder, watched until it ends.

use std::time::Duration;

use vortex_guest::{Res, fd, file, out, pipe, proc, sig, time};

/// How long what it left behind may go on to print, and how long it may take to die.
const GRACE: Duration = Duration::from_secs(1);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// The most that a test may print.
const MOST: usize = 1 << 18;
/// As on the host.
const ENVIRONMENT: &[&str] = &["HOME=/tmp", "PATH=/bin:/usr/bin"];

/// Runs it, for so long at most; with what it ended, 128 + N for signal N.
pub fn run(place: usize, words: &[&str], limit: Duration) -> i32 {
    let ends = match pipe::pipe(libc::O_CLOEXEC) {
        Ok(ends) => ends,
        Err(error) => return gone(&format!("no pipe: {error}")),
    };
    let child = proc::fork(|| {
        become_test(place, words, ends);
        127
    });
    let _ = fd::close(ends.into);
    let status = match child {
        Ok(child) => watch(child, ends.out, limit),
        Err(error) => gone(&format!("no child: {error}")),
    };
    let _ = fd::close(ends.out);
    status
}

fn gone(why: &str) -> i32 {
    out::put(1, &format!("runner: {why}\n"));
    126
}

/// In the child: its surroundings, then its program. Comes back only where that fails.
fn become_test(place: usize, words: &[&str], ends: pipe::Pipe) {
    let folder = format!("/tmp/test-{place}");
    // Rust's start of this program ignores it.
    let _ = sig::default(libc::SIGPIPE);
    let program = words.first().copied().unwrap_or_default();
    let ready = proc::set_group(0, 0)
        .and_then(|_| file::open("/dev/null", libc::O_RDONLY))
        .and_then(|null| fd::dup2(null, 0))
        .and_then(|_| fd::dup2(ends.into, 1))
        .and_then(|_| fd::dup2(ends.into, 2))
        .and_then(|_| file::mkdir(&folder, 0o700))
        .and_then(|_| file::chdir(&folder));
    for descriptor in 3..16 {
        let _ = fd::close(descriptor);
    }
    let error = match ready {
        Ok(_) => proc::exec(program, words, ENVIRONMENT),
        Err(error) => error,
    };
    out::put(2, &format!("runner: {program}: {error}\n"));
}

/// Follows a test to its end.
fn watch(child: i32, from: i32, limit: Duration) -> i32 {
    let _ = fd::fcntl(from, libc::F_SETFL, libc::O_NONBLOCK);
    let begin = time::now();
    let mut output = Output { from, room: MOST };
    loop {
        while matches!(output.pass(), Ok(1..)) {}
        match proc::wait_for(child, libc::WNOHANG) {
            Ok((0, _)) => {}
            Ok((_, status)) => {
                output.rest();
                return code(status);
            }
            Err(error) => return gone(&format!("no status: {error}")),
        }
        if time::now() - begin > limit || output.room == 0 {
            let why = if output.room == 0 { "printed too much" } else { "did not end in time" };
            return end(child, why);
        }
        time::pause(LOOK);
    }
}

/// Kills a test and what it has started.
fn end(child: i32, why: &str) -> i32 {
    let _ = sig::kill(-child, libc::SIGKILL);
    let _ = sig::kill(child, libc::SIGKILL);
    let begin = time::now();
    loop {
        match proc::wait_for(child, libc::WNOHANG) {
            Ok((0, _)) if time::now() - begin < GRACE => time::pause(LOOK),
            Ok((0, _)) => return gone(&format!("it {why}, and cannot be killed")),
            _ => return gone(&format!("it {why}")),
        }
    }
}

fn code(status: i32) -> i32 {
    if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
}

/// What a test prints, on its way to the console.
struct Output {
    from: i32,
    room: usize,
}

impl Output {
    /// Passes on what there is; how much that was, nothing at the end.
    fn pass(&mut self) -> Res {
        let mut bytes = [0; 4096];
        let length = fd::read(self.from, &mut bytes)?;
        let mut rest = &bytes[..length.min(self.room)];
        self.room -= rest.len();
        while let Ok(written @ 1..) = fd::write(1, rest) {
            rest = &rest[written..];
        }
        Ok(length)
    }

    /// Passes on what its descendants still print, until they have closed the pipe.
    fn rest(&mut self) {
        let begin = time::now();
        while self.room > 0 && time::now() - begin < GRACE {
            match self.pass() {
                Ok(0) => return,
                Ok(_) => {}
                Err(_) => time::pause(LOOK),
            }
        }
    }
}
