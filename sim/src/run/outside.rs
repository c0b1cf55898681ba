//! What comes from outside the cores, by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use vortex_units::{CoreId, Cycles};

use crate::source::{Root, Source};

/// What can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// Shares are to be sampled.
    Sample,
    /// The device of this resource has room.
    Resume(usize),
    /// This source has something.
    Source(usize),
}

/// The events to come; at equal times in the order in which they were added.
pub(crate) struct Outside {
    events: BinaryHeap<Reverse<(Cycles, u64, What)>>,
    number: u64,
    interval: Cycles,
}

impl Outside {
    pub fn new(sources: &mut [Source], interval: Cycles) -> Self {
        let interval = interval.max(Cycles::new(1));
        let mut outside = Self { events: BinaryHeap::new(), number: 0, interval };
        outside.add(interval, What::Sample);
        for (place, source) in sources.iter_mut().enumerate() {
            let first = match source {
                Source::Threads(start) => Some(start.at),
                Source::Arrivals(flow) => flow.next(),
            };
            if let Some(first) = first {
                outside.add(first, What::Source(place));
            }
        }
        outside
    }

    pub fn add(&mut self, at: Cycles, what: What) {
        self.number += 1;
        self.events.push(Reverse((at, self.number, what)));
    }

    /// When the next event is.
    pub fn next(&self) -> Option<Cycles> {
        self.events.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes the next event; samples come again by themselves.
    pub fn take(&mut self) -> Option<What> {
        let Reverse((at, _, what)) = self.events.pop()?;
        if what == What::Sample {
            self.add(at + self.interval, What::Sample);
        }
        Some(what)
    }

    /// What a source brings now, and where; names its next time.
    pub fn begin(&mut self, sources: &mut [Source], place: usize) -> Vec<(CoreId, Root)> {
        match sources.get_mut(place) {
            Some(Source::Threads(start)) => start.roots().map(|root| (start.core, root)).collect(),
            Some(Source::Arrivals(flow)) => {
                let come = flow.arrive();
                if let Some(next) = flow.next() {
                    self.add(next, What::Source(place));
                }
                vec![come]
            }
            None => Vec::new(),
        }
    }
}
