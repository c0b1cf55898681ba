//! Virtio devices on PCI, modern ones alone (virtio 1.2, 4.1): found, agreed with, and their
//! queues in memory of the machine's.
//!
//! # Invariants
//! - Memory that a device was told of is held by [`Frame`]s in its queue until the device is
//!   done with it or cut off from memory.
//! - What a device says leads to no address and no panic: it is cut or refused.

mod line;
mod queue;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use spin::Mutex;
use vortex_units::CoreId;
use vortex_virtio::SplitQueue;
use vortex_virtio::pci::{MODERN, TRANSITIONAL, VENDOR, capability, common, feature, status};

pub use line::Line;
pub use queue::{Buffer, Completion, NotGiven, Piece, VirtQueue};
pub use vortex_virtio::{Broken, MOST_SEGMENTS};

use crate::memory::Window;
use crate::pci::{self, Function, Msix};
use crate::statics;
use queue::Pages;

/// What a device is, by virtio's numbers (5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum VirtioKind {
    /// A network card.
    Network = 1,
    /// A host of SCSI devices.
    Scsi = 8,
}

/// Why a device is not driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VirtioError {
    /// Registers are missing, or lie where they cannot.
    Registers,
    /// It has no MSI-X, or not enough messages.
    Messages,
    /// It does not offer what this driver needs: to be a modern device, and tables of
    /// descriptors.
    Features,
    /// It does not have that queue, or one of no use.
    Queue,
    /// No frames for a queue.
    NoMemory,
    /// No vector is left, or the core has too high a number.
    Vector,
    /// It does not answer a reset.
    Reset,
}

impl fmt::Display for VirtioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Registers => "its registers are not where they could be",
            Self::Messages => "it has not enough MSI-X messages",
            Self::Features => "it does not offer what is needed",
            Self::Queue => "it does not have the queues that it should",
            Self::NoMemory => "there is no memory for its queues",
            Self::Vector => "there is no interrupt vector for it",
            Self::Reset => "it does not answer a reset",
        })
    }
}

/// How often the status is read until a reset is given up.
const PATIENCE: usize = 1_000_000;

/// What all of a device's queues share.
#[derive(Debug)]
pub(super) struct Control {
    function: Function,
    common: Window,
    msix: Msix,
    /// Whether it is cut off.
    gone: Mutex<bool>,
}

impl Control {
    fn status(&self) -> u8 {
        self.common.read8(common::STATUS)
    }

    fn add_status(&self, bit: u8) {
        self.common.write8(common::STATUS, self.status() | bit);
    }

    fn reset(&self) -> Result<(), VirtioError> {
        self.common.write8(common::STATUS, 0);
        for _ in 0..PATIENCE {
            if self.status() == 0 {
                return Ok(());
            }
            core::hint::spin_loop();
        }
        Err(VirtioError::Reset)
    }

    /// Cuts the device off from memory, for good.
    fn cut_off(&self) {
        let mut gone = self.gone.lock();
        if !*gone {
            *gone = true;
            self.function.cut_off();
            self.common.write8(common::STATUS, 0);
        }
    }

    fn is_gone(&self) -> bool {
        *self.gone.lock()
    }
}

/// A device that is being set up.
#[derive(Debug)]
pub struct VirtioDevice {
    control: Arc<Control>,
    own: Window,
    doorbells: Window,
    multiplier: u32,
    queues: u16,
    lines: u16,
}

/// The registers that a capability names.
fn registers(function: &Function, kind: u8) -> Option<(Window, usize)> {
    const VENDOR_SPECIFIC: u8 = 9;
    let configuration = function.configuration();
    let is = |at: &usize| configuration.read8(at + usize::from(capability::TYPE)) == kind;
    let at = function.capabilities(VENDOR_SPECIFIC).find(is)?;
    let bar = configuration.read8(at + usize::from(capability::BAR));
    let offset = configuration.read32(at + usize::from(capability::OFFSET));
    let length = configuration.read32(at + usize::from(capability::LENGTH));
    // No device has more, and what has is cut.
    const MOST: u32 = 1 << 20;
    let window = function.window(bar, offset, length.min(MOST) as usize)?;
    Some((window, at))
}

/// The devices of a kind.
#[must_use]
pub fn virtio_devices(kind: VirtioKind) -> Vec<Result<VirtioDevice, VirtioError>> {
    let is = |function: &Function| match function.id() {
        (VENDOR, TRANSITIONAL..MODERN) => function.subsystem() == kind as u16,
        (VENDOR, id) => id == MODERN + kind as u16,
        _ => false,
    };
    let found = pci::functions().into_iter().filter(is);
    found.map(VirtioDevice::new).collect()
}

