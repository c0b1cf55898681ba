//! `hierarchy`: groups of activities in a tree, each with a policy of its own.
//!
//! After Goyal, Guo & Vin, "A Hierarchical CPU Scheduler for Multimedia Operating Systems" (OSDI
//! 1996), Bennett & Zhang, "Hierarchical Packet Fair Queueing Algorithms" (SIGCOMM 1996), and
//! Regehr & Stankovic, "HLS: A Framework for Composing Soft Real-Time Schedulers" (RTSS 2001).
//! The configuration's groups are the inner nodes of the tree, activities its leaves; what is of
//! no group, also a resource's client at a multiplexor, is beneath the root, whose policy is the
//! parameter `root` (`propshare.wfq` if not written). A decision goes from the root down: each
//! node's policy chooses a child. What a client uses is told to its own node's policy and to
//! each above it.
//!
//! # Bounds
//! 1. A node promises its children, of what it is given, what its policy promises; it is given
//!    what its parent's policy promises it. So a client of shares has at least the product of the
//!    shares on its way, and what a group's members leave stays in the group as long as any of
//!    them is ready.
//! 2. How far it may be off for a while is the sum of what the policies on its way allow, each by
//!    the share that the node has of all: for `propshare.wfq` at each node, one charge a level.
//!
//! A decision, or a charge, costs what it costs at each level of the way. Work conserving if the
//! policies are.
//!
//! # Rules
//! - A group is ready in its parent's eyes as long as its policy says so. One whose members have
//!   been suspended since is chosen in vain, and the decision begins again.
//! - Debt, credits and parts are the policy's of a client's own node; the nodes above are told the
//!   same records. Who is to be refused the client's own node says.
//! - Of what comes from elsewhere, but for turns that were chosen here and lent, a node above is charged what the node below has charged: what
//!   that forgives, for the client is at its cap on debt, is more than the client is entitled to
//!   there, and would be its siblings' loss. A node without shares knows no debt, forgives
//!   nothing, and its clients lose by what any of them uses elsewhere.
//! - The policies of groups are those of shares, of priorities and of order. What reserves needs
//!   words for each group that the configuration has not.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, Direction, Group, InitError,
    LoadShare, Metric, NoQueues, Params, Queues, Readiness, Record, RecordKind, Scheduler,
    SchedulerCore,
};
use vortex_units::{Bytes, CoreId, Cycles, Frames, Requests};

use crate::common::Common;
use crate::table::Table;

mod node;
#[cfg(test)]
mod tests;

use node::{Child, Node};

/// The root's policy, where none is written.
const ROOT: &str = "propshare.wfq";
/// The policies that a node may have.
pub(crate) const INNER: &[&str] = &[
    "propshare.wfq",
    "propshare.round-robin",
    "propshare.stride",
    "propshare.lottery",
    "priority.strict",
    "priority.multilevel",
    "fifo",
];

/// The policy `hierarchy`.
pub struct Hierarchy {
    common: Common,
    root: Arc<dyn Scheduler>,
    /// Each group with its policy.
    groups: Vec<(Group, Arc<dyn Scheduler>)>,
}

/// One policy of a node, with all that is said of the scheduler.
fn inner(name: &str, params: &Params) -> Result<Arc<dyn Scheduler>, InitError> {
    let bad = || InitError::BadValue {
        name: "root".to_string(),
        value: String::from(name),
        expected: "a policy of shares, priorities or order",
    };
    let name = crate::canonical(name).filter(|name| INNER.contains(name)).ok_or_else(bad)?;
    let mut own = Params::new(params.metric, params.debt_cap);
    own.frequency = params.frequency;
    crate::make(name, own).map_err(|_| bad())
}

impl Scheduler for Hierarchy {
    fn init(mut params: Params) -> Result<Self, InitError> {
        let root = params.take("root").unwrap_or_else(|| ROOT.to_string());
        let root = inner(&root, &params)?;
        let mut groups: Vec<(Group, Arc<dyn Scheduler>)> = Vec::new();
        for group in &params.groups {
            let policy = inner(&group.policy, &params)?;
            groups.push((group.clone(), policy));
        }
        Ok(Self { common: Common::init(params)?, root, groups })
    }

