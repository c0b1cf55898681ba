//! Pages that are fetched before they are touched, of files on disks and from the swap resource
//! (`ahead.rs`): `MAP_POPULATE`, which waits for them, and `MADV_WILLNEED`, which does not.

use vortex_abi::Errno;
use vortex_grid::{At, Context, Continuation, Labels, Outcome};
use vortex_machine::PAGE;

use super::asr::{AddressSpaces, MemoryRequest};
use super::mend::Wanted;
use super::regions::Backing;
use super::space::AddressSpace;
use crate::cache::{CacheReply, CacheRequest};
use crate::{Answer, Mail};

type Left = Outcome<Mail, AddressSpaces>;

const PAGE_U64: u64 = PAGE as u64;
/// Pages that are asked for together.
const BLOCK: u64 = 16;
/// Requests, and looks at regions and blocks, in one run.
const SENDS: usize = 2;
const LOOKS: usize = 16;

impl AddressSpaces {
    /// Asks FCR for what lies on disks from an address on, and has what has left read ahead, and
    /// does not wait. Where to go on, if that is not all.
    pub(super) fn want(
        &self,
        space: &AddressSpace,
        mut at: u64,
        end: u64,
        cx: &mut Context<'_, Mail>,
    ) -> Option<u64> {
        let (mut sends, mut looks) = (SENDS, LOOKS);
        while at < end {
            if sends == 0 || looks == 0 {
                return Some(at);
            }
            looks -= 1;
            let Some((start, region)) = space.region(at) else {
                at = space.regions.lock().next(at)?;
                continue;
            };
            let stop = region.end.min(end);
            let Some((file, from)) = region.on_disk() else {
                let next = match &region.backing {
                    Backing::Shared(shared, from) => {
                        self.want_shared(space, shared, (start, *from), (at, stop), cx)
                    }
                    _ => self.want_away(space, at, stop, cx),
                };
                if next.is_some() {
                    return next;
                }
                at = stop;
                continue;
            };
            let ports = self.system.file_systems.get().and_then(|wiring| wiring.ports.get())?;
            while at < stop && sends > 0 && looks > 0 {
                looks -= 1;
                let place = from.saturating_add_unsigned(at - start);
                let page = u64::try_from(place).unwrap_or(0) / PAGE_U64;
                // Whole blocks, as touches ask for them.
                let begin = page - page % BLOCK;
                let (Ok(first), true) = (u32::try_from(begin), place < file.size() as i64) else {
                    at = stop;
                    break;
                };
                if file.next_missing(first, first.saturating_add(BLOCK as u32)).is_some() {
                    sends -= 1;
                    let soon = CacheRequest::soon(file.clone(), first);
                    // Advice that need not be taken.
                    cx.send(ports.cache, Labels::NONE, soon).ok()?;
                }
                at = at.saturating_add((begin + BLOCK - page) * PAGE_U64).min(stop);
            }
        }
        None
    }

    /// Asks FCR for a page of a mapping whose pages are wanted at once, and waits; what is
    /// answered where it cannot be asked.
    pub(super) fn fetch_made(
        &self,
        wanted: Wanted,
        answer: u64,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let Wanted { file, page, write } = wanted;
        let request = match write {
            true => CacheRequest::map_write(file, page),
            false => CacheRequest::fault(file, page, None),
        };
        let ports = self.system.file_systems.get().and_then(|wiring| wiring.ports.get());
        match ports.map(|ports| cx.request(ports.cache, Labels::NONE, request)) {
            Some(Ok(trigger)) => Outcome::Pending(trigger, At::routine::<HasMade>()),
            _ => Outcome::Reply(Answer::Call(Ok(answer))),
        }
    }
}

/// FCR has a page, or cannot have it: then the rest is left to be touched.
struct HasMade;

impl Continuation<Mail, AddressSpaces> for HasMade {
    fn resume(
        spaces: &mut AddressSpaces,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Left {
        let MemoryRequest::Call { space, call, stage, rest, .. } = request else {
            return Outcome::Done;
        };
        let made: Result<(), Errno> = match cx.reply::<CacheReply>() {
            Ok(Some(CacheReply::Done(done))) => done,
            Ok(Some(CacheReply::Prepared(to))) => to.map(|_| ()),
            _ => Err(Errno::ENOMEM),
        };
        let left = match (made, *stage) {
            (Err(_), super::asr::Stage::Populating(.., answer)) => {
                Outcome::Reply(Answer::Call(Ok(answer)))
            }
            _ => spaces.call(space, call, stage, rest, cx),
        };
        spaces.served(request, left, cx)
    }
}
