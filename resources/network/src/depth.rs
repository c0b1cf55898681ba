//! How many packets the ring of what is sent may hold: as many as keep the device at work, and
//! no more.
//!
//! What is in the ring goes in its order, whoever's it is; who has a larger share is preferred
//! only in what waits before it (§4.4). A ring of 256 packets has room for all that fifty
//! connections may have on their way: it would never be full, DWR never suspended, and all would
//! have the same. So its depth follows the device, as Linux's byte queue limits do: it doubles
//! when the device has had nothing to send while somebody waited for room, and shrinks by half of
//! what was always left over.
//!
//! # Invariants
//! - It is [`LEAST`] at least, and the ring's size at most.

use vortex_units::Cycles;

/// As many as DIR takes back in a run.
pub const LEAST: u16 = 8;
/// Where it begins.
const FIRST: u16 = 16;

/// It.
#[derive(Debug)]
pub struct Depth {
    now: u16,
    most: u16,
    /// Since it was last looked at what is left: what DWR has put into the ring, whether DIR has
    /// taken something out, and whether something was refused.
    put: u16,
    took: bool,
    refused: bool,
    /// The fewest that were left, since the depth was last looked at.
    left: u16,
    /// When it is looked at next, and how long that is each time.
    due: Cycles,
    every: Cycles,
}

impl Depth {
    /// Of a ring with room for so many, looked at each so many cycles.
    pub fn new(most: u16, every: Cycles) -> Self {
        let (now, left, due) = (FIRST.min(most), u16::MAX, Cycles::ZERO);
        Self { now, most, put: 0, took: false, refused: false, left, due, every }
    }

    /// The depth.
    pub fn get(&self) -> u16 {
        self.now
    }

    /// A packet was put into the ring.
    pub fn put(&mut self) {
        self.put = self.put.saturating_add(1);
    }

    /// One that was sent was taken out.
    pub fn took(&mut self) {
        self.took = true;
    }

    /// One was refused for want of room.
    pub fn refused(&mut self) {
        self.refused = true;
    }

    /// DIR goes on later with what was sent: what is put in until then was not there before.
    pub fn goes_on(&mut self) {
        self.put = 0;
    }

    /// All that were sent are taken out; so many are in the ring.
    pub fn served(&mut self, inside: u16, now: Cycles) {
        let left = inside.saturating_sub(core::mem::take(&mut self.put));
        let took = core::mem::take(&mut self.took);
        if !took || !core::mem::take(&mut self.refused) {
            // It is not this that keeps anybody from sending.
            return;
        }
        if left == 0 {
            self.now = self.now.saturating_mul(2).min(self.most);
            self.begin(now);
            return;
        }
        self.left = self.left.min(left);
        if now >= self.due {
            let least = LEAST.min(self.most);
            self.now = self.now.saturating_sub(self.left / 2).max(least);
            self.begin(now);
        }
    }

    fn begin(&mut self, now: Cycles) {
        self.left = u16::MAX;
        self.due = now.saturating_add(self.every);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that sends `burst` packets at each tick, and a driver that fills the ring up
    /// behind it, where it is not late: how often the device had less, and the depth at the end.
    fn paced(burst: u16, ticks: u64, late: impl Fn(u64) -> bool) -> (u64, u16) {
        let mut depth = Depth::new(256, Cycles::new(100));
        let (mut inside, mut sent, mut idle) = (0, 0, 0);
        for tick in 0..ticks {
            let sends = burst.min(inside - sent);
            idle += u64::from(sends < burst && tick > 100);
            sent += sends;
            if late(tick) {
                continue;
            }
            if sent > 0 {
                inside -= sent;
                sent = 0;
                depth.took();
            }
            depth.served(inside, Cycles::new(tick * 10));
            while inside < depth.get() {
                inside += 1;
            }
            depth.refused();
        }
        (idle, depth.get())
    }

    #[test]
    fn it_is_as_deep_as_the_device_needs() {
        for burst in [1, 8, 20, 100] {
            let (idle, depth) = paced(burst, 10_000, |_| false);
            assert_eq!(idle, 0, "{burst}: the device had nothing to send");
            assert!(depth >= LEAST.max(burst), "{burst}: {depth}");
            assert!(depth <= (burst * 2 + 2).max(LEAST * 2), "{burst}: {depth}");
        }
    }

    #[test]
    fn it_grows_for_who_is_late_and_shrinks_again() {
        let (_, depth) = paced(8, 1_000, |tick| tick % 4 != 3);
        assert!(depth >= 32, "{depth}");
        let (_, depth) = paced(8, 2_000, |tick| tick < 1_000 && tick % 4 != 3);
        assert!(depth <= 18, "{depth}");
    }

    #[test]
    fn who_has_room_changes_nothing() {
        let mut depth = Depth::new(256, Cycles::new(100));
        for tick in 0..1_000 {
            depth.put();
            depth.took();
            depth.served(0, Cycles::new(tick * 10));
        }
        assert_eq!(depth.get(), FIRST);
        assert_eq!(Depth::new(4, Cycles::new(1)).get(), 4);
    }

    #[test]
    fn what_is_put_in_meanwhile_was_not_left() {
        let mut depth = Depth::new(256, Cycles::new(100));
        depth.refused();
        depth.took();
        depth.goes_on();
        (0..FIRST).for_each(|_| depth.put());
        depth.served(FIRST, Cycles::new(1));
        assert_eq!(depth.get(), 2 * FIRST);
    }
}
