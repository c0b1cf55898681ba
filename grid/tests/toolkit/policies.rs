//! What a policy sees and may do: records of every kind, the queues beneath its clients,
//! schedulers above schedulers.

use std::sync::{Arc, Mutex};

use vortex_grid::policy::{
    Binding, Choice, ClientId, ClientParams, ClientStatistics, FieldId, InitError, LoadShare,
    NoQueues, Params, QueueRef, Queues, Readiness, Record, RecordKind, Reordering, RequestView,
    Scheduler, SchedulerCore,
};
use vortex_grid::{
    Carries, Class, Context, Core, CoreSpec, Entitlement, EntitlementAt, Frequency, Grid, GridSpec,
    InstanceSpec, Kept, Labels, Message, Outcome, Parent, Port, Resource, Standing, Step,
};
use vortex_units::{ActivityId, Bytes, CoreId, Cycles, Frames, InstanceId, Micros, Share};

use super::support::{Clock, First, FirstCore, TestMachine};

/// A disk that can be asked for sectors: it keeps each request until it is told that the
/// disk is done.
struct Disk {
    served: Arc<Mutex<Vec<(u64, u64)>>>,
    kept: Vec<Kept<Io>>,
}

#[derive(Debug)]
struct Read {
    sector: u64,
    count: u64,
}

enum Io {
    Read(Read),
    Done,
}

impl Message for Io {
    fn position(&self) -> u64 {
        match self {
            Self::Read(read) => read.sector,
            Self::Done => 0,
        }
    }

    fn size(&self) -> Bytes {
        match self {
            Self::Read(read) => Bytes::new(512 * read.count),
            Self::Done => Bytes::ZERO,
        }
    }

    fn absorb(&mut self, later: Self) -> Result<(), Self> {
        match (self, later) {
            (Self::Read(first), Self::Read(next)) if first.sector + first.count == next.sector => {
                first.count += next.count;
                Ok(())
            }
            (_, later) => Err(later),
        }
    }
}

impl Carries<Read> for Io {
    fn wrap(read: Read) -> Self {
        Self::Read(read)
    }
    fn unwrap(self) -> Option<Read> {
        match self {
            Self::Read(read) => Some(read),
            Self::Done => None,
        }
    }
    fn get_mut(&mut self) -> Option<&mut Read> {
        match self {
            Self::Read(read) => Some(read),
            Self::Done => None,
        }
    }
}

impl Carries<()> for Io {
    fn wrap((): ()) -> Self {
        Self::Done
    }
    fn unwrap(self) -> Option<()> {
        matches!(self, Self::Done).then_some(())
    }
    fn get_mut(&mut self) -> Option<&mut ()> {
        None
    }
}

/// What the README and the specification promise of a queued request.
#[test]
fn a_queued_request_takes_what_is_promised() {
    assert!(vortex_grid::request_size::<Io>() <= 256);
    assert!(vortex_grid::request_size::<Io>() > size_of::<Io>());
}

const SEEK: FieldId = FieldId(3);
const TOOK: RecordKind = RecordKind(RecordKind::FIRST_FREE);

/// Sector 0 means: the disk is done with all it had.
impl Resource<Io> for Disk {
    type Request = Read;
    type Reply = ();
    const FAN_OUT: u32 = 1;

    fn handle(&mut self, read: &mut Read, cx: &mut Context<'_, Io>) -> Outcome<Io, Self> {
        if read.sector == 0 {
            for kept in self.kept.drain(..) {
                let mut record = Record::new(TOOK);
                assert!(record.set(SEEK, 77));
                cx.record_later(&kept, record);
                assert!(cx.answer(kept, Some(())).is_ok(), "kept on this core");
            }
            return Outcome::Done;
        }
        self.served.lock().unwrap().push((read.sector, read.count));
        cx.moved(Bytes::new(512 * read.count));
        cx.allocated(Frames::new(read.count));
        self.kept.extend(cx.keep());
        Outcome::Kept
    }
}

type Seen = Arc<Mutex<Vec<(CoreId, ClientId, Record)>>>;
type Meddling = fn(&mut dyn Queues, ClientId);

/// First come, first served, but it looks at the queues first, and notes its records.
struct Meddler(Seen, Meddling);

