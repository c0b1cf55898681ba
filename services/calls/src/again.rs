//! What this program does when a test starts it anew: `calls --as ROLE…`.

use vortex_guest::{fd, file, out, proc, say, sig};

/// Plays the role; does not return.
pub fn run() -> ! {
    let role = std::env::args().nth(2).unwrap_or_default();
    let rest: Vec<String> = std::env::args().skip(3).collect();
    match role.as_str() {
        "nothing" => {}
        "exit" => proc::exit(rest.first().and_then(|code| code.parse().ok()).unwrap_or(99)),
        "arguments" => arguments(&rest),
        "auxiliary" => auxiliary(),
        "descriptors" => descriptors(),
        "signals" => signals(),
        "limit" => out::seen("limit", proc::limit(libc::RLIMIT_NOFILE).map(|l| format!("{l:?}"))),
        "wait" => {
            let _ = fd::write(1, b"x");
            let _ = fd::read_text(0, 1);
        }
        "places" => places(),
        "pid" => out::put(1, &format!("{}\n", proc::pid())),
        "count" => say!("{} arguments of {} bytes", rest.len(), rest.concat().len()),
        _ => out::fail(&format!("no role '{role}'")),
    }
    proc::exit(0)
}

/// As the interpreter of a script: every argument.
pub fn script() -> ! {
    for argument in std::env::args() {
        say!("argument '{argument}'");
    }
    proc::exit(0)
}

/// Arguments, with what stands before the last slash left out, and the environment.
fn arguments(rest: &[String]) {
    for argument in rest {
        say!("argument {}", argument.rsplit('/').next().unwrap_or_default());
    }
    for (name, value) in std::env::vars() {
        say!("environment {name}={value}");
    }
}

fn auxiliary() {
    let value = |kind| {
        // SAFETY: it reads what the kernel left on the stack.
        unsafe { libc::getauxval(kind) }
    };
    say!("page size {}", value(libc::AT_PAGESZ));
    say!("program headers {}", value(libc::AT_PHDR) != 0);
    say!("size of a program header {}", value(libc::AT_PHENT));
    say!("number of program headers {}", value(libc::AT_PHNUM) > 0);
    say!("entry {}", value(libc::AT_ENTRY) != 0);
    say!("random bytes {}", value(libc::AT_RANDOM) != 0);
    say!("user is the user {}", value(libc::AT_UID) == proc::number(libc::SYS_getuid) as u64);
    say!("secure {}", value(libc::AT_SECURE));
    let name = value(libc::AT_EXECFN) as *const libc::c_char;
    if name.is_null() {
        say!("no file name");
    } else {
        // SAFETY: the kernel left a string there.
        let name = unsafe { std::ffi::CStr::from_ptr(name) };
        say!("file name {}", out::text(name.to_bytes()));
    }
}

/// Where the stack, a mapping, the heap and the code are.
fn places() {
    let local = std::hint::black_box(0_u8);
    let mapping = vortex_guest::mem::Region::anonymous(4096, vortex_guest::mem::BOTH);
    // SAFETY: the call tells the end of the heap, and changes nothing.
    let heap = unsafe { vortex_guest::sys!(libc::SYS_brk, 0) }.unwrap_or(0);
    let stack = &raw const local as usize;
    out::put(
        1,
        &format!("{stack:x} {:x} {heap:x} {:x}\n", mapping.start(), places as *const () as usize),
    );
}

/// Which descriptors below 32 are open.
fn descriptors() {
    let open: Vec<_> = (0..32).filter(|n| fd::fcntl(*n, libc::F_GETFD, 0).is_ok()).collect();
    say!("open {open:?}");
    if open.contains(&5) {
        out::seen("read from 5", fd::read_text(5, 16));
    }
    out::worked("current folder", file::current(4096));
}

/// Which signals are ignored, blocked, pending: as this program was started, which is why it
/// looks at those that Rust's start leaves alone.
fn signals() {
    for signal in [libc::SIGUSR1, libc::SIGUSR2, libc::SIGTERM] {
        let handler = sig::action(signal, libc::SIG_DFL, 0, &[]).map(|old| old.sa_sigaction);
        let action = match handler {
            Ok(libc::SIG_DFL) => "default".to_string(),
            Ok(libc::SIG_IGN) => "ignored".to_string(),
            Ok(_) => "handled".to_string(),
            Err(error) => error.to_string(),
        };
        say!("{} {action}", sig::name(signal));
    }
    say!("blocked {}", sig::names(sig::mask(libc::SIG_BLOCK, &[]).unwrap_or(0)));
    say!("pending {}", sig::names(sig::pending()));
}