impl VirtioDevice {
    fn new(function: Function) -> Result<Self, VirtioError> {
        let place = |kind| registers(&function, kind).ok_or(VirtioError::Registers);
        let (common, _) = place(capability::COMMON)?;
        let (own, _) = place(capability::DEVICE)?;
        let (doorbells, at) = place(capability::NOTIFY)?;
        let multiplier = function.configuration().read32(at + usize::from(capability::MULTIPLIER));
        function.enable();
        let msix = Msix::enable(&function).ok_or(VirtioError::Messages)?;
        let control = Control { function, common, msix, gone: Mutex::new(false) };
        control.reset()?;
        control.add_status(status::ACKNOWLEDGE);
        control.add_status(status::DRIVER);
        let queues = control.common.read16(common::QUEUES);
        Ok(Self { control: Arc::new(control), own, doorbells, multiplier, queues, lines: 0 })
    }

    /// Agrees on features: those that every driver here needs, and no others.
    ///
    /// # Errors
    /// [`VirtioError::Features`].
    pub fn agree(&self) -> Result<(), VirtioError> {
        self.agree_with(0)
    }

    /// The same, and on these that are its kind's own.
    ///
    /// # Errors
    /// [`VirtioError::Features`].
    pub fn agree_with(&self, own: u64) -> Result<(), VirtioError> {
        let common = &self.control.common;
        let mut offered = 0;
        for half in 0..2 {
            common.write32(common::DEVICE_FEATURE_SELECT, half);
            offered |= u64::from(common.read32(common::DEVICE_FEATURE)) << (32 * half);
        }
        let wanted = feature::VERSION_1 | feature::INDIRECT | own;
        if offered & wanted != wanted {
            return Err(VirtioError::Features);
        }
        for half in 0..2 {
            common.write32(common::DRIVER_FEATURE_SELECT, half);
            common.write32(common::DRIVER_FEATURE, (wanted >> (32 * half)) as u32);
        }
        common.write16(common::CONFIG_VECTOR, common::NO_VECTOR);
        self.control.add_status(status::FEATURES_OK);
        let agreed = self.control.status() & status::FEATURES_OK != 0;
        agreed.then_some(()).ok_or(VirtioError::Features)
    }

    /// How many queues it has.
    #[must_use]
    pub fn queues(&self) -> u16 {
        self.queues
    }

    /// Four bytes of what is the device's own, all ones where there are none.
    #[must_use]
    pub fn own32(&self, at: usize) -> u32 {
        self.own.read32(at)
    }

    /// Two bytes of it.
    #[must_use]
    pub fn own16(&self, at: usize) -> u16 {
        self.own.read16(at)
    }

    /// Writes four bytes there.
    pub fn set_own32(&self, at: usize, value: u32) {
        self.own.write32(at, value);
    }

    /// Sets up a queue, which interrupts this core. Before [`Self::start`].
    ///
    /// # Errors
    /// [`VirtioError`].
    pub fn queue<T: Send>(
        &mut self,
        number: u16,
        core: CoreId,
    ) -> Result<(VirtQueue<T>, Line), VirtioError> {
        if number >= self.queues {
            return Err(VirtioError::Queue);
        }
        let common = &self.control.common;
        common.write16(common::QUEUE_SELECT, number);
        let size = SplitQueue::<Pages, ()>::size_of(common.read16(common::QUEUE_SIZE));
        if size == 0 || common.read16(common::QUEUE_ENABLE) != 0 {
            return Err(VirtioError::Queue);
        }
        let line = Line::new(self.control.clone(), self.lines, core)?;
        self.lines += 1;
        let pages = Pages::new(size).ok_or(VirtioError::NoMemory)?;
        let ring = SplitQueue::new(pages, size).ok_or(VirtioError::NoMemory)?;
        let notify = u64::from(common.read16(common::QUEUE_NOTIFY_OFF));
        let bell = notify * u64::from(self.multiplier);
        let bell = usize::try_from(bell).ok().and_then(|at| self.doorbells.part(at, 2));
        let bell = bell.ok_or(VirtioError::Registers)?;
        common.write16(common::QUEUE_SIZE, size);
        let places = [common::QUEUE_DESC, common::QUEUE_DRIVER, common::QUEUE_DEVICE];
        for (register, place) in places.into_iter().zip(ring.places()) {
            common.write64(register, place);
        }
        // The vector before the queue: else the first message is lost.
        common.write16(common::QUEUE_VECTOR, line.message());
        if common.read16(common::QUEUE_VECTOR) != line.message() {
            return Err(VirtioError::Messages);
        }
        common.write16(common::QUEUE_ENABLE, 1);
        Ok((VirtQueue::new(ring, bell, number, self.control.clone()), line))
    }

    /// The device begins.
    pub fn start(&self) {
        self.control.add_status(status::DRIVER_OK);
    }
}

impl Drop for VirtioDevice {
    fn drop(&mut self) {
        // Given up before it was started.
        if self.control.status() & status::DRIVER_OK == 0 {
            self.control.add_status(status::FAILED);
            self.control.cut_off();
        }
    }
}

/// The APIC's number of a core.
fn apic_of(core: CoreId) -> Option<u32> {
    statics::PLATFORM.get()?.cores.get(core.index()).copied()
}
