//! Who calls, and what is left of a call until it is made again.

use core::cell::RefCell;

use crate::inode::InodeId;
use crate::mounted::Ask;
use crate::{Errno, Owner, Place, ProcSource, Table, Time, WaitKey, Walks};

/// Who calls, and what of the world the call may see.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// The descriptors, for paths that start at one.
    pub table: &'a Table,
    /// The current directory and the umask.
    pub place: &'a Place,
    /// What is below `/proc` for this caller.
    pub proc: &'a dyn ProcSource,
    /// Who pays for what is made.
    pub owner: Owner,
    /// Its process, for who is told of it.
    pub pid: i32,
    /// How large files may become by it (`RLIMIT_FSIZE`).
    pub largest: u64,
    /// What is kept of its call until it is made again; nothing where it is not to be.
    pub walks: Option<&'a RefCell<Walks>>,
    /// The time.
    pub now: Time,
}

impl Caller<'_> {
    /// Leaves a question to a disk. The error means that it is to be asked, and the call made
    /// again; without a call that could be, that nothing can be known.
    pub(crate) fn ask(&self, ask: Ask) -> Errno {
        self.keeps(|walks| walks.ask(ask))
    }

    /// Leaves what is to be waited for until the call is made again.
    pub(crate) fn waits(&self, key: WaitKey) -> Errno {
        self.keeps(|walks| walks.wait(key))
    }

    /// The call is to be made again at once.
    pub(crate) fn again(&self) -> Errno {
        self.keeps(Walks::again)
    }

    /// What was made on a disk for this call, which is to open it.
    pub(crate) fn made(&self) -> Option<InodeId> {
        self.walks?.try_borrow_mut().ok()?.take_opens()
    }

    /// The call has emptied this file: it does so once, however often it is made.
    pub(crate) fn empties(&self, id: InodeId) {
        if let Some(mut walks) = self.walks.and_then(|walks| walks.try_borrow_mut().ok()) {
            walks.emptied = Some(id);
        }
    }

    /// Whether it has.
    pub(crate) fn has_emptied(&self, id: InodeId) -> bool {
        let walks = self.walks.and_then(|walks| walks.try_borrow().ok());
        walks.is_some_and(|walks| walks.emptied == Some(id))
    }

    /// Whether a question is left, or something to be waited for.
    pub(crate) fn stops(&self) -> bool {
        self.walks.is_some_and(|walks| walks.try_borrow().is_ok_and(|walks| walks.stops()))
    }

    fn keeps(&self, keep: impl FnOnce(&mut Walks)) -> Errno {
        match self.walks.and_then(|walks| walks.try_borrow_mut().ok()) {
            Some(mut walks) => {
                keep(&mut walks);
                Errno::EAGAIN
            }
            None => Errno::EIO,
        }
    }
}
