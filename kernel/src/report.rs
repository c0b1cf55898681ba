//! What each activity has consumed, on the console when the machine ends.

use vortex_grid::Core;
use vortex_machine::Status;
use vortex_resources::Mail;

use crate::assemble::Shared;
use crate::clock::Clock;
use crate::console::print;

/// Prints this core's account, and ends the machine after the last.
pub fn give(core: &mut Core<Mail, Clock>, shared: &Shared) {
    let report = core.report();
    let ledger = core.ledger();
    let per_cent = |part: u64| part as f64 * 100.0 / ledger.elapsed().get().max(1) as f64;
    print(format_args!("core {}: {} cycles", core.id().get(), ledger.elapsed().get()));
    for (name, activity) in &shared.names {
        print(format_args!(", {name} {:.2} %", per_cent(ledger.used(*activity).get())));
    }
    print(format_args!(", idle {:.2} %", per_cent(ledger.idle_time().get())));
    match core.audit() {
        Ok(()) => print(format_args!(", ledger whole, {} clients\n", report.clients.len())),
        Err(imbalance) => print(format_args!(", LEDGER WRONG: {imbalance:?}\n")),
    }
    if let Some(next) = shared.hand_on() {
        core.machine().0.poke(next);
    } else {
        let (all, free) = vortex_machine::memory_counters();
        let (claimed, used) = vortex_machine::heap_counters();
        print(format_args!(
            "memory: {} of {} frames free, heap {} of {} bytes\n",
            free.get(),
            all.get(),
            used.get(),
            claimed.get()
        ));
        vortex_machine::power_off(Status::Good, shared.debug_exit);
    }
}
