//! The multiplexor and the model beside it.

use std::collections::BTreeSet;

use vortex_memory::policy::Policy;
use vortex_memory::{
    Account, Answer, Budget, Cookie, Due, FrameId, Information, Left, Multiplexor, ObjectKind,
    Order, OrderId, ResourceId, Spec, Stale, Step, WaitError, WaiterId, Why,
};
use vortex_units::{ActivityId, Bytes, CoreId, Frames};

use crate::mirror::{Held, Model, Out, Waiting};

/// Something that is asked of it. Numbers choose among what there is.
#[derive(Clone, Debug)]
pub enum Action {
    Allocate(usize, u16),
    Huge(usize),
    Reserved(usize),
    Leave(usize, u16),
    Join(usize, usize),
    Pin(usize),
    Unpin(usize),
    Inform(usize, bool, bool),
    Redirect(usize, u8),
    Undirect(usize),
    Wait(usize, usize),
    Step,
    Answer(usize, u8),
    TryLent,
    TakeEarmarked(usize),
    GiveUp(usize),
    Kill(usize),
    /// An object of so many bytes; whatever the limits, or not.
    Make(usize, u64, bool),
    Unmake(usize),
}

const RESERVE: u64 = 4;
const OBJECT: ObjectKind = ObjectKind::File;

pub struct World {
    multiplexor: Multiplexor,
    model: Model,
    budgets: Vec<Budget>,
    total: u64,
    ranges: Vec<(u32, u32)>,
    cookie: u64,
    /// Waiters that are not told, as of the last step: they may come before others.
    untold: usize,
}

fn activity(place: usize) -> ActivityId {
    ActivityId::new(place as u32, 0)
}

impl World {
    pub fn new(
        policy: &'static dyn Policy,
        frames: u32,
        huge: bool,
        minimums: [u64; 3],
        rooms: [(u64, u64); 3],
    ) -> Self {
        // A hole, and in some runs a huge frame beside.
        let ranges = [(3, 3 + frames / 2), (100, 100 + frames - frames / 2), (1024, 1536)];
        let ranges = if huge { &ranges[..] } else { &ranges[..2] };
        let multiplexor = Multiplexor::new(&Spec {
            ranges,
            reserve: Frames::new(RESERVE),
            kernel: Frames::ZERO,
            activities: 4,
            cores: 3,
            // The third resource's are never taken.
            reclaimable: 0b011,
            policy,
            links: 24,
        })
        .unwrap();
        let total = ranges.iter().map(|range| u64::from(range.1 - range.0)).sum();
        let mut budgets = vec![Budget::default()];
        for (place, (minimum, (soft, hard))) in minimums.into_iter().zip(rooms).enumerate() {
            let (soft, hard) = (minimum + soft, minimum + soft + hard + 1);
            let budget = Budget {
                minimum: Frames::new(minimum),
                soft: Some(Frames::new(soft)),
                hard: (place > 0).then_some(Frames::new(hard)),
                objects: None,
            };
            multiplexor.open(activity(place + 1), budget).unwrap();
            budgets.push(budget);
        }
        let (model, ranges) = (Model::default(), ranges.to_vec());
        Self { multiplexor, model, budgets, total, ranges, cookie: 0, untold: 0 }
    }

    fn nth_frame(&self, n: usize) -> Option<FrameId> {
        let count = self.model.frames.len();
        (count > 0).then(|| *self.model.frames.keys().nth(n % count).unwrap())
    }

    fn next_cookie(&mut self) -> Cookie {
        self.cookie += 1;
        Cookie(self.cookie)
    }

    fn minimum(&self, place: usize) -> u64 {
        self.budgets[place].minimum.get()
    }

    /// What no minimum, no use and no reserve claims.
    fn available(&self) -> u64 {
        let live = (0..4).filter(|place| !self.model.retired.contains(place));
        let claims: u64 =
            live.map(|place| self.minimum(place).max(self.model.charged(place))).sum();
        self.total - RESERVE - claims
    }

