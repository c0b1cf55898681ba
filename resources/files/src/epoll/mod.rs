//! `epoll`: a set of open files, and those of them for which something has changed.
//!
//! Every change of an object is a wake ([`Effects`]); [`Root::spread`] takes it to the sets that
//! watch the object, where the file joins those that may be ready. Only these are looked at:
//! what a call costs depends on how many are ready, not on how many are watched (law 5).
//!
//! # Invariants
//! - An item is among the ready ones once at most (`queued`).
//! - An item has a watch on its object as long as it lives; a second one on another object only
//!   while that is what it waits for.
//! - Sets watch each other without circles, and not deeper than [`NESTED`].
//! - An item goes with its open file, or with its set; what a set leaves goes in slices.

mod collect;
mod control;
mod spread;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use linux_raw_sys::general as abi;

pub use self::collect::Collected;
pub use self::control::Watched;
use crate::description::OpenId;
use crate::inode::{Body, InodeId};
use crate::node::Node;
use crate::root::Root;
use crate::{Dev, Errno, Owner, Time};

/// What an item costs.
pub(crate) const ITEM_COST: u64 = 320;
/// Sets one above another over a set, at most.
const NESTED: usize = 4;
/// Watches of one object, at most: one that ends takes them away at once.
const WATCHES: usize = 512;
/// The number of what all devices are waited for by.
pub const DEVICES: u64 = u64::MAX;

/// From here on are the numbers by which processes' signals are waited for.
pub const SIGNALS: u64 = 1 << 63;

/// What is said of an item beside what it waits for.
const PRIVATE: u32 = abi::EPOLLWAKEUP | abi::EPOLLONESHOT | abi::EPOLLET | abi::EPOLLEXCLUSIVE;
const ALWAYS: u32 = abi::EPOLLERR | abi::EPOLLHUP;

/// By what an item is known: a descriptor's number, and what that referred to.
pub(crate) type ItemKey = (i32, u64);

/// A file that is watched.
pub(crate) struct Item {
    events: u32,
    data: u64,
    /// The number of its object.
    object: u64,
    /// That of another for which it waits too.
    other: Option<u64>,
    /// Its number among the watches.
    number: u64,
    owner: Owner,
    queued: bool,
}

impl Item {
    /// Whether it waits for nothing more, since it has been told.
    fn is_spent(&self) -> bool {
        self.events & !PRIVATE == 0
    }
}

/// A set.
#[derive(Default)]
pub(crate) struct Epoll {
    items: BTreeMap<ItemKey, Item>,
    /// Those that may be ready, with the numbers by which they were known then.
    ready: VecDeque<(ItemKey, u64)>,
}

impl Epoll {
    /// An item that may be ready joins the others, if it has not.
    fn enqueue(&mut self, key: ItemKey) {
        if let Some(item) = self.items.get_mut(&key).filter(|item| !item.queued) {
            item.queued = true;
            self.ready.push_back((key, item.number));
        }
    }

    /// The first of those that may be ready, which does not stay among them; `None` in its place
    /// if it is not the same any more.
    fn dequeue(&mut self) -> Option<Option<ItemKey>> {
        let (key, number) = self.ready.pop_front()?;
        let item = self.items.get_mut(&key).filter(|item| item.number == number);
        Some(item.map(|item| {
            item.queued = false;
            key
        }))
    }

    /// Whether anything may be ready.
    pub fn may_be_ready(&self) -> bool {
        !self.ready.is_empty()
    }
}

/// Who watches an object.
#[derive(Clone, Copy)]
pub(crate) struct Watch {
    set: InodeId,
    key: ItemKey,
}

/// The watches of all sets, by object and number.
#[derive(Default)]
pub(crate) struct Watches {
    all: BTreeMap<(u64, u64), Watch>,
    last: u64,
}

/// What the caller has to be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// A device.
    Device(Dev),
    /// An object of the caller's own.
    External(u64),
    /// The caller's signals, of these.
    Signals(u64),
}

