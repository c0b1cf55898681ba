//! Reclamation: those who wait, what is ordered back for them, and what becomes of it.
//!
//! ```text
//!   wait ──► searching ──► order sent ──► given back ──► earmarked ──► Ready
//!              ▲  │            │ │            (pins left: when they are gone)
//!              │  │            │ └─ pinned: parked ──► unpinned, or other handles: sent again
//!              │  └► Nothing   ├─── refused, failed ─┐
//!              │               └─ left to others ────┤ (another frame is earmarked)
//!              └──────────────────────────────────────┘
//! ```
//!
//! # Bounds
//! - Waiters are served in the order of their coming, those within their soft limits before the
//!   others. As long as one waits for memory to be
//!   less low, nobody else is given what is available but within its minimum.
//! - An activity has few waiters at once, so that others find a place however many it has.
//! - A waiter has no more orders under way than frames that it still wants, all together no
//!   more than 64.
//! - Every order either brings a frame or marks one that this waiter does not ask for again, or
//!   one that several have is one less's (`leaving.rs`), and a frame is brought for that:
//!   so each waiter ends, with its frames or with `Nothing`, after so many answers as there
//!   are frames at most; and for a frame that a call has it waits so long only (`lent.rs`), since
//!   a call that waits may have it for days.
//! - A step makes one slice of one search, which looks at no more than 256 frames.

use core::sync::atomic::Ordering;

use vortex_units::ActivityId;

use crate::Multiplexor;
use crate::cold::{
    Answer, Cold, EACH, Order, OrderId, Ordered, Orders, Phase, Stale, Step, WAITERS, WANTED,
    WaitError, Waiter, WaiterId,
};
use crate::links::Link;
use crate::names::{Account, Cookie, FrameId};
use crate::record::{EARMARKED, LINKED, MODIFIED, ORDERED, Record, UNNEEDED};
use crate::search::Found;

impl Multiplexor {
    /// Waits for so many frames. `token` is given back with the outcome.
    ///
    /// # Errors
    /// [`WaitError`]. `Full`: another time; else the call is to fail.
    pub fn wait(
        &self,
        account: Account,
        token: Cookie,
        frames: usize,
    ) -> Result<WaiterId, WaitError> {
        if frames > WANTED {
            return Err(WaitError::TooMany);
        }
        let entry = self.accounts.open_one(account.activity).map_err(|_| WaitError::Closed)?;
        let cold = &mut *self.cold.lock();
        let own = |waiter: &&Waiter| waiter.account.activity == account.activity;
        if cold.waiters.len() >= WAITERS || cold.waiters.iter().filter(own).count() >= EACH {
            return Err(WaitError::Full);
        }
        cold.last_waiter = cold.last_waiter.wrapping_add(1);
        let (id, own) = (WaiterId(cold.last_waiter), entry.is_full());
        let earmarks = [None; WANTED];
        let (told, exhausted, reminded, wanted, whiles) = (false, false, false, frames, 0);
        let waiter =
            Waiter { id, account, token, wanted, earmarks, told, exhausted, own, reminded, whiles };
        cold.waiters.push(waiter);
        self.count_waiting(cold);
        Ok(id)
    }

    /// Whether any are without a place, and come when another waits no more
    /// ([`Multiplexor::due`]).
    pub fn note_late(&self, any: bool) {
        self.cold.lock().late = any;
    }

    /// Whether a place has become free since this was asked last: who is without one may have it.
    #[must_use]
    pub fn take_vacancy(&self) -> bool {
        core::mem::take(&mut self.cold.lock().vacancy)
    }

    /// It waits no more: what was earmarked for it and not taken is free again.
    pub fn give_up(&self, waiter: WaiterId) {
        self.end_wait(&mut self.cold.lock(), waiter);
    }

    /// Takes a frame that is earmarked for this waiter.
    pub fn allocate_earmarked(&self, waiter: WaiterId, cookie: Cookie) -> Option<FrameId> {
        self.take_earmarked(waiter, None, cookie)
    }