    /// Whether so many frames more may be charged, and if not, why.
    fn may(&self, place: usize, frames: u64) -> Result<(), Why> {
        if self.model.closed.contains(&place) {
            return Err(Why::Closed);
        }
        let charged = self.model.charged(place);
        let objects = self.model.objects_of(place).1;
        if self.budgets[place].hard.is_some_and(|hard| charged + objects + frames > hard.get()) {
            return Err(Why::Hard);
        }
        let need = (charged + frames).saturating_sub(charged.max(self.minimum(place)));
        if need > self.available() { Err(Why::Low) } else { Ok(()) }
    }

    fn account(place: usize, resource: u8) -> Account {
        Account { activity: activity(place), resource: ResourceId::new(resource).unwrap() }
    }

    pub fn act(&mut self, action: Action) {
        match action {
            Action::Allocate(place, core) => self.allocate(place, core),
            Action::Huge(place) => self.huge(place),
            Action::Reserved(place) => self.reserved(place),
            Action::Leave(n, core) => self.leave(n, CoreId::new(core)),
            Action::Join(n, place) => self.join(n, place),
            Action::Pin(n) => {
                if let Some(frame) = self.nth_frame(n) {
                    assert!(self.multiplexor.pin(frame));
                    self.model.frames.get_mut(&frame).unwrap().pins += 1;
                }
            }
            Action::Unpin(n) => self.unpin(n),
            Action::Inform(n, accessed, modified) => {
                if let Some(frame) = self.nth_frame(n) {
                    self.multiplexor.inform(frame, Information { accessed, modified });
                }
            }
            Action::Redirect(n, to) => self.redirect(n, to),
            Action::Undirect(n) => self.undirect(n),
            Action::Wait(place, wanted) => self.wait(place, wanted),
            Action::Step => self.step(),
            Action::Answer(n, answer) => self.answer(n, answer),
            Action::TryLent => self.multiplexor.try_lent(|_| 2),
            Action::TakeEarmarked(n) => self.take_earmarked(n),
            Action::GiveUp(n) => {
                let count = self.model.waiters.len();
                if count > 0 {
                    let id = *self.model.waiters.keys().nth(n % count).unwrap();
                    self.multiplexor.give_up(id);
                    self.forget(id);
                }
            }
            Action::Kill(place) => {
                if place > 0 {
                    self.multiplexor.close(activity(place));
                    self.model.closed.insert(place);
                }
            }
            Action::Make(place, bytes, forced) => self.make(place, bytes, forced),
            Action::Unmake(n) => {
                let count = self.model.objects.len();
                if count > 0 {
                    let (place, bytes) = self.model.objects.swap_remove(n % count);
                    self.multiplexor.refund_object(activity(place), OBJECT, Bytes::new(bytes));
                }
            }
        }
    }

    fn make(&mut self, place: usize, bytes: u64, forced: bool) {
        if forced {
            if !self.model.retired.contains(&place) {
                self.multiplexor.force_object(activity(place), OBJECT, Bytes::new(bytes));
                self.model.objects.push((place, bytes));
            }
            return;
        }
        let (_, before) = self.model.objects_of(place);
        self.model.objects.push((place, bytes));
        let (_, then) = self.model.objects_of(place);
        let full = self.budgets[place].hard.map(Frames::get).is_some_and(|hard| {
            let pages = (hard / 8).max(64.min(hard / 2));
            then > before && (self.model.charged(place) + then > hard || then + pages > hard)
        });
        let charged = self.multiplexor.charge_object(activity(place), OBJECT, Bytes::new(bytes));
        match charged {
            Ok(begun) => {
                assert!(!full && !self.model.closed.contains(&place));
                assert_eq!(begun.get(), then - before);
            }
            Err(error) => {
                self.model.objects.pop();
                match error.why {
                    Why::Closed => assert!(self.model.closed.contains(&place)),
                    why => assert!(full && why == Why::Hard),
                }
            }
        }
    }

