//! The pool: free frames in blocks of powers of two, joined again with their neighbours
//! (Knowlton's buddy system, CACM 8(10), 1965), up to 64 MiB.
//!
//! # Bound
//! Taking and giving a block visit each of fifteen orders once at most; no operation looks for
//! anything, as free blocks of an order are a doubly linked list through tables by frame.
//!
//! # Invariants
//! - `order[f]` is one more than the order of the free block that begins at `f`, else zero.
//! - A block of order n begins at a multiple of 2^n, and its buddy is not free too unless
//!   it is of the highest order.

use alloc::vec::Vec;

use crate::names::FrameId;

/// The order of a huge frame: 2 MiB.
pub(crate) const OF_HUGE: usize = 9;
/// The highest order: 64 MiB, for the kernel's heap.
pub(crate) const HIGHEST: usize = 14;
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Node {
    next: u32,
    previous: u32,
}

pub(crate) struct Buddy {
    nodes: Vec<Node>,
    order: Vec<u8>,
    heads: [u32; HIGHEST + 1],
    free: u64,
}

impl Buddy {
    /// An empty pool for frames below this number; `None` where the heap has no room.
    pub fn new(frames: usize) -> Option<Self> {
        let (mut nodes, mut order) = (Vec::new(), Vec::new());
        nodes.try_reserve_exact(frames).ok()?;
        order.try_reserve_exact(frames).ok()?;
        nodes.resize(frames, Node { next: NONE, previous: NONE });
        order.resize(frames, 0);
        Some(Self { nodes, order, heads: [NONE; HIGHEST + 1], free: 0 })
    }

    /// Free frames.
    pub const fn free(&self) -> u64 {
        self.free
    }

    /// Takes in a range, in as large blocks as fit.
    pub fn add(&mut self, mut first: u32, end: u32) {
        while first < end {
            let fits = (end - first).ilog2();
            let order = first.trailing_zeros().min(fits).min(HIGHEST as u32);
            self.give(FrameId::new(first), order as usize);
            first += 1 << order;
        }
    }

    /// Whether a block of this order could be taken.
    pub fn has(&self, order: usize) -> bool {
        (order..=HIGHEST).any(|at| self.heads.get(at).is_some_and(|&head| head != NONE))
    }

    /// Takes a block of this order.
    pub fn take(&mut self, order: usize) -> Option<FrameId> {
        let found = (order..=HIGHEST).find(|&at| self.heads.get(at) != Some(&NONE))?;
        let first = *self.heads.get(found)?;
        if first == NONE {
            return None;
        }
        self.unlink(first, found);
        // What is too much goes back, the upper half each time.
        for half in (order..found).rev() {
            self.link(first + (1 << half), half);
        }
        self.free -= 1 << order;
        Some(FrameId::new(first))
    }

    /// Gives a block back. It must have been taken, or be new.
    pub fn give(&mut self, frame: FrameId, mut order: usize) {
        let mut first = frame.get();
        self.free += 1 << order;
        while order < HIGHEST {
            let buddy = first ^ (1 << order);
            if self.order.get(buddy as usize).copied().map(usize::from) != Some(order + 1) {
                break;
            }
            self.unlink(buddy, order);
            first &= !(1 << order);
            order += 1;
        }
        self.link(first, order);
    }

    fn link(&mut self, first: u32, order: usize) {
        let Some(head) = self.heads.get_mut(order) else { return };
        let next = core::mem::replace(head, first);
        if let Some(node) = self.nodes.get_mut(first as usize) {
            *node = Node { next, previous: NONE };
        }
        if let Some(node) = self.nodes.get_mut(next as usize) {
            node.previous = first;
        }
        self.mark(first, order as u8 + 1);
    }

    fn unlink(&mut self, first: u32, order: usize) {
        let Some(&Node { next, previous }) = self.nodes.get(first as usize) else { return };
        match self.nodes.get_mut(previous as usize) {
            Some(node) => node.next = next,
            None => {
                if let Some(head) = self.heads.get_mut(order) {
                    *head = next;
                }
            }
        }
        if let Some(node) = self.nodes.get_mut(next as usize) {
            node.previous = previous;
        }
        self.mark(first, 0);
    }

    fn mark(&mut self, first: u32, order: u8) {
        if let Some(mark) = self.order.get_mut(first as usize) {
            *mark = order;
        }
    }
}

#[cfg(test)]
mod tests;
