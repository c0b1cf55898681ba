//! Who has changed so much that is not written yet waits until some of it is, when what it has
//! asked for is done and nobody waits for that any more: so its neighbours, in the same directory
//! too, do not wait with it.
//!
//! # Invariants
//! - Whoever waits has woken the file system's writer, and is woken by it: when a flush has made
//!   something to last and it owes less, when a write has failed, or when nothing is left to be
//!   written. So nobody waits for a disk that does nothing more.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use spin::Mutex;
use vortex_abi::Errno;
use vortex_grid::{Kept, Outcome};
use vortex_units::ActivityId;

use super::logic::Owes;
use super::{After, Cx, Ext2};
use crate::cache::PageFrame;
use crate::names::MountId;
use crate::requests::{Answer, Mail, Operating, Operation};

/// How often one waits: others of its activity may have changed as much meanwhile.
const WAITS: u8 = 8;

/// Who has changed too much of which file system, as far as EXT2R knows: for those above, who are
/// to ask for [`Operation::Ease`] then.
#[derive(Default)]
pub struct Owing {
    count: AtomicUsize,
    all: Mutex<BTreeSet<(MountId, ActivityId)>>,
}

impl Owing {
    /// Whether an activity is to wait before it changes more of a file system.
    #[must_use]
    pub fn owes(&self, mount: MountId, who: ActivityId) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.all.lock().contains(&(mount, who))
    }

    fn note(&self, mount: MountId, who: ActivityId, owes: bool) {
        if !owes && self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut all = self.all.lock();
        if owes {
            all.insert((mount, who));
        } else {
            all.remove(&(mount, who));
        }
        self.count.store(all.len(), Ordering::Release);
    }

    fn of(&self, mount: MountId) -> Vec<ActivityId> {
        let all = self.all.lock();
        all.iter().filter(|(of, _)| *of == mount).map(|(_, who)| *who).collect()
    }
}

/// They, by activity, in the order in which they came.
pub(super) type Waiters<M> = BTreeMap<ActivityId, Vec<Kept<M>>>;

impl<M: Mail<F>, F: PageFrame> Ext2<M, F> {
    /// A transaction has come to its end: from half of what one may owe on it is written.
    pub(super) fn has_changed(&mut self, id: MountId, cx: &mut Cx<'_, M>) {
        let who = cx.activity();
        let Some(mount) = self.mounts.get_mut(&id) else { return };
        let owes = mount.logic.owes(who);
        self.wiring.owing.note(id, who, owes == Owes::TooMuch);
        if owes != Owes::Little && !mount.all {
            mount.press();
            self.wake_writer(id, cx);
        }
    }

    /// Waits until whoever asks owes less.
    pub(super) fn ease(&mut self, operating: &mut Operating, cx: &mut Cx<'_, M>) -> After<M, F> {
        let (id, who) = (operating.mount, cx.activity());
        let done = Outcome::Reply(Ok(Answer::Done));
        let Some(mount) = self.mounts.get_mut(&id).filter(|mount| !mount.gone) else {
            return Outcome::Reply(Err(Errno::ENODEV));
        };
        let owes = mount.logic.owes(who) == Owes::TooMuch;
        self.wiring.owing.note(id, who, owes);
        if !owes || operating.eased >= WAITS {
            return done;
        }
        operating.eased = operating.eased.saturating_add(1);
        let line = mount.easing.entry(who).or_default();
        let room = line.try_reserve(1).is_ok();
        let Some(kept) = room.then(|| cx.keep()).flatten() else { return done };
        line.push(kept);
        mount.press();
        self.wake_writer(id, cx);
        Outcome::Kept
    }

    /// Something has been written: whoever owes less looks again; or everybody, where nothing is
    /// left to wait for.
    pub(super) fn let_go_on(&mut self, id: MountId, all: bool, cx: &mut Cx<'_, M>) {
        for who in self.wiring.owing.of(id) {
            let Some(mount) = self.mounts.get_mut(&id) else { return };
            let owes = mount.logic.owes(who) == Owes::TooMuch;
            self.wiring.owing.note(id, who, owes && !mount.gone);
        }
        let Some(mount) = self.mounts.get_mut(&id) else { return };
        let goes = |who: &ActivityId| all || mount.logic.owes(*who) != Owes::TooMuch;
        let who: Vec<ActivityId> = mount.easing.keys().copied().filter(goes).collect();
        for who in who {
            let Some(mount) = self.mounts.get_mut(&id) else { return };
            let Some(mut line) = mount.easing.remove(&who) else { continue };
            // The first to come is the first to look.
            line.reverse();
            self.look_again(line, cx);
        }
    }
}

/// Whether it changes what is on the disk.
pub(super) const fn changes(operation: &Operation) -> bool {
    match operation {
        Operation::Create { .. }
        | Operation::Link { .. }
        | Operation::Unlink { .. }
        | Operation::Rename { .. }
        | Operation::Set { .. }
        | Operation::Describe { .. }
        | Operation::Release(_) => true,
        Operation::Map { wanted, .. } => wanted.is_some(),
        _ => false,
    }
}
