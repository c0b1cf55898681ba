//! `epoll_wait`, and whether a set is ready.

use linux_raw_sys::general as abi;

use super::{ItemKey, Look, Outside, PRIVATE, Watch};
use crate::description::OpenId;
use crate::inode::InodeId;
use crate::root::Root;
use crate::wait::Side;
use crate::{Errno, Polled, WaitKey};

/// Items that are looked at in one run.
const LOOKED: usize = 48;

/// What was collected of a set.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collected {
    /// Events that were given.
    pub count: usize,
    /// Items that are still to be looked at.
    pub left: usize,
    /// What to wait for if there were none.
    pub key: WaitKey,
}

impl Root {
    /// `epoll_wait`: gives at most so many events, of as many items as are to be looked at, or of
    /// all (`left`); its caller goes on while some are left and there is room.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL`: no set.
    pub fn epoll_collect(
        &mut self,
        open: OpenId,
        most: usize,
        left: Option<usize>,
        look: &Look,
        give: &mut dyn FnMut(u32, u64),
    ) -> Result<Collected, Errno> {
        self.usable(open)?;
        let id = self.set_id(open).ok_or(Errno::EINVAL)?;
        let key = self.key(id, Side::Readable)?;
        let all = self.epoll_set(id).map_or(0, |set| set.ready.len());
        let mut left = left.unwrap_or(all).min(all);
        let (mut count, mut budget) = (0_usize, LOOKED);
        while left > 0 && count < most && budget > 0 {
            let Some(epoll) = self.epoll_set_mut(id) else { break };
            let Some(key) = epoll.dequeue() else { break };
            left = left.saturating_sub(1);
            budget = budget.saturating_sub(1);
            let Some(key) = key else { continue };
            let Some(ready) = self.item_ready(id, key, look, &mut budget) else {
                // A set whose items are many: it is looked at again, at the end.
                self.requeue(id, key);
                left = left.saturating_add(1);
                continue;
            };
            let Some(epoll) = self.epoll_set_mut(id) else { break };
            let Some(item) = epoll.items.get_mut(&key) else { continue };
            let ready = ready & item.events & !PRIVATE;
            if ready == 0 {
                continue;
            }
            give(ready, item.data);
            count = count.saturating_add(1);
            if item.events & abi::EPOLLONESHOT != 0 {
                item.events &= PRIVATE;
            } else if item.events & abi::EPOLLET == 0 {
                self.requeue(id, key);
            }
        }
        Ok(Collected { count, left, key })
    }

    fn requeue(&mut self, id: InodeId, key: ItemKey) {
        if let Some(epoll) = self.epoll_set_mut(id) {
            epoll.enqueue(key);
        }
    }

    /// Whether an open file is ready for any of these events, as [`Root::poll`] says; of sets
    /// some items are looked at, as many as the budget allows. `None` where that was not enough:
    /// it is to be asked again.
    pub fn poll_some(
        &mut self,
        open: OpenId,
        events: u32,
        look: &Look,
        budget: &mut usize,
    ) -> Option<Polled> {
        let Some(id) = self.set_id(open) else { return Some(self.poll(open, events)) };
        let waits = [self.key(id, Side::Readable).ok(), None, None];
        let mut ready = 0;
        while let Some((key, number)) =
            self.epoll_set(id).and_then(|set| set.ready.front().copied())
        {
            *budget = budget.checked_sub(1)?;
            let happened = self.item_ready(id, key, look, budget)?;
            let epoll = self.epoll_set_mut(id)?;
            let item = epoll.items.get(&key).filter(|item| item.number == number);
            if item.is_some_and(|item| happened & item.events & !PRIVATE != 0) {
                ready = (abi::POLLIN | abi::POLLRDNORM) & events;
                break;
            }
            let _gone = epoll.dequeue();
        }
        Some(Polled { ready, waits, ..Polled::default() })
    }

    /// What an item is ready for; `None` where the budget was not enough. Where it waits for
    /// another object too, that is watched from now on.
    pub(super) fn item_ready(
        &mut self,
        set: InodeId,
        key: ItemKey,
        look: &Look,
        budget: &mut usize,
    ) -> Option<u32> {
        let Some(item) = self.epoll_set(set).and_then(|set| set.items.get(&key)) else {
            return Some(0);
        };
        if item.is_spent() {
            return Some(0);
        }
        let (events, number, other) = (item.events & !PRIVATE, item.number, item.other);
        let polled = self.poll_some(OpenId::from_bits(key.1), events, look, budget)?;
        let ready = match (polled.device, polled.external) {
            (Some(dev), _) => look(Outside::Device(dev), events),
            (_, Some(tag)) => look(Outside::External(tag), events),
            _ => match polled.signals {
                Some(mask) => look(Outside::Signals(mask), events),
                None => polled.ready,
            },
        };
        let object = polled.waits.get(2).copied().flatten().map(|key| key.object);
        if let Some(object) = object.filter(|object| other != Some(*object)) {
            if let Some(other) = other {
                self.watches.all.remove(&(other, number));
            }
            self.watches.all.insert((object, number), Watch { set, key });
            if let Some(item) = self.epoll_set_mut(set).and_then(|set| set.items.get_mut(&key)) {
                item.other = Some(object);
            }
        }
        Some(ready)
    }
}
