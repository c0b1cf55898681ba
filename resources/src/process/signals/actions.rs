//! The actions of a process, for all signals: sigaction(2).
//!
//! Invariants: SIGKILL's and SIGSTOP's actions are the default; no mask holds either.

use alloc::boxed::Box;
use alloc::vec;

use vortex_abi::Errno;

use super::action::{Action, Handler};
use super::set::SignalSet;
use super::signal::{Disposition, Signal};

/// The actions of a process, a place for each signal. In the heap: two KiB would otherwise be
/// on the kernel's stack wherever a process is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actions(Box<[Action]>);

/// What is to be done with a signal that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// Its handler runs.
    Handler(Action),
    /// Nothing.
    Ignored,
    /// What it does by itself; never [`Disposition::Ignore`] or [`Disposition::Continue`].
    Default(Disposition),
}

impl Default for Actions {
    fn default() -> Self {
        Self(vec![Action::default(); 64].into_boxed_slice())
    }
}

impl Actions {
    /// The action of a signal.
    #[must_use]
    pub fn get(&self, signal: Signal) -> Action {
        self.0.get(signal.index()).copied().unwrap_or_default()
    }

    /// Sets the action of a signal. Returns the one before, and what is to be discarded of
    /// what is pending for the process and its threads.
    pub fn set(&mut self, signal: Signal, action: Action) -> Result<(Action, SignalSet), Errno> {
        if SignalSet::UNSTOPPABLE.contains(signal) {
            return Err(Errno::EINVAL);
        }
        let before = self.get(signal);
        let flags = action.flags & Action::KNOWN;
        self.put(signal, Action { flags, mask: action.mask.blockable(), ..action });
        let discarded =
            if self.ignores(signal) { SignalSet::of(&[signal]) } else { SignalSet::EMPTY };
        Ok((before, discarded))
    }

    fn put(&mut self, signal: Signal, action: Action) {
        if let Some(place) = self.0.get_mut(signal.index()) {
            *place = action;
        }
    }

    /// The signals that are ignored, and those that have a handler.
    #[must_use]
    pub fn dispositions(&self) -> (SignalSet, SignalSet) {
        let (mut ignored, mut caught) = (SignalSet::EMPTY, SignalSet::EMPTY);
        for signal in (1..=64).filter_map(Signal::new) {
            match self.get(signal).handler() {
                Handler::Default => {}
                Handler::Ignore => ignored.insert(signal),
                Handler::At(_) => caught.insert(signal),
            }
        }
        (ignored, caught)
    }

    /// Whether a signal would do nothing: it is ignored, or by default without effect.
    #[must_use]
    pub fn ignores(&self, signal: Signal) -> bool {
        match self.get(signal).handler() {
            Handler::Default => {
                matches!(signal.default_disposition(), Disposition::Ignore | Disposition::Continue)
            }
            Handler::Ignore => true,
            Handler::At(_) => false,
        }
    }

    /// Whether a signal that is sent need not be pending at all. A blocked one stays: the
    /// action may be another when it is unblocked, and sigtimedwait(2) may wait for it.
    #[must_use]
    pub fn discards(&self, signal: Signal, blocked: SignalSet) -> bool {
        !blocked.contains(signal) && self.ignores(signal)
    }

    /// What is to be done with a signal that was taken; one that has its handler once loses
    /// it.
    #[must_use]
    pub fn deliver(&mut self, signal: Signal) -> Delivered {
        let action = self.get(signal);
        match action.handler() {
            Handler::Ignore => Delivered::Ignored,
            Handler::Default if self.ignores(signal) => Delivered::Ignored,
            Handler::Default => Delivered::Default(signal.default_disposition()),
            Handler::At(_) => {
                if action.has(Action::RESETHAND) {
                    self.put(signal, Action { handler: 0, ..action });
                }
                Delivered::Handler(action)
            }
        }
    }

    /// Makes sure that a signal that cannot be put off, a fault's, is delivered: where it is
    /// blocked or ignored it is not any more, and ends the process.
    pub fn force(&mut self, signal: Signal, blocked: &mut SignalSet) {
        let action = self.get(signal);
        if blocked.contains(signal) || action.handler() == Handler::Ignore {
            self.put(signal, Action { handler: 0, ..action });
            blocked.remove(signal);
        }
    }

    /// Whether children that end are forgotten at once: wait(2) does not find them.
    #[must_use]
    pub fn forgets_children(&self) -> bool {
        let action = self.get(Signal::CHLD);
        action.handler() == Handler::Ignore || action.has(Action::NOCLDWAIT)
    }

    /// After execve(2): there are no handlers, and what was ignored is.
    pub fn after_exec(&mut self) {
        for action in &mut self.0 {
            let handler = if action.handler() == Handler::Ignore { 1 } else { 0 };
            *action = Action { handler, ..Action::default() };
        }
    }
}
