//! Two machines on a wire, each with the whole chain, and programs that make calls on sockets.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::boxed::Box;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::vec;
use std::vec::Vec;

use vortex_grid::policy::{Metric, Params};
use vortex_grid::{
    At, Class, Context, Continuation, Core, CoreSpec, Entitlement, Frequency, Grid, GridSpec,
    InstanceSpec, Labels, Machine, Message, Outcome, Parent, Resource, Standing, Step, carries,
};
use vortex_schedulers::load::LeastReceived;
use vortex_units::{ActivityId, CoreId, Cycles, Micros, Share};

use super::wire::{Dice, Held, Port, Ram, Receives, Sends, Way, Weather};
use crate::{
    Addresses, Arrived, Bills, Call, Channel, Demultiplexer, Driver, Hooks, InterruptRequest,
    Interrupts, LinkWriter, Moved, NetError, Outgoing, Pool, Ports, Reply, Socket, SocketId, Tcp,
    TcpRequest, TimerRequest, Timers, Transmit, What, Wiring,
};

pub struct Ask {
    number: usize,
    call: Option<Call<Ram>>,
}

pub enum Mail {
    Ask(Ask),
    Nothing(()),
    Interrupt(InterruptRequest),
    Arrived(Arrived<Ram>),
    Tcp(TcpRequest<Ram>),
    Timer(TimerRequest),
    Outgoing(Outgoing<Ram>),
    Transmit(Transmit<Ram>),
    Reply(Reply),
}

impl Message for Mail {}

carries!(
    Mail: Ask(Ask), Nothing(()), Interrupt(InterruptRequest), Arrived(Arrived<Ram>),
    Tcp(TcpRequest<Ram>), Timer(TimerRequest), Outgoing(Outgoing<Ram>), Transmit(Transmit<Ram>),
    Reply(Reply),
);

type Answers = Arc<Mutex<BTreeMap<usize, Result<Moved, NetError>>>>;

/// Programs, with what they were answered, by number.
struct Programs {
    wiring: Arc<Wiring<Mail, Ram>>,
    answers: Answers,
}

impl Resource<Mail> for Programs {
    type Request = Ask;
    type Reply = ();
    const FAN_OUT: u32 = 1;

    fn handle(&mut self, ask: &mut Ask, cx: &mut Context<'_, Mail>) -> Outcome<Mail, Self> {
        let call = ask.call.take().unwrap();
        let labels = Labels::flow(call.socket.label());
        let port = self.wiring.ports.get().unwrap().tcp;
        let trigger = cx.request(port, labels, TcpRequest::Call(call)).unwrap();
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
        let Ok(Some(Reply(result))) = cx.reply::<Reply>() else { panic!("no reply") };
        assert!(programs.answers.lock().unwrap().insert(ask.number, result).is_none());
        Outcome::Done
    }
}

pub struct Clock(Arc<AtomicU64>);

impl Machine for Clock {
    fn now(&mut self) -> Cycles {
        Cycles::new(self.0.fetch_add(1, Ordering::Relaxed))
    }
    fn poke(&mut self, _: CoreId) {}
    fn frequency(&self) -> Frequency {
        Frequency::megahertz(1)
    }
}

/// Random numbers, and who was told.
struct Told {
    dice: Mutex<Dice>,
    told: Arc<Mutex<Vec<SocketId>>>,
}

impl Hooks<Mail> for Told {
    fn random(&self) -> u64 {
        self.dice.lock().unwrap().below(u64::MAX)
    }
    fn ready(&self, socket: SocketId, _: &mut Context<'_, Mail>) {
        self.told.lock().unwrap().push(socket);
    }
}

/// Bills with a limit each.
pub struct Purse(pub Mutex<BTreeMap<ActivityId, i64>>);

impl Bills for Purse {
    fn charge(&self, activity: ActivityId, bytes: u64) -> bool {
        *self.0.lock().unwrap().entry(activity).or_default() += bytes as i64;
        true
    }
    fn refund(&self, activity: ActivityId, bytes: u64) {
        *self.0.lock().unwrap().entry(activity).or_default() -= bytes as i64;
    }
}

fn says(line: &str) {
    std::println!("{line}");
}

/// A machine.
pub struct Host {
    pub port: Arc<Mutex<Port>>,
    pub wiring: Arc<Wiring<Mail, Ram>>,
    pub grid: Arc<Grid<Mail>>,
    pub cores: Vec<Core<Mail, Clock>>,
    pub purse: Arc<Purse>,
    pub told: Arc<Mutex<Vec<SocketId>>>,
    /// Of ordinary programs, and of packets for nobody.
    pub program: ActivityId,
    pub stray: ActivityId,
    programs: vortex_grid::Port<Programs>,
    answers: Answers,
    asked: usize,
    pub way: Way,
}

pub fn address(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, host as u8 + 1)
}

pub fn at(host: usize, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address(host), port)
}

