//! What `build.rs` generates from `calls.toml`.

// Which kinds are used, the declarations say.
use crate::span::*;

/// A declaration, for tables and messages.
#[derive(Clone, Copy, Debug)]
pub struct Declared {
    /// Linux's number on x86-64.
    pub number: u32,
    /// Linux's name.
    pub name: &'static str,
    /// `direct`, or the resource that it becomes a request to.
    pub to: &'static str,
    /// As declared.
    pub arguments: &'static [&'static str],
    /// What it does, in a line.
    pub about: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/calls.rs"));

/// What the call of this number is called, if there is one.
#[must_use]
pub fn name(number: u64) -> Option<&'static str> {
    let place = DECLARED.binary_search_by_key(&number, |call| u64::from(call.number)).ok()?;
    DECLARED.get(place).map(|call| call.name)
}
