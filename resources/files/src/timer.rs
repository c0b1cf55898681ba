//! `timerfd`: a timer that is read, and waited for.
//!
//! All times are nanoseconds of the time of day, which is never set here: the other clocks differ
//! from it by what their caller knows. Who keeps time is told when to call again
//! ([`Effects::take_arm`], [`Root::timer_fired`]), and is not told again while an earlier time
//! is still to come: a timer that is set again and again does not fill who keeps time.

use linux_raw_sys::general as abi;

use crate::caller::Caller;
use crate::description::OpenId;
use crate::inode::{Body, InodeId};
use crate::moving::Sink;
use crate::node::Node;
use crate::root::Root;
use crate::wait::{Arm, Outcome, Side};
use crate::{Effects, Errno, Owner, Time, WaitKey};

/// Times of one timer that are still to come at who keeps time.
const MOST: u32 = 64;
/// The flags of `timerfd_create`, which are those of `open`.
const FLAGS: u32 = abi::O_CLOEXEC | abi::O_NONBLOCK;

/// What a timer is set to: when, and how often from then on; zero for not, and never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// Nanoseconds until then.
    pub left: u64,
    /// Nanoseconds between one time and the next.
    pub interval: u64,
}

pub(crate) struct Timer {
    /// Its clock counts from the machine's start.
    from_start: bool,
    /// When it expires next, or has.
    next: Option<u64>,
    interval: u64,
    /// It has, and nobody has read it.
    expired: bool,
    /// What is to come first at who keeps time, and how much is to come.
    pending: Option<u64>,
    coming: u32,
}

impl Timer {
    pub fn is_readable(&self) -> bool {
        self.expired
    }

    fn setting(&self, now: u64) -> Setting {
        let interval = self.interval;
        let left = match self.next {
            Some(next) if next > now => next.saturating_sub(now),
            // It expires while it is asked, or over and over.
            Some(next) => match now.saturating_sub(next).checked_rem(interval) {
                Some(over) => interval.saturating_sub(over),
                None => 0,
            },
            None => 0,
        };
        Setting { left, interval }
    }

    /// Takes how often it has expired; nothing where it has not.
    fn take(&mut self, now: u64) -> Option<u64> {
        let next = self.next.filter(|&next| self.expired || next <= now)?;
        self.expired = false;
        let more = now.saturating_sub(next).checked_div(self.interval);
        let Some(more) = more else {
            self.next = None;
            return Some(1);
        };
        let times = more.saturating_add(1);
        self.next = Some(next.saturating_add(times.saturating_mul(self.interval)));
        Some(times)
    }
}

fn nanos(time: Time) -> u64 {
    let seconds = u64::try_from(time.seconds).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(time.nanos.into())
}

impl Root {
    /// Whether a timer's clock counts from the machine's start, not the time of day.
    ///
    /// # Errors
    /// `EINVAL`: no timer.
    pub fn counts_from_start(&self, open: OpenId) -> Result<bool, Errno> {
        let id = self.timer_id(open)?;
        Ok(matches!(&self.inode(id)?.body, Body::Timer(timer) if timer.from_start))
    }

    /// `timerfd_create`, without making a descriptor.
    ///
    /// # Errors
    /// `EINVAL` for unknown flags; `ENFILE`.
    pub fn timer(
        &mut self,
        from_start: bool,
        flags: u32,
        owner: Owner,
        now: Time,
    ) -> Result<OpenId, Errno> {
        if flags & !FLAGS != 0 {
            return Err(Errno::EINVAL);
        }
        let timer =
            Timer { from_start, next: None, interval: 0, expired: false, pending: None, coming: 0 };
        self.open_anonymous(Body::Timer(timer), flags & abi::O_NONBLOCK, owner, now)
    }

    fn timer_id(&self, open: OpenId) -> Result<InodeId, Errno> {
        match self.usable(open)?.1 {
            Node::Inode(id) if matches!(self.inode(*id)?.body, Body::Timer(_)) => Ok(*id),
            _ => Err(Errno::EINVAL),
        }
    }

