//! Pages of files that are taken from those who show them: of files on disks because FCR says
//! so, before they go to the disk, where programs can write to them, and behind a file's new
//! end; of files in memory that were cut, because the file resource does.
//!
//! Spaces are found by their regions, as for an order ([`super::shown_orders`]), and are changed
//! beside all else that ASR does to them: so each page is looked at again under the tables' lock.
//!
//! # Invariants
//! A fault that has looked the file up before, and puts its page later, sees that the space was
//! changed: it looks again.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_files::Shown;
use vortex_fs::{Showing as Showed, Shown as Taken};
use vortex_grid::{At, Context, Labels, Outcome, Port, Trigger};
use vortex_machine::{Frame, PAGE, Withdrawn};
use vortex_memory::FrameId;

use super::asr::{AddressSpaces, MemoryRequest};
use super::faults::poke;
use super::regions::{Showing, Source};
use super::shared::Shared;
use super::space::AddressSpace;
use crate::cache::{CacheFrame, CachedFile};
use crate::files::Ends;
use crate::{Answer, Mail};

const PAGE_U64: u64 = PAGE as u64;
/// Spaces, regions of all of them together, and pages, that are looked at in one run.
const SLICE: usize = 16;
const REGIONS: usize = 256;
const PAGES: usize = 32;
/// How often a page is looked at in one run whose space others change meanwhile.
const TRIES: usize = 4;

/// Which pages.
enum What {
    /// These of a file on a disk.
    Pages(Vec<u32>),
    /// All from this one on, and what programs have made of them; of a file in memory the number
    /// of the cut.
    From(u64, u64),
}

/// What is to be taken from all spaces, and how far that has come.
pub struct TakeShown {
    of: Source,
    what: What,
    /// The space to look at next, by its activity's place and its number, and from which
    /// address on.
    at: (usize, u64, u64),
    /// What is left of a region of it.
    within: Option<Showing>,
    /// A space of which something was taken: some cores may still reach it there.
    left: Option<Arc<AddressSpace>>,
    /// What was taken of it, until then.
    held: Vec<Frame>,
    /// What is to be taken then.
    next: Option<Box<Self>>,
}

impl TakeShown {
    const fn new(of: Source, what: What) -> Self {
        let held = Vec::new();
        Self { of, what, at: (0, 0, 0), within: None, left: None, held, next: None }
    }

    /// Takes what comes next. Whether that were all.
    fn take(&mut self) -> bool {
        let mut left = REGIONS;
        for _ in 0..SLICE {
            let (owner, number, at) = self.at;
            let Some(space) = AddressSpace::after(owner, number) else { return true };
            let own = (space.space.owner().index(), space.number);
            if own != (owner, number) {
                (self.at, self.within) = ((own.0, own.1, 0), None);
            }
            let from = if own == (owner, number) { at } else { 0 };
            let (region, next) = match self.within.take() {
                Some(region) => (Some(region.clone()), Some(region.end)),
                None => space.regions.lock().showing_any(&self.of, from, &mut left),
            };
            if let Some(region) = region {
                if let Some(version) = &region.version {
                    version.is_cut();
                }
                // Whoever is about to show a page there looks again.
                space.changed();
                self.within = self.take_of(&space, region);
                self.left = Some(space);
            }
            let (owner, number) = own;
            self.at = match (&self.within, next) {
                (Some(_), _) => (owner, number, self.at.2),
                (None, Some(next)) => (owner, number, next),
                (None, None) => (owner, number.saturating_add(1), 0),
            };
            if self.left.is_some() || left == 0 {
                return false;
            }
        }
        false
    }

    /// Takes pages of a region. What is left of it, if that is too much for this run.
    fn take_of(&mut self, space: &AddressSpace, region: Showing) -> Option<Showing> {
        let Showing { start, end, first, .. } = region;
        let place = |page: u64| {
            let page = i64::try_from(page).unwrap_or(i64::MAX);
            let at = page.saturating_mul(PAGE as i64).saturating_sub(first);
            start.saturating_add_signed(at) & !(PAGE_U64 - 1)
        };
        if let (What::Pages(wanted), Source::Cached(file)) = (&self.what, &self.of) {
            let of_file = |&page: &u32| Some((place(page.into()), file.frame(page)?.0.id()));
            let places: Vec<_> = wanted.iter().filter_map(of_file).collect();
            let mut all = true;
            for (at, frame) in places.into_iter().filter(|(at, _)| (start..end).contains(at)) {
                // What a private mapping has written is its own.
                all &= self.take_page(space, at, |is| is == frame);
            }
            // Those that could not be taken are looked at again, and the others are not there.
            return (!all).then_some(region);
        }
        let What::From(page, _) = self.what else { return None };
        let at = place(page).clamp(start, end);
        let mut pages = [0; PAGES];
        // What is nowhere in the tables costs next to nothing, however long the region.
        let (count, next) = space.space.list(at, end, &mut pages);
        let listed = pages.get(..count).unwrap_or_default();
        let done = match listed.iter().find(|&&page| !self.take_page(space, page, |_| true)) {
            // It and what is behind it in a further run.
            Some(&page) => page,
            None => next.unwrap_or(end),
        };
        let at = self.discard(space, at, done);
        let first = first.saturating_add_unsigned(at - start);
        (at < end).then_some(Showing { start: at, first, ..region })
    }

