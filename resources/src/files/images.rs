//! The files that were run or mapped last, by pages: so long as a file is not changed, all
//! who run or map it have the same frames.

use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_files::{Errno, Node, Root};
use vortex_units::ActivityId;

use super::image::Pages;

/// How many files are remembered beside those that are in use.
const MOST: usize = 64;

/// It.
#[derive(Default)]
pub(super) struct Images {
    /// The last used comes last.
    known: Vec<Known>,
}

struct Known {
    /// The inode.
    key: u64,
    /// How often it had been changed.
    changes: u64,
    pages: Arc<Pages>,
}

impl Images {
    /// A file of this size as it is now.
    ///
    /// # Errors
    /// `ENODEV` where it is no regular file, and `ENOMEM`.
    pub fn of(&mut self, root: &Root, node: &Node, size: u64) -> Result<Arc<Pages>, Errno> {
        let Node::Inode(id) = node else { return Err(Errno::ENODEV) };
        let (key, changes) = (id.to_bits(), root.changes(node)?);
        let place = self.known.iter().rposition(|known| known.key == key);
        let known = place.map(|place| self.known.remove(place));
        if let Some(known) = known
            && Some(known.changes) == changes
        {
            let pages = known.pages.clone();
            self.known.push(known);
            return Ok(pages);
        }
        let pages = Arc::new(Self::read(root, node, size)?);
        if let Some(changes) = changes {
            if self.known.len() >= MOST {
                self.known.remove(0);
            }
            self.known.push(Known { key, changes, pages: pages.clone() });
        }
        Ok(pages)
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

    fn read(root: &Root, node: &Node, size: u64) -> Result<Pages, Errno> {
        let count = usize::try_from(size.div_ceil(vortex_machine::PAGE as u64))
            .map_err(|_| Errno::EFBIG)?;
        let mut pages = Vec::new();
        pages.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        for index in 0..count {
            pages.push(root.page(node, index as u64)?);
        }
        Ok(Pages::new(size, pages))
    }
}
