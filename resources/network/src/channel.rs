//! A device's two rings, as DWR and DIR share them. Both are best on the core that the rings
//! interrupt: then nobody waits for the lock. DWR may be on another, as the paper tried (§4.4).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::{Mutex, MutexGuard};
use vortex_grid::Frequency;
use vortex_units::{ActivityId, CoreId, Cycles, Micros};

use crate::depth::Depth;
use crate::host::Host;
use crate::packet::{BUFFER, Packet, Pool};

/// The device says what cannot be, or is cut off: its rings are to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// What a ring has of a packet.
pub struct Slot<H: Host> {
    /// The packet: to be sent, or to be filled.
    pub packet: Packet<H::Buffer>,
    /// Whose it is; the infrastructure's where nobody knows yet.
    pub activity: ActivityId,
}

/// A ring of a device, in one direction.
pub trait Ring<H: Host>: Send {
    /// Gives the device a packet. It comes back where there is no room.
    ///
    /// # Errors
    /// The packet.
    fn give(&mut self, slot: Slot<H>) -> Result<(), Slot<H>>;

    /// What the device is done with, if there is something, with the bytes it has written.
    ///
    /// # Errors
    /// [`Broken`].
    fn take(&mut self) -> Result<Option<(Slot<H>, usize)>, Broken>;

    /// Whether there is room for one more.
    fn has_room(&self) -> bool;

    /// How many the device has, and how many it can have.
    fn fill(&self) -> (u16, u16);

    /// Asks the device not to interrupt.
    fn be_quiet(&mut self);

    /// Lets it interrupt again. True if there is something to be taken already.
    fn listen(&mut self) -> bool;

    /// Cuts the device off from memory and takes all back that it has.
    fn stop(&mut self) -> Vec<Slot<H>>;
}

/// What DWR and DIR know of a device.
pub(crate) struct Inner<H: Host> {
    pub receives: Box<dyn Ring<H>>,
    pub sends: Box<dyn Ring<H>>,
    /// How many packets that may hold.
    pub depth: Depth,
    /// DWR has rejected a packet for want of room.
    pub starved: bool,
    /// The device is not to be used any more.
    pub broken: bool,
    /// A request is on its way that takes what is done.
    pub asked: bool,
    pub counts: Counts,
}

/// What a device has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that came in, and that were given to be sent.
    pub packets: (u64, u64),
    /// Their bytes.
    pub bytes: (u64, u64),
    /// How often it has interrupted, and how often the ring had no room.
    pub interrupts: u64,
    /// How often DWR was suspended.
    pub suspended: u64,
}

impl<H: Host> Inner<H> {
    /// Whether there will soon be no room: from then on the device says when it has sent. What
    /// is sent before is found with the next that comes in, or after a second.
    pub fn fills(&self) -> bool {
        self.sends.fill().0 >= self.depth.get() / 2
    }

    /// Whether one more packet may be sent.
    pub fn has_room(&self) -> bool {
        self.sends.has_room() && self.sends.fill().0 < self.depth.get()
    }

    /// Takes back a packet that was sent.
    pub fn reap(&mut self, now: Cycles) -> Result<Option<Slot<H>>, Broken> {
        let taken = self.sends.take()?;
        if taken.is_some() {
            self.depth.took();
        } else {
            self.depth.served(self.sends.fill().0, now);
        }
        Ok(taken.map(|(slot, _)| slot))
    }
}

/// Buffers that the device gets in one run.
const AT_ONCE: usize = 16;
/// How often it is looked whether less in the ring would do.
const OFTEN: Micros = Micros::new(100_000);

/// A device's rings, and the cores that serve them.
pub struct Channel<H: Host> {
    /// DIR's, and DWR's.
    core: CoreId,
    writer: CoreId,
    /// A leaf lock. Where all that take it run on one core it is never waited for.
    inner: Mutex<Inner<H>>,
    /// How often it was.
    waits: AtomicU64,
    /// Where packets that come in get their buffers.
    pool: Arc<Pool<H::Buffer>>,
}

impl<H: Host> Channel<H> {
    /// Rings that interrupt the one core, and are written to by the other; what comes in gets
    /// buffers of this pool. The clock's rate is that of the readings that DIR has.
    #[must_use]
    pub fn new(
        (core, writer): (CoreId, CoreId),
        receives: Box<dyn Ring<H>>,
        sends: Box<dyn Ring<H>>,
        pool: Arc<Pool<H::Buffer>>,
        frequency: Frequency,
    ) -> Self {
        let depth = Depth::new(sends.fill().1, frequency.cycles(OFTEN));
        let (starved, broken, asked, counts) = (false, false, false, Counts::default());
        let inner = Inner { receives, sends, depth, starved, broken, asked, counts };
        Self { core, writer, inner: Mutex::new(inner), waits: AtomicU64::new(0), pool }
    }

    /// The core that they interrupt.
    #[must_use]
    pub fn core(&self) -> CoreId {
        self.core
    }

    /// The core that writes to them.
    #[must_use]
    pub fn writer(&self) -> CoreId {
        self.writer
    }

    /// What the device has done.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// How often DIR or DWR has waited for the other.
    #[must_use]
    pub fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<H>> {
        self.inner.try_lock().unwrap_or_else(|| {
            self.waits.fetch_add(1, Ordering::Relaxed);
            self.inner.lock()
        })
    }

    /// The device has interrupted. True if somebody must be asked to take what is done; false
    /// where somebody is.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        let mut inner = self.lock();
        inner.receives.be_quiet();
        inner.sends.be_quiet();
        inner.counts.interrupts = inner.counts.interrupts.saturating_add(1);
        !core::mem::replace(&mut inner.asked, true)
    }

    /// Nobody could be asked: the device is to interrupt again.
    pub fn not_asked(&self) {
        let mut inner = self.lock();
        inner.asked = false;
        let _ = inner.receives.listen();
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Inner<H>) -> T) -> T {
        work(&mut self.lock())
    }

    /// The device gets buffers for what comes in, some of those that it has room for: a buffer
    /// may have to be made, which is done without the lock. True if it has room for more.
    pub(crate) fn refill(&self) -> bool {
        let mut room = self.with(|inner| !inner.broken && inner.receives.has_room());
        for _ in 0..AT_ONCE {
            let Some(mut packet) = room.then(|| self.pool.take()).flatten() else { return false };
            packet.set_length(BUFFER);
            let slot = Slot { packet, activity: ActivityId::INFRASTRUCTURE };
            // Only DIR gives to this ring, so the room is there; a slot that comes back is dropped
            // without the lock.
            let given =
                self.with(|inner| inner.receives.give(slot).map(|()| inner.receives.has_room()));
            let Ok(more) = given else { return false };
            room = more;
        }
        room
    }
}