struct MeddlerCore(FirstCore, CoreId, Seen, Meddling);

impl Scheduler for Meddler {
    fn init(_: Params) -> Result<Self, InitError> {
        Ok(Self(Seen::default(), |_, _| {}))
    }
    fn init_core(&self, core: CoreId) -> Box<dyn SchedulerCore> {
        Box::new(MeddlerCore(FirstCore::default(), core, self.0.clone(), self.1))
    }
    fn load_share(&self, question: &LoadShare<'_>) -> Binding {
        Binding { core: question.cores[0], ttl: None }
    }
}

impl SchedulerCore for MeddlerCore {
    fn add_client(&mut self, client: ClientId, params: &ClientParams) {
        self.0.add_client(client, params);
    }
    fn remove_client(&mut self, client: ClientId) {
        self.0.remove_client(client);
    }
    fn client_reweighed(&mut self, client: ClientId, params: &ClientParams, now: Cycles) {
        self.0.client_reweighed(client, params, now);
    }
    fn client_inherits(&mut self, client: ClientId, from: ClientId, now: Cycles) {
        self.0.client_inherits(client, from, now);
    }
    fn schedule(&mut self, now: Cycles, queues: &mut dyn Queues) -> Option<Choice> {
        let choice = self.0.schedule(now, &mut NoQueues)?;
        (self.3)(queues, choice.client);
        Some(choice)
    }
    fn client_ready(&mut self, client: ClientId, now: Cycles) {
        self.0.client_ready(client, now);
    }
    fn client_suspended(&mut self, client: ClientId, now: Cycles) {
        self.0.client_suspended(client, now);
    }
    fn poll_ready(&mut self, now: Cycles) -> Readiness {
        self.0.poll_ready(now)
    }
    fn resource_record(&mut self, client: ClientId, record: &Record, now: Cycles) {
        self.2.lock().unwrap().push((self.1, client, *record));
        self.0.resource_record(client, record, now);
    }
    fn client_statistics(&self, client: ClientId) -> ClientStatistics {
        self.0.client_statistics(client)
    }
}

struct Machinery {
    grid: Arc<Grid<Io>>,
    core: Core<Io, TestMachine>,
    disk: Port<Disk>,
    served: Arc<Mutex<Vec<(u64, u64)>>>,
    seen: Seen,
    a: ActivityId,
}

fn machinery(meddle: Meddling) -> Machinery {
    let grid = Grid::new(GridSpec {
        cores: 1,
        activities: 4,
        infrastructure: Entitlement::new(Share::ONE),
        frequency: Frequency::megahertz(1),
        buses: Vec::new(),
    });
    let (served, seen) = (Arc::new(Mutex::new(Vec::new())), Seen::default());
    let spec = InstanceSpec {
        name: "disk".into(),
        class: Class(1),
        scheduler: Arc::new(Meddler(seen.clone(), meddle)),
        cores: vec![(CoreId::new(0), Parent::Multiplexor(Standing::new(Share::ONE)))],
        owner: ActivityId::INFRASTRUCTURE,
        batch: 1,
        favours: None,
    };
    let given = served.clone();
    let disk = grid.add(spec, move |_| Disk { served: given.clone(), kept: Vec::new() });
    let machine = TestMachine { clock: Clock::default(), pokes: Arc::default() };
    let spec =
        CoreSpec { run_on: Micros::ZERO, ..CoreSpec::new(CoreId::new(0), First::anywhere()) };
    let core = Core::new(&grid, machine, spec).unwrap();
    let a = grid.activities().create(Entitlement::new(Share::ONE)).unwrap();
    Machinery { grid, core, disk, served, seen, a }
}

impl Machinery {
    fn read(&mut self, sector: u64, labels: Labels) {
        self.core.root(self.a, self.disk, labels, Read { sector, count: 1 }).unwrap();
    }

    fn run(&mut self) {
        while self.core.step() == Step::Ran {}
        self.core.wake();
    }
}

