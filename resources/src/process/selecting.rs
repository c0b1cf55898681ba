//! What select(2) and pselect6(2) work on: three sets, each of as many bits as descriptors
//! are meant, a time that is written back, and signals.

use vortex_abi::{Errno, Files, Span};
use vortex_machine::Access;

use super::operands::{Operands, Unready};
use crate::memory::{AddressSpace, Pinned, pin};

/// Descriptors beyond these are not looked at: no table is as large.
const MOST: i32 = 1 << 16;

/// The arguments of a select.
pub struct Select {
    /// Descriptors below this are meant.
    pub count: u32,
    /// Where the sets are: to read, to write, and of what is exceptional.
    sets: [u64; 3],
    timeout: u64,
    /// Where it says where the signals are.
    mask: u64,
}

impl Select {
    /// Of a call; `None` for another.
    #[must_use]
    pub fn of(call: &Files) -> Option<Self> {
        let (count, sets, timeout, mask) = match *call {
            Files::Select { count, reading, writing, failing, timeout } => {
                (count, [reading, writing, failing], timeout, 0)
            }
            Files::Pselect6 { count, reading, writing, failing, timeout, mask } => {
                (count, [reading, writing, failing], timeout, mask)
            }
            _ => return None,
        };
        // A negative count is refused when the operands are prepared.
        let count = u32::try_from(count.min(MOST)).unwrap_or(u32::MAX);
        Some(Self { count, sets, timeout, mask })
    }

    /// Bytes of each set.
    #[must_use]
    pub fn bytes(&self) -> usize {
        (self.count as usize).div_ceil(64) * 8
    }

    /// Which sets there are.
    #[must_use]
    pub fn has(&self) -> [bool; 3] {
        self.sets.map(|set| set != 0)
    }

    /// Pins the sets as one buffer, the time as the second and the signals as the third;
    /// whether there are signals.
    pub(super) fn operands(&self, space: &AddressSpace) -> Result<(Operands, bool), Unready> {
        if self.count == u32::MAX {
            return Err(Unready::Error(Errno::EINVAL));
        }
        let mut sets = Pinned::default();
        for set in self.sets.into_iter().filter(|&set| set != 0) {
            sets.add(space, Span::new(set, self.bytes() as u64), Access::Write)?;
        }
        let mut operands = Operands::default();
        operands.set(0, sets);
        if self.timeout != 0 {
            // What cannot be written back is not: that is no error.
            let may = |access: Access| access.allows(Access::Write);
            let writes = space.region(self.timeout).is_some_and(|(_, region)| may(region.access));
            let access = if writes { Access::Write } else { Access::Read };
            operands.set(1, pin(space, Span::new(self.timeout, 16), access)?);
        }
        let mut given = false;
        if self.mask != 0 {
            let mut words = [0; 16];
            pin(space, Span::new(self.mask, 16), Access::Read)?.read(0, &mut words);
            let (set, size) = words.split_at(8);
            let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
            let (set, size) = (word(set), word(size));
            if set != 0 {
                if size != 8 {
                    return Err(Unready::Error(Errno::EINVAL));
                }
                operands.set(2, pin(space, Span::new(set, 8), Access::Read)?);
                given = true;
            }
        }
        Ok((operands, given))
    }

    /// Whether the time may be written back.
    #[must_use]
    pub fn writes_back(&self, space: &AddressSpace) -> bool {
        let writes = |(_, region): (u64, crate::memory::Region)| region.access == Access::Write;
        self.timeout != 0 && space.region(self.timeout).is_some_and(writes)
    }
}