    /// The same for this account, if it is the waiter's activity's: whatever it waited for,
    /// the frame is that resource's.
    pub fn allocate_earmarked_for(
        &self,
        waiter: WaiterId,
        account: Account,
        cookie: Cookie,
    ) -> Option<FrameId> {
        self.take_earmarked(waiter, Some(account), cookie)
    }

    fn take_earmarked(
        &self,
        waiter: WaiterId,
        account: Option<Account>,
        cookie: Cookie,
    ) -> Option<FrameId> {
        let cold = &mut *self.cold.lock();
        let waiter = cold.waiter(waiter)?;
        let waited = waiter.account;
        if account.is_some_and(|account| account.activity != waited.activity) {
            return None;
        }
        let frame = waiter.earmarks.iter_mut().find_map(Option::take)?;
        let record = self.record(frame)?;
        if let Some(account) = account
            && let Ok(entry) = self.accounts.find(waited.activity)
        {
            entry.subtract(waited.resource, 1);
            entry.add(account.resource, 1);
            record.belong(account.resource);
        }
        record.cookie.store(cookie.0, Ordering::Relaxed);
        record.clear(EARMARKED);
        Some(frame)
    }

    /// What is to be done next.
    pub fn step(&self) -> Step {
        self.step_among(|_, _| true)
    }

    /// The same for waiters of this activity that stand in their own way: at its hard limit, or
    /// beyond its soft one. What is done for them need not be done at anybody else's place.
    pub fn step_alone(&self, activity: ActivityId) -> Step {
        self.step_among(|waiter, alone| alone && waiter.account.activity == activity)
    }

    /// The same for all others.
    pub fn step_for_others(&self) -> Step {
        self.step_among(|_, alone| !alone)
    }

    fn step_among(&self, meant: impl Fn(&Waiter, bool) -> bool) -> Step {
        let cold = &mut *self.cold.lock();
        if let Some(order) = self.repeat(cold, &meant) {
            return Step::Order(order);
        }
        // First those within their soft limits: nobody waits for the orders of who has too much.
        for beyond in [false, true] {
            let mut place = 0;
            while let Some(waiter) = cold.waiters.get(place) {
                let stands = self.stands(waiter);
                if stands.beyond == beyond
                    && meant(waiter, stands.alone)
                    && let Some(step) = self.serve(cold, place)
                {
                    return step;
                }
                place += 1;
            }
        }
        Step::Idle
    }

    /// The activity that has waited longest of those that were not told to go on: on its bill
    /// is the search for what it is to get.
    #[must_use]
    pub fn first_waiting(&self) -> Option<ActivityId> {
        let cold = self.cold.lock();
        let waiter = cold.waiters.iter().find(|waiter| !waiter.told)?;
        Some(waiter.account.activity)
    }

    /// The resource that an order was sent to has given up its references; who is next.
    /// `None`: nobody, the resource that allocated the frame is the one to answer.
    ///
    /// # Errors
    /// [`Stale`]: the order has ended; there is nothing to be done.
    pub fn forward(&self, id: OrderId) -> Result<Option<Order>, Stale> {
        let cold = &mut *self.cold.lock();
        let Ordered { frame, at: (resource, cookie), .. } = *cold.order(id)?;
        let record = self.record(frame).ok_or(Stale)?;
        let is_it = |link| link == Link::Redirect(resource, cookie);
        cold.links.take(record, is_it);
        let before = (resource, cookie);
        let next = self.make_order(cold, usize::from(id.place)).ok_or(Stale)?;
        Ok(Some(next).filter(|next| (next.to, next.cookie) != before))
    }

