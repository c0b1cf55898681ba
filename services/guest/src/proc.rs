//! Processes: making, replacing, ending and awaiting them.

use crate::sig;
use crate::sys::c;
use crate::{Res, errno, out, sys, time};

/// Ends the process, all its threads included.
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: it does not return.
        let _ = unsafe { sys!(libc::SYS_exit_group, code) };
    }
}

/// Makes a child that runs a function and exits with what it gives.
pub fn child(work: impl FnOnce() -> i32) -> i32 {
    match fork(work) {
        Ok(pid) => pid,
        Err(error) => out::fail(&format!("no child: {error}")),
    }
}

/// The same a little later, when its parent has begun to wait.
pub fn later(work: impl FnOnce() -> i32) -> i32 {
    child(|| {
        time::pause(time::SOON);
        work()
    })
}

/// As [`child`], where it may fail.
pub fn fork(work: impl FnOnce() -> i32) -> Res<i32> {
    // SAFETY: the programs fork while they have one thread, or else the child uses nothing
    // that another thread could have held locked.
    match unsafe { libc::fork() } {
        -1 => Err(errno::last()),
        0 => exit(work()),
        pid => Ok(pid),
    }
}

/// Awaits a child, or -1 for any: who it was and its status word.
pub fn wait_for(pid: i32, options: i32) -> Res<(i32, i32)> {
    let mut status = 0_i32;
    // SAFETY: the kernel writes the status word; no resource usage is asked for.
    let who = unsafe { sys!(libc::SYS_wait4, pid, &raw mut status, options, 0) }?;
    Ok((who as i32, status))
}

/// Awaits a child: how it ended, in words.
pub fn wait(pid: i32) -> String {
    loop {
        match wait_for(pid, 0) {
            Ok((_, status)) => return ended(status),
            Err(error) if error.0 == libc::EINTR => {}
            Err(error) => return error.to_string(),
        }
    }
}

/// Runs a function in a child, and says how it ended.
pub fn outcome(work: impl FnOnce() -> i32) -> String {
    wait(child(work))
}

/// A status word in words. The core bit is left out: it depends on where cores go.
pub fn ended(status: i32) -> String {
    if libc::WIFEXITED(status) {
        format!("exit {}", libc::WEXITSTATUS(status))
    } else if libc::WIFSIGNALED(status) {
        format!("killed by {}", sig::name(libc::WTERMSIG(status)))
    } else if libc::WIFSTOPPED(status) {
        format!("stopped by {}", sig::name(libc::WSTOPSIG(status)))
    } else if libc::WIFCONTINUED(status) {
        "continued".into()
    } else {
        format!("status {status:#x}")
    }
}

/// `waitid`: what its structure says.
pub fn wait_id(kind: u32, id: i32, options: i32) -> Res<libc::siginfo_t> {
    // SAFETY: all zero is a value of it.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes the structure.
    unsafe { sys!(libc::SYS_waitid, kind, id, &raw mut info, options, 0) }?;
    Ok(info)
}

/// Becomes another program; gives why not.
pub fn exec(path: &str, arguments: &[&str], environment: &[&str]) -> errno::Errno {
    let path = c(path);
    let arguments: Vec<_> = arguments.iter().map(|text| c(text)).collect();
    let environment: Vec<_> = environment.iter().map(|text| c(text)).collect();
    let end = std::iter::once(std::ptr::null());
    let argv: Vec<_> = arguments.iter().map(|text| text.as_ptr()).chain(end.clone()).collect();
    let envp: Vec<_> = environment.iter().map(|text| text.as_ptr()).chain(end).collect();
    // SAFETY: the kernel reads the path and both arrays, which end in a null.
    match unsafe { sys!(libc::SYS_execve, path.as_ptr(), argv.as_ptr(), envp.as_ptr()) } {
        Err(error) => error,
        Ok(_) => errno::Errno(0),
    }
}

/// The process's number.
pub fn pid() -> i32 {
    number(libc::SYS_getpid)
}

/// The parent's number.
pub fn parent() -> i32 {
    number(libc::SYS_getppid)
}

/// The thread's number.
pub fn tid() -> i32 {
    number(libc::SYS_gettid)
}

/// A call without arguments that gives a number and cannot fail.
pub fn number(call: i64) -> i32 {
    // SAFETY: the calls made through here (getpid and its like) name no memory.
    unsafe { sys!(call) }.map_or(-1, |number| number as i32)
}

/// Lets others run.
pub fn give_way() {
    // SAFETY: no memory is named.
    let _ = unsafe { sys!(libc::SYS_sched_yield) };
}

/// Waits until something holds; gives up, and says so, after half a minute.
pub fn until(mut holds: impl FnMut() -> bool) {
    let begin = crate::time::now();
    let mut turns = 0_u32;
    while !holds() {
        turns += 1;
        if turns < 100 {
            give_way();
        } else {
            crate::time::pause(std::time::Duration::from_millis(1));
        }
        if crate::time::now() - begin > std::time::Duration::from_secs(30) {
            out::fail("waited 30 s for what did not come");
        }
    }
}

/// A resource's limits, soft and hard.
pub fn limit(resource: i32) -> Res<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes the structure.
    unsafe { sys!(libc::SYS_getrlimit, resource, &raw mut limit) }?;
    Ok((limit.rlim_cur, limit.rlim_max))
}

/// Sets a resource's limits.
pub fn set_limit(resource: i32, soft: u64, hard: u64) -> Res {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the kernel reads the structure.
    unsafe { sys!(libc::SYS_setrlimit, resource, &raw const limit) }
}

/// Puts a process into a group.
pub fn set_group(pid: i32, group: i32) -> Res {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_setpgid, pid, group) }
}

/// The group of a process.
pub fn group(pid: i32) -> Res<i32> {
    // SAFETY: no memory is named.
    unsafe { sys!(libc::SYS_getpgid, pid) }.map(|group| group as i32)
}
