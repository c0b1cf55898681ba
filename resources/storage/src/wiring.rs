//! What these resources share: each other's ports, and what they know of disks.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use spin::{Mutex, Once};
use vortex_grid::Port;
use vortex_units::CoreId;

use crate::channel::Channel;
use crate::driver::Driver;
use crate::interrupts::Interrupts;
use crate::memory::Memory;
use crate::requests::Mail;
use crate::scsir::Scsi;
use crate::translator::Translator;
use crate::volume::{Volume, VolumeId};
use crate::volumes::Volumes;

/// The ports.
pub struct Ports<M, B> {
    /// DRWR.
    pub driver: Port<Driver<M, B>>,
    /// DIR.
    pub interrupts: Port<Interrupts<M, B>>,
    /// SDRWR.
    pub translator: Port<Translator<M, B>>,
    /// SCSIR.
    pub scsi: Port<Scsi<M, B>>,
    /// Storage.
    pub volumes: Port<Volumes<M, B>>,
}

/// What is shared.
pub struct Wiring<M, B> {
    /// Set once, when the grid is built.
    pub ports: Once<Ports<M, B>>,
    /// The device's queues, one a core that serves it.
    channels: Vec<Channel<M, B>>,
    /// The last target that there may be.
    last_target: u8,
    /// By number; what is there stays.
    volumes: Mutex<BTreeMap<VolumeId, Volume>>,
    disks: AtomicU32,
    /// Targets of a group that were not looked at to the end, and whether one of it is there.
    looking: AtomicU32,
    there: AtomicBool,
    found: AtomicBool,
    /// Whom to wake when all disks are found.
    waits: CoreId,
    /// Where a line for people goes.
    says: fn(&str),
}

impl<M: Mail<B>, B: Memory> Wiring<M, B> {
    /// Of a device with these queues, and targets up to this one. The core is woken when all
    /// disks are found; what people are to know is said line by line.
    #[must_use]
    pub fn new(
        channels: Vec<Channel<M, B>>,
        last_target: u8,
        waits: CoreId,
        says: fn(&str),
    ) -> Arc<Self> {
        Arc::new(Self {
            ports: Once::new(),
            channels,
            last_target,
            volumes: Mutex::default(),
            disks: AtomicU32::new(0),
            looking: AtomicU32::new(0),
            there: AtomicBool::new(false),
            found: AtomicBool::new(false),
            waits,
            says,
        })
    }

    /// The queue that a core serves.
    #[must_use]
    pub fn channel(&self, core: CoreId) -> Option<&Channel<M, B>> {
        self.channels.iter().find(|channel| channel.core() == core)
    }

    /// All queues.
    #[must_use]
    pub fn channels(&self) -> &[Channel<M, B>] {
        &self.channels
    }

    /// Says something to people.
    pub(crate) fn tell(&self, what: fmt::Arguments<'_>) {
        (self.says)(&alloc::format!("{what}"));
    }

    pub(crate) fn last_target(&self) -> u8 {
        self.last_target
    }

    /// A volume, as it is registered.
    #[must_use]
    pub fn volume(&self, id: VolumeId) -> Option<Volume> {
        self.volumes.lock().get(&id).cloned()
    }

    /// Bytes of a volume's block.
    #[must_use]
    pub fn block_size(&self, id: VolumeId) -> Option<u32> {
        self.volumes.lock().get(&id).map(|volume| volume.block_size)
    }

    /// Whether a block is of both; not, where one of them is not there.
    #[must_use]
    pub fn overlap(&self, one: VolumeId, other: VolumeId) -> bool {
        let volumes = self.volumes.lock();
        let both = volumes.get(&one).zip(volumes.get(&other));
        both.is_some_and(|(one, other)| one.overlaps(other))
    }

    /// All volumes, in the order of their numbers.
    #[must_use]
    pub fn volumes(&self) -> Vec<(VolumeId, Volume)> {
        self.volumes.lock().iter().map(|(id, volume)| (*id, volume.clone())).collect()
    }

    /// A number for a disk more; `None` where there is none.
    pub(crate) fn next_disk(&self) -> Option<u8> {
        let next = |now: u32| (now < u32::from(VolumeId::DISKS)).then_some(now.saturating_add(1));
        let taken = self.disks.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        u8::try_from(taken.ok()?).ok()
    }

    pub(crate) fn add(&self, id: VolumeId, volume: Volume) {
        self.volumes.lock().insert(id, volume);
    }

    /// A group of so many targets is begun with.
    pub(crate) fn looks_at(&self, targets: u8) {
        self.there.store(false, Ordering::Relaxed);
        self.looking.store(u32::from(targets), Ordering::Release);
    }

    /// A target was looked at. If it was the last of its group: whether any of it is there.
    pub(crate) fn looked(&self, there: bool) -> Option<bool> {
        if there {
            self.there.store(true, Ordering::Relaxed);
        }
        let last = self.looking.fetch_sub(1, Ordering::AcqRel) == 1;
        last.then(|| self.there.load(Ordering::Relaxed))
    }

    /// All disks are found. The core that waits for that.
    pub(crate) fn end_search(&self) -> CoreId {
        self.found.store(true, Ordering::Release);
        self.waits
    }

    /// Whether all disks are found that there are.
    #[must_use]
    pub fn has_found(&self) -> bool {
        self.found.load(Ordering::Acquire)
    }

    /// How many requests the device has.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.channels.iter().map(|channel| usize::from(channel.in_flight())).sum()
    }
}
