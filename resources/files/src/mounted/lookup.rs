//! Names on a disk: those that are known, and asking for the others.

use alloc::collections::BTreeSet;

use super::ask::Ask;
use crate::caller::Caller;
use crate::directory::Name;
use crate::inode::InodeId;
use crate::node::Node;
use crate::root::Root;
use crate::wait::Side;
use crate::{Errno, WaitKey};

/// Names of which it is known that they are not there, a directory.
const MOST_ABSENT: usize = 64;

/// What is known of the names of a directory on a disk, beside those that are in it.
#[derive(Default)]
pub(crate) struct Names {
    absent: BTreeSet<Name>,
    /// How often names were made, or taken away.
    pub version: u64,
}

impl Names {
    /// There is no such name.
    pub fn is_absent(&mut self, name: Name) {
        if self.absent.len() >= MOST_ABSENT {
            self.absent.clear();
        }
        self.absent.insert(name);
    }

    /// The names have changed; this one is there.
    pub fn changed(&mut self, name: Option<&Name>) {
        self.version = self.version.wrapping_add(1);
        if let Some(name) = name {
            self.absent.remove(name);
        }
    }
}

impl Root {
    /// An entry of a directory, of a disk's too.
    pub(crate) fn entry(
        &self,
        caller: &Caller,
        id: InodeId,
        name: &[u8],
    ) -> Result<Option<Node>, Errno> {
        let inode = self.inode(id)?;
        let directory = inode.directory().ok_or(Errno::ENOTDIR)?;
        if let Some(entry) = directory.get(name) {
            if let Some(state) = self.inodes.get(entry.inode).and_then(|i| i.disk.as_ref()) {
                state.used.set(true);
            }
            return Ok(Some(self.node_of(entry.inode)));
        }
        let (Some(names), Some(state)) = (&directory.disk, &inode.disk) else { return Ok(None) };
        if names.absent.contains(name) {
            return Ok(None);
        }
        if directory.removed {
            return Ok(None);
        }
        if state.busy {
            return Err(caller.waits(WaitKey { object: inode.number, side: Side::Settled }));
        }
        let of = (id, names.version, caller.owner);
        Err(caller.ask(Ask::Look { at: state.at, name: name.into(), of }))
    }
}
