//! The clock of a simulated core, which the core's resources advance by what they cost.
//!
//! # Invariants
//! - Time never goes back.
//! - A handler's run opens with [`Clock::serve`] and is closed by the reading after it
//!   ([`Clock::read`]), which adds the toolkit's own cost: once for each dispatched request,
//!   never for idle time.

use std::sync::Arc;

use spin::Mutex;
use vortex_units::{ActivityId, CoreId, Cycles};

/// A dispatched run, as the trace keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub began: Cycles,
    pub core: CoreId,
    pub resource: u32,
    pub activity: ActivityId,
    pub cycles: Cycles,
}

struct Face {
    now: Cycles,
    overhead: Cycles,
    /// The run being served: when it began, at which resource, for whom.
    serving: Option<(Cycles, u32, ActivityId)>,
    /// User time since the resource last asked.
    user: Cycles,
    trace: Vec<Run>,
    room: usize,
    runs: u64,
}

/// A core's clock, shared between its machine, its resources and the driver.
#[derive(Clone)]
pub(crate) struct Clock {
    core: CoreId,
    face: Arc<Mutex<Face>>,
}

impl Clock {
    /// A clock at zero; `overhead` is the toolkit's cost of a dispatched request, `room` the
    /// number of runs that the trace keeps.
    pub fn new(core: CoreId, overhead: Cycles, room: usize) -> Self {
        let face = Face {
            now: Cycles::ZERO,
            overhead,
            serving: None,
            user: Cycles::ZERO,
            trace: Vec::new(),
            room,
            runs: 0,
        };
        Self { core, face: Arc::new(Mutex::new(face)) }
    }

    /// The time, with nothing added.
    pub fn look(&self) -> Cycles {
        self.face.lock().now
    }

    /// The toolkit's reading: ends the run being served, if there is one.
    pub fn read(&self) -> Cycles {
        let mut face = self.face.lock();
        if let Some((began, resource, activity)) = face.serving.take() {
            face.now = face.now.saturating_add(face.overhead);
            face.runs += 1;
            if face.trace.len() < face.room {
                let cycles = face.now.saturating_sub(began);
                let core = self.core;
                face.trace.push(Run { began, core, resource, activity, cycles });
            }
        }
        face.now
    }

    /// A resource handles a request that was dispatched at `began`.
    pub fn serve(&self, began: Cycles, resource: u32, activity: ActivityId) {
        self.face.lock().serving = Some((began, resource, activity));
    }

    /// The request being served has cost so much more.
    pub fn spend(&self, cost: Cycles) {
        let mut face = self.face.lock();
        face.now = face.now.saturating_add(cost);
    }

    /// Lets time pass without work, to `until`.
    pub fn wait_until(&self, until: Cycles) {
        let mut face = self.face.lock();
        face.now = face.now.max(until);
    }

    /// Lets a thread run in user mode, to `until`.
    pub fn user_until(&self, until: Cycles) {
        let mut face = self.face.lock();
        let span = until.saturating_sub(face.now);
        face.user += span;
        face.now += span;
    }

    /// The user time since this was last asked.
    pub fn take_user(&self) -> Cycles {
        std::mem::take(&mut self.face.lock().user)
    }

    /// How many runs there were.
    pub fn runs(&self) -> u64 {
        self.face.lock().runs
    }

    /// The runs traced so far, taken out.
    pub fn take_trace(&self) -> Vec<Run> {
        std::mem::take(&mut self.face.lock().trace)
    }
}
