//! The end of a thread: what it leaves in memory, and to whom it is told (§3.4).

use alloc::vec::Vec;

use vortex_abi::Span;
use vortex_grid::{At, Continuation, Labels, Outcome};
use vortex_machine::Access;

use super::futex::Key;
use super::futex::robust::{Death, Walk, Word, death};
use super::request::ProcessRequest;
use super::thread::Thread;
use super::threads::{Cx, FAULTS, Next, ThreadReady, Threads};
use crate::Mail;
use crate::memory::{Unpinned, pin};

/// Locks looked at in one run.
const SLICE: u32 = 64;

/// What is left to do for a thread that ends.
pub(super) struct Ending {
    walk: Walk,
    /// A lock whose word could not be reached yet.
    word: Option<Word>,
    /// Futexes whose waiters are to be woken.
    wakes: Vec<Key>,
}

/// A page is there, or will not be.
struct EndMended;

impl Continuation<Mail, Threads> for EndMended {
    fn resume(threads: &mut Threads, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        let touched = match threads.touched(ready, At::routine::<Self>(), cx) {
            Ok(touched) => touched,
            Err(waits) => return waits,
        };
        if touched.is_err()
            && let Some(thread) = &mut ready.thread
        {
            // What cannot be reached is passed over: first the locks, then the number.
            match &mut thread.ending {
                Some(ending) if ending.word.is_some() => ending.word = None,
                Some(ending) if !ending.walk.is_done() => ending.word = ending.walk.give_up(),
                _ => thread.clear_tid = 0,
            }
        }
        threads.end(ready, cx)
    }
}

/// More locks are to be looked at.
struct EndMore;

impl Continuation<Mail, Threads> for EndMore {
    fn resume(threads: &mut Threads, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        threads.end(ready, cx)
    }
}

impl Thread {
    /// Looks at the locks that it may have left; true when all are done.
    fn leave_locks(&mut self) -> Result<bool, Unpinned> {
        let tid = self.state.tid.0 as u32;
        let space = self.space.clone();
        let Some(ending) = &mut self.ending else { return Ok(true) };
        for _ in 0..SLICE {
            let word = match ending.word.take() {
                Some(word) => word,
                None => {
                    let read = |address| {
                        let mut bytes = [0; 8];
                        let pinned = pin(&space, Span::new(address, 8), Access::Read)?;
                        pinned.read(0, &mut bytes);
                        Ok::<_, Unpinned>(u64::from_le_bytes(bytes))
                    };
                    match ending.walk.step(read)? {
                        Some(word) => word,
                        None => return Ok(true),
                    }
                }
            };
            let pinned = match pin(&space, Span::new(word.address, 4), Access::Write) {
                Ok(pinned) => pinned,
                Err(unpinned) => {
                    ending.word = Some(word);
                    return Err(unpinned);
                }
            };
            let Some((frame, offset)) = pinned.first() else { continue };
            let Some(atomic) = frame.word(offset) else { continue };
            let keys = Key::both(space.number, word.address, frame.number(), offset);
            let marked = atomic.fetch_update(
                core::sync::atomic::Ordering::SeqCst,
                core::sync::atomic::Ordering::SeqCst,
                |value| match death(word, value, tid) {
                    Death::Mark { new, .. } => Some(new),
                    _ => None,
                },
            );
            let value = marked.unwrap_or_else(|value| value);
            let wake = match death(word, value, tid) {
                Death::Leave => false,
                Death::Wake => true,
                Death::Mark { wake, .. } => wake,
            };
            if wake {
                ending.wakes.extend(keys);
            }
        }
        Ok(false)
    }

    /// Clears its number where that was promised.
    fn clear_number(&mut self) -> Result<(), Unpinned> {
        if self.clear_tid == 0 {
            return Ok(());
        }
        let pinned = pin(&self.space, Span::new(self.clear_tid, 4), Access::Write)?;
        pinned.write(0, &[0; 4]);
        if let (Some(ending), Some((frame, offset))) = (&mut self.ending, pinned.first()) {
            let address = self.clear_tid;
            ending.wakes.extend(Key::both(self.space.number, address, frame.number(), offset));
        }
        self.clear_tid = 0;
        Ok(())
    }
}

impl Threads {
    /// The thread ends: its locks are marked and its number is cleared, as promised, and PR
    /// is told.
    pub(super) fn end(&mut self, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        let (Some(ports), Some(thread)) = (self.system.ports.get(), &mut ready.thread) else {
            return Outcome::Done;
        };
        if thread.ending.is_none() {
            let walk = Walk::new(thread.robust);
            thread.ending = Some(Ending { walk, word: None, wakes: Vec::new() });
            thread.faults = 0;
        }
        let left = match thread.leave_locks() {
            Ok(false) => {
                vortex_machine::save_vectors(&mut thread.context);
                return Outcome::Continue(At::routine::<EndMore>());
            }
            Ok(true) => thread.clear_number(),
            Err(unpinned) => Err(unpinned),
        };
        if let Err(Unpinned::Fault(address, access)) = left {
            thread.faults += 1;
            if thread.faults <= FAULTS {
                return self.mend(ready, address, access, At::routine::<EndMended>(), cx);
            }
        }
        if let Some(mut thread) = ready.thread.take() {
            vortex_machine::save_vectors(&mut thread.context);
            let wakes = thread.ending.take().map(|ending| ending.wakes).unwrap_or_default();
            let request = ProcessRequest::Ended(thread.state.clone(), wakes);
            let _ = cx.send(ports.process, Labels::NONE, request);
        }
        Outcome::Done
    }
}
