//! Driving a core: the grid's loop says what is wanted, the machine does it.

use alloc::sync::Arc;
use core::convert::Infallible;
use core::sync::atomic::Ordering;

use vortex_grid::{Core, Labels, Step};
use vortex_machine::{Cpu, Exit, Fault, Poker, Program, Space, UserContext};
use vortex_resources::files::FileRequest;
use vortex_resources::network;
use vortex_resources::process::{Thread, ThreadReady};
use vortex_resources::storage::InterruptRequest;
use vortex_resources::{Mail, System};
use vortex_units::{ActivityId, CoreId, Cycles};

use crate::assemble::Shared;
use crate::clock::Clock;
use crate::runs::Stretches;
use crate::{report, sample, trace};

type GridCore = Core<Mail, Clock>;

/// Runs the core for good.
pub fn drive(mut core: GridCore, mut cpu: Cpu, shared: &Arc<Shared>) -> Infallible {
    shared.begin(&mut core);
    loop {
        cpu.poll();
        take_interrupts(&mut core, &mut cpu, shared);
        if !shared.has_begun() {
            shared.start(&mut core);
            core.outside();
        }
        if shared.system.beginning.any() {
            shared.begin_next(&mut core);
        }
        sample::give(&mut core, shared);
        trace::look(&mut core, shared);
        let began = core.ledger().last();
        let mut step = core.step();
        loop {
            match step {
                Step::Ran => break,
                Step::Enter(limit) => step = enter(&mut core, &mut cpu, limit, shared),
                Step::Idle(until) => {
                    // The last space may be waiting to be freed.
                    cpu.unload();
                    if shared.unmount(&mut core) {
                        break;
                    }
                    if let Some(first) = shared.close(core.ledger().last()) {
                        cpu.poker().poke(first);
                    }
                    if shared.is_turn(core.id()) {
                        report::give(&mut core, shared);
                    }
                    if let Some(stretches) = &shared.stretches {
                        let span = cpu.now().saturating_sub(began);
                        stretches.note("a core that goes to sleep", span);
                    }
                    let idle = shared.system.idle.get(core.id().index());
                    idle.inspect(|idle| idle.sleeps(cpu.now()));
                    cpu.idle(shared.idle_until(until));
                    idle.inspect(|idle| idle.wakes(cpu.now()));
                    core.wake();
                    break;
                }
            }
        }
    }
}

/// The low-level part of §3.3.2: an interrupt becomes a request to who serves the device. It
/// is the infrastructure's until its causer is known.
fn take_interrupts(core: &mut GridCore, cpu: &mut Cpu, shared: &Shared) {
    if let Some(disks) = shared.system.disks.get()
        && disks.take_interrupt(cpu)
        && let Some(ports) = disks.wiring.ports.get()
    {
        let sender = ActivityId::INFRASTRUCTURE;
        let request = InterruptRequest::Interrupt;
        if core.root(sender, ports.interrupts, Labels::NONE, request).is_err()
            && let Some(channel) = disks.wiring.channel(core.id())
        {
            channel.not_asked();
        }
    }
    if let Some(network) = shared.system.network.get()
        && network.card.as_ref().is_some_and(|card| card.take_interrupt(cpu, &network.wiring))
        && let Some(port) = network.wiring.ports.get().and_then(|ports| ports.interrupts)
    {
        let (sender, request) = (ActivityId::INFRASTRUCTURE, network::InterruptRequest::Interrupt);
        if core.root(sender, port, Labels::NONE, request).is_err()
            && let Some(channel) = network.wiring.channel(core.id())
        {
            channel.not_asked();
        }
    }
    if cpu.take_serial()
        && let Some(ports) = shared.system.ports.get()
    {
        let sender = ActivityId::INFRASTRUCTURE;
        // If even the infrastructure has no room, the next byte asks again.
        let _ = core.root(sender, ports.files, Labels::NONE, FileRequest::Input);
    }
}

/// A core that the configuration does not name sleeps.
pub fn rest(mut cpu: Cpu) -> Infallible {
    loop {
        cpu.idle(None);
    }
}

/// A thread in user mode.
struct Running<'a> {
    thread: &'a mut Thread,
    system: &'a System,
    core: CoreId,
    stretches: Option<(&'a Stretches, Poker)>,
}

impl Running<'_> {
    /// What was done for it in its own run was this long.
    fn note(&self, what: &'static str, since: Cycles) {
        if let Some((stretches, clock)) = &self.stretches {
            stretches.note(what, clock.now().saturating_sub(since));
        }
    }
}

impl Program for Running<'_> {
    fn context(&mut self) -> &mut UserContext {
        &mut self.thread.context
    }

    fn space(&self) -> &Arc<Space> {
        &self.thread.space.space
    }

    /// A direct call does not end the thread's run (§3.4).
    fn call(&mut self, at: Cycles) -> bool {
        let number = self.thread.context.registers().rax;
        let done = self.thread.call_directly(self.system, at, self.core);
        if done && self.stretches.is_some() {
            self.note(vortex_abi::name(number).unwrap_or("no call"), at);
        }
        done
    }

    /// Nor does a fault that disturbs nobody (decision 0070).
    fn mend(&mut self, fault: &Fault, at: Cycles) -> bool {
        let done = self.thread.mend_directly(fault);
        if done {
            self.note("fault", at);
        }
        done
    }
}

/// Lets a thread run, and tells the grid how it came back.
fn enter(core: &mut GridCore, cpu: &mut Cpu, limit: Cycles, shared: &Shared) -> Step {
    let began = cpu.now();
    if shared.first.load(Ordering::Relaxed) == 0 {
        shared.first.store(began.get(), Ordering::Relaxed);
        shared.rest.store(vortex_machine::heap_rest().0.get(), Ordering::Relaxed);
    }
    let mut used = Cycles::ZERO;
    let mut exit = Exit::Interrupted;
    // Until its patience is over others do not poke for it: then it is looked whether
    // anything has come.
    let mut stretch = limit.min(shared.patience);
    while used < limit {
        let Some(thread) = core.entered::<ThreadReady>().and_then(ThreadReady::thread) else {
            break;
        };
        thread.state.set_running(Some(cpu.id()));
        let stretches = shared.stretches.as_ref().map(|stretches| (stretches, cpu.poker()));
        let mut running = Running { thread, system: &shared.system, core: cpu.id(), stretches };
        exit = cpu.enter(&mut running, stretch);
        running.thread.state.set_running(None);
        used = cpu.now().saturating_sub(began);
        if exit != Exit::Expired || core.is_wanted() {
            break;
        }
        stretch = limit.saturating_sub(used);
    }
    if let Some(ready) = core.entered::<ThreadReady>() {
        ready.left(exit, used, began + used);
    }
    if let Some(times) = shared.system.idle.get(cpu.id().index()) {
        times.ran(used);
    }
    if exit == Exit::Interrupted {
        core.interrupted(cpu.left_at());
    }
    core.leave(cpu.left_at().max(began))
}
