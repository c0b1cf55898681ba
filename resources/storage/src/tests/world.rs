//! A grid with the whole chain on it, above a simulated host.

use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use vortex_grid::policy::{Metric, Params};
use vortex_grid::{
    At, Class, Context, Continuation, Core, CoreSpec, Entitlement, Frequency, Grid, GridSpec,
    InstanceSpec, Labels, Machine, Message, Outcome, Parent, Port, Resource, Standing, Step,
    carries,
};
use vortex_units::{ActivityId, CoreId, Cycles, Share};

use super::disk::{Disk, Host, Queue};
use super::ram::Ram;
use crate::{
    Channel, CommandRequest, DeviceRequest, Driver, InterruptRequest, Interrupts, Operation, Ports,
    Reply, Scsi, ScsiRequest, StorageError, Ticket, Translator, VolumeId, VolumeRequest, Volumes,
    Wiring,
};

/// What a program asks for.
pub struct Ask {
    pub number: usize,
    pub volume: VolumeId,
    pub operation: Operation,
    pub block: u64,
    pub data: Ram,
}

pub enum Mail {
    Ask(Ask),
    Nothing(()),
    Device(DeviceRequest<Ram>),
    Interrupt(InterruptRequest),
    Command(CommandRequest<Ram>),
    Scsi(ScsiRequest<Ram>),
    Volume(VolumeRequest<Ram>),
    Reply(Reply<Ram>),
}

impl Message for Mail {
    fn position(&self) -> u64 {
        match self {
            Self::Device(request) => request.position,
            Self::Command(request) => request.command.span().0,
            Self::Scsi(request) => request.position(),
            Self::Volume(request) => request.position(),
            _ => 0,
        }
    }
}

carries!(
    Mail: Ask(Ask), Nothing(()), Device(DeviceRequest<Ram>), Interrupt(InterruptRequest),
    Command(CommandRequest<Ram>), Scsi(ScsiRequest<Ram>), Volume(VolumeRequest<Ram>),
    Reply(Reply<Ram>),
);

/// Programs, with what they were answered, by number.
struct Programs {
    wiring: Arc<Wiring<Mail, Ram>>,
    answers: Answers,
}

pub type Answers = Arc<Mutex<BTreeMap<usize, Result<(), StorageError>>>>;

impl Resource<Mail> for Programs {
    type Request = Ask;
    type Reply = ();
    const FAN_OUT: u32 = 1;

    fn handle(&mut self, ask: &mut Ask, cx: &mut Context<'_, Mail>) -> Outcome<Mail, Self> {
        let Ask { volume, operation, block, .. } = *ask;
        let data = ask.data.clone();
        let request = VolumeRequest::Blocks { volume, operation, block, data };
        let port = self.wiring.ports.get().unwrap().volumes;
        let trigger = cx.request(port, Labels::NONE, request).unwrap();
        Outcome::Pending(trigger, At::routine::<Answered>())
    }
}

struct Answered;

impl Continuation<Mail, Programs> for Answered {
    fn resume(
        programs: &mut Programs,
        ask: &mut Ask,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, Programs> {
        let Ok(Some(Reply::Data(_, result))) = cx.reply::<Reply<Ram>>() else {
            panic!("no reply");
        };
        let before = programs.answers.lock().unwrap().insert(ask.number, result);
        assert!(before.is_none(), "answered twice");
        Outcome::Done
    }
}

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

/// Whether anything with these words was said, by any test.
pub fn was_said(words: &str) -> bool {
    SAID.lock().unwrap().iter().any(|line| line.contains(words))
}

pub struct World {
    pub host: Arc<Mutex<Host<Ticket<Mail>>>>,
    pub wiring: Arc<Wiring<Mail, Ram>>,
    pub answers: Answers,
    pub grid: Arc<Grid<Mail>>,
    pub cores: Vec<Core<Mail, Clock>>,
    pub clock: Arc<AtomicU64>,
    programs: Port<Programs>,
    random: u64,
    asked: usize,
}

impl World {
    /// A host with room for so many requests, and these disks, served by the second of two
    /// cores.
    pub fn new(size: usize, disks: Vec<((u8, u16), Disk)>) -> Self {
        Self::by(size, disks, "propshare.wfq", Metric::Bytes)
    }