    fn new_frame(
        &mut self,
        frame: FrameId,
        place: usize,
        resource: u8,
        cookie: Cookie,
    ) -> &mut Held {
        assert!(!self.model.earmarked(frame), "{frame:?} is another's");
        let held =
            Held { holders: vec![(place, 1)], resource, cookie: cookie.0, ..Held::default() };
        assert!(self.model.frames.insert(frame, held).is_none(), "{frame:?} given out twice");
        self.model.frames.get_mut(&frame).unwrap()
    }

    fn allocate(&mut self, place: usize, core: u16) {
        let (may, cookie, resource) =
            (self.may(place, 1), self.next_cookie(), self.cookie as u8 % 3);
        let account = Self::account(place, resource);
        match self.multiplexor.allocate(CoreId::new(core), account, cookie) {
            Ok(frame) => {
                assert_eq!(may, Ok(()));
                self.new_frame(frame, place, resource, cookie);
            }
            // Beyond its minimum, waiters come first.
            Err(error) if error.why == Why::Low && self.untold > 0 => {
                assert!(self.model.charged(place) >= self.minimum(place));
            }
            Err(error) => assert_eq!(Err(error.why), may),
        }
    }

    fn huge(&mut self, place: usize) {
        let (may, cookie) = (self.may(place, 512), self.next_cookie());
        match self.multiplexor.allocate_huge(Self::account(place, 0), cookie) {
            Ok(frame) => {
                assert_eq!(may, Ok(()));
                assert!(frame.get().is_multiple_of(512));
                let parts = frame..FrameId::new(frame.get() + 512);
                assert_eq!(self.model.frames.range(parts).count(), 0);
                self.new_frame(frame, place, 0, cookie).huge = true;
            }
            Err(error) => match (error.why, may) {
                (Why::Low, _) if self.untold > 0 => {}
                (Why::Fragmented, Ok(())) => {}
                (why, may) => assert_eq!(Err(why), may),
            },
        }
    }

    fn reserved(&mut self, place: usize) {
        let cookie = self.next_cookie();
        let used = self.model.frames.values().filter(|held| held.reserve).count() as u64;
        match self.multiplexor.allocate_reserved(Self::account(place, 0), cookie) {
            Ok(frame) => {
                assert!(used < RESERVE);
                self.new_frame(frame, place, 0, cookie).reserve = true;
            }
            Err(_) => assert!(used == RESERVE || self.model.retired.contains(&place)),
        }
    }

    fn leave(&mut self, n: usize, core: CoreId) {
        let Some(frame) = self.nth_frame(n) else { return };
        let held = self.model.frames.get_mut(&frame).unwrap();
        let nobody = (0..4).find(|place| held.holders.iter().all(|holder| holder.0 != *place));
        if let Some(nobody) = nobody {
            assert!(self.multiplexor.leave(core, frame, activity(nobody)).is_err());
        }
        if held.doomed {
            assert!(self.multiplexor.leave(core, frame, activity(held.holders[0].0)).is_err());
            return;
        }
        let which = n % held.holders.len();
        let place = held.holders[which].0;
        let left = self.multiplexor.leave(core, frame, activity(place)).unwrap();
        held.holders[which].1 -= 1;
        if held.holders[which].1 > 0 {
            assert_eq!(left, Left::Held);
        } else if held.holders.len() > 1 {
            assert_eq!(left, Left::Held);
            held.holders.remove(which);
        } else if held.pins > 0 {
            assert_eq!(left, Left::Pinned);
            held.holders[which].1 = 1;
            held.doomed = true;
        } else {
            assert_eq!(left, Left::Freed);
            self.freed(frame);
        }
    }

    /// The frame is nobody's: free, or the waiter's who had it ordered back.
    fn freed(&mut self, frame: FrameId) {
        self.model.frames.remove(&frame);
        self.model.orders.retain(|order| order.frame != frame);
    }

