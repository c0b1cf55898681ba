//! What the guest programs share: system calls without a C library between, and thin forms
//! of them that are safe to call.
//!
//! The calls are made by the instruction itself, so that what a program observes is what
//! the kernel answered, number and error alike. Only `fork`, `sigaction` and the start of
//! the program are the C library's, because they keep state of its own.

pub mod activity;
pub mod args;
pub mod errno;
pub mod event;
pub mod fd;
pub mod file;
pub mod futex;
pub mod inet;
pub mod mem;
pub mod out;
pub mod pipe;
pub mod proc;
pub mod random;
pub mod sig;
pub mod socket;
pub mod sys;
pub mod temp;
pub mod thread;
pub mod time;

pub use errno::Errno;
pub use sys::Res;
