//! Who has a file open: what is kept of it can be on their bills.

use alloc::vec::Vec;

use vortex_units::ActivityId;

/// How often each activity has it open. What is noted of one is on its bill.
pub struct Openers(Vec<(ActivityId, u32)>);

impl Openers {
    /// What is noted of an activity is counted as so many bytes.
    pub const PRICE: u64 = size_of::<(ActivityId, u32)>() as u64;

    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// One has opened it once more. Whether it is new; not noted where the heap has no room.
    pub fn add(&mut self, who: ActivityId) -> bool {
        if let Some((_, times)) = self.0.iter_mut().find(|(of, _)| *of == who) {
            *times = times.saturating_add(1);
            return false;
        }
        if self.0.try_reserve_exact(1).is_err() {
            return false;
        }
        self.0.push((who, 1));
        true
    }

    /// One has closed it. Whether it has it open no more.
    pub fn remove(&mut self, who: ActivityId) -> bool {
        let Some(at) = self.0.iter().position(|(of, _)| *of == who) else { return false };
        let Some((_, times)) = self.0.get_mut(at) else { return false };
        *times = times.saturating_sub(1);
        let over = *times == 0;
        if over {
            self.0.swap_remove(at);
        }
        over
    }

    /// Whether this one has it open.
    pub fn has(&self, who: ActivityId) -> bool {
        self.of().any(|of| of == who)
    }

    /// Who have.
    pub fn of(&self) -> impl Iterator<Item = ActivityId> + '_ {
        self.0.iter().map(|(of, _)| *of)
    }
}
