//! The system call instruction.

use std::arch::asm;

use crate::Errno;

/// What a system call answered.
pub type Res<T = usize> = Result<T, Errno>;

/// An address at which no process has memory: below what Linux lets anybody map.
pub const NOWHERE: usize = 16;

/// Makes a system call; arguments that are not given are zero.
///
/// # Safety
///
/// The kernel does what number and arguments say: whatever memory they name must be the
/// caller's to have read or changed.
pub unsafe fn call(number: i64, arguments: &[usize]) -> Res {
    let mut a = [0; 6];
    a[..arguments.len()].copy_from_slice(arguments);
    let answer: isize;
    // SAFETY: the instruction changes rax, rcx and r11 and no stack; what the kernel does
    // beside is the caller's to answer for.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") a[0],
            in("rsi") a[1],
            in("rdx") a[2],
            in("r10") a[3],
            in("r8") a[4],
            in("r9") a[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    match answer {
        -4095..0 => Err(Errno(-answer as i32)),
        answer => Ok(answer as usize),
    }
}

/// `sys!(number, arguments…)`: [`call`] with every argument cast to a word. Unsafe as it is.
#[macro_export]
macro_rules! sys {
    ($number:expr $(, $argument:expr)* $(,)?) => {
        $crate::sys::call($number, &[$($argument as usize),*])
    };
}

/// A path as the kernel wants it.
///
/// # Panics
///
/// Where there is a zero byte in it.
pub fn c(text: &str) -> std::ffi::CString {
    std::ffi::CString::new(text).expect("a path without a zero byte")
}
