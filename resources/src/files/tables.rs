//! The descriptors and the place of processes: made, copied for children, given up.

use alloc::boxed::Box;

use vortex_abi::Errno;
use vortex_files::{At as PathAt, Caller, Fd, NoProc, Opened, Place, Table, USUAL_LIMIT};

use super::calls::Cx;
use super::request::{FileCall, FilesId};
use super::resource::{Done, FileSystem};
use crate::bill::owner_of;

/// Descriptors that are copied, or closed, in one run.
const COPIED: usize = 256;
const CLOSED: usize = 16;

/// Descriptors and place.
pub struct Files {
    pub(super) table: Table,
    pub(super) place: Place,
    users: u32,
    /// Copies that are being made of it.
    pub(super) frozen: u32,
}

impl Files {
    /// With one user.
    pub(super) fn new(table: Table, place: Place) -> Self {
        Self { table, place, users: 1, frozen: 0 }
    }
}

impl FileSystem {
    pub(super) fn fresh(&mut self, cx: &Cx<'_>) -> Result<FilesId, Errno> {
        self.attach_disks(cx);
        let now = self.time(cx.now());
        let owner = owner_of(cx.root());
        let table = Table::billed(USUAL_LIMIT, &self.root, owner);
        let mut files = Files::new(table, self.root.place());
        let caller = Caller {
            table: &files.table,
            place: &files.place,
            proc: &NoProc,
            owner,
            pid: 0,
            largest: u64::MAX,
            walks: None,
            now,
        };
        let at = PathAt::cwd(b"/dev/console");
        const READ_WRITE: u32 = 2;
        let Opened::Ready(open) = self.root.open(&caller, at, READ_WRITE, 0, &mut self.effects)?
        else {
            return Err(Errno::EIO);
        };
        let first = files.table.install(open, false)?;
        for _ in 1..3 {
            let _: Fd = files.table.duplicate(&mut self.root, first, Fd::new(0), false)?;
        }
        Ok(self.take_in(files))
    }

    pub(super) fn take_in(&mut self, mut files: Files) -> FilesId {
        self.last += 1;
        files.table.set_owner(self.last);
        let id = FilesId(self.last);
        self.files.insert(id, files);
        id
    }

    /// A copy of a table, or one user more of the same; `None` where it is not all copied yet.
    /// Until it is, nothing changes in what is copied.
    pub(super) fn fork(
        &mut self,
        from: FilesId,
        share: bool,
        copy: &mut Option<Box<Table>>,
    ) -> Result<Option<FilesId>, Errno> {
        let files = self.files.get_mut(&from).ok_or(Errno::EBADF)?;
        if share {
            files.users += 1;
            return Ok(Some(from));
        }
        let begun = copy.is_some();
        let mut table = copy.take().unwrap_or_else(|| Box::new(files.table.like()));
        let more = files.table.copy_some(&mut self.root, &mut table, COPIED)?;
        if more {
            if !begun {
                files.frozen += 1;
                self.frozen += 1;
            }
            *copy = Some(table);
            return Ok(None);
        }
        if begun {
            files.frozen -= 1;
            self.frozen -= 1;
        }
        let place = self.root.fork_place(&files.place);
        Ok(Some(self.take_in(Files::new(*table, place))))
    }

    /// Whether a call has to wait, because its descriptors are being copied.
    pub(super) fn is_frozen(&self, id: FilesId) -> bool {
        self.frozen > 0 && self.files.get(&id).is_some_and(|files| files.frozen > 0)
    }

    /// One user less; what is nobody's then.
    pub(super) fn release(&mut self, id: FilesId) -> Option<Files> {
        let files = self.files.get_mut(&id)?;
        files.users = files.users.saturating_sub(1);
        if files.users > 0 {
            return None;
        }
        self.lock_waits.forget_owner(id.0);
        self.files.remove(&id)
    }

    /// Closes some of the descriptors of what is nobody's. True if there are more.
    pub(super) fn dispose(&mut self, gone: &mut Option<Box<Files>>) -> bool {
        let Some(files) = gone else { return false };
        if files.table.close_some(&mut self.root, CLOSED, &mut self.effects) {
            return true;
        }
        if let Some(files) = gone.take() {
            self.root.drop_place(files.place, &mut self.effects);
        }
        false
    }

    /// Closes what a new program is not to have, from a descriptor on. Where to go on, if not
    /// done.
    pub(super) fn sweep(&mut self, id: FilesId, at: usize) -> Option<usize> {
        let files = self.files.get_mut(&id)?;
        files.table.sweep_some(&mut self.root, at, CLOSED, &mut self.effects)
    }

    /// close_range(2), a slice at a time; how far it has come is the call's.
    pub(super) fn close_range(
        &mut self,
        call: &mut FileCall,
        (first, last): (u32, u32),
        flags: u32,
    ) -> Result<Done, Errno> {
        let files = self.files.get_mut(&call.files).ok_or(Errno::EBADF)?;
        let (root, effects) = (&mut self.root, &mut self.effects);
        let from = call.done.max(first as usize);
        let next = files.table.close_range(root, (first, last), from, flags, CLOSED, effects)?;
        match next {
            Some(next) => {
                call.done = next;
                Ok(Done::More)
            }
            None => Ok(Done::Value(0)),
        }
    }
}
