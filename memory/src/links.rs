//! What few frames have: further activities that hold them, and resources to which
//! reclamation is directed first. Lists in one table of fixed size.
//!
//! # Invariants
//! - A frame's list begins at `Record::links` (one more than the place; zero is none), and
//!   its `LINKED` bit is set just when there is one.
//! - An activity is in a frame's list once at most, and not if it is the record's owner.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use crate::names::{Cookie, ResourceId};
use crate::record::{LINKED, Record};

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Nothing: the place is free.
    Free,
    /// An activity, by its place, holds the frame so often.
    Sharer(u32, u32),
    /// Reclamation goes to this resource first, with its own cookie.
    Redirect(ResourceId, Cookie),
}

struct Node {
    link: Link,
    next: u32,
}

pub(crate) struct Links {
    /// Those that were in use once; there is room for all that there can be.
    nodes: Vec<Node>,
    size: u32,
    free: u32,
}

impl Links {
    /// A table of this size; `None` where the heap has no room.
    pub fn new(size: u32) -> Option<Self> {
        let mut nodes = Vec::new();
        nodes.try_reserve_exact(size as usize).ok()?;
        Some(Self { nodes, size, free: 0 })
    }

    fn node(&mut self, at: u32) -> Option<&mut Node> {
        self.nodes.get_mut((at as usize).checked_sub(1)?)
    }

    /// Puts an entry at the beginning of a frame's list; false if the table is full.
    pub fn push(&mut self, record: &Record, link: Link) -> bool {
        if self.free == 0 && self.nodes.len() < self.size as usize {
            // Each free place names the next; the last names none.
            self.nodes.push(Node { link: Link::Free, next: 0 });
            self.free = self.nodes.len() as u32;
        }
        let (at, next) = (self.free, record.links.load(Ordering::Relaxed));
        let Some(node) = self.node(at) else { return false };
        let free = core::mem::replace(&mut node.next, next);
        node.link = link;
        self.free = free;
        record.links.store(at, Ordering::Relaxed);
        record.set(LINKED);
        true
    }

    /// A frame's entries, the newest first.
    pub fn of(&self, record: &Record) -> impl Iterator<Item = Link> + '_ {
        let mut at = record.links.load(Ordering::Relaxed);
        core::iter::from_fn(move || {
            let node = self.nodes.get((at as usize).checked_sub(1)?)?;
            at = node.next;
            Some(node.link)
        })
    }

    /// Changes the first entry for which this says to what.
    pub fn change(&mut self, record: &Record, to: impl Fn(Link) -> Option<Link>) -> bool {
        let mut at = record.links.load(Ordering::Relaxed);
        while let Some(node) = self.node(at) {
            if let Some(link) = to(node.link) {
                node.link = link;
                return true;
            }
            at = node.next;
        }
        false
    }

    /// Takes out the first entry that is such.
    pub fn take(&mut self, record: &Record, is_such: impl Fn(Link) -> bool) -> Option<Link> {
        let (mut before, mut at) = (0, record.links.load(Ordering::Relaxed));
        loop {
            let node = self.node(at)?;
            let (link, next) = (node.link, node.next);
            if is_such(link) {
                self.unlink(record, before, at, next);
                return Some(link);
            }
            (before, at) = (at, next);
        }
    }

    fn unlink(&mut self, record: &Record, before: u32, at: u32, next: u32) {
        match self.node(before) {
            Some(node) => node.next = next,
            None => {
                record.links.store(next, Ordering::Relaxed);
                if next == 0 {
                    record.clear(LINKED);
                }
            }
        }
        let free = self.free;
        if let Some(node) = self.node(at) {
            *node = Node { link: Link::Free, next: free };
            self.free = at;
        }
    }
}