    fn join(&mut self, n: usize, place: usize) {
        let Some(frame) = self.nth_frame(n) else { return };
        let may = self.may(place, 1);
        let held = self.model.frames.get_mut(&frame).unwrap();
        let there = held.holders.iter_mut().find(|holder| holder.0 == place);
        let known = there.is_some();
        match self.multiplexor.join(frame, activity(place)) {
            Ok(()) => {
                assert!(!(held.doomed || held.ordered || held.huge || held.reserve));
                match there {
                    Some(holder) => holder.1 += 1,
                    None => {
                        assert_eq!(may, Ok(()));
                        held.holders.push((place, 1));
                    }
                }
            }
            Err(error) => match error.why {
                Why::Closed => assert!(self.model.closed.contains(&place)),
                // Pinned: an order may wait for it that the model has not seen.
                Why::NotHeld => assert!(
                    held.doomed || held.ordered || held.huge || held.reserve || held.pins > 0
                ),
                Why::Links => assert!(!known),
                Why::Low if self.untold > 0 => assert!(!known),
                why => assert_eq!((known, Err(why)), (false, may)),
            },
        }
    }

    fn unpin(&mut self, n: usize) {
        let Some(frame) = self.nth_frame(n) else { return };
        let held = self.model.frames.get_mut(&frame).unwrap();
        if held.pins == 0 {
            return;
        }
        held.pins -= 1;
        self.multiplexor.unpin(frame);
        if held.pins > 0 {
            return;
        }
        let given = self.model.orders.iter().any(|order| order.frame == frame && order.given);
        if held.doomed || given {
            self.freed(frame);
        }
    }

    fn redirect(&mut self, n: usize, to: u8) {
        let Some(frame) = self.nth_frame(n) else { return };
        let cookie = self.next_cookie();
        let held = self.model.frames.get_mut(&frame).unwrap();
        match self.multiplexor.redirect(frame, ResourceId::new(to).unwrap(), cookie) {
            Ok(()) => {
                assert!(!held.doomed && !held.ordered);
                held.redirects.push((to, cookie.0));
            }
            Err(error) if error.why == Why::NotHeld => {
                assert!(held.doomed || held.ordered || held.pins > 0);
            }
            Err(error) => assert_eq!(error.why, Why::Links),
        }
    }

    fn undirect(&mut self, n: usize) {
        let Some(frame) = self.nth_frame(n) else { return };
        let held = self.model.frames.get_mut(&frame).unwrap();
        if held.redirects.is_empty() {
            return;
        }
        let (to, cookie) = held.redirects.remove(n % held.redirects.len());
        let to = ResourceId::new(to).unwrap();
        assert!(self.multiplexor.undirect(frame, to, Cookie(cookie)));
        assert!(!self.multiplexor.undirect(frame, to, Cookie(cookie)), "twice");
    }

    fn wait(&mut self, place: usize, wanted: usize) {
        let token = self.next_cookie();
        let waiting =
            Waiting { activity: place, wanted, earmarks: BTreeSet::new(), told: false, token };
        let own = self.model.waiters.values().filter(|waiter| waiter.activity == place).count();
        match self.multiplexor.wait(Self::account(place, 0), token, wanted) {
            Err(WaitError::Full) => assert_eq!(own, 4, "for others there are places"),
            Ok(id) => assert!(self.model.waiters.insert(id, waiting).is_none()),
            Err(WaitError::Closed) => assert!(self.model.closed.contains(&place)),
            Err(error) => panic!("{error:?}"),
        }
    }

    /// A step does something whenever the multiplexor says that something is due, and then
    /// there is an end to it; and nobody waits for ever for what is not due.
    fn step(&mut self) {
        let Due { alone, others } = self.multiplexor.due();
        let ends = self.model.orders.iter().any(|out| !out.parked);
        let step = self.multiplexor.step();
        assert!(alone || others || ends || step == Step::Idle, "not due: {step:?}");
        match step {
            Step::Idle => {
                let none = Due { alone: false, others: false };
                assert_eq!(self.multiplexor.due(), none, "for ever due");
            }
            Step::Again => {}
            Step::Order(order) => self.ordered(&order),
            Step::Ready(id, who, token) => {
                self.learn();
                let waiting = self.model.waiters.get_mut(&id).unwrap();
                assert_eq!((activity(waiting.activity), waiting.token), (who, token));
                assert!(!waiting.told && waiting.earmarks.len() == waiting.wanted);
                waiting.told = true;
            }
            Step::Nothing(id, _, _) => {
                let out = self.model.orders.iter().filter(|order| order.waiter == id);
                let waiting = &self.model.waiters[&id];
                let closed = self.model.closed.contains(&waiting.activity);
                assert!(closed || !waiting.told && out.count() == 0, "it still could get one");
                self.forget(id);
            }
        }
    }

