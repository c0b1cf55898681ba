//! A limit on what all clients of a scheduler have together in a second: as of an I/O bus, which
//! carries no more than it does, whatever devices are on it (§3.1).
//!
//! It is around any policy, and for all cores that the scheduler is on. A charge of c moves a time
//! L by c/limit, and until L nobody is chosen, on any core; the policy beneath does not notice, but
//! that it is asked later. L lags behind the clock by [`BURST`] at most, so that timers that are
//! late do not make the limit less than it is.
//!
//! # Bounds
//! With l the longest charge, on n cores: over any interval of length t at most
//! limit·(t + burst) + n·l, and nothing that is chosen before what was charged for it is told. How
//! it is divided is the policy's promise. Not work conserving.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use vortex_grid::Frequency;
use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, Direction, InitError, LoadShare,
    Metric, Params, Queues, Readiness, Record, RecordKind, Scheduler, SchedulerCore,
};
use vortex_units::{CoreId, Cycles, Micros, Rate};

#[cfg(test)]
mod tests;

/// How far L may be behind the clock.
const BURST: Micros = Micros::new(5_000);

/// A scheduler whose clients together have no more of the metric in a second than this allows.
#[must_use]
pub fn limited(scheduler: Arc<dyn Scheduler>, limit: &Limit) -> Arc<dyn Scheduler> {
    Arc::new(Limited { scheduler, meter: limit.0.clone() })
}

/// A limit that is around a scheduler, and may be around the next one that takes its place: what
/// was noted stays noted.
#[derive(Clone)]
pub struct Limit(Arc<Meter>);

impl Limit {
    /// So much of the metric in a second.
    #[must_use]
    pub fn new(metric: Metric, rate: Rate, frequency: Frequency) -> Self {
        Self(Arc::new(Meter {
            metric,
            each: AtomicU64::new(each(rate, frequency)),
            burst: frequency.cycles(BURST).get(),
            megahertz: frequency.as_megahertz(),
            free: AtomicU64::new(0),
        }))
    }

    /// It is so much from now on. What was had beyond it until now is the same amount, waited for
    /// by the new one.
    pub fn set(&self, rate: Rate, now: Cycles) {
        let after = each(rate, Frequency::megahertz(self.0.megahertz));
        let before = self.0.each.swap(after, Ordering::Relaxed).max(1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        let _ = self.0.free.fetch_update(set, fetch, |free| {
            let lead = u128::from(free.checked_sub(now.get())?);
            let lead = lead * u128::from(after) / u128::from(before);
            Some(now.get().saturating_add(u64::try_from(lead).unwrap_or(u64::MAX)))
        });
    }
}

/// Bits of a part of a cycle.
const FRACTION: u32 = 24;

/// Cycles that one unit takes at a rate, in parts.
fn each(rate: Rate, frequency: Frequency) -> u64 {
    let second = u128::from(frequency.as_megahertz()) * 1_000_000;
    let each = (second << FRACTION) / u128::from(rate.get().max(1));
    u64::try_from(each).unwrap_or(u64::MAX).max(1)
}

/// When there is something to be had again; one for all cores.
struct Meter {
    metric: Metric,
    /// Cycles that one unit of the metric takes at the limit, in parts.
    each: AtomicU64,
    burst: u64,
    megahertz: u64,
    /// L.
    free: AtomicU64,
}

impl Meter {
    /// How long nobody is chosen yet.
    #[inline]
    fn left(&self, now: Cycles) -> u64 {
        self.free.load(Ordering::Relaxed).saturating_sub(now.get())
    }

    fn note(&self, record: &Record, now: Cycles) {
        // Used elsewhere: that is not carried here.
        if matches!(record.kind, RecordKind::THROUGH | RecordKind::IN_TURN) {
            return;
        }
        let amount = self.metric.measure(record);
        if amount == 0 {
            return;
        }
        let each = u128::from(self.each.load(Ordering::Relaxed));
        let span = u128::from(amount).saturating_mul(each) >> FRACTION;
        let span = u64::try_from(span).unwrap_or(u64::MAX);
        let least = now.get().saturating_sub(self.burst);
        let moved = |free: u64| match record.direction {
            Direction::Charge => free.max(least).saturating_add(span),
            Direction::Credit => free.saturating_sub(span),
        };
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        let _ = self.free.fetch_update(set, fetch, |free| Some(moved(free)));
    }
}

struct Limited {
    scheduler: Arc<dyn Scheduler>,
    meter: Arc<Meter>,
}

impl Scheduler for Limited {
    /// It is made around another ([`limited`]).
    fn init(_: Params) -> Result<Self, InitError> {
        Err(InitError::NoClock)
    }

    fn init_core(&self, core: CoreId) -> Box<dyn SchedulerCore> {
        let (inner, meter) = (self.scheduler.init_core(core), self.meter.clone());
        Box::new(LimitedCore { inner, meter })
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.scheduler.load_share(question)
    }
}

struct LimitedCore {
    inner: Box<dyn SchedulerCore>,
    meter: Arc<Meter>,
}

impl SchedulerCore for LimitedCore {
    fn add_client(&mut self, client: ClientId, params: &ClientParams) {
        self.inner.add_client(client, params);
    }

    fn remove_client(&mut self, client: ClientId) {
        self.inner.remove_client(client);
    }

    fn client_reweighed(&mut self, client: ClientId, params: &ClientParams, now: Cycles) {
        self.inner.client_reweighed(client, params, now);
    }

    fn client_inherits(&mut self, client: ClientId, from: ClientId, now: Cycles) {
        self.inner.client_inherits(client, from, now);
    }

    fn client_goes_on(&mut self, client: ClientId, debt: u64, refused: bool) {
        self.inner.client_goes_on(client, debt, refused);
    }

    fn schedule(&mut self, now: Cycles, queues: &mut dyn Queues) -> Option<Choice> {
        if self.meter.left(now) > 0 {
            return None;
        }
        self.inner.schedule(now, queues)
    }

    fn client_ready(&mut self, client: ClientId, now: Cycles) {
        self.inner.client_ready(client, now);
    }

    fn client_suspended(&mut self, client: ClientId, now: Cycles) {
        self.inner.client_suspended(client, now);
    }

    fn poll_ready(&mut self, now: Cycles) -> Readiness {
        let left = self.meter.left(now);
        let inner = self.inner.poll_ready(now);
        if left == 0 || inner == Readiness::Idle {
            return inner;
        }
        let left = Micros::new(left.div_ceil(self.meter.megahertz.max(1)));
        match inner {
            Readiness::After(time) => Readiness::After(time.max(left)),
            _ => Readiness::After(left),
        }
    }

    fn allowance(&self, client: ClientId, timeslice: Cycles) -> Cycles {
        self.inner.allowance(client, timeslice)
    }

    fn resource_record(&mut self, client: ClientId, record: &Record, now: Cycles) {
        self.meter.note(record, now);
        self.inner.resource_record(client, record, now);
    }

    fn core_idle(&mut self, idle: Cycles, cap: Cycles, now: Cycles) {
        self.inner.core_idle(idle, cap, now);
    }

    fn client_statistics(&self, client: ClientId) -> ClientStatistics {
        self.inner.client_statistics(client)
    }

    fn is_in_debt(&self, client: ClientId) -> bool {
        self.inner.is_in_debt(client)
    }
}
