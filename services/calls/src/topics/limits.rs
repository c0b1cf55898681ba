//! Limits.

use libc::{RLIMIT_AS, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_STACK};
use vortex_guest::out::{seen, worked};
use vortex_guest::temp::Temp;
use vortex_guest::{fd, file, pipe, proc, say, sig, sys, time};

crate::tests!("limits":
    "descriptors" => descriptors,
    "stack" => stack,
    "too-many-files" => too_many,
    "inherited" => inherited,
    "through-exec" => through_exec,
    "file-size" => file_size,
    "file-size-kills" => file_size_kills,
    "address-space" => address_space,
    "data" => data,
    "stack-overflow" => stack_overflow,
    "cpu" => cpu,
    "cpu-kills" => cpu_kills,
    "of-a-child" => of_a_child,
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

fn through_exec() {
    worked("set", proc::set_limit(RLIMIT_NOFILE, 23, 24));
    super::exec::run(&super::exec::here(), &["calls", "--as", "limit"], &[]);
}

fn write_into(fd: i32, bytes: usize) -> vortex_guest::Res {
    fd::write(fd, &vec![b'x'; bytes])
}

fn file_size() {
    let _temp = Temp::new("limits");
    worked("handle", sig::handle(libc::SIGXFSZ, sig::NOTE, 0, &[]));
    let fd = super::files::make("a");
    worked("set", proc::set_limit(RLIMIT_FSIZE, 1000, 2000));
    seen("write up to it", write_into(fd, 990));
    seen("write across it", write_into(fd, 20));
    say!("noted {}", sig::noted_names());
    seen("write beyond it", write_into(fd, 1));
    say!("noted {}", sig::noted_names());
    seen("write none", write_into(fd, 0));
    seen("make longer", fd::truncate(fd, 1001));
    say!("noted {}", sig::noted());
    seen("make as long", fd::truncate(fd, 1000));
    seen("overwrite", fd::pwrite(fd, b"yy", 5));
    seen("size", file::fstat(fd).map(|stat| stat.size()));
    let pipe = pipe::plain();
    seen("a pipe has none", write_into(pipe.into, 2000));
    worked("raise", proc::set_limit(RLIMIT_FSIZE, 1500, 2000));
    seen("write on", write_into(fd, 1000));
}

fn file_size_kills() {
    let _temp = Temp::new("limits");
    let fd = super::files::make("a");
    let outcome = proc::outcome(|| {
        worked("set", proc::set_limit(RLIMIT_FSIZE, 10, 10));
        seen("write", write_into(fd, 20));
        seen("write", write_into(fd, 20));
        0
    });
    say!("{outcome}");
}

const MB: usize = 1 << 20;

fn map(bytes: usize, rights: i32) -> vortex_guest::Res<usize> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping is made, of memory that nothing uses.
    unsafe { sys!(libc::SYS_mmap, 0, bytes, rights, flags, usize::MAX, 0) }
}

fn address_space() {
    worked("set", proc::set_limit(RLIMIT_AS, 256 << 20, 256 << 20));
    seen("too much", map(257 * MB, libc::PROT_NONE).map(|_| "mapped"));
    let part = map(200 * MB, libc::PROT_NONE);
    seen("some", part.map(|_| "mapped"));
    seen("some more", map(100 * MB, libc::PROT_READ).map(|_| "mapped"));
    if let Ok(part) = part {
        // SAFETY: the mapping above goes, and nothing uses it.
        seen("less", unsafe { sys!(libc::SYS_munmap, part, 200 * MB) });
    }
    seen("some more", map(100 * MB, libc::PROT_READ).map(|_| "mapped"));
}

