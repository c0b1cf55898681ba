//! A process that is begun in another activity than the caller's, by right (`control="all"`).
//!
//! Nothing of it is the caller's but the call: it is begun as the activity's services are, by a
//! root request of that activity, with a console's descriptors, without a parent; its memory, its
//! loading and all that it does are on that activity's bill, and within its limits; so is what is
//! kept of it until it begins. Where the activity may not have another request now, because it is
//! in debt or has as many as it may, it waits here for a later turn of a core.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use spin::Mutex;
use vortex_abi::Errno;
use vortex_units::{ActivityId, Bytes, Cycles};

use super::begin::Start;
use super::request::ProcessCall;
use super::resource::{Cx, Processes};
use crate::bill::{Charged, ObjectKind};

/// As many wait at once for a core to begin them, no more; and so many of one activity.
const MOST: usize = 8;
const EACH: usize = 4;
/// Arguments and environment are so many words at most: they are copied in one run.
const WORDS: usize = 64;

struct Waiting {
    activity: ActivityId,
    start: Box<Start>,
    /// It is begun then or later.
    from: Cycles,
}

/// Processes that are to be begun, each in its activity.
#[derive(Default)]
pub struct Beginning {
    /// There are some.
    any: AtomicBool,
    waiting: Mutex<Vec<Waiting>>,
}

impl Beginning {
    /// Whether there are some.
    #[inline]
    #[must_use]
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// The next that is to be begun now, as a root of its activity. One at a time: so a core's
    /// turn stays short.
    #[cold]
    #[must_use]
    pub fn take(&self, now: Cycles) -> Option<(ActivityId, Box<Start>)> {
        let mut waiting = self.waiting.lock();
        let place = waiting.iter().position(|one| one.from <= now)?;
        let one = waiting.remove(place);
        self.any.store(!waiting.is_empty(), Ordering::Relaxed);
        Some((one.activity, one.start))
    }

    /// When the next is to be begun.
    #[cold]
    #[must_use]
    pub fn due(&self) -> Option<Cycles> {
        self.waiting.lock().iter().map(|one| one.from).min()
    }

    /// One that could not be begun yet waits until this time, behind the others.
    ///
    /// # Errors
    /// `ENOMEM`: it is lost.
    pub fn keep(&self, activity: ActivityId, start: Box<Start>, from: Cycles) -> Result<(), Errno> {
        self.push(&mut self.waiting.lock(), Waiting { activity, start, from })
    }

    fn add(&self, activity: ActivityId, start: Box<Start>) -> Result<(), Errno> {
        let mut waiting = self.waiting.lock();
        let own = waiting.iter().filter(|one| one.activity == activity).count();
        if waiting.len() >= MOST || own >= EACH {
            return Err(Errno::EAGAIN);
        }
        self.push(&mut waiting, Waiting { activity, start, from: Cycles::ZERO })
    }

