//! Signals, as signal(7) and the calls around it define them: which there are, what becomes
//! of each, which wait, and the frame in which a handler runs.
//!
//! All of this is a function of its arguments: no locks, no clock, no memory of a process.
//! Who sends, who is interrupted and where the bytes are written is decided by the thread
//! resource. A thread has its own [`Pending`], its blocked [`SignalSet`] and its [`Stack`];
//! its process has a [`Pending`] more and the [`Actions`].
//!
//! The way of a signal to its handler:
//!
//! ```text
//!  Actions::discards ─no─► Pending::add ─► Pending::take ─► Actions::deliver
//!                                                               │
//!               frame::parse_return ◄── handler ◄── frame::build ◄┘ restart::resume first
//! ```
//!
//! Sources: signal(7), sigaction(2), sigaltstack(2), sigreturn(2), `sigqueue(3)` of the Linux
//! manual, and the System V ABI for x86-64 (red zone, stack alignment).

mod action;
mod actions;
pub mod frame;
mod info;
mod pending;
pub mod restart;
mod set;
mod signal;
mod stack;

#[cfg(test)]
mod tests;

pub use action::{Action, Handler};
pub use actions::{Actions, Delivered};
pub use info::{Cause, Detail, Ended, Info};
pub use pending::{Added, Pending, REALTIME_LIMIT, SIGNAL};
pub use set::{How, SignalSet};
pub use signal::{Disposition, Signal};
pub use stack::Stack;
