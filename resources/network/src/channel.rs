//! A device's two rings, as DWR and DIR share them: both run on the core that they interrupt.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;
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
    /// Where packets that come in get their buffers.
    pub pool: Arc<Pool<H::Buffer>>,
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

    /// The device gets buffers for what comes in, some of those that it has room for: a buffer
    /// may have to be made. True if it has room for more.
    pub fn refill(&mut self) -> bool {
        for _ in 0..AT_ONCE {
            if self.broken || !self.receives.has_room() {
                return false;
            }
            let Some(mut packet) = self.pool.take() else { return false };
            packet.set_length(BUFFER);
            let activity = ActivityId::INFRASTRUCTURE;
            if self.receives.give(Slot { packet, activity }).is_err() {
                return false;
            }
        }
        self.receives.has_room()
    }
}

/// Buffers that the device gets in one run.
const AT_ONCE: usize = 16;
/// How often it is looked whether less in the ring would do.
const OFTEN: Micros = Micros::new(100_000);

/// A device's rings, and the core that serves them.
pub struct Channel<H: Host> {
    core: CoreId,
    /// A leaf lock, and all that take it run on one core.
    inner: Mutex<Inner<H>>,
}

impl<H: Host> Channel<H> {
    /// Rings that interrupt this core; what comes in gets buffers of this pool. The clock's rate
    /// is that of the readings that DIR has.
    #[must_use]
    pub fn new(
        core: CoreId,
        receives: Box<dyn Ring<H>>,
        sends: Box<dyn Ring<H>>,
        pool: Arc<Pool<H::Buffer>>,
        frequency: Frequency,
    ) -> Self {
        let depth = Depth::new(sends.fill().1, frequency.cycles(OFTEN));
        let (starved, broken, asked, counts) = (false, false, false, Counts::default());
        let inner = Inner { receives, sends, depth, pool, starved, broken, asked, counts };
        Self { core, inner: Mutex::new(inner) }
    }

    /// The core that they interrupt.
    #[must_use]
    pub fn core(&self) -> CoreId {
        self.core
    }

    /// What the device has done.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.inner.lock().counts
    }

    /// The device has interrupted. True if somebody must be asked to take what is done; false
    /// where somebody is.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        let mut inner = self.inner.lock();
        inner.receives.be_quiet();
        inner.sends.be_quiet();
        inner.counts.interrupts = inner.counts.interrupts.saturating_add(1);
        !core::mem::replace(&mut inner.asked, true)
    }

    /// Nobody could be asked: the device is to interrupt again.
    pub fn not_asked(&self) {
        let mut inner = self.inner.lock();
        inner.asked = false;
        let _ = inner.receives.listen();
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Inner<H>) -> T) -> T {
        work(&mut self.inner.lock())
    }
}