    fn init_core(&self, core: CoreId) -> Box<dyn SchedulerCore> {
        let mut nodes = Vec::new();
        nodes.push(Node::new(self.root.init_core(core)));
        for (group, policy) in &self.groups {
            let mut node = Node::new(policy.init_core(core));
            // A group is named after those that it is within.
            let above = group.within.map_or(0, |within| usize::from(within) + 1);
            let place = nodes.len();
            if let Some(parent) = nodes.get_mut(above) {
                let params = ClientParams {
                    share: group.share,
                    priority: group.priority,
                    ..ClientParams::default()
                };
                node.parent = Some((above, parent.add(Child::Node(place), &params)));
            }
            nodes.push(node);
        }
        Box::new(HierarchyCore { metric: self.common.metric, nodes, clients: Table::new() })
    }

    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        self.common.load_share(question)
    }
}

/// Where a client is: its node, and its name there.
type Place = (usize, ClientId);

/// # Invariants
/// A node that its parent believes ready is `told`. A client has the same name in its node from
/// its coming to its going.
struct HierarchyCore {
    metric: Metric,
    /// The root is the first; a node comes after its parent.
    nodes: Vec<Node>,
    clients: Table<Place>,
}

impl HierarchyCore {
    /// Charges what came from elsewhere at a client's own node, and at each above what the one
    /// below has not forgiven.
    #[inline(never)]
    fn charge_elsewhere(&mut self, (mut place, mut name): Place, record: &Record, now: Cycles) {
        let mut record = *record;
        while let Some(node) = self.nodes.get_mut(place) {
            let before = node.policy.client_statistics(name).forgiven;
            node.policy.resource_record(name, &record, now);
            let after = node.policy.client_statistics(name).forgiven;
            let Some(above) = node.parent else { return };
            let amount = self.metric.measure(&record);
            record = only(record, self.metric, amount.saturating_sub(after.saturating_sub(before)));
            (place, name) = above;
        }
    }

    /// A node has something ready: so have those above.
    fn tell(&mut self, mut place: usize, now: Cycles) {
        while let Some(node) = self.nodes.get_mut(place) {
            let Some((above, name)) = node.parent.filter(|_| !node.told) else { return };
            node.told = true;
            if let Some(parent) = self.nodes.get_mut(above) {
                parent.policy.client_ready(name, now);
            }
            place = above;
        }
    }

    /// Says again which of the nodes on the way up from here have more that is ready.
    fn settle(&mut self, mut place: usize, now: Cycles) {
        while let Some(node) = self.nodes.get_mut(place) {
            let Some((above, name)) = node.parent else { return };
            if !node.told && matches!(node.policy.poll_ready(now), Readiness::Now) {
                node.told = true;
                if let Some(parent) = self.nodes.get_mut(above) {
                    parent.policy.client_ready(name, now);
                }
            }
            place = above;
        }
    }

    /// From the root down to a leaf. `None` where the root has nothing; otherwise whether a node
    /// on the way had, which was chosen in vain.
    fn descend(&mut self, now: Cycles) -> Option<Result<Choice, InVain>> {
        let mut place = 0;
        loop {
            let node = self.nodes.get_mut(place)?;
            let Some(choice) = node.policy.schedule(now, &mut NoQueues) else {
                // Those above may have others.
                let (above, _) = node.parent?;
                self.settle(above, now);
                return Some(Err(InVain));
            };
            match node.child(choice.client) {
                Some(Child::Client(client)) => {
                    self.settle(place, now);
                    return Some(Ok(Choice { client, queue: None, ..choice }));
                }
                Some(Child::Node(below)) => {
                    place = below;
                    if let Some(node) = self.nodes.get_mut(below) {
                        node.told = false;
                    }
                }
                None => return Some(Err(InVain)),
            }
        }
    }
}

/// The record, with so much of the metric in it.
fn only(mut record: Record, metric: Metric, amount: u64) -> Record {
    match metric {
        Metric::Cycles => record.cycles = Cycles::new(amount),
        Metric::Bytes => record.bytes = Bytes::new(amount),
        Metric::Memory => record.memory = Frames::new(amount),
        Metric::Requests => record.requests = Requests::new(amount),
        // It has the field already, so there is room for it.
        Metric::Field(field) => _ = record.set(field, amount),
    }
    record
}

/// A node was chosen that had nothing any more.
struct InVain;

