//! The process interface: Linux's system calls, declared once in `calls.toml`, and the
//! types and the decoder that are generated from the declarations (§3.4).
//!
//! A decoded call has its pointers as *spans*: address and length, not yet looked at. The
//! stub pins their pages before the call becomes a request, so that no resource ever sees a
//! pointer of a process.
#![no_std]

extern crate alloc;

mod calls;
mod errno;
pub mod performance;
mod span;

pub use calls::{
    Aio, Call, DECLARED, Declared, Direct, Files, Memory, Monitor, Process, decode, decode_direct,
    name,
};
pub use errno::Errno;
pub use linux_raw_sys as linux;
pub use span::{Fd, In, InOut, Iov, IovIn, IovOut, Operand, Out, Path, Span};