fn data() {
    worked("set", proc::set_limit(RLIMIT_DATA, 64 << 20, 64 << 20));
    let (none, both) = (libc::PROT_NONE, libc::PROT_READ | libc::PROT_WRITE);
    seen("too much", map(65 * MB, both).map(|_| "mapped"));
    let part = map(65 * MB, none);
    seen("of what may not be written", part.map(|_| "mapped"));
    if let Ok(part) = part {
        // SAFETY: the mapping above is made writable; nothing uses it.
        seen("then written", unsafe { sys!(libc::SYS_mprotect, part, 65 * MB, both) });
    }
    // SAFETY: the call tells the end of the heap, and changes nothing.
    let end = unsafe { sys!(libc::SYS_brk, 0) }.unwrap_or(0);
    // SAFETY: the heap would grow, where nothing is.
    let grown = unsafe { sys!(libc::SYS_brk, end + 65 * MB) }.unwrap_or(0);
    say!("the heap does not grow {}", grown == end);
    seen("some", map(32 * MB, both).map(|_| "mapped"));
}

/// How deep the stack gets, in steps of 64 KiB, up to so many.
fn deep(steps: usize) -> usize {
    let block = std::hint::black_box([1_u8; 64 << 10]);
    if steps == 0 { 0 } else { deep(steps - 1) + usize::from(block[steps]) }
}

fn stack_overflow() {
    let outcome = |soft: u64, steps: usize| {
        proc::outcome(|| {
            worked("set", proc::set_limit(RLIMIT_STACK, soft, 8 << 20));
            i32::from(deep(steps) != steps)
        })
    };
    say!("2 MiB of 4: {}", outcome(4 << 20, 32));
    say!("4 MiB of 1: {}", outcome(1 << 20, 64));
}

fn cpu() {
    let outcome = proc::outcome(|| {
        worked("handle", sig::handle(libc::SIGXCPU, sig::NOTE, 0, &[]));
        worked("set", proc::set_limit(RLIMIT_CPU, 1, 100));
        while sig::noted() == 0 {
            std::hint::spin_loop();
        }
        say!("noted {}", sig::noted_names());
        let used = time::clock(libc::CLOCK_PROCESS_CPUTIME_ID).unwrap_or_default();
        // Linux samples at its ticks for this limit: on a busy host it counts more than there was.
        say!("not before {}", used.as_millis() >= 500);
        0
    });
    say!("{outcome}");
}

fn cpu_kills() {
    let outcome = |hard: u64| {
        proc::outcome(|| {
            let _ = proc::set_limit(RLIMIT_CPU, 1, hard);
            loop {
                std::hint::spin_loop();
            }
        })
    };
    say!("soft: {}", outcome(9));
    say!("hard: {}", outcome(1));
}

fn prlimit(pid: i32, resource: i32, new: Option<(u64, u64)>) -> vortex_guest::Res<(u64, u64)> {
    let new = new.map(|(soft, hard)| [soft, hard]);
    let given = new.as_ref().map_or(std::ptr::null(), |new| new.as_ptr());
    let mut old = [0_u64; 2];
    // SAFETY: the kernel reads and writes structures of two words.
    unsafe { sys!(libc::SYS_prlimit64, pid, resource, given, old.as_mut_ptr()) }?;
    Ok((old[0], old[1]))
}

fn of_a_child() {
    let (go, told) = (pipe::plain(), pipe::plain());
    let child = proc::child(|| {
        let _ = fd::read_text(go.out, 1);
        let limit = proc::limit(RLIMIT_NOFILE);
        let _ = fd::write(told.into, format!("{limit:?}").as_bytes());
        0
    });
    seen("before", prlimit(child, RLIMIT_FSIZE, Some((77, 88))).map(|old| format!("{old:?}")));
    seen("then", prlimit(child, RLIMIT_FSIZE, None).map(|old| format!("{old:?}")));
    worked("set", prlimit(child, RLIMIT_NOFILE, Some((33, 44))));
    worked("go", fd::write(go.into, b"x"));
    seen("it has", fd::read_text(told.out, 64));
    say!("{}", proc::wait(child));
    seen("one's own", proc::limit(RLIMIT_NOFILE).map(|limit| limit.0));
    seen("nobody's", prlimit(1 << 22, RLIMIT_NOFILE, None).map(|limit| limit.0));
}

fn errors() {
    seen("no such limit", proc::limit(99).map(|limit| limit.0));
    seen("set none", proc::set_limit(99, 1, 1));
}
