//! The machine's network card: a virtio device, of whose queues the first two are used.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use vortex_grid::Frequency;
use vortex_machine::{
    Buffer, Cpu, Line, NotGiven, VirtQueue, VirtioError, VirtioKind, virtio_devices,
};
use vortex_network::{Broken, Ring, Slot};
use vortex_units::CoreId;

use super::{Channel, Machine, NetBuffer, Pool};

/// The card has an address (virtio 1.2, 5.1.3): without it nobody could be told who we are.
const HAS_MAC: u64 = 1 << 5;
/// The queue of what comes in, and of what goes out.
const RECEIVE: u16 = 0;
const SEND: u16 = 1;
/// Buffers for what comes in, in the ring and on their way.
const MOST: usize = 1024;

/// A network card.
pub struct Card {
    sources: Vec<Arc<Source>>,
}

/// A card that was found, to be given to the network.
pub struct Found {
    /// It.
    pub card: Card,
    /// Its rings.
    pub channel: Channel<Machine>,
    /// Its address.
    pub mac: [u8; 6],
}

/// Where a ring's interrupts come from.
struct Source {
    line: Line,
    masked: AtomicBool,
}

/// Why there is no network though there is a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCard(VirtioError);

impl fmt::Display for NoCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the network card cannot be driven: {}", self.0)
    }
}

/// Sets up the first network card, which interrupts the first of these cores and is written to by
/// the second, whose clock has this rate. `Ok(None)` if there is none.
///
/// # Errors
/// [`NoCard`].
pub fn find(
    cores: (CoreId, CoreId),
    frequency: Frequency,
    says: fn(&str),
) -> Result<Option<Found>, NoCard> {
    let mut cards = virtio_devices(VirtioKind::Network).into_iter();
    let Some(card) = cards.next() else { return Ok(None) };
    let mut card = card.map_err(NoCard)?;
    let others = cards.count();
    if others > 0 {
        says(&alloc::format!("{others} further network cards are not driven"));
    }
    card.agree_with(HAS_MAC).map_err(NoCard)?;
    let [a, b, c, d] = card.own32(0).to_le_bytes();
    let [e, f] = card.own16(4).to_le_bytes();
    let mac = [a, b, c, d, e, f];
    let mut ring = |number| {
        let (queue, line) = card.queue(number, cores.0).map_err(NoCard)?;
        let source = Arc::new(Source { line, masked: AtomicBool::new(false) });
        let receives = number == RECEIVE;
        Ok((source.clone(), Box::new(CardRing { queue, source, receives })))
    };
    let (receive, receives) = ring(RECEIVE)?;
    let (send, sends) = ring(SEND)?;
    card.start();
    let channel = Channel::new(cores, receives, sends, Pool::new(MOST), frequency);
    let card = Card { sources: vec![receive, send] };
    Ok(Some(Found { card, channel, mac }))
}

impl Card {
    /// Whether the card has interrupted, and somebody must be asked to take what is done. To be
    /// called by the core itself.
    pub fn take_interrupt(&self, cpu: &mut Cpu, wiring: &super::Wiring) -> bool {
        let core = cpu.id();
        let mut first = false;
        for source in &self.sources {
            if source.line.core() != core || !source.line.take(cpu) {
                continue;
            }
            let Some(channel) = wiring.channel(core) else { continue };
            if channel.interrupted() {
                first = true;
            } else if !first {
                // It was asked to be quiet, and is not.
                source.masked.store(true, Ordering::Relaxed);
                source.line.mask();
            }
        }
        first
    }
}

/// A ring of the card.
struct CardRing {
    queue: VirtQueue<Slot<Machine>>,
    source: Arc<Source>,
    receives: bool,
}

impl Ring<Machine> for CardRing {
    fn give(&mut self, slot: Slot<Machine>) -> Result<(), Slot<Machine>> {
        let length = slot.packet.length();
        let piece = slot.packet.buffer().and_then(|buffer: &NetBuffer| buffer.piece(length));
        let mut buffer = Buffer::new();
        if !piece.is_some_and(|piece| buffer.add(piece)) {
            return Err(slot);
        }
        let (reads, writes) =
            if self.receives { (Buffer::new(), buffer) } else { (buffer, Buffer::new()) };
        match self.queue.give(reads, writes, slot) {
            Ok(()) => Ok(()),
            Err(NotGiven::Full(back) | NotGiven::Never(back)) => Err(back.ticket),
        }
    }

    fn take(&mut self) -> Result<Option<(Slot<Machine>, usize)>, Broken> {
        let done = self.queue.take().map_err(|_| Broken)?;
        Ok(done.map(|done| (done.ticket, done.written.get() as usize)))
    }

    fn has_room(&self) -> bool {
        self.queue.has_room()
    }

    fn fill(&self) -> (u16, u16) {
        (self.queue.in_flight(), self.queue.size())
    }

    fn be_quiet(&mut self) {
        self.queue.be_quiet();
    }

    fn listen(&mut self) -> bool {
        let missed = self.queue.listen();
        if self.source.masked.swap(false, Ordering::Relaxed) {
            self.source.line.unmask();
        }
        missed
    }

    fn stop(&mut self) -> Vec<Slot<Machine>> {
        self.queue.stop().into_iter().map(|back| back.ticket).collect()
    }
}
