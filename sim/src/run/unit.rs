//! A core as the driver sees it: in its loop, in user mode, or idle; and what waits for it.

use std::collections::VecDeque;

use vortex_grid::{Core, Refused, Step};
use vortex_units::{ActivityId, CoreId, Cycles};

use crate::build::PATIENCE;
use crate::clock::Clock;
use crate::machine::SimMachine;
use crate::message::SimMessage;
use crate::source::Root;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// In its dispatch loop.
    Loop,
    /// In user mode, to this time; until the second the thread is left in peace.
    User(Cycles, Option<Cycles>),
    /// Idle, to this time or until it is poked.
    Idle(Option<Cycles>),
}

/// A core with its clock.
pub(crate) struct Unit {
    pub core: Core<SimMessage, SimMachine>,
    pub clock: Clock,
    mode: Mode,
    /// The earliest poke not yet taken.
    poked: Option<Cycles>,
    /// Roots that have come and are not sent.
    roots: VecDeque<(Cycles, Root)>,
    patience: Cycles,
}

impl Unit {
    pub fn new(mut core: Core<SimMessage, SimMachine>, clock: Clock) -> Self {
        let patience = core.machine().frequency.cycles(PATIENCE);
        let roots = VecDeque::new();
        Self { core, clock, mode: Mode::Loop, poked: None, roots, patience }
    }

    pub fn id(&self) -> CoreId {
        self.core.id()
    }

    pub fn now(&self) -> Cycles {
        self.clock.look()
    }

    /// When it next does something by itself; `None` if it waits to be poked.
    pub fn next(&self) -> Option<Cycles> {
        let now = self.now();
        let root = self.roots.front().map(|(at, _)| *at);
        let until = match self.mode {
            Mode::Loop => return Some(now),
            Mode::User(until, look) => [Some(until), look, self.poked, root],
            Mode::Idle(until) => [until, None, self.poked, root],
        };
        until.into_iter().flatten().min().map(|at| at.max(now))
    }

    /// A root has come: an interrupt.
    pub fn bring(&mut self, at: Cycles, root: Root) {
        self.roots.push_back((at, root));
    }

    /// Another core pokes this one.
    pub fn poke(&mut self, at: Cycles) {
        self.poked = Some(self.poked.map_or(at, |earlier| earlier.min(at)));
    }

    /// Does what is due at `at`, which is what [`Self::next`] said.
    pub fn turn(&mut self, at: Cycles, mut refused: impl FnMut(ActivityId, Refused)) {
        match self.mode {
            Mode::Loop => {
                while let Some((_, root)) = self.roots.pop_front_if(|(come, _)| *come <= at) {
                    self.send(root, &mut refused);
                }
                let step = self.core.step();
                self.enter(step);
            }
            Mode::Idle(_) => {
                self.clock.wait_until(at);
                self.core.wake();
                self.enter(Step::Ran);
            }
            Mode::User(until, look) => {
                self.clock.user_until(at);
                let wanted = at >= until
                    || self.poked.is_some_and(|poke| poke <= at)
                    || self.roots.front().is_some_and(|(come, _)| *come <= at);
                if !wanted && look.is_some_and(|look| look <= at) && !self.core.is_wanted() {
                    self.mode = Mode::User(until, None);
                    return;
                }
                let left = self.now();
                let step = self.core.leave(left);
                self.enter(step);
            }
        }
    }

    fn enter(&mut self, step: Step) {
        let now = self.now();
        self.mode = match step {
            Step::Ran => Mode::Loop,
            Step::Enter(limit) => {
                Mode::User(now.saturating_add(limit), Some(now.saturating_add(self.patience)))
            }
            // Time passes whatever the core says, or it could wait for the past for ever.
            Step::Idle(until) => Mode::Idle(until.map(|at| at.max(now + Cycles::new(1)))),
        };
        // Who poked before now was heard: the core has looked since.
        self.poked = self.poked.filter(|poke| *poke > now);
    }

    fn send(&mut self, root: Root, refused: &mut impl FnMut(ActivityId, Refused)) {
        let (activity, sent) = match root {
            Root::Thread(activity, port, labels, ready) => {
                (activity, self.core.root(activity, port, labels, ready))
            }
            Root::Arrival(activity, port, labels, request) => {
                (activity, port.root(&mut self.core, activity, labels, request))
            }
        };
        if let Err(why) = sent {
            refused(activity, why);
        }
    }

    /// The simulation is over: what the core waits for is accounted up to `end`.
    pub fn finish(&mut self, end: Cycles) {
        match self.mode {
            Mode::Loop => {}
            Mode::User(..) => self.clock.user_until(end),
            Mode::Idle(_) => {
                self.clock.wait_until(end);
                self.core.wake();
            }
        }
    }

    /// Sees to it that a thread in user mode has its time up to `at` in a sample.
    pub fn catch_up(&mut self, at: Cycles) {
        if matches!(self.mode, Mode::User(..)) {
            self.clock.user_until(at);
        }
    }
}
