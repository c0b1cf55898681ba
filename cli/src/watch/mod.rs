//! A machine that runs, watched from here: its monitor's samples, fetched over TCP, compared
//! with each other, kept for a while, and shown.
//!
//! The monitor (`services/monitor`) is an ordinary process of the machine. What is fetched are
//! the bytes of the system call itself, so that the machine spends as little as can be on it.

pub mod figures;
pub mod follow;
pub mod history;
mod monitor;
pub mod said;
pub mod standing;
pub mod view;

pub use monitor::{Monitor, Unheard};
