//! Memory in the hands of the memory multiplexor: how it begins, and what must be back at
//! the end.

use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::Ordering;

use vortex_config::{Activity, Config};
use vortex_machine::{Boot, Use, Wanted};
use vortex_memory::{Budget, Multiplexor, ObjectKind};
use vortex_resources::memory::{RamDisk, Shared as Memory, Volume};
use vortex_units::{ActivityId, Frames};

use crate::assemble::{Failure, Shared};
use crate::console::print;

/// Frames that the heap may take when there are no others: for reclamation, which has to note
/// where pages are.
const RESERVE: Frames = Frames::new(64);

/// Hands over what the kernel has not taken for itself; the configuration's reserve is set
/// aside for its heap.
#[inline(never)] // Its frame must not stay beneath those that come after it.
pub fn multiplex(config: &Config, boot: &Boot) -> Result<(), Failure> {
    let policy = vortex_memory::policy::named(&config.reclamation).ok_or_else(|| {
        Failure::NotOffered(format!("the memory multiplexor's algorithm {}", config.reclamation))
    })?;
    let on_disk = swap_on(config, boot)?.is_some();
    let swaps = on_disk || !config.machine.swap.is_zero();
    vortex_machine::multiplex(&Wanted {
        reserve: RESERVE,
        kernel: config.machine.reserve,
        cores: boot.cores,
        policy,
        reclaimable: match swaps {
            true => &[Use::File, Use::Cache, Use::Page, Use::Shared, Use::Overlay],
            // Of pages what programs give up.
            false => &[Use::File, Use::Cache, Use::Page],
        },
    })
    .map_err(|error| Failure::Memory(format!("{error}")))
}

/// Opens an activity's account.
pub fn open(activity: &Activity, id: ActivityId) -> Result<(), Failure> {
    let vortex_config::MemoryBudget { minimum, soft, hard } = activity.memory;
    let Some(memory) = vortex_machine::multiplexor() else { return Ok(()) };
    let budget = Budget { minimum, soft, hard, objects: None };
    let wrong = |error| Failure::Memory(format!("{}: {error}", activity.name));
    memory.open(id, budget).map_err(wrong)
}

/// The same for one that the configuration does not name, with no budget.
pub fn open_plain(name: &str, id: ActivityId) -> Result<(), Failure> {
    let Some(memory) = vortex_machine::multiplexor() else { return Ok(()) };
    let wrong = |error| Failure::Memory(format!("{name}: {error}"));
    memory.open(id, Budget::default()).map_err(wrong)
}

/// Sets aside what pages go to for which a budget has no room; every activity has an equal
/// part of it.
///
/// For tests the words `swap-broken-reads=A-B` and `swap-broken-writes=A-B` on the command line
/// make it fail at the blocks from A to before B.
#[inline(never)] // Its frame must not lie beneath what is built next.
pub fn volume(config: &Config, boot: &Boot) -> Result<Option<Arc<Volume>>, Failure> {
    let reads = blocks(boot, "swap-broken-reads")?;
    let writes = blocks(boot, "swap-broken-writes")?;
    let pages = config.machine.swap;
    let last = reads.end.max(writes.end);
    if u64::from(last) > pages.get() {
        let what = format!("blocks up to {last} are to be broken; the swap volume has {pages}");
        return Err(Failure::Value(what));
    }
    let activities = config.activities.len().saturating_sub(1);
    if pages.is_zero() {
        let on_disk = swap_on(config, boot)?.is_some();
        return Ok(if on_disk { None } else { Volume::none(activities) });
    }
    let device = RamDisk::new(pages).map(|device| device.broken(reads, writes));
    let volume = device.and_then(|device| Volume::new(Box::new(device), activities));
    let short = || Failure::Memory(format!("there is no room for a swap volume of {pages}"));
    volume.map(Some).ok_or_else(short)
}

/// The disk's volume that is the swap volume, if the word `swap=VOLUME` says so.
pub fn swap_on<'a>(config: &Config, boot: &'a Boot) -> Result<Option<&'a str>, Failure> {
    let Some(name) = boot.command_line.get("swap") else { return Ok(None) };
    if !config.machine.swap.is_zero() {
        let what = format!("swap={name}: <machine swap> sets memory aside for it already");
        return Err(Failure::Value(what));
    }
    Ok(Some(name))
}

/// The swap volume on a disk, now that all are found.
pub fn on_disk(name: &str, shared: &Shared) -> Option<Arc<Volume>> {
    let disks = shared.system.disks.get()?;
    let found = disks.wiring.volumes().into_iter().find(|(id, _)| format!("{id}") == name);
    let (id, volume) = found?;
    Volume::on_disk(id, &volume, shared.names.len().saturating_sub(1))
}

