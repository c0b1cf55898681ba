//! The multiplexor: frames given out and taken back, on the usual path.

use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use spin::Mutex;
use vortex_units::{ActivityId, CoreId, Frames};

use crate::account::{Accounts, Budget, Entry, OpenError, Standing};
use crate::blocks::{Blocks, FRAMES};
use crate::buddy::{Buddy, OF_HUGE};
use crate::cold::Cold;
use crate::magazine::Magazine;
use crate::names::{Account, Cookie, FrameId, HUGE, Rejected, ResourceId, Why};
use crate::policy::Policy;
use crate::record::{HEAD, Information, Left, RESERVE, Record, TAIL};

/// How the multiplexor is to be.
pub struct Spec<'a> {
    /// Free memory: the first frame of each range, and the first behind it.
    pub ranges: &'a [(u32, u32)],
    /// Kept so that reclamation never fails.
    pub reserve: Frames,
    /// Set aside for the kernel's own: the minimum of the infrastructure.
    pub kernel: Frames,
    /// How many activities there can be at once, infrastructure included.
    pub activities: u32,
    /// How many cores.
    pub cores: u16,
    /// The resources that can give frames back, a bit each; others are never asked.
    pub reclaimable: u16,
    /// Whose frame goes first.
    pub policy: &'static dyn Policy,
    /// Entries for frames that several activities hold, or whose reclamation is directed
    /// elsewhere.
    pub links: u32,
}

/// Why there is no multiplexor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecError {
    /// Its tables do not fit into the heap.
    NoMemory,
    /// The reserve and the kernel's own are more than there is.
    Reserve {
        /// Both together.
        wanted: Frames,
        /// All memory.
        all: Frames,
    },
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMemory => f.write_str("the tables of frames do not fit into the heap"),
            Self::Reserve { wanted, all } => {
                write!(f, "a reserve of {wanted} does not fit into {all} of memory")
            }
        }
    }
}

impl core::error::Error for SpecError {}

/// How often a core looks for a frame that must be there.
const MOMENTS: u32 = 64;

/// The memory multiplexor.
pub struct Multiplexor {
    pub(crate) records: Vec<Record>,
    pub(crate) blocks: Blocks,
    pub(crate) accounts: Accounts,
    pub(crate) pool: Mutex<Buddy>,
    pub(crate) magazines: Vec<Mutex<Magazine>>,
    pub(crate) available: AtomicU64,
    pub(crate) reserve: AtomicU64,
    pub(crate) total: Frames,
    /// How many wait: then what is available is theirs.
    pub(crate) waiting: AtomicU32,
    pub(crate) reclaimable: u16,
    pub(crate) cold: Mutex<Cold>,
    era: AtomicU32,
}

impl Multiplexor {
    /// Makes it. The infrastructure has an account without limits.
    ///
    /// # Errors
    /// [`SpecError`].
    pub fn new(spec: &Spec<'_>) -> Result<Self, SpecError> {
        let none = SpecError::NoMemory;
        let frames = spec.ranges.iter().map(|range| range.1).max().unwrap_or(0) as usize;
        let mut pool = Buddy::new(frames).ok_or(none)?;
        for &(first, end) in spec.ranges {
            pool.add(first, end);
        }
        let total = Frames::new(pool.free());
        let (wanted, all) = (spec.reserve, total);
        let available = total.checked_sub(wanted).ok_or(SpecError::Reserve { wanted, all })?;
        let (mut records, mut magazines) = (Vec::new(), Vec::new());
        records.try_reserve_exact(frames).map_err(|_| none)?;
        records.resize_with(frames, Record::default);
        magazines.try_reserve_exact(usize::from(spec.cores)).map_err(|_| none)?;
        magazines.resize_with(usize::from(spec.cores), || Mutex::new(Magazine::new()));
        let multiplexor = Self {
            records,
            blocks: Blocks::new(frames).ok_or(none)?,
            accounts: Accounts::new(spec.activities as usize).ok_or(none)?,
            pool: Mutex::new(pool),
            magazines,
            available: AtomicU64::new(available.get()),
            reserve: AtomicU64::new(spec.reserve.get()),
            total,
            waiting: AtomicU32::new(0),
            reclaimable: spec.reclaimable,
            cold: Mutex::new(Cold::new(spec.links, spec.policy).ok_or(none)?),
            era: AtomicU32::new(0),
        };
        let budget = Budget { minimum: spec.kernel, ..Budget::default() };
        let opened = multiplexor.open(ActivityId::INFRASTRUCTURE, budget);
        let wanted = wanted.saturating_add(spec.kernel);
        opened.map(|()| multiplexor).map_err(|_| SpecError::Reserve { wanted, all })
    }