    /// What became of an order.
    ///
    /// # Errors
    /// [`Stale`]: it had ended already.
    pub fn answer(&self, id: OrderId, answer: Answer) -> Result<(), Stale> {
        let cold = &mut *self.cold.lock();
        let may_lend = cold.may_lend(id);
        let order = cold.order(id)?;
        let record = self.record(order.frame).ok_or(Stale)?;
        let pinned = record.pins() > 0;
        match answer {
            Answer::GivenBack if pinned => order.phase = Phase::Given,
            Answer::GivenBack => self.complete(cold, usize::from(id.place)),
            Answer::Pinned { handles } if pinned || may_lend => {
                let handles = handles as u16;
                order.phase = if pinned { Phase::Parked } else { Phase::Lent { handles } };
                look_again(cold);
            }
            Answer::Pinned { .. } | Answer::Refused | Answer::Failed => {
                record.refused.store(cold.last_waiter, Ordering::Relaxed);
                // It was needed again.
                record.clear(UNNEEDED);
                cold.counts.failed += u64::from(answer == Answer::Failed);
                cold.counts.refused += u64::from(answer != Answer::Failed);
                self.withdraw(cold, usize::from(id.place));
            }
        }
        Ok(())
    }

    /// How orders have ended so far.
    #[must_use]
    pub fn orders(&self) -> Orders {
        self.cold.lock().counts
    }

    /// An order whose frame's pins are gone, of a waiter that is meant.
    fn repeat(&self, cold: &mut Cold, meant: &impl Fn(&Waiter, bool) -> bool) -> Option<Order> {
        for place in 0..cold.orders.len() {
            let order = cold.orders.get(place).copied().flatten();
            let Some(Ordered { waiter, .. }) = order.filter(|it| it.phase == Phase::Unparked)
            else {
                continue;
            };
            let (sent, _) = cold.under_way(waiter);
            if let Some(waiter) = cold.waiter(waiter) {
                if !meant(waiter, self.stands(waiter).alone) {
                    continue;
                }
                // The one counted is this.
                if waiter.has() + sent <= waiter.wanted {
                    return self.make_order(cold, place);
                }
            }
            self.withdraw(cold, place);
        }
        None
    }

    /// Does what can be done for a waiter.
    fn serve(&self, cold: &mut Cold, place: usize) -> Option<Step> {
        let Waiter { id, account, token, .. } = *cold.waiters.get(place)?;
        let entry = self.accounts.open_one(account.activity);
        let Ok(entry) = entry else {
            self.end_wait(cold, id);
            return Some(Step::Nothing(id, account.activity, token));
        };
        let waiter = cold.waiters.get_mut(place)?;
        waiter.reminded = false;
        if waiter.told {
            return None;
        }
        while waiter.has() < waiter.wanted
            && self.charge_anywhere(entry, 1).is_ok()
            && self.earmark_from_pool(waiter)
        {}
        if waiter.has() >= waiter.wanted {
            waiter.told = true;
            self.count_waiting(cold);
            return Some(Step::Ready(id, account.activity, token));
        }
        if waiter.own != entry.is_full() {
            waiter.own = !waiter.own;
            waiter.exhausted = false;
        }
        let (missing, exhausted) = (waiter.wanted - waiter.has(), waiter.exhausted);
        self.count_waiting(cold);
        if exhausted || !cold.takes_order(id, missing) {
            return None;
        }
        let (sent, parked) = cold.under_way(id);
        match self.search(cold, place)? {
            Found::Again => Some(Step::Again),
            Found::Frame(frame) => self.order(cold, id, frame, Phase::Sent),
            Found::Pinned(frame) if parked == 0 && sent == 0 => {
                self.order(cold, id, frame, Phase::Parked);
                Some(Step::Again)
            }
            Found::Nothing if sent + parked == 0 => {
                self.end_wait(cold, id);
                Some(Step::Nothing(id, account.activity, token))
            }
            // One search is enough for a step: others' come with the next.
            Found::Pinned(_) | Found::Later | Found::Nothing => {
                cold.waiters.get_mut(place)?.exhausted = true;
                Some(Step::Again)
            }
        }
    }

