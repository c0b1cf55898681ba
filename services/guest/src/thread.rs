//! Threads made by the system call alone, for what the standard library's hide.

use std::arch::asm;

use crate::mem::{BOTH, PAGE, Region};
use crate::{Errno, Res, sys};

/// What makes a thread rather than a process.
pub const THREAD: i32 = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM;

/// What a raw thread runs. It must use no memory of its thread (the C library's is the
/// maker's), and so neither allocate nor print: words and system calls only.
pub type Work = extern "C" fn(usize);

/// What `clone` takes beside flags and stack.
#[derive(Clone, Copy, Default)]
pub struct Words {
    /// Where the kernel writes the number for the parent.
    pub parent: usize,
    /// Where it writes, or clears, the number for the child.
    pub child: usize,
    /// The thread's own base of FS.
    pub local: usize,
}

/// Starts a function on a stack of its own; it exits with 0 when that returns.
pub fn start(flags: i32, words: Words, work: Work, argument: usize) -> Res<i32> {
    let stack = Region::anonymous(16 * PAGE, BOTH);
    start_on(&stack, stack.length(), flags, words, work, argument)
}

/// The same on a stack that ends at this place of a region, which nobody unmaps before the
/// thread has ended.
pub fn start_on(
    stacks: &Region,
    top: usize,
    flags: i32,
    words: Words,
    work: Work,
    argument: usize,
) -> Res<i32> {
    let top = stacks.start() + top;
    let answer: isize;
    // SAFETY: the child has a stack of its own, runs `work` and exits; it never returns into
    // this frame. The parent gets the answer as of any call.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "xor edi, edi",
            "mov eax, 60",
            "syscall",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone as isize => answer,
            in("rdi") flags as usize,
            in("rsi") top,
            in("rdx") words.parent,
            in("r10") words.child,
            in("r8") words.local,
            in("r12") work as usize,
            in("r13") argument,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if answer < 0 { Err(Errno(-answer as i32)) } else { Ok(answer as i32) }
}

/// `clone` with flags that must be refused, which name no memory.
pub fn refused(flags: i32) -> Res {
    let Err(error) = start(flags, Words::default(), nothing, 0) else {
        return Ok(0);
    };
    Err(error)
}

extern "C" fn nothing(_: usize) {}

/// Ends this thread.
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: it does not return; the thread holds nothing.
        let _ = unsafe { sys!(libc::SYS_exit, code) };
    }
}

/// A real `vfork`, whose child does one thing on the parent's stack: writes a word and ends.
pub fn vfork_store(word: &std::sync::atomic::AtomicU32, value: u32, code: i32) -> Res<i32> {
    let answer: isize;
    // SAFETY: the child stays within these instructions, which use no stack, until it ends.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "mov dword ptr [r12], r13d",
            "mov edi, r14d",
            "mov eax, 231",
            "syscall",
            "2:",
            inlateout("rax") libc::SYS_vfork as isize => answer,
            in("r12") word.as_ptr(),
            in("r13") value as usize,
            in("r14") code as usize,
            lateout("rdi") _,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if answer < 0 { Err(Errno(-answer as i32)) } else { Ok(answer as i32) }
}
