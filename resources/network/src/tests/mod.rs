//! The whole way, on simulated machines and a simulated wire.

mod datagrams;
mod demultiplexing;
mod floods;
mod patience;
mod streams;
pub(crate) mod wire;
mod world;
