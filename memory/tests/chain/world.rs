//! The grid with the chain on it, and what the test knows beside.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use vortex_grid::policy::{Metric, Params};
use vortex_grid::{
    Class, Context, Core, CoreSpec, Entitlement, Frequency, Grid, GridSpec, InstanceSpec, Labels,
    Machine, Parent, Port, Standing, Step,
};
use vortex_memory::policy::Policy;
use vortex_memory::{Budget, FrameId, Left, Multiplexor, Order, ResourceId, Spec};
use vortex_units::{ActivityId, CoreId, Cycles, Frames, Share};

use crate::asr::Spaces;
use crate::files::{Executables, FileCache};
use crate::mail::{AsrRequest, ErRequest, FcrRequest, Mail, Touch};
use crate::memory::Memory;
use crate::swap::Swap;

pub const ASR: ResourceId = resource(0);
pub const ER: ResourceId = resource(1);
pub const FCR: ResourceId = resource(2);
pub const SR: ResourceId = resource(3);

const fn resource(number: u8) -> ResourceId {
    match ResourceId::new(number) {
        Some(resource) => resource,
        None => panic!("a small number"),
    }
}

/// Pages from here on are text, the same for all.
pub const TEXT: u64 = 100;
/// Pages of data, and of text, that each program touches.
const PAGES: u64 = 40;
const BLOCKS: u64 = 12;
const CORES: u16 = 2;

#[derive(Clone)]
pub struct Case {
    pub seed: u64,
    /// Minimum, and what soft and hard limit are beyond.
    pub budgets: Vec<(u64, u64, u64)>,
    pub frames: u32,
    pub policy: &'static dyn Policy,
    /// Of a hundred: refusals, failures of the device, pins.
    pub rates: (u32, u32, u32),
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seed, budgets, frames, policy, rates } = self;
        write!(f, "seed {seed}, {frames} frames, {}, {budgets:?}, rates {rates:?}", policy.name())
    }
}

/// What is left to chance.
pub enum Draw {
    Refusal,
    Failure,
}

/// A page of an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    Absent,
    Here(FrameId),
    /// With SR.
    Away,
    /// A request is about it; whether it is with SR, for pages of data.
    Busy(Option<bool>),
}

pub type Place = (usize, u64);

pub fn key((activity, page): Place) -> u64 {
    (activity as u64) << 32 | page
}

pub fn unkey(key: u64) -> Place {
    ((key >> 32) as usize, key & 0xffff_ffff)
}

/// What a block has in it.
pub fn text(block: u64) -> u64 {
    block * 1_000_003
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub good: u64,
    pub no_memory: u64,
    pub broken: u64,
    pub orders: u64,
}

pub struct Ports {
    pub asr: Port<Spaces>,
    pub er: Port<Executables>,
    pub fcr: Port<FileCache>,
    pub sr: Port<Swap>,
    pub memory: Port<Memory>,
}

/// What the resources share.
pub struct Shared {
    pub memory: Multiplexor,
    pub ports: OnceLock<Ports>,
    pub blocks: Mutex<BTreeMap<u64, (FrameId, ActivityId)>>,
    pages: Mutex<BTreeMap<Place, Page>>,
    /// What was written last.
    versions: Mutex<BTreeMap<Place, u64>>,
    contents: Mutex<BTreeMap<FrameId, u64>>,
    counts: Mutex<Counts>,
    activities: Mutex<Vec<ActivityId>>,
    random: Mutex<u64>,
    rates: (u32, u32, u32),
}

impl Shared {
    pub fn page(&self, place: Place) -> Page {
        self.pages.lock().unwrap().get(&place).copied().unwrap_or(Page::Absent)
    }

    pub fn set(&self, place: Place, page: Page) {
        self.pages.lock().unwrap().insert(place, page);
    }

    pub fn get(&self, frame: FrameId) -> u64 {
        self.contents.lock().unwrap()[&frame]
    }

    pub fn put(&self, frame: FrameId, contents: u64) {
        self.contents.lock().unwrap().insert(frame, contents);
    }

    pub fn expected(&self, place: Place) -> u64 {
        if place.1 >= TEXT {
            return text(place.1);
        }
        self.versions.lock().unwrap().get(&place).copied().unwrap_or(0)
    }

    pub fn written(&self, place: Place, version: u64) {
        self.versions.lock().unwrap().insert(place, version);
    }

    /// The activity of this place.
    pub fn activity(&self, place: usize) -> ActivityId {
        let activities = self.activities.lock().unwrap();
        *activities.iter().find(|activity| activity.index() == place).unwrap()
    }

