//! Orders for frames that a call has in its hands: as long as it works on them, nobody can give
//! them back.
//!
//! Where pins are counted here ([`Multiplexor::pin`]), the last one's end lets an order go on.
//! The machine counts handles instead, which cost a call nothing more; so nobody says here that
//! the last is gone. Whoever has found too many says [`Answer::Pinned`](crate::Answer) with how
//! many there were. Every while somebody calls [`Multiplexor::try_lent`], and of each waiter one
//! order is sent again whose frame has another number of them by then: to find who shows a frame
//! may take a look at many spaces, so nobody looks where nothing has changed. Meanwhile its waiter
//! is given other frames, if there are any, and then it is not asked for any more.
//!
//! # Bound
//! A waiter waits so for [`TRIES`] whiles in all, and for no more frames at once than anybody
//! waits for; all others that calls have are refused, and those once more at the end. A call that
//! waits may have a frame for days (a futex's word).

use crate::Multiplexor;
use crate::cold::{Cold, OrderId, Ordered, Phase, WANTED};
use crate::names::FrameId;

/// For how many whiles one waits for frames that calls have.
pub const TRIES: u8 = 32;

impl Cold {
    /// Whether an order may wait for a call's end of which nobody will tell.
    pub fn may_lend(&mut self, id: OrderId) -> bool {
        let Ok(&mut order) = self.order(id) else { return false };
        let (_, parked) = self.under_way(order.waiter);
        parked < WANTED && self.waiter(order.waiter).is_some_and(|waiter| waiter.whiles < TRIES)
    }
}

impl Multiplexor {
    /// Whether an order waits for a call's end that nobody will tell of.
    #[must_use]
    pub fn has_lent(&self) -> bool {
        let cold = &*self.cold.lock();
        cold.orders.iter().flatten().any(|order| matches!(order.phase, Phase::Lent { .. }))
    }

    /// A while has passed: of each waiter one such order is to be sent again, where a frame has
    /// another number of handles `now`. When it has waited for long enough, all of them are.
    pub fn try_lent(&self, now: impl Fn(FrameId) -> u32) {
        let Cold { orders, waiters, .. } = &mut *self.cold.lock();
        for waiter in waiters {
            let own = orders.iter_mut().flatten().filter(|order| order.waiter == waiter.id);
            let mut lent = own.filter(|order| matches!(order.phase, Phase::Lent { .. })).peekable();
            waiter.whiles = waiter.whiles.saturating_add(u8::from(lent.peek().is_some()));
            let is_last = waiter.whiles >= TRIES;
            let has_changed = |order: &&mut Ordered| match order.phase {
                Phase::Lent { handles } => is_last || now(order.frame) as u16 != handles,
                _ => false,
            };
            let most = if is_last { WANTED } else { 1 };
            lent.filter(has_changed).take(most).for_each(|order| order.phase = Phase::Unparked);
        }
    }
}
