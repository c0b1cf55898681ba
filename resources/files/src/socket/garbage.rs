//! Descriptors on their way, and what is given up at sockets.
//!
//! A descriptor in a packet is a user of its open file. A socket may so be held by packets
//! alone, which lie at sockets that are held by packets alone: nobody can ever read them. When
//! the last descriptor of a socket that is on its way is closed, those of its owner that can
//! still be reached are marked, and the others' packets are given up. One owner has at most
//! [`SOCKETS`] sockets on their way, so that this is done in one run.
//!
//! Descriptors do not cross activities: what an activity has open is on its bill, and another
//! could keep it so.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use super::packet::Packet;
use crate::caller::Caller;
use crate::description::OpenId;
use crate::epoll::Epoll;
use crate::inode::{Body, InodeId};
use crate::node::Node;
use crate::root::Root;
use crate::wait::Side;
use crate::{Effects, Errno, Owner};

/// Descriptors of one owner that are on their way at most, and sockets among them.
const DESCRIPTORS: u32 = 1024;
const SOCKETS: usize = 128;
/// Descriptors in one packet (`SCM_MAX_FD`).
pub(crate) const RIGHTS: usize = 253;

/// A socket that is in a packet: whose it is, at which socket the packet lies, and a number.
type Flight = (Owner, u64, u64);

/// What is on its way, and what is given up and not yet gone.
#[derive(Default)]
pub(crate) struct Burial {
    queues: Vec<VecDeque<Packet>>,
    waiting: Vec<VecDeque<InodeId>>,
    /// Sets of `epoll` that are closed.
    sets: Vec<Epoll>,
    flights: BTreeMap<Flight, OpenId>,
    last: u64,
    /// Descriptors on their way, by owners.
    counts: BTreeMap<Owner, u32>,
    /// Whose sockets may hold each other alone.
    suspects: BTreeSet<Owner>,
}

impl Burial {
    /// Packets that nobody will read, and connections that nobody will accept.
    pub fn add(&mut self, queue: VecDeque<Packet>, waiting: VecDeque<InodeId>) {
        if !queue.is_empty() {
            self.queues.push(queue);
        }
        if !waiting.is_empty() {
            self.waiting.push(waiting);
        }
    }

    /// A set that nobody has any more.
    pub fn add_set(&mut self, set: Epoll) {
        self.sets.push(set);
    }

    /// A socket's last descriptor that is not on its way is closed.
    pub fn suspect(&mut self, owner: Owner) {
        self.suspects.insert(owner);
    }

    /// Whether there is anything to be buried.
    pub fn is_needed(&self) -> bool {
        let sockets = self.queues.is_empty() && self.waiting.is_empty();
        !(sockets && self.sets.is_empty() && self.suspects.is_empty())
    }

    fn land(&mut self, owner: Owner) {
        let Some(count) = self.counts.get_mut(&owner) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.counts.remove(&owner);
        }
    }
}

/// A descriptor in a packet, and its number if it is a socket.
#[derive(Clone, Copy)]
pub(crate) struct Right {
    pub open: OpenId,
    flight: Option<Flight>,
}

impl Root {
    /// Whether what is given up is still to go.
    #[must_use]
    pub fn has_burials(&self) -> bool {
        self.burial.is_needed()
    }

    /// Sends descriptors on their way to a socket.
    pub(super) fn pass(
        &mut self,
        caller: &Caller,
        rights: &[OpenId],
        to: InodeId,
    ) -> Result<Vec<Right>, Errno> {
        if rights.is_empty() {
            return Ok(Vec::new());
        }
        let owner = caller.owner;
        if self.inode(to)?.owner != owner {
            return Err(Errno::EPERM);
        }
        let sockets = rights.iter().filter(|&&open| self.socket_id(open).is_ok()).count();
        let flying = self.burial.flights.range((owner, 0, 0)..=(owner, u64::MAX, u64::MAX));
        let held = self.burial.counts.get(&owner).copied().unwrap_or(0);
        let count = u32::try_from(rights.len()).unwrap_or(u32::MAX);
        let more = held.saturating_add(count);
        if more > DESCRIPTORS || (sockets > 0 && flying.count().saturating_add(sockets) > SOCKETS) {
            return Err(Errno::ETOOMANYREFS);
        }
        for &open in rights {
            let socket = self.socket_id(open).is_ok();
            if socket && self.description(open)?.owner != owner {
                return Err(Errno::EPERM);
            }
        }
        let mut passed = Vec::new();
        passed.try_reserve_exact(rights.len()).map_err(|_| Errno::ENOMEM)?;
        for &open in rights {
            self.share(open)?;
            let mut flight = None;
            if self.socket_id(open).is_ok() {
                self.burial.last = self.burial.last.wrapping_add(1);
                let key = (owner, to.to_bits(), self.burial.last);
                self.burial.flights.insert(key, open);
                flight = Some(key);
                let description = self.description_mut(open)?;
                description.flights = description.flights.saturating_add(1);
            }
            passed.push(Right { open, flight });
        }
        self.burial.counts.insert(owner, more);
        Ok(passed)
    }

