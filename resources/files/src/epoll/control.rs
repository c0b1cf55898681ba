//! `epoll_ctl`.

use linux_raw_sys::general as abi;

use super::{ALWAYS, ITEM_COST, Item, ItemKey, Look, NESTED, PRIVATE, WATCHES, Watch};
use crate::accounts::Kept;
use crate::description::OpenId;
use crate::inode::{Body, InodeId};
use crate::node::{Fd, Node};
use crate::root::Root;
use crate::wait::Side;
use crate::{Dev, Effects, Errno, Owner};

/// What is watched.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    /// The descriptor's number.
    pub fd: Fd,
    /// What it refers to.
    pub open: OpenId,
    /// By which number the caller's signals are waited for.
    pub signals: u64,
}

/// What may be said of an item that is told alone.
const EXCLUSIVE: u32 = abi::EPOLLIN
    | abi::EPOLLOUT
    | abi::EPOLLERR
    | abi::EPOLLHUP
    | abi::EPOLLWAKEUP
    | abi::EPOLLET
    | abi::EPOLLEXCLUSIVE;

impl Root {
    /// `epoll_ctl` of a set, for an owner who pays: `event` has the events and the caller's word.
    ///
    /// # Errors
    /// Linux's.
    pub fn epoll_control(
        &mut self,
        (owner, set): (Owner, OpenId),
        operation: u32,
        Watched { fd, open, signals }: Watched,
        event: Option<(u32, u64)>,
        look: &Look,
        effects: &mut Effects,
    ) -> Result<(), Errno> {
        let (_, node) = self.usable(open)?;
        let node = node.clone();
        if !self.can_be_watched(&node) {
            return Err(Errno::EPERM);
        }
        self.usable(set)?;
        let id = self.set_id(set).filter(|_| set != open).ok_or(Errno::EINVAL)?;
        let inner = self.set_id(open);
        let exclusive = event.is_some_and(|(events, _)| events & abi::EPOLLEXCLUSIVE != 0);
        if exclusive {
            let events = event.map_or(0, |(events, _)| events);
            let wrong = operation == abi::EPOLL_CTL_MOD || inner.is_some();
            if wrong || events & !EXCLUSIVE != 0 {
                return Err(Errno::EINVAL);
            }
        }
        if operation == abi::EPOLL_CTL_ADD
            && let Some(inner) = inner
        {
            // Linux calls all of it a loop.
            if self.reaches(inner, id) || self.depth(inner).saturating_add(self.above(id)) > NESTED
            {
                return Err(Errno::ELOOP);
            }
        }
        let key = (fd.get(), open.to_bits());
        let known = self.epoll_set(id).and_then(|set| set.items.get(&key));
        let known = known.map(|item| item.events & abi::EPOLLEXCLUSIVE != 0);
        match (operation, known) {
            (abi::EPOLL_CTL_ADD, Some(_)) => Err(Errno::EEXIST),
            (abi::EPOLL_CTL_ADD, None) => {
                let event = event.ok_or(Errno::EFAULT)?;
                self.add_item(owner, id, key, (&node, signals), event)?;
                self.look_at_item(id, key, look, effects);
                Ok(())
            }
            (abi::EPOLL_CTL_DEL | abi::EPOLL_CTL_MOD, None) => Err(Errno::ENOENT),
            (abi::EPOLL_CTL_DEL, Some(_)) => {
                self.remove_item(id, key);
                Ok(())
            }
            (abi::EPOLL_CTL_MOD, Some(true)) => Err(Errno::EINVAL),
            (abi::EPOLL_CTL_MOD, Some(false)) => {
                let (events, data) = event.ok_or(Errno::EFAULT)?;
                if let Some(item) = self.epoll_set_mut(id).and_then(|set| set.items.get_mut(&key)) {
                    (item.events, item.data) = (events | ALWAYS, data);
                }
                self.look_at_item(id, key, look, effects);
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn can_be_watched(&self, node: &Node) -> bool {
        let Node::Inode(id) = node else { return false };
        match self.inodes.get(*id).map(|inode| &inode.body) {
            Some(Body::Character(dev)) => {
                !dev.is_memory() || matches!(*dev, Dev::RANDOM | Dev::URANDOM)
            }
            Some(
                Body::Fifo(_)
                | Body::Event(_)
                | Body::Unix(_)
                | Body::Epoll(_)
                | Body::Timer(_)
                | Body::Signals(_)
                | Body::External { .. },
            ) => true,
            _ => false,
        }
    }

    fn add_item(
        &mut self,
        owner: Owner,
        set: InodeId,
        key: ItemKey,
        (node, signals): (&Node, u64),
        (events, data): (u32, u64),
    ) -> Result<(), Errno> {
        let object = self.watched_object(node, signals).ok_or(Errno::EPERM)?;
        let watches = self.watches.all.range((object, 0)..=(object, u64::MAX));
        if object != super::DEVICES && watches.count() >= WATCHES {
            return Err(Errno::ENOSPC);
        }
        self.accounts.charge(owner, Kept::Open, ITEM_COST).map_err(|_| Errno::ENOMEM)?;
        self.watches.last = self.watches.last.saturating_add(1);
        let number = self.watches.last;
        let item = Item {
            events: events | ALWAYS,
            data,
            object,
            other: None,
            number,
            owner,
            queued: false,
        };
        let Some(epoll) = self.epoll_set_mut(set) else {
            self.accounts.credit(owner, Kept::Open, ITEM_COST);
            return Err(Errno::EBADF);
        };
        epoll.items.insert(key, item);
        self.watches.all.insert((object, number), Watch { set, key });
        let description = self.description_mut(OpenId::from_bits(key.1))?;
        let known = description.watched_as.contains(&object);
        if (super::SIGNALS..super::DEVICES).contains(&object) && !known {
            description.watched_as.push(object);
        }
        description.watched = description.watched.saturating_add(1);
        Ok(())
    }

    /// Looks whether an item is ready now; whoever waits at its set is told.
    fn look_at_item(&mut self, set: InodeId, key: ItemKey, look: &Look, effects: &mut Effects) {
        let mut budget = usize::MAX;
        let ready = self.item_ready(set, key, look, &mut budget).unwrap_or(0);
        let Some(epoll) = self.epoll_set_mut(set) else { return };
        let Some(item) = epoll.items.get(&key) else { return };
        if ready & item.events & !PRIVATE == 0 || item.queued {
            return;
        }
        epoll.enqueue(key);
        if let Some(number) = self.socket_number(set) {
            effects.wake(number, Side::Readable);
        }
    }

    /// The sets that a set watches.
    fn inner(&self, id: InodeId) -> impl Iterator<Item = InodeId> {
        let items = self.epoll_set(id).into_iter().flat_map(|set| set.items.keys());
        items.filter_map(|(_, open)| self.set_id(OpenId::from_bits(*open)))
    }

    /// Whether one set watches another, or itself, through others.
    fn reaches(&self, from: InodeId, to: InodeId) -> bool {
        from == to || self.inner(from).any(|inner| self.reaches(inner, to))
    }

    /// How deep the sets in a set lie, with itself.
    fn depth(&self, id: InodeId) -> usize {
        self.inner(id).map(|inner| self.depth(inner)).max().unwrap_or(0).saturating_add(1)
    }

    /// How many sets lie above one another over a set.
    fn above(&self, id: InodeId) -> usize {
        let Some(number) = self.socket_number(id) else { return 0 };
        let watches = self.watches.all.range((number, 0)..=(number, u64::MAX));
        watches.map(|(_, watch)| self.above(watch.set).saturating_add(1)).max().unwrap_or(0)
    }
}
