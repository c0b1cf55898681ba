//! What stands between the monitor and the cores that record: a recorder for each, made by the
//! monitor, filled by its core, read by whoever asked.
//!
//! # Invariants
//! - A place's state goes one way round: free, made, asked, recording, done, free. The monitor
//!   alone makes, asks and frees, its core alone takes and gives; each changes only what is its
//!   own turn, so that no two hold a recorder.
//! - What a recorder takes of the heap is on the bill of who asked, until it is freed.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use spin::Mutex;
use vortex_grid::Recorder;
use vortex_units::{ActivityId, Bytes, CoreId, Cycles};

use crate::bill::{Charged, ObjectKind};

/// Events for which a core's recorder has room.
const EVENTS: usize = 32 << 10;

/// Whose turn it is.
const FREE: u8 = 0;
const MADE: u8 = 1;
const ASKED: u8 = 2;
const RECORDING: u8 = 3;
const DONE: u8 = 4;

struct Held {
    /// Not here while the core fills it.
    recorder: Option<Box<Recorder>>,
    payer: ActivityId,
    _bill: Charged,
}

struct Place {
    core: CoreId,
    state: AtomicU8,
    until: AtomicU64,
    held: Mutex<Option<Held>>,
}

/// What a core has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// To go on.
    Nothing,
    /// To take its recorder.
    Begin,
    /// To give it back.
    End,
}

/// What there is of a core's recording.
#[derive(Debug, PartialEq, Eq)]
pub enum Recorded<T> {
    /// None was asked for, or it was freed.
    Nothing,
    /// It is not over yet.
    Soon,
    /// It.
    There(T),
}

/// A place for each core.
pub struct Traces {
    places: Vec<Place>,
}

impl Traces {
    /// For these cores.
    #[must_use]
    pub fn new(cores: impl Iterator<Item = CoreId>) -> Self {
        let place = |core| Place {
            core,
            state: AtomicU8::new(FREE),
            until: AtomicU64::new(0),
            held: Mutex::new(None),
        };
        Self { places: cores.map(place).collect() }
    }

    fn place(&self, core: CoreId) -> Option<&Place> {
        self.places.iter().find(|place| place.core == core)
    }

    /// Whether a recording is being prepared, or goes on.
    pub(super) fn is_busy(&self) -> bool {
        let state = |place: &Place| place.state.load(Ordering::Acquire);
        self.places.iter().any(|place| !matches!(state(place), FREE | DONE))
    }

    /// Makes a recorder for the core in this place, on this bill, instead of what was there and
    /// nobody has read: whether there was memory for it. `None`: there is no such place, all are
    /// made.
    pub(super) fn make(&self, at: usize, payer: ActivityId, until: Cycles) -> Option<bool> {
        let place = self.places.get(at)?;
        let mut held = place.held.lock();
        *held = None;
        let bytes = Bytes::new(Recorder::bytes(EVENTS));
        let bill = Charged::new(payer, ObjectKind::Open, bytes);
        let recorder = bill.is_some().then(|| Recorder::new(EVENTS, until)).flatten();
        let (Some(_bill), Some(recorder)) = (bill, recorder) else {
            place.state.store(FREE, Ordering::Release);
            return Some(false);
        };
        *held = Some(Held { recorder: Some(Box::new(recorder)), payer, _bill });
        place.until.store(until.get(), Ordering::Relaxed);
        place.state.store(MADE, Ordering::Release);
        Some(true)
    }

    /// Frees what was made and not asked for.
    pub(super) fn unmake(&self) {
        for place in &self.places {
            if place.state.load(Ordering::Acquire) == MADE {
                *place.held.lock() = None;
                place.state.store(FREE, Ordering::Release);
            }
        }
    }

    /// Asks all cores for whom one is made. How many there are.
    pub(super) fn ask(&self) -> u64 {
        let ask = |place: &&Place| {
            let (from, to) = (MADE, ASKED);
            let order = (Ordering::AcqRel, Ordering::Relaxed);
            place.state.compare_exchange(from, to, order.0, order.1).is_ok()
        };
        self.places.iter().filter(ask).count() as u64
    }