    fn push(&self, waiting: &mut Vec<Waiting>, one: Waiting) -> Result<(), Errno> {
        waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        waiting.push(one);
        self.any.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn owned(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut own = Vec::new();
    own.try_reserve_exact(bytes.len()).ok()?;
    own.extend_from_slice(bytes);
    Some(own)
}

fn all_owned(words: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    all.try_reserve_exact(words.len()).ok()?;
    for word in words {
        all.push(owned(word)?);
    }
    Some(all)
}

impl Start {
    /// The same once more, of one that has not begun: a request that is refused is lost. `None`
    /// where there is no memory.
    #[must_use]
    pub fn spare(&self) -> Option<Box<Self>> {
        let mut spare = Self::new(
            owned(&self.path)?,
            all_owned(&self.arguments)?,
            all_owned(&self.environment)?,
        );
        spare.bill.clone_from(&self.bill);
        Some(Box::new(spare))
    }

    /// What is kept of it until it has begun.
    fn size(&self) -> u64 {
        let words = self.arguments.iter().chain(&self.environment);
        let words: usize = words.map(|word| word.len() + size_of::<Vec<u8>>()).sum();
        (size_of::<Self>() + self.path.len() + words) as u64
    }
}

/// The program's words, each with a zero behind it: the arguments, the program's path being the
/// first, then after an empty one the environment.
fn words(bytes: &[u8]) -> Result<Start, Errno> {
    let text = bytes.strip_suffix(&[0]).ok_or(Errno::EINVAL)?;
    let parts = || text.split(|byte| *byte == 0);
    if parts().filter(|word| !word.is_empty()).count() > WORDS || parts().count() > WORDS + 1 {
        return Err(Errno::E2BIG);
    }
    let (mut arguments, mut environment) = (Vec::new(), Vec::new());
    let mut to = &mut arguments;
    let mut behind = false;
    for word in parts() {
        if word.is_empty() && !behind {
            (to, behind) = (&mut environment, true);
            continue;
        }
        to.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        to.push(owned(word).ok_or(Errno::ENOMEM)?);
    }
    let path = owned(arguments.first().ok_or(Errno::EINVAL)?).ok_or(Errno::ENOMEM)?;
    Ok(Start::new(path, arguments, environment))
}

impl Processes {
    /// Begins a process in the activity that the call names.
    ///
    /// # Errors
    /// `EPERM` without the right; `ESRCH` where no such activity has processes; `EAGAIN` and
    /// `ENOMEM` where it may not have another; `EINVAL` for no words, `E2BIG` for too many.
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
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(buffer.len()).map_err(|_| Errno::ENOMEM)?;
        bytes.resize(buffer.len(), 0);
        buffer.read(0, &mut bytes);
        let mut start = words(&bytes)?;
        let bill = Charged::new(there.activity, ObjectKind::Process, Bytes::new(start.size()));
        start.bill = Some(Arc::new(bill.ok_or(Errno::ENOMEM)?));
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
    fn words_are_no_more_than_some() {
        let of = |count| words(&b"x\0".repeat(count));
        assert_eq!(of(WORDS).unwrap().arguments.len(), WORDS);
        assert_eq!(of(WORDS + 1).err(), Some(Errno::E2BIG));
        let both = |count| words(&[&b"x\0\0"[..], &b"A=\0".repeat(count)].concat());
        assert_eq!(both(WORDS - 1).unwrap().environment.len(), WORDS - 1);
        assert_eq!(both(WORDS).err(), Some(Errno::E2BIG));
        // Empty ones are words of the environment, but for the first.
        assert_eq!(words(&[&b"x"[..], &[0; 4096 - 1]].concat()).err(), Some(Errno::E2BIG));
    }

    #[test]
    fn what_waits_is_taken_once_and_is_not_more_than_some() {
        let (all, one) = (Beginning::default(), || Box::new(words(b"/x\0").unwrap()));
        assert!(!all.any() && all.take(Cycles::ZERO).is_none());
        let activity = |index| ActivityId::new(index, 0);
        for _ in 0..EACH {
            all.add(activity(1), one()).unwrap();
        }
        assert_eq!(all.add(activity(1), one()), Err(Errno::EAGAIN), "it is not alone");
        for index in 2..2 + (MOST - EACH) as u32 {
            all.add(activity(index), one()).unwrap();
        }
        assert_eq!(all.add(activity(99), one()), Err(Errno::EAGAIN));
        for _ in 0..MOST {
            assert!(all.any());
            all.take(Cycles::ZERO).unwrap();
        }
        assert!(!all.any() && all.take(Cycles::ZERO).is_none());
    }

    #[test]
    fn what_is_refused_waits_for_its_time_and_holds_up_nobody() {
        let (all, later) = (Beginning::default(), Cycles::new(100));
        let start = words(b"/x\0-a\0\0A=1\0").unwrap();
        let spare = start.spare().unwrap();
        assert_eq!((&spare.path, &spare.arguments), (&start.path, &start.arguments));
        assert_eq!(spare.environment, start.environment);
        all.keep(ActivityId::new(1, 0), spare, later).unwrap();
        assert_eq!((all.any(), all.due()), (true, Some(later)));
        assert!(all.take(Cycles::new(99)).is_none() && all.any());
        all.add(ActivityId::new(2, 0), Box::new(start)).unwrap();
        assert_eq!(all.take(Cycles::new(99)).unwrap().0, ActivityId::new(2, 0));
        assert_eq!(all.take(later).unwrap().0, ActivityId::new(1, 0));
        assert_eq!((all.any(), all.due()), (false, None));
    }
}