impl SchedulerCore for HierarchyCore {
    fn add_client(&mut self, id: ClientId, params: &ClientParams) {
        self.remove_client(id);
        let place = params.group.map_or(0, |group| usize::from(group) + 1);
        let place = if place < self.nodes.len() { place } else { 0 };
        let beside = params.beside.and_then(|whole| self.clients.get(whole));
        let beside = beside.filter(|(of, _)| *of == place).map(|(_, name)| *name);
        if let Some(node) = self.nodes.get_mut(place) {
            let name = node.add(Child::Client(id), &ClientParams { beside, ..*params });
            self.clients.insert(id, (place, name));
        }
    }

    fn remove_client(&mut self, id: ClientId) {
        if let Some((place, name)) = self.clients.remove(id)
            && let Some(node) = self.nodes.get_mut(place)
        {
            node.remove(name);
        }
    }

    fn client_reweighed(&mut self, id: ClientId, params: &ClientParams, now: Cycles) {
        let Some(&(place, name)) = self.clients.get(id) else { return };
        if let Some(node) = self.nodes.get_mut(place) {
            node.policy.client_reweighed(name, &ClientParams { beside: None, ..*params }, now);
        }
    }

    fn client_inherits(&mut self, id: ClientId, from: ClientId, now: Cycles) {
        let (Some(&(place, name)), Some(&(other, gone))) =
            (self.clients.get(id), self.clients.get(from))
        else {
            return;
        };
        if place == other
            && let Some(node) = self.nodes.get_mut(place)
        {
            node.policy.client_inherits(name, gone, now);
        }
    }

    fn client_goes_on(&mut self, id: ClientId, debt: u64, refused: bool) {
        let Some(&(place, name)) = self.clients.get(id) else { return };
        if let Some(node) = self.nodes.get_mut(place) {
            node.policy.client_goes_on(name, debt, refused);
        }
    }

    fn schedule(&mut self, now: Cycles, _: &mut dyn Queues) -> Option<Choice> {
        loop {
            if let Ok(choice) = self.descend(now)? {
                return Some(choice);
            }
        }
    }

    fn client_ready(&mut self, id: ClientId, now: Cycles) {
        let Some(&(place, name)) = self.clients.get(id) else { return };
        if let Some(node) = self.nodes.get_mut(place) {
            node.policy.client_ready(name, now);
        }
        self.tell(place, now);
    }

    fn client_suspended(&mut self, id: ClientId, now: Cycles) {
        let Some(&(place, name)) = self.clients.get(id) else { return };
        if let Some(node) = self.nodes.get_mut(place) {
            node.policy.client_suspended(name, now);
        }
    }

    fn poll_ready(&mut self, now: Cycles) -> Readiness {
        self.nodes.first_mut().map_or(Readiness::Idle, |root| root.policy.poll_ready(now))
    }

    fn allowance(&self, client: ClientId, timeslice: Cycles) -> Cycles {
        let (mut least, mut next) = (Cycles::MAX, self.clients.get(client).copied());
        while let Some((place, name)) = next {
            let Some(node) = self.nodes.get(place) else { break };
            least = least.min(node.policy.allowance(name, timeslice));
            next = node.parent;
        }
        least
    }

    fn resource_record(&mut self, id: ClientId, record: &Record, now: Cycles) {
        let Some(&(place, name)) = self.clients.get(id) else { return };
        let Some(node) = self.nodes.get_mut(place) else { return };
        let elsewhere = matches!(record.kind, RecordKind::THROUGH | RecordKind::BILLED_BACK);
        if elsewhere && record.direction == Direction::Charge && node.parent.is_some() {
            self.charge_elsewhere((place, name), record, now);
            return;
        }
        node.policy.resource_record(name, record, now);
        let mut next = node.parent;
        while let Some((place, name)) = next {
            let Some(node) = self.nodes.get_mut(place) else { return };
            node.policy.resource_record(name, record, now);
            next = node.parent;
        }
    }

    fn core_idle(&mut self, idle: Cycles, cap: Cycles, now: Cycles) {
        for node in &mut self.nodes {
            node.policy.core_idle(idle, cap, now);
        }
    }

    fn client_statistics(&self, id: ClientId) -> ClientStatistics {
        let Some(&(place, name)) = self.clients.get(id) else { return ClientStatistics::default() };
        let node = self.nodes.get(place);
        node.map_or_else(ClientStatistics::default, |node| node.policy.client_statistics(name))
    }
}
