//! What the instances of a resource have in common: made once, so that an instance for a new
//! process costs little.

use crate::sync::AtomicU32;
use ::core::marker::PhantomData;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_units::{ActivityId, CoreId, InstanceId};

use crate::entitlement::Class;
use crate::instance::{InstanceSpec, Parent};
use crate::message::{Carries, Message};
use crate::policy::Scheduler;
use crate::resource::{ErasedResource, Factory, Resource, Typed};

/// What the instances of a family share; a lone instance is a family of its own.
pub(crate) struct Kind<M> {
    /// Who sends what any of them sends, and under what they are reported: so that queues,
    /// and the reports, do not grow with every process that there ever was.
    pub sender: InstanceId,
    pub name: String,
    pub class: Class,
    pub scheduler: Arc<dyn Scheduler>,
    pub cores: Vec<CoreId>,
    pub parents: Vec<Parent>,
    pub owner: ActivityId,
    pub batch: u16,
    pub favours: Option<Class>,
    /// Its instances come and go.
    pub mortal: bool,
    /// Labels bound, by place in `cores`: of all instances of its class on these cores, so
    /// that the threads of many processes are spread as those of one are (§4.2).
    pub bound: Arc<[AtomicU32]>,
    factory: Factory<M>,
}

impl<M: Message> Kind<M> {
    pub fn new<R>(
        sender: InstanceId,
        spec: InstanceSpec,
        bound: Arc<[AtomicU32]>,
        mortal: bool,
        make: impl Fn(CoreId) -> R + Send + Sync + 'static,
    ) -> Self
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        const {
            assert!(size_of::<M>() <= crate::message::MESSAGE_LIMIT, "the message is too large");
            assert!(crate::request::request_size::<M>() <= 256, "a request takes 256 bytes");
        }
        let (cores, parents): (Vec<_>, Vec<_>) = spec.cores.into_iter().unzip();
        Self {
            sender,
            name: spec.name,
            class: spec.class,
            scheduler: spec.scheduler,
            cores,
            parents,
            owner: spec.owner,
            batch: spec.batch.max(1),
            favours: spec.favours,
            mortal,
            bound,
            factory: Arc::new(move |core| Box::new(Typed(make(core)))),
        }
    }

    /// The same for another owner: what its instances send, and are reported under, is one.
    pub fn branch(&self, owner: ActivityId) -> Self {
        Self {
            name: self.name.clone(),
            scheduler: self.scheduler.clone(),
            cores: self.cores.clone(),
            parents: self.parents.clone(),
            bound: self.bound.clone(),
            factory: self.factory.clone(),
            owner,
            ..*self
        }
    }

    pub fn make(&self, core: CoreId) -> Box<dyn ErasedResource<M>> {
        (self.factory)(core)
    }

    pub fn place_of(&self, core: CoreId) -> Option<usize> {
        self.cores.iter().position(|&c| c == core)
    }

    /// Whether its instances are part of this activity's clients, and go with it.
    pub fn is_part_of(&self, activity: ActivityId) -> bool {
        self.owner == activity && self.parents.contains(&Parent::Activity)
    }
}

/// A family of instances that come and go, such as an activity's thread resources, one for
/// each of its processes. Made with [`crate::Grid::family`]; an instance of it with
/// [`crate::Grid::bear`] or, by a handler, [`crate::Context::bear`].
pub struct Family<M, R> {
    pub(crate) kind: Arc<Kind<M>>,
    resource: PhantomData<fn(R)>,
}

impl<M, R> Family<M, R> {
    pub(crate) fn new(kind: Arc<Kind<M>>) -> Self {
        Self { kind, resource: PhantomData }
    }
}

impl<M, R> Clone for Family<M, R> {
    fn clone(&self) -> Self {
        Self::new(self.kind.clone())
    }
}
