//! The root on a disk: mounted before programs begin.

use core::cell::RefCell;

use vortex_abi::Errno;
use vortex_files::{Caller, Dev, Effects, NoProc, Owner, Table, Walks};
use vortex_units::ActivityId;

use super::calls::Cx;
use super::resource::FileSystem;

impl FileSystem {
    /// Mounts a disk's file system as the root, and furnishes it. Whether that is done, walks
    /// and questions aside.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(super) fn mount_root(
        &mut self,
        dev: Dev,
        walks: &RefCell<Walks>,
        cx: &Cx<'_>,
    ) -> Result<(), Errno> {
        if let Some(error) = self.no_root.take() {
            return Err(error);
        }
        self.attach_disks(cx);
        let (table, place) = (Table::default(), self.root.place());
        let caller = Caller {
            table: &table,
            place: &place,
            proc: &NoProc,
            owner: Owner::new(ActivityId::INFRASTRUCTURE.index() as u64),
            pid: 0,
            largest: u64::MAX,
            walks: Some(walks),
            now: self.time(cx.now()),
        };
        let done = match self.root.has_mounts() {
            false => self.root.mount_top(&caller, dev),
            true => self.root.furnish_top(&caller),
        };
        self.root.drop_place(place, &mut Effects::new());
        done
    }
}