    fn timer_mut(&mut self, id: InodeId) -> Option<&mut Timer> {
        match self.inodes.get_mut(id).map(|inode| &mut inode.body) {
            Some(Body::Timer(timer)) => Some(timer),
            _ => None,
        }
    }

    /// `timerfd_gettime`.
    ///
    /// # Errors
    /// `EINVAL`: no timer.
    pub fn timer_setting(&mut self, open: OpenId, now: Time) -> Result<Setting, Errno> {
        let id = self.timer_id(open)?;
        Ok(self.timer_mut(id).ok_or(Errno::EBADF)?.setting(nanos(now)))
    }

    /// `timerfd_settime`: when it expires, in nanoseconds of the time of day, if it does, and the
    /// time from one to the next. What it was set to before.
    ///
    /// # Errors
    /// `EINVAL`: no timer; `ENOMEM`: too many times of it are to come.
    pub fn set_timer(
        &mut self,
        open: OpenId,
        (next, interval): (Option<u64>, u64),
        now: Time,
        effects: &mut Effects,
    ) -> Result<Setting, Errno> {
        let id = self.timer_id(open)?;
        let timer = self.timer_mut(id).ok_or(Errno::EBADF)?;
        let old = timer.setting(nanos(now));
        (timer.next, timer.interval, timer.expired) = (next, interval, false);
        self.arm(id, nanos(now), effects)?;
        Ok(old)
    }

    /// Sees to it that a timer is called when it expires.
    fn arm(&mut self, id: InodeId, now: u64, effects: &mut Effects) -> Result<(), Errno> {
        let timer = self.timer_mut(id).ok_or(Errno::EBADF)?;
        let Some(next) = timer.next.filter(|_| !timer.expired) else { return Ok(()) };
        if next <= now {
            timer.expired = true;
            return self.wake_timer(id, effects);
        }
        if timer.pending.is_some_and(|pending| pending <= next) {
            return Ok(());
        }
        if timer.coming >= MOST {
            return Err(Errno::ENOMEM);
        }
        timer.coming = timer.coming.saturating_add(1);
        timer.pending = Some(next);
        effects.arm(Arm { timer: id.to_bits(), at: next });
        Ok(())
    }

    fn wake_timer(&self, id: InodeId, effects: &mut Effects) -> Result<(), Errno> {
        let key = self.key(id, Side::Readable)?;
        effects.wake(key.object, key.side);
        Ok(())
    }

    /// A time has come of which who keeps time was told.
    pub fn timer_fired(&mut self, arm: Arm, now: Time, effects: &mut Effects) {
        let id = InodeId::from_bits(arm.timer);
        let Some(timer) = self.timer_mut(id) else { return };
        timer.coming = timer.coming.saturating_sub(1);
        if timer.pending == Some(arm.at) {
            timer.pending = None;
        }
        // There is room for one: this one is gone.
        let _ = self.arm(id, nanos(now), effects);
    }

    /// Reads how often a timer has expired.
    pub(crate) fn read_timer(
        &mut self,
        caller: &Caller,
        open: OpenId,
        sink: &mut dyn Sink,
        effects: &mut Effects,
    ) -> Result<Outcome, Errno> {
        if sink.room() < size_of::<u64>() {
            return Err(Errno::EINVAL);
        }
        let id = self.timer_id(open)?;
        let nonblocking = self.description(open)?.is_nonblocking();
        let now = nanos(caller.now);
        let timer = self.timer_mut(id).ok_or(Errno::EBADF)?;
        let Some(times) = timer.take(now) else {
            if nonblocking {
                return Err(Errno::EAGAIN);
            }
            let WaitKey { object, side } = self.key(id, Side::Readable)?;
            return Ok(Outcome::WouldBlock(WaitKey { object, side }));
        };
        sink.put(&times.to_le_bytes())?;
        self.arm(id, now, effects)?;
        Ok(Outcome::Done(size_of::<u64>()))
    }
}
