//! The machine's SCSI host: a virtio device with a queue for each core that serves it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

use spin::Mutex;
use vortex_grid::Frequency;
use vortex_machine::{Cpu, Line, NotGiven, VirtQueue, VirtioError, VirtioKind, virtio_devices};
use vortex_storage::{Channel, DeviceQueue, Given, Memory, StorageError, Ticket};
use vortex_units::{Bytes, CoreId};

use super::{DiskMemory, Wiring};
use crate::Mail;

/// The registers of a SCSI host's own (virtio 1.2, 5.6.4).
const QUEUES: usize = 0;
const LAST_TARGET: usize = 30;
/// The queue for what is about requests, and the first for requests; between them is one for
/// events.
const CONTROL: u16 = 0;
const FIRST: u16 = 2;
/// Bytes of an answer to what is about requests.
const ANSWER: usize = 1;

/// The disks of the machine.
pub struct Disks {
    /// What their resources share.
    pub wiring: Arc<Wiring>,
    sources: Vec<Arc<Source>>,
}

/// Where a device's interrupts come from.
#[derive(Debug)]
pub struct Source {
    line: Line,
    masked: AtomicBool,
}

/// Why there are no disks though there is a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDisks {
    /// The first host cannot be driven.
    Device(VirtioError),
    /// No core is to serve it.
    NoCore,
}

impl fmt::Display for NoDisks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => write!(f, "the disk controller cannot be driven: {error}"),
            Self::NoCore => f.write_str("no core is to serve the disk controller"),
        }
    }
}

/// Sets up the first SCSI host, with a queue for each of these cores, as far as it has so many.
/// `Ok(None)` if there is none.
///
/// # Errors
/// [`NoDisks`].
pub fn find(
    cores: &[CoreId],
    frequency: Frequency,
    says: fn(&str),
) -> Result<Option<Disks>, NoDisks> {
    let mut hosts = virtio_devices(VirtioKind::Scsi).into_iter();
    let Some(host) = hosts.next() else { return Ok(None) };
    let mut host = host.map_err(NoDisks::Device)?;
    let others = hosts.count();
    if others > 0 {
        says(&alloc::format!("{others} further disk controllers are not driven"));
    }
    host.agree().map_err(NoDisks::Device)?;
    let count = host.own32(QUEUES).min(u32::from(host.queues().saturating_sub(FIRST)));
    let last_target = u8::try_from(host.own16(LAST_TARGET)).unwrap_or(u8::MAX);
    let first = cores.first().copied().ok_or(NoDisks::NoCore)?;
    let (queue, line) = host.queue(CONTROL, first).map_err(NoDisks::Device)?;
    // Nobody waits for what it answers.
    line.mask();
    let control = Arc::new(Mutex::new(queue));
    let (mut channels, mut sources) = (Vec::new(), Vec::new());
    for (number, core) in (FIRST..).zip(cores.iter().take(count as usize)) {
        let (queue, line) = host.queue(number, *core).map_err(NoDisks::Device)?;
        let source = Arc::new(Source { line, masked: AtomicBool::new(false) });
        let ring = Ring { queue, source: source.clone(), control: control.clone() };
        channels.push(Channel::new(*core, frequency, Box::new(ring)));
        sources.push(source);
    }
    if channels.is_empty() {
        return Err(NoDisks::NoCore);
    }
    host.start();
    let wiring = Wiring::new(channels, last_target, CoreId::new(0), says);
    Ok(Some(Disks { wiring, sources }))
}

impl Disks {
    /// Whether a core's queue has interrupted, and somebody must be asked to take what is done.
    /// To be called by the core itself.
    pub fn take_interrupt(&self, cpu: &mut Cpu) -> bool {
        let core = cpu.id();
        let Some(source) = self.sources.iter().find(|source| source.line.core() == core) else {
            return false;
        };
        if !source.line.take(cpu) {
            return false;
        }
        let Some(channel) = self.wiring.channel(core) else { return false };
        let first = channel.interrupted();
        if !first {
            // It was asked to be quiet, and is not.
            source.masked.store(true, Ordering::Relaxed);
            source.line.mask();
        }
        first
    }

    /// The cores that serve the host.
    pub fn cores(&self) -> impl Iterator<Item = CoreId> + '_ {
        self.sources.iter().map(|source| source.line.core())
    }
}

/// A queue of the host.
struct Ring {
    queue: VirtQueue<Ticket<Mail>>,
    source: Arc<Source>,
    control: Arc<Mutex<VirtQueue<()>>>,
}

impl DeviceQueue<DiskMemory, Ticket<Mail>> for Ring {
    fn give(
        &mut self,
        reads: DiskMemory,
        writes: DiskMemory,
        ticket: Ticket<Mail>,
    ) -> Given<Ticket<Mail>> {
        match self.queue.give(reads.into_buffer(), writes.into_buffer(), ticket) {
            Ok(()) => Given::Yes,
            Err(NotGiven::Full(back)) => Given::Full(back.ticket),
            Err(NotGiven::Never(back)) => Given::Never(back.ticket),
        }
    }

    fn take(&mut self) -> Result<Option<(Ticket<Mail>, Bytes)>, StorageError> {
        let done = self.queue.take().map_err(|_| StorageError::Broken)?;
        Ok(done.map(|done| (done.ticket, done.written)))
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

    fn stop(&mut self) -> Vec<Ticket<Mail>> {
        self.queue.stop().into_iter().map(|back| back.ticket).collect()
    }

    fn in_flight(&self) -> u16 {
        self.queue.in_flight()
    }

    fn has_room(&self) -> bool {
        self.queue.has_room()
    }

    fn each(&self, look: &mut dyn FnMut(&Ticket<Mail>)) {
        self.queue.tickets().for_each(look);
    }

    fn tell(&mut self, message: &[u8]) -> bool {
        let mut control = self.control.lock();
        // What it was told before is done.
        while let Ok(Some(_)) = control.take() {}
        let (reads, writes) = (DiskMemory::own(message.len()), DiskMemory::own(ANSWER));
        let (Some(reads), Some(writes)) = (reads, writes) else { return false };
        reads.write(message) == message.len()
            && control.give(reads.into_buffer(), writes.into_buffer(), ()).is_ok()
    }
}