    fn ordered(&mut self, order: &Order) {
        let Order { id, frame, to, cookie, bill, place, .. } = *order;
        // The same step may have earmarked free frames before.
        self.learn();
        assert_eq!((to.index() as u8, cookie), self.model.first(frame));
        let held = self.model.frames.get_mut(&frame).unwrap();
        assert!(!held.huge && !held.reserve && held.resource < 2);
        assert!(held.holders.iter().any(|holder| activity(holder.0) == bill));
        if let Some(known) = self.model.orders.iter_mut().find(|known| known.id == id) {
            assert!(known.parked && known.frame == frame, "sent again without need");
            known.parked = false;
            return;
        }
        assert!(!held.ordered, "ordered twice");
        held.ordered = true;
        let holders: Vec<usize> = held.holders.iter().map(|holder| holder.0).collect();
        for &holder in &holders {
            if activity(holder) == place {
                continue;
            }
            let rest = self.model.charged(holder) - self.model.on_their_way(holder);
            assert!(rest >= self.minimum(holder), "it takes from a minimum");
        }
        // For whom it is, the activity says; several waiters of one do not matter here.
        let waiter = self.multiplexor.waiter_of(id).unwrap();
        let waiting = &self.model.waiters[&waiter];
        assert_eq!(activity(waiting.activity), place);
        let hard = self.budgets[waiting.activity].hard;
        let objects = self.model.objects_of(waiting.activity).1;
        if hard.is_some_and(|hard| self.model.charged(waiting.activity) + objects >= hard.get()) {
            assert!(holders.contains(&waiting.activity), "no other can help it");
        }
        let bill = bill.index();
        self.model.orders.push(Out { id, frame, waiter, bill, given: false, parked: false });
        let out = self.model.orders.iter().filter(|out| out.waiter == waiter && !out.parked);
        assert!(out.count() <= waiting.wanted - waiting.earmarks.len(), "more than it wants");
    }

    fn answer(&mut self, n: usize, answer: u8) {
        if self.model.orders.is_empty() {
            return;
        }
        let which = n % self.model.orders.len();
        let Out { id, frame, given, parked, .. } = self.model.orders[which];
        if given || parked {
            return;
        }
        let pinned = self.model.frames[&frame].pins > 0;
        match answer {
            0..4 => {
                self.forward(id, frame);
                self.multiplexor.answer(id, Answer::GivenBack).unwrap();
                if pinned {
                    self.model.orders[which].given = true;
                } else {
                    self.freed(frame);
                    assert_eq!(self.multiplexor.answer(id, Answer::GivenBack), Err(Stale));
                }
            }
            4..6 => {
                let answer = if answer == 4 { Answer::Refused } else { Answer::Failed };
                self.multiplexor.answer(id, answer).unwrap();
                self.model.orders.remove(which);
                self.model.frames.get_mut(&frame).unwrap().ordered = false;
            }
            8.. => self.leave_to_others(which),
            _ => {
                self.multiplexor.answer(id, Answer::Pinned { handles: 1 }).unwrap();
                self.model.orders[which].parked = true;
                // Often enough: then it has been refused (`drop_ended`).
                self.drop_ended();
            }
        }
    }

