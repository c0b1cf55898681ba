//! The files that were run or mapped last, by pages: so long as a file is not changed, all
//! who run or map it have the same frames.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_files::{Caller, Errno, Node, Page, Root};
use vortex_units::ActivityId;

use super::ends::{Ends, Version};
use super::image_pages::Pages;

/// How many files are remembered beside those that are in use.
const MOST: usize = 64;
/// Pages that are listed in one run.
const SLICE: usize = 16;

/// It.
#[derive(Default)]
pub(super) struct Images {
    /// The last used comes last.
    known: Vec<Known>,
    /// Files whose pages are being listed, for whoever asks for them first and for all who do
    /// meanwhile.
    listings: BTreeMap<u64, Listing>,
}

/// How often a listing is begun anew, since its file was written meanwhile.
const BEGUN: u8 = 200;

/// How far a file's pages are listed.
struct Listing {
    changes: Option<u64>,
    /// It is cut from its beginning on.
    version: Version,
    pages: BTreeMap<u64, Page>,
    next: u64,
    /// How often it was begun anew.
    begun: u8,
}

struct Known {
    /// The inode.
    key: u64,
    /// How often it had been changed.
    changes: u64,
    pages: Arc<Pages>,
}

impl Images {
    /// A file of this size as it is now; `None` where it has more pages than are listed in one
    /// run: then it is to be asked for again.
    ///
    /// # Errors
    /// `ENODEV` where it is no regular file, `ENOMEM`, and `EAGAIN` where it was written again and
    /// again while its pages were listed.
    pub fn of(
        &mut self,
        root: &mut Root,
        caller: &Caller<'_>,
        node: &Node,
        size: u64,
    ) -> Result<Option<Arc<Pages>>, Errno> {
        let Node::Inode(id) = node else { return Err(Errno::ENODEV) };
        let (key, changes) = (id.to_bits(), root.changes(node)?);
        let place = self.known.iter().rposition(|known| known.key == key);
        let known = place.map(|place| self.known.remove(place));
        if let Some(known) = known
            && Some(known.changes) == changes
        {
            let pages = known.pages.clone();
            self.known.push(known);
            return Ok(Some(pages));
        }
        let mut listing = match self.listings.remove(&key) {
            Some(listing) => listing,
            None => Listing::begin(root, node, changes, size)?,
        };
        match listing.go_on(root, caller, node) {
            Ok(true) if listing.changes == changes => {}
            Ok(true) if listing.begun < BEGUN => {
                // It was written meanwhile: what was listed first may be old, and who maps it to
                // be shared would have that for good.
                let begun = listing.begun.saturating_add(1);
                drop(listing);
                let again = Listing::begin(root, node, changes, size)?;
                self.listings.insert(key, Listing { begun, ..again });
                return Ok(None);
            }
            Ok(true) => return Err(Errno::EAGAIN),
            more => {
                self.listings.insert(key, listing);
                return more.map(|_| None);
            }
        }
        let Listing { changes, version, pages, .. } = listing;
        let pages = Arc::new(Pages::new(version, pages));
        if let Some(changes) = changes {
            if self.known.len() >= MOST {
                self.known.remove(0);
            }
            self.known.push(Known { key, changes, pages: pages.clone() });
        }
        Ok(Some(pages))
    }

    /// Forgets the file that was used longest ago of those that nobody has mapped, and that
    /// nobody but this activity ever had; its frames are given back. False if there is none.
    pub fn give_back(&mut self, activity: ActivityId) -> bool {
        let is_free = |known: &Known| {
            Arc::strong_count(&known.pages) == 1 && known.pages.sharers() == [activity]
        };
        let place = self.known.iter().position(is_free);
        place.map(|place| self.known.remove(place)).is_some()
    }
}

impl Listing {
    /// Begins one: who cuts the file from now on tells of it.
    fn begin(root: &mut Root, node: &Node, changes: Option<u64>, size: u64) -> Result<Self, Errno> {
        let ends = match root.versions(node)?.and_then(Ends::numbered) {
            Some(ends) => ends,
            None => {
                let ends = Ends::new(size);
                root.tell(node, ends.clone())?;
                ends
            }
        };
        let version = ends.version().ok_or(Errno::ENOMEM)?;
        Ok(Self { changes, version, pages: BTreeMap::new(), next: 0, begun: 0 })
    }

    /// Lists some more pages. True if that were all.
    fn go_on(&mut self, root: &Root, caller: &Caller<'_>, node: &Node) -> Result<bool, Errno> {
        let end = self.version.end().div_ceil(vortex_machine::PAGE as u64);
        for _ in 0..SLICE {
            match root.next_page(caller, node, self.next)? {
                Some((index, page)) if index < end => {
                    self.pages.insert(index, page);
                    self.next = index.saturating_add(1);
                }
                _ => return Ok(true),
            }
        }
        Ok(false)
    }
}
