//! What a machine's cores recorded of their runs, put together: for Chrome's trace viewers, and
//! as a graph of who used what.

pub mod chrome;
pub mod flame;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

use vortex_abi::performance::Unreadable;
use vortex_abi::performance::trace::{Event, How, NOWHERE, Piece, decode};

/// What was done between two runs has no resource.
const BETWEEN: &str = "between runs";

/// A recording of a machine.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Its cores, in the order in which they were read.
    pub cores: Vec<Core>,
    megahertz: u32,
    activities: BTreeMap<u32, String>,
    resources: BTreeMap<u32, String>,
}

/// What a core recorded.
#[derive(Clone, Debug, Default)]
pub struct Core {
    /// Which.
    pub number: u16,
    /// Its counter when it began.
    pub began: u64,
    /// Up to when there is everything.
    pub ended: u64,
    /// Events behind that for which it had no room.
    pub lost: u64,
    /// Its slices, in order; none overlaps another.
    pub slices: Vec<Slice>,
    /// Whether the last piece has come.
    pub whole: bool,
    /// Events that have come.
    pub events: u64,
}

/// An interval that was charged to an activity.
#[derive(Clone, Debug)]
pub struct Slice {
    /// What the core recorded.
    pub event: Event,
    /// What it was about.
    pub about: String,
    /// Of the infrastructure's: who was charged how much of it when that was known.
    pub billed: Vec<(u32, u64)>,
}

impl Slice {
    /// When it ended.
    pub fn ended(&self) -> u64 {
        self.event.began.saturating_add(self.event.span)
    }

    /// Whether it is a request's run: what others can be caused by.
    pub fn is_run(&self) -> bool {
        matches!(self.event.how, How::Began | How::WentOn | How::Resumed)
    }

    /// Who paid how much of it in the end.
    pub fn paid(&self) -> Vec<(u32, u64)> {
        let moved: u64 = self.billed.iter().map(|(_, cycles)| cycles).sum();
        let own = (self.event.activity, self.event.span.saturating_sub(moved));
        std::iter::once(own).chain(self.billed.iter().copied()).collect()
    }
}

impl Core {
    /// Of this number, nothing of which has come.
    pub fn new(number: u16) -> Self {
        Self { number, ..Self::default() }
    }
}

impl Trace {
    /// Takes in pieces of a core, as an answer has them, the first of which must be the next.
    ///
    /// # Errors
    /// [`Unreadable`] for what is no piece, or another.
    pub fn take(&mut self, core: &mut Core, mut bytes: &[u8]) -> Result<(), Unreadable> {
        while !bytes.is_empty() {
            let (piece, rest) = decode(bytes)?;
            if piece.core != core.number || piece.first != core.events {
                return Err(Unreadable::NotOne);
            }
            self.add(core, &piece);
            bytes = rest;
        }
        Ok(())
    }

    fn add(&mut self, core: &mut Core, piece: &Piece) {
        self.megahertz = piece.megahertz;
        self.activities.extend(piece.names.iter().cloned());
        self.resources.extend(piece.resources.iter().cloned());
        (core.began, core.ended, core.lost) = (piece.began, piece.ended, piece.lost);
        core.events += piece.events.len() as u64;
        core.whole = core.events >= piece.events_in_all;
        for event in &piece.events {
            if event.how == How::Billed {
                // Of a run before the recording nothing is known.
                let of = core.slices.iter_mut().rev();
                let mut of = of.filter(|slice| slice.is_run());
                if let Some(run) = of.find(|slice| slice.event.run == event.run) {
                    run.billed.push((event.activity, event.waited));
                }
                continue;
            }
            let about = piece.word(event).to_string();
            core.slices.push(Slice { event: *event, about, billed: Vec::new() });
        }
    }

    /// What an activity is called.
    pub fn activity(&self, activity: u32) -> String {
        let known = self.activities.get(&activity).cloned();
        known.unwrap_or_else(|| format!("activity {activity}"))
    }

    /// What a slice's resource is called.
    pub fn resource(&self, slice: &Slice) -> &str {
        match slice.event.instance {
            NOWHERE => BETWEEN,
            instance => self.resources.get(&instance).map_or("a resource", String::as_str),
        }
    }

    /// What a slice was about.
    pub fn about<'a>(&self, slice: &'a Slice) -> &'a str {
        match (slice.about.as_str(), slice.event.how) {
            ("", How::Aside) => "work for it",
            ("", _) => "a request",
            (about, _) => about,
        }
    }

    /// Cycles as nanoseconds since the first core began.
    fn nanos(&self, cycles: u64) -> u64 {
        let start = self.cores.iter().map(|core| core.began).min().unwrap_or(0);
        let since = u128::from(cycles.saturating_sub(start));
        (since * 1000 / u128::from(self.megahertz.max(1))) as u64
    }

    /// How long a core has recorded everything, in nanoseconds.
    pub fn recorded(&self, core: &Core) -> f64 {
        let cycles = core.ended.saturating_sub(core.began);
        cycles as f64 * 1000.0 / f64::from(self.megahertz.max(1))
    }

    /// What an activity paid of what began in this time of the counters, in cycles.
    pub fn paid(&self, activity: u32, time: Range<u64>) -> u64 {
        let slices = self.cores.iter().flat_map(|core| &core.slices);
        let slices = slices.filter(|slice| time.contains(&slice.event.began));
        let paid = slices.flat_map(Slice::paid);
        paid.filter(|(payer, _)| *payer == activity).map(|(_, cycles)| cycles).sum()
    }
}