    /// Opens an activity's account; its minimum is set aside.
    ///
    /// # Errors
    /// [`OpenError`]; above all where minimums and reserve exceed memory.
    pub fn open(&self, activity: ActivityId, budget: Budget) -> Result<(), OpenError> {
        self.collect();
        self.accounts.open(activity, budget, &self.available)
    }

    /// The activity is dying: it gets nothing more, and what it waits for ends.
    pub fn close(&self, activity: ActivityId) {
        self.accounts.close(activity);
    }

    /// Ends a closed account once all is back. False until then.
    pub fn retire(&self, activity: ActivityId) -> bool {
        self.accounts.retire(activity, &self.available)
    }

    /// Where an activity stands.
    ///
    /// # Errors
    /// [`Rejected`] if it has no account.
    pub fn standing(&self, activity: ActivityId) -> Result<Standing, Rejected> {
        self.accounts.find(activity).map(Entry::standing)
    }

    /// The most an activity was ever charged.
    ///
    /// # Errors
    /// [`Rejected`] if it has no account.
    pub fn most(&self, activity: ActivityId) -> Result<Frames, Rejected> {
        self.accounts.find(activity).map(Entry::most)
    }

    /// What a resource has for an activity.
    ///
    /// # Errors
    /// [`Rejected`] if that has no account.
    pub fn used(&self, account: Account) -> Result<Frames, Rejected> {
        Ok(self.accounts.find(account.activity)?.used_by(account.resource))
    }

    /// Allocates a frame.
    ///
    /// # Errors
    /// [`Rejected`]: the client is to be suspended, or its call to fail.
    #[inline]
    pub fn allocate(
        &self,
        core: CoreId,
        account: Account,
        cookie: Cookie,
    ) -> Result<FrameId, Rejected> {
        let Account { activity, resource } = account;
        let rejected = |why| Rejected { activity, why };
        let entry = self.accounts.open_one(activity)?;
        let magazine = self.magazines.get(core.index()).ok_or(rejected(Why::Closed))?;
        let mut own = magazine.lock();
        let may_take = self.waiting.load(Ordering::Acquire) == 0;
        let charged = entry.charge(1, |need| own.ensure(need, &self.available, may_take));
        match charged {
            Ok(grants) => own.spend(grants),
            Err(Why::Low) if may_take => {
                drop(own);
                self.charge_anywhere(entry, 1).map_err(rejected)?;
                own = magazine.lock();
            }
            Err(why) => return Err(rejected(why)),
        }
        let found = match own.pop() {
            Some(frame) => Some((frame, own.era)),
            None => {
                let era = self.era.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
                own.fill(&mut self.pool.lock(), era);
                own.pop().map(|frame| (frame, era))
            }
        };
        drop(own);
        // What is charged is there, but it may be in another core's magazine.
        let Some((frame, era)) = found.or_else(|| self.take_anywhere()) else {
            self.available.fetch_add(entry.refund(1), Ordering::AcqRel);
            return Err(rejected(Why::Low));
        };
        if let Some(record) = self.record(frame) {
            record.begin(activity.index() as u32, resource, cookie, 0, era);
        }
        self.blocks.mark(frame, activity.index() as u32);
        entry.add(resource, 1);
        Ok(frame)
    }

