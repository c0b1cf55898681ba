//! A grid with files above the real resources of storage, above a simulated disk.

use std::boxed::Box;
use std::string::{String, ToString};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use vortex_abi::Errno;
use vortex_grid::policy::{Metric, Params};
use vortex_grid::{
    Class, Core, CoreSpec, Entitlement, Frequency, Grid, GridSpec, InstanceSpec, Labels, Machine,
    Message, Parent, Port, Refused, Standing, Step, carries,
};
use vortex_storage::{
    Channel, CommandRequest, DeviceRequest, Driver, InterruptRequest, Interrupts, Reply, Scsi,
    ScsiRequest, Ticket, Translator, VolumeId, VolumeRequest, Volumes,
};
use vortex_units::{ActivityId, CoreId, Cycles, Share};

use super::disk::{Disk, Queue, SECTOR};
use super::programs::{Ask, Do, File, Got, Maps, Programs, Refuses, Results, Shows};
use super::ram::{Frame, Pool, Ram};
use crate::{
    Answer, CacheReply, CacheRequest, Ext2, Ext2Reply, Ext2Request, FileCache, FileId, Logic,
    MountId, Mounted, Ports, Time, Wiring,
};

pub enum Mail {
    Ask(Box<Ask>),
    Nothing(()),
    Device(DeviceRequest<Ram>),
    Interrupt(InterruptRequest),
    Command(CommandRequest<Ram>),
    Scsi(ScsiRequest<Ram>),
    Volume(VolumeRequest<Ram>),
    Reply(Reply<Ram>),
    Cache(CacheRequest<Frame>),
    Cached(CacheReply),
    Ext2(Ext2Request),
    Answered(Ext2Reply),
}

impl Message for Mail {}

carries!(
    Mail: Ask(Box<Ask>), Nothing(()), Device(DeviceRequest<Ram>), Interrupt(InterruptRequest),
    Command(CommandRequest<Ram>), Scsi(ScsiRequest<Ram>), Volume(VolumeRequest<Ram>),
    Reply(Reply<Ram>), Cache(CacheRequest<Frame>), Cached(CacheReply), Ext2(Ext2Request),
    Answered(Ext2Reply),
);

pub struct Clock(Arc<AtomicU64>);

impl Machine for Clock {
    fn now(&mut self) -> Cycles {
        Cycles::new(self.0.fetch_add(10, Ordering::Relaxed))
    }
    fn poke(&mut self, _: CoreId) {}
    fn frequency(&self) -> Frequency {
        Frequency::megahertz(1)
    }
}

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn says(line: &str) {
    SAID.lock().unwrap().push(line.to_string());
}

pub const MOUNT: MountId = MountId(1);

pub struct World {
    pub disk: Arc<Mutex<Disk<Ticket<Mail>>>>,
    pub storage: Arc<vortex_storage::Wiring<Mail, Ram>>,
    pub wiring: Arc<Wiring<Mail, Frame>>,
    pub pool: Pool,
    pub results: Results,
    pub maps: Maps,
    pub refuses: Refuses,
    pub grid: Arc<Grid<Mail>>,
    pub cores: Vec<Core<Mail, Clock>>,
    pub clock: Arc<AtomicU64>,
    programs: Port<Programs>,
    random: u64,
    asked: usize,
    /// The disk does nothing.
    pub held: bool,
}

type Make = dyn Fn() -> Option<(u32, Box<dyn Logic>)> + Send + Sync;

