//! select(2): the sets of descriptors, and the time that is left.

use vortex_abi::linux::general::{
    POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM,
};
use vortex_abi::{Errno, Files};
use vortex_grid::Context;
use vortex_units::Nanos;

use super::poll::{Polling, SLICE};
use super::request::FileCall;
use super::resource::{Done, FileSystem};
use super::times::timespec;
use crate::Mail;
use crate::memory::Pinned;
use crate::process::Select;

/// What makes a descriptor ready for each of the sets.
const EVENTS: [u32; 3] =
    [POLLIN | POLLRDNORM | POLLHUP | POLLERR, POLLOUT | POLLWRNORM | POLLERR, POLLPRI];
const POLLNVAL: u32 = 0x20;

/// The 64 bits of one set that begin at this descriptor.
fn word(sets: &Pinned, set: usize, bytes: usize, at: usize) -> u64 {
    let mut word = [0; 8];
    sets.read(set * bytes + at * 8, &mut word);
    u64::from_le_bytes(word)
}

impl FileSystem {
    /// select(2) and pselect6(2).
    pub(super) fn select(
        &mut self,
        call: &mut FileCall,
        select: &Select,
        cx: &Context<'_, Mail>,
    ) -> Result<Done, Errno> {
        let limit = self.time_limit(call)?;
        let most = self.limited(call)?.table.limit();
        let (count, bytes) = (select.count.min(most), select.bytes());
        let words = (count as usize).div_ceil(64);
        let mut polling = self.go_on_polling(call, words > 1);
        let mut looked = 0;
        while polling.at < words && looked < SLICE {
            match self.select_word(call, select, (count, bytes), &mut polling) {
                Ok(some) => looked += some + 1,
                Err(error) => {
                    self.waits.end_watch(call.thread.tid);
                    return Err(error);
                }
            }
        }
        if polling.at < words {
            return Ok(self.polled_some(call, polling));
        }
        let (ready, answer) = (polling.ready, core::mem::take(&mut polling.found));
        if let Some(waits) = self.polled(call, polling, limit, cx) {
            return Ok(waits);
        }
        let deadline =
            call.deadline.or_else(|| Some(self.system.clock.after(cx.now(), Nanos::new(limit?))));
        let sets = call.operands.buffer(0)?;
        let mut place = 0;
        for (set, has) in select.has().into_iter().enumerate() {
            for (at, happened) in answer.iter().enumerate().filter(|_| has) {
                let bits = happened.get(set).copied().unwrap_or(0);
                sets.write(place * bytes + at * 8, &bits.to_le_bytes());
            }
            place += usize::from(has);
        }
        if select.writes_back(&call.thread.process.memory()) {
            let left = deadline.map_or(0, |deadline| {
                let left = deadline.saturating_sub(cx.now());
                if call.expired { 0 } else { self.system.clock.nanos(left).get() }
            });
            let parts = matches!(call.call, Files::Select { .. });
            let part = left % 1_000_000_000 / if parts { 1_000 } else { 1 };
            let mut time = [0; 16];
            let (seconds, rest) = time.split_at_mut(8);
            seconds.copy_from_slice(&(left / 1_000_000_000).to_le_bytes());
            rest.copy_from_slice(&part.to_le_bytes());
            call.operands.give(1, &time)?;
        }
        Ok(Done::Value(ready))
    }

    /// Looks at the descriptors of one word of the sets; how many there were.
    fn select_word(
        &mut self,
        call: &FileCall,
        select: &Select,
        (count, bytes): (u32, usize),
        polling: &mut Polling,
    ) -> Result<usize, Errno> {
        let (sets, at) = (call.operands.buffer(0)?, polling.at);
        let mut place = 0;
        let wanted = select.has().map(|has| {
            let bits = if has { word(sets, place, bytes, at) } else { 0 };
            place += usize::from(has);
            bits & below(count as usize - at * 64)
        });
        let mut happened = [0; 3];
        let mut left = wanted.iter().fold(0, |all, bits| all | bits);
        let looked = left.count_ones() as usize;
        while left != 0 {
            let bit = left.trailing_zeros();
            left &= left - 1;
            let asked = |set: u64| set >> bit & 1 != 0;
            let events = EVENTS.iter().zip(wanted).filter(|(_, set)| asked(*set));
            let events = events.fold(0, |all, (events, _)| all | events);
            let number = at as i32 * 64 + bit as i32;
            let polled = self.poll_one(call, number, events, &mut polling.keys);
            if polled & POLLNVAL != 0 {
                return Err(Errno::EBADF);
            }
            for ((place, events), wanted) in happened.iter_mut().zip(EVENTS).zip(wanted) {
                let so = asked(wanted) && polled & events != 0;
                *place |= u64::from(so) << bit;
                polling.ready += u64::from(so);
            }
        }
        polling.found.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        polling.found.push(happened);
        polling.at += 1;
        Ok(looked)
    }

    /// The call's time in nanoseconds, if it has one.
    fn time_limit(&self, call: &FileCall) -> Result<Option<u64>, Errno> {
        if call.operands.buffer(1).is_err() {
            return Ok(None);
        }
        let bytes = call.operands.bytes_of::<16>(1)?;
        if matches!(call.call, Files::Pselect6 { .. }) {
            return timespec(&bytes).map(Some);
        }
        let (seconds, micros) = bytes.split_at(8);
        let part = |bytes: &[u8]| {
            let value = bytes.try_into().map_or(-1, i64::from_le_bytes);
            u64::try_from(value).map_err(|_| Errno::EINVAL)
        };
        let micros = part(micros)?.saturating_mul(1_000);
        Ok(Some(part(seconds)?.saturating_mul(1_000_000_000).saturating_add(micros)))
    }
}

/// So many bits, from the lowest; 64 at most.
fn below(count: usize) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}
