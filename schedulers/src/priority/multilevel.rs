//! `priority.multilevel`: who has used little goes first; who uses much goes down.
//!
//! Feedback queues after Corbató, Merwin-Daggett & Daley, "An Experimental Time-Sharing System"
//! (AFIPS 1962), with the account of consumption on a level that later systems have, so that
//! giving the core back just before a quantum ends gains nothing. A client begins on the first
//! level; when it has used a quantum it goes down one, where a quantum is twice as much. The
//! highest level with a ready client is served, in order of becoming ready. When as much time has
//! passed as `patience` says a client begins anew; one that has waited so long is served next.
//!
//! It asks for nothing to be configured: who answers people and who computes is told apart by
//! what they do.
//!
//! # Bounds
//! Let l be the longest charge between two decisions, n the number of clients.
//! 1. A client that in any time of `patience` uses less than a quantum is always on the first
//!    level: it waits for others there, for one charge, and for those whose patience is at its
//!    end.
//! 2. Nobody waits longer than `patience` + n·l: those whose patience is at its end are served
//!    in the order in which it ended.
//! 3. **Nothing is promised of shares**: many that are always new on the first level have all
//!    but what patience gives to others. Where somebody's service level is at stake a
//!    proportional share is right.
//!
//! Every operation is O(log n). Work conserving.
//!
//! # Deviations
//! - Clients begin anew each at its own time. Other systems lift all at once, at intervals: a
//!   step whose length nobody bounds.
//! - Charges from elsewhere and credits count like others; there is no debt, and nobody is
//!   refused.

use alloc::boxed::Box;

use vortex_grid::Frequency;
use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, Direction, InitError, LoadShare,
    Metric, Params, Queues, Readiness, Record, Scheduler, SchedulerCore,
};
use vortex_units::{CoreId, Cycles, Micros};

use crate::common::Common;
use crate::heap::{Heap, Key};
use crate::table::Table;
use crate::tally::Tally;

#[cfg(test)]
mod tests;

/// How many levels there are, where nothing is said.
const LEVELS: u64 = 8;
/// A quantum of time on the first.
const QUANTUM: Micros = Micros::new(10_000);
/// How long a client waits at most below others, and when it begins anew.
const PATIENCE: Micros = Micros::new(1_000_000);

/// A quantum where the metric is not time: bytes, or what a field has.
const AMOUNT: u64 = 65_536;
/// The same of requests and frames.
const COUNT: u64 = 16;

/// The policy `priority.multilevel`.
pub struct Multilevel {
    common: Common,
    levels: u32,
    quantum: u64,
    patience: Cycles,
}

impl Scheduler for Multilevel {
    fn init(mut params: Params) -> Result<Self, InitError> {
        let frequency = params.frequency.ok_or(InitError::NoClock)?;
        let levels = params.take_number("levels", 2..=32, "2 to 32")?;
        let quantum = params.take_number("quantum", 1..=1 << 40, "1 to 1099511627776")?;
        let patience =
            params.take_number("patience", 1_000..=3_600_000_000, "1000 to 3600000000 us")?;
        let patience = patience.map_or(PATIENCE, Micros::new);
        Ok(Self {
            quantum: self::quantum(params.metric, quantum, frequency),
            levels: levels.unwrap_or(LEVELS) as u32,
            patience: frequency.cycles(patience),
            common: Common::init(params)?,
        })
    }

    fn init_core(&self, _: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(MultilevelCore {
            metric: self.common.metric,
            levels: self.levels,
            quantum: self.quantum,
            patience: self.patience,
            arrivals: 0,
            ready: Heap::new(),
            waiting: Heap::new(),
            clients: Table::new(),
        })
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.common.load_share(question)
    }
}

/// A quantum in the metric's own units: of processor time what is written are microseconds.
fn quantum(metric: Metric, written: Option<u64>, frequency: Frequency) -> u64 {
    match metric {
        Metric::Cycles => frequency.cycles(written.map_or(QUANTUM, Micros::new)).get().max(1),
        Metric::Requests | Metric::Memory => written.unwrap_or(COUNT),
        _ => written.unwrap_or(AMOUNT),
    }
}

struct Client {
    ready: bool,
    level: u32,
    /// What it has used on that level.
    used: u64,
    /// When it began anew.
    anew: Cycles,
    tally: Tally,
}

struct MultilevelCore {
    metric: Metric,
    levels: u32,
    quantum: u64,
    patience: Cycles,
    /// How often any client has become ready: the order on a level.
    arrivals: u64,
    /// Ready clients by level, and by how long they have waited.
    ready: Heap,
    waiting: Heap,
    clients: Table<Client>,
}

impl MultilevelCore {
    fn forget(&mut self, id: ClientId) {
        self.ready.remove(id);
        self.waiting.remove(id);
        if let Some(client) = self.clients.get_mut(id) {
            client.ready = false;
        }
    }

