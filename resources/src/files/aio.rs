//! What AIOR asks for a descriptor: the file itself, where its pages are FCR's, or a descriptor
//! of the operation's own, in a table beside its process's. So what the process does with its own
//! descriptor meanwhile does not concern the operation.

use alloc::sync::Arc;

use vortex_abi::{Errno, Fd};
use vortex_files::Table;

use super::calls::Cx;
use super::request::FilesId;
use super::resource::FileSystem;
use super::tables::Files;
use crate::bill::owner_of;
use crate::cache::{CachedFile, Contents};

/// What AIOR asks.
pub struct AioOpen {
    /// Whose descriptors.
    pub files: FilesId,
    /// The table of its operations' own, if there is one.
    pub table: Option<FilesId>,
    /// Which.
    pub fd: i32,
    /// For what.
    pub want: AioWant,
}

/// What it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AioWant {
    /// Nothing but that it is one.
    Nothing,
    /// The file, to be read, where its pages are FCR's; else as the next.
    Pages,
    /// A descriptor.
    Descriptor,
}

/// What it is.
pub enum AioOpened {
    /// One.
    There,
    /// A file on a disk.
    Pages(Arc<CachedFile>),
    /// Something for which there is a descriptor in this table now; whether it has places.
    Descriptor(FilesId, Fd, bool),
}

impl FileSystem {
    pub(super) fn open_for_aio(&mut self, open: &AioOpen, cx: &Cx<'_>) -> Result<AioOpened, Errno> {
        let files = self.files.get(&open.files).ok_or(Errno::EBADF)?;
        let id = files.table.get(vortex_files::Fd::new(open.fd))?;
        let now = self.time(cx.now());
        match open.want {
            AioWant::Nothing => return Ok(AioOpened::There),
            // What passes memory by is read as by read(2).
            AioWant::Pages if self.root.is_direct(id)? => {}
            AioWant::Pages => {
                if let Some(contents) = self.root.lend(id, now)?.and_then(|it| Contents::of(&it)) {
                    return Ok(AioOpened::Pages(contents.file.clone()));
                }
            }
            AioWant::Descriptor => {}
        }
        let table = match open.table.filter(|table| self.files.contains_key(table)) {
            Some(table) => table,
            None => self.table_beside(open.files, cx)?,
        };
        let beside = &mut self.files.get_mut(&table).ok_or(Errno::EAGAIN)?.table;
        beside.make_room(1).map_err(|_| Errno::EAGAIN)?;
        self.root.share(id)?;
        let has_places = self.root.has_places(id);
        match beside.install(id, true) {
            Ok(fd) => Ok(AioOpened::Descriptor(table, Fd(fd.get()), has_places)),
            Err(error) => {
                self.root.close(id, &mut self.effects);
                Err(error)
            }
        }
    }

    /// An empty table, whose place is another's.
    fn table_beside(&mut self, of: FilesId, cx: &Cx<'_>) -> Result<FilesId, Errno> {
        /// Operations that a process has at most.
        const MOST: u32 = 1024;
        let files = self.files.get(&of).ok_or(Errno::EBADF)?;
        let place = self.root.fork_place(&files.place);
        let table = Table::billed(MOST, &self.root, owner_of(cx.root()));
        Ok(self.take_in(Files::new(table, place)))
    }
}