    /// Charges out of what all cores have. Returns when the grants are spent.
    pub(crate) fn charge_anywhere(&self, entry: &Entry, frames: u64) -> Result<(), Why> {
        self.collect();
        let mut taken = 0;
        let charged = entry.charge(frames, |need| {
            let missing = need.saturating_sub(taken);
            let update = |now: u64| now.checked_sub(missing);
            let there =
                self.available.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).is_ok();
            taken += if there { missing } else { 0 };
            there
        });
        let spent = charged.unwrap_or(0);
        self.available.fetch_add(taken - spent, Ordering::AcqRel);
        charged.map(drop)
    }

    /// A frame from wherever it is. What was charged is there, but for the moment in which
    /// another core has refunded a frame and not yet given it back.
    fn take_anywhere(&self) -> Option<(FrameId, u32)> {
        (0..MOMENTS).find_map(|_| {
            self.collect();
            let frame = self.pool.lock().take(0)?;
            Some((frame, self.era.load(Ordering::Relaxed)))
        })
    }

    /// Takes back what the cores' magazines have.
    pub(crate) fn collect(&self) {
        for magazine in &self.magazines {
            let mut magazine = magazine.lock();
            magazine.drain(&mut self.pool.lock(), true);
            magazine.refund(0, &self.available, false);
        }
    }

    /// Allocates 2 MiB side by side. The first frame names all.
    ///
    /// # Errors
    /// [`Rejected`]: [`Why::Fragmented`] where only single frames are left.
    pub fn allocate_huge(&self, account: Account, cookie: Cookie) -> Result<FrameId, Rejected> {
        self.take_huge(account, cookie, |part| if part == 0 { HEAD } else { TAIL })
    }

    /// The frames of 2 MiB, with the mark that each is to have.
    fn take_huge(
        &self,
        account: Account,
        cookie: Cookie,
        mark: impl Fn(usize) -> u32,
    ) -> Result<FrameId, Rejected> {
        let Account { activity, resource } = account;
        let rejected = |why| Rejected { activity, why };
        let entry = self.accounts.open_one(activity)?;
        if self.waiting.load(Ordering::Acquire) > 0 {
            return Err(rejected(Why::Low));
        }
        self.charge_anywhere(entry, HUGE.get()).map_err(rejected)?;
        let Some(first) = self.pool.lock().take(OF_HUGE) else {
            self.available.fetch_add(entry.refund(HUGE.get()), Ordering::AcqRel);
            return Err(rejected(Why::Fragmented));
        };
        let (owner, era) = (activity.index() as u32, self.era.load(Ordering::Relaxed));
        let parts = self.records.get(first.index()..).unwrap_or_default();
        for (part, record) in parts.iter().take(HUGE.get() as usize).enumerate() {
            record.begin(owner, resource, cookie, mark(part), era);
        }
        entry.add(resource, HUGE.get());
        Ok(first)
    }

    /// Whether 2 MiB side by side could be had now: of the activity's budget so much is left
    /// that it would not have to give anything back for them, and below its hard limit as much
    /// again, since pages that it never touches cannot leave; they are free, and so is a quarter
    /// of all memory: who touches a page here and there must not have all of it so.
    #[must_use]
    pub fn has_huge(&self, activity: ActivityId) -> bool {
        let Ok(entry) = self.accounts.open_one(activity) else { return false };
        let standing = entry.standing();
        let then = standing.filled().saturating_add(HUGE);
        let soft = standing.budget.soft.is_none_or(|soft| then <= soft);
        let twice = HUGE.saturating_add(HUGE);
        soft && !standing.is_full_for(twice) && self.waiting.load(Ordering::Acquire) == 0 && {
            let pool = self.pool.lock();
            pool.has(OF_HUGE) && pool.free().saturating_mul(4) >= self.total.get()
        }
    }

    /// Allocates 2 MiB side by side of which each frame is by itself from the beginning: held,
    /// shared, asked back and given back alone.
    ///
    /// # Errors
    /// [`Rejected`]: [`Why::Fragmented`] where only single frames are left.
    pub fn allocate_together(&self, account: Account, cookie: Cookie) -> Result<FrameId, Rejected> {
        let first = self.take_huge(account, cookie, |_| 0)?;
        let owner = account.activity.index() as u32;
        for block in 0..HUGE.get() as u32 / FRAMES {
            self.blocks.mark(FrameId::new(first.get() + block * FRAMES), owner);
        }
        Ok(first)
    }

    /// Allocates out of the reserve, whatever the activity's budget: for reclamation itself,
    /// which must not fail for lack of memory. Such a frame is in no budget, and is to be given
    /// back soon, or to serve reclamation for good.
    ///
    /// # Errors
    /// [`Rejected`] where the reserve is used up: then an earlier one is to come back first.
    pub fn allocate_reserved(&self, account: Account, cookie: Cookie) -> Result<FrameId, Rejected> {
        let Account { activity, resource } = account;
        let rejected = Rejected { activity, why: Why::Low };
        let entry = self.accounts.find(activity)?;
        let update = |now: u64| now.checked_sub(1);
        let taken = self.reserve.fetch_update(Ordering::AcqRel, Ordering::Acquire, update);
        taken.map_err(|_| rejected)?;
        let pooled = self.pool.lock().take(0);
        let Some(frame) = pooled.or_else(|| self.take_anywhere().map(|(frame, _)| frame)) else {
            self.reserve.fetch_add(1, Ordering::AcqRel);
            return Err(rejected);
        };
        if let Some(record) = self.record(frame) {
            record.begin(activity.index() as u32, resource, cookie, RESERVE, 0);
        }
        entry.add(resource, 1);
        Ok(frame)
    }

    /// An activity holds the frame once less. It is free when nobody does.
    ///
    /// # Errors
    /// [`Rejected`] if the activity does not hold it.
    #[inline]
    pub fn leave(
        &self,
        core: CoreId,
        frame: FrameId,
        activity: ActivityId,
    ) -> Result<Left, Rejected> {
        let rejected = Rejected { activity, why: Why::NotHeld };
        let record = self.record(frame).ok_or(rejected)?;
        let entry = self.accounts.find(activity)?;
        let resource = record.resource().ok_or(rejected)?;
        if record.owner() != activity.index() as u32 || !record.end_plainly() {
            return self.leave_shared(frame, activity);
        }
        entry.subtract(resource, 1);
        // First the frame, then its charge: what may be charged is there to be had.
        let keep = self.waiting.load(Ordering::Acquire) == 0;
        let Some(magazine) = self.magazines.get(core.index()) else {
            self.pool.lock().give(frame, 0);
            self.available.fetch_add(entry.refund(1), Ordering::AcqRel);
            return Ok(Left::Freed);
        };
        let mut own = magazine.lock();
        if !own.push(frame) {
            let mut pool = self.pool.lock();
            own.drain(&mut pool, false);
            pool.give(frame, 0);
        }
        own.refund(entry.refund(1), &self.available, keep);
        Ok(Left::Freed)
    }

    /// Pins a frame that somebody holds: until it is unpinned, it stays what it is. False if
    /// nobody holds it.
    pub fn pin(&self, frame: FrameId) -> bool {
        let Some(record) = self.record(frame) else { return false };
        record.pins.fetch_add(1, Ordering::AcqRel);
        if record.has(crate::record::USED) {
            return true;
        }
        record.pins.fetch_sub(1, Ordering::AcqRel);
        false
    }

    /// A resource tells what it has seen of a frame's use since it last said (§3.2).
    pub fn inform(&self, frame: FrameId, seen: Information) {
        if let Some(record) = self.record(frame) {
            record.inform(seen);
        }
    }

    /// Whoever uses a frame says that it does not need what is in it: it can be asked for where
    /// its resource is stuck ([`Multiplexor::set_stuck`]), until it is refused once.
    pub fn unneed(&self, frame: FrameId) {
        if let Some(record) = self.record(frame) {
            record.unneed();
        }
    }

    /// Whoever uses a frame says that it will not soon again: whatever was told of its use is
    /// forgotten.
    pub fn forget_use(&self, frame: FrameId) {
        if let Some(record) = self.record(frame) {
            record.forget_use();
        }
    }

    /// The resource that has the frame wants it to be called so from now on. Nothing is
    /// changed where another has it.
    #[inline]
    pub fn rename(&self, frame: FrameId, of: ResourceId, cookie: Cookie) {
        if let Some(record) = self.record(frame)
            && record.has(crate::record::USED)
            && record.resource() == Some(of)
        {
            record.cookie.store(cookie.0, Ordering::Relaxed);
        }
    }

    /// A resource says that it can give back none of an activity's frames for now, having no
    /// room for what is in them; or that it can again. Until then it is not asked for any.
    pub fn set_stuck(&self, account: Account, stuck: bool) {
        if let Ok(entry) = self.accounts.find(account.activity) {
            entry.set_stuck(account.resource, stuck);
        }
    }

    /// Who allocated the frame, and with which cookie; `None` if nobody holds it.
    #[must_use]
    pub fn holder(&self, frame: FrameId) -> Option<(Account, Cookie)> {
        let record = self.record(frame).filter(|record| record.has(crate::record::USED))?;
        let activity = self.accounts.name(record.owner())?;
        Some((Account { activity, resource: record.resource()? }, record.cookie()))
    }

    pub(crate) fn record(&self, frame: FrameId) -> Option<&Record> {
        self.records.get(frame.index())
    }

    pub(crate) fn may_reclaim(&self, resource: ResourceId) -> bool {
        self.reclaimable >> resource.index() & 1 == 1
    }
}

impl fmt::Debug for Multiplexor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Multiplexor({}, {} available, {:?})",
            self.total,
            self.available.load(Ordering::Relaxed),
            self.cold.try_lock()
        )
    }
}
