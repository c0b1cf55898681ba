//! Who holds how much of the tree's memory.
//!
//! Every page, node, name and open file is charged to an owner when it is made and
//! credited to the same owner when it is gone. Invariant: the sum over the owners is what
//! is used, and never above the limit.
//!
//! Beside that, who pays for the kernel's memory may be told of it ([`Bill`]), and refuse it.

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

/// What the file system's memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The tree: files, their bytes, their names.
    Tree,
    /// What processes have open: files, descriptors, pipes with what is in them, locks.
    Open,
}

/// The bills on which memory is, as the kernel keeps them. It is charged before it is taken.
pub trait Bill: Send + Sync {
    /// So many bytes more; false where the owner gets no more.
    fn charge(&self, owner: Owner, kept: Kept, bytes: u64) -> bool;

    /// So many more, of what another has paid for so far: this is not refused.
    fn force(&self, owner: Owner, kept: Kept, bytes: u64);

    /// So many less.
    fn credit(&self, owner: Owner, kept: Kept, bytes: u64);

    /// The most that an owner can have in all, as far as that is set.
    fn limit(&self, _owner: Owner) -> u64 {
        u64::MAX
    }
}

/// Bytes on a bill, until this is dropped.
pub(crate) struct Charge {
    bill: Option<&'static dyn Bill>,
    owner: Owner,
    kept: Kept,
    bytes: u64,
}

impl Charge {
    /// On no bill.
    pub const fn none() -> Self {
        Self { bill: None, owner: Owner::new(0), kept: Kept::Open, bytes: 0 }
    }

    /// As much once more; `None` where the owner gets no more.
    pub fn again(&self) -> Option<Self> {
        let mut again = self.empty();
        again.grow(self.bytes).then_some(again)
    }

    /// Nothing yet, for the same owner.
    pub const fn empty(&self) -> Self {
        Self { bill: self.bill, owner: self.owner, kept: self.kept, bytes: 0 }
    }

    /// So many more; false, with nothing changed, where the owner gets no more.
    #[must_use]
    pub fn grow(&mut self, more: u64) -> bool {
        let fits = self.bill.is_none_or(|bill| bill.charge(self.owner, self.kept, more));
        if fits {
            self.bytes = self.bytes.saturating_add(more);
        }
        fits
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some(bill) = self.bill.filter(|_| self.bytes > 0) {
            bill.credit(self.owner, self.kept, self.bytes);
        }
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
    bill: Option<&'static dyn Bill>,
    /// A charge was refused since it was asked last.
    refused: bool,
    /// What this one was charged of the tree before, and is to be charged now.
    kept: Option<(Owner, u64)>,
}

impl Accounts {
    pub fn new(limit: Bytes) -> Self {
        Self {
            limit: limit.get(),
            used: 0,
            owners: BTreeMap::new(),
            bill: None,
            refused: false,
            kept: None,
        }
    }

    /// What is charged from now on is on these bills too.
    pub fn set_bill(&mut self, bill: &'static dyn Bill) {
        self.bill = Some(bill);
    }

    /// Nothing yet on an owner's bill.
    pub const fn bill_of(&self, owner: Owner, kept: Kept) -> Charge {
        Charge { bill: self.bill, owner, kept, bytes: 0 }
    }

    /// What is charged from now on is of what was kept for it, as far as that goes. What is left of
    /// that goes back.
    pub fn draw_on(&mut self, kept: Option<(Owner, u64)>) {
        if let Some((owner, left)) = core::mem::replace(&mut self.kept, kept) {
            self.credit(owner, Kept::Tree, left);
        }
    }

    /// So many bytes more, on the owner's bill too.
    pub fn charge(&mut self, owner: Owner, kept: Kept, bytes: u64) -> Result<(), Errno> {
        if let Some((of, left)) = &mut self.kept
            && (*of, kept) == (owner, Kept::Tree)
            && let Some(rest) = left.checked_sub(bytes)
        {
            *left = rest;
            return Ok(());
        }
        if let Err(error) = self.count(owner, bytes) {
            self.refused = true;
            return Err(error);
        }
        if self.bill.is_none_or(|bill| bill.charge(owner, kept, bytes)) {
            return Ok(());
        }
        self.discount(owner, bytes);
        self.refused = true;
        Err(if kept == Kept::Tree { Errno::ENOSPC } else { Errno::ENOMEM })
    }

    /// So many less.
    pub fn credit(&mut self, owner: Owner, kept: Kept, bytes: u64) {
        self.discount(owner, bytes);
        if let Some(bill) = self.bill {
            bill.credit(owner, kept, bytes);
        }
    }

    /// So many bytes of the tree are on another's bill from now on, who is not asked.
    pub fn pass(&mut self, from: Owner, to: Owner, bytes: u64) {
        let account = self.owners.entry(to).or_default();
        account.held = account.held.saturating_add(bytes);
        self.used = self.used.saturating_add(bytes);
        if let Some(bill) = self.bill {
            bill.force(to, Kept::Tree, bytes);
        }
        self.credit(from, Kept::Tree, bytes);
    }

    /// So many bytes more, which are on a bill by themselves ([`Charge`]).
    pub fn count(&mut self, owner: Owner, bytes: u64) -> Result<(), Errno> {
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

    /// So many of those less.
    pub fn discount(&mut self, owner: Owner, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
        if let Some(account) = self.owners.get_mut(&owner) {
            account.held = account.held.saturating_sub(bytes);
            if account.is_blank() {
                self.owners.remove(&owner);
            }
        }
    }

    /// Whether a charge was refused since this was asked last.
    pub fn take_refused(&mut self) -> bool {
        core::mem::take(&mut self.refused)
    }

    /// The most that an owner can have in all.
    pub fn limit_of(&self, owner: Owner) -> u64 {
        let budget = self.owners.get(&owner).and_then(|account| account.budget);
        let bill = self.bill.map_or(u64::MAX, |bill| bill.limit(owner));
        bill.min(budget.unwrap_or(u64::MAX))
    }

    pub fn set_budget(&mut self, owner: Owner, budget: Option<Bytes>) {
        self.owners.entry(owner).or_default().budget = budget.map(Bytes::get);
        self.discount(owner, 0);
    }

    /// Limits how many an owner may have.
    pub fn set_most(&mut self, owner: Owner, what: Counted, most: Option<u32>) {
        self.owners.entry(owner).or_default().count(what).most = most;
        self.discount(owner, 0);
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
        self.discount(owner, 0);
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

/// What is no more of many things: what one pays for after the other is credited together.
pub(crate) struct Gone {
    kept: Kept,
    owner: Owner,
    bytes: u64,
}

impl Gone {
    /// Nothing yet.
    pub const fn of(kept: Kept) -> Self {
        Self { kept, owner: Owner::new(0), bytes: 0 }
    }

    /// So many bytes of this owner's.
    pub fn add(&mut self, accounts: &mut Accounts, owner: Owner, bytes: u64) {
        if owner != self.owner {
            self.end(accounts);
            self.owner = owner;
        }
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// All is credited.
    pub fn end(&mut self, accounts: &mut Accounts) {
        if self.bytes > 0 {
            accounts.credit(self.owner, self.kept, self.bytes);
            self.bytes = 0;
        }
    }
}
