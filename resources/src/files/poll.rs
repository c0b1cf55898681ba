//! poll(2), and whether a descriptor is ready.

use alloc::boxed::Box;
use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_abi::linux::general::POLLIN;
use vortex_files::{Object, WaitKey};
use vortex_units::Nanos;

use super::calls::{Cx, Result};
use super::request::FileCall;
use super::resource::{Done, FileSystem};
use super::signals;
use super::streams::CONSOLE;

/// Descriptors that are looked at in one run.
pub(super) const SLICE: usize = 32;

/// How far many descriptors are looked at.
#[derive(Default)]
pub struct Polling {
    /// The next: an entry of poll(2), a word of select(2).
    pub(super) at: usize,
    /// How many are ready.
    pub(super) ready: u64,
    /// What select(2) has found, by words.
    pub(super) found: Vec<[u64; 3]>,
    /// What it would wait for; with many descriptors it is watched instead.
    pub(super) keys: Vec<WaitKey>,
}

impl FileSystem {
    /// `poll`: the descriptors that are ready now, or what to wait for.
    pub(super) fn poll(&mut self, call: &mut FileCall, limit: Option<u64>, cx: &Cx<'_>) -> Result {
        let count = call.operands.buffer(0)?.len() / 8;
        if count > self.limited(call)?.table.limit() as usize {
            return Err(Errno::EINVAL);
        }
        let mut polling = self.go_on_polling(call, count > SLICE);
        let end = count.min(polling.at.saturating_add(SLICE));
        let buffer = call.operands.buffer(0)?;
        for place in polling.at..end {
            let mut entry = [0; 8];
            buffer.read(place * 8, &mut entry);
            let [a, b, c, d, e, f, ..] = entry;
            let number = i32::from_le_bytes([a, b, c, d]);
            let events = u32::from(u16::from_le_bytes([e, f]));
            let happened =
                if number < 0 { 0 } else { self.poll_one(call, number, events, &mut polling.keys) };
            buffer.write(place * 8 + 6, &(happened as u16).to_le_bytes());
            polling.ready += u64::from(happened != 0);
        }
        polling.at = end;
        if end < count {
            return Ok(self.polled_some(call, polling));
        }
        let ready = polling.ready;
        match self.polled(call, polling, limit, cx) {
            Some(waits) => Ok(waits),
            None => Ok(Done::Value(ready)),
        }
    }

    /// Where a call is that looks at descriptors; at the beginning of many, they are watched
    /// from now on.
    pub(super) fn go_on_polling(&mut self, call: &mut FileCall, many: bool) -> Box<Polling> {
        call.polling.take().unwrap_or_else(|| {
            if many {
                self.waits.begin_watch(call.thread.tid);
            }
            Box::default()
        })
    }

    /// Some were looked at: the others are in further runs.
    pub(super) fn polled_some(&mut self, call: &mut FileCall, mut polling: Box<Polling>) -> Done {
        self.watch(call, &mut polling);
        call.polling = Some(polling);
        Done::More
    }

    /// If none is ready, what is not is watched: what has changed when all are looked at is seen
    /// then.
    fn watch(&mut self, call: &FileCall, polling: &mut Polling) {
        for key in polling.keys.drain(..).filter(|_| polling.ready == 0) {
            self.waits.watch(call.thread.tid, key);
        }
    }

    /// All were looked at. How the call waits, if it does.
    pub(super) fn polled(
        &mut self,
        call: &mut FileCall,
        mut polling: Box<Polling>,
        limit: Option<u64>,
        cx: &Cx<'_>,
    ) -> Option<Done> {
        let tid = call.thread.tid;
        let many = self.waits.is_watching(tid);
        if polling.ready > 0 || limit == Some(0) || call.expired {
            self.waits.end_watch(tid);
            return None;
        }
        let deadline =
            call.deadline.or_else(|| Some(self.system.clock.after(cx.now(), Nanos::new(limit?))));
        if !many {
            polling.keys.sort_unstable();
            polling.keys.dedup();
            return Some(Done::Wait(polling.keys, deadline));
        }
        self.watch(call, &mut polling);
        if self.waits.is_hit(tid) {
            // From the beginning.
            call.deadline = deadline;
            return Some(Done::More);
        }
        Some(Done::Watched(deadline))
    }

    pub(super) fn poll_one(
        &mut self,
        call: &FileCall,
        number: i32,
        events: u32,
        keys: &mut Vec<WaitKey>,
    ) -> u32 {
        const POLLNVAL: u32 = 0x20;
        let Ok(open) = self.open_of(call, vortex_abi::Fd(number)) else { return POLLNVAL };
        let polled = match self.root.object(open) {
            Ok(Object::Epoll) => self.poll_set(call, open, events),
            _ => self.root.poll(open, events),
        };
        keys.extend(polled.waits.into_iter().flatten());
        if polled.device.is_some() {
            if events & POLLIN != 0 {
                keys.push(CONSOLE);
            }
            return self.terminal.ready(events);
        }
        if let Some(mask) = polled.signals {
            keys.push(signals::key(call.thread.process.pid));
            let waits = signals::waiting(&call.thread, mask);
            return if waits { POLLIN & events } else { 0 };
        }
        if let Some(tag) = polled.external {
            return self.network.ready(tag, events);
        }
        polled.ready
    }
}
