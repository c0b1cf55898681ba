//! The locks that a thread still holds when it ends: set_robust_list(2).
//!
//! The list is in the thread's memory, and anything may be in it. [`Walk`] yields its words
//! one by one, at most [`LIMIT`] and the one that is being taken or given up; [`death`] says
//! what is to be done with each. A word is changed only if the thread's number is in it.
//!
//! ```text
//!  head: +0 next ──► entry: +0 next ──► … ──► head
//!        +8 offset from an entry to its word
//!        +16 the entry that is being linked or unlinked
//! ```

use vortex_abi::linux::general as linux;

/// More entries are not looked at: the list may be a ring without its head.
pub const LIMIT: u32 = linux::ROBUST_LIST_LIMIT;
/// The length of the head, as set_robust_list(2) wants to be told it.
pub const HEAD_SIZE: u64 = 24;

/// A pointer to an entry; its lowest bit says that the lock inherits priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry(u64);

impl Entry {
    const fn address(self) -> u64 {
        self.0 & !1
    }
}

/// A word that may hold a lock of the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// Where it is; a multiple of four.
    pub address: u64,
    /// The thread was taking it or giving it up.
    pub pending: bool,
    /// The lock inherits priority.
    pub inherits: bool,
}

/// Where a walk over a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    head: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    At { list: List, entry: Entry, left: u32 },
    Done,
}

/// What the head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct List {
    offset: u64,
    pending: Entry,
}

impl List {
    const fn word(&self, entry: Entry, pending: bool) -> Option<Word> {
        let address = entry.address().wrapping_add(self.offset);
        if !address.is_multiple_of(4) {
            return None;
        }
        Some(Word { address, pending, inherits: entry.0 & 1 != 0 })
    }
}

impl Walk {
    /// Over the list with this head; zero if the thread has none.
    #[must_use]
    pub const fn new(head: u64) -> Self {
        Self { head, state: if head == 0 { State::Done } else { State::Head } }
    }

    /// The next word, if any is left; `read` gives eight bytes of the thread's memory.
    ///
    /// Where that fails nothing has changed: it can be called again once the page is there,
    /// or else [`Walk::give_up`] ends the walk.
    pub fn step<E>(
        &mut self,
        mut read: impl FnMut(u64) -> Result<u64, E>,
    ) -> Result<Option<Word>, E> {
        // It ends: `left` falls each time that an entry, pending too, is passed over.
        loop {
            match self.state {
                State::Done => return Ok(None),
                State::Head => {
                    let entry = Entry(read(self.head)?);
                    let offset = read(self.head.wrapping_add(8))?;
                    let pending = Entry(read(self.head.wrapping_add(16))?);
                    let list = List { offset, pending };
                    self.state = State::At { list, entry, left: LIMIT };
                }
                State::At { list, entry, left } if left == 0 || entry.address() == self.head => {
                    self.state = State::Done;
                    let pending = list.pending.address() != 0;
                    return Ok(if pending { list.word(list.pending, true) } else { None });
                }
                State::At { list, entry, left } => {
                    // Before its word is given free: then another may link it elsewhere.
                    let next = Entry(read(entry.address())?);
                    self.state = State::At { list, entry: next, left: left - 1 };
                    if entry.address() != list.pending.address() {
                        let word = list.word(entry, false);
                        if word.is_none() {
                            self.state = State::Done;
                        }
                        return Ok(word);
                    }
                }
            }
        }
    }

    /// Whether all was walked.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Ends the walk where memory cannot be read. The entry that it has come to has its word
    /// all the same.
    pub const fn give_up(&mut self) -> Option<Word> {
        let state = self.state;
        self.state = State::Done;
        match state {
            State::At { list, entry, .. } if entry.address() != list.pending.address() => {
                list.word(entry, false)
            }
            _ => None,
        }
    }
}

/// What is to be done with a word of a thread that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Nothing: it is not the thread's.
    Leave,
    /// One waiter is to be woken: the thread may have given the lock up without having come
    /// to that.
    Wake,
    /// The word is to be replaced, if it is still as it was; then one waiter woken, if so
    /// said.
    Mark {
        /// Its new value.
        new: u32,
        /// Whether one waiter is to be woken.
        wake: bool,
    },
}

/// What is to be done with a word that has this value, when the thread `tid` has ended.
#[must_use]
pub const fn death(word: Word, value: u32, tid: u32) -> Death {
    let owner = value & linux::FUTEX_TID_MASK;
    if word.pending && !word.inherits && owner == 0 {
        Death::Wake
    } else if owner != tid {
        Death::Leave
    } else {
        let waiters = value & linux::FUTEX_WAITERS;
        let new = waiters | linux::FUTEX_OWNER_DIED;
        Death::Mark { new, wake: waiters != 0 && !word.inherits }
    }
}
