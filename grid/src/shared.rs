//! The grid: what its cores share. Everything in it is read anywhere; what changes is
//! atomic, or under a leaf lock off the hot path.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_units::{ActivityId, CoreId, Cycles, InstanceId};

use crate::activity::Activities;
use crate::binding::{Bindings, Bound, Label};
use crate::change::Changes;
use crate::directory::Directory;
use crate::entitlement::{Class, Entitlement};
use crate::instance::{Gate, Instance, InstanceSpec};
use crate::kind::Family;
use crate::machine::Frequency;
use crate::message::{Carries, Message, Port};
use crate::policy::{CoreLoad, LoadShare, Scheduler};
use crate::post::Post;
use crate::resource::Resource;

/// A scheduler from which other schedulers request (§3.1: the I/O bus).
pub struct BusSpec {
    /// Its name in reports.
    pub name: String,
    /// Its policy.
    pub scheduler: Arc<dyn Scheduler>,
    /// Of whom it requests in turn, on every core that has children of it.
    pub parent: crate::Parent,
}

/// How a grid is to be made.
pub struct GridSpec {
    /// How many cores, from zero.
    pub cores: u16,
    /// How many activities there can be at once, infrastructure included.
    pub activities: u32,
    /// What infrastructure is entitled to.
    pub infrastructure: Entitlement,
    /// The clock of all cores.
    pub frequency: Frequency,
    /// Schedulers of schedulers; a parent comes before its children.
    pub buses: Vec<BusSpec>,
}

/// A resource grid.
pub struct Grid<M> {
    pub(crate) posts: Box<[Arc<Post<M>>]>,
    pub(crate) directory: Directory<M>,
    pub(crate) bindings: Bindings,
    pub(crate) buses: Vec<BusSpec>,
    pub(crate) frequency: Frequency,
    pub(crate) changes: Changes,
    activities: Activities,
}

impl<M: Message> Grid<M> {
    /// Makes a grid without resources.
    #[must_use]
    pub fn new(spec: GridSpec) -> Arc<Self> {
        let cores = usize::from(spec.cores);
        Arc::new(Self {
            posts: (0..spec.cores).map(|core| Arc::new(Post::new(CoreId::new(core)))).collect(),
            directory: Directory::new(),
            bindings: Bindings::new(),
            buses: spec.buses,
            frequency: spec.frequency,
            changes: Changes::default(),
            activities: Activities::new(spec.activities, cores, spec.infrastructure),
        })
    }

