//! All instances of a grid, by place.
//!
//! # Invariants
//! A place is free again only when no core has a part of its instance any more; the next
//! instance there has another name.

use crate::sync::AtomicU32;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;
use vortex_units::{ActivityId, CoreId, InstanceId};

use crate::entitlement::Class;
use crate::instance::{Instance, InstanceSpec};
use crate::kind::Kind;
use crate::message::{Carries, Message};
use crate::resource::Resource;

struct Place<M> {
    generation: u16,
    instance: Option<Arc<Instance<M>>>,
}

/// How many labels are bound on each of these cores to instances of a class.
struct Counters {
    class: Class,
    cores: Vec<CoreId>,
    bound: Arc<[AtomicU32]>,
}

struct Places<M> {
    all: Vec<Place<M>>,
    counters: Vec<Counters>,
    /// Oldest first: so a name is not used again for as long as possible.
    free: VecDeque<u16>,
    /// What each kind is called, by the name under which its instances send.
    called: Vec<(InstanceId, String)>,
}

impl<M> Places<M> {
    /// A name for a new instance; `None` if there are as many as there can be.
    fn reserve(&mut self) -> Option<InstanceId> {
        if let Some(place) = self.free.pop_front() {
            let generation = self.all.get(usize::from(place))?.generation;
            return Some(InstanceId::again(place, generation));
        }
        let place = u16::try_from(self.all.len()).ok().filter(|&p| p < u16::MAX)?;
        self.all.try_reserve(1).ok()?;
        // Room for its return is made now, so that freeing never allocates.
        self.free.try_reserve(self.all.len() + 1).ok()?;
        self.all.push(Place { generation: 0, instance: None });
        Some(InstanceId::new(place))
    }

    /// The counters of a class on these cores.
    fn counters(&mut self, class: Class, cores: &[CoreId]) -> Arc<[AtomicU32]> {
        let same = |other: &&Counters| other.class == class && other.cores == cores;
        if let Some(known) = self.counters.iter().find(same) {
            return known.bound.clone();
        }
        let bound: Arc<[AtomicU32]> = cores.iter().map(|_| AtomicU32::new(0)).collect();
        self.counters.push(Counters { class, cores: cores.into(), bound: bound.clone() });
        bound
    }

    fn at(&mut self, id: InstanceId) -> Option<&mut Place<M>> {
        self.all.get_mut(id.index()).filter(|place| place.generation == id.generation())
    }
}

/// All instances of a grid.
pub(crate) struct Directory<M> {
    places: Mutex<Places<M>>,
}

impl<M: Message> Directory<M> {
    pub fn new() -> Self {
        let (all, free, counters) = (Vec::new(), VecDeque::new(), Vec::new());
        Self { places: Mutex::new(Places { all, free, counters, called: Vec::new() }) }
    }

    /// What instances of this specification share. Its name is one of a sender's, with no
    /// instance in its place yet. `None` if there are as many as there can be.
    pub fn kind<R>(
        &self,
        spec: InstanceSpec,
        mortal: bool,
        make: impl Fn(CoreId) -> R + Send + Sync + 'static,
    ) -> Option<Kind<M>>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        let mut places = self.places.lock();
        let sender = places.reserve()?;
        let cores: Vec<_> = spec.cores.iter().map(|(core, _)| *core).collect();
        let bound = places.counters(spec.class, &cores);
        places.called.push((sender, spec.name.clone()));
        drop(places);
        Some(Kind::new(sender, spec, bound, mortal, make))
    }

    /// A lone instance, under its kind's own name.
    pub fn settle(&self, kind: Kind<M>) -> InstanceId {
        let id = kind.sender;
        let instance = Arc::new(Instance::new(id, Arc::new(kind)));
        if let Some(place) = self.places.lock().at(id) {
            place.instance = Some(instance);
        }
        id
    }

    /// Another instance of a family. `None` if there are as many as there can be.
    pub fn bear(&self, kind: &Arc<Kind<M>>) -> Option<Arc<Instance<M>>> {
        let mut places = self.places.lock();
        let id = places.reserve()?;
        let instance = Arc::new(Instance::new(id, kind.clone()));
        places.at(id)?.instance = Some(instance.clone());
        Some(instance)
    }

    pub fn get(&self, id: InstanceId) -> Option<Arc<Instance<M>>> {
        self.places.lock().at(id)?.instance.clone()
    }

    /// What the kind is called whose instances send under this name.
    pub fn called(&self, sender: InstanceId) -> Option<String> {
        let places = self.places.lock();
        places.called.iter().find(|(own, _)| *own == sender).map(|(_, name)| name.clone())
    }

    /// No core has a part of the instance any more. Gives it back to the one caller that
    /// has freed its place.
    pub fn free(&self, id: InstanceId) -> Option<Arc<Instance<M>>> {
        let mut places = self.places.lock();
        let place = places.at(id)?;
        let instance = place.instance.take()?;
        place.generation = place.generation.wrapping_add(1);
        if let Ok(place) = u16::try_from(id.index()) {
            places.free.push_back(place);
        }
        Some(instance)
    }

    /// The instances that are part of an activity's clients.
    pub fn owned_by(&self, activity: ActivityId) -> Vec<Arc<Instance<M>>> {
        let places = self.places.lock();
        let all = places.all.iter().filter_map(|place| place.instance.as_ref());
        all.filter(|instance| instance.is_part_of(activity)).cloned().collect()
    }

    /// Those that live as long as the grid: what each is called, its kind, and its cores.
    pub fn lasting(&self) -> Vec<(String, Class, Vec<CoreId>)> {
        let places = self.places.lock();
        let all = places.all.iter().filter_map(|place| place.instance.as_ref());
        let lasting = all.filter(|instance| !instance.mortal);
        lasting.map(|one| (one.name.clone(), one.class, one.cores.clone())).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.lock().all.iter().filter(|place| place.instance.is_some()).count()
    }
}