impl Host {
    /// With DIR on core 1, and DWR on this one.
    fn new(number: usize, ring: usize, writer: u16, clock: &Arc<AtomicU64>, seed: u64) -> Self {
        let frequency = Frequency::megahertz(1);
        let mut own = Entitlement::new(Share::ONE);
        own.nodes = 4096;
        let grid = Grid::new(GridSpec {
            cores: 2,
            activities: 16,
            infrastructure: own.clone(),
            frequency,
            buses: Vec::new(),
        });
        let program = grid.activities().create(own.clone()).unwrap();
        let stray = grid.activities().create(own).unwrap();
        let port = Port::new(ring);
        let pool = Pool::new(4096);
        let (receives, sends) = (Box::new(Receives(port.clone())), Box::new(Sends(port.clone())));
        let cores = (CoreId::new(1), CoreId::new(writer));
        let channel = Channel::new(cores, receives, sends, pool.clone(), frequency);
        let mac = [2, 0, 0, 0, 0, number as u8 + 1];
        let words = (std::format!("10.0.0.{}/24", number + 1), "10.0.0.254");
        let addresses = Addresses::parse(mac, &words.0, Some(words.1)).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let purse = Arc::new(Purse(Mutex::default()));
        let hooks = Box::new(Told { dice: Mutex::new(Dice(seed)), told: told.clone() });
        let device = (vec![channel], pool);
        let wiring = Wiring::new(device, addresses, stray, frequency, (hooks, purse.clone()), says);
        let mut class = 0;
        let mut spec = |name: &str, cores: &[u16], metric| {
            class += 1;
            let parent = Parent::Multiplexor(Standing::new(Share::ONE));
            let mut params = Params::new(metric, 1_000_000);
            if cores.len() > 1 {
                let sharing = LeastReceived::new(Micros::new(100_000));
                params.load_sharing = Some(Box::new(sharing));
            }
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
        let shared = || wiring.clone();
        let (a, b, c, d, e, f) = (shared(), shared(), shared(), shared(), shared(), shared());
        let ports = Ports {
            interrupts: Some(
                grid.add(spec("dir", &[1], Metric::Cycles), move |_| Interrupts::new(a.clone())),
            ),
            driver: Some(
                grid.add(spec("dwr", &[writer], Metric::Bytes), move |_| Driver::new(b.clone())),
            ),
            demultiplexer: grid
                .add(spec("ndrr", &[0, 1], Metric::Bytes), move |_| Demultiplexer::new(c.clone())),
            link: grid
                .add(spec("ndwr", &[0, 1], Metric::Bytes), move |_| LinkWriter::new(d.clone())),
            tcp: grid.add(spec("tcp", &[0, 1], Metric::Cycles), move |_| Tcp::new(e.clone())),
            timers: grid
                .add(spec("tcptimer", &[0, 1], Metric::Cycles), move |_| Timers::new(f.clone())),
        };
        wiring.ports.call_once(|| ports);
        let answers = Answers::default();
        let (given, theirs) = (wiring.clone(), answers.clone());
        let programs = grid.add(spec("programs", &[0], Metric::Cycles), move |_| Programs {
            wiring: given.clone(),
            answers: theirs.clone(),
        });
        let mut cores: Vec<_> = (0..2)
            .map(|core| {
                let params = Params::new(Metric::Cycles, 100_000);
                let policy = vortex_schedulers::make("propshare.wfq", params).unwrap();
                let spec = CoreSpec::new(CoreId::new(core), policy);
                Core::new(&grid, Clock(clock.clone()), spec).unwrap()
            })
            .collect();
        let interrupts = wiring.ports.get().unwrap().interrupts.unwrap();
        let tick = InterruptRequest::Tick;
        cores[1].root(ActivityId::INFRASTRUCTURE, interrupts, Labels::NONE, tick).unwrap();
        let (asked, way) = (0, Way::default());
        Self {
            port,
            wiring,
            grid,
            cores,
            purse,
            told,
            program,
            stray,
            programs,
            answers,
            asked,
            way,
        }
    }

    /// Each core does one thing, and the interrupt is looked for.
    fn step(&mut self) -> bool {
        let mut ran = false;
        let wants = std::mem::take(&mut self.port.lock().unwrap().wants);
        let channel = self.wiring.channel(CoreId::new(1)).unwrap();
        if wants && channel.interrupted() {
            let port = self.wiring.ports.get().unwrap().interrupts.unwrap();
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
        ran || wants
    }

    pub fn socket(&self, stream: bool) -> Arc<Socket> {
        self.wiring.socket(stream, self.program).unwrap()
    }

    /// A program asks for something. Its number.
    pub fn ask(&mut self, socket: &Arc<Socket>, what: What<Held>) -> usize {
        let number = self.asked;
        self.asked += 1;
        let call = Some(Call { socket: socket.clone(), what });
        let activity = socket.activity();
        let ask = Ask { number, call };
        self.cores[0].root(activity, self.programs, Labels::NONE, ask).unwrap();
        number
    }

    pub fn answer(&self, number: usize) -> Option<Result<Moved, NetError>> {
        self.answers.lock().unwrap().get(&number).copied()
    }

    pub fn charged(&self) -> i64 {
        self.purse.0.lock().unwrap().values().sum()
    }
}

/// Two of them.
pub struct World {
    pub hosts: [Host; 2],
    pub clock: Arc<AtomicU64>,
    pub weather: Weather,
    pub dice: Dice,
    /// Frames that went over the wire.
    pub frames: Vec<(usize, Vec<u8>)>,
}

impl World {
    pub fn new(weather: Weather, seed: u64) -> Self {
        Self::with_ring(weather, seed, 64)
    }

    pub fn with_ring(weather: Weather, seed: u64, ring: usize) -> Self {
        Self::with(weather, seed, ring, 1)
    }

    /// Machines whose DWR is on this core; DIR is on core 1.
    pub fn with(weather: Weather, seed: u64, ring: usize, writer: u16) -> Self {
        let clock = Arc::new(AtomicU64::new(0));
        let host = |number| Host::new(number, ring, writer, &clock, seed + number as u64);
        let hosts = [host(0), host(1)];
        let (dice, frames) = (Dice(seed), Vec::new());
        let mut world = Self { hosts, clock, weather, dice, frames };
        world.settle();
        world
    }

    /// Something happens somewhere, if anything can.
    pub fn step(&mut self) -> bool {
        let mut ran = false;
        for from in 0..2 {
            ran |= self.hosts[from].step();
            let sent = self.hosts[from].port.lock().unwrap().goes();
            if let Some(frame) = sent {
                ran = true;
                self.frames.push((from, frame.clone()));
                self.hosts[1 - from].way.send(frame, self.weather, &mut self.dice);
            }
            if let Some(frame) = self.hosts[from].way.next(self.weather, &mut self.dice) {
                ran = true;
                self.hosts[from].port.lock().unwrap().comes(&frame);
            }
        }
        ran
    }

    /// Goes on until nobody has anything to do at this time.
    pub fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..2_000_000 {
            quiet = if self.step() { 0 } else { quiet + 1 };
            if quiet > 10 {
                return;
            }
        }
        panic!("it does not come to an end");
    }

    /// Time passes.
    pub fn pass(&mut self, micros: u64) {
        self.settle();
        self.clock.fetch_add(micros, Ordering::Relaxed);
        for host in &mut self.hosts {
            host.cores.iter_mut().for_each(Core::wake);
        }
        self.settle();
    }

    /// Asks, and gives the answer.
    pub fn call(
        &mut self,
        host: usize,
        socket: &Arc<Socket>,
        what: What<Held>,
    ) -> Result<Moved, NetError> {
        let number = self.hosts[host].ask(socket, what);
        for _ in 0..100_000 {
            if let Some(answer) = self.hosts[host].answer(number) {
                return answer;
            }
            self.step();
        }
        panic!("no answer");
    }

    /// The same, waiting where it would block; at most so long.
    pub fn wait(
        &mut self,
        host: usize,
        socket: &Arc<Socket>,
        what: impl Fn() -> What<Held>,
    ) -> Result<Moved, NetError> {
        for _ in 0..20_000 {
            match self.call(host, socket, what()) {
                Err(NetError::WouldBlock) => self.pass(10_000),
                other => return other,
            }
        }
        Err(NetError::WouldBlock)
    }

    /// A server on the first machine, connected with a client on the second: these two.
    pub fn connected(&mut self, port: u16) -> (Arc<Socket>, Arc<Socket>, Arc<Socket>) {
        let listens = self.hosts[0].socket(true);
        self.hosts[0]
            .wiring
            .bind(&listens, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port), Cycles::ZERO)
            .unwrap();
        self.hosts[0].wiring.listen(&listens, 16).unwrap();
        let client = self.client(port);
        for _ in 0..20_000 {
            if let Ok(server) = self.hosts[0].wiring.accept(&listens) {
                return (listens, server, client);
            }
            self.pass(10_000);
        }
        panic!("not connected");
    }

    /// A client on the second machine that begins to connect with this port of the first.
    pub fn client(&mut self, port: u16) -> Arc<Socket> {
        let client = self.hosts[1].socket(true);
        assert!(self.hosts[1].wiring.plan(&client, at(0, port)).unwrap());
        assert_eq!(self.call(1, &client, What::Connect), Err(NetError::InProgress));
        client
    }

    /// Nothing is left of any connection, on any bill, after a while.
    pub fn is_clean(&mut self) {
        for _ in 0..300 {
            self.pass(1_000_000);
        }
        for host in &self.hosts {
            assert_eq!(host.wiring.sockets(), 0);
            assert_eq!(host.charged(), 0, "on bills");
            // What the ring of what comes in has.
            assert_eq!(host.grid.activities().nodes(host.program), 0);
        }
    }
}

pub fn pattern(bytes: usize, seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    (0..bytes).map(|_| dice.below(256) as u8).collect()
}