#[test]
fn a_policy_reorders_by_position_within_what_labels_allow() {
    fn nearest(queues: &mut dyn Queues, client: ClientId) {
        let Some((queue, sender)) = queues.queue(client, 0) else { return };
        assert_eq!(sender, InstanceId::OUTSIDE);
        let views: Vec<RequestView> = (0..).map_while(|at| queues.read(queue, at)).collect();
        assert_eq!(queues.len(client), views.len());
        let mut order: Vec<usize> = (0..views.len()).collect();
        order.sort_by_key(|&at| views[at].position);
        // The nearest that may go first.
        for at in order {
            match queues.reorder(queue, at) {
                Ok(()) => return,
                Err(Reordering::BreaksLabel) => assert!(views[at].dependency.is_some()),
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    let mut machinery = machinery(nearest);
    machinery.read(50, Labels::NONE);
    machinery.read(40, Labels::flow(1));
    machinery.read(10, Labels::flow(1));
    machinery.read(30, Labels::NONE);
    machinery.run();
    let order: Vec<u64> = machinery.served.lock().unwrap().iter().map(|s| s.0).collect();
    assert_eq!(order, [30, 40, 10, 50], "10 may not overtake 40");
}

#[test]
fn a_policy_merges_adjacent_requests_and_their_nodes_return() {
    fn merge(queues: &mut dyn Queues, client: ClientId) {
        let Some((queue, _)) = queues.queue(client, 0) else { return };
        while queues.merge(queue, 0).is_ok() {}
        assert_eq!(queues.merge(QueueRef(u64::MAX), 0), Err(Reordering::NoSuchPlace));
    }
    let mut machinery = machinery(merge);
    for sector in [5, 6, 7, 20, 21] {
        machinery.read(sector, Labels::NONE);
    }
    machinery.run();
    assert_eq!(*machinery.served.lock().unwrap(), [(5, 3), (20, 2)]);
    machinery.read(0, Labels::NONE);
    machinery.run();
    assert_eq!(machinery.core.requests(), 0);
    assert_eq!(machinery.grid.activities().nodes(machinery.a), 0, "merged nodes are back");
}

#[test]
fn records_come_basic_at_once_and_typed_later() {
    let mut machinery = machinery(|_, _| {});
    machinery.read(5, Labels::NONE);
    machinery.run();
    machinery.read(0, Labels::NONE);
    machinery.run();
    let seen = machinery.seen.lock().unwrap();
    let basic: Vec<_> = seen.iter().filter(|(_, _, r)| r.kind == RecordKind::BASIC).collect();
    assert_eq!(basic.len(), 2);
    assert_eq!(basic[0].2.bytes, Bytes::new(512));
    assert_eq!(basic[0].2.memory, Frames::new(1));
    assert!(basic[0].2.cycles.get() > 0);
    let later: Vec<_> = seen.iter().filter(|(_, _, r)| r.kind == TOOK).collect();
    assert_eq!(later.len(), 1);
    assert_eq!(later[0].1, basic[0].1, "of the same client");
    assert_eq!(later[0].2.field(SEEK), 77);
    assert!(later[0].2.requests.is_zero(), "no further request");
}

#[test]
fn the_most_exact_share_and_the_most_exact_priority_are_found_apart() {
    let share = |units| Share::from_units(units).unwrap();
    let at = |class, core: Option<u16>, units: Option<u32>, priority| EntitlementAt {
        class: Class(class),
        core: core.map(CoreId::new),
        share: units.map(share),
        priority,
        reservation: None,
        limit: None,
        period: None,
    };
    let entitlement = Entitlement {
        priority: 9,
        at: vec![
            at(1, None, Some(2), Some(5)),
            at(1, Some(0), None, Some(4)),
            at(1, Some(1), Some(3), None),
            at(2, Some(0), Some(7), None),
        ],
        ..Entitlement::new(share(1))
    };
    let found = |class, core| {
        let core = CoreId::new(core);
        let class = Class(class);
        (entitlement.share_at(class, core), entitlement.priority_at(class, core))
    };
    assert_eq!(found(1, 0), (share(2), 4), "the priority of the core, the share of all");
    assert_eq!(found(1, 1), (share(3), 5), "the share of the core, the priority of all");
    assert_eq!(found(1, 2), (share(2), 5));
    assert_eq!(found(2, 0), (share(7), 9));
    assert_eq!(found(2, 1), (share(1), 9));
    assert_eq!(found(3, 0), (share(1), 9));
}
