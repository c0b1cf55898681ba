//! Signals on their way to a process: what PR does when one is sent.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use vortex_abi::Errno;
use vortex_grid::{At, Labels, Outcome};
use vortex_units::Cycles;

use super::processes::{Pid, Process, ThreadState};
use super::records::Record;
use super::request::{Extra, ProcessCall, ProcessRequest, Scan};
use super::resource::{Cx, Next, Processes, reply};
use super::signals::{Ended, Info, Signal, SignalSet};
use super::subactivities::resume;
use crate::files::FileRequest;

/// Processes that are signalled in one run.
pub(super) const SLICE: usize = 1;
/// Processes that are looked at in one.
const LOOKED: usize = 24;
/// Threads that are looked at in one.
const THREADS: usize = 64;

/// A process's alarm.
pub(super) struct Alarm {
    deadline: Cycles,
    interval: Cycles,
    number: u64,
}

fn signal_of(number: i32) -> Result<Option<Signal>, Errno> {
    match number {
        0 => Ok(None),
        number => Signal::new(number).map(Some).ok_or(Errno::EINVAL),
    }
}

impl Processes {
    /// kill(2): to one process, to a group, or to all. Those that are made meanwhile have higher
    /// numbers, and are come to.
    pub(super) fn kill(
        &mut self,
        call: &mut ProcessCall,
        pid: i32,
        number: i32,
        cx: &mut Cx<'_>,
    ) -> Next {
        let signal = match signal_of(number) {
            Ok(signal) => signal,
            Err(error) => return reply(Err(error)),
        };
        let own = &call.thread.process;
        let group = match pid {
            1.. | -1 => None,
            0 => Some(own.group.load(Ordering::Relaxed)),
            _ => Some(pid.wrapping_neg()),
        };
        let mut scan = call.scan();
        let some = match pid {
            1.. => self.records.process(Pid(pid)).into_iter().collect(),
            _ => self.records.from(group, Pid(scan.from), LOOKED),
        };
        let (all, mut posted) = (some.len() < LOOKED, 0);
        for process in &some {
            if posted >= SLICE {
                break;
            }
            scan.from = process.pid.0.saturating_add(1);
            if pid == -1 && (process.pid == own.pid || process.pid.0 == 1) {
                continue;
            }
            scan.any = true;
            if own.may_change(process) {
                scan.done = true;
                if let Some(signal) = signal {
                    posted += 1;
                    let _ = self.post(process, Info::user(signal, own.pid, 0), None, cx);
                }
            }
        }
        if pid <= 0 && (!all || posted >= SLICE) {
            call.extra = Extra::Scan(scan);
            return Outcome::Continue(At::beginning());
        }
        reply(match scan {
            Scan { done: true, .. } => Ok(0),
            Scan { any: true, .. } => Err(Errno::EPERM),
            _ => Err(Errno::ESRCH),
        })
    }

    /// tkill(2) and tgkill(2).
    pub(super) fn kill_thread(
        &mut self,
        call: &ProcessCall,
        process: Option<i32>,
        tid: i32,
        number: i32,
        cx: &mut Cx<'_>,
    ) -> Result<u64, Errno> {
        let signal = signal_of(number)?;
        if tid <= 0 || process.is_some_and(|pid| pid <= 0) {
            return Err(Errno::EINVAL);
        }
        let thread = self.find_thread(Pid(tid)).ok_or(Errno::ESRCH)?;
        if process.is_some_and(|pid| thread.process.pid.0 != pid) {
            return Err(Errno::ESRCH);
        }
        if !call.thread.process.may_change(&thread.process) {
            return Err(Errno::EPERM);
        }
        if let Some(signal) = signal {
            let process = thread.process.clone();
            self.post(
                &process,
                Info::tkill(signal, call.thread.process.pid, 0),
                Some(&thread),
                cx,
            )?;
        }
        Ok(0)
    }