    /// Sends an order to whom it goes.
    pub fn pass(&self, order: Order, cx: &mut Context<'_, Mail>) {
        let ports = self.ports.get().unwrap();
        match order.to {
            ASR => cx.send(ports.asr, Labels::NONE, AsrRequest::Reclaim(order)),
            ER => cx.send(ports.er, Labels::NONE, ErRequest::Reclaim(order)),
            FCR => cx.send(ports.fcr, Labels::NONE, FcrRequest::Reclaim(order)),
            other => panic!("{other:?} never asked for frames"),
        }
        .unwrap();
    }

    pub fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.lock().unwrap());
    }

    /// A number below this: SplitMix64.
    pub fn random(&self, below: u64) -> u64 {
        let mut state = self.random.lock().unwrap();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % below
    }

    pub fn draw(&self, what: Draw) -> bool {
        let rate = match what {
            Draw::Refusal => self.rates.0,
            Draw::Failure => self.rates.1,
        };
        self.random(100) < u64::from(rate)
    }
}

struct Clock(Arc<AtomicU64>);

impl Machine for Clock {
    fn now(&mut self) -> Cycles {
        Cycles::new(self.0.fetch_add(10, Ordering::Relaxed))
    }
    fn poke(&mut self, _: CoreId) {}
    fn frequency(&self) -> Frequency {
        Frequency::megahertz(1)
    }
}

pub struct World {
    shared: Arc<Shared>,
    grid: Arc<Grid<Mail>>,
    cores: Vec<Core<Mail, Clock>>,
    activities: Vec<ActivityId>,
    budgets: Vec<Budget>,
    calm: bool,
}

impl World {
    pub fn new(case: &Case) -> Self {
        let activities = case.budgets.len() as u32 + 1;
        let grid = Grid::new(GridSpec {
            cores: CORES,
            activities,
            infrastructure: Entitlement::new(Share::ONE),
            frequency: Frequency::megahertz(1),
            buses: Vec::new(),
        });
        let memory = Multiplexor::new(&Spec {
            ranges: &[(1, 1 + case.frames)],
            reserve: Frames::new(2),
            kernel: Frames::ZERO,
            activities,
            cores: CORES,
            reclaimable: 0b0111,
            policy: case.policy,
            links: 256,
        })
        .unwrap();
        let shared = Arc::new(Shared {
            memory,
            ports: OnceLock::new(),
            blocks: Mutex::default(),
            pages: Mutex::default(),
            versions: Mutex::default(),
            contents: Mutex::default(),
            counts: Mutex::default(),
            activities: Mutex::default(),
            random: Mutex::new(case.seed),
            rates: case.rates,
        });
        let mut class = 0;
        let mut spec = |name: &str, cores: &[u16]| {
            class += 1;
            let parent = Parent::Multiplexor(Standing::new(Share::ONE));
            InstanceSpec {
                name: name.into(),
                class: Class(class),
                scheduler: vortex_schedulers::make(
                    "propshare.wfq",
                    Params::new(Metric::Cycles, 100_000),
                )
                .unwrap(),
                cores: cores.iter().map(|&core| (CoreId::new(core), parent)).collect(),
                owner: ActivityId::INFRASTRUCTURE,
                batch: 1,
                favours: None,
            }
        };
        let given = || shared.clone();
        let (a, b, c, d, e) = (given(), given(), given(), given(), given());
        let ports = Ports {
            asr: grid.add(spec("asr", &[0, 1]), move |_| Spaces { shared: a.clone() }),
            er: grid.add(spec("er", &[1]), move |_| Executables {
                shared: b.clone(),
                shown: BTreeMap::new(),
            }),
            fcr: grid.add(spec("fcr", &[0]), move |_| FileCache { shared: c.clone() }),
            sr: grid
                .add(spec("sr", &[1]), move |_| Swap { shared: d.clone(), kept: BTreeMap::new() }),
            memory: grid.add(spec("memory", &[0]), move |_| Memory {
                shared: e.clone(),
                waiting: BTreeMap::new(),
                late: VecDeque::new(),
                next: 0,
            }),
        };
        assert!(shared.ports.set(ports).is_ok());
        let clock = Arc::new(AtomicU64::new(0));
        let cores = (0..CORES)
            .map(|core| {
                let params = Params::new(Metric::Cycles, 100_000);
                let policy = vortex_schedulers::make("propshare.wfq", params).unwrap();
                let spec = CoreSpec::new(CoreId::new(core), policy);
                Core::new(&grid, Clock(clock.clone()), spec).unwrap()
            })
            .collect();
        let (mut ids, mut budgets) = (Vec::new(), Vec::new());
        for &(minimum, soft, hard) in &case.budgets {
            let id = grid.activities().create(Entitlement::new(Share::ONE)).unwrap();
            let frames = |n| Frames::new(n);
            let budget = Budget {
                minimum: frames(minimum),
                soft: Some(frames(minimum + soft)),
                hard: Some(frames(minimum + soft + hard)),
                objects: None,
            };
            shared.memory.open(id, budget).unwrap();
            shared.activities.lock().unwrap().push(id);
            ids.push(id);
            budgets.push(budget);
        }
        let calm = case.rates == (0, 0, 0);
        Self { shared, grid, cores, activities: ids, budgets, calm }
    }