    /// A descriptor of this owner's is not on its way any more: its user is who took it out.
    pub(super) fn take_right(&mut self, right: Right, owner: Owner) -> OpenId {
        self.burial.land(owner);
        if let Some(flight) = right.flight {
            self.burial.flights.remove(&flight);
            if let Ok(description) = self.description_mut(right.open) {
                description.flights = description.flights.saturating_sub(1);
            }
        }
        right.open
    }

    /// A packet is read or given up: its sender has room again.
    pub(super) fn account_for(&mut self, packet: &Packet, effects: &mut Effects) {
        self.accounts.credit(packet.owner, crate::accounts::Kept::Open, packet.cost);
        let Some(sender) = self.socket_mut(packet.from) else { return };
        sender.sent = sender.sent.saturating_sub(packet.cost);
        let room = sender.has_room();
        if let Some(number) = self.socket_number(packet.from).filter(|_| room) {
            effects.wake(number, Side::Writable);
        }
        let _tag = self.unhold(&Node::Inode(packet.from));
    }

    /// Lets go of some of what was given up at sockets: descriptors, packets and connections, so
    /// many together. True if there is more.
    pub fn bury(&mut self, most: usize, effects: &mut Effects) -> bool {
        for _ in 0..most {
            if !self.bury_one(effects) {
                break;
            }
        }
        self.burial.is_needed()
    }

    /// False if there is nothing.
    fn bury_one(&mut self, effects: &mut Effects) -> bool {
        if let Some(queue) = self.burial.queues.last_mut() {
            let Some(packet) = queue.front_mut() else {
                self.burial.queues.pop();
                return true;
            };
            if let Some(right) = packet.rights.pop() {
                let owner = packet.owner;
                let open = self.take_right(right, owner);
                self.close(open, effects);
            } else if let Some(packet) = queue.pop_front() {
                self.account_for(&packet, effects);
            }
            return true;
        }
        if let Some(waiting) = self.burial.waiting.last_mut() {
            match waiting.pop_front() {
                Some(end) => {
                    self.end_socket(end, effects);
                    self.let_go(&Node::Inode(end), effects);
                }
                None => drop(self.burial.waiting.pop()),
            }
            return true;
        }
        if let Some(mut set) = self.burial.sets.pop() {
            if self.bury_item(&mut set) {
                self.burial.sets.push(set);
            }
            return true;
        }
        let Some(owner) = self.burial.suspects.pop_first() else { return false };
        for id in self.unreachable(owner) {
            if let Some(socket) = self.socket_mut(id) {
                let queue = core::mem::take(&mut socket.queue);
                let waiting = core::mem::take(&mut socket.waiting);
                self.burial.add(queue, waiting);
            }
        }
        true
    }

    /// Whether only packets hold an open file.
    fn only_flies(&self, open: OpenId) -> bool {
        self.opens.get(open).is_some_and(|it| it.flights > 0 && it.users == it.flights)
    }

    /// Whether a program can come to a socket without a packet.
    fn is_reached(&self, id: InodeId) -> bool {
        let Some(socket) = self.socket(id) else { return false };
        let open = match (socket.open, socket.listener) {
            (Some(open), _) => Some(open),
            (None, Some(listener)) => self.socket(listener).and_then(|listener| listener.open),
            (None, None) => None,
        };
        open.is_some_and(|open| !self.only_flies(open))
    }

    /// The sockets of an owner that nobody can ever come to.
    fn unreachable(&self, owner: Owner) -> Vec<InodeId> {
        let all = (owner, 0, 0)..=(owner, u64::MAX, u64::MAX);
        let inode = |open: OpenId| match self.opens.get(open).map(|it| &it.node) {
            Some(Node::Inode(id)) => Some(*id),
            _ => None,
        };
        let mut marked = BTreeSet::new();
        let mut next = Vec::new();
        for ((_, holder, _), _) in self.burial.flights.range(all.clone()) {
            if self.is_reached(InodeId::from_bits(*holder)) && marked.insert(*holder) {
                next.push(*holder);
            }
        }
        while let Some(holder) = next.pop() {
            let held = (owner, holder, 0)..=(owner, holder, u64::MAX);
            let passed = self.burial.flights.range(held).filter_map(|(_, open)| inode(*open));
            let inner = self.socket(InodeId::from_bits(holder)).map(|socket| &socket.waiting);
            let inner = inner.into_iter().flatten().copied();
            for id in passed.chain(inner) {
                if marked.insert(id.to_bits()) {
                    next.push(id.to_bits());
                }
            }
        }
        let mut gone = Vec::new();
        for open in self.burial.flights.range(all).map(|(_, open)| *open) {
            if self.only_flies(open)
                && let Some(id) = inode(open)
                && marked.insert(id.to_bits())
            {
                gone.push(id);
            }
        }
        gone
    }

    /// A descriptor of a socket was closed: those that are left may all be in packets.
    pub(crate) fn look_for_garbage(&mut self, open: OpenId) {
        let Some(description) = self.opens.get(open) else { return };
        let owner = description.owner;
        if self.only_flies(open)
            && let Node::Inode(id) = &description.node
            && matches!(self.inodes.get(*id).map(|inode| &inode.body), Some(Body::Unix(_)))
        {
            self.burial.suspect(owner);
        }
    }
}