    /// rt_sigqueueinfo(2) and rt_tgsigqueueinfo(2).
    pub(super) fn queue(
        &mut self,
        call: &ProcessCall,
        (pid, tid, number): (i32, Option<i32>, i32),
        cx: &mut Cx<'_>,
    ) -> Result<u64, Errno> {
        let own = pid == call.thread.process.pid.0;
        let bytes = call.operands.bytes_of::<128>(0)?;
        let signal = signal_of(number)?;
        let process = self.records.process(Pid(pid));
        let process = process.ok_or(Errno::ESRCH)?;
        let thread = match tid {
            Some(tid) => Some(self.find_thread(Pid(tid)).ok_or(Errno::ESRCH)?),
            None => None,
        };
        let mut meant = thread.iter().map(|thread| &thread.process).chain([&process]);
        if !meant.all(|process| call.thread.process.may_change(process)) {
            return Err(Errno::EPERM);
        }
        if let Some(signal) = signal {
            let info = Info::from_user(signal, &bytes, own)?;
            self.post(&process, info, thread.as_ref(), cx)?;
        }
        Ok(0)
    }

    fn find_thread(&self, tid: Pid) -> Option<Arc<ThreadState>> {
        self.threads.get(&tid).cloned()
    }

    /// Lets a signal wait at a process, or at one of its threads, and makes a thread that
    /// does not block it look up.
    pub(super) fn post(
        &mut self,
        process: &Arc<Process>,
        info: Info,
        thread: Option<&Arc<ThreadState>>,
        cx: &mut Cx<'_>,
    ) -> Result<(), Errno> {
        let signal = info.signal;
        let threads = process.threads.lock().from(Pid(0), THREADS);
        let undone = SignalSet::undone_by(signal);
        if !undone.is_empty() {
            process.pending.lock().discard(undone);
            for thread in &threads {
                thread.pending.lock().discard(undone);
            }
        }
        if signal == Signal::CONT || signal == Signal::KILL {
            self.go_on(process, signal == Signal::CONT, cx);
        }
        if signal == Signal::KILL {
            if process.end(signal.number()) && !process.told.swap(true, Ordering::AcqRel) {
                self.interrupt_all(process, cx);
            }
            return Ok(());
        }
        let takes = |thread: &&Arc<ThreadState>| thread.takes(signal);
        let found = thread.or_else(|| threads.iter().find(takes));
        let Some(taker) = found.or_else(|| threads.first()) else { return Ok(()) };
        if process.actions.lock().discards(signal, taker.blocked()) {
            return Ok(());
        }
        match thread {
            Some(thread) => thread.pending.lock().add(info)?,
            None => process.pending.lock().add(info)?,
        };
        if process.reads_signals.load(Ordering::SeqCst)
            && let Some(ports) = self.system.ports.get()
        {
            // What cannot be told now is seen when it is looked for, or with the next.
            let told = FileRequest::Signalled(process.pid);
            let _ = cx.send(ports.files, Labels::NONE, told);
        }
        if takes(&taker) {
            let taker = taker.clone();
            self.interrupt(&taker, cx);
        }
        if threads.len() == THREADS
            && (thread.is_none() && found.is_none() || !undone.is_empty())
            && let (Some(last), Some(ports)) = (threads.last(), self.system.ports.get())
        {
            let rest = Pid(last.tid.0.saturating_add(1));
            let look = ProcessRequest::Look(process.clone(), signal, rest);
            let _ = cx.send(ports.process, Labels::NONE, look);
        }
        Ok(())
    }

    /// Looks at more threads of a process to which a signal was sent: what it undoes is
    /// discarded, and as long as it waits for any of them, the first that takes it looks up.
    /// From where on the next are to be looked at.
    pub(super) fn look(
        &mut self,
        process: &Process,
        signal: Signal,
        from: Pid,
        cx: &mut Cx<'_>,
    ) -> Option<Pid> {
        let undone = SignalSet::undone_by(signal);
        let threads = process.threads.lock().from(from, THREADS);
        let waits = process.pending.lock().set().contains(signal);
        if !undone.is_empty() {
            threads.iter().for_each(|thread| thread.pending.lock().discard(undone));
        } else if !waits {
            return None;
        }
        let taker = threads.iter().find(|thread| waits && thread.takes(signal));
        if let Some(taker) = taker {
            self.interrupt(taker, cx);
        }
        let over = threads.len() < THREADS || taker.is_some() && undone.is_empty();
        threads.last().filter(|_| !over).map(|last| Pid(last.tid.0.saturating_add(1)))
    }

    /// A stopped process goes on.
    fn go_on(&mut self, process: &Arc<Process>, say: bool, cx: &mut Cx<'_>) {
        if !process.go_on() {
            return;
        }
        resume(process, cx);
        if say {
            self.changed(process, Ended::Continued, cx);
        }
    }

