//! Memory that a device reads or writes.

use vortex_units::Bytes;

/// Parts of memory, in order, as a driver hands them to its device. Whoever has one keeps the
/// memory; another of the same parts is another handle.
pub trait Memory: Send + Sized + 'static {
    /// Nothing.
    fn none() -> Self;

    /// Memory of the kernel's own, zeros, at most a page; `None` where there is none.
    fn own(bytes: usize) -> Option<Self>;

    /// Another handle of a part; `None` where it is not within, or there is no room for it.
    fn part(&self, at: usize, bytes: usize) -> Option<Self>;

    /// This, and the other behind it; `false` where there is no room for it.
    #[must_use]
    fn join(&mut self, other: &Self) -> bool;

    /// How many bytes.
    fn bytes(&self) -> Bytes;

    /// In how many pieces it lies.
    fn pieces(&self) -> usize;

    /// Copies out from the start; returns how many bytes there were.
    fn read(&self, bytes: &mut [u8]) -> usize;

    /// Copies in from the start; returns how many bytes had room.
    fn write(&self, bytes: &[u8]) -> usize;
}
