//! Calls that wait until a file is ready.
//!
//! A call that would block is kept, without its buffers; when what it waits for may be so,
//! its thread is told to make it again: a write of which a part is written, for the rest. The
//! open of a FIFO has an effect that others see: it is kept, and goes on here.
//!
//! # Invariants
//! A thread has at most one wait here, known by its number. A wait is answered exactly once.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use vortex_files::WaitKey;
use vortex_grid::{Context, Kept};
use vortex_units::Cycles;

use super::request::FileCall;
use crate::process::Pid;
use crate::{Answer, Mail};

/// A call that waits.
struct Wait {
    kept: Kept<Mail>,
    keys: Vec<WaitKey>,
    deadline: Option<Cycles>,
    begun: Option<Box<FileCall>>,
    done: usize,
    number: u64,
}

/// A wait that is over.
pub(super) struct Over {
    /// Where the answer goes.
    pub kept: Kept<Mail>,
    /// Until when it would have lasted.
    pub deadline: Option<Cycles>,
    /// The call, where it goes on from where it was.
    pub begun: Option<Box<FileCall>>,
    /// Bytes that it has moved.
    pub done: usize,
}

/// The calls that wait.
#[derive(Default)]
pub struct Waits {
    by_thread: BTreeMap<Pid, Wait>,
    /// Who waits for what, in the order of their waits' numbers.
    by_key: BTreeMap<(WaitKey, u64), Pid>,
    number: u64,
}

impl Waits {
    /// Keeps a call until one of the keys is woken. Returns the number of the wait.
    pub fn add(
        &mut self,
        tid: Pid,
        kept: Kept<Mail>,
        keys: Vec<WaitKey>,
        deadline: Option<Cycles>,
        (begun, done): (Option<Box<FileCall>>, usize),
    ) -> u64 {
        self.number += 1;
        for key in &keys {
            self.by_key.insert((*key, self.number), tid);
        }
        self.by_thread.insert(tid, Wait { kept, keys, deadline, begun, done, number: self.number });
        self.number
    }

    /// Ends a thread's wait, if it has one: it is to be answered.
    pub(super) fn remove(&mut self, tid: Pid) -> Option<Over> {
        let wait = self.by_thread.remove(&tid)?;
        for key in &wait.keys {
            self.by_key.remove(&(*key, wait.number));
        }
        let Wait { kept, deadline, begun, done, .. } = wait;
        Some(Over { kept, deadline, begun, done })
    }

    /// The number of the wait that was begun last.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.number
    }

    /// Who has waited longest for this, of those whose waits are not after one.
    #[must_use]
    pub fn first(&self, key: WaitKey, last: u64) -> Option<Pid> {
        self.by_key.range((key, 0)..=(key, last)).next().map(|(_, &tid)| tid)
    }

    /// A wait's time is over, if it is still the same.
    pub fn expire(&mut self, tid: Pid, number: u64, cx: &mut Context<'_, Mail>) {
        if self.by_thread.get(&tid).is_some_and(|wait| wait.number == number)
            && let Some(over) = self.remove(tid)
        {
            let _ = cx.answer(over.kept, Some(Answer::Again(over.deadline, true)));
        }
    }
}
