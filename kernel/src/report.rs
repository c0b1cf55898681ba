//! What each activity has consumed, on the console when the machine ends: a line for each
//! core, with its ledger's verdict, and then a table of the activities. Integers alone: the
//! kernel has no floating point.

use alloc::format;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::Ordering;

use vortex_grid::Core;
use vortex_machine::Status;
use vortex_resources::Mail;
use vortex_resources::network::Dropped;
use vortex_resources::process::Allowance;
use vortex_units::{ActivityId, Cycles};

use crate::assemble::Shared;
use crate::clock::Clock;
use crate::console::print;
use crate::{memory, runs};

/// How the machine ends where a core's cycles are not each on one bill.
const LEDGER_WRONG: u8 = 3;
/// The same where objects are left that nobody has any more.
const OBJECTS_LEFT: u8 = 4;
/// The same for frames.
const FRAMES_LEFT: u8 = 5;

/// The sum over the cores that have given their account.
#[derive(Default)]
pub struct Bill {
    elapsed: Cycles,
    idle: Cycles,
    host: Cycles,
    departed: Cycles,
    /// A core's ledger does not balance.
    wrong: bool,
    /// In the order of [`Shared::names`].
    used: Vec<Cycles>,
}

/// A part of a whole, rounded: `12.34 %`.
struct PerCent(u64, u64);

impl fmt::Display for PerCent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = u128::from(self.1.max(1));
        let hundredths = (u128::from(self.0) * 10_000 + whole / 2) / whole;
        let text = alloc::format!("{}.{:02} %", hundredths / 100, hundredths % 100);
        f.pad(&text)
    }
}

/// Prints this core's account, and ends the machine after the last.
pub fn give(core: &mut Core<Mail, Clock>, shared: &Shared) {
    let clients = core.report().clients;
    if shared.stretches.is_some() {
        runs::tell(&clients, &shared.names);
        runs::tell_change(core.longest_change());
    }
    let clients = clients.len();
    let ledger = core.ledger();
    let elapsed = ledger.elapsed();
    print(format_args!(
        "core {}: {} cycles, idle {}, {clients} clients, ",
        core.id().get(),
        elapsed.get(),
        PerCent(ledger.idle_time().get(), elapsed.get()),
    ));
    let audit = core.audit();
    match audit {
        Ok(()) => print(format_args!("ledger whole\n")),
        Err(imbalance) => print(format_args!("LEDGER WRONG: {imbalance:?}\n")),
    }
    let mut bill = shared.bill.lock();
    bill.wrong |= audit.is_err();
    bill.elapsed += elapsed;
    bill.idle += ledger.idle_time();
    bill.host += ledger.host_time();
    bill.departed += ledger.departed();
    bill.used.resize(shared.names.len(), Cycles::ZERO);
    let all = shared.activities();
    for (sum, (_, activity)) in bill.used.iter_mut().zip(&shared.names) {
        // With its parts' that are not quite gone yet.
        let living = (0..all.capacity()).filter_map(|at| all.at(at));
        let own = living.filter(|part| all.root(*part) == *activity);
        *sum += own.map(|part| ledger.used(part)).sum::<Cycles>();
    }
    if let Some(next) = shared.hand_on() {
        drop(bill);
        core.machine().0.poke(next);
    } else {
        table(&bill, shared);
        boot(shared);
        disks(shared);
        network(shared);
        if let Some(stretches) = &shared.stretches {
            stretches.tell();
        }
        // Nobody is left to free what was given up last.
        while vortex_resources::free_some() {}
        // Both are told, whatever the first says.
        let (frames, objects) = (memory::report(shared), objects(shared));
        let status = match (bill.wrong, frames, objects) {
            (false, true, true) => Status::Good,
            (true, _, _) => Status::Failed(LEDGER_WRONG),
            (false, false, _) => Status::Failed(FRAMES_LEFT),
            (false, true, false) => Status::Failed(OBJECTS_LEFT),
        };
        vortex_machine::power_off(status, shared.debug_exit);
    }
}

