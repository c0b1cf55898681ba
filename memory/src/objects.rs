//! Kernel objects: bytes of the kernel's heap that an activity has filled. Whoever fills a
//! kernel table pays, and has a limit.
//!
//! The heap's own frames are the infrastructure's; here is who causes their use. It counts
//! against the activity's hard limit, begun frames as whole ones, beside the frames that the
//! activity holds.
//!
//! # Invariants
//! The objects' frames in an account are at any time at least what their bytes fill, and just
//! that when nobody charges: frames are charged before the bytes are, and refunded after them.

use core::sync::atomic::Ordering;

use vortex_units::{ActivityId, Bytes, Frames};

use crate::Multiplexor;
use crate::account::Entry;
use crate::names::{Rejected, Why};

/// How many kinds of objects there are.
pub(crate) const KINDS: usize = ObjectKind::ALL.len();

/// What objects are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// Files in memory: their bytes, what they are, their names.
    File,
    /// Open files, descriptors, pipes and what is in them, locks.
    Open,
    /// Regions of address spaces.
    Region,
    /// Processes and threads.
    Process,
    /// Signals and timers.
    Signal,
}

impl ObjectKind {
    /// All.
    pub const ALL: [Self; 5] = [Self::File, Self::Open, Self::Region, Self::Process, Self::Signal];
}

/// What an activity's kernel objects take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectCount {
    /// All that is charged.
    pub bytes: Bytes,
    /// The most; `None`: what the hard limit leaves, or the heap has.
    pub limit: Option<Bytes>,
}

/// Frames that so many bytes begin.
const fn frames(bytes: u64) -> u64 {
    bytes.div_ceil(Frames::SIZE.get())
}

impl Entry {
    /// Charges bytes; the frames that they begin, if the limits have room for both.
    fn charge_bytes(
        &self,
        bytes: u64,
        charge: impl Fn(&Self, u64) -> Result<(), Why>,
    ) -> Result<u64, Why> {
        let limit = self.objects_limit.load(Ordering::Relaxed);
        let mut now = self.objects.load(Ordering::Acquire);
        let mut charged = 0;
        let begun = loop {
            let then = now.checked_add(bytes).filter(|&then| then <= limit);
            let Some(then) = then else { break Err(Why::Objects) };
            let need = frames(then) - frames(now);
            if let Some(more) = need.checked_sub(charged).filter(|&more| more > 0) {
                if let Err(why) = charge(self, more) {
                    break Err(why);
                }
                charged = need;
            }
            let swapped =
                self.objects.compare_exchange_weak(now, then, Ordering::AcqRel, Ordering::Acquire);
            match swapped {
                Ok(_) => break Ok(need),
                Err(other) => now = other,
            }
        };
        let spare = charged - begun.unwrap_or(0);
        if spare > 0 {
            self.refund_objects(spare);
        }
        begun
    }
}

impl Multiplexor {
    /// Charges a kernel object, before it is made: how many frames of the heap are begun with
    /// it.
    ///
    /// # Errors
    /// [`Rejected`] at the activity's limit on objects, or at its hard limit.
    pub fn charge_object(
        &self,
        activity: ActivityId,
        kind: ObjectKind,
        bytes: Bytes,
    ) -> Result<Frames, Rejected> {
        let entry = self.accounts.open_one(activity)?;
        let bytes = bytes.get();
        let begun = entry.charge_bytes(bytes, Entry::charge_objects);
        let begun = begun.map_err(|why| Rejected { activity, why })?;
        self.note_object(entry, kind, bytes);
        Ok(Frames::new(begun))
    }

