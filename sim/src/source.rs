//! What begins by itself: threads at their workload's start, and arrivals from outside.

use vortex_config::Pattern;
use vortex_grid::{Labels, Port};
use vortex_units::{ActivityId, Bytes, CoreId, Cycles};

use crate::door::Door;
use crate::message::{ThreadReady, WorkRequest};
use crate::random::Random;
use crate::thread::Thread;

/// A beginning.
pub(crate) enum Source {
    /// The threads of a workload.
    Threads(Start),
    /// Requests from outside.
    Arrivals(Flow),
}

/// The threads of a workload, and when they start.
pub(crate) struct Start {
    pub at: Cycles,
    /// The core at which they are announced; load sharing takes them from there.
    pub core: CoreId,
    pub activity: ActivityId,
    pub threads: Vec<(Port<Thread>, u64, Random)>,
}

/// Arrivals in their order.
pub(crate) struct Flow {
    pub number: u64,
    pub port: Door,
    pub activity: ActivityId,
    pub causer: Option<ActivityId>,
    pub bytes: Bytes,
    pub flows: u64,
    pub pattern: Pattern,
    pub rate: u64,
    pub frequency: u64,
    pub start: Cycles,
    pub stop: Option<Cycles>,
    /// The cores at which they arrive: each flow has its own.
    pub cores: Vec<CoreId>,
    pub random: Random,
    pub sent: u64,
    pub last: Cycles,
}

/// A root that is to be sent on a core.
pub(crate) enum Root {
    /// A thread of an activity begins.
    Thread(ActivityId, Port<Thread>, Labels, ThreadReady),
    /// A request has come from outside.
    Arrival(ActivityId, Door, Labels, WorkRequest),
}

impl Start {
    /// The roots that start the threads.
    pub fn roots(&self) -> impl Iterator<Item = Root> {
        self.threads.iter().map(|&(port, thread, random)| {
            let (left, slice) = (Cycles::ZERO, Cycles::ZERO);
            let ready = ThreadReady { own: port, thread, step: 0, left, slice, random };
            Root::Thread(self.activity, port, Labels::affinity(thread), ready)
        })
    }
}

impl Flow {
    /// When the next one comes; `None` after the last.
    pub fn next(&mut self) -> Option<Cycles> {
        let at = match self.pattern {
            Pattern::Periodic => {
                // From the start, so that no fraction of a cycle is lost.
                let since =
                    u128::from(self.sent) * u128::from(self.frequency) / u128::from(self.rate);
                self.start + Cycles::new(u64::try_from(since).unwrap_or(u64::MAX >> 1))
            }
            Pattern::Poisson => {
                let mean = Cycles::new((self.frequency / self.rate).max(1));
                self.last + self.random.exponential(mean)
            }
        };
        self.last = at;
        self.stop.is_none_or(|stop| at < stop).then_some(at)
    }

    /// The one that has come, and the core at which.
    pub fn arrive(&mut self) -> (CoreId, Root) {
        let flow = self.sent % self.flows;
        self.sent += 1;
        let core = self.cores.get(usize::try_from(flow).unwrap_or(0) % self.cores.len().max(1));
        let labels = Labels::flow(self.number << 40 | flow);
        let request = WorkRequest::new(self.bytes, self.causer);
        let root = Root::Arrival(self.activity, self.port, labels, request);
        (core.copied().unwrap_or(CoreId::new(0)), root)
    }
}
