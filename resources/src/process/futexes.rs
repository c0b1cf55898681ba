//! futex(2), as PR serves it: who waits is in the [`FutexTable`], what is waited for in the
//! frames of the call's operands.
//!
//! A wake of many goes on in further runs, so that no run looks at more than the table's
//! step.

use core::sync::atomic::{AtomicU32, Ordering};

use vortex_abi::linux::general::{
    FUTEX_CLOCK_REALTIME, FUTEX_CMD_MASK, FUTEX_CMP_REQUEUE, FUTEX_PRIVATE_FLAG, FUTEX_REQUEUE,
    FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_WAKE, FUTEX_WAKE_BITSET, FUTEX_WAKE_OP,
};
use vortex_abi::{Errno, Process as P};
use vortex_grid::{At, Outcome};
use vortex_machine::Frame;
use vortex_units::{Cycles, Nanos};

use super::direct::clock_of;
use super::futex::{Key, Operation, Requeue, Wake};
use super::operands::Operands;
use super::request::{Extra, ProcessCall};
use super::resource::{Cx, Next, Processes, reply};
use super::waiting::For;
use crate::files::timespec;

/// What a call still has to do, and how many it has woken or moved.
pub struct Waking {
    first: Option<Step>,
    second: Option<Step>,
    count: u64,
}

enum Step {
    Wake(Wake),
    Requeue(Requeue),
}

impl Waking {
    fn new(first: Step, second: Option<Step>) -> Self {
        Self { first: Some(first), second, count: 0 }
    }
}

/// The word in this operand.
fn word(call: &ProcessCall, operand: usize) -> Result<&AtomicU32, Errno> {
    let (frame, offset) = call.operands.buffer(operand)?.first().ok_or(Errno::EFAULT)?;
    frame.word(offset).ok_or(Errno::EINVAL)
}

/// The frame of the second word.
fn second(operands: &Operands) -> Option<&Frame> {
    Some(operands.buffer(1).ok()?.first()?.0)
}

/// What the word is known by.
fn key(call: &ProcessCall, operand: usize, address: u64, private: bool) -> Result<Key, Errno> {
    if !address.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    let (frame, offset) = call.operands.buffer(operand)?.first().ok_or(Errno::EFAULT)?;
    let [own, shared] = Key::both(call.space.number, address, frame.number(), offset);
    Ok(if private { own } else { shared })
}

impl Processes {
    pub(super) fn futex(&mut self, call: &mut ProcessCall, cx: &mut Cx<'_>) -> Next {
        if let Extra::Futex(waking) = &mut call.extra {
            return self.wake_on(waking, second(&call.operands), cx);
        }
        match self.begin_futex(call, cx) {
            Ok(Ok(mut waking)) => {
                let next = self.wake_on(&mut waking, second(&call.operands), cx);
                call.extra = Extra::Futex(waking);
                next
            }
            Ok(Err(waits)) => waits,
            Err(error) => reply(Err(error)),
        }
    }

    /// One step of a wake; the frame is the second word's.
    fn wake_on(&mut self, waking: &mut Waking, frame: Option<&Frame>, cx: &mut Cx<'_>) -> Next {
        match waking.first.take() {
            Some(Step::Wake(wake)) => {
                let (woken, rest) = self.waits.wake(wake, cx);
                waking.count += woken;
                waking.first = rest.map(Step::Wake);
            }
            Some(Step::Requeue(requeue)) => {
                let (done, rest) = self.waits.requeue(requeue, frame, cx);
                waking.count += done;
                waking.first = rest.map(Step::Requeue);
            }
            None => {}
        }
        if waking.first.is_none() {
            waking.first = waking.second.take();
        }
        match waking.first {
            Some(_) => Outcome::Continue(At::beginning()),
            None => reply(Ok(waking.count)),
        }
    }

