//! Ghosts are laid: an entry that names an inode without links, for nobody to be found, goes
//! when that inode is on the disk so.

use alloc::vec::Vec;

use super::find::Found;
use crate::Ext2;
use crate::cache::Role;
use crate::caller::{Accounts, Caller};
use crate::disk::Entries;
use crate::numbers::Ino;
use crate::order::{Ghost, Need};
use crate::stop::{Result, Stop};
use crate::tx::Tx;

impl<A: Accounts> Ext2<A> {
    /// Within a transaction that wants the ghost's name or room. `Flush` until the disk has what
    /// the ghost waits for.
    pub(crate) fn lay(&mut self, tx: &mut Tx, ino: Ino) -> Result<()> {
        let Some(ghost) = self.ghosts.get(ino) else { return Ok(()) };
        let need = Need::slot(ino, ghost.version);
        if !self.satisfied(need) {
            self.hurry_needs([need].into());
            self.writer.want_urgent();
            return Err(Stop::Flush);
        }
        if let Some((found, name)) = self.found_ghost(tx, ino, ghost)? {
            self.remove(tx, ghost.dir, &found, &name)?;
        }
        let gone = Need::block(ghost.block, tx.version);
        tx.removals.push((ino, gone));
        tx.laid.push(ino);
        if !ghost.ends {
            return Ok(());
        }
        match self.give_inode(tx, ino, false, [need, gone].into()) {
            Err(Stop::Error(_)) => {
                self.note_damage();
                Ok(())
            }
            other => other,
        }
    }

    /// The ghost's entry, and its name.
    fn found_ghost(&mut self, tx: &Tx, ino: Ino, ghost: Ghost) -> Result<Option<(Found, Vec<u8>)>> {
        let layout = self.layout;
        let bytes = self.read(tx, ghost.block, Role::Entries(ghost.dir))?;
        let mut name = None;
        for entry in Entries::new(bytes, layout.filetype, layout.inodes) {
            let entry = entry?;
            if entry.ino == ino {
                name = Some(entry.name.to_vec());
                break;
            }
        }
        let Some(name) = name else { return Ok(None) };
        let place = super::block::find(bytes, &layout, &name)?;
        let found = |place| Found { block: ghost.block, index: ghost.index, place };
        Ok(place.map(|place| (found(place), name)))
    }

    /// That there is no ghost, or none in a directory: `Again` while there are. Whatever else a
    /// transaction has done by then is undone.
    pub(crate) fn lay_all(&mut self, dir: Option<Ino>) -> Result<()> {
        let first = self.ghosts.of(dir).next();
        let Some((ino, ghost)) = first else { return Ok(()) };
        self.lay_one(ino, ghost)?;
        Err(Stop::Again)
    }

    fn lay_one(&mut self, ino: Ino, ghost: Ghost) -> Result<()> {
        let caller = Caller { payer: ghost.payer, ..Caller::default() };
        let mut tx = self.begin(&caller);
        self.lay(&mut tx, ino)?;
        self.commit(tx)
    }

    /// One goes for which the disk has what it waits for; what goes wrong is for another time.
    /// Whether one has gone.
    pub(crate) fn lay_ready(&mut self) -> bool {
        let ready = |(ino, ghost): &(Ino, Ghost)| {
            self.satisfied(Need::slot(*ino, ghost.version)) && self.cache.get(ghost.block).is_some()
        };
        let found = self.ghosts.of(None).find(ready);
        found.is_some_and(|(ino, ghost)| self.lay_one(ino, ghost).is_ok())
    }
}
