//! The toolkit from outside: the life of requests, the four models of §3.5, the laws.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used)]

mod allowances;
mod billing;
mod changed;
mod cooperative;
mod crowds;
mod debts;
mod favours;
mod isolation;
mod laws;
mod live;
mod orders;
mod parts;
mod poked;
mod policies;
mod probe;
mod removal;
mod requests;
mod stopped;
mod support;
mod threads;
mod told;
mod traced;
mod turns;
