//! The signals that wait for a thread, or for any thread of a process: signal(7).
//!
//! A standard signal is there once, with the first cause. A real-time signal is there as
//! often as it was sent, in that order, and at most [`REALTIME_LIMIT`] of all are, in all
//! processes of an activity at most as many as its limits say. Of all the
//! lowest number is taken first, after SIGKILL and what faults raise.
//!
//! Invariant: `set` is the signals of `queued`, and those whose cause was lost.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

use super::info::{Detail, Info};
use super::set::SignalSet;
use super::signal::Signal;
use crate::process::Pid;
use crate::quota::{Held, Quota};
use vortex_abi::Errno;
use vortex_abi::linux::general as linux;

/// So many real-time signals wait; it stands for `RLIMIT_SIGPENDING`.
pub const REALTIME_LIMIT: usize = 1024;

/// What a real-time signal that waits takes of the kernel's memory: the places in a queue grow
/// by doubling.
pub const SIGNAL: usize = 2 * size_of::<Info>();

/// Signals that lie together in a queue: it grows by so many, and none is ever moved.
const PIECE: usize = 32;

/// Signals of one number, in the order of sending.
#[derive(Debug, Default)]
struct Queue {
    pieces: VecDeque<VecDeque<Info>>,
    length: usize,
}

impl Queue {
    fn push(&mut self, info: Info) {
        match self.pieces.back_mut() {
            Some(piece) if piece.len() < PIECE => piece.push_back(info),
            _ => {
                let mut piece = VecDeque::new();
                piece.push_back(info);
                self.pieces.push_back(piece);
            }
        }
        self.length = self.length.saturating_add(1);
    }

    fn pop(&mut self) -> Option<Info> {
        let piece = self.pieces.front_mut()?;
        let info = piece.pop_front();
        if piece.is_empty() {
            self.pieces.pop_front();
        }
        self.length = self.length.saturating_sub(1);
        info
    }

    fn iter(&self) -> impl Iterator<Item = &Info> {
        self.pieces.iter().flatten()
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Info> {
        self.pieces.iter_mut().flatten()
    }
}

/// Signals that wait.
#[derive(Debug, Default)]
pub struct Pending {
    set: SignalSet,
    /// By signal, in the order of sending; none is empty.
    queued: BTreeMap<Signal, Queue>,
    /// Of those, the real-time ones.
    realtime: usize,
    /// The same, on the bill of the activity that they wait in.
    held: Held,
}

/// What a signal that was sent has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It waits: a thread that does not block it is to be woken.
    Waits,
    /// It waited before.
    Already,
}

impl Pending {
    /// None yet; the real-time ones will be on this bill.
    #[must_use]
    pub fn of(quota: Arc<Quota>) -> Self {
        Self { held: Held::of(quota), ..Self::default() }
    }

    /// Lets a signal wait. `EAGAIN` if too many do.
    ///
    /// kill(2) does not fail: beyond the limit the signal waits, without its cause.
    pub fn add(&mut self, info: Info) -> Result<Added, Errno> {
        let signal = info.signal;
        if !signal.is_realtime() {
            if self.set.contains(signal) {
                return Ok(Added::Already);
            }
        } else if self.realtime >= REALTIME_LIMIT || !self.held.take() {
            if info.code != linux::SI_USER as i32 {
                return Err(Errno::EAGAIN);
            }
            let already = self.set.contains(signal);
            self.set.insert(signal);
            return Ok(if already { Added::Already } else { Added::Waits });
        } else {
            self.realtime += 1;
        }
        self.queued.entry(signal).or_default().push(info);
        self.set.insert(signal);
        Ok(Added::Waits)
    }

    /// A timer has expired so often more than once: if its signal waits, it counts these,
    /// and this time; how many it has then.
    pub fn overrun(&mut self, signal: Signal, of: i32, more: i32) -> Option<i32> {
        self.queued.get_mut(&signal)?.iter_mut().find_map(|info| match &mut info.detail {
            Detail::Timer { timer, overrun, .. } if *timer == of => {
                *overrun = overrun.saturating_add(more).saturating_add(1);
                Some(*overrun)
            }
            _ => None,
        })
    }

    /// Whether a timer's signal waits.
    #[must_use]
    pub fn has_timer(&self, signal: Signal, of: i32) -> bool {
        let Some(waiting) = self.queued.get(&signal) else { return false };
        let is = |detail: &Detail| matches!(detail, Detail::Timer { timer, .. } if *timer == of);
        waiting.iter().any(|info| is(&info.detail))
    }

    /// The signals that wait. sigpending(2) gives those of a thread and of its process that
    /// are blocked.
    #[must_use]
    pub const fn set(&self) -> SignalSet {
        self.set
    }

    /// The signal that is taken next, if any is not blocked.
    #[must_use]
    pub const fn peek(&self, blocked: SignalSet) -> Option<Signal> {
        let ready = self.set.without(blocked);
        if ready.contains(Signal::KILL) {
            return Some(Signal::KILL);
        }
        match ready.intersection(SignalSet::SYNCHRONOUS).lowest() {
            Some(signal) => Some(signal),
            None => ready.lowest(),
        }
    }

    /// Takes the next signal that is not blocked. A thread takes from its own first, then
    /// from its process's.
    ///
    /// sigtimedwait(2) takes what it waits for: all else is blocked.
    pub fn take(&mut self, blocked: SignalSet) -> Option<Info> {
        let signal = self.peek(blocked)?;
        let info = self.queued.get_mut(&signal).and_then(Queue::pop);
        if info.is_some() {
            self.gone(signal, 1);
        }
        if self.queued.get(&signal).is_none_or(|queue| queue.length == 0) {
            self.queued.remove(&signal);
            self.set.remove(signal);
        }
        Some(info.unwrap_or(Info::user(signal, Pid(0), 0)))
    }

    /// Discards these: they are ignored now, or undone by another. All of a signal's go at
    /// once, whatever their number.
    pub fn discard(&mut self, signals: SignalSet) {
        for signal in self.set.intersection(signals).iter() {
            let all = self.queued.remove(&signal).map_or(0, |all| all.length);
            self.gone(signal, all);
            self.set.remove(signal);
        }
    }

    /// So many of a signal do not wait any more.
    fn gone(&mut self, signal: Signal, count: usize) {
        if signal.is_realtime() {
            self.realtime = self.realtime.saturating_sub(count);
            self.held.give_some(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }
}
