//! From a change of an object to the sets that watch it.

use linux_raw_sys::general as abi;

use super::Watch;
use crate::description::{Description, OpenId};
use crate::root::Root;
use crate::wait::Side;
use crate::{Effects, WaitKey};

const READING: u32 = abi::EPOLLIN | abi::EPOLLRDNORM | abi::EPOLLRDHUP | abi::EPOLLPRI;
const WRITING: u32 = abi::EPOLLOUT | abi::EPOLLWRNORM | abi::EPOLLWRBAND;

impl Root {
    /// Whether any set watches an object.
    #[must_use]
    pub fn is_watched(&self, object: u64) -> bool {
        let watches = &self.watches.all;
        !watches.is_empty() && watches.range((object, 0)..=(object, u64::MAX)).next().is_some()
    }

    /// Something about an object may be otherwise: items that watch it, from one on and at most
    /// so many, may be ready. Where to go on, if not done.
    pub fn spread(
        &mut self,
        key: WaitKey,
        from: u64,
        most: usize,
        effects: &mut Effects,
    ) -> Option<u64> {
        let mut at = from;
        for _ in 0..most {
            let next = self.watches.all.range((key.object, at)..=(key.object, u64::MAX)).next();
            let (&(_, number), &watch) = next?;
            self.note(key, number, watch, effects);
            at = number.saturating_add(1);
        }
        Some(at)
    }

    fn note(&mut self, key: WaitKey, number: u64, watch: Watch, effects: &mut Effects) {
        let open = self.opens.get(OpenId::from_bits(watch.key.1));
        // As who waits in another way: a pipe's reader is not told of its room.
        let waits = |side| match side {
            Side::Readable => open.is_some_and(Description::reads),
            Side::Writable => open.is_some_and(Description::writes),
            _ => true,
        };
        let waits = waits(key.side);
        let set = self.epoll_set_mut(watch.set);
        let Some(item) = set.and_then(|set| set.items.get_mut(&watch.key)) else {
            // Its set is closed, and it not yet gone.
            return;
        };
        if item.other == Some(key.object) {
            item.other = None;
            self.watches.all.remove(&(key.object, number));
        } else {
            let wanted = match key.side {
                Side::Readable => item.events & READING != 0,
                Side::Writable => item.events & WRITING != 0,
                Side::Ended => true,
                _ => return,
            };
            if !wanted || !waits || item.is_spent() {
                return;
            }
        }
        if let Some(set) = self.epoll_set_mut(watch.set) {
            set.enqueue(watch.key);
        }
        if let Some(number) = self.socket_number(watch.set) {
            effects.wake(number, Side::Readable);
        }
    }
}
