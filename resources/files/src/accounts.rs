//! Who holds how much of the tree's memory.
//!
//! Every page, node, name and open file is charged to an owner when it is made and
//! credited to the same owner when it is gone. Invariant: the sum over the owners is what
//! is used, and never above the limit.

use alloc::collections::BTreeMap;

use crate::Errno;
use vortex_units::Bytes;

/// Who pays: the kernel's tag for an activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(u64);

impl Owner {
    /// The owner with this tag.
    #[must_use]
    pub const fn new(tag: u64) -> Self {
        Self(tag)
    }

    /// The tag.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

#[derive(Default)]
struct Account {
    held: u64,
    budget: Option<u64>,
}

pub(crate) struct Accounts {
    limit: u64,
    used: u64,
    owners: BTreeMap<Owner, Account>,
}

impl Accounts {
    pub fn new(limit: Bytes) -> Self {
        Self { limit: limit.get(), used: 0, owners: BTreeMap::new() }
    }

    pub fn charge(&mut self, owner: Owner, bytes: u64) -> Result<(), Errno> {
        let used = self.used.checked_add(bytes).ok_or(Errno::ENOSPC)?;
        if used > self.limit {
            return Err(Errno::ENOSPC);
        }
        let account = self.owners.entry(owner).or_default();
        let held = account.held.checked_add(bytes).ok_or(Errno::ENOSPC)?;
        if account.budget.is_some_and(|budget| held > budget) {
            return Err(Errno::EDQUOT);
        }
        account.held = held;
        self.used = used;
        Ok(())
    }

    pub fn credit(&mut self, owner: Owner, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
        if let Some(account) = self.owners.get_mut(&owner) {
            account.held = account.held.saturating_sub(bytes);
            if account.held == 0 && account.budget.is_none() {
                self.owners.remove(&owner);
            }
        }
    }

    pub fn set_budget(&mut self, owner: Owner, budget: Option<Bytes>) {
        self.owners.entry(owner).or_default().budget = budget.map(Bytes::get);
        self.credit(owner, 0);
    }

    pub fn held(&self, owner: Owner) -> u64 {
        self.owners.get(&owner).map_or(0, |account| account.held)
    }

    pub fn used(&self) -> u64 {
        self.used
    }

    pub fn limit(&self) -> u64 {
        self.limit
    }
}
