//! What is off the usual path of a frame, behind one lock: links, waiters, orders.
//!
//! # Bound
//! All lists have a fixed size, and are short enough to be looked through.

use alloc::vec::Vec;
use core::fmt;

use vortex_units::ActivityId;

use crate::links::Links;
use crate::names::{Account, Cookie, FrameId, ResourceId};
use crate::policy::Policy;
use crate::search::Search;

/// The most that wait at once.
pub(crate) const WAITERS: usize = 128;
/// The most of one activity.
pub(crate) const EACH: usize = 4;
/// The most frames that are being ordered back at once.
pub(crate) const ORDERS: usize = 64;
/// The most frames that one waits for: a page and its tables.
pub(crate) const WANTED: usize = 8;

/// One that waits for memory. Numbers grow: who came later has the larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub(crate) u32);

impl WaiterId {
    /// Its number, which is not zero but once in four thousand million.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The waiter of this number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }
}

/// Names an order. One that has ended names nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderId {
    pub(crate) place: u16,
    pub(crate) number: u32,
}

/// A reclamation request, to be sent (§3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// By which it is forwarded and answered.
    pub id: OrderId,
    /// What is to be given back.
    pub frame: FrameId,
    /// To whom it goes.
    pub to: ResourceId,
    /// What that resource said when it allocated the frame, or had reclamation directed to
    /// itself.
    pub cookie: Cookie,
    /// Who pays for the work: the holder whose frame is taken.
    pub bill: ActivityId,
    /// At whose place the work is done: the waiter's.
    pub place: ActivityId,
    /// Whether the contents must be kept.
    pub modified: bool,
}

/// What a resource says to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// No reference is left; the frame is the multiplexor's.
    GivenBack,
    /// The resource keeps it.
    Refused,
    /// Its contents could not be kept: the device failed. It stays where it is.
    Failed,
    /// A call or a device works on it: the order is repeated when its pins are gone. Of those
    /// that are not counted here (`lent.rs`) the resource has to say so each time, with how many
    /// handles the frame had before it looked who has them.
    Pinned {
        /// That many.
        handles: u32,
    },
}

/// How orders have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// With the frame.
    pub given: u64,
    /// The resource has kept it.
    pub refused: u64,
    /// A device has failed.
    pub failed: u64,
    /// The frame was left to others who have it, and the waiter has got another.
    pub left: u64,
}

/// The order has ended: the frame was freed, or its waiter has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale;

/// Why one cannot wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// Too many wait already, or too many of this activity.
    Full,
    /// More frames at once than anybody waits for.
    TooMany,
    /// The activity has no account, or it is being closed.
    Closed,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until something is answered, freed or waited for.
    Idle,
    /// To ask again: what is to be done is not found yet. A step is bounded.
    Again,
    /// This request is to be sent.
    Order(Order),
    /// All that this one waits for is earmarked for it: it is to go on, with
    /// [`crate::Multiplexor::allocate_earmarked`].
    Ready(WaiterId, ActivityId, Cookie),
    /// There is nothing that could be taken for this one; it waits no more.
    Nothing(WaiterId, ActivityId, Cookie),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is with a resource.
    Sent,
    /// It waits for pins, to be sent again.
    Parked,
    /// It waits until the frame has another number of handles, of which nobody tells.
    Lent {
        /// So many it had, as far as so small a number says.
        handles: u16,
    },
    /// The pins are gone, or it is to be looked at again.
    Unparked,
    /// It was given back, but pins are left.
    Given,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ordered {
    pub number: u32,
    pub frame: FrameId,
    pub waiter: WaiterId,
    /// Whom it was sent to, with which cookie.
    pub at: (ResourceId, Cookie),
    pub phase: Phase,
}

// There is a table of them, which is made on the stack.
const _: () = assert!(size_of::<Option<Ordered>>() == 32, "an order is small");

impl Ordered {
    /// Whether it waits for somebody else than its resource.
    pub fn is_parked(&self) -> bool {
        matches!(self.phase, Phase::Parked | Phase::Lent { .. })
    }
}

#[derive(Debug)]
pub(crate) struct Waiter {
    pub id: WaiterId,
    pub account: Account,
    pub token: Cookie,
    pub wanted: usize,
    pub earmarks: [Option<FrameId>; WANTED],
    /// It was told to go on.
    pub told: bool,
    /// There was nothing to be found, until an order ends.
    pub exhausted: bool,
    /// It stands at its own hard limit: what others have does not help it, and it does not
    /// stand in their way.
    pub own: bool,
    /// Its activity is going to look what is to be done for it.
    pub reminded: bool,
    /// For how many whiles it has waited for frames that calls have (`lent.rs`).
    pub whiles: u8,
}

impl Waiter {
    pub fn has(&self) -> usize {
        self.earmarks.iter().flatten().count()
    }

    pub fn earmark(&mut self, frame: FrameId) -> bool {
        match self.earmarks.iter_mut().find(|place| place.is_none()) {
            Some(place) => {
                *place = Some(frame);
                true
            }
            None => false,
        }
    }
}

pub(crate) struct Cold {
    pub links: Links,
    pub waiters: Vec<Waiter>,
    pub orders: [Option<Ordered>; ORDERS],
    /// Others come when there is a place.
    pub late: bool,
    /// A place has become free since that was asked last.
    pub vacancy: bool,
    pub last_waiter: u32,
    pub last_order: u32,
    pub hand: u32,
    pub search: Option<Search>,
    pub policy: &'static dyn Policy,
    pub counts: Orders,
}

impl Cold {
    pub fn new(links: u32, policy: &'static dyn Policy) -> Option<Self> {
        let mut waiters = Vec::new();
        waiters.try_reserve_exact(WAITERS).ok()?;
        Some(Self {
            links: Links::new(links)?,
            waiters,
            orders: [None; ORDERS],
            late: false,
            vacancy: false,
            last_waiter: 0,
            last_order: 0,
            hand: 0,
            search: None,
            policy,
            counts: Orders::default(),
        })
    }

    /// The order of this frame, and its place.
    pub fn order_of(&mut self, frame: FrameId) -> Option<(usize, &mut Ordered)> {
        let orders = self.orders.iter_mut().enumerate();
        let mut there = orders.filter_map(|(place, order)| Some((place, order.as_mut()?)));
        there.find(|(_, order)| order.frame == frame)
    }

    pub fn order(&mut self, id: OrderId) -> Result<&mut Ordered, Stale> {
        let order = self.orders.get_mut(usize::from(id.place)).and_then(Option::as_mut);
        order.filter(|order| order.number == id.number).ok_or(Stale)
    }

    pub fn waiter(&mut self, id: WaiterId) -> Option<&mut Waiter> {
        self.waiters.iter_mut().find(|waiter| waiter.id == id)
    }

    /// Whether one order more may go out for a waiter that so many frames are missing.
    pub fn takes_order(&self, id: WaiterId, missing: usize) -> bool {
        let (sent, parked) = self.under_way(id);
        sent < missing && sent + parked < 2 * WANTED && self.orders.iter().any(Option::is_none)
    }

    /// Orders for this waiter that will end by themselves, and those that wait for pins.
    pub fn under_way(&self, id: WaiterId) -> (usize, usize) {
        let own = self.orders.iter().flatten().filter(|order| order.waiter == id);
        own.fold((0, 0), |(sent, parked), order| match order.is_parked() {
            true => (sent, parked + 1),
            false => (sent + 1, parked),
        })
    }
}

impl fmt::Debug for Cold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orders = self.orders.iter().flatten();
        f.debug_list().entries(&self.waiters).entries(orders).finish()
    }
}