    /// Reads what a core has recorded.
    pub(super) fn read<T>(
        &self,
        core: CoreId,
        read: impl FnOnce(&Recorder) -> T,
    ) -> Option<Recorded<T>> {
        let place = self.place(core)?;
        Some(match place.state.load(Ordering::Acquire) {
            FREE => Recorded::Nothing,
            DONE => match &*place.held.lock() {
                Some(Held { recorder: Some(recorder), .. }) => Recorded::There(read(recorder)),
                _ => Recorded::Nothing,
            },
            _ => Recorded::Soon,
        })
    }

    /// Frees what a core has recorded, on whose bill it is.
    pub(super) fn free(&self, core: CoreId) {
        if let Some(place) = self.place(core)
            && place.state.load(Ordering::Acquire) == DONE
        {
            *place.held.lock() = None;
            place.state.store(FREE, Ordering::Release);
        }
    }

    /// What a core has to do now.
    #[must_use]
    pub fn turn(&self, core: CoreId, now: Cycles) -> Turn {
        let Some(place) = self.place(core) else { return Turn::Nothing };
        match place.state.load(Ordering::Acquire) {
            ASKED => Turn::Begin,
            RECORDING if now.get() >= place.until.load(Ordering::Relaxed) => Turn::End,
            _ => Turn::Nothing,
        }
    }

    /// A core takes its recorder: it, and who pays.
    #[must_use]
    pub fn take(&self, core: CoreId) -> Option<(Box<Recorder>, ActivityId)> {
        let place = self.place(core)?;
        let mut held = place.held.lock();
        let held = held.as_mut()?;
        let recorder = held.recorder.take()?;
        place.state.store(RECORDING, Ordering::Release);
        Some((recorder, held.payer))
    }

    /// A core gives it back, filled. Who pays.
    #[must_use]
    pub fn give(&self, core: CoreId, recorder: Box<Recorder>) -> Option<ActivityId> {
        let place = self.place(core)?;
        let mut held = place.held.lock();
        let held = held.as_mut()?;
        held.recorder = Some(recorder);
        place.state.store(DONE, Ordering::Release);
        Some(held.payer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORES: [CoreId; 2] = [CoreId::new(0), CoreId::new(3)];

    #[test]
    fn a_recorder_goes_to_its_core_and_back_and_is_freed() {
        let traces = Traces::new(CORES.into_iter());
        let (payer, until) = (ActivityId::INFRASTRUCTURE, Cycles::new(100));
        assert!(!traces.is_busy());
        assert_eq!(traces.turn(CORES[1], Cycles::ZERO), Turn::Nothing);
        let made: Vec<_> = (0..3).map(|at| traces.make(at, payer, until)).collect();
        assert_eq!(made, [Some(true), Some(true), None]);
        assert!(traces.is_busy());
        assert_eq!(traces.turn(CORES[1], Cycles::ZERO), Turn::Nothing);
        assert_eq!(traces.ask(), 2);
        for core in CORES {
            assert_eq!(traces.turn(core, Cycles::ZERO), Turn::Begin);
            let (recorder, _) = traces.take(core).unwrap();
            assert!(traces.take(core).is_none(), "one has it");
            assert_eq!(traces.turn(core, Cycles::new(99)), Turn::Nothing);
            assert_eq!(traces.read(core, |_| ()), Some(Recorded::Soon));
            traces.free(core);
            assert_eq!(traces.turn(core, until), Turn::End);
            assert_eq!(traces.give(core, recorder), Some(payer));
            assert_eq!(traces.turn(core, until), Turn::Nothing);
        }
        assert!(!traces.is_busy());
        assert_eq!(traces.read(CORES[0], Recorder::len), Some(Recorded::There(0)));
        traces.free(CORES[0]);
        assert_eq!(traces.read(CORES[0], |_| ()), Some(Recorded::Nothing));
        assert_eq!(traces.read(CoreId::new(9), |_| ()), None);
        // What nobody has read makes room for the next.
        assert_eq!(traces.make(1, payer, until), Some(true));
        traces.unmake();
        assert!(!traces.is_busy());
        assert_eq!(traces.read(CORES[1], |_| ()), Some(Recorded::Nothing));
        assert_eq!(traces.ask(), 0);
    }
}
