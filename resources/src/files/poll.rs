//! poll(2), and whether a descriptor is ready.

use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_abi::linux::general::{POLLIN, POLLOUT};
use vortex_files::WaitKey;
use vortex_units::Nanos;

use super::calls::{Cx, Result};
use super::request::FileCall;
use super::resource::{Done, FileSystem};
use super::streams::CONSOLE;

impl FileSystem {
    /// `poll`: the descriptors that are ready now, or what to wait for.
    pub(super) fn poll(&mut self, call: &FileCall, limit: Option<u64>, cx: &Cx<'_>) -> Result {
        let buffer = call.operands.buffer(0)?;
        if buffer.len() / 8 > self.limited(call)?.table.limit() as usize {
            return Err(Errno::EINVAL);
        }
        let mut keys = Vec::new();
        let mut ready = 0;
        for place in 0..buffer.len() / 8 {
            let mut entry = [0; 8];
            buffer.read(place * 8, &mut entry);
            let [a, b, c, d, e, f, ..] = entry;
            let number = i32::from_le_bytes([a, b, c, d]);
            let events = u32::from(u16::from_le_bytes([e, f]));
            let happened =
                if number < 0 { 0 } else { self.poll_one(call, number, events, &mut keys) };
            buffer.write(place * 8 + 6, &(happened as u16).to_le_bytes());
            ready += u64::from(happened != 0);
        }
        let deadline =
            call.deadline.or_else(|| Some(self.system.clock.after(cx.now(), Nanos::new(limit?))));
        if ready > 0 || limit == Some(0) || call.expired {
            return Ok(Done::Value(ready));
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(Done::Wait(keys, deadline))
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
        let polled = self.root.poll(open, events);
        keys.extend(polled.waits.into_iter().flatten());
        if polled.device.is_some() {
            if events & POLLIN != 0 {
                keys.push(CONSOLE);
            }
            let readable = if self.terminal.is_readable() { POLLIN } else { 0 };
            return (readable | POLLOUT) & events;
        }
        polled.ready
    }
}
