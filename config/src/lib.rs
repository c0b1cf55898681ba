//! The configuration of Vortex (§3.1.2): one XML file, a superset of the paper's Figure 6,
//! read at boot by the kernel and on the host by `check` and `simulate`.
//!
//! [`parse`] turns the text into a typed [`Config`] or into *every* [`Flaw`] it has, each
//! with its place, what is wrong and what would be right. Nothing is accepted and ignored:
//! an element, attribute or knob that would have no effect is a flaw. [`analyse`] says what
//! a sound configuration guarantees to whom.
//!
//! # Invariants
//! A [`Config`] that `parse` returns is consistent: every index in it is in range, every
//! core named has a multiplexor, no scheduler requests from itself through others, no
//! simulated request multiplies without end, and minimums fit into memory. Time and memory
//! of reading are bounded by [`limits`].
#![no_std]

extern crate alloc;

mod analyse;
mod change;
mod flaw;
mod known;
pub mod limits;
mod lookup;
mod read;
mod types;

pub use analyse::{
    Analysis, Fraction, Guarantee, Holds, LISTED, Level, Note, NoteKind, PERIOD, Reason, Reserved,
    Scope, analyse,
};
pub use change::{At, Change, Terms, UNNAMED};
pub use flaw::{Flaw, Place, Warning};
pub use known::{Known, KnownPolicy, KnownReclamation};
pub use lookup::THREAD;
pub use read::{Judging, Refusal, order, parse, parse_with};
pub use types::*;

#[cfg(test)]
mod tests;