    /// The same, DRWR scheduled by this policy and metric.
    pub fn by(size: usize, disks: Vec<((u8, u16), Disk)>, policy: &str, metric: Metric) -> Self {
        let grid = Grid::new(GridSpec {
            cores: 2,
            activities: 16,
            infrastructure: Entitlement::new(Share::ONE),
            frequency: Frequency::megahertz(1),
            buses: Vec::new(),
        });
        let host = Host::new(size);
        host.lock().unwrap().disks.extend(disks);
        let clock = Frequency::megahertz(1);
        let channel =
            Channel::new(CoreId::new(1), clock, std::boxed::Box::new(Queue(host.clone())));
        let wiring = Wiring::new(vec![channel], 255, CoreId::new(0), says);
        let mut class = 0;
        let mut spec = |name: &str, cores: &[u16], counted| {
            class += 1;
            let parent = Parent::Multiplexor(Standing::new(Share::ONE));
            let (policy, counted) =
                if name == "drwr" { (policy, metric) } else { ("propshare.wfq", counted) };
            let params = Params::new(counted, 1_000_000);
            InstanceSpec {
                name: name.into(),
                class: Class(class),
                scheduler: vortex_schedulers::make(policy, params).unwrap(),
                cores: cores.iter().map(|&core| (CoreId::new(core), parent)).collect(),
                owner: ActivityId::INFRASTRUCTURE,
                batch: 1,
                favours: None,
            }
        };
        let frequency = Frequency::megahertz(1);
        let (a, b, c, d, e) =
            (wiring.clone(), wiring.clone(), wiring.clone(), wiring.clone(), wiring.clone());
        let ports = Ports {
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
        wiring.ports.call_once(|| ports);
        let answers = Answers::default();
        let (given, theirs) = (wiring.clone(), answers.clone());
        let programs = grid.add(spec("programs", &[0, 1], Metric::Cycles), move |_| Programs {
            wiring: given.clone(),
            answers: theirs.clone(),
        });
        let clock = Arc::new(AtomicU64::new(0));
        let cores = (0..2)
            .map(|core| {
                let params = Params::new(Metric::Cycles, 100_000);
                let policy = vortex_schedulers::make("propshare.wfq", params).unwrap();
                let spec = CoreSpec::new(CoreId::new(core), policy);
                Core::new(&grid, Clock(clock.clone()), spec).unwrap()
            })
            .collect();
        let (random, asked) = (2011, 0);
        Self { host, wiring, answers, grid, cores, clock, programs, random, asked }
    }

    /// The same with all disks found.
    pub fn found(size: usize, disks: Vec<((u8, u16), Disk)>) -> Self {
        let mut world = Self::new(size, disks);
        world.find();
        world
    }

    pub fn find(&mut self) {
        let port = self.wiring.ports.get().unwrap().scsi;
        let own = ActivityId::INFRASTRUCTURE;
        self.cores[0].root(own, port, Labels::NONE, ScsiRequest::Find(0)).unwrap();
        self.settle();
        assert!(self.wiring.has_found());
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

    /// A program asks for something. Its number.
    pub fn ask(
        &mut self,
        activity: ActivityId,
        volume: VolumeId,
        operation: Operation,
        block: u64,
        data: &Ram,
    ) -> usize {
        let number = self.asked;
        self.asked += 1;
        let ask = Ask { number, volume, operation, block, data: data.clone() };
        let core = number % 2;
        self.cores[core].root(activity, self.programs, Labels::NONE, ask).unwrap();
        number
    }

    /// Each core does one thing, and the interrupt is looked for.
    pub fn step(&mut self) -> bool {
        let mut ran = false;
        let interrupts = self.host.lock().unwrap().interrupts();
        let channel = self.wiring.channel(CoreId::new(1)).unwrap();
        if interrupts && channel.interrupted() {
            let port = self.wiring.ports.get().unwrap().interrupts;
            let own = ActivityId::INFRASTRUCTURE;
            let request = InterruptRequest::Interrupt;
            self.cores[1].root(own, port, Labels::NONE, request).unwrap();
        }
        for core in &mut self.cores {
            match core.step() {
                Step::Ran => ran = true,
                _ => core.wake(),
            }
            assert!(core.audit().is_ok());
        }
        ran || interrupts
    }

    /// Time passes with nobody doing anything.
    pub fn pass(&mut self, span: u64) {
        while self.step() {}
        for core in &mut self.cores {
            assert!(!matches!(core.step(), Step::Ran));
        }
        self.clock.fetch_add(span, Ordering::Relaxed);
        self.cores.iter_mut().for_each(Core::wake);
    }

    /// The host does one of the things that it has, any of them.
    pub fn work(&mut self) {
        let which = self.random(1 << 20) as usize;
        self.host.lock().unwrap().work(which);
    }

    /// Goes on until nobody has anything to do.
    pub fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..1_000_000 {
            self.work();
            quiet = if self.step() { 0 } else { quiet + 1 };
            if quiet > 20 && self.host.lock().unwrap().works.is_empty() {
                return;
            }
        }
        panic!("it does not come to an end");
    }

    pub fn answer(&self, number: usize) -> Option<Result<(), StorageError>> {
        self.answers.lock().unwrap().get(&number).copied()
    }

    /// Asks, and waits for the answer.
    pub fn done(
        &mut self,
        activity: ActivityId,
        volume: &str,
        operation: Operation,
        block: u64,
        data: &Ram,
    ) -> Result<(), StorageError> {
        let number = self.ask(activity, self.named(volume), operation, block, data);
        self.settle();
        self.answer(number).unwrap()
    }

    pub fn named(&self, name: &str) -> VolumeId {
        let all = self.wiring.volumes();
        all.iter().find(|(id, _)| id.to_string() == name).unwrap_or_else(|| panic!("no {name}")).0
    }

    /// What an activity has used of a resource on the core that serves the host.
    pub fn used(&mut self, resource: &str, activity: ActivityId) -> (u64, u64) {
        let report = self.cores[1].report();
        let mut rows = report.clients.iter();
        let row = rows.find(|row| row.resource == resource && row.activity == activity);
        row.map_or((0, 0), |row| (row.usage.cycles.get(), row.usage.bytes.get()))
    }
}