    /// Puts a ready client at the end of its level.
    fn line_up(&mut self, id: ClientId) {
        let Some(client) = self.clients.get(id).filter(|client| client.ready) else { return };
        self.ready.set(id, Key::of_pair(client.level, self.arrivals));
        self.arrivals = self.arrivals.wrapping_add(1);
    }

    /// Whose patience is at its end.
    fn impatient(&self, now: Cycles) -> Option<ClientId> {
        let first = self.waiting.first()?;
        let since = first.key().second();
        (now.get().saturating_sub(since) >= self.patience.get()).then(|| first.id())
    }
}

impl Client {
    /// Takes note of consumption. Whether it is on another level now.
    fn use_up(&mut self, amount: u64, quantum: u64, levels: u32) -> bool {
        let before = self.level;
        self.used = self.used.saturating_add(amount);
        while self.level + 1 < levels {
            let most = quantum.saturating_mul(1 << self.level);
            if self.used < most {
                break;
            }
            self.used -= most;
            self.level += 1;
        }
        self.level != before
    }

    fn begin_anew(&mut self, now: Cycles) {
        (self.level, self.used, self.anew) = (0, 0, now);
    }

    /// Begins anew if it is time.
    fn age(&mut self, now: Cycles, patience: Cycles) {
        if now.saturating_sub(self.anew) >= patience {
            self.begin_anew(now);
        }
    }
}

impl SchedulerCore for MultilevelCore {
    fn add_client(&mut self, id: ClientId, params: &ClientParams) {
        self.remove_client(id);
        self.ready.admit(id);
        self.waiting.admit(id);
        // A part stands where its whole does.
        let whole = params.beside.and_then(|whole| self.clients.get(whole));
        let (level, used) = whole.map_or((0, 0), |whole| (whole.level, whole.used));
        let anew = whole.map_or(Cycles::ZERO, |whole| whole.anew);
        let client = Client { ready: false, level, used, anew, tally: Tally::default() };
        self.clients.insert(id, client);
    }

    fn remove_client(&mut self, id: ClientId) {
        self.forget(id);
        self.clients.remove(id);
    }

    fn client_reweighed(&mut self, _: ClientId, _: &ClientParams, _: Cycles) {}

    fn client_inherits(&mut self, id: ClientId, from: ClientId, _: Cycles) {
        let Some(part) = self.clients.get_mut(from) else { return };
        let (level, used) = (part.level, part.used);
        let mut tally = core::mem::take(&mut part.tally);
        let Some(client) = self.clients.get_mut(id) else { return };
        client.tally.take_in(&mut tally);
        if level > client.level {
            (client.level, client.used) = (level, used);
            self.line_up(id);
        }
    }

    fn client_goes_on(&mut self, id: ClientId, debt: u64, refused: bool) {
        let _ = refused;
        let (quantum, levels) = (self.quantum, self.levels);
        if let Some(client) = self.clients.get_mut(id) {
            client.use_up(debt, quantum, levels);
        }
    }

    fn schedule(&mut self, now: Cycles, _: &mut dyn Queues) -> Option<Choice> {
        let impatient = self.impatient(now);
        let id = impatient.or_else(|| self.ready.first().map(|first| first.id()))?;
        self.forget(id);
        if impatient.is_some()
            && let Some(client) = self.clients.get_mut(id)
        {
            client.begin_anew(now);
        }
        Some(Choice::of(id))
    }

    fn client_ready(&mut self, id: ClientId, now: Cycles) {
        let patience = self.patience;
        let Some(client) = self.clients.get_mut(id).filter(|client| !client.ready) else { return };
        client.age(now, patience);
        client.ready = true;
        self.waiting.set(id, Key::of_pair(0, now.get()));
        self.line_up(id);
    }

    fn client_suspended(&mut self, id: ClientId, _: Cycles) {
        self.forget(id);
    }

    fn poll_ready(&mut self, _: Cycles) -> Readiness {
        if self.ready.is_empty() { Readiness::Idle } else { Readiness::Now }
    }

    fn resource_record(&mut self, id: ClientId, record: &Record, now: Cycles) {
        let amount = self.metric.measure(record);
        let (quantum, levels, patience) = (self.quantum, self.levels, self.patience);
        let Some(client) = self.clients.get_mut(id) else { return };
        client.tally.note(record, amount);
        match record.direction {
            Direction::Credit => client.used = client.used.saturating_sub(amount),
            Direction::Charge => {
                if !client.ready {
                    client.age(now, patience);
                }
                if client.use_up(amount, quantum, levels) {
                    self.line_up(id);
                }
            }
        }
    }

    fn client_statistics(&self, id: ClientId) -> ClientStatistics {
        self.clients.get(id).map(|client| client.tally.statistics()).unwrap_or_default()
    }
}
