//! A grid with nothing in it but what the toolkit itself costs: a null handler, a clock
//! that is a counter.

use std::sync::Arc;

use vortex_grid::policy::{LoadSharing, Metric, Params, Scheduler};
use vortex_grid::{
    Activities, Carries, Class, Context, Core, CoreSpec, Entitlement, Frequency, Grid, GridSpec,
    InstanceSpec, Labels, Machine, Message, Outcome, Parent, Port, Resource, Standing,
};
use vortex_units::{ActivityId, CoreId, Cycles, InstanceId, Micros, Share};

/// A message as large as messages may be, so that sizes and copies are the worst ones.
pub enum Mail {
    /// The request.
    Go(Go),
    /// The reply, never sent.
    Gone(Gone),
    /// What makes it large.
    #[expect(dead_code, reason = "only its size matters")]
    Filler([u64; 15]),
}

/// The null handler's request.
pub struct Go;

/// Its reply.
pub struct Gone;

impl Message for Mail {}

impl Carries<Go> for Mail {
    fn wrap(payload: Go) -> Self {
        Self::Go(payload)
    }
    fn unwrap(self) -> Option<Go> {
        match self {
            Self::Go(payload) => Some(payload),
            _ => None,
        }
    }
    fn get_mut(&mut self) -> Option<&mut Go> {
        match self {
            Self::Go(payload) => Some(payload),
            _ => None,
        }
    }
}

impl Carries<Gone> for Mail {
    fn wrap(payload: Gone) -> Self {
        Self::Gone(payload)
    }
    fn unwrap(self) -> Option<Gone> {
        match self {
            Self::Gone(payload) => Some(payload),
            _ => None,
        }
    }
    fn get_mut(&mut self) -> Option<&mut Gone> {
        match self {
            Self::Gone(payload) => Some(payload),
            _ => None,
        }
    }
}

/// Does nothing but send one request on, so that requests circulate.
pub struct Relay {
    next: Port<Relay>,
}

impl Resource<Mail> for Relay {
    type Request = Go;
    type Reply = Gone;
    const FAN_OUT: u32 = 1;

    fn handle(&mut self, _: &mut Go, cx: &mut Context<'_, Mail>) -> Outcome<Mail, Self> {
        match cx.send(self.next, Labels::NONE, Go) {
            Ok(()) => Outcome::Done,
            // Cannot be, with a fan-out of one; the count of requests served would show it.
            Err(_) => Outcome::Continue(vortex_grid::At::beginning()),
        }
    }
}

/// The trivial machine: a clock that advances by a fixed amount at each reading.
pub struct Counter(u64);

impl Machine for Counter {
    fn now(&mut self) -> Cycles {
        self.0 += 100;
        Cycles::new(self.0)
    }

    fn poke(&mut self, _: CoreId) {}

    fn frequency(&self) -> Frequency {
        FREQUENCY
    }
}

const FREQUENCY: Frequency = Frequency::megahertz(1_000);
/// The most debt (law 2), 100 ms, in cycles.
const DEBT_CAP: u64 = 100_000_000;

/// What schedules where nothing is said.
pub const WFQ: &str = "propshare.wfq";

/// A policy, counting cycles.
fn policy(name: &str, load_sharing: Option<Box<dyn LoadSharing>>) -> Option<Arc<dyn Scheduler>> {
    let mut params = Params::new(Metric::Cycles, DEBT_CAP);
    params.frequency = Some(FREQUENCY);
    params.load_sharing = load_sharing;
    vortex_schedulers::make(name, params).ok()
}

/// A grid of so many cores and activities, without resources.
pub fn grid(cores: u16, activities: u32) -> Arc<Grid<Mail>> {
    Grid::new(GridSpec {
        cores,
        activities: activities + 1,
        infrastructure: Entitlement::new(Share::ONE),
        frequency: FREQUENCY,
        buses: Vec::new(),
    })
}

/// Adds a relay on these cores that sends on to the instance numbered `next`.
pub fn relay(grid: &Arc<Grid<Mail>>, name: &str, cores: &[u16], next: u16) -> Option<Port<Relay>> {
    let spec = InstanceSpec {
        name: "relay".into(),
        class: Class(0),
        scheduler: policy(name, None)?,
        cores: cores
            .iter()
            .map(|&c| (CoreId::new(c), Parent::Multiplexor(Standing::new(Share::ONE))))
            .collect(),
        owner: ActivityId::INFRASTRUCTURE,
        batch: 1,
        favours: None,
    };
    Some(grid.add(spec, move |_| Relay { next: Port::new(InstanceId::new(next)) }))
}

/// A core with this policy as its multiplexor's.
pub fn core(
    grid: &Arc<Grid<Mail>>,
    name: &str,
    core: u16,
    charge_through: bool,
    run_on: Micros,
) -> Option<Core<Mail, Counter>> {
    let mut spec = CoreSpec::new(CoreId::new(core), policy(name, None)?);
    spec.charge_through = charge_through;
    spec.run_on = run_on;
    Core::new(grid, Counter(0), spec)
}

/// Creates activities whose shares differ, so that schedulers have something to decide.
pub fn create(activities: &Activities, count: u32) -> Option<Vec<ActivityId>> {
    (0..count)
        .map(|index| {
            let share = Share::from_units(1 + index % 10).ok()?;
            activities.create(Entitlement::new(share)).ok()
        })
        .collect()
}
