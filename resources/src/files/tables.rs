//! The descriptors and the place of processes: made, copied for children, given up.

use vortex_abi::Errno;
use vortex_files::{At as PathAt, Caller, Fd, NoProc, Opened, Owner, Place, Table, USUAL_LIMIT};

use super::calls::Cx;
use super::request::FilesId;
use super::resource::FileSystem;

/// Descriptors and place.
pub(super) struct Files {
    pub table: Table,
    pub place: Place,
    users: u32,
}

impl FileSystem {
    pub(super) fn fresh(&mut self, cx: &Cx<'_>) -> Result<FilesId, Errno> {
        let now = self.time(cx.now());
        let owner = Owner::new(cx.root().index() as u64);
        let mut files =
            Files { table: Table::new(USUAL_LIMIT), place: self.root.place(), users: 1 };
        let caller = Caller {
            table: &files.table,
            place: &files.place,
            proc: &NoProc,
            owner,
            largest: u64::MAX,
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

    fn take_in(&mut self, mut files: Files) -> FilesId {
        self.last += 1;
        files.table.set_owner(self.last);
        let id = FilesId(self.last);
        self.files.insert(id, files);
        id
    }

    pub(super) fn fork(&mut self, from: FilesId, share: bool) -> Result<FilesId, Errno> {
        let files = self.files.get_mut(&from).ok_or(Errno::EBADF)?;
        if share {
            files.users += 1;
            return Ok(from);
        }
        let table = files.table.fork(&mut self.root)?;
        let place = self.root.fork_place(&files.place);
        Ok(self.take_in(Files { table, place, users: 1 }))
    }

    pub(super) fn release(&mut self, id: FilesId) {
        let Some(files) = self.files.get_mut(&id) else { return };
        files.users = files.users.saturating_sub(1);
        if files.users > 0 {
            return;
        }
        if let Some(mut files) = self.files.remove(&id) {
            files.table.close_all(&mut self.root, &mut self.effects);
            self.root.drop_place(files.place, &mut self.effects);
            self.forget_lock_waits(id.0);
        }
    }
}
