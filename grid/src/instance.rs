//! Resource instances as all cores know them, and their directory.

use crate::sync::{AtomicU32, AtomicU64, Ordering};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;
use vortex_units::{ActivityId, CoreId, InstanceId};

use crate::activity::Class;
use crate::message::{Carries, Message, Port};
use crate::policy::Scheduler;
use crate::resource::{Factory, Resource, Typed};
use crate::standing::Standing;

/// Of whom an instance's scheduler requests time on a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// Of the core's CPU multiplexor, as a client of its own that stands so there.
    Multiplexor(Standing),
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
}

/// An instance in the directory.
pub(crate) struct Instance<M> {
    pub id: InstanceId,
    pub name: String,
    pub class: Class,
    pub scheduler: Arc<dyn Scheduler>,
    pub cores: Vec<CoreId>,
    pub parents: Vec<Parent>,
    pub owner: ActivityId,
    pub batch: u16,
    pub gate: Gate,
    /// Labels bound, by place in `cores`: of all instances of its class on these cores, so
    /// that the threads of many processes are spread as those of one are (§4.2).
    pub bound: Arc<[AtomicU32]>,
    /// Labels bound, of this instance alone.
    pub own: Box<[AtomicU32]>,
    factory: Factory<M>,
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

impl<M: Message> Instance<M> {
    pub fn make(&self, core: CoreId) -> Box<dyn crate::resource::ErasedResource<M>> {
        (self.factory)(core)
    }

    pub fn place_of(&self, core: CoreId) -> Option<usize> {
        self.cores.iter().position(|&c| c == core)
    }
}

/// All instances of a grid.
pub(crate) struct Directory<M> {
    entries: Mutex<Vec<Option<Arc<Instance<M>>>>>,
}

impl<M: Message> Directory<M> {
    pub fn new() -> Self {
        Self { entries: Mutex::new(Vec::new()) }
    }

    pub fn add<R>(
        &self,
        spec: InstanceSpec,
        make: impl Fn(CoreId) -> R + Send + Sync + 'static,
    ) -> Port<R>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        const {
            assert!(size_of::<M>() <= crate::message::MESSAGE_LIMIT, "the message is too large");
            assert!(crate::request::request_size::<M>() <= 256, "a request takes 256 bytes");
        }
        let mut entries = self.entries.lock();
        let id = InstanceId::new(u32::try_from(entries.len()).unwrap_or(u32::MAX));
        let (cores, parents): (Vec<_>, Vec<_>) = spec.cores.into_iter().unzip();
        let same = |entry: &&Arc<Instance<M>>| entry.class == spec.class && entry.cores == cores;
        let bound = match entries.iter().flatten().find(same) {
            Some(entry) => entry.bound.clone(),
            None => cores.iter().map(|_| AtomicU32::new(0)).collect(),
        };
        entries.push(Some(Arc::new(Instance {
            id,
            name: spec.name,
            class: spec.class,
            scheduler: spec.scheduler,
            bound,
            own: cores.iter().map(|_| AtomicU32::new(0)).collect(),
            cores,
            parents,
            owner: spec.owner,
            batch: spec.batch.max(1),
            gate: Gate::default(),
            factory: Box::new(move |core| Box::new(Typed(make(core)))),
        })));
        Port::new(id)
    }

    /// Forgets the instances of an activity that is gone. Their numbers are not used again.
    pub fn remove_owned_by(&self, activity: ActivityId) {
        for entry in self.entries.lock().iter_mut() {
            let owned = entry.as_ref().is_some_and(|instance| {
                instance.owner == activity && instance.parents.contains(&Parent::Activity)
            });
            if owned {
                *entry = None;
            }
        }
    }

    pub fn get(&self, instance: InstanceId) -> Option<Arc<Instance<M>>> {
        self.entries.lock().get(instance.index())?.clone()
    }
}