    /// Earmarks a free frame that was charged. If there is none, the charge is taken back.
    pub(crate) fn earmark_from_pool(&self, waiter: &mut Waiter) -> bool {
        let Account { activity, resource } = waiter.account;
        let Some(entry) = self.accounts.at(activity.index() as u32) else { return false };
        let taken = self.pool.lock().take(0);
        let Some((frame, record)) = taken.and_then(|frame| Some((frame, self.record(frame)?)))
        else {
            self.available.fetch_add(entry.refund(1), Ordering::AcqRel);
            return false;
        };
        record.begin(activity.index() as u32, resource, waiter.token, EARMARKED, 0);
        self.blocks.mark(frame, activity.index() as u32);
        entry.add(resource, 1);
        waiter.earmark(frame)
    }

    /// Orders a frame back for a waiter.
    fn order(
        &self,
        cold: &mut Cold,
        waiter: WaiterId,
        frame: FrameId,
        phase: Phase,
    ) -> Option<Step> {
        let record = self.record(frame)?;
        let place = cold.orders.iter().position(Option::is_none)?;
        let at = (record.resource()?, record.cookie());
        if !record.order() {
            return Some(Step::Again);
        }
        self.count_ordered(cold, record, true);
        cold.last_order = cold.last_order.wrapping_add(1);
        let number = cold.last_order;
        *cold.orders.get_mut(place)? = Some(Ordered { number, frame, waiter, at, phase });
        if phase == Phase::Parked {
            // Its last pin may have gone before it was marked.
            if record.pins() == 0
                && let Some(order) = cold.orders.get_mut(place)?
            {
                order.phase = Phase::Unparked;
            }
            return None;
        }
        self.make_order(cold, place).map(Step::Order)
    }

    /// The request for the order at this place: to whom it goes now.
    fn make_order(&self, cold: &mut Cold, place: usize) -> Option<Order> {
        let order = cold.orders.get_mut(place)?.as_mut()?;
        let record = self.record(order.frame)?;
        let first = cold.links.of(record).find_map(|link| match link {
            Link::Redirect(to, cookie) => Some((to, cookie)),
            _ => None,
        });
        let (to, cookie) = first.or_else(|| Some((record.resource()?, record.cookie())))?;
        (order.at, order.phase) = ((to, cookie), Phase::Sent);
        let Ordered { number, frame, waiter, .. } = *order;
        let bill = self.accounts.name(self.payer(cold, record, waiter))?;
        let place_of = cold.waiter(waiter).map(|waiter| waiter.account.activity);
        Some(Order {
            id: OrderId { place: u16::try_from(place).ok()?, number },
            frame,
            to,
            cookie,
            bill,
            place: place_of.unwrap_or(bill),
            modified: record.has(MODIFIED),
        })
    }

    /// Who pays for an order, by its place: of those who hold the frame the waiter, if it stands
    /// at its own limit, else the one that the policy takes from first.
    fn payer(&self, cold: &mut Cold, record: &Record, waiter: WaiterId) -> u32 {
        let owner = record.owner();
        if !record.has(LINKED) {
            return owner;
        }
        let own = cold.waiter(waiter).filter(|waiter| waiter.own);
        let own = own.map(|waiter| waiter.account.activity.index() as u32);
        let rank = |place: u32| {
            let entry = self.accounts.at(place)?;
            Some((own == Some(place), cold.policy.rank(&entry.standing())))
        };
        let sharers = cold.links.of(record).filter_map(|link| match link {
            Link::Sharer(place, _) => Some(place),
            Link::Redirect(..) | Link::Free => None,
        });
        let first = (owner, rank(owner));
        let (payer, _) = sharers
            .map(|place| (place, rank(place)))
            .fold(first, |best, next| if next.1 > best.1 { next } else { best });
        payer
    }