    /// Discards pages that are away as far as regions there still show the file: others may have
    /// taken their places since they were looked for. Some at a time; from where on there are
    /// more.
    fn discard(&self, space: &AddressSpace, at: u64, done: u64) -> u64 {
        let layout = space.layout();
        let (stop, shows) = match space.region(at) {
            Some((_, region)) => (Some(region.end), region.first_of(&self.of).is_some()),
            None => (space.regions.lock().next(at), false),
        };
        let done = done.min(stop.unwrap_or(done));
        let gone = !shows || space.away.discard_if(at, done, || layout.holds());
        if gone { done } else { at }
    }

    /// Takes a page, if it is one that is `meant`, as long as a region is there that shows the
    /// file. False where it is still to be taken: others have changed the space each time.
    fn take_page(
        &mut self,
        space: &AddressSpace,
        at: u64,
        meant: impl Fn(FrameId) -> bool,
    ) -> bool {
        for _ in 0..TRIES {
            let layout = space.layout();
            let shows =
                space.region(at).is_some_and(|(_, region)| region.first_of(&self.of).is_some());
            let found = space.space.get(at).filter(|_| shows);
            let Some((frame, _)) = found.filter(|(frame, _)| meant(frame.id())) else {
                return true;
            };
            match space.space.withdraw(at, frame.id(), true, || layout.holds(), || {}) {
                Withdrawn::Taken(frame) => {
                    self.held.push(frame);
                    return true;
                }
                // Regions were changed meanwhile, these or others.
                Withdrawn::Gone | Withdrawn::Busy => {}
            }
        }
        false
    }
}

impl MemoryRequest {
    /// A file in memory was cut: what programs show of it from these pages on is taken from them,
    /// and what an earlier cut has left. Where nobody has it any more there is nothing to do.
    pub(crate) fn conceal(shown: Shown) -> Self {
        let versions = shown.versions.and_then(|(number, from)| {
            let ends = Ends::numbered(number)?;
            let (from, number) = ends.behind().unwrap_or((from, 0));
            Some(Box::new(TakeShown::new(Source::Versions(ends), What::From(from, number))))
        });
        let overlay = shown.overlay.and_then(|(number, from)| {
            let of = Shared::numbered(number)?;
            let (from, number) = of.behind().unwrap_or((from, 0));
            Some(TakeShown::new(Source::Shared(of), What::From(from, number)))
        });
        let nothing = || TakeShown::new(Source::Shared(Arc::default()), What::Pages(Vec::new()));
        Self::TakeShown(match (overlay, versions) {
            (Some(overlay), next) => Box::new(TakeShown { next, ..overlay }),
            (None, Some(versions)) => versions,
            (None, None) => Box::new(nothing()),
        })
    }
}

impl AddressSpaces {
    /// Takes a slice.
    pub(super) fn take_shown(
        &self,
        take: &mut TakeShown,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, Self> {
        if let Some(space) = &take.left {
            if !space.space.is_current() {
                poke(space, cx);
                return Outcome::Continue(At::beginning());
            }
            take.left = None;
            take.held.clear();
        }
        if !take.take() {
            return Outcome::Continue(At::beginning());
        }
        match (&take.what, &take.of) {
            (What::Pages(pages), Source::Cached(file)) => {
                pages.iter().for_each(|&page| file.let_go(page));
            }
            (What::From(_, number), Source::Shared(shared)) => shared.is_concealed(*number),
            (What::From(_, number), Source::Versions(ends)) => ends.is_concealed(*number),
            _ => {}
        }
        if let Some(next) = take.next.take() {
            *take = *next;
            return Outcome::Continue(At::beginning());
        }
        Outcome::Reply(Answer::Call(Ok(0)))
    }
}

/// How FCR asks ASR.
pub struct Shows(pub Port<AddressSpaces>);

impl Showed<Mail, CacheFrame> for Shows {
    fn take(
        &self,
        file: Arc<CachedFile>,
        what: Taken,
        cx: &mut Context<'_, Mail>,
    ) -> Option<Trigger> {
        let what = match what {
            Taken::Pages(pages) => What::Pages(pages),
            Taken::From(page) => What::From(page.into(), 0),
        };
        let take = TakeShown::new(Source::Cached(file), what);
        cx.request(self.0, Labels::NONE, MemoryRequest::TakeShown(Box::new(take))).ok()
    }
}
