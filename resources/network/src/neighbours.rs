//! Who has which address on the link (RFC 826): what was answered, and what is being asked.

use alloc::collections::BTreeMap;
use core::net::Ipv4Addr;

use spin::Mutex;
use vortex_units::Cycles;

use crate::address::Mac;

/// The most that are known.
const MOST: usize = 512;

/// What is known of one.
#[derive(Clone, Copy)]
struct Neighbour {
    mac: Option<Mac>,
    /// When it was answered, or asked for, last.
    at: Cycles,
}

/// All of them.
pub struct Neighbours {
    all: Mutex<BTreeMap<Ipv4Addr, Neighbour>>,
    /// How long an answer is believed, and how long one is waited for before it is asked again.
    lasts: Cycles,
    again: Cycles,
}

/// What to do with a packet for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// It is known.
    Known(Mac),
    /// It is to be asked for.
    Ask,
    /// It was, a moment ago.
    Asked,
}

impl Neighbours {
    /// None, by a clock of so many cycles a second.
    pub fn new(second: Cycles) -> Self {
        let lasts = Cycles::new(second.get().saturating_mul(300));
        let again = Cycles::new(second.get() / 4);
        Self { all: Mutex::default(), lasts, again }
    }

    /// The link address of one. Where it has to be asked for, that is noted.
    pub fn hop(&self, address: Ipv4Addr, now: Cycles) -> Hop {
        let mut all = self.all.lock();
        let known = all.get(&address).copied();
        if let Some(Neighbour { mac: Some(mac), at }) = known
            && now.saturating_sub(at) < self.lasts
        {
            return Hop::Known(mac);
        }
        if let Some(Neighbour { mac: None, at }) = known
            && now.saturating_sub(at) < self.again
        {
            return Hop::Asked;
        }
        if all.len() >= MOST {
            // What is asked for and not answered goes first.
            let oldest = all.iter().min_by_key(|(_, one)| (one.mac.is_some(), one.at));
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                all.remove(&oldest);
            }
        }
        all.insert(address, Neighbour { mac: None, at: now });
        Hop::Ask
    }

    /// One has said who it is: of interest where it was asked for, or is known.
    pub fn heard(&self, address: Ipv4Addr, mac: Mac, now: Cycles) {
        if let Some(one) = self.all.lock().get_mut(&address) {
            *one = Neighbour { mac: Some(mac), at: now };
        }
    }

    /// One wants to know who we are: it will be answered soon.
    pub fn met(&self, address: Ipv4Addr, mac: Mac, now: Cycles) {
        let mut all = self.all.lock();
        if all.len() < MOST || all.contains_key(&address) {
            all.insert(address, Neighbour { mac: Some(mac), at: now });
        }
    }
}
