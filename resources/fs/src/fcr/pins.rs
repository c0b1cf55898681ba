//! Pages that a task has found, or claimed, and that must stay until it has ended.

use crate::cache::PageFrame;
use crate::requests::Task;

/// A page stays for a task. Where the heap has no room for that, it may go, and the task finds
/// it gone.
pub(super) fn pin<F: PageFrame>(task: &mut Task<F>, number: u32) {
    if task.job().pinned.try_reserve(1).is_err() {
        return;
    }
    let pinned = task.file.with(|inner| {
        let page = inner.pages.get_mut(number)?;
        page.pins = page.pins.checked_add(1)?;
        Some((number, page.serial))
    });
    task.job().pinned.extend(pinned);
}

/// A task's pages need not stay any more.
pub(super) fn unpin<F: PageFrame>(task: &mut Task<F>) {
    let Some(job) = task.job.as_deref_mut() else { return };
    for (number, serial) in core::mem::take(&mut job.pinned) {
        task.file.with(|inner| {
            let page = inner.pages.get_mut(number).filter(|page| page.serial == serial);
            if let Some(page) = page {
                page.pins = page.pins.saturating_sub(1);
                // Whoever it stayed for comes back for it.
                page.used = true;
            }
        });
    }
}
