//! A process that is begun in another activity than the caller's, by right (`control="all"`).
//!
//! Nothing of it is the caller's but the call: it is begun as the activity's services are, by a
//! root request of that activity, with a console's descriptors, without a parent; its memory, its
//! loading and all that it does are on that activity's bill, and within its limits.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use spin::Mutex;
use vortex_abi::Errno;
use vortex_units::ActivityId;

use super::begin::Start;
use super::request::ProcessCall;
use super::resource::{Cx, Processes};

/// As many wait at once for a core to begin them, no more.
const MOST: usize = 8;

/// Processes that are to be begun, each in its activity.
#[derive(Default)]
pub struct Beginning {
    /// There are some.
    any: AtomicBool,
    waiting: Mutex<Vec<(ActivityId, Box<Start>)>>,
}

impl Beginning {
    /// Those that are to be begun now, as roots of their activities.
    #[inline]
    pub fn take(&self) -> Option<Vec<(ActivityId, Box<Start>)>> {
        self.any.load(Ordering::Relaxed).then(|| self.take_all())
    }

    #[cold]
    fn take_all(&self) -> Vec<(ActivityId, Box<Start>)> {
        let mut waiting = self.waiting.lock();
        self.any.store(false, Ordering::Relaxed);
        core::mem::take(&mut waiting)
    }

    fn add(&self, activity: ActivityId, start: Box<Start>) -> Result<(), Errno> {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MOST {
            return Err(Errno::EAGAIN);
        }
        waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        waiting.push((activity, start));
        self.any.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// The program's words, each with a zero behind it: the arguments, the program's path being the
/// first, then after an empty one the environment.
fn words(bytes: &[u8]) -> Result<Start, Errno> {
    let text = bytes.strip_suffix(&[0]).ok_or(Errno::EINVAL)?;
    let mut parts = text.split(|byte| *byte == 0).map(<[u8]>::to_vec);
    let arguments: Vec<_> = parts.by_ref().take_while(|word| !word.is_empty()).collect();
    let path = arguments.first().ok_or(Errno::EINVAL)?.clone();
    Ok(Start::new(path, arguments, parts.collect()))
}

impl Processes {
    /// Begins a process in the activity that the call names.
    ///
    /// # Errors
    /// `EPERM` without the right; `ESRCH` where no such activity has processes; `EAGAIN` and
    /// `ENOMEM` where it may not have another; `EINVAL` for no words.
    pub(super) fn begin_elsewhere(&self, call: &ProcessCall, cx: &Cx<'_>) -> Result<u64, Errno> {
        if !self.system.allowance(cx.root()).is_some_and(|own| own.controls) {
            return Err(Errno::EPERM);
        }
        let name = call.operands.string(0)?;
        let there = self.system.named(name).ok_or(Errno::ESRCH)?;
        if !self.may_grow(there.activity, u64::MAX, true) {
            return Err(Errno::EAGAIN);
        }
        if !Self::has_memory_for(there.activity, true) {
            return Err(Errno::ENOMEM);
        }
        let buffer = call.operands.buffer(1)?;
        let mut bytes = alloc::vec![0; buffer.len()];
        buffer.read(0, &mut bytes);
        let start = words(&bytes)?;
        // Counted before it begins, as services are: until then the machine is not done.
        self.system.processes.fetch_add(1, Ordering::AcqRel);
        let added = self.system.beginning.add(there.activity, Box::new(start));
        if added.is_err() {
            self.system.processes.fetch_sub(1, Ordering::AcqRel);
        }
        added.map(|()| 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_arguments_and_environment() {
        let start = words(b"/bin/x\0-a\0\0A=1\0B=\0").unwrap();
        assert_eq!(start.path, b"/bin/x");
        assert_eq!(start.arguments, [&b"/bin/x"[..], b"-a"]);
        assert_eq!(start.environment, [&b"A=1"[..], b"B="]);
        assert!(words(b"/bin/x\0").unwrap().environment.is_empty());
        for wrong in [&b""[..], b"\0", b"/bin/x", b"\0A=1\0"] {
            assert_eq!(words(wrong).err(), Some(Errno::EINVAL), "{wrong:?}");
        }
    }

    #[test]
    fn what_waits_is_taken_once_and_is_not_more_than_some() {
        let (all, one) = (Beginning::default(), || Box::new(words(b"/x\0").unwrap()));
        assert!(all.take().is_none());
        for _ in 0..MOST {
            all.add(ActivityId::INFRASTRUCTURE, one()).unwrap();
        }
        assert_eq!(all.add(ActivityId::INFRASTRUCTURE, one()), Err(Errno::EAGAIN));
        assert_eq!(all.take().map(|taken| taken.len()), Some(MOST));
        assert!(all.take().is_none());
    }
}
