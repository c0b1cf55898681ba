//! Frames of the memory multiplexor in steady state: each step gives the oldest of a hundred
//! back and allocates another, for one activity after the other. So a core's magazine is
//! filled and drained as it goes.

use std::collections::VecDeque;

use vortex_memory::{
    Account, Budget, Cookie, FrameId, Multiplexor, ResourceId, Spec, policy::DEFAULT,
};
use vortex_units::{ActivityId, CoreId, Frames};

/// The name by which it is asked for.
pub const NAME: &str = "frame";
const CORE: CoreId = CoreId::new(0);
/// Frames that are held: more than a magazine has.
const HELD: usize = 100;

/// A multiplexor with frames in use.
pub struct Memory {
    memory: Multiplexor,
    held: VecDeque<(FrameId, ActivityId)>,
    activities: u32,
    turn: u32,
    served: u64,
}

impl Memory {
    /// With so many activities.
    pub fn new(activities: u32) -> Option<Self> {
        let memory = Multiplexor::new(&Spec {
            ranges: &[(0, 65_536)],
            reserve: Frames::new(64),
            kernel: Frames::new(64),
            activities: activities + 1,
            cores: 2,
            reclaimable: 1,
            policy: DEFAULT,
            links: 64,
        })
        .ok()?;
        for number in 1..=activities {
            memory.open(ActivityId::new(number, 0), Budget::default()).ok()?;
        }
        let mut made = Self { memory, held: VecDeque::new(), activities, turn: 0, served: 0 };
        for _ in 0..10 * HELD {
            made.step();
        }
        Some(made)
    }

    /// One frame back, one frame more.
    #[inline]
    pub fn step(&mut self) {
        self.turn = if self.turn < self.activities { self.turn + 1 } else { 1 };
        if self.held.len() >= HELD
            && let Some((frame, activity)) = self.held.pop_front()
        {
            let left = self.memory.leave(CORE, frame, activity);
            self.served += u64::from(left.is_ok());
        }
        let activity = ActivityId::new(self.turn, 0);
        let account = Account { activity, resource: ResourceId::nth(0) };
        if let Ok(frame) = self.memory.allocate(CORE, account, Cookie(7)) {
            self.held.push_back((frame, activity));
        }
    }

    /// Frames that were given back so far.
    pub fn served(&self) -> u64 {
        self.served
    }
}
