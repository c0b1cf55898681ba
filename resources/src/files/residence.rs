//! mincore(2): which pages are in memory.

use alloc::sync::Arc;

use vortex_abi::Errno;
use vortex_machine::{PAGE, USER_END};

use super::request::FileCall;
use super::resource::{Done, FileSystem};
use crate::cache::CachedFile;
use crate::memory::{AddressSpace, Backing};

const PAGE_U64: u64 = PAGE as u64;
/// Pages looked at in one run.
const SLICE: usize = 64;
/// The most that one call tells of.
const MOST: u64 = 65_536;

impl FileSystem {
    /// A slice of the answer; how far it has come is the call's.
    pub(super) fn residence(call: &mut FileCall, address: u64, length: u64) -> Result<Done, Errno> {
        let pages = length.div_ceil(PAGE_U64);
        let end = pages.checked_mul(PAGE_U64).and_then(|bytes| address.checked_add(bytes));
        if !address.is_multiple_of(PAGE_U64) {
            return Err(Errno::EINVAL);
        }
        if end.is_none_or(|end| end > USER_END) {
            return Err(Errno::ENOMEM);
        }
        if pages > MOST {
            return Err(Errno::EAGAIN);
        }
        let space = call.thread.process.memory();
        for index in (call.done as u64..pages).take(SLICE) {
            let page = address + index * PAGE_U64;
            let there = is_there(&space, page).ok_or(Errno::ENOMEM)?;
            call.operands.buffer(0)?.write(call.done, &[u8::from(there)]);
            call.done += 1;
        }
        Ok(if (call.done as u64) < pages { Done::More } else { Done::Value(0) })
    }
}

/// Whether a page is in memory; `None` where no page can be. Of a file in memory all pages are.
fn is_there(space: &AddressSpace, page: u64) -> Option<bool> {
    let (start, region) = space.region(page)?;
    let (image, from) = match &region.backing {
        Backing::File(image, _, from) => (image, *from),
        Backing::Mapped(image, from) => (image, i64::try_from(*from).ok()?),
        Backing::Shared(shared, from) => {
            let has = shared.has(from.saturating_add(page - start));
            return Some(has || space.space.get(page).is_some());
        }
        // What was read ahead needs no disk any more.
        _ => return Some(space.space.get(page).is_some() || space.away.is_ahead(page)),
    };
    let at = u64::try_from(from.saturating_add((page - start) as i64)).unwrap_or(0);
    let kept = |file: &Arc<CachedFile>| u32::try_from(at / PAGE_U64).is_ok_and(|at| file.has(at));
    Some(image.on_disk().is_none_or(kept) || space.space.get(page).is_some())
}
