//! A device's queue, as DRWR and DIR share it: both run on the core that the queue interrupts.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;

use spin::Mutex;
use vortex_grid::policy::{FieldId, RecordKind};
use vortex_grid::{Frequency, Kept, Message};
use vortex_units::{Bytes, CoreId, Cycles};

use crate::error::StorageError;
use crate::memory::Memory;
use crate::service::{Like, Service};

/// The type of the record that a finished request adds to DRWR's (§2.2).
pub const COMPLETION: RecordKind = RecordKind(RecordKind::FIRST_FREE);
/// In it: cycles from when the device was given the request until it was found done.
pub const COMPLETION_TIME: FieldId = FieldId(1);
/// And how many requests the device had when it was given this one.
pub const QUEUE_LENGTH: FieldId = FieldId(2);

/// The type of the record that says how long a request will take, when the device is given it.
pub const PREDICTION: RecordKind = RecordKind(RecordKind::FIRST_FREE + 1);
/// In it, and in the correction that follows when the request is done: cycles in which the
/// device serves that request alone, of those in which it serves any. The metric `service-time`.
pub const SERVICE_TIME: FieldId = FieldId(3);

/// What is kept of a request while its device works on it.
pub struct Ticket<M> {
    pub(crate) kept: Kept<M>,
    pub(crate) since: Cycles,
    pub(crate) ahead: u16,
    /// What it is like, and how long it was predicted to take.
    pub(crate) predicted: Option<(Like, Cycles)>,
    /// By which unit and number the device knows it.
    pub(crate) name: Option<(u32, u64)>,
    /// The device has been asked to end it.
    pub(crate) aborted: Cell<bool>,
}

/// Why a device was not given a request, with what there is of that.
pub enum Given<T> {
    /// It was.
    Yes,
    /// There is no room.
    Full(T),
    /// There will never be.
    Never(T),
}

/// A device's queue.
pub trait DeviceQueue<B, T>: Send {
    /// Gives the device a chain: what it reads, and what it writes behind it. The memory stays
    /// with the queue until the device is done.
    fn give(&mut self, reads: B, writes: B, ticket: T) -> Given<T>;

    /// What the device is done with, if there is something, with the bytes it has written.
    ///
    /// # Errors
    /// It says what cannot be, or is cut off: then it is to be stopped.
    fn take(&mut self) -> Result<Option<(T, Bytes)>, StorageError>;

    /// Asks the device not to interrupt.
    fn be_quiet(&mut self);

    /// Lets it interrupt again. True if there is something to be taken already.
    fn listen(&mut self) -> bool;

    /// Cuts the device off from memory and takes all back that it has.
    fn stop(&mut self) -> Vec<T>;

    /// How many chains it has.
    fn in_flight(&self) -> u16;

    /// Whether it has room for one more.
    fn has_room(&self) -> bool;

    /// Looks at what it has been given.
    fn each(&self, look: &mut dyn FnMut(&T));

    /// Gives the device a message that is about others that it has, by its queue for that. What
    /// it answers is not looked at: what comes of it is seen by those. False where it cannot be
    /// told.
    fn tell(&mut self, message: &[u8]) -> bool;
}

/// What DRWR and DIR know of a queue.
pub(crate) struct Inner<M, B> {
    pub queue: Box<dyn DeviceQueue<B, Ticket<M>>>,
    /// How long its units take.
    pub service: Service,
    /// DRWR has rejected a request for want of room.
    pub starved: bool,
    /// The device is not to be used any more.
    pub broken: bool,
    /// A request is on its way that takes what is done.
    pub asked: bool,
    /// How many requests the device ever had at a time, and how often it had no room.
    pub most: u16,
    pub full: u64,
}

/// A device's queue, and the core that serves it.
pub struct Channel<M, B> {
    core: CoreId,
    /// A leaf lock, and both that take it run on one core.
    inner: Mutex<Inner<M, B>>,
}

impl<M: Message, B: Memory> Channel<M, B> {
    /// A queue that interrupts this core, whose clock has this rate.
    #[must_use]
    pub fn new(
        core: CoreId,
        frequency: Frequency,
        queue: Box<dyn DeviceQueue<B, Ticket<M>>>,
    ) -> Self {
        let service = Service::new(frequency);
        let (starved, broken, asked, most, full) = (false, false, false, 0, 0);
        let inner = Inner { queue, service, starved, broken, asked, most, full };
        Self { core, inner: Mutex::new(inner) }
    }

    /// The core that it interrupts.
    #[must_use]
    pub fn core(&self) -> CoreId {
        self.core
    }

    /// How many requests the device has.
    #[must_use]
    pub fn in_flight(&self) -> u16 {
        self.inner.lock().queue.in_flight()
    }

    /// How many requests the device had at most at a time, and how often it had no room for one
    /// more.
    #[must_use]
    pub fn most(&self) -> (u16, u64) {
        let inner = self.inner.lock();
        (inner.most, inner.full)
    }

    /// The device has interrupted. True if somebody must be asked to take what is done; false
    /// where somebody is.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        let mut inner = self.inner.lock();
        inner.queue.be_quiet();
        !core::mem::replace(&mut inner.asked, true)
    }

    /// Nobody could be asked: the device is to interrupt again.
    pub fn not_asked(&self) {
        let mut inner = self.inner.lock();
        inner.asked = false;
        let _ = inner.queue.listen();
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Inner<M, B>) -> T) -> T {
        work(&mut self.inner.lock())
    }
}