/// The blocks that a word of the command line names; none without it.
fn blocks(boot: &Boot, word: &str) -> Result<Range<u32>, Failure> {
    let Some(value) = boot.command_line.get(word) else { return Ok(0..0) };
    let wrong = || Failure::Value(format!("{word}={value}; right is {word}=A-B, of some blocks"));
    let (from, to) = value.split_once('-').ok_or_else(wrong)?;
    match (from.parse(), to.parse()) {
        (Ok(from), Ok(to)) if from < to => Ok(from..to),
        _ => Err(wrong()),
    }
}

/// What is left of an activity's kernel objects: files in memory stay, with their names.
/// Whether all else is back.
fn objects(memory: &Multiplexor, name: &str, activity: ActivityId) -> bool {
    let of = |kind| memory.objects_of(activity, kind).unwrap_or_default().get();
    let files = of(ObjectKind::File);
    let others = ObjectKind::ALL.into_iter().filter(|kind| *kind != ObjectKind::File);
    let left: Vec<_> = others.map(|kind| (kind, of(kind))).filter(|(_, left)| *left > 0).collect();
    let verdict = if left.is_empty() { "all back" } else { "OBJECTS LEFT" };
    let lost: u64 = left.iter().map(|(_, bytes)| bytes).sum();
    print(format_args!(
        "kernel memory of {name}: {files} bytes of files, {lost} of others left: {verdict}\n"
    ));
    for (kind, bytes) in &left {
        print(format_args!("OBJECTS LEFT: {bytes} bytes of kind {kind:?}\n"));
    }
    left.is_empty()
}

/// What of the kernel's heap is on no activity's bill.
fn heap(shared: &Shared) {
    let began = shared.rest.load(Ordering::Relaxed);
    let (rest, most) = vortex_machine::heap_rest();
    print(format_args!(
        "heap on no activity's bill: {began} bytes when programs began, at most {}, now {}\n",
        most.get(),
        rest.get()
    ));
}

/// What is left when all programs have ended: their pages and page tables must be back, and
/// every frame be on one bill. Pages of files stay, on the bills of those for whom they were
/// read; but those that files in memory have only because programs wrote to them by mappings
/// are given up, and must be back too, and those of FCR, since all is unmounted. Whether it is
/// so.
pub fn report(shared: &Shared) -> bool {
    let (all, free) = vortex_machine::memory_counters();
    let (claimed, used) = vortex_machine::heap_counters();
    print(format_args!(
        "memory: {} of {} frames free, heap {} of {} bytes\n",
        free.get(),
        all.get(),
        used.get(),
        claimed.get()
    ));
    let Some(memory) = vortex_machine::multiplexor() else { return true };
    let written = Memory::end_files();
    print(format_args!("memory: {written} pages of files in memory were written by mappings\n"));
    let mut whole = true;
    for (name, activity) in shared.names.iter().skip(1) {
        let Ok(most) = memory.most(*activity) else { continue };
        let left = |of: Use| memory.used(of.account(*activity)).unwrap_or_default().get();
        let of_processes = [Use::Page, Use::Table, Use::Shared, Use::Overlay, Use::Cache];
        let lost: u64 = of_processes.into_iter().map(left).sum();
        let verdict = if lost == 0 { "all back" } else { "FRAMES LOST" };
        let files = left(Use::File);
        print(format_args!(
            "memory of {name}: {} frames at most, {files} of files, {lost} left: {verdict}\n",
            most.get(),
        ));
        whole &= lost == 0;
        whole &= objects(memory, name, *activity);
    }
    heap(shared);
    let orders = memory.orders();
    print(format_args!(
        "reclamation: {} frames given back, {} refused, {} failed, {} left to others\n",
        orders.given, orders.refused, orders.failed, orders.left
    ));
    if let Some(volume) = shared.system.swap.get().filter(|volume| volume.is_there()) {
        let kept = volume.used();
        let verdict = if kept == 0 { "all back" } else { "PAGES LOST" };
        print(format_args!("swap: {kept} pages left: {verdict}\n"));
        whole &= kept == 0;
    }
    match memory.ledger() {
        Ok(_) => print(format_args!("memory: ledger whole\n")),
        Err(imbalance) => {
            print(format_args!("MEMORY LEDGER WRONG: {imbalance:?}\n"));
            whole = false;
        }
    }
    whole
}