impl World {
    /// A disk with this image and room for so many requests; a file system on all of it, with
    /// blocks of so many bytes and this logic, if it is not to be mounted.
    pub fn new(image: Vec<u8>, size: usize, make: Box<Make>) -> Self {
        let frequency = Frequency::megahertz(1);
        let grid = Grid::new(GridSpec {
            cores: 2,
            activities: 16,
            infrastructure: Entitlement::new(Share::ONE),
            frequency,
            buses: Vec::new(),
        });
        let disk = Disk::new(image, size);
        let channel = Channel::new(CoreId::new(1), frequency, Box::new(Queue(disk.clone())));
        let storage = vortex_storage::Wiring::new(vec![channel], 15, CoreId::new(0), says);
        let pool = Pool::default();
        let clock = |now: Cycles| Time {
            seconds: 1_000_000_000 + (now.get() / 1_000_000) as i64,
            nanos: 0,
        };
        let wiring = Wiring::new(storage.clone(), Box::new(pool.clone()), clock, says);
        let mut class = 0;
        let mut spec = |name: &str, cores: &[u16], metric| {
            class += 1;
            let parent = Parent::Multiplexor(Standing::new(Share::ONE));
            let params = Params::new(metric, 1_000_000);
            InstanceSpec {
                name: name.into(),
                class: Class(class),
                scheduler: vortex_schedulers::make("propshare.wfq", params).unwrap(),
                cores: cores.iter().map(|&core| (CoreId::new(core), parent)).collect(),
                owner: ActivityId::INFRASTRUCTURE,
                batch: 1,
                favours: None,
            }
        };
        let (a, b, c, d, e) =
            (storage.clone(), storage.clone(), storage.clone(), storage.clone(), storage.clone());
        let ports = vortex_storage::Ports {
            driver: grid.add(spec("drwr", &[1], Metric::Bytes), move |_| Driver::new(a.clone())),
            interrupts: grid.add(spec("dir", &[1], Metric::Cycles), move |_| {
                Interrupts::new(b.clone(), frequency)
            }),
            translator: grid
                .add(spec("sdrwr", &[0, 1], Metric::Bytes), move |_| Translator::new(c.clone())),
            scsi: grid.add(spec("scsi", &[0, 1], Metric::Bytes), move |_| Scsi::new(d.clone())),
            volumes: grid
                .add(spec("storage", &[0, 1], Metric::Bytes), move |_| Volumes::new(e.clone())),
        };
        let volumes = ports.volumes;
        storage.ports.call_once(|| ports);
        let (given, mounts) = (wiring.clone(), Arc::new(make));
        let volume = VolumeId::disk(0).unwrap();
        let ext2 = grid.add(spec("ext2", &[0], Metric::Bytes), move |_| {
            let mut ext2 = Ext2::new(given.clone());
            if let Some((block, logic)) = mounts() {
                let sectors = block / SECTOR as u32;
                ext2.serve(MOUNT, Mounted { volume, sectors, block }, logic);
            }
            ext2
        });
        let given = wiring.clone();
        let cache = grid.add(spec("fcr", &[0], Metric::Cycles), move |_| {
            FileCache::new(given.clone(), frequency)
        });
        wiring.ports.call_once(|| Ports { cache, ext2, volumes });
        let results = Results::default();
        let maps = Maps::default();
        let (given, theirs, shown) = (wiring.clone(), results.clone(), maps.clone());
        let programs = grid.add(spec("programs", &[0, 1], Metric::Cycles), move |_| Programs {
            wiring: given.clone(),
            maps: shown.clone(),
            results: theirs.clone(),
        });
        let refuses = Refuses::default();
        let refused = refuses.clone();
        wiring.showing.call_once(|| Box::new(Shows(programs, refused)));
        let clock = Arc::new(AtomicU64::new(0));
        let cores = (0..2)
            .map(|core| {
                let params = Params::new(Metric::Cycles, 100_000);
                let policy = vortex_schedulers::make("propshare.wfq", params).unwrap();
                let spec = CoreSpec::new(CoreId::new(core), policy);
                Core::new(&grid, Clock(clock.clone()), spec).unwrap()
            })
            .collect();
        let (random, asked, held) = (2011, 0, false);
        let mut world = Self {
            disk,
            storage,
            wiring,
            pool,
            results,
            maps,
            refuses,
            grid,
            cores,
            clock,
            programs,
            random,
            asked,
            held,
        };
        let own = ActivityId::INFRASTRUCTURE;
        let scsi = world.storage.ports.get().unwrap().scsi;
        world.cores[0].root(own, scsi, Labels::NONE, ScsiRequest::Find(0)).unwrap();
        world.cores[0].root(own, cache, Labels::NONE, CacheRequest::tick()).unwrap();
        world.cores[0].root(own, ext2, Labels::NONE, Ext2Request::Tick).unwrap();
        world.settle();
        assert!(world.storage.has_found());
        world
    }

    pub fn was_said(&self, words: &str) -> bool {
        SAID.lock().unwrap().iter().any(|line| line.contains(words))
    }

    /// The disk's file system is served: by which name, and how large its blocks are.
    pub fn mount(&mut self, who: ActivityId) -> (MountId, u32) {
        match self.run(who, Do::Mount(VolumeId::disk(0).unwrap(), false)) {
            Ok(Got::Answer(Answer::Mounted(served))) => {
                assert_eq!(served.read_only, None);
                (served.mount, served.block)
            }
            other => panic!("{other:?}"),
        }
    }

    pub fn activity(&self, hundredths: u32) -> ActivityId {
        let share = Share::from_hundredths(hundredths).unwrap();
        self.grid.activities().create(Entitlement::new(share)).unwrap()
    }

    /// A number below this: SplitMix64.
    pub fn random(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % below
    }

    pub fn seed(&mut self, seed: u64) {
        self.random = seed;
    }

