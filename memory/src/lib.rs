//! The memory multiplexor (§3.2): who has which frame, who may have one more, and what is
//! taken back when there is none.
//!
//! It knows no hardware: frames are numbers. The machine keeps their contents, the resources
//! their use. A resource allocates a frame for an [`Account`] with a [`Cookie`]; a rejection
//! concerns the activity alone. What is rejected may wait ([`Multiplexor::wait`]); then
//! [`Multiplexor::step`] says what is to be done next: ask a resource for a frame back, let a
//! waiter go on, or tell one that nothing can be had. The caller makes requests of that,
//! billed to [`Order::bill`] and served at the place of [`Order::place`].
//!
//! # Invariants
//! - A frame is free, earmarked for a waiter, or held by one activity or more. Nobody gets a
//!   frame that another holds.
//! - Every holder is charged a frame's full price, so that no one's leaving it can push
//!   another over its budget, or leave a minimum without memory behind it.
//! - `available + Σ max(minimum, charged) + reserve = frames`, exactly: a minimum is set
//!   aside from the day its account is opened (`account.rs`).
//! - Nothing on the path of allocation, of giving back or of reclamation allocates from the
//!   heap: all tables have their size from the beginning.
//!
//! # Who may call what
//! Everything takes `&self` and may be called on every core. Holders of one frame are changed
//! by those who hold it: a resource does not free a frame while it lets another join it.
//! Locks: a core's own magazine, which nobody contends for but who runs out; beneath it the
//! pool's; above both the table of what is shared or waited for, which the usual path of a
//! frame does not touch.
#![no_std]

extern crate alloc;

mod account;
mod audit;
mod blocks;
mod buddy;
mod cold;
mod due;
mod kernel;
mod leaving;
mod lent;
mod links;
mod magazine;
mod multiplexor;
mod names;
mod objects;
pub mod policy;
mod reclaim;
mod record;
mod search;
mod share;

pub use account::{Budget, OpenError, Standing};
pub use audit::{Imbalance, Ledger};
pub use cold::{Answer, Order, OrderId, Orders, Stale, Step, WaitError, WaiterId};
pub use due::Due;
pub use lent::TRIES;
pub use multiplexor::{Multiplexor, Spec, SpecError};
pub use names::{Account, Cookie, FrameId, HUGE, RESOURCES, Rejected, ResourceId, Why};
pub use objects::{ObjectCount, ObjectKind};
pub use record::{Information, Left};