    /// A thread has found its process stopped: its parent is told, and its other threads
    /// look up.
    pub(super) fn stopped(&mut self, process: &Arc<Process>, cx: &mut Cx<'_>) {
        if let Some((signal, true)) = process.stopped()
            && !process.is_ending()
        {
            self.changed(process, Ended::Stopped(signal), cx);
            if process.count.load(Ordering::Acquire) > 1 {
                self.interrupt_all(process, cx);
            }
        }
    }

    /// A child's state has changed: its parent learns of it.
    pub(super) fn changed(&mut self, process: &Arc<Process>, how: Ended, cx: &mut Cx<'_>) {
        let report = match how {
            Ended::Stopped(signal) => Some((0x7f | signal.number() << 8, false)),
            Ended::Continued => Some((0xffff, true)),
            _ => None,
        };
        self.records.set_report(process.pid, report);
        let Some(parent) = self.records.get(process.pid).map(Record::parent) else { return };
        if let Some(next) = self.waits.child_changed(parent, Pid(0), cx)
            && let Some(ports) = self.system.ports.get()
        {
            let rest = ProcessRequest::Changed(parent, next);
            let _ = cx.send(ports.process, Labels::NONE, rest);
        }
        let Some(parent) = self.records.process(parent) else { return };
        let quiet = matches!(how, Ended::Stopped(_) | Ended::Continued)
            && parent.actions.lock().get(Signal::CHLD).has(super::signals::Action::NOCLDSTOP);
        if !quiet {
            let info = Info::child(Signal::CHLD, process.pid, 0, how, (0, 0));
            let _ = self.post(&parent, info, None, cx);
        }
    }

    fn interrupt_all(&mut self, process: &Arc<Process>, cx: &mut Cx<'_>) {
        if let Some(ports) = self.system.ports.get() {
            let all = ProcessRequest::Interrupt(process.clone(), Pid(0), None);
            let _ = cx.send(ports.process, Labels::NONE, all);
        }
    }

    /// setitimer(2) and alarm(2), of real time: what was left, and the interval.
    pub(super) fn set_alarm(
        &mut self,
        process: &Process,
        value: Cycles,
        interval: Cycles,
        cx: &mut Cx<'_>,
    ) -> (Cycles, Cycles) {
        let before = self.alarms.remove(&process.pid);
        if !value.is_zero() {
            self.ring_at(process.pid, cx.now() + value, interval, cx);
        }
        before.map_or((Cycles::ZERO, Cycles::ZERO), |alarm| {
            (alarm.deadline.saturating_sub(cx.now()).max(Cycles::new(1)), alarm.interval)
        })
    }

    fn ring_at(&mut self, pid: Pid, deadline: Cycles, interval: Cycles, cx: &mut Cx<'_>) {
        self.alarm_number += 1;
        let number = self.alarm_number;
        self.alarms.insert(pid, Alarm { deadline, interval, number });
        let left = self.system.clock.until(deadline, cx.now());
        if let Some(ports) = self.system.ports.get() {
            let request = ProcessRequest::Alarm(pid, number);
            let _ = cx.after(left, ports.process, Labels::NONE, request);
        }
    }

    /// What is left of an alarm, and its interval.
    pub(super) fn alarm_of(&self, pid: Pid, now: Cycles) -> (Cycles, Cycles) {
        self.alarms.get(&pid).map_or((Cycles::ZERO, Cycles::ZERO), |alarm| {
            (alarm.deadline.saturating_sub(now), alarm.interval)
        })
    }

    /// An alarm's time has come, if it is still the same.
    pub(super) fn ring(&mut self, pid: Pid, number: u64, cx: &mut Cx<'_>) -> Next {
        let Some(alarm) = self.alarms.get(&pid).filter(|alarm| alarm.number == number) else {
            return Outcome::Done;
        };
        let interval = alarm.interval;
        self.alarms.remove(&pid);
        if let Some(process) = self.records.process(pid) {
            if !interval.is_zero() {
                self.ring_at(pid, cx.now() + interval, interval, cx);
            }
            let _ = self.post(&process, Info::kernel(Signal::ALRM), None, cx);
        }
        Outcome::Done
    }
}