    /// An ordered frame has come back: its waiter gets it, if it still wants it.
    pub(crate) fn complete(&self, cold: &mut Cold, place: usize) {
        let Some(order) = cold.orders.get_mut(place).and_then(Option::take) else { return };
        let Some(record) = self.record(order.frame) else { return };
        cold.counts.given += 1;
        let mut grants = self.release(cold, record);
        let wanting = cold.waiter(order.waiter).filter(|waiter| waiter.has() < waiter.wanted);
        let earmarked = wanting.is_some_and(|waiter| {
            let Account { activity, resource } = waiter.account;
            let Ok(entry) = self.accounts.open_one(activity) else { return false };
            // What the holders' charges have freed pays for the waiter's.
            if !self.charge_with(entry, &mut grants) {
                return false;
            }
            let token = waiter.token;
            record.begin(activity.index() as u32, resource, token, EARMARKED, 0);
            self.blocks.mark(order.frame, activity.index() as u32);
            entry.add(resource, 1);
            waiter.earmark(order.frame)
        });
        if !earmarked {
            self.pool.lock().give(order.frame, 0);
        }
        self.available.fetch_add(grants, Ordering::AcqRel);
        look_again(cold);
    }

    pub(crate) fn take_available(&self, grants: u64) -> bool {
        let update = |now: u64| now.checked_sub(grants);
        self.available.fetch_update(Ordering::AcqRel, Ordering::Acquire, update).is_ok()
    }

    /// An order ends without a frame.
    pub(crate) fn withdraw(&self, cold: &mut Cold, place: usize) {
        let Some(order) = cold.orders.get_mut(place).and_then(Option::take) else { return };
        if let Some(record) = self.record(order.frame) {
            self.count_ordered(cold, record, false);
            record.clear(ORDERED);
        }
        look_again(cold);
    }

    /// The holders of a frame have one more, or one less, on its way back.
    fn count_ordered(&self, cold: &Cold, record: &Record, more: bool) {
        let sharers = cold.links.of(record).filter_map(|link| match link {
            Link::Sharer(place, _) => Some(place),
            _ => None,
        });
        for place in core::iter::once(record.owner()).chain(sharers) {
            let Some(entry) = self.accounts.at(place) else { continue };
            if more {
                entry.ordered.fetch_add(1, Ordering::AcqRel);
            } else {
                entry.ordered.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    fn end_wait(&self, cold: &mut Cold, id: WaiterId) {
        let Some(place) = cold.waiters.iter().position(|waiter| waiter.id == id) else { return };
        let waiter = cold.waiters.remove(place);
        cold.vacancy = true;
        for frame in waiter.earmarks.into_iter().flatten() {
            if let Some(record) = self.record(frame) {
                self.free(cold, frame, record);
            }
        }
        // What is parked for it would only be asked for in vain.
        let is_parked = |order: &Option<Ordered>| {
            order.as_ref().is_some_and(|order| {
                order.waiter == id && (order.is_parked() || order.phase == Phase::Unparked)
            })
        };
        while let Some(place) = cold.orders.iter().position(is_parked) {
            self.withdraw(cold, place);
        }
        self.count_waiting(cold);
    }

    /// How many stand before all others where memory is low.
    fn count_waiting(&self, cold: &Cold) {
        let waiting = cold.waiters.iter().filter(|waiter| !waiter.own && !waiter.told).count();
        self.waiting.store(waiting as u32, Ordering::Release);
    }

    /// For whom an order is.
    ///
    /// # Errors
    /// [`Stale`] if it has ended.
    pub fn waiter_of(&self, id: OrderId) -> Result<WaiterId, Stale> {
        self.cold.lock().order(id).map(|order| order.waiter)
    }
}

/// An order has ended: who found nothing may find something now.
fn look_again(cold: &mut Cold) {
    for waiter in &mut cold.waiters {
        waiter.exhausted = false;
    }
}
