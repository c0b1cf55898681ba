//! Calls that wait until a file is ready.
//!
//! A call that would block is kept, without its buffers; when what it waits for may be so,
//! its thread is told to make it again.
//!
//! # Invariants
//! A thread has at most one wait here, known by its number. A wait is answered exactly once.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use vortex_files::WaitKey;
use vortex_grid::{Context, Kept};
use vortex_units::Cycles;

use crate::process::Pid;
use crate::{Answer, Mail};

/// A call that waits.
struct Wait {
    kept: Kept<Mail>,
    keys: Vec<WaitKey>,
    deadline: Option<Cycles>,
    number: u64,
}

/// The calls that wait.
#[derive(Default)]
pub struct Waits {
    by_thread: BTreeMap<Pid, Wait>,
    by_key: BTreeMap<WaitKey, Vec<Pid>>,
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
    ) -> u64 {
        self.number += 1;
        for key in &keys {
            self.by_key.entry(*key).or_default().push(tid);
        }
        self.by_thread.insert(tid, Wait { kept, keys, deadline, number: self.number });
        self.number
    }

    fn remove(&mut self, tid: Pid) -> Option<Wait> {
        let wait = self.by_thread.remove(&tid)?;
        for key in &wait.keys {
            if let Some(waiting) = self.by_key.get_mut(key) {
                waiting.retain(|&other| other != tid);
                if waiting.is_empty() {
                    self.by_key.remove(key);
                }
            }
        }
        Some(wait)
    }

    /// Lets all who wait for this try again.
    pub fn wake(&mut self, key: WaitKey, cx: &mut Context<'_, Mail>) {
        for tid in self.by_key.get(&key).cloned().unwrap_or_default() {
            if let Some(wait) = self.remove(tid) {
                let _ = cx.answer(wait.kept, Some(Answer::Again(wait.deadline, false)));
            }
        }
    }

    /// Ends a thread's wait with this answer.
    pub fn cancel(&mut self, tid: Pid, cx: &mut Context<'_, Mail>) {
        if let Some(wait) = self.remove(tid) {
            let _ = cx.answer(wait.kept, Some(Answer::Interrupted(wait.deadline)));
        }
    }

    /// A wait's time is over, if it is still the same.
    pub fn expire(&mut self, tid: Pid, number: u64, cx: &mut Context<'_, Mail>) {
        if self.by_thread.get(&tid).is_some_and(|wait| wait.number == number)
            && let Some(wait) = self.remove(tid)
        {
            let _ = cx.answer(wait.kept, Some(Answer::Again(wait.deadline, true)));
        }
    }
}