    /// What a call has to wake, or that it waits.
    fn begin_futex(
        &mut self,
        call: &ProcessCall,
        cx: &mut Cx<'_>,
    ) -> Result<Result<Waking, Next>, Errno> {
        let P::Futex { word: address, operation, value, timeout, second, third } = call.call else {
            return Err(Errno::ENOSYS);
        };
        let operation = operation as u32;
        let private = operation & FUTEX_PRIVATE_FLAG != 0;
        let own = key(call, 0, address, private)?;
        let count = value as i32;
        // For those with a second word the timeout's place has a second count.
        let second_count = timeout as i32;
        match operation & FUTEX_CMD_MASK as u32 {
            command @ (FUTEX_WAIT | FUTEX_WAIT_BITSET) => {
                let bits = if command == FUTEX_WAIT { u32::MAX } else { third };
                self.wait_for_futex(call, (own, bits), operation, cx).map(Err)
            }
            command @ (FUTEX_WAKE | FUTEX_WAKE_BITSET) => {
                let bits = if command == FUTEX_WAKE { u32::MAX } else { third };
                Ok(Ok(Waking::new(Step::Wake(Wake::new(own, count, bits)?), None)))
            }
            command @ (FUTEX_REQUEUE | FUTEX_CMP_REQUEUE) => {
                let to = key(call, 1, second, private)?;
                let requeue = Requeue::new(own, to, count, second_count)?;
                if command == FUTEX_CMP_REQUEUE && word(call, 0)?.load(Ordering::SeqCst) != third {
                    return Err(Errno::EAGAIN);
                }
                Ok(Ok(Waking::new(Step::Requeue(requeue), None)))
            }
            FUTEX_WAKE_OP => {
                let change = Operation::decode(third)?;
                let to = key(call, 1, second, private)?;
                let first = Step::Wake(Wake::new(own, count, u32::MAX)?);
                let change_it = |old| Some(change.apply(old));
                let old =
                    word(call, 1)?.fetch_update(Ordering::SeqCst, Ordering::SeqCst, change_it);
                let wakes = old.is_ok_and(|old| change.wakes(old));
                let then = wakes.then(|| Wake::new(to, second_count, u32::MAX)).transpose()?;
                Ok(Ok(Waking::new(first, then.map(Step::Wake))))
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    fn wait_for_futex(
        &mut self,
        call: &ProcessCall,
        (key, bits): (Key, u32),
        operation: u32,
        cx: &mut Cx<'_>,
    ) -> Result<Next, Errno> {
        let P::Futex { value, timeout, .. } = call.call else { return Err(Errno::ENOSYS) };
        if call.expired {
            return Err(Errno::ETIMEDOUT);
        }
        if bits == 0 {
            return Err(Errno::EINVAL);
        }
        let deadline = match (call.deadline, timeout) {
            (Some(deadline), _) => Some(deadline),
            (None, 0) => None,
            (None, _) => Some(self.futex_deadline(call, operation, cx)?),
        };
        if word(call, 0)?.load(Ordering::SeqCst) != value {
            return Err(Errno::EAGAIN);
        }
        Ok(self.wait(call, For { futex: Some((key, bits)), ..For::default() }, deadline, cx))
    }

    /// A wait's time is relative, that of a wait with bits absolute, by the clock it names.
    fn futex_deadline(
        &self,
        call: &ProcessCall,
        operation: u32,
        cx: &Cx<'_>,
    ) -> Result<Cycles, Errno> {
        let nanos = timespec(&call.operands.bytes_of::<16>(1)?)?;
        let clock = i32::from(operation & FUTEX_CLOCK_REALTIME == 0);
        let left = if operation & FUTEX_CMD_MASK as u32 == FUTEX_WAIT {
            nanos
        } else {
            let now = clock_of(&self.system, clock, cx.now()).unwrap_or(Nanos::ZERO);
            nanos.saturating_sub(now.get())
        };
        Ok(self.deadline(left, cx))
    }
}