    /// Charges what a page takes of the heap that leaves for the swap volume: it is there, however
    /// full the hard limit is, since the page's own frame will be free; but objects leave to pages
    /// what is theirs, or who swaps without end would have no page at last.
    ///
    /// # Errors
    /// [`Rejected`] where objects have all that they may.
    pub fn charge_leaving(
        &self,
        activity: ActivityId,
        kind: ObjectKind,
        bytes: Bytes,
    ) -> Result<(), Rejected> {
        let entry = self.accounts.find(activity)?;
        if entry.has_all_objects() {
            // What is left of the frame that is begun is not looked for: of what leaves a part is
            // charged without being asked for.
            return Err(Rejected { activity, why: Why::Hard });
        }
        let begun = entry.charge_bytes(bytes.get(), Entry::charge_leaving);
        begun.map_err(|why| Rejected { activity, why })?;
        self.note_object(entry, kind, bytes.get());
        Ok(())
    }

    /// Charges a kernel object that is there, whatever the limits.
    pub fn force_object(&self, activity: ActivityId, kind: ObjectKind, bytes: Bytes) {
        let Ok(entry) = self.accounts.find(activity) else { return };
        let bytes = bytes.get();
        // Most lie in a frame that is begun.
        let mut now = entry.objects.load(Ordering::Acquire);
        while frames(now.saturating_add(bytes)) == frames(now) {
            let then = now.saturating_add(bytes);
            let swapped =
                entry.objects.compare_exchange_weak(now, then, Ordering::AcqRel, Ordering::Acquire);
            match swapped {
                Ok(_) => return self.note_object(entry, kind, bytes),
                Err(other) => now = other,
            }
        }
        // More than it can be, and then what it was: the frames are there before the bytes.
        entry.force_objects(frames(bytes));
        let before = entry.objects.fetch_add(bytes, Ordering::AcqRel);
        let spare = frames(bytes) - (frames(before + bytes) - frames(before));
        if spare > 0 {
            entry.refund_objects(spare);
        }
        self.note_object(entry, kind, bytes);
    }

    fn note_object(&self, entry: &Entry, kind: ObjectKind, bytes: u64) {
        if let Some(of_kind) = entry.objects_by_kind.get(kind as usize) {
            of_kind.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// The object is no more.
    pub fn refund_object(&self, activity: ActivityId, kind: ObjectKind, bytes: Bytes) {
        let Ok(entry) = self.accounts.find(activity) else { return };
        let bytes = bytes.get();
        if let Some(of_kind) = entry.objects_by_kind.get(kind as usize) {
            of_kind.fetch_sub(bytes, Ordering::Relaxed);
        }
        let before = entry.objects.fetch_sub(bytes, Ordering::AcqRel);
        let ended = frames(before).saturating_sub(frames(before.saturating_sub(bytes)));
        if ended > 0 {
            entry.refund_objects(ended);
        }
    }

    /// What an activity's kernel objects take.
    ///
    /// # Errors
    /// [`Rejected`] if it has no account.
    pub fn objects(&self, activity: ActivityId) -> Result<ObjectCount, Rejected> {
        let entry = self.accounts.find(activity)?;
        let bytes = Bytes::new(entry.objects.load(Ordering::Acquire));
        Ok(ObjectCount { bytes, limit: entry.standing().budget.objects })
    }

    /// How often objects of an activity were refused only because its frames fill what of the
    /// hard limit could be theirs: who waits for memory then makes room for objects too, as much
    /// as frames leave to them.
    #[must_use]
    pub fn crowded(&self, activity: ActivityId) -> u32 {
        self.accounts.find(activity).map_or(0, |entry| entry.crowded.load(Ordering::Relaxed))
    }

    /// What of it objects of this kind take.
    ///
    /// # Errors
    /// [`Rejected`] if it has no account.
    pub fn objects_of(&self, activity: ActivityId, kind: ObjectKind) -> Result<Bytes, Rejected> {
        let entry = self.accounts.find(activity)?;
        let bytes = entry.objects_by_kind.get(kind as usize);
        Ok(Bytes::new(bytes.map_or(0, |bytes| bytes.load(Ordering::Acquire))))
    }

    /// What all activities' objects take.
    #[must_use]
    pub fn all_objects(&self) -> Bytes {
        let bytes = |entry: &Entry| entry.objects.load(Ordering::Acquire);
        Bytes::new(self.accounts.iter().map(bytes).sum())
    }
}
