//! What happens when a process has used so much time in user mode: ITIMER_VIRTUAL and
//! ITIMER_PROF, and `RLIMIT_CPU`.
//!
//! TR looks at one word when a thread is about to enter user mode, and tells PR when it is
//! due; PR sends the signals. So a signal comes at most a timeslice late. Of its time in the
//! kernel a process has no account of its own, its activity has: the two timers differ in
//! their signals only, and the limit is on time in user mode.

use core::sync::atomic::{AtomicU64, Ordering};

use spin::Mutex;
use vortex_units::Cycles;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// SIGVTALRM.
    Virtual,
    /// SIGPROF.
    Profiling,
}

#[derive(Clone, Copy, Default)]
struct Timer {
    /// At which reading; zero for never.
    at: u64,
    interval: u64,
}

#[derive(Default)]
struct Inner {
    timers: [Timer; 2],
    /// At which reading SIGXCPU comes next; zero for never.
    soft: u64,
    /// And at which SIGKILL.
    hard: u64,
}

/// What is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// ITIMER_VIRTUAL.
    pub virtual_timer: bool,
    /// ITIMER_PROF.
    pub profiling: bool,
    /// The soft limit.
    pub soft: bool,
    /// The hard limit.
    pub hard: bool,
}

/// The timers of one process, in the cycles that it has used. A leaf lock, held for a few
/// instructions.
pub struct CpuTimers {
    /// The least reading at which anything is due.
    next: AtomicU64,
    inner: Mutex<Inner>,
}

impl Default for CpuTimers {
    fn default() -> Self {
        Self { next: AtomicU64::new(u64::MAX), inner: Mutex::default() }
    }
}

impl CpuTimers {
    /// Whether something is due, told once until [`CpuTimers::take`].
    #[inline]
    pub fn is_due(&self, used: u64) -> bool {
        used >= self.next.load(Ordering::Relaxed)
            && self.next.swap(u64::MAX, Ordering::Relaxed) <= used
    }

    fn arm(&self, inner: &Inner) {
        let readings = inner.timers.iter().map(|timer| timer.at).chain([inner.soft, inner.hard]);
        let next = readings.filter(|&at| at != 0).min().unwrap_or(u64::MAX);
        self.next.store(next, Ordering::Relaxed);
    }

    /// Sets a timer; what was left of it, and its interval.
    pub fn set(
        &self,
        which: Which,
        used: u64,
        value: Cycles,
        interval: Cycles,
    ) -> (Cycles, Cycles) {
        let mut inner = self.inner.lock();
        let before = left(&inner, which, used);
        let at = if value.is_zero() { 0 } else { used.saturating_add(value.get()) };
        if let Some(timer) = inner.timers.get_mut(which as usize) {
            *timer = Timer { at, interval: interval.get() };
        }
        self.arm(&inner);
        before
    }

    /// What is left of a timer, and its interval.
    pub fn get(&self, which: Which, used: u64) -> (Cycles, Cycles) {
        left(&self.inner.lock(), which, used)
    }

    /// The limits, in cycles; `None` for none.
    pub fn limit(&self, soft: Option<Cycles>, hard: Option<Cycles>) {
        let at = |limit: Option<Cycles>| limit.map_or(0, |limit| limit.get().max(1));
        let mut inner = self.inner.lock();
        (inner.soft, inner.hard) = (at(soft), at(hard));
        self.arm(&inner);
    }

    /// What is due, once: timers with an interval go on, and the soft limit is told again
    /// after `again`.
    pub fn take(&self, used: u64, again: Cycles) -> Due {
        let mut inner = self.inner.lock();
        let mut fire = |which: Which| {
            let Some(timer) = inner.timers.get_mut(which as usize) else { return false };
            if timer.at == 0 || timer.at > used {
                return false;
            }
            // What was missed is one signal.
            timer.at = match timer.interval {
                0 => 0,
                interval => used.saturating_add(interval),
            };
            true
        };
        let (virtual_timer, profiling) = (fire(Which::Virtual), fire(Which::Profiling));
        let reached = |at: u64| at != 0 && at <= used;
        let (soft, hard) = (reached(inner.soft), reached(inner.hard));
        if soft {
            inner.soft = used.saturating_add(again.get());
        }
        if hard {
            inner.hard = 0;
        }
        self.arm(&inner);
        Due { virtual_timer, profiling, soft, hard }
    }
}

fn left(inner: &Inner, which: Which, used: u64) -> (Cycles, Cycles) {
    let timer = inner.timers.get(which as usize).copied().unwrap_or_default();
    let left = if timer.at == 0 { 0 } else { timer.at.saturating_sub(used).max(1) };
    (Cycles::new(left), Cycles::new(timer.interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGAIN: Cycles = Cycles::new(1000);

    #[test]
    fn nothing_is_due_until_its_time_and_then_once() {
        let timers = CpuTimers::default();
        assert!(!timers.is_due(u64::MAX - 1));
        timers.set(Which::Virtual, 100, Cycles::new(50), Cycles::ZERO);
        assert_eq!(timers.get(Which::Virtual, 120), (Cycles::new(30), Cycles::ZERO));
        assert!(!timers.is_due(149));
        assert!(timers.is_due(150));
        assert!(!timers.is_due(151), "told once");
        let due = timers.take(151, AGAIN);
        assert_eq!(due, Due { virtual_timer: true, ..Due::default() });
        assert!(!timers.is_due(u64::MAX - 1));
    }

    #[test]
    fn an_interval_goes_on_and_what_was_missed_is_one() {
        let timers = CpuTimers::default();
        timers.set(Which::Profiling, 0, Cycles::new(10), Cycles::new(10));
        assert!(timers.take(35, AGAIN).profiling);
        assert!(!timers.take(44, AGAIN).profiling);
        assert!(timers.take(45, AGAIN).profiling);
    }

    #[test]
    fn the_soft_limit_is_told_again_and_the_hard_one_kills() {
        let timers = CpuTimers::default();
        timers.limit(Some(Cycles::new(100)), Some(Cycles::new(2000)));
        assert!(timers.is_due(100));
        assert_eq!(timers.take(100, AGAIN), Due { soft: true, ..Due::default() });
        assert!(!timers.is_due(1099));
        assert!(timers.is_due(1100));
        assert_eq!(timers.take(1100, AGAIN), Due { soft: true, ..Due::default() });
        let due = timers.take(2100, AGAIN);
        assert_eq!(due, Due { soft: true, hard: true, ..Due::default() });
    }
}