    /// Adds an instance of a resource; `make` makes the part of it that serves one core,
    /// when that core first has a request for it.
    pub fn add<R>(
        &self,
        spec: InstanceSpec,
        make: impl Fn(CoreId) -> R + Send + Sync + 'static,
    ) -> Port<R>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        let id = self.directory.kind(spec, false, make).map(|kind| self.directory.settle(kind));
        // Where there are as many as there can be, the port is one of nobody: what is sent
        // there is refused.
        Port::new(id.unwrap_or(InstanceId::OUTSIDE))
    }

    /// Makes a family of instances that come and go. `None` if there are as many names in
    /// use as there can be.
    pub fn family<R>(
        &self,
        spec: InstanceSpec,
        make: impl Fn(CoreId) -> R + Send + Sync + 'static,
    ) -> Option<Family<M, R>>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        self.directory.kind(spec, true, make).map(|kind| Family::new(Arc::new(kind)))
    }

    /// Another instance of a family, on its owner's bill; it is there until it is removed,
    /// or its owner dies. `None` if there are as many as there can be.
    pub fn bear<R>(&self, family: &Family<M, R>) -> Option<Port<R>> {
        let instance = self.directory.bear(&family.kind)?;
        self.activities.hold(instance.owner, instance.bytes());
        Some(Port::new(instance.id))
    }

    /// Removes an instance of a family. From now on what is sent there is refused, as is
    /// what is still queued, pending or suspended there: answered with an error, so that
    /// nothing is lost. The cores that have a part of it give it up when they next take a
    /// turn; none is woken for that. False if it was removed before.
    pub fn remove<R>(&self, port: Port<R>) -> bool {
        self.retire(port.instance())
    }

    /// How many instances there are, those included whose last parts are still to go.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.directory.len()
    }

    pub(crate) fn retire(&self, id: InstanceId) -> bool {
        let Some(instance) = self.directory.get(id).filter(|instance| instance.mortal) else {
            return false;
        };
        let Some(places) = instance.life.close() else { return false };
        let labels: Arc<[_]> = instance.life.take_labels().into();
        for &(activity, affinity) in labels.iter() {
            let label = Label { instance: id, activity, affinity };
            if let Some(core) = self.bindings.remove(label) {
                self.count_binding(&instance, core, false);
            }
        }
        if places.is_empty() {
            self.forget(id);
        }
        for place in places {
            let core = instance.cores.get(place);
            if let Some(post) = core.and_then(|core| self.posts.get(core.index())) {
                post.retire((id, labels.clone()));
            }
        }
        true
    }

    /// No core has a part of the instance any more.
    pub(crate) fn forget(&self, id: InstanceId) {
        if let Some(instance) = self.directory.free(id) {
            self.activities.release(instance.owner, instance.bytes());
        }
    }

    /// The table of activities.
    #[must_use]
    pub fn activities(&self) -> &Activities {
        &self.activities
    }

    /// The name of an instance.
    #[must_use]
    pub fn instance_name(&self, instance: InstanceId) -> Option<String> {
        self.directory.get(instance).map(|entry| entry.name.clone())
    }

    /// The instances that live as long as the grid: what each is called, what kind of resource
    /// it is, and its cores.
    #[must_use]
    pub fn resources(&self) -> Vec<(String, Class, Vec<CoreId>)> {
        self.directory.lasting()
    }

    /// The number of cores.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.posts.len()
    }

    /// Leaf locks taken so far, for the report on what locks cost.
    #[must_use]
    pub fn locks_taken(&self) -> u64 {
        self.bindings.locks_taken()
    }

    /// Labels that are bound, for the report on what they take: a look at all of them.
    #[must_use]
    pub fn labels_bound(&self) -> usize {
        self.bindings.len()
    }

    /// A handle with which a device-scope suspension is ended from anywhere, also where no
    /// request is being handled (an interrupt's low-level handler).
    #[must_use]
    pub fn resumer(self: &Arc<Self>, instance: InstanceId) -> Option<Resumer<M>> {
        Some(Resumer { grid: self.clone(), instance: self.directory.get(instance)? })
    }

    /// Asks the instance's scheduler where a label should run (`load_share`).
    pub(crate) fn choose(&self, instance: &Instance<M>, label: Label, now: Cycles) -> Bound {
        let params = |core| self.activities.params(label.activity, instance.class, core);
        let loads: Vec<CoreLoad> = instance
            .cores
            .iter()
            .zip(instance.bound.iter().enumerate())
            .map(|(&core, (place, bound))| CoreLoad {
                own: instance
                    .life
                    .bound_at(place)
                    .map_or(0, |own| own.load(crate::sync::Ordering::Relaxed)),
                bound: bound.load(crate::sync::Ordering::Relaxed),
                received: self.activities.received(label.activity, core),
                share: Some(params(core).share),
                utilization: self.posts.get(core.index()).map_or(0, |post| {
                    let hundredths = post.utilization.load(crate::sync::Ordering::Relaxed);
                    u16::try_from(hundredths).unwrap_or(u16::MAX)
                }),
            })
            .collect();
        let binding = instance.scheduler.load_share(&LoadShare {
            affinity: label.affinity,
            activity: label.activity,
            now,
            cores: &instance.cores,
            loads: &loads,
            last_ran: self.bindings.last_ran(label.affinity),
        });
        // A policy is not trusted: a core outside the configuration is not taken.
        let place = instance.place_of(binding.core).unwrap_or(0);
        let core = instance.cores.get(place).copied().unwrap_or(binding.core);
        let expires = binding.ttl.map(|ttl| now + self.frequency.cycles(ttl));
        Bound { core, expires, settled: true, doomed: false }
    }

    /// Notes that a label was bound to, or is no longer bound to, a core.
    pub(crate) fn count_binding(&self, instance: &Instance<M>, core: CoreId, added: bool) {
        let Some(place) = instance.place_of(core) else { return };
        for counter in instance.bound.get(place).into_iter().chain(instance.life.bound_at(place)) {
            if added {
                counter.fetch_add(1, crate::sync::Ordering::Relaxed);
            } else {
                counter.fetch_sub(1, crate::sync::Ordering::Relaxed);
            }
        }
    }

    /// A binding is no more.
    pub(crate) fn uncount(&self, label: Label, core: CoreId) {
        if let Some(instance) = self.directory.get(label.instance) {
            instance.life.forget(label.activity, label.affinity);
            self.count_binding(&instance, core, false);
        }
    }

    /// Refuses an activity new roots; it is gone when its last request has ended and every
    /// core has closed its accounts ([`Activities::is_gone`]). Calls `poke` for each core
    /// that has to be woken.
    /// Its parts go with it.
    pub fn kill(&self, activity: ActivityId, now: Cycles, mut poke: impl FnMut(CoreId)) -> bool {
        let was_alive = self.activities.kill(activity);
        if !was_alive {
            return false;
        }
        if let Some((whole, _)) = self.activities.part_of(activity) {
            self.activities.dwindle(activity);
            self.reweigh(activity, activity);
            self.reweigh(whole, whole);
        }
        for part in self.activities.parts_of(activity) {
            self.kill_one(part, now, &mut poke);
        }
        self.kill_one(activity, now, &mut poke);
        true
    }

    /// Ends one that is refused new roots, as soon as it can be.
    fn kill_one(&self, activity: ActivityId, now: Cycles, poke: &mut impl FnMut(CoreId)) {
        self.activities.kill(activity);
        if self.activities.nodes(activity) == 0 {
            self.reap(activity, now, poke);
        }
    }

    /// Tells all cores to close the accounts of a zombie whose last request has ended.
    pub(crate) fn reap(&self, activity: ActivityId, now: Cycles, mut poke: impl FnMut(CoreId)) {
        if !self.activities.reap(activity) {
            return;
        }
        for instance in self.directory.owned_by(activity) {
            // Its cores are told of the activity itself.
            let _ = instance.life.close();
        }
        for (label, core) in self.bindings.forget(|label| label.activity == activity) {
            self.uncount(label, core);
        }
        for post in &self.posts {
            post.departed.lock().push(activity);
            if post.call_attention(now, activity) {
                poke(post.core());
            }
        }
    }
}

/// Ends the device-scope suspension of an instance, on all its cores.
pub struct Resumer<M> {
    grid: Arc<Grid<M>>,
    instance: Arc<Instance<M>>,
}

impl<M: Message> Resumer<M> {
    /// Resumes. Calls `poke` for each core that has to be woken.
    pub fn resume(&self, now: Cycles, mut poke: impl FnMut(CoreId)) {
        let gate: &Gate = &self.instance.gate;
        gate.advance();
        for &core in &self.instance.cores {
            if let Some(post) = self.grid.posts.get(core.index())
                && post.call_attention(now, ActivityId::INFRASTRUCTURE)
            {
                poke(core);
            }
        }
    }
}
