//! Memory in the hands of the memory multiplexor: it decides who has which frame.
//!
//! Before [`multiplex`] frames are the kernel's own, for good: its tables, its stacks, the
//! beginning of its heap. What it keeps for the multiplexor's tables and does not need for
//! them is the heap's next memory.

use core::sync::atomic::Ordering;

use vortex_memory::policy::Policy;
use vortex_memory::{
    Account, Cookie, FrameId, Multiplexor, Rejected, Spec, SpecError, WaiterId, Why,
};
use vortex_units::{ActivityId, Frames};

use super::{PAGE, Use};
use crate::cpu::this_core;
use crate::statics;

const PAGE_U64: u64 = PAGE as u64;
/// Bytes that the multiplexor's tables take for each frame, rounded up.
const EACH: u64 = 88;
/// What they take beside.
const BESIDE: u64 = 2 << 20;

/// How memory is to be multiplexed.
pub struct Wanted<'a> {
    /// Kept so that reclamation never fails.
    pub reserve: Frames,
    /// Set aside for the kernel's heap.
    pub kernel: Frames,
    /// How many cores there are.
    pub cores: u16,
    /// Whose frame goes first.
    pub policy: &'static dyn Policy,
    /// Frames of which use can be asked back.
    pub reclaimable: &'a [Use],
}

/// Hands memory over to a multiplexor. Once, on the first core, before programs run.
///
/// # Errors
/// [`SpecError`]; then memory is as before.
pub fn multiplex(wanted: &Wanted<'_>) -> Result<(), SpecError> {
    let &Wanted { reserve, kernel, cores, policy, reclaimable } = wanted;
    let top = super::frames::top();
    let kept = Frames::new((top * EACH + BESIDE).div_ceil(PAGE_U64));
    let ranges = statics::FREE.lock().hand_over(kept);
    let made = Multiplexor::new(&Spec {
        ranges: &ranges.map(|(start, end)| ((start / PAGE_U64) as u32, (end / PAGE_U64) as u32)),
        reserve,
        kernel,
        activities: 256,
        cores,
        reclaimable: reclaimable.iter().fold(0, |all, of| all | 1 << of.resource().index()),
        policy,
        // One for each frame is enough for all: an activity that shares a frame is charged its
        // full price, so those that own and those that share are no more than there are frames;
        // and a frame's reclamation is directed elsewhere first once at most.
        links: top as u32,
    });
    match made {
        Ok(made) => {
            statics::MEMORY.call_once(|| made);
            Ok(())
        }
        Err(error) => {
            statics::FREE.lock().take_over(&ranges);
            Err(error)
        }
    }
}

/// The multiplexor, once there is one.
#[must_use]
pub fn multiplexor() -> Option<&'static Multiplexor> {
    statics::MEMORY.get()
}

/// A frame for an activity: its physical address.
#[inline]
pub(super) fn allocate(owner: ActivityId, of: Use) -> Option<u64> {
    let Some(memory) = statics::MEMORY.get() else { return statics::FREE.lock().take() };
    let core = this_core();
    let frame = match memory.allocate(core, of.account(owner), Cookie(0)) {
        Ok(frame) => frame,
        Err(_) => earmarked(memory, of.account(owner))?,
    };
    Some(u64::from(frame.get()) * PAGE_U64)
}

/// 2 MiB of frames for an activity: the first one's physical address.
pub(super) fn allocate_huge(owner: ActivityId, of: Use) -> Option<u64> {
    let memory = statics::MEMORY.get()?;
    let first = memory.allocate_together(of.account(owner), Cookie(0)).ok()?;
    Some(u64::from(first.get()) * PAGE_U64)
}

/// A frame that is earmarked for whom this core works for, if it does.
#[cold]
fn earmarked(memory: &Multiplexor, account: Account) -> Option<FrameId> {
    memory.allocate_earmarked_for(served()?, account, Cookie(0))
}

/// Who has waited for memory, of whom this core works for, if it does.
fn served() -> Option<WaiterId> {
    let number = statics::SERVED.get(this_core().index())?.load(Ordering::Relaxed);
    Some(WaiterId::new(u32::try_from(number.checked_sub(1)?).ok()?))
}

/// Does something for one that has waited for memory: where its activity gets no frame, it
/// is one of those that are earmarked for it.
pub fn with_earmarks<T>(waiter: WaiterId, work: impl FnOnce() -> T) -> T {
    let place = statics::SERVED.get(this_core().index());
    let set = |number| place.inspect(|place| place.store(number, Ordering::Relaxed));
    set(u64::from(waiter.get()) + 1);
    let done = work();
    set(0);
    done
}

/// Names the frame of a page for whoever has to find it when it is asked back.
#[inline]
pub(super) fn name(frame: FrameId, name: u64) {
    if let Some(memory) = statics::MEMORY.get() {
        memory.rename(frame, Use::Page.resource(), Cookie(name));
    }
}

/// The frame is nobody's any more. False if it was given out before there was a
/// multiplexor.
#[inline]
pub(super) fn free(physical: u64) -> bool {
    let Some(memory) = statics::MEMORY.get() else { return false };
    let Ok(number) = u32::try_from(physical / PAGE_U64) else { return false };
    memory.leave_counted(this_core(), FrameId::new(number)).is_ok()
}

/// An activity has the frame too, and is charged for it; where it `must` have it and memory is
/// low, with what is earmarked for it. False where it gets no more.
pub(super) fn share(physical: u64, activity: ActivityId, must: bool) -> bool {
    let Some(memory) = statics::MEMORY.get() else { return true };
    let Ok(number) = u32::try_from(physical / PAGE_U64) else { return true };
    let served = if must { served() } else { None };
    match memory.share_counted(FrameId::new(number), activity, served) {
        // Given out before there was a multiplexor: on nobody's bill.
        Err(Rejected { why: Why::NotHeld, .. }) | Ok(()) => true,
        Err(_) => false,
    }
}

/// Does a part of giving memory back: what that needs of the heap, to note where a page is, is
/// there though nothing else is.
pub fn reclaiming<T>(work: impl FnOnce() -> T) -> T {
    let place = statics::RECLAIMS.get(this_core().index());
    let set = |now| place.inspect(|place| place.store(now, Ordering::Relaxed));
    set(true);
    let done = work();
    set(false);
    done
}

/// A frame of the reserve, for the kernel's heap while this core is [`reclaiming`]: its physical
/// address.
pub(super) fn take_reserved() -> Option<u64> {
    let place = statics::RECLAIMS.get(this_core().index())?;
    if !place.load(Ordering::Relaxed) {
        return None;
    }
    let account = Use::Heap.account(ActivityId::INFRASTRUCTURE);
    let frame = statics::MEMORY.get()?.allocate_reserved(account, Cookie(0)).ok()?;
    Some(u64::from(frame.get()) * PAGE_U64)
}

/// Frames side by side for the kernel's heap: their physical address.
pub(super) fn take_range(frames: u64) -> Option<u64> {
    let early = statics::FREE.lock().take_range(frames);
    early.or_else(|| {
        let account = Use::Heap.account(ActivityId::INFRASTRUCTURE);
        let first = statics::MEMORY.get()?.take_range(account, Frames::new(frames)).ok()?;
        Some(u64::from(first.get()) * PAGE_U64)
    })
}
