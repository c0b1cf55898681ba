//! Whether what a transaction has something wait for waits for that itself.

use alloc::vec::Vec;

use super::Tx;
use crate::Ext2;
use crate::cache::Role;
use crate::caller::Accounts;
use crate::order::{Need, Target, add};

/// Needs looked at, in one run.
const LOOKED_AT: usize = 72;

impl<A: Accounts> Ext2<A> {
    /// Whether the transaction's needs would have something wait for itself. What is too much
    /// to look through counts as if.
    pub(super) fn closes_circle(&self, tx: &Tx) -> bool {
        let changes = tx.changes.iter().map(|change| (Target::Block(change.block), &change.needs));
        let places = tx.places.iter().map(|place| (Target::Slot(place.ino), &place.needs));
        let mut left = LOOKED_AT;
        changes.chain(places).any(|(target, needs)| {
            !needs.is_empty() && self.waits_for(tx, needs, target, &mut left)
        })
    }

    /// Whether any of these needs, or what they need, is this target.
    fn waits_for(&self, tx: &Tx, needs: &[Need], target: Target, left: &mut usize) -> bool {
        let mut seen: Vec<Target> = Vec::new();
        let mut next: Vec<Need> = needs.to_vec();
        while let Some(need) = next.pop() {
            if next.len() > *left {
                return true;
            }
            *left = left.saturating_sub(1);
            let Err(place) = seen.binary_search(&need.on) else { continue };
            if need.version < tx.version && self.satisfied(need) {
                continue;
            }
            if need.on == target {
                return true;
            }
            seen.insert(place, need.on);
            next.extend_from_slice(tx.needs_of(need.on));
            match need.on {
                Target::Block(block) => {
                    if let Some(buffer) = self.cache.get(block) {
                        next.extend_from_slice(&buffer.needs);
                        next.extend(buffer.gone);
                    }
                }
                Target::Slot(ino) => {
                    if let Some(slot) = self.slots.map.get(&ino) {
                        next.extend_from_slice(&slot.needs);
                    }
                }
            }
        }
        false
    }

    /// What the transaction touches is wanted on the disk, so that it can be made.
    pub(super) fn hurry_all(&mut self, tx: &Tx) {
        let changes = tx.changes.iter().filter(|change| change.role != Role::Inodes);
        let blocks = changes.map(|change| Target::Block(change.block));
        let needs = tx.changes.iter().flat_map(|change| &change.needs);
        let more = tx.places.iter().flat_map(|place| &place.needs);
        let mut roots = Vec::new();
        // As they are: what this transaction would make of them is not there.
        for on in blocks.chain(needs.chain(more).map(|need| need.on)) {
            let version = match on {
                Target::Block(block) => self.cache.get(block).map(|buffer| buffer.version),
                Target::Slot(ino) => self.slots.map.get(&ino).map(|slot| slot.version),
            };
            if let Some(version) = version {
                add(&mut roots, Need { on, version });
            }
        }
        self.hurry_needs(roots);
        self.writer.want_urgent();
    }
}
