//! What the network needs of the machine that it runs on.

use alloc::boxed::Box;
use alloc::vec::Vec;

use vortex_grid::Context;

use crate::socket::SocketId;

/// The memory of a machine.
pub trait Host: Send + Sync + Sized + 'static {
    /// Where a packet lies for its device.
    type Buffer: Buffer;
    /// Where a program has its data.
    type Data: Data;
}

/// [`crate::BUFFER`] bytes that a device can reach.
pub trait Buffer: Send + Sized + 'static {
    /// Makes some, at least one; false where there is no memory.
    fn make(into: &mut Vec<Self>) -> bool;

    /// Copies out from a place on; returns how many bytes there were.
    fn read(&self, at: usize, bytes: &mut [u8]) -> usize;

    /// Copies in from a place on; returns how many bytes had room.
    fn write(&self, at: usize, bytes: &[u8]) -> usize;
}

/// Memory of a program, pinned.
pub trait Data: Send + 'static {
    /// How many bytes.
    fn bytes(&self) -> usize;

    /// Copies out from a place on; returns how many bytes there were.
    fn read(&self, at: usize, bytes: &mut [u8]) -> usize;

    /// Copies in from a place on; returns how many bytes had room.
    fn write(&self, at: usize, bytes: &[u8]) -> usize;
}

/// What the network asks of others.
pub trait Hooks<M>: Send + Sync {
    /// A number that nobody can foresee.
    fn random(&self) -> u64;

    /// A socket is ready for something: at most one request is sent.
    fn ready(&self, socket: SocketId, cx: &mut Context<'_, M>);
}

/// What is the same for all hooks.
pub type AnyHooks<M> = Box<dyn Hooks<M>>;