    pub fn file(&self, ino: u32, block: u32, size: u64) -> File {
        let who = ActivityId::INFRASTRUCTURE;
        self.wiring.files.open(FileId { mount: MOUNT, ino }, block, size, who)
    }

    /// A program asks for something. Its number.
    pub fn ask(&mut self, activity: ActivityId, what: Do) -> usize {
        let number = self.asked;
        self.asked += 1;
        for _ in 0..1_000_000 {
            let ask = Box::new(Ask { number, what: what.clone(), done: 0, data: Vec::new() });
            let core = &mut self.cores[number % 2];
            match core.root(activity, self.programs, Labels::NONE, ask) {
                Ok(()) => return number,
                // Of what it was billed back something is worn off first.
                Err(Refused::OverBudget) => self.clock.fetch_add(10_000, Ordering::Relaxed),
                Err(refused) => panic!("{refused:?}"),
            };
            self.steps(1);
        }
        panic!("in debt for ever");
    }

    pub fn result(&self, number: usize) -> Option<Result<Got, Errno>> {
        self.results.lock().unwrap().get(&number).cloned()
    }

    /// Asks, and waits for it.
    pub fn run(&mut self, activity: ActivityId, what: Do) -> Result<Got, Errno> {
        let number = self.ask(activity, what);
        self.settle();
        self.result(number).expect("not answered")
    }

    pub fn read(
        &mut self,
        who: ActivityId,
        file: &File,
        at: u64,
        bytes: usize,
    ) -> Result<Vec<u8>, Errno> {
        let file = file.clone();
        match self.run(who, Do::Read { file, at, bytes })? {
            Got::Bytes(bytes) => Ok(bytes),
            other => panic!("{other:?}"),
        }
    }

    pub fn write(
        &mut self,
        who: ActivityId,
        file: &File,
        at: u64,
        bytes: &[u8],
    ) -> Result<usize, Errno> {
        let (file, bytes) = (file.clone(), bytes.to_vec());
        match self.run(who, Do::Write { file, at, bytes })? {
            Got::Count(count) => Ok(count),
            other => panic!("{other:?}"),
        }
    }

    /// Each core does one thing, and the interrupt is looked for.
    pub fn step(&mut self) -> bool {
        let mut ran = false;
        let interrupts = self.disk.lock().unwrap().interrupts();
        let channel = self.storage.channel(CoreId::new(1)).unwrap();
        if interrupts && channel.interrupted() {
            let port = self.storage.ports.get().unwrap().interrupts;
            let own = ActivityId::INFRASTRUCTURE;
            let request = InterruptRequest::Interrupt;
            self.cores[1].root(own, port, Labels::NONE, request).unwrap();
        }
        for core in &mut self.cores {
            match core.step() {
                Step::Ran => ran = true,
                _ => core.wake(),
            }
            if self.clock.load(Ordering::Relaxed).is_multiple_of(64) {
                assert!(core.audit().is_ok());
            }
        }
        ran || interrupts
    }

    /// The disk does one of the things that it has, any of them.
    pub fn work(&mut self) {
        let which = self.random(1 << 20) as usize;
        if !self.held {
            self.disk.lock().unwrap().work(which);
        }
    }

    pub fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.work();
            self.step();
        }
    }

    /// Goes on until nobody has anything to do but wait for a timer.
    pub fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..4_000_000 {
            self.work();
            quiet = if self.step() { 0 } else { quiet + 1 };
            let idle = self.held || self.disk.lock().unwrap().is_idle();
            // A core that has no room for requests looks again after a millisecond.
            if quiet > 150 && idle {
                return;
            }
        }
        panic!("it does not come to an end");
    }

    /// So much time passes.
    pub fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.clock.fetch_add(500_000, Ordering::Relaxed);
            self.settle();
        }
    }

    /// What an activity has used of a resource, on both cores: cycles and bytes.
    pub fn used(&mut self, resource: &str, activity: ActivityId) -> (u64, u64) {
        let mut sum = (0, 0);
        for core in &mut self.cores {
            let report = core.report();
            let mut rows = report.clients.iter();
            let row = rows.find(|row| row.resource == resource && row.activity == activity);
            let (cycles, bytes) =
                row.map_or((0, 0), |row| (row.usage.cycles.get(), row.usage.bytes.get()));
            sum = (sum.0 + cycles, sum.1 + bytes);
        }
        sum
    }

    /// Nobody holds anything that a request left behind.
    pub fn assert_nothing_left(&self, activities: &[ActivityId]) {
        for activity in activities {
            assert_eq!(self.grid.activities().nodes(*activity), 0, "requests of {activity}");
        }
    }
}
