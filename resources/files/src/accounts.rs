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

/// What an owner may have so many of, and has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    held: u32,
    most: Option<u32>,
}

impl Count {
    fn take(&mut self) -> Result<(), Errno> {
        if self.most.is_some_and(|most| self.held >= most) {
            return Err(Errno::ENFILE);
        }
        self.held = self.held.checked_add(1).ok_or(Errno::ENFILE)?;
        Ok(())
    }

    fn give(&mut self) {
        self.held = self.held.saturating_sub(1);
    }
}

/// What is counted beside bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Open files, the ends of pipes among them.
    Open,
    /// Pipes without a name.
    Pipe,
}

#[derive(Default)]
struct Account {
    held: u64,
    budget: Option<u64>,
    opens: Count,
    pipes: Count,
}

impl Account {
    fn count(&mut self, what: Counted) -> &mut Count {
        match what {
            Counted::Open => &mut self.opens,
            Counted::Pipe => &mut self.pipes,
        }
    }

    /// Nothing is said of it and it has nothing.
    fn is_blank(&self) -> bool {
        let blank = |count: &Count| *count == Count::default();
        self.held == 0 && self.budget.is_none() && blank(&self.opens) && blank(&self.pipes)
    }
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
            if account.is_blank() {
                self.owners.remove(&owner);
            }
        }
    }

    pub fn set_budget(&mut self, owner: Owner, budget: Option<Bytes>) {
        self.owners.entry(owner).or_default().budget = budget.map(Bytes::get);
        self.credit(owner, 0);
    }

    /// Limits how many an owner may have.
    pub fn set_most(&mut self, owner: Owner, what: Counted, most: Option<u32>) {
        self.owners.entry(owner).or_default().count(what).most = most;
        self.credit(owner, 0);
    }

    /// One more. `ENFILE` if the owner has as many as it may.
    pub fn take(&mut self, owner: Owner, what: Counted) -> Result<(), Errno> {
        self.owners.entry(owner).or_default().count(what).take()
    }

    /// One less.
    pub fn give(&mut self, owner: Owner, what: Counted) {
        if let Some(account) = self.owners.get_mut(&owner) {
            account.count(what).give();
        }
        self.credit(owner, 0);
    }

    /// How many an owner has.
    pub fn counted(&self, owner: Owner, what: Counted) -> u32 {
        self.owners.get(&owner).map_or(0, |account| match what {
            Counted::Open => account.opens.held,
            Counted::Pipe => account.pipes.held,
        })
    }

    /// What all owners have of all that is counted.
    pub fn counted_in_all(&self) -> u64 {
        let both = |account: &Account| {
            u64::from(account.opens.held).saturating_add(account.pipes.held.into())
        };
        self.owners.values().map(both).fold(0, u64::saturating_add)
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
