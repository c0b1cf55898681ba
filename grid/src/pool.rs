//! The pool of a core's request nodes.
//!
//! Nodes are taken here when a handler sends and come back when the request has ended,
//! wherever that was: another core pushes them to this core's returns. So the hot path
//! neither allocates nor frees. A node in the pool is on nobody's bill; taking it is
//! charged to the activity by the caller.

use alloc::sync::Arc;

use vortex_queues::{Fifo, Parcel};

use crate::post::Post;
use crate::request::{Envelope, Kind, Sealed};

/// A core's free nodes.
pub(crate) struct Pool<M> {
    home: Arc<Post<M>>,
    free: Fifo<Envelope<M>>,
}

impl<M> Pool<M> {
    pub fn new(home: Arc<Post<M>>) -> Self {
        Self { home, free: Fifo::new() }
    }

    /// Sees to it that so many nodes are free. False where the heap has no room for them.
    pub fn reserve(&mut self, nodes: u32) -> bool {
        if self.free.len() >= nodes as usize {
            return true;
        }
        self.grow(nodes)
    }

    #[cold]
    fn grow(&mut self, nodes: u32) -> bool {
        self.free.append(&mut self.home.take_returns());
        while self.free.len() < nodes as usize {
            match Parcel::try_new(Envelope::new(self.home.clone())) {
                Ok(parcel) => self.free.push_back(parcel),
                Err(_) => return false,
            }
        }
        true
    }

    /// Takes a node; `None` where none was reserved.
    pub fn take(&mut self) -> Option<Sealed<M>> {
        self.free.pop_front()
    }

    /// A node beyond those that were reserved; `None` where the heap has no room for it.
    #[cold]
    pub fn extra(&self) -> Option<Sealed<M>> {
        Parcel::try_new(Envelope::new(self.home.clone())).ok()
    }

    /// Takes back an empty node, to this pool or to the one it came from.
    pub fn give_back(&mut self, mut parcel: Sealed<M>) {
        parcel.body = None;
        parcel.kind = Kind::Request;
        parcel.trigger = None;
        parcel.answered = None;
        parcel.resume = None;
        parcel.begun = false;
        parcel.may_move = false;
        parcel.scratch = 0;
        if Arc::ptr_eq(&parcel.home, &self.home) {
            // The newest first: it is the one in the cache.
            self.free.push_front(parcel);
        } else {
            let home = parcel.home.clone();
            home.give_back(parcel);
        }
    }
}
