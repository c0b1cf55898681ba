//! Who pays for what is kept: counted, and compared with what there is.

use std::collections::BTreeMap;

use crate::order::PRICE;
use crate::{Accounts, Ext2, Payer};
use vortex_abi::Errno;

/// What each pays for.
#[derive(Default)]
pub struct Purse(BTreeMap<Payer, usize>);

impl Accounts for Purse {
    fn charge(&mut self, payer: Payer, bytes: usize) -> Result<(), Errno> {
        *self.0.entry(payer).or_default() += bytes;
        Ok(())
    }

    fn credit(&mut self, payer: Payer, bytes: usize) {
        let held = self.0.entry(payer).or_default();
        *held = held.checked_sub(bytes).expect("no more than was charged");
    }
}

/// What is on the bills is what is kept, and what is said to be unwritten is.
pub fn audit(ext2: &Ext2<Purse>) {
    let mut kept = BTreeMap::<Payer, usize>::new();
    let mut unwritten = BTreeMap::<Payer, u64>::new();
    for buffer in ext2.cache.all() {
        let bytes = buffer.bytes.as_ref().map_or(0, |bytes| bytes.len());
        *kept.entry(buffer.payer).or_default() += bytes;
        if !buffer.is_clean() && !buffer.role.stays() {
            *unwritten.entry(buffer.payer).or_default() += bytes as u64;
        }
    }
    for slot in ext2.slots.map.values() {
        *kept.entry(slot.payer).or_default() += PRICE;
        let inode = u64::from(ext2.layout.inode_size) + PRICE as u64;
        *unwritten.entry(slot.payer).or_default() += inode;
        if let Some(old) = &slot.old {
            *kept.entry(old.payer).or_default() += old.bytes.len();
        }
    }
    for (payer, bytes) in ext2.quarantine.paid() {
        *kept.entry(payer).or_default() += bytes;
    }
    for (payer, bytes) in &ext2.accounts().0 {
        assert_eq!(kept.remove(payer).unwrap_or(0), *bytes, "of {payer:?}");
        assert_eq!(ext2.unwritten(*payer), unwritten.remove(payer).unwrap_or(0), "{payer:?}");
    }
    assert!(kept.values().all(|bytes| *bytes == 0), "on no bill: {kept:?}");
}
