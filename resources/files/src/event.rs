//! `eventfd`: a counter that is waited for.

use crate::Errno;
use crate::moving::{Sink, Source};

/// One more than the greatest value.
const FULL: u64 = u64::MAX;

pub(crate) struct Event {
    count: u64,
    semaphore: bool,
}

impl Event {
    pub fn new(count: u32, semaphore: bool) -> Self {
        Self { count: u64::from(count), semaphore }
    }

    pub fn is_readable(&self) -> bool {
        self.count > 0
    }

    pub fn is_writable(&self) -> bool {
        self.count < FULL.saturating_sub(1)
    }

    /// `None` when it would wait.
    pub fn read(&mut self, sink: &mut dyn Sink) -> Result<Option<usize>, Errno> {
        if sink.room() < size_of::<u64>() {
            return Err(Errno::EINVAL);
        }
        if self.count == 0 {
            return Ok(None);
        }
        let taken = if self.semaphore { 1 } else { self.count };
        sink.put(&taken.to_le_bytes())?;
        self.count = self.count.saturating_sub(taken);
        Ok(Some(size_of::<u64>()))
    }

    /// The value of a write, taken once from its source.
    pub fn value(source: &mut dyn Source) -> Result<u64, Errno> {
        if source.left() != size_of::<u64>() {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; size_of::<u64>()];
        source.take(&mut bytes)?;
        let value = u64::from_le_bytes(bytes);
        if value == FULL { Err(Errno::EINVAL) } else { Ok(value) }
    }

    /// Whether the value was added; if not, it would wait.
    pub fn add(&mut self, value: u64) -> bool {
        match self.count.checked_add(value) {
            Some(sum) if sum < FULL => {
                self.count = sum;
                true
            }
            _ => false,
        }
    }
}
