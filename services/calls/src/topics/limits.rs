//! Limits.

use libc::{RLIMIT_NOFILE, RLIMIT_STACK};
use vortex_guest::out::{seen, worked};
use vortex_guest::{fd, pipe, proc, say};

crate::tests!("limits":
    "descriptors" => descriptors,
    "stack" => stack,
    "too-many-files" => too_many,
    "inherited" => inherited,
    "errors" => errors,
);

fn shown(resource: i32) {
    seen("limits", proc::limit(resource).map(|limits| format!("{limits:?}")));
}

fn descriptors() {
    worked("set", proc::set_limit(RLIMIT_NOFILE, 20, 30));
    shown(RLIMIT_NOFILE);
    worked("soft to hard", proc::set_limit(RLIMIT_NOFILE, 30, 30));
    shown(RLIMIT_NOFILE);
    seen("soft over hard", proc::set_limit(RLIMIT_NOFILE, 31, 30));
    shown(RLIMIT_NOFILE);
}

fn stack() {
    worked("set", proc::set_limit(RLIMIT_STACK, 1 << 20, 4 << 20));
    shown(RLIMIT_STACK);
}

fn too_many() {
    worked("set", proc::set_limit(RLIMIT_NOFILE, 10, 10));
    let error = loop {
        match fd::dup(1) {
            Ok(fd) => say!("{fd}"),
            Err(error) => break error,
        }
    };
    say!("{error}");
    seen("pipe", pipe::pipe(0).map(|pipe| pipe.out));
    seen("open", vortex_guest::file::open("/dev/null", libc::O_RDONLY));
    worked("close", fd::close(9));
    seen("pipe with room for one", pipe::pipe(0).map(|pipe| pipe.out));
    seen("dup", fd::dup(1));
    seen("dup2 over the limit", fd::dup2(1, 10));
}

fn inherited() {
    worked("set", proc::set_limit(RLIMIT_NOFILE, 21, 22));
    say!(
        "{}",
        proc::outcome(|| {
            shown(RLIMIT_NOFILE);
            worked("set", proc::set_limit(RLIMIT_NOFILE, 11, 12));
            0
        })
    );
    shown(RLIMIT_NOFILE);
}

fn errors() {
    seen("no such limit", proc::limit(99).map(|limit| limit.0));
    seen("set none", proc::set_limit(99, 1, 1));
}
