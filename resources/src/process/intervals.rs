//! setitimer(2), and what comes of the time that a process uses.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use vortex_abi::{self as abi, Errno};
use vortex_units::Nanos;

use super::cpu_timers::Which;
use super::processes::Process;
use super::request::ProcessCall;
use super::resource::{Cx, Processes};
use super::signals::{Info, Signal};

impl Processes {
    /// A process has used so much time that signals are due.
    pub(super) fn used(&mut self, process: &Arc<Process>, cx: &mut Cx<'_>) {
        let again = self.system.clock.cycles(Nanos::new(1_000_000_000));
        let due = process.timers.take(process.used.load(Ordering::Relaxed), again);
        let signals = [
            (due.virtual_timer, Signal::VTALRM),
            (due.profiling, Signal::PROF),
            (due.soft, Signal::XCPU),
            (due.hard, Signal::KILL),
        ];
        for (_, signal) in signals.into_iter().filter(|(due, _)| *due) {
            let _ = self.post(process, Info::kernel(signal), None, cx);
        }
    }

    /// setitimer(2) and getitimer(2).
    pub(super) fn interval_timer(
        &mut self,
        call: &ProcessCall,
        which: i32,
        cx: &mut Cx<'_>,
    ) -> Result<u64, Errno> {
        let of = match which {
            0 => None,
            1 => Some(Which::Virtual),
            2 => Some(Which::Profiling),
            _ => return Err(Errno::EINVAL),
        };
        let clock = self.system.clock;
        let process = call.thread.process.clone();
        let used = process.used.load(Ordering::Relaxed);
        let set = matches!(call.call, abi::Process::Setitimer { .. });
        let new = matches!(call.call, abi::Process::Setitimer { new: Some(_), .. });
        let (value, interval) = if new {
            let bytes = call.operands.bytes_of::<32>(0)?;
            let (interval, value) = bytes.split_at(16);
            let (interval, value) = (timeval(interval)?, timeval(value)?);
            let (value, interval) = (clock.cycles(value), clock.cycles(interval));
            match of {
                None => self.set_alarm(&process, value, interval, cx),
                Some(which) => process.timers.set(which, used, value, interval),
            }
        } else {
            match of {
                None => self.alarm_of(process.pid, cx.now()),
                Some(which) => process.timers.get(which, used),
            }
        };
        let mut bytes = [0; 32];
        for (place, span) in bytes.chunks_exact_mut(16).zip([interval, value]) {
            let nanos = clock.nanos(span).get();
            let (seconds, micros) = place.split_at_mut(8);
            seconds.copy_from_slice(&(nanos / 1_000_000_000).to_le_bytes());
            micros.copy_from_slice(&(nanos % 1_000_000_000 / 1_000).to_le_bytes());
        }
        if call.operands.buffer(usize::from(set)).is_ok() {
            call.operands.give(usize::from(set), &bytes)?;
        }
        Ok(0)
    }
}

/// A `struct timeval`.
fn timeval(bytes: &[u8]) -> Result<Nanos, Errno> {
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 8).and_then(|word| word.try_into().ok());
        bytes.map_or(-1, i64::from_le_bytes)
    };
    match (u64::try_from(word(0)), word(8)) {
        (Ok(seconds), micros @ 0..1_000_000) => Ok(Nanos::new(
            seconds.saturating_mul(1_000_000_000).saturating_add(micros as u64 * 1_000),
        )),
        _ => Err(Errno::EINVAL),
    }
}
