//! A device that takes bytes at its own rate and holds so many.

use std::sync::Arc;

use spin::Mutex;
use vortex_units::{Bytes, Cycles};

/// The device behind a simulated resource, shared by the resource's cores.
#[derive(Clone)]
pub(crate) struct SimDevice {
    rate: Bytes,
    room: Bytes,
    frequency: u64,
    /// When it will have moved all that it holds.
    busy_until: Arc<Mutex<Cycles>>,
}

impl SimDevice {
    pub fn new(device: vortex_config::Device, frequency: u64) -> Self {
        let busy_until = Arc::new(Mutex::new(Cycles::ZERO));
        Self { rate: device.rate, room: device.room, frequency, busy_until }
    }

    /// The cycles in which it moves so many bytes, rounded up.
    fn span(&self, bytes: Bytes) -> Cycles {
        let cycles = (u128::from(bytes.get()) * u128::from(self.frequency))
            .div_ceil(u128::from(self.rate.get().max(1)));
        Cycles::new(u64::try_from(cycles).unwrap_or(u64::MAX))
    }

    /// Takes the bytes in, or says when there will be room. A request larger than the room
    /// is taken when the device is empty.
    pub fn admit(&self, bytes: Bytes, now: Cycles) -> Result<(), Cycles> {
        let mut busy_until = self.busy_until.lock();
        let beside = self.span(self.room.saturating_sub(bytes));
        let from = if bytes > self.room { *busy_until } else { busy_until.saturating_sub(beside) };
        if now < from {
            return Err(from);
        }
        *busy_until = (*busy_until).max(now).saturating_add(self.span(bytes));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_device_says_when_it_has_room() {
        let device = vortex_config::Device { rate: Bytes::new(1_000), room: Bytes::new(100) };
        let device = SimDevice::new(device, 1_000_000);
        assert_eq!(device.admit(Bytes::new(60), Cycles::ZERO), Ok(()));
        // 60 bytes take 60,000 cycles; 60 more fit when 40 are left.
        assert_eq!(device.admit(Bytes::new(60), Cycles::ZERO), Err(Cycles::new(20_000)));
        assert_eq!(device.admit(Bytes::new(60), Cycles::new(20_000)), Ok(()));
        // One larger than the room waits until the device is empty.
        assert_eq!(device.admit(Bytes::new(101), Cycles::new(20_000)), Err(Cycles::new(120_000)));
    }
}
