//! A node of the tree: a policy, and who its clients are.

use alloc::boxed::Box;
use alloc::vec::Vec;

use vortex_grid::policy::{ClientId, ClientParams, SchedulerCore};

/// Who a client of a node is.
#[derive(Clone, Copy)]
pub(super) enum Child {
    /// A client of the whole scheduler.
    Client(ClientId),
    /// Another node, by its place.
    Node(usize),
}

/// # Invariants
/// A child's name is its place in `children`, and its policy's client.
pub(super) struct Node {
    pub policy: Box<dyn SchedulerCore>,
    /// Its parent's place, and its own name there; the root has none.
    pub parent: Option<(usize, ClientId)>,
    /// Its parent believes that it is ready.
    pub told: bool,
    children: Vec<Option<Child>>,
    free: Vec<ClientId>,
}

impl Node {
    pub fn new(policy: Box<dyn SchedulerCore>) -> Self {
        Self { policy, parent: None, told: false, children: Vec::new(), free: Vec::new() }
    }

    pub fn child(&self, name: ClientId) -> Option<Child> {
        self.children.get(name.index()).copied().flatten()
    }

    /// One more, and its name.
    pub fn add(&mut self, child: Child, params: &ClientParams) -> ClientId {
        let name = self.free.pop().unwrap_or_else(|| {
            self.children.push(None);
            ClientId::new((self.children.len() - 1) as u32)
        });
        if let Some(place) = self.children.get_mut(name.index()) {
            *place = Some(child);
        }
        self.policy.add_client(name, params);
        name
    }

    pub fn remove(&mut self, name: ClientId) {
        self.policy.remove_client(name);
        if let Some(place) = self.children.get_mut(name.index())
            && place.take().is_some()
        {
            self.free.push(name);
        }
    }
}
