//! Sets of descriptors to watch (`epoll`), and timers that are read (`timerfd`).

use alloc::boxed::Box;

use vortex_abi::linux::general::{
    CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM, CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_REALTIME_ALARM,
    EPOLL_CLOEXEC, EPOLL_CTL_DEL, O_CLOEXEC, POLLIN,
};
use vortex_abi::{Errno, Files};
use vortex_files::{Arm, Look, OpenId, Outside, Polled, Setting, Watched};
use vortex_grid::Labels;
use vortex_units::{Micros, Nanos};

use super::calls::{Cx, Result, done};
use super::poll::Polling;
use super::request::{FileCall, FileRequest};
use super::resource::{Done, FileSystem};
use super::signals;
use super::sockets::Network;
use super::terminal::Terminal;
use super::times::timespec;
use crate::bill::owner_of;
use crate::process::ThreadState;

/// `struct epoll_event`.
const EVENT: usize = 12;
/// Items of sets within sets that are looked at in one run.
const LOOKED: usize = 48;
/// Flags of `timerfd_settime`.
const ABSOLUTE: u32 = 1;
const CANCELLED_BY_SETTING: u32 = 2;
/// The longest that is waited at once for a timer; then it is looked at again.
const LONGEST: u64 = 30 * 24 * 3600 * 1_000_000;

/// What is ready of what the file resource has beside its tree.
pub(super) fn ready(
    (terminal, network, thread): (&Terminal, &Network, &ThreadState),
    what: Outside,
    events: u32,
) -> u32 {
    match what {
        Outside::Signals(mask) if signals::waiting(thread, mask) => POLLIN & events,
        Outside::Signals(_) => 0,
        Outside::Device(_) => terminal.ready(events),
        Outside::External(tag) => network.ready(tag, events),
    }
}

