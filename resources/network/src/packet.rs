//! Packets, in buffers that are used again and again.
//!
//! A buffer begins with the device's own header and the link's; what goes by IP is behind them.
//! Whoever has a [`Packet`] has its buffer; dropped, that goes back to where it came from.
//!
//! What a connection sends in one run within the machine goes on together: a packet may have others
//! behind it, which go the same way, and are one request with it at each resource.

use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;

use crate::host::Buffer;

/// Bytes of a buffer.
pub const BUFFER: usize = 2048;
/// What stands first in it: virtio's header (1.2, 5.1.6), in a modern device always this long.
pub const VIRTIO: usize = 12;
/// Then the link's.
pub const LINK: usize = 14;
/// Where the network's packet begins.
pub const HEAD: usize = VIRTIO + LINK;

/// Buffers that nobody has.
pub struct Pool<B> {
    free: Mutex<Shelf<B>>,
    most: usize,
}

struct Shelf<B> {
    free: Vec<B>,
    made: usize,
}

impl<B: Buffer> Pool<B> {
    /// One that makes so many at most, when they are wanted.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::new(Shelf { free: Vec::new(), made: 0 }), most })
    }

    /// A buffer; `None` where all are in use, or there is no memory.
    pub fn take(self: &Arc<Self>) -> Option<Packet<B>> {
        let mut shelf = self.free.lock();
        if shelf.free.is_empty() && shelf.made < self.most {
            // Room for all that there can be: giving back cannot fail.
            let room = self.most;
            shelf.free.try_reserve_exact(room).ok()?;
            let made = B::make(&mut shelf.free);
            if !made {
                return None;
            }
            shelf.made = shelf.made.saturating_add(shelf.free.len());
        }
        let buffer = shelf.free.pop()?;
        let behind = Vec::new();
        Some(Packet { buffer: Some(buffer), pool: self.clone(), length: 0, bare: false, behind })
    }

    /// How many are in use.
    #[must_use]
    pub fn in_use(&self) -> usize {
        let shelf = self.free.lock();
        shelf.made.saturating_sub(shelf.free.len())
    }
}

/// A packet.
pub struct Packet<B: Buffer> {
    /// There until it is dropped.
    buffer: Option<B>,
    pool: Arc<Pool<B>>,
    length: u16,
    /// Nobody has summed it up, for it never leaves the machine.
    bare: bool,
    /// Those that go with it.
    behind: Vec<Packet<B>>,
}

/// Packets that go together at most.
pub const TOGETHER: usize = 4;

impl<B: Buffer> Packet<B> {
    /// Whether another may go with it, which room is then made for.
    pub(crate) fn has_room_behind(&mut self) -> bool {
        let room = TOGETHER.saturating_sub(1);
        self.behind.len() < room && self.behind.try_reserve_exact(room).is_ok()
    }

    /// Another goes with it, behind all that do, if there is room.
    pub(crate) fn add(&mut self, packet: Self) {
        if self.has_room_behind() {
            self.behind.push(packet);
        }
    }

    /// It, and those that go with it.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Self> {
        core::iter::once(self).chain(&self.behind)
    }

    /// How many they are.
    pub(crate) fn count(&self) -> u32 {
        self.behind.len().saturating_add(1) as u32
    }

    /// Whether its checksum was left out.
    pub(crate) fn is_bare(&self) -> bool {
        self.bare
    }

    pub(crate) fn leave_bare(&mut self) {
        self.bare = true;
    }

    /// Its buffer.
    #[must_use]
    pub fn buffer(&self) -> Option<&B> {
        self.buffer.as_ref()
    }

    /// Bytes of its buffer that are in use, headers and all.
    #[must_use]
    pub fn length(&self) -> usize {
        usize::from(self.length)
    }

    /// So many are.
    pub fn set_length(&mut self, length: usize) {
        self.length = length.min(BUFFER) as u16;
    }

    /// Copies out what is in use from a place on; returns how many bytes there were.
    pub fn read(&self, at: usize, bytes: &mut [u8]) -> usize {
        let most = self.length().saturating_sub(at).min(bytes.len());
        let bytes = bytes.get_mut(..most).unwrap_or_default();
        self.buffer.as_ref().map_or(0, |buffer| buffer.read(at, bytes))
    }

    /// Copies in from a place on; what is in use goes as far at least.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        let done = self.buffer.as_ref().map_or(0, |buffer| buffer.write(at, bytes));
        self.set_length(self.length().max(at.saturating_add(done)));
    }
}

impl<B: Buffer> Drop for Packet<B> {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            // There is room: it came out of there.
            self.pool.free.lock().free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::wire::Bytes;

    #[test]
    fn what_goes_together_keeps_its_order_and_its_buffers() {
        let pool = Pool::<Bytes>::new(16);
        let packet = |byte: u8| {
            let mut packet = pool.take().unwrap();
            packet.write(0, &[byte]);
            packet
        };
        let byte = |packet: &Packet<Bytes>| {
            let mut byte = [0];
            packet.read(0, &mut byte);
            byte[0]
        };
        let bytes = |packet: &Packet<Bytes>| packet.all().map(byte).collect::<Vec<_>>();
        let mut first = packet(0);
        for more in 1..TOGETHER as u8 {
            assert!(first.has_room_behind());
            first.add(packet(more));
        }
        assert!(!first.has_room_behind());
        assert_eq!((first.count(), bytes(&first)), (4, [0, 1, 2, 3].into()));
        assert_eq!(pool.in_use(), 4);
        drop(first);
        assert_eq!(pool.in_use(), 0);
    }
}