/// Says which of these events there are, of something outside.
pub type Look<'a> = dyn Fn(Outside, u32) -> u32 + 'a;

impl Root {
    /// `epoll_create1`, without making a descriptor.
    ///
    /// # Errors
    /// `EINVAL` for flags other than `EPOLL_CLOEXEC`; `ENFILE`.
    pub fn epoll(&mut self, flags: u32, owner: Owner, now: Time) -> Result<OpenId, Errno> {
        if flags & !abi::EPOLL_CLOEXEC != 0 {
            return Err(Errno::EINVAL);
        }
        self.open_anonymous(Body::Epoll(alloc::boxed::Box::default()), 0, owner, now)
    }

    fn set_id(&self, open: OpenId) -> Option<InodeId> {
        match self.usable(open).ok()?.1 {
            Node::Inode(id) => self.epoll_set(*id).map(|_| *id),
            Node::Proc(_) => None,
        }
    }

    fn epoll_set(&self, id: InodeId) -> Option<&Epoll> {
        match self.inodes.get(id).map(|inode| &inode.body) {
            Some(Body::Epoll(set)) => Some(set),
            _ => None,
        }
    }

    fn epoll_set_mut(&mut self, id: InodeId) -> Option<&mut Epoll> {
        match self.inodes.get_mut(id).map(|inode| &mut inode.body) {
            Some(Body::Epoll(set)) => Some(set),
            _ => None,
        }
    }

    /// An open file that is watched is closed: no set has it any more.
    pub(crate) fn unwatch_closed(&mut self, open: OpenId) {
        let Some(description) = self.opens.get_mut(open) else { return };
        let mut objects = core::mem::take(&mut description.watched_as);
        let node = description.node.clone();
        objects.extend(self.watched_object(&node, SIGNALS));
        let bits = open.to_bits();
        for object in objects {
            let watches = self.watches.all.range((object, 0)..=(object, u64::MAX));
            let watches = watches.map(|(_, watch)| *watch);
            let found: Vec<Watch> = watches.filter(|watch| watch.key.1 == bits).collect();
            for watch in found {
                self.remove_item(watch.set, watch.key);
            }
        }
    }

    /// A set is closed: its items go in slices.
    pub(crate) fn close_set(&mut self, id: InodeId) {
        if let Some(set) = self.epoll_set_mut(id) {
            let set = core::mem::take(set);
            self.burial.add_set(set);
        }
    }

    /// Lets go of an item of a set that is closed. False if there is none.
    pub(crate) fn bury_item(&mut self, set: &mut Epoll) -> bool {
        let Some((key, item)) = set.items.pop_first() else { return false };
        self.forget_item(key, &item);
        true
    }

    fn remove_item(&mut self, set: InodeId, key: ItemKey) -> bool {
        let Some(epoll) = self.epoll_set_mut(set) else { return false };
        let Some(item) = epoll.items.remove(&key) else { return false };
        // What is left of it among the ready ones is passed over there.
        self.forget_item(key, &item);
        true
    }

    /// An item is gone.
    fn forget_item(&mut self, key: ItemKey, item: &Item) {
        self.watches.all.remove(&(item.object, item.number));
        if let Some(other) = item.other {
            self.watches.all.remove(&(other, item.number));
        }
        self.accounts.credit(item.owner, crate::accounts::Kept::Open, ITEM_COST);
        if let Some(description) = self.opens.get_mut(OpenId::from_bits(key.1)) {
            description.watched = description.watched.saturating_sub(1);
        }
    }

    /// By which number an object is waited for.
    fn watched_object(&self, node: &Node, signals: u64) -> Option<u64> {
        let Node::Inode(id) = node else { return None };
        let inode = self.inodes.get(*id)?;
        match &inode.body {
            Body::Character(dev) if !dev.is_memory() => Some(DEVICES),
            Body::Signals(_) => Some(signals),
            _ => Some(inode.number),
        }
    }
}
