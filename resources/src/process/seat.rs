//! Where a thread runs: in a thread resource of its process, on an activity's bill.
//!
//! Mostly that is the process's own. A thread that is bound to a sub-activity has a seat
//! there, in a thread resource of the same process on that activity's bill: whatever the
//! thread does is then on it, at every scheduler, for what a request asks for inherits its
//! activity. It changes its seat between two requests, when nothing else is under way for it.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use vortex_grid::{Labels, Outcome, Port};
use vortex_units::ActivityId;

use super::Threads;
use super::request::ProcessRequest;
use super::threads::{Cx, Next, ThreadReady};
use crate::quota::Held;

/// A thread's seat.
pub struct Seat {
    /// On whose bill.
    pub activity: ActivityId,
    /// The thread resource.
    pub port: Port<Threads>,
    /// It counts among the threads of a sub-activity.
    _counted: Held,
}

impl Seat {
    /// One that is not counted.
    #[must_use]
    pub fn new(activity: ActivityId, port: Port<Threads>) -> Arc<Self> {
        Self::counted(activity, port, Held::default())
    }

    /// One of a sub-activity's.
    #[must_use]
    pub fn counted(activity: ActivityId, port: Port<Threads>, counted: Held) -> Arc<Self> {
        Arc::new(Self { activity, port, _counted: counted })
    }
}

impl Threads {
    /// The thread is not to go on here: it ends, or has another seat. `None` if it goes on
    /// all the same.
    pub(super) fn turn(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Option<Next> {
        let (Some(ports), Some(thread)) = (self.system.ports.get(), &mut ready.thread) else {
            return Some(Outcome::Done);
        };
        // First the flag, then the look: what comes in between is seen, or sets the flag.
        thread.state.turned.store(false, Ordering::SeqCst);
        if thread.process().is_ending() || thread.state.doomed.load(Ordering::SeqCst) {
            thread.state.turned.store(true, Ordering::SeqCst);
            return Some(self.end(ready, cx));
        }
        let seat = thread.state.seat.lock().clone()?;
        if Arc::ptr_eq(&seat, &thread.seat) {
            return None;
        }
        if !cx.admits(seat.activity) {
            // It has no room for another request: when it next comes here it may.
            thread.state.turned.store(true, Ordering::SeqCst);
            return None;
        }
        vortex_machine::save_vectors(&mut thread.context);
        let mut thread = ready.thread.take()?;
        let (activity, port) = (seat.activity, seat.port);
        let left = core::mem::replace(&mut thread.seat, seat);
        let labels = Labels::affinity(thread.state.tid.0 as u64);
        // Room for both was reserved: they are the declared sends.
        let _ = cx.send_within(activity, port, labels, ThreadReady::new(thread));
        let _ = cx.send(ports.process, Labels::NONE, ProcessRequest::Left(Some(left)));
        Some(Outcome::Done)
    }
}