impl FileSystem {
    /// Calls of sets.
    pub(super) fn watching(&mut self, call: &mut FileCall, cx: &mut Cx<'_>) -> Result {
        let now = self.time(cx.now());
        let owner = owner_of(cx.root());
        match call.call {
            Files::EpollCreate { size } if size <= 0 => Err(Errno::EINVAL),
            Files::EpollCreate { .. } | Files::EpollCreate1 { .. } => {
                let flags = if let Files::EpollCreate1 { flags } = call.call { flags } else { 0 };
                self.limited(call)?.table.make_room(1)?;
                let open = self.root.epoll(flags, owner, now)?;
                let fd = self.install(call, open, flags & EPOLL_CLOEXEC != 0)?;
                Ok(Done::Value(fd.get() as u64))
            }
            Files::EpollCtl { set, operation, fd, .. } => {
                let (set, open) = (self.open_of(call, set)?, self.open_of(call, fd)?);
                let event = match operation as u32 {
                    EPOLL_CTL_DEL => None,
                    _ => {
                        let [a, b, c, d, data @ ..] = call.operands.bytes_of::<EVENT>(0)?;
                        Some((u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(data)))
                    }
                };
                let signals = signals::key(call.thread.process.pid).object;
                let watched = Watched { fd: vortex_files::Fd::new(fd.0), open, signals };
                let Self { root, terminal, network, effects, .. } = self;
                let own = (&*terminal, &*network, &*call.thread);
                let look: &Look = &|what, events| ready(own, what, events);
                let operation = operation as u32;
                root.epoll_control((owner, set), operation, watched, event, look, effects).map(done)
            }
            Files::EpollWait { set, count, timeout, .. }
            | Files::EpollPwait { set, count, timeout, .. } => {
                let nanos = |millis: u64| millis.saturating_mul(1_000_000);
                let limit = u64::try_from(timeout).ok().map(nanos);
                self.collect(call, set, count, limit, cx)
            }
            Files::EpollPwait2 { set, count, timeout, .. } => {
                let limit = match timeout {
                    None => None,
                    Some(_) => Some(timespec(&call.operands.bytes_of::<16>(1)?)?),
                };
                self.collect(call, set, count, limit, cx)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    /// epoll_wait(2): some of what may be ready is looked at in each run.
    fn collect(
        &mut self,
        call: &mut FileCall,
        set: vortex_abi::Fd,
        count: u32,
        limit: Option<u64>,
        cx: &mut Cx<'_>,
    ) -> Result {
        if count == 0 || count > i32::MAX as u32 {
            return Err(Errno::EINVAL);
        }
        let open = self.open_of(call, set)?;
        let buffer = call.operands.buffer(0)?;
        let most = buffer.len() / EVENT;
        let left = call.polling.take().map(|polling| polling.at);
        let mut given = call.done;
        let Self { root, terminal, network, .. } = self;
        let own = (&*terminal, &*network, &*call.thread);
        let look: &Look = &|what, events| ready(own, what, events);
        let mut give = |events: u32, data: u64| {
            buffer.write(given * EVENT, &events.to_le_bytes());
            buffer.write(given * EVENT + 4, &data.to_le_bytes());
            given += 1;
        };
        let room = most.saturating_sub(call.done);
        let collected = root.epoll_collect(open, room, left, look, &mut give)?;
        call.done += collected.count;
        if collected.left > 0 && call.done < most {
            call.polling = Some(Box::new(Polling { at: collected.left, ..Polling::default() }));
            return Ok(Done::More);
        }
        if call.done > 0 {
            return Ok(Done::Value(call.done as u64));
        }
        if limit == Some(0) || call.expired {
            return Ok(Done::Value(0));
        }
        let deadline =
            call.deadline.or_else(|| Some(self.system.clock.after(cx.now(), Nanos::new(limit?))));
        Ok(Done::Wait([collected.key].into(), deadline))
    }

    /// Whether a set is ready; where it is not known yet, it is looked at again soon.
    pub(super) fn poll_set(&mut self, call: &FileCall, open: OpenId, events: u32) -> Polled {
        let Self { root, terminal, network, .. } = self;
        let own = (&*terminal, &*network, &*call.thread);
        let look: &Look = &|what, events| ready(own, what, events);
        let mut budget = LOOKED;
        match root.poll_some(open, events, look, &mut budget) {
            Some(polled) => polled,
            None => {
                let polled = Polled { ready: 0, ..root.poll(open, events) };
                polled.waits.into_iter().flatten().for_each(|key| self.wake_for(key));
                polled
            }
        }
    }

    /// Calls of timers that are read.
    pub(super) fn timing(&mut self, call: &mut FileCall, cx: &mut Cx<'_>) -> Result {
        let now = self.time(cx.now());
        match call.call {
            Files::TimerfdCreate { clock, flags } => {
                let relative = match clock as u32 {
                    CLOCK_REALTIME | CLOCK_REALTIME_ALARM => false,
                    CLOCK_MONOTONIC | CLOCK_BOOTTIME | CLOCK_BOOTTIME_ALARM => true,
                    _ => return Err(Errno::EINVAL),
                };
                self.limited(call)?.table.make_room(1)?;
                let open = self.root.timer(relative, flags, owner_of(cx.root()), now)?;
                let fd = self.install(call, open, flags & O_CLOEXEC != 0)?;
                Ok(Done::Value(fd.get() as u64))
            }
            Files::TimerfdSettime { fd, flags, .. } => {
                if flags & !(ABSOLUTE | CANCELLED_BY_SETTING) != 0 {
                    return Err(Errno::EINVAL);
                }
                let bytes = call.operands.bytes_of::<32>(0)?;
                let (interval, value) = bytes.split_at(16);
                let span = |bytes: &[u8]| timespec(bytes.first_chunk().ok_or(Errno::EFAULT)?);
                let (interval, value) = (span(interval)?, span(value)?);
                let open = self.open_of(call, fd)?;
                let began = self.root.counts_from_start(open)?;
                let from = match (flags & ABSOLUTE != 0, began) {
                    (true, true) => self.system.clock.epoch.get(),
                    (true, false) => 0,
                    (false, _) => {
                        self.system.clock.epoch.get()
                            + self.system.clock.since_start(cx.now()).get()
                    }
                };
                let next = (value > 0).then(|| value.saturating_add(from));
                let old = self.root.set_timer(open, (next, interval), now, &mut self.effects)?;
                tell(call, 1, old).map(done)
            }
            Files::TimerfdGettime { fd, .. } => {
                let open = self.open_of(call, fd)?;
                let setting = self.root.timer_setting(open, now)?;
                tell(call, 0, setting).map(done)
            }
            _ => Err(Errno::ENOSYS),
        }
    }

    /// Sees to it that timers are called.
    pub(super) fn keep_time(&mut self, cx: &mut Cx<'_>) {
        while let Some(arm) = self.effects.take_arm() {
            let Some(own) = self.own() else { return self.effects.arm_later(arm) };
            let now = self.system.clock.epoch.get() + self.system.clock.since_start(cx.now()).get();
            let left = Micros::new((arm.at.saturating_sub(now) / 1_000 + 1).min(LONGEST));
            if cx.after(left, own, Labels::NONE, FileRequest::Timer(arm)).is_err() {
                return self.effects.arm_later(arm);
            }
        }
    }

    /// A timer's time has come.
    pub(super) fn timer_fired(&mut self, arm: Arm, cx: &Cx<'_>) {
        let now = self.time(cx.now());
        self.root.timer_fired(arm, now, &mut self.effects);
    }
}

/// Tells what a timer is set to, if that is asked for.
fn tell(call: &FileCall, place: usize, setting: Setting) -> core::result::Result<(), Errno> {
    if call.operands.buffer(place).is_err() {
        return Ok(());
    }
    let parts = |nanos: u64| [nanos / 1_000_000_000, nanos % 1_000_000_000];
    let words = [parts(setting.interval), parts(setting.left)].concat();
    let bytes: alloc::vec::Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    call.operands.give(place, &bytes)
}
