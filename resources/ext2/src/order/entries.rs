//! Where entries of inodes have come and gone, as far as that may not be on the disk yet: what a
//! removal, and a place that is given out again, wait for.

use alloc::vec::Vec;

use super::needs::{Need, add};
use crate::Ext2;
use crate::caller::Accounts;
use crate::numbers::Ino;
use crate::stop::{Result, Stop};
use crate::tx::Tx;

/// Places of one inode's entries, of those that have come and of those that have gone. Who wants
/// more waits for the disk: so nobody looks through a great many.
const MOST: usize = 16;
/// Inodes that are looked at whenever there may be fewer; so few wait for the disk.
const LOOKED_AT: usize = 4;
const FEW: usize = 64;

impl<A: Accounts> Ext2<A> {
    /// That there is room for what a transaction would have remembered. `Flush` until there is.
    pub(crate) fn room_for_entries(&mut self, tx: &Tx) -> Result<()> {
        for (ino, need) in &tx.entries {
            self.room_for(*ino, *need, true)?;
        }
        for (ino, need) in &tx.removals {
            self.room_for(*ino, *need, false)?;
        }
        Ok(())
    }

    fn room_for(&mut self, ino: Ino, need: Need, came: bool) -> Result<()> {
        let all = if came { &self.slots.entries } else { &self.slots.removals };
        let Some(needs) = all.get(&ino) else { return Ok(()) };
        if needs.len() < MOST || needs.iter().any(|there| there.on == need.on) {
            return Ok(());
        }
        let left: Vec<Need> = needs.iter().copied().filter(|need| !self.satisfied(*need)).collect();
        let all = if came { &mut self.slots.entries } else { &mut self.slots.removals };
        if left.len() < MOST {
            all.insert(ino, left);
            return Ok(());
        }
        self.hurry_needs(left);
        self.writer.want_urgent();
        Err(Stop::Flush)
    }

    /// Remembers where entries have come to be and gone, until that is on the disk.
    pub(crate) fn note_entries(&mut self, tx: &mut Tx) {
        let (came, gone) = (core::mem::take(&mut tx.entries), core::mem::take(&mut tx.removals));
        for (came, (ino, need)) in
            came.iter().map(|it| (true, *it)).chain(gone.iter().map(|it| (false, *it)))
        {
            let slots = &mut self.slots;
            let known = slots.entries.contains_key(&ino) || slots.removals.contains_key(&ino);
            let all = if came { &mut slots.entries } else { &mut slots.removals };
            add(all.entry(ino).or_default(), need);
            if !known {
                slots.recent.push_back(ino);
            }
        }
        if self.slots.recent.len() > FEW {
            self.forget_entries();
        }
    }

    /// Forgets where entries have come and gone, as far as that is on the disk. How many it has
    /// looked at.
    pub(crate) fn forget_entries(&mut self) -> usize {
        let mut looked: usize = 0;
        for _ in 0..LOOKED_AT {
            let Some(ino) = self.slots.recent.pop_front() else { break };
            let (added, is_added) = self.forget_those(ino, true);
            let (removed, is_removed) = self.forget_those(ino, false);
            looked = looked.saturating_add(added).saturating_add(removed).saturating_add(1);
            if is_added || is_removed {
                // Those of most that came later wait too.
                self.slots.recent.push_back(ino);
                break;
            }
        }
        looked
    }

    /// Forgets those of one inode, from the last on, up to one that is not on the disk: how many,
    /// and whether any are left.
    fn forget_those(&mut self, ino: Ino, came: bool) -> (usize, bool) {
        let all = if came { &self.slots.entries } else { &self.slots.removals };
        let Some(needs) = all.get(&ino) else { return (0, false) };
        let kept = needs.iter().rposition(|need| !self.satisfied(*need));
        let (kept, count) = (kept.map_or(0, |last| last.saturating_add(1)), needs.len());
        let all = if came { &mut self.slots.entries } else { &mut self.slots.removals };
        if kept == 0 {
            all.remove(&ino);
        } else if let Some(needs) = all.get_mut(&ino) {
            needs.truncate(kept);
        }
        (count.saturating_sub(kept), kept > 0)
    }
}