/// What the activities have had of all cores' time.
fn table(bill: &Bill, shared: &Shared) {
    let all = bill.elapsed.get();
    let entitled: u64 = shared.shares.iter().flatten().sum();
    print(format_args!("{:<20} {:>9} {:>20} {:>9}\n", "activity", "entitled", "cycles", "of all"));
    for (((name, activity), share), used) in shared.names.iter().zip(&shared.shares).zip(&bill.used)
    {
        let used = used.get();
        print(format_args!("{name:<20} "));
        match share {
            Some(share) => print(format_args!("{:>9}", PerCent(*share, entitled))),
            None => print(format_args!("{:>9}", "-")),
        }
        print(format_args!(" {used:>20} {:>9}\n", PerCent(used, all)));
        parts(name, *activity, all, shared);
    }
    let rest = [("departed", bill.departed), ("hypervisor", bill.host), ("idle", bill.idle)];
    for (name, cycles) in rest {
        if name == "idle" || !cycles.is_zero() {
            let cycles = cycles.get();
            let part = PerCent(cycles, all);
            print(format_args!("{name:<20} {:>9} {cycles:>20} {part:>9}\n", "-"));
        }
    }
}

/// What of it the activity's parts had that are gone: the last few of them, and the others.
fn parts(name: &str, activity: ActivityId, all: u64, shared: &Shared) {
    let (gone, others) = shared.activities().gone_parts(activity);
    let others = (!others.is_zero()).then(|| (format!("{name}/…"), others));
    let gone = gone.into_iter().map(|(part, used)| (format!("{name}/{part}"), used));
    for (name, used) in others.into_iter().chain(gone) {
        let used = used.get();
        print(format_args!("  {name:<18} {:>9} {used:>20} {:>9}\n", "-", PerCent(used, all)));
    }
}

fn boot(shared: &Shared) {
    let first = Cycles::new(shared.first.load(Ordering::Relaxed));
    let boot = shared.system.clock.since_start(first).get() / 1_000;
    print(format_args!(
        "boot: {}.{:03} ms from the loader to the first program\n",
        boot / 1_000,
        boot % 1_000
    ));
}

/// How full the disks' queues were.
fn disks(shared: &Shared) {
    let Some(disks) = shared.system.disks.get() else { return };
    for channel in disks.wiring.channels() {
        let (core, (most, full)) = (channel.core().get(), channel.most());
        print(format_args!(
            "disks, core {core}: at most {most} requests at a time, no room {full} times\n"
        ));
    }
}

/// What the network card has done, and whether anything is left on its way.
fn network(shared: &Shared) {
    let Some(network) = shared.system.network.get() else { return };
    network.wiring.end();
    for channel in network.wiring.channels() {
        let counts = channel.counts();
        print(format_args!(
            "network, core {}: {} packets in, {} out, {} and {} bytes, {} interrupts, no room {} \
             times\n",
            channel.core().get(),
            counts.packets.0,
            counts.packets.1,
            counts.bytes.0,
            counts.bytes.1,
            counts.interrupts,
            counts.suspended,
        ));
        if channel.writer() != channel.core() {
            let (writer, waits) = (channel.writer().get(), channel.waits());
            print(format_args!(
                "network: written to by core {writer}, waited for the ring {waits} times\n"
            ));
        }
    }
    for why in Dropped::ALL {
        let count = network.wiring.dropped(why);
        if count > 0 {
            print(format_args!("network: {count} packets dropped, {}\n", why.name()));
        }
    }
    let (left, sockets) = (network.wiring.in_flight(), network.wiring.sockets());
    // Of who has no card and no sockets there is nothing to say.
    if network.card.is_none() && left == 0 && sockets == 0 {
        return;
    }
    print(format_args!("network: {left} packets on their way, {sockets} sockets left\n"));
}

/// Whether all that is limited has come back: no process is left that could have any of it.
fn objects(shared: &Shared) -> bool {
    let all = shared.system.limits.get().map_or(&[][..], Vec::as_slice);
    let sum =
        |of: &dyn Fn(&Allowance) -> u32| all.iter().map(|one| u64::from(of(one))).sum::<u64>();
    let left = [
        ("open files and pipes", shared.system.open.load(Ordering::Relaxed)),
        ("mappings", sum(&|one| one.mappings.held())),
        ("signals", sum(&|one| one.signals.held())),
        ("thread resources", shared.held()),
    ];
    if left.iter().all(|(_, count)| *count == 0) {
        print(format_args!("objects: none left\n"));
        return true;
    }
    for (what, count) in left.iter().filter(|(_, count)| *count > 0) {
        print(format_args!("OBJECTS LEFT: {what}: {count}\n"));
    }
    false
}
