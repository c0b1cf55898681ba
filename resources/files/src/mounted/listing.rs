//! The entries of a directory on a disk, as they are listed.

use alloc::vec::Vec;

use super::ask::{Ask, Listed};
use crate::Errno;
use crate::caller::Caller;
use crate::description::OpenId;
use crate::inode::InodeId;
use crate::root::Root;

impl Root {
    /// The entries from a place on, as far as they were told; `None` if it is no directory of a
    /// disk. What was told is used up when the place is behind it.
    pub(crate) fn listed(
        &mut self,
        caller: &Caller,
        open: OpenId,
        dir: InodeId,
        from: u64,
    ) -> Result<Option<Vec<Listed>>, Errno> {
        let Some(at) = self.on_disk(dir)? else { return Ok(None) };
        let description = self.description_mut(open)?;
        let told = description.listed.take();
        if let Some((begin, entries)) = told {
            // The first that comes behind the place.
            let next = if begin == from {
                Some(0)
            } else {
                entries.iter().position(|entry| entry.next == from).map(|at| at.saturating_add(1))
            };
            let is_end = entries.is_empty() && begin == from;
            let some = next.is_some_and(|next| next < entries.len());
            if is_end || some {
                let rest = entries.get(next.unwrap_or(0)..).unwrap_or_default().to_vec();
                if !is_end {
                    description.listed = Some((begin, entries));
                }
                return Ok(Some(rest));
            }
        }
        Err(caller.ask(Ask::List { at, from, of: open }))
    }
}
