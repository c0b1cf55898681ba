//! Where a virtio device's registers are (virtio 1.2, section 4.1.4).

/// The vendor of all virtio devices.
pub const VENDOR: u16 = 0x1af4;
/// A modern device's PCI number is this much more than its virtio number.
pub const MODERN: u16 = 0x1040;
/// Numbers from here up to the modern ones are of devices that can also be driven as those before
/// virtio 1.0 were; what they are, their subsystem's number says.
pub const TRANSITIONAL: u16 = 0x1000;

/// What a vendor-specific capability describes (`cfg_type`).
pub mod capability {
    /// [`super::common`].
    pub const COMMON: u8 = 1;
    /// The doorbells.
    pub const NOTIFY: u8 = 2;
    /// What is the device's own.
    pub const DEVICE: u8 = 4;
    /// Bytes of the capability: its type, its BAR, the place there, its length.
    pub const TYPE: u16 = 3;
    /// The BAR.
    pub const BAR: u16 = 4;
    /// The place in the BAR.
    pub const OFFSET: u16 = 8;
    /// The length.
    pub const LENGTH: u16 = 12;
    /// By what a queue's doorbell number is multiplied, for [`NOTIFY`] alone.
    pub const MULTIPLIER: u16 = 16;
}

/// The common registers, by their offsets.
pub mod common {
    /// Which 32 of the device's features are read.
    pub const DEVICE_FEATURE_SELECT: usize = 0x00;
    /// Those features.
    pub const DEVICE_FEATURE: usize = 0x04;
    /// Which 32 of the driver's features are written.
    pub const DRIVER_FEATURE_SELECT: usize = 0x08;
    /// Those features.
    pub const DRIVER_FEATURE: usize = 0x0c;
    /// The MSI-X vector for changes of the configuration.
    pub const CONFIG_VECTOR: usize = 0x10;
    /// How many queues there are.
    pub const QUEUES: usize = 0x12;
    /// [`super::status`].
    pub const STATUS: usize = 0x14;
    /// Which queue the registers behind this are about.
    pub const QUEUE_SELECT: usize = 0x16;
    /// How many chains it holds.
    pub const QUEUE_SIZE: usize = 0x18;
    /// Its MSI-X vector.
    pub const QUEUE_VECTOR: usize = 0x1a;
    /// Whether it is in use.
    pub const QUEUE_ENABLE: usize = 0x1c;
    /// The number of its doorbell.
    pub const QUEUE_NOTIFY_OFF: usize = 0x1e;
    /// Where its descriptors are, in two halves.
    pub const QUEUE_DESC: usize = 0x20;
    /// Where its available ring is.
    pub const QUEUE_DRIVER: usize = 0x28;
    /// Where its used ring is.
    pub const QUEUE_DEVICE: usize = 0x30;
    /// The end of what this driver needs.
    pub const LENGTH: usize = 0x38;
    /// No vector.
    pub const NO_VECTOR: u16 = 0xffff;
}

/// The bits of the status register.
pub mod status {
    /// The driver has seen the device.
    pub const ACKNOWLEDGE: u8 = 1;
    /// It knows how to drive it.
    pub const DRIVER: u8 = 2;
    /// It does.
    pub const DRIVER_OK: u8 = 4;
    /// Both agree on the features.
    pub const FEATURES_OK: u8 = 8;
    /// The driver has given up.
    pub const FAILED: u8 = 128;
}

/// Features of every device.
pub mod feature {
    /// A descriptor may name a table of descriptors.
    pub const INDIRECT: u64 = 1 << 28;
    /// The device is a modern one.
    pub const VERSION_1: u64 = 1 << 32;
}
