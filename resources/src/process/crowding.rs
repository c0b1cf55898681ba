//! Calls that are refused because pages fill what kernel objects would need (§3.2): pages make
//! room first, and the call is made again, as Linux reclaims before it refuses.
//!
//! # Invariants
//! - A call that fails for want of room has changed nothing, or nothing that it does not do
//!   again the same: so it may be made again.
//! - The multiplexor says whether pages were in the way ([`Multiplexor::crowded`]); where a limit
//!   is on objects themselves, or they fill all that may be theirs, the call fails at once.

use vortex_abi::Errno;
use vortex_grid::{At, Continuation, Outcome};
use vortex_memory::Multiplexor;

use super::threads::{Cx, Next, ThreadReady, Threads};
use crate::memory::go;
use crate::{Answer, Mail};

/// Whether a call may have failed so because an object was refused.
const fn is_for_room(call: u64, error: Errno) -> bool {
    const CLONE: u64 = 56;
    const VFORK: u64 = 58;
    const RT_SIGQUEUEINFO: u64 = 129;
    const TIMER_CREATE: u64 = 222;
    const RT_TGSIGQUEUEINFO: u64 = 297;
    match error {
        Errno::ENOMEM | Errno::ENOSPC | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOLCK => true,
        // Of others it says that they would wait.
        Errno::EAGAIN => {
            matches!(call, CLONE..=VFORK | RT_SIGQUEUEINFO | TIMER_CREATE | RT_TGSIGQUEUEINFO)
        }
        _ => false,
    }
}

/// What was waited for is there, or there is nothing to be had.
struct HasRoom;

impl Threads {
    /// Has pages make room for what a call was refused, if they were in the way; it is made
    /// again then.
    pub(super) fn make_room(
        &mut self,
        ready: &mut ThreadReady,
        error: Errno,
        cx: &mut Cx<'_>,
    ) -> Option<Next> {
        let thread = ready.thread()?;
        if !is_for_room(thread.context.registers().rax, error) {
            return None;
        }
        let activity = thread.process().activity;
        let crowded = vortex_machine::multiplexor().map_or(0, |memory| memory.crowded(activity));
        if crowded == thread.crowded {
            return None;
        }
        thread.crowded = crowded;
        let room = thread.waited.wait(&self.system, activity, cx)?;
        thread.refused = Some(error);
        vortex_machine::save_vectors(&mut thread.context);
        Some(Outcome::Pending(room, At::routine::<HasRoom>()))
    }
}

impl Continuation<Mail, Threads> for HasRoom {
    fn resume(threads: &mut Threads, ready: &mut ThreadReady, cx: &mut Cx<'_>) -> Next {
        let answer = cx.reply::<Answer>();
        let Some(thread) = ready.thread() else { return Outcome::Done };
        let activity = thread.process().activity;
        let refused = thread.refused.take().unwrap_or(Errno::ENOMEM);
        let Ok(Some(Answer::Room(Some(waiter)))) = answer else {
            thread.waited.end();
            return threads.finish(ready, Err(refused), cx);
        };
        // Frames are not what it wants, but that there are fewer.
        vortex_machine::multiplexor().inspect(|memory: &&Multiplexor| memory.give_up(waiter));
        go(&threads.system, activity, cx);
        threads.call(ready, cx)
    }
}
