//! Connections that have ended, for as long as a late packet of theirs may come (TIME-WAIT):
//! without buffers, and so many at most.
//!
//! # Invariants
//! - They are in the order in which they ended, which is that in which they are forgotten, for
//!   all are remembered equally long: what one more costs does not depend on how many there are.

use alloc::collections::{BTreeMap, VecDeque};

use vortex_units::Cycles;

use crate::address::Flow;

/// The most that are remembered.
pub const MOST: usize = 4_096;
/// Those that are forgotten at most when one more is remembered.
const AT_ONCE: usize = 4;

/// Those that are looked at for one of an end.
const LOOKED_AT: usize = 256;

/// Them.
#[derive(Default)]
pub struct Ended {
    until: BTreeMap<Flow, Cycles>,
    /// The first to be forgotten first. One whose time is another in the map was begun anew.
    order: VecDeque<(Flow, Cycles)>,
}

impl Ended {
    /// One more, until then.
    pub fn add(&mut self, flow: Flow, until: Cycles, now: Cycles) {
        for _ in 0..AT_ONCE {
            let full = self.order.len() >= MOST;
            if !self.order.front().is_some_and(|(_, until)| full || *until <= now) {
                break;
            }
            if let Some((flow, until)) = self.order.pop_front()
                && self.until.get(&flow) == Some(&until)
            {
                self.until.remove(&flow);
            }
        }
        self.until.insert(flow, until);
        self.order.push_back((flow, until));
    }

    /// Whether one has, and its time is not over.
    pub fn has(&self, flow: &Flow, now: Cycles) -> bool {
        self.until.get(flow).is_some_and(|until| *until > now)
    }

    /// Whether one of this end has, of the first so many: this is before all that there could be.
    pub fn has_of(&self, first: &Flow, now: Cycles) -> bool {
        let mut all = self.until.range(*first..).take(LOOKED_AT);
        all.any(|(flow, until)| flow.local == first.local && *until > now)
    }

    /// Whether one is remembered, though its time may be over.
    pub fn knows(&self, flow: &Flow) -> bool {
        self.until.contains_key(flow)
    }

    /// It is begun anew.
    pub fn remove(&mut self, flow: &Flow) {
        self.until.remove(flow);
    }

    #[cfg(test)]
    fn len(&self) -> (usize, usize) {
        (self.until.len(), self.order.len())
    }
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, SocketAddrV4};

    use super::*;

    fn flow(number: u32) -> Flow {
        let address = Ipv4Addr::from_bits(number / 50_000);
        let remote = SocketAddrV4::new(address, (number % 50_000) as u16);
        Flow { local: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80), remote }
    }

    #[test]
    fn the_first_goes_when_there_is_no_room_and_all_go_when_their_time_is_over() {
        let mut ended = Ended::default();
        let (most, then) = (MOST as u32, Cycles::new(1_000_000));
        for number in 0..most + 10 {
            ended.add(flow(number), then, Cycles::ZERO);
        }
        assert_eq!(ended.len(), (MOST, MOST));
        assert!(!ended.has(&flow(9), Cycles::ZERO) && ended.has(&flow(10), Cycles::ZERO));
        assert!(!ended.has(&flow(10), then));
        for number in 0..2_000 {
            ended.add(flow(number + 100_000), then + then, then);
        }
        assert_eq!(ended.len(), (2_000, 2_000));
    }

    #[test]
    fn one_that_is_begun_anew_and_ends_again_is_remembered_for_the_whole_time() {
        let mut ended = Ended::default();
        ended.add(flow(1), Cycles::new(10), Cycles::ZERO);
        ended.remove(&flow(1));
        ended.add(flow(1), Cycles::new(20), Cycles::new(5));
        ended.add(flow(2), Cycles::new(25), Cycles::new(15));
        assert!(ended.has(&flow(1), Cycles::new(15)));
        assert_eq!(ended.len(), (2, 2));
    }
}