    /// Who is to give leaves the frame to the others who have it: none of them loses anything, and
    /// the waiter has another in its place.
    fn leave_to_others(&mut self, which: usize) {
        let Out { id, frame, waiter, bill, .. } = self.model.orders[which];
        self.learn();
        let held = self.model.frames.get_mut(&frame).unwrap();
        let own = held.holders.iter().position(|holder| *holder == (bill, 1));
        let others = held.holders.iter().any(|holder| holder.0 != bill && holder.0 > 0);
        let left = self.multiplexor.leave_to_others(id, activity(bill)).unwrap();
        assert_eq!(left, own.is_some() && others && held.pins == 0);
        if !left {
            return;
        }
        assert_eq!(self.multiplexor.leave_to_others(id, activity(bill)), Err(Stale));
        held.holders.remove(own.unwrap());
        held.ordered = false;
        self.model.orders.remove(which);
        let Some(waiting) = self.model.waiters.get(&waiter) else { return };
        let (place, had, wanted) = (waiting.activity, waiting.earmarks.len(), waiting.wanted);
        let may = self.may(place, 1).is_ok();
        self.learn();
        let has = self.model.waiters[&waiter].earmarks.len();
        assert_eq!(has, if may && had < wanted { had + 1 } else { had });
    }

    /// The order goes along the whole chain of those to whom it is directed.
    fn forward(&mut self, id: OrderId, frame: FrameId) {
        let held = self.model.frames.get_mut(&frame).unwrap();
        // Those who came after the order was sent are asked, those who left are not.
        let mut asked = 0;
        while let Some(next) = self.multiplexor.forward(id).unwrap() {
            assert_eq!((next.id, next.frame), (id, frame));
            asked += 1;
            assert!(asked <= held.redirects.len() + 1, "it goes round");
        }
        held.redirects.clear();
    }

    fn take_earmarked(&mut self, n: usize) {
        let told: Vec<_> =
            self.model.waiters.iter().filter(|(_, w)| w.told).map(|(id, _)| *id).collect();
        if told.is_empty() {
            return;
        }
        let id = told[n % told.len()];
        let cookie = self.next_cookie();
        let waiting = self.model.waiters.get_mut(&id).unwrap();
        let place = waiting.activity;
        match self.multiplexor.allocate_earmarked(id, cookie) {
            Some(frame) => {
                assert!(waiting.earmarks.remove(&frame), "another's");
                self.new_frame(frame, place, 0, cookie);
            }
            None => {
                assert!(waiting.earmarks.is_empty());
                self.multiplexor.give_up(id);
                self.forget(id);
            }
        }
    }

    /// A waiter is no more: its parked orders end, and others go on for the pool.
    fn forget(&mut self, id: WaiterId) {
        self.model.waiters.remove(&id);
        for order in &self.model.orders {
            if order.waiter == id && order.parked {
                self.model.frames.get_mut(&order.frame).unwrap().ordered = false;
            }
        }
        self.model.orders.retain(|order| order.waiter != id || !order.parked);
    }

    /// To whom free frames were earmarked is the multiplexor's decision.
    fn learn(&mut self) {
        for waiting in self.model.waiters.values_mut() {
            waiting.earmarks.clear();
        }
        self.drop_ended();
        for number in self.ranges.iter().flat_map(|&(first, end)| first..end) {
            let frame = FrameId::new(number);
            let part = self.model.frames.range(..=frame).next_back();
            let of_huge = part.is_some_and(|(first, held)| held.huge && number < first.get() + 512);
            let Some((account, token)) = self.multiplexor.holder(frame) else {
                assert!(!self.model.frames.contains_key(&frame), "{frame:?} is lost");
                continue;
            };
            if of_huge || self.model.frames.contains_key(&frame) {
                continue;
            }
            let mut waiters = self.model.waiters.values_mut();
            let waiting = waiters.find(|waiting| waiting.token == token).expect("a waiter's");
            assert_eq!(activity(waiting.activity), account.activity);
            assert!(waiting.earmarks.insert(frame));
            assert!(waiting.earmarks.len() <= waiting.wanted);
        }
    }

    /// Parked orders end unsaid where their waiter has all it wants.
    fn drop_ended(&mut self) {
        let multiplexor = &self.multiplexor;
        let frames = &mut self.model.frames;
        self.model.orders.retain(|order| {
            let ended = order.parked && multiplexor.waiter_of(order.id).is_err();
            if ended {
                frames.get_mut(&order.frame).unwrap().ordered = false;
            }
            !ended
        });
    }

