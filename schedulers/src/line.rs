//! Clients in a line: in at the end, out at the front or from anywhere, each in one step.

use alloc::vec::Vec;

use vortex_grid::policy::ClientId;

#[cfg(test)]
mod tests;

const NOBODY: u32 = u32::MAX;

/// A doubly linked list through a vector that has a place for each client.
///
/// # Invariants
/// A client that stands in the line is reached from both ends; one that does not is
/// reached from neither.
pub(crate) struct Line {
    links: Vec<Link>,
    first: u32,
    last: u32,
    len: usize,
}

#[derive(Clone, Copy)]
struct Link {
    before: u32,
    behind: u32,
    standing: bool,
}

impl Link {
    const APART: Self = Self { before: NOBODY, behind: NOBODY, standing: false };
}

impl Line {
    pub(crate) const fn new() -> Self {
        Self { links: Vec::new(), first: NOBODY, last: NOBODY, len: 0 }
    }

    /// Makes room for a client. One that was not admitted is passed over.
    pub(crate) fn admit(&mut self, id: ClientId) {
        if self.links.len() <= id.index() {
            self.links.resize(id.index() + 1, Link::APART);
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Puts a client at the end. False if it stands in the line already.
    pub(crate) fn push(&mut self, id: ClientId) -> bool {
        let last = self.last;
        let Some(link) = self.links.get_mut(id.index()) else { return false };
        if link.standing {
            return false;
        }
        *link = Link { before: last, behind: NOBODY, standing: true };
        self.set_behind(last, id.get());
        self.last = id.get();
        self.len += 1;
        true
    }

    /// Takes the first out.
    pub(crate) fn pop(&mut self) -> Option<ClientId> {
        let first = ClientId::new(self.first);
        self.remove(first).then_some(first)
    }

    /// Takes a client out. False if it does not stand in the line.
    pub(crate) fn remove(&mut self, id: ClientId) -> bool {
        let Some(link) = self.links.get_mut(id.index()) else { return false };
        let Link { before, behind, standing } = core::mem::replace(link, Link::APART);
        if !standing {
            return false;
        }
        self.set_behind(before, behind);
        match self.links.get_mut(behind as usize) {
            Some(link) => link.before = before,
            None => self.last = before,
        }
        self.len -= 1;
        true
    }

    /// Lets `behind` follow `id`, or be the first where `id` is nobody.
    fn set_behind(&mut self, id: u32, behind: u32) {
        match self.links.get_mut(id as usize) {
            Some(link) => link.behind = behind,
            None => self.first = behind,
        }
    }
}
