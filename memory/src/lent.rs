//! Orders for frames that a call has in its hands: as long as it works on them, nobody can give
//! them back.
//!
//! Where pins are counted here ([`Multiplexor::pin`]), the last one's end lets an order go on.
//! The machine counts handles instead, which cost a call nothing more; so nobody says here that
//! the last is gone. Whoever has found too many says [`Answer::Pinned`](crate::Answer), and the
//! order is sent again each time somebody calls [`Multiplexor::try_lent`]: in a while. Meanwhile
//! its waiter is given other frames, if there are any, and then it is not asked for any more.
//!
//! # Bound
//! A waiter waits so for [`TRIES`] whiles in all, and for no more frames at once than anybody
//! waits for; all others that calls have are refused. A call that waits may have a frame for
//! days (a futex's word).

use crate::Multiplexor;
use crate::cold::{Cold, OrderId, Ordered, Phase, WANTED};

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
        cold.orders.iter().flatten().any(|order| order.phase == Phase::Lent)
    }

    /// Those orders are to be sent again: a while has passed.
    pub fn try_lent(&self) {
        let Cold { orders, waiters, .. } = &mut *self.cold.lock();
        let is_lent = |order: &&mut Ordered| order.phase == Phase::Lent;
        for waiter in waiters {
            let own = |order: &&mut Ordered| order.waiter == waiter.id;
            let mut lent = orders.iter_mut().flatten().filter(is_lent).filter(own).peekable();
            waiter.whiles = waiter.whiles.saturating_add(u8::from(lent.peek().is_some()));
            lent.for_each(|order| order.phase = Phase::Unparked);
        }
    }
}
