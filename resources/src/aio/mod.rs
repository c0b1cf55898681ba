//! Asynchronous I/O (AIOR, §3.3.1, §4.3): POSIX's interface, as Vortex's own calls.
//!
//! An operation moves data from a *source* to a *sink*, and AIOR sees to it that it flows. What
//! a source or a sink is asked for is its READ or its WRITE, and what it answers READ_DONE or
//! WRITE_DONE:
//!
//! ```text
//!                       source, READ                     sink, WRITE
//!  read, cached file    FCR: frames of pages             ASR: a window on them (§4.3)
//!  read, all else       the file resource ───────────►   frames of the program's buffer
//!  write                ASR: frames of the buffer ───►   the file resource
//! ```
//!
//! A cached page is not copied here: the program sees its frame, may only read it, and copies it
//! itself (`services/aio`). Where there is no room for a window, AIOR copies in its place.
//!
//! An operation is one request, which goes on when its source or its sink has answered: so what
//! is asked for it comes one after the other, and all of it, but for ASR's, has its label. Those
//! on one descriptor that write, or that have no place (pipes), come one after the other as they
//! were made.
//!
//! # Invariants
//! - AIOR is at home on one core, and owns what it knows.
//! - An operation belongs to a process with the memory that it was begun with: a program that
//!   takes another's place has none of that one's.
//! - A buffer is held only while bytes are moved; a control block's frame until its operation
//!   has ended, for then the result is written there.

mod block;
mod calls;
mod cancel;
mod copy;
mod end;
mod finish;
mod list;
mod operation;
mod owner;
mod read;
mod request;
mod resource;
mod slots;
mod submit;
mod suspend;
mod transfer;
mod waiters;

pub use request::{AioCall, AioRequest};
pub use resource::AsyncIo;
