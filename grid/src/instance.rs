//! Resource instances as all cores know them.

use crate::sync::{AtomicU64, Ordering};
use ::core::ops::Deref;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_units::{ActivityId, CoreId, InstanceId};

use crate::entitlement::Class;
use crate::kind::Kind;
use crate::life::Life;
use crate::policy::Scheduler;
use crate::standing::Standing;

/// Of whom an instance's scheduler requests time on a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// Of the core's CPU multiplexor, as a client of its own that stands so there.
    Multiplexor(Standing),
    /// The same, where that share is nobody's entitlement: it is there so that those who ask are
    /// served soon, and each pays for what it asks with its own client (charge-through). Who is
    /// in debt there has to wait.
    Service(Standing),
    /// Of the core's CPU multiplexor, as part of its activity's client: for a resource
    /// with an instance a process, such as TR.
    Activity,
    /// Of a scheduler above, by its number in the grid's list, as a client that stands so there.
    Scheduler(usize, Standing),
}

/// What is to be known of an instance to assemble it.
pub struct InstanceSpec {
    /// Its name in reports.
    pub name: String,
    /// What kind of resource it is: entitlements are written for kinds.
    pub class: Class,
    /// Its scheduler.
    pub scheduler: Arc<dyn Scheduler>,
    /// The cores it is configured for, ascending, and of whom it requests time there.
    pub cores: Vec<(CoreId, Parent)>,
    /// For [`Parent::Activity`]: whose instance it is.
    pub owner: ActivityId,
    /// The most requests of one client that are dispatched on one decision, where the
    /// scheduler itself does not choose more; at least 1. Each is measured and charged by
    /// itself.
    pub batch: u16,
    /// Of what one share-holder has asked, requests that resources of this kind have sent go
    /// before all others, as far as labels allow: so FCR can serve demand paging before what
    /// the same process reads and writes (§3.2). Whose turn it is among the share-holders does
    /// not change.
    pub favours: Option<Class>,
}

/// An instance in the directory: what it shares with the others of its kind (reached as if
/// it were its own), and its own life.
pub(crate) struct Instance<M> {
    pub id: InstanceId,
    kind: Arc<Kind<M>>,
    pub gate: Gate,
    pub life: Life,
}

impl<M> Instance<M> {
    pub fn new(id: InstanceId, kind: Arc<Kind<M>>) -> Self {
        let life = Life::new(kind.cores.len());
        Self { id, kind, gate: Gate::default(), life }
    }

    /// Whether one core serves it, and as long as there is the grid.
    pub fn is_alone(&self) -> bool {
        self.cores.len() == 1 && !self.mortal
    }

    /// What its heap needs, on its activity's bill.
    pub fn bytes(&self) -> u64 {
        (size_of::<Self>() + Life::bytes(self.cores.len())) as u64
    }
}

impl<M> Deref for Instance<M> {
    type Target = Kind<M>;

    fn deref(&self) -> &Kind<M> {
        &self.kind
    }
}

/// The epoch of an instance: how often it was resumed.
#[derive(Debug, Default)]
pub(crate) struct Gate(AtomicU64);

impl Gate {
    pub fn epoch(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub fn advance(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// Made when it is first needed, by place.
pub(crate) fn by_place<T>(places: usize, make: impl Fn() -> T) -> Box<[T]> {
    (0..places).map(|_| make()).collect()
}
