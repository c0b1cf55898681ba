//! The book of Vortex. Its chapters are the Markdown files beside this one; as this crate's
//! documentation their code is compiled and run by `./vortex test book`.
//!
//! [`toy`] is what the chapters use of a machine: as little as there can be.

pub mod toy;

#[doc = include_str!("grid.md")]
pub mod grid {}

#[doc = include_str!("laws.md")]
pub mod laws {}

#[doc = include_str!("scheduler.md")]
pub mod scheduler {}

#[doc = include_str!("resource.md")]
pub mod resource {}

#[doc = include_str!("boot.md")]
pub mod boot {}

#[doc = include_str!("system_call.md")]
pub mod system_call {}

#[doc = include_str!("block.md")]
pub mod block {}

#[doc = include_str!("calls.md")]
pub mod calls {}

#[doc = include_str!("subactivities.md")]
pub mod subactivities {}

#[doc = include_str!("performance.md")]
pub mod performance {}
