//! What is measured: one core or two, with run-on or without, many activities or few.

use vortex_grid::{Core, Labels, Port, Step};
use vortex_units::{ActivityId, Micros};

use crate::grid::{Counter, Go, Mail, Relay, core, create, grid, relay};

/// A way for requests to circulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// To a resource on the same core, every request chosen by both schedulers, with
    /// charge-through (the default form of CPU shares).
    Local,
    /// The same in the paper's form of CPU shares.
    LocalPaper,
    /// Between two resources on two cores, both busy.
    Remote,
    /// Between two resources on two cores, one request in all: the receiver is always idle
    /// and is poked.
    RemoteIdle,
    /// Follow-ups within the quantum, without asking the schedulers again: of one activity,
    /// as with more of them turns are lent, in which nobody else goes on.
    RunOn,
}

impl Scenario {
    /// The names by which scenarios are asked for.
    pub const NAMES: [(&str, Self); 5] = [
        ("local", Self::Local),
        ("local-paper", Self::LocalPaper),
        ("remote", Self::Remote),
        ("remote-idle", Self::RemoteIdle),
        ("run-on", Self::RunOn),
    ];

    /// The scenario of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, scenario)| *scenario)
    }

    fn cores(self) -> u16 {
        match self {
            Self::Remote | Self::RemoteIdle => 2,
            _ => 1,
        }
    }
}

/// A grid in which requests circulate.
pub struct World {
    cores: Vec<Core<Mail, Counter>>,
    turn: usize,
    activities: usize,
}

impl World {
    /// Makes the grid, with this policy at its resources and multiplexors, and sends one request
    /// of each activity.
    pub fn new(scenario: Scenario, activities: u32, policy: &str) -> Option<Self> {
        let grid = grid(scenario.cores(), activities);
        let first: Port<Relay> = match scenario {
            Scenario::Remote | Scenario::RemoteIdle => {
                let first = relay(&grid, policy, &[0], 1)?;
                let _second = relay(&grid, policy, &[1], 0)?;
                first
            }
            _ => relay(&grid, policy, &[0], 0)?,
        };
        let run_on = Micros::new(if scenario == Scenario::RunOn { 20 } else { 0 });
        let charge_through = scenario != Scenario::LocalPaper;
        let mut cores = (0..scenario.cores())
            .map(|index| core(&grid, policy, index, charge_through, run_on))
            .collect::<Option<Vec<_>>>()?;
        let ids: Vec<ActivityId> = create(grid.activities(), activities)?;
        for &id in &ids {
            cores.first_mut()?.root(id, first, Labels::NONE, Go).ok()?;
        }
        Some(Self { cores, turn: 0, activities: ids.len() })
    }

    /// Serves every activity a few times, so that all that grows has grown.
    pub fn warm_up(&mut self) {
        let steps = (self.activities * 2 * self.cores.len()).max(2_000);
        for _ in 0..steps {
            self.step();
        }
    }

    /// One turn of one core's loop; cores take turns.
    #[inline]
    pub fn step(&mut self) {
        let turn = self.turn;
        self.turn = if turn + 1 < self.cores.len() { turn + 1 } else { 0 };
        if let Some(core) = self.cores.get_mut(turn)
            && let Step::Idle(_) = core.step()
        {
            core.wake();
        }
    }

    /// Requests served so far, on all cores.
    pub fn served(&mut self) -> u64 {
        let cores = self.cores.iter_mut().flat_map(|core| core.report().clients);
        cores.map(|client| client.usage.runs.get()).sum()
    }
}
