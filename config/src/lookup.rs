//! Questions that whoever builds the grid asks of a configuration.

use vortex_units::{CoreId, Micros, Rate, Share};

use crate::{
    Activity, ActivityIndex, Algorithm, Config, Entitlement, GroupIndex, Multiplexor,
    ResourceIndex, ResourceScheduler, Source,
};

/// The resource with an instance for each process.
pub const THREAD: &str = "resource.thread";

impl Activity {
    /// The share at a resource's scheduler on a core, or at the core's multiplexor where
    /// `resource` is `None`. What is said of both resource and core goes before what is
    /// said of the resource, and that before the activity's own share.
    #[must_use]
    pub fn share_at(&self, resource: Option<ResourceIndex>, core: CoreId) -> Share {
        self.most_specific(resource, core, |entitlement| entitlement.share).unwrap_or(self.share)
    }

    /// The priority there, by the same rule.
    #[must_use]
    pub fn priority_at(&self, resource: Option<ResourceIndex>, core: CoreId) -> u32 {
        self.most_specific(resource, core, |entitlement| entitlement.priority)
            .unwrap_or(self.priority)
    }

    /// What is reserved for it there, by the same rule.
    #[must_use]
    pub fn reservation_at(&self, resource: Option<ResourceIndex>, core: CoreId) -> Option<Rate> {
        self.most_specific(resource, core, |entitlement| entitlement.reservation)
    }

    /// Within what time it is to be served there, by the same rule.
    #[must_use]
    pub fn period_at(&self, resource: Option<ResourceIndex>, core: CoreId) -> Option<Micros> {
        self.most_specific(resource, core, |entitlement| entitlement.period)
    }

    /// What it has there at most, by the same rule.
    #[must_use]
    pub fn limit_at(&self, resource: ResourceIndex, core: CoreId) -> Option<Rate> {
        self.most_specific(Some(resource), core, |entitlement| entitlement.limit)
    }

    fn most_specific<T>(
        &self,
        resource: Option<ResourceIndex>,
        core: CoreId,
        value: impl Fn(&Entitlement) -> Option<T>,
    ) -> Option<T> {
        let find = |wanted: Option<CoreId>| {
            let fits = |e: &&Entitlement| e.resource == resource && e.core == wanted;
            self.entitlements.iter().filter(fits).find_map(&value)
        };
        find(Some(core)).or_else(|| find(None))
    }
}

impl Config {
    /// The algorithms of schedulers that put activities into groups.
    pub fn grouping(&self) -> impl Iterator<Item = &Algorithm> {
        let multiplexors = self.multiplexors.iter().map(|multiplexor| &multiplexor.algorithm);
        let resources = self.resources.iter().map(|resource| &resource.algorithm);
        multiplexors.chain(resources).filter(|algorithm| algorithm.uses_groups)
    }

    /// By which policy a scheduler deals with an activity: its group's, if it looks at groups and
    /// the activity is of one.
    #[must_use]
    pub fn policy_of<'a>(
        &'a self,
        algorithm: &'a Algorithm,
        group: Option<GroupIndex>,
    ) -> &'a Algorithm {
        let group = group.filter(|_| algorithm.uses_groups);
        let group = group.and_then(|group| self.groups.get(group.index()));
        group.map_or(algorithm, |group| &group.algorithm)
    }

    /// The multiplexor of a core.
    #[must_use]
    pub fn multiplexor(&self, core: CoreId) -> Option<&Multiplexor> {
        self.multiplexors.iter().find(|multiplexor| multiplexor.core == core)
    }

    /// The scheduler of `resource.thread`, if it is configured.
    #[must_use]
    pub fn thread(&self) -> Option<&ResourceScheduler> {
        self.resources.iter().find(|resource| resource.resource == THREAD)
    }

    /// The share that all of an activity's thread instances have together as clients of
    /// whatever `resource.thread` draws from on this core; `None` where threads do not run.
    ///
    /// Where the draw has a share, it is divided among all activities but the
    /// infrastructure in proportion to theirs, rounded down, never to nothing.
    #[must_use]
    pub fn thread_share(&self, activity: ActivityIndex, core: CoreId) -> Option<Share> {
        let thread = self.thread()?;
        let draw = thread.draws.iter().find(|draw| self.reaches(draw.from, core))?;
        let own = self.activities.get(activity.index())?.share_at(None, core);
        let Some(together) = draw.share else { return Some(own) };
        let all: u64 = self
            .activities
            .iter()
            .skip(1)
            .map(|activity| u64::from(activity.share_at(None, core).hundredths()))
            .sum();
        let part = u64::from(together.hundredths()) * u64::from(own.hundredths()) / all.max(1);
        Share::from_hundredths(u32::try_from(part).ok()?.max(1)).ok()
    }

    /// Whether a source gives time on this core.
    #[must_use]
    pub fn reaches(&self, source: Source, core: CoreId) -> bool {
        match source {
            Source::Multiplexor(own) => own == core,
            Source::Scheduler(index) => {
                self.schedulers.get(index.index()).is_some_and(|s| s.cores.contains(&core))
            }
        }
    }

    /// The policy of a source.
    #[must_use]
    pub fn policy(&self, source: Source) -> Option<&Algorithm> {
        match source {
            Source::Multiplexor(core) => self.multiplexor(core).map(|m| &m.algorithm),
            Source::Scheduler(index) => self.schedulers.get(index.index()).map(|s| &s.algorithm),
        }
    }
}
