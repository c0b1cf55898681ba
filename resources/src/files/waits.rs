//! Calls that wait until a file is ready.
//!
//! A call that would block is kept, without its buffers. When what it waits for may be so, a
//! read or a write goes on with its buffers pinned anew; the others' threads are told to make
//! them again, and of a write of which a part is written, the rest. The open of a FIFO has an
//! effect that others see: it is kept, and goes on here.
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
    then: Then,
    number: u64,
}

/// What becomes of a call when what it waits for may be so.
pub(super) enum Then {
    /// It goes on as a request of its own.
    GoesOn,
    /// Its thread makes it again.
    Again,
    /// So many bytes are written; its thread makes it again for the rest.
    Rest(usize),
    /// It goes on from where it was.
    Here(Box<FileCall>),
}

/// Who waits for something.
pub enum Looked {
    /// Nobody.
    Nobody,
    /// This thread.
    Waits(Pid),
    /// Somebody did, or will; the next is to be looked for.
    Other,
}

/// A wait that is over.
pub(super) struct Over {
    /// Where the answer goes.
    pub kept: Kept<Mail>,
    /// Until when it would have lasted.
    pub deadline: Option<Cycles>,
    /// What becomes of it.
    pub then: Then,
}

/// What a call is about to wait for that looks at more than is looked at in one run: what it has
/// seen so far is watched meanwhile.
struct Watch {
    keys: Vec<WaitKey>,
    number: u64,
    /// One of them was woken.
    hit: bool,
}

/// Keys of one wait that go with it; of one with more, in further runs.
const FEW: usize = 16;
/// Keys that go in one run.
const GONE: usize = 32;

/// The calls that wait.
#[derive(Default)]
pub struct Waits {
    by_thread: BTreeMap<Pid, Wait>,
    /// Who waits for what, in the order of their waits' numbers.
    by_key: BTreeMap<(WaitKey, u64), Pid>,
    watches: BTreeMap<Pid, Watch>,
    /// Keys of waits that are over, with their numbers.
    over: Vec<(u64, Vec<WaitKey>)>,
    number: u64,
}

impl Waits {
    /// Keeps a call until one of the keys is woken. Returns the number of the wait.
    pub(super) fn add(
        &mut self,
        tid: Pid,
        kept: Kept<Mail>,
        keys: Vec<WaitKey>,
        deadline: Option<Cycles>,
        then: Then,
    ) -> u64 {
        self.number += 1;
        for key in &keys {
            self.by_key.insert((*key, self.number), tid);
        }
        self.by_thread.insert(tid, Wait { kept, keys, deadline, then, number: self.number });
        self.number
    }

    /// Ends a thread's wait, if it has one: it is to be answered.
    pub(super) fn remove(&mut self, tid: Pid) -> Option<Over> {
        let Wait { kept, keys, deadline, then, number } = self.by_thread.remove(&tid)?;
        self.forget(number, keys);
        Some(Over { kept, deadline, then })
    }

    fn forget(&mut self, number: u64, keys: Vec<WaitKey>) {
        if keys.len() > FEW {
            self.over.push((number, keys));
            return;
        }
        for key in keys {
            self.by_key.remove(&(key, number));
        }
    }

    /// Forgets some keys of waits that are over. True if there are more.
    pub fn forget_some(&mut self) -> bool {
        for _ in 0..GONE {
            let Some((number, keys)) = self.over.last_mut() else { return false };
            match keys.pop() {
                Some(key) => drop(self.by_key.remove(&(key, *number))),
                None => drop(self.over.pop()),
            }
        }
        !self.over.is_empty()
    }

    /// Whether there are keys of waits that are over.
    #[must_use]
    pub fn has_over(&self) -> bool {
        !self.over.is_empty()
    }

    /// A thread's call begins to look at what it may wait for.
    pub fn begin_watch(&mut self, tid: Pid) {
        self.end_watch(tid);
        self.number += 1;
        let watch = Watch { keys: Vec::new(), number: self.number, hit: false };
        self.watches.insert(tid, watch);
    }

    /// It has seen this not to be so.
    pub fn watch(&mut self, tid: Pid, key: WaitKey) {
        if let Some(watch) = self.watches.get_mut(&tid)
            && self.by_key.insert((key, watch.number), tid).is_none()
        {
            watch.keys.push(key);
        }
    }

    /// Whether something that it has seen may be otherwise by now.
    #[must_use]
    pub fn is_hit(&self, tid: Pid) -> bool {
        self.watches.get(&tid).is_some_and(|watch| watch.hit)
    }

    /// Whether it watches anything.
    #[must_use]
    pub fn is_watching(&self, tid: Pid) -> bool {
        self.watches.contains_key(&tid)
    }

    /// It does not wait.
    pub fn end_watch(&mut self, tid: Pid) {
        if let Some(watch) = self.watches.remove(&tid) {
            self.forget(watch.number, watch.keys);
        }
    }

    /// It waits for what it watches. Returns the number of the wait.
    pub fn keep_watch(&mut self, tid: Pid, kept: Kept<Mail>, deadline: Option<Cycles>) -> u64 {
        let Some(Watch { keys, number, .. }) = self.watches.remove(&tid) else { return 0 };
        let wait = Wait { kept, keys, deadline, then: Then::Again, number };
        self.by_thread.insert(tid, wait);
        number
    }

    /// The number of the wait that was begun last.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.number
    }

    /// Who has waited longest for this, of those whose waits are not after one. Whoever only
    /// watches it is told on the way.
    pub fn first(&mut self, key: WaitKey, last: u64) -> Looked {
        let mut waiting = self.by_key.range((key, 0)..=(key, last));
        let Some((&(_, number), &tid)) = waiting.next() else { return Looked::Nobody };
        if self.by_thread.get(&tid).is_some_and(|wait| wait.number == number) {
            return Looked::Waits(tid);
        }
        if let Some(watch) = self.watches.get_mut(&tid).filter(|watch| watch.number == number) {
            watch.hit = true;
        }
        // Or its wait is over.
        self.by_key.remove(&(key, number));
        Looked::Other
    }

    /// Whether anybody may wait for this.
    #[must_use]
    pub fn has(&self, key: WaitKey) -> bool {
        self.by_key.range((key, 0)..=(key, u64::MAX)).next().is_some()
    }

    /// A wait's time is over, if it is still the same.
    pub fn expire(&mut self, tid: Pid, number: u64, cx: &mut Context<'_, Mail>) {
        if self.by_thread.get(&tid).is_some_and(|wait| wait.number == number)
            && let Some(over) = self.remove(tid)
        {
            let answer = match over.then {
                Then::Rest(done) => Answer::Call(Ok(done as u64)),
                // It is closed, whatever has not arrived.
                Then::Here(call) if call.lingers.is_some() => Answer::Call(Ok(0)),
                _ => Answer::Again(over.deadline, true),
            };
            let _ = cx.answer(over.kept, Some(answer));
        }
    }
}