    fn counts(&self) -> Counts {
        *self.shared.counts.lock().unwrap()
    }

    /// Every activity touches as many pages, a few at a time.
    pub fn run(&mut self, touches: u64) {
        let mut sent = 0;
        let all = touches * self.activities.len() as u64;
        let mut steps = 0;
        while sent < all {
            for index in 0..self.activities.len() {
                let activity = self.activities[index];
                let draw = |below| self.shared.random(below);
                let page = if draw(4) == 0 { TEXT + draw(BLOCKS) } else { draw(PAGES) };
                let pin = draw(100) < u64::from(self.shared.rates.2);
                let touch = Touch { page, write: draw(2) == 0, pin, frame: None, waiter: None };
                let port = self.shared.ports.get().unwrap().asr;
                let core = draw(u64::from(CORES)) as usize;
                let labels = Labels::affinity(index as u64);
                let asked = self.cores[core].root(activity, port, labels, AsrRequest::Touch(touch));
                sent += u64::from(asked.is_ok());
            }
            for _ in 0..self.shared.random(120) {
                self.step();
            }
            steps += 1;
            assert!(steps < 100 * touches, "no root is taken any more");
            self.check();
        }
        // All of them end: whoever waits gets its turn.
        let mut left = 400_000;
        loop {
            let Counts { good, no_memory, broken, .. } = self.counts();
            if good + no_memory + broken == all {
                break;
            }
            assert!(
                left > 0,
                "stuck: {:?} of {all}; {:?}; {:?}",
                self.counts(),
                self.shared.memory,
                self.shared
                    .pages
                    .lock()
                    .unwrap()
                    .iter()
                    .filter(|(_, p)| matches!(p, Page::Busy(_)))
                    .collect::<Vec<_>>()
            );
            left -= 1;
            self.step();
        }
        for _ in 0..3_000 {
            self.step();
        }
        self.check();
        let counts = self.counts();
        if self.calm {
            assert_eq!((counts.no_memory, counts.broken), (0, 0), "{counts:?}");
        }
        assert!(counts.good > all / 2, "{counts:?}");
        assert!(counts.orders > 0, "nothing was reclaimed: {counts:?}");
    }

    fn step(&mut self) {
        for core in &mut self.cores {
            if let Step::Idle(_) = core.step() {
                core.wake();
            }
            assert!(core.audit().is_ok());
        }
    }

    fn check(&self) {
        let ledger = self.shared.memory.ledger().unwrap();
        let billed: u64 = ledger.bills.iter().map(|(_, bytes)| bytes.get()).sum();
        assert_eq!(billed + ledger.free.bytes().get(), ledger.total.bytes().get());
        for (&activity, budget) in self.activities.iter().zip(&self.budgets) {
            let charged = self.shared.memory.standing(activity).unwrap().charged;
            assert!(budget.hard.is_none_or(|hard| charged <= hard), "{activity}: {charged}");
        }
    }

    /// All programs end; then everything is back.
    pub fn end(self) {
        let memory = &self.shared.memory;
        let pages = std::mem::take(&mut *self.shared.pages.lock().unwrap());
        let core = CoreId::new(0);
        for (place, page) in pages {
            if let Page::Here(frame) = page {
                if place.1 >= TEXT {
                    assert!(memory.undirect(frame, ASR, vortex_memory::Cookie(key(place))));
                }
                assert!(memory.leave(core, frame, self.shared.activity(place.0)).is_ok());
            }
        }
        let blocks = std::mem::take(&mut *self.shared.blocks.lock().unwrap());
        for (frame, activity) in blocks.into_values() {
            assert_eq!(memory.leave(core, frame, activity), Ok(Left::Freed));
        }
        let ledger = memory.ledger().unwrap();
        assert_eq!(ledger.free, ledger.total, "something is lost");
        for &activity in &self.activities {
            memory.close(activity);
            assert!(memory.retire(activity));
            assert_eq!(self.grid.activities().nodes(activity), 0);
        }
    }
}
