//! A scheduler core on a mock clock, as tests drive it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use vortex_grid::policy::{
    ClientId, ClientParams, ClientStatistics, Metric, NoQueues, Params, Record, RecordKind,
    Scheduler, SchedulerCore,
};
use vortex_units::{CoreId, Cycles, Requests, Share};

pub(crate) struct Rig {
    pub(crate) core: Box<dyn SchedulerCore>,
    now: u64,
}

impl Rig {
    /// A scheduler by metric `Cycles` with a client for each share (in hundredths).
    pub(crate) fn new(name: &str, debt_cap: u64, shares: &[u32]) -> Self {
        Self::by(name, Metric::Cycles, debt_cap, shares)
    }

    pub(crate) fn by(name: &str, metric: Metric, debt_cap: u64, shares: &[u32]) -> Self {
        let scheduler = crate::make(name, Params::new(metric, debt_cap)).unwrap();
        Self::of(&*scheduler, shares)
    }

    pub(crate) fn of(scheduler: &dyn Scheduler, shares: &[u32]) -> Self {
        let mut rig = Self { core: scheduler.init_core(CoreId::new(0)), now: 0 };
        (0..).zip(shares).for_each(|(id, share)| rig.add(id, *share, 0));
        rig
    }

    pub(crate) fn add(&mut self, id: u32, share: u32, priority: u32) {
        let share = Share::from_hundredths(share).unwrap();
        let params = ClientParams { share, priority, ..ClientParams::default() };
        self.core.add_client(ClientId::new(id), &params);
    }

    /// A part of another client.
    pub(crate) fn add_beside(&mut self, id: u32, share: u32, whole: u32) {
        let share = Share::from_hundredths(share).unwrap();
        let beside = Some(ClientId::new(whole));
        let params = ClientParams { share, beside, ..ClientParams::default() };
        self.core.add_client(ClientId::new(id), &params);
    }

    pub(crate) fn reweigh(&mut self, id: u32, share: u32) {
        let share = Share::from_hundredths(share).unwrap();
        let params = ClientParams { share, ..ClientParams::default() };
        self.core.client_reweighed(ClientId::new(id), &params, Cycles::new(self.now));
    }

    pub(crate) fn inherit(&mut self, id: u32, from: u32) {
        let (id, from) = (ClientId::new(id), ClientId::new(from));
        self.core.client_inherits(id, from, Cycles::new(self.now));
    }

    pub(crate) fn ready(&mut self, id: u32) {
        self.core.client_ready(ClientId::new(id), Cycles::new(self.now));
    }

    pub(crate) fn suspend(&mut self, id: u32) {
        self.core.client_suspended(ClientId::new(id), Cycles::new(self.now));
    }

    pub(crate) fn next(&mut self) -> Option<u32> {
        let choice = self.core.schedule(Cycles::new(self.now), &mut NoQueues)?;
        Some(choice.client.get())
    }

    pub(crate) fn charge(&mut self, id: u32, cycles: u64) {
        self.now += cycles;
        self.note(id, &record(RecordKind::BASIC, cycles));
    }

    pub(crate) fn bill(&mut self, id: u32, cycles: u64) {
        self.note(id, &record(RecordKind::BILLED_BACK, cycles));
    }

    pub(crate) fn credit(&mut self, id: u32, cycles: u64) {
        self.note(id, &record(RecordKind::BILLED_BACK, cycles).credited());
    }

    /// What was charged was a prediction, and wrong by this.
    pub(crate) fn correct(&mut self, id: u32, by: i64) {
        let record = record(RecordKind::CORRECTION, by.unsigned_abs());
        self.note(id, &if by < 0 { record.credited() } else { record });
    }

    /// The core has nothing to do for so long, of a million after which nothing is owed.
    pub(crate) fn idle(&mut self, cycles: u64) {
        self.now += cycles;
        let (idle, cap) = (Cycles::new(cycles), Cycles::new(1_000_000));
        self.core.core_idle(idle, cap, Cycles::new(self.now));
    }

    fn note(&mut self, id: u32, record: &Record) {
        self.core.resource_record(ClientId::new(id), record, Cycles::new(self.now));
    }

    pub(crate) fn told(&self, id: u32) -> ClientStatistics {
        self.core.client_statistics(ClientId::new(id))
    }

    /// The next choices, each charged its client's `lengths` and ready again at once.
    pub(crate) fn run(&mut self, steps: usize, lengths: &[u64]) -> Vec<u32> {
        let mut chosen = Vec::new();
        while chosen.len() < steps
            && let Some(id) = self.next()
        {
            self.charge(id, lengths[id as usize]);
            self.ready(id);
            chosen.push(id);
        }
        chosen
    }
}

fn record(kind: RecordKind, cycles: u64) -> Record {
    let requests = Requests::new(u64::from(kind == RecordKind::BASIC));
    Record { cycles: Cycles::new(cycles), requests, ..Record::new(kind) }
}