    /// All that is to hold after every step.
    pub fn compare(&mut self) {
        self.learn();
        self.untold = self.model.waiters.values().filter(|waiting| !waiting.told).count();
        let ledger = self.multiplexor.ledger().unwrap();
        let earmarked = self.model.waiters.values().map(|w| w.earmarks.len() as u64).sum::<u64>();
        assert_eq!(ledger.earmarked.get(), earmarked);
        let billed: u64 = ledger.bills.iter().map(|(_, bytes)| bytes.get()).sum();
        assert_eq!(billed + ledger.free.bytes().get(), self.total * 4096, "to the byte");
        for place in (0..4).filter(|place| !self.model.retired.contains(place)) {
            let standing = self.multiplexor.standing(activity(place)).unwrap();
            let charged = standing.charged;
            assert_eq!(charged.get(), self.model.charged(place), "{place}");
            let (bytes, frames) = self.model.objects_of(place);
            assert_eq!(standing.objects.get(), frames, "{place}");
            assert_eq!(self.multiplexor.objects(activity(place)).unwrap().bytes.get(), bytes);
            let hard = self.budgets[place].hard;
            assert!(hard.is_none_or(|hard| charged <= hard));
        }
        // A minimum is there: what no claim covers is not negative, and so many are free.
        let promised: u64 = (0..4)
            .filter(|place| !self.model.retired.contains(place))
            .map(|place| self.minimum(place).saturating_sub(self.model.charged(place)))
            .sum();
        assert!(ledger.free.get() >= promised + self.available(), "a minimum is not covered");
        self.see_sharers();
    }

    fn see_sharers(&self) {
        for (&frame, held) in &self.model.frames {
            let mut seen = Vec::new();
            self.multiplexor.sharers(frame, |who, holds| seen.push((who.index(), holds)));
            let mut expected = held.holders.clone();
            seen.sort_unstable();
            expected.sort_unstable();
            assert_eq!(seen, expected);
        }
    }

    /// Everything is given back; then everything is there.
    pub fn end(mut self) {
        while !self.model.orders.is_empty() {
            let Out { id, frame, given, parked, .. } = self.model.orders[0];
            if given || parked {
                while self.model.frames.get(&frame).is_some_and(|held| held.pins > 0) {
                    let n = self.model.frames.keys().position(|at| *at == frame).unwrap();
                    self.unpin(n);
                }
                self.learn();
                if parked {
                    // Sent again, or ended with its waiter.
                    for _ in 0..10_000 {
                        let parked = |out: &Out| out.id == id && out.parked;
                        if !self.model.orders.iter().any(parked) {
                            break;
                        }
                        self.multiplexor.try_lent(|_| 2);
                        self.step();
                        self.compare();
                    }
                    assert!(!self.model.orders.iter().any(|out| out.id == id && out.parked));
                }
            } else {
                self.answer(0, 0);
            }
            self.compare();
        }
        let waiters: Vec<_> = self.model.waiters.keys().copied().collect();
        for id in waiters {
            self.multiplexor.give_up(id);
            self.forget(id);
        }
        self.compare();
        for place in 1..4 {
            self.multiplexor.close(activity(place));
            self.model.closed.insert(place);
        }
        while let Some(frame) = self.nth_frame(0) {
            while self.model.frames.get(&frame).is_some_and(|held| held.pins > 0) {
                self.unpin(0);
            }
            if self.model.frames.contains_key(&frame) {
                self.leave(0, CoreId::new(0));
            }
        }
        while !self.model.objects.is_empty() {
            let place = self.model.objects[0].0;
            assert!(!self.multiplexor.retire(activity(place)), "objects are left");
            self.act(Action::Unmake(0));
        }
        for place in 1..4 {
            assert!(self.multiplexor.retire(activity(place)));
            self.model.retired.insert(place);
        }
        self.compare();
        let ledger = self.multiplexor.ledger().unwrap();
        assert_eq!(ledger.free.get(), self.total, "something is lost");
        assert_eq!(self.available(), self.total - RESERVE);
    }
}
