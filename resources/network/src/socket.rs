//! A socket: what all see of it, and what TCPR alone touches.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::net::SocketAddrV4;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use spin::Mutex;
use vortex_units::{ActivityId, Cycles};

use crate::address::Flow;
use crate::bill::Charged;
use crate::cork::Cork;
use crate::error::NetError;
use crate::options::Options;
use crate::waiting::Waiting;

/// Names a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// What a socket is ready for, as poll(2) says it.
pub mod ready {
    /// It can be read from, or accepted from.
    pub const READ: u32 = 0x001;
    /// It can be written to.
    pub const WRITE: u32 = 0x004;
    /// An error waits to be told.
    pub const ERROR: u32 = 0x008;
    /// Nothing goes in either direction any more.
    pub const HANG_UP: u32 = 0x010;
    /// All has arrived that was sent: of one that nobody has any more, where somebody lingers.
    /// Poll(2) does not know it.
    pub const ARRIVED: u32 = 0x0100_0000;
    /// The other end sends no more.
    pub const READ_HANG_UP: u32 = 0x2000;
}

/// Which directions are shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shut {
    /// Nothing more is read.
    Read,
    /// Nothing more is written.
    Write,
    /// Neither.
    Both,
}

/// Packets that wait at TCPR for one socket.
const QUEUED: u32 = 128;
/// The same where its activity is in debt: what a window brings at once.
const OWED: u32 = 8;
/// Segments of one that wait below it, until the ring has them.
const BELOW: u32 = 2;

/// A socket.
pub struct Socket {
    id: SocketId,
    stream: bool,
    activity: ActivityId,
    label: AtomicU64,
    ready: AtomicU32,
    queued: AtomicU32,
    /// Those of its activity.
    waiting: Arc<Waiting>,
    below: AtomicU32,
    /// It has more to send, once what is below has gone.
    wants: AtomicBool,
    /// Others begin connections with it.
    listening: AtomicBool,
    /// Somebody has looked what it is ready for: of more of the same that one is told too.
    seen: AtomicBool,
    /// TCPR's, by its flow; who makes calls sets names and options.
    pub(crate) state: Mutex<State>,
    _charged: Charged,
}

/// What a socket is.
pub(crate) enum Role {
    /// Nothing yet.
    Fresh,
    /// It waits for others.
    Listens(Backlog),
    /// It is connected, or about to be; or it is for datagrams.
    Speaks(Box<Speech>),
    /// It was connected.
    Over,
}

/// Who waits to be accepted.
pub(crate) struct Backlog {
    /// The most that may wait, and as many again that are not connected yet.
    pub most: usize,
    /// Those that are not, and when they began; the eldest first.
    pub half: VecDeque<(Weak<Socket>, Cycles)>,
    /// Those that are, the first first.
    pub whole: VecDeque<Arc<Socket>>,
}

/// A socket of smoltcp's, alone in its set.
pub(crate) struct Speech {
    pub set: SocketSet<'static>,
    pub handle: SocketHandle,
    /// How far it was when it was last looked at.
    pub was: tcp::State,
    /// What is held back.
    pub cork: core::option::Option<Box<Cork>>,
    /// What its packets ask of the network.
    pub service: u8,
    /// Its buffers.
    pub _charged: Charged,
}

/// What is behind the lock.
pub(crate) struct State {
    pub local: core::option::Option<SocketAddrV4>,
    /// The address that it was given, or took when it needed one.
    pub bound: core::option::Option<SocketAddrV4>,
    pub remote: core::option::Option<SocketAddrV4>,
    /// The flow that is its in the tables.
    pub flow: core::option::Option<Flow>,
    pub role: Role,
    /// The program has it no more, or never had it.
    pub left: bool,
    pub shut_read: bool,
    pub shut_write: bool,
    pub error: core::option::Option<NetError>,
    /// Whose backlog it is in, until it is connected.
    pub parent: core::option::Option<Arc<Socket>>,
    /// When it is given up; by the clock, zero for never.
    pub deadline: u64,
    /// Timers that are on their way, by when they come; zero for none.
    pub timers: [u64; 2],
    /// Since when nothing was heard, and since when something is unanswered; by the clock, zero
    /// for never.
    pub heard: u64,
    pub unanswered: u64,
    /// A connection that was begun with did not come to be.
    pub failed: bool,
    /// More has come than there was.
    pub news: bool,
    pub options: Options,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.waiting.go(*self.queued.get_mut());
    }
}

impl Socket {
    pub(crate) fn new(
        id: SocketId,
        stream: bool,
        activity: ActivityId,
        label: u64,
        (charged, waiting): (Charged, Arc<Waiting>),
    ) -> Arc<Self> {
        let state = State {
            local: None,
            bound: None,
            remote: None,
            flow: None,
            role: Role::Fresh,
            left: false,
            shut_read: false,
            shut_write: false,
            error: None,
            parent: None,
            deadline: 0,
            timers: [0; 2],
            heard: 0,
            unanswered: 0,
            failed: false,
            news: false,
            options: Options::default(),
        };
        // As Linux says of one that nothing was done with.
        let ready = if stream { ready::WRITE | ready::HANG_UP } else { ready::WRITE };
        Arc::new(Self {
            id,
            stream,
            activity,
            label: AtomicU64::new(label),
            ready: AtomicU32::new(ready),
            queued: AtomicU32::new(0),
            waiting,
            below: AtomicU32::new(0),
            wants: AtomicBool::new(false),
            listening: AtomicBool::new(false),
            seen: AtomicBool::new(false),
            state: Mutex::new(state),
            _charged: charged,
        })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> SocketId {
        self.id
    }

    /// Whether it is for streams, not datagrams.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.stream
    }

    /// Whose it is.
    #[must_use]
    pub fn activity(&self) -> ActivityId {
        self.activity
    }

    /// Its flow's label.
    #[must_use]
    pub fn label(&self) -> u64 {
        self.label.load(Ordering::Relaxed)
    }

    pub(crate) fn set_label(&self, label: u64) {
        self.label.store(label, Ordering::Relaxed);
    }

    /// What it is ready for.
    #[must_use]
    pub fn ready(&self) -> u32 {
        self.ready.load(Ordering::Acquire)
    }

    /// What it is ready for, for whoever wants to be told of more.
    #[must_use]
    pub fn look(&self) -> u32 {
        self.seen.store(true, Ordering::Relaxed);
        self.ready()
    }

    /// Whether who reads from it would wait: nothing has come, and nothing else is to be told.
    #[must_use]
    pub fn has_nothing(&self) -> bool {
        const TOLD: u32 = ready::READ | ready::READ_HANG_UP | ready::HANG_UP | ready::ERROR;
        self.ready() & TOLD == 0 && !self.is_listening()
    }

    /// Whether anybody has looked since that was last asked.
    pub(crate) fn was_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed) && self.seen.swap(false, Ordering::Relaxed)
    }

    /// Whether others begin connections with it.
    pub(crate) fn is_listening(&self) -> bool {
        self.listening.load(Ordering::Relaxed)
    }

    pub(crate) fn set_listening(&self, on: bool) {
        self.listening.store(on, Ordering::Relaxed);
    }

    /// It is ready for this now. Whether for something that it was not.
    pub(crate) fn publish(&self, ready: u32) -> bool {
        ready & !self.ready.swap(ready, Ordering::AcqRel) != 0
    }

    /// A packet more waits for it, if there may be one more.
    pub(crate) fn queues(&self) -> bool {
        if !self.waiting.comes() {
            return false;
        }
        let room = self.queued.fetch_add(1, Ordering::Relaxed) < QUEUED;
        if !room {
            self.is_out();
        }
        room
    }

    /// Whether few enough wait for it, and for its activity, for one that is in debt.
    pub(crate) fn has_few(&self) -> bool {
        self.queued.load(Ordering::Relaxed) <= OWED && self.waiting.are_few()
    }

    /// One waits no more.
    pub(crate) fn is_out(&self) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
        self.waiting.go(1);
    }

    /// Whether a segment more may be sent. If not, whoever takes one away says when.
    pub(crate) fn may_send(&self) -> bool {
        if self.below.load(Ordering::SeqCst) < BELOW {
            return true;
        }
        self.wants.store(true, Ordering::SeqCst);
        // One may have gone in between.
        self.below.load(Ordering::SeqCst) < BELOW
    }

    /// Whether it goes on when a segment has gone.
    pub(crate) fn waits_for_those_below(&self) -> bool {
        self.wants.load(Ordering::SeqCst) && self.below.load(Ordering::SeqCst) >= BELOW
    }

    /// Whether so much waits below that not even an answer has room.
    pub(crate) fn is_stuck(&self) -> bool {
        self.below.load(Ordering::Relaxed) >= 4 * BELOW
    }

    /// A segment more is below it, or one less: then, whether it waits for that.
    pub(crate) fn is_below(&self, more: bool) -> bool {
        if more {
            self.below.fetch_add(1, Ordering::SeqCst);
            return false;
        }
        let left = self.below.fetch_sub(1, Ordering::SeqCst);
        left <= BELOW && self.wants.swap(false, Ordering::SeqCst)
    }

    /// Its own address, as far as it has one.
    #[must_use]
    pub fn local(&self) -> core::option::Option<SocketAddrV4> {
        self.state.lock().local
    }

    /// The other end's, where one is set.
    #[must_use]
    pub fn remote(&self) -> core::option::Option<SocketAddrV4> {
        self.state.lock().remote
    }

    /// The other end's, of whoever is connected.
    #[must_use]
    pub fn peer(&self) -> core::option::Option<SocketAddrV4> {
        let mut state = self.state.lock();
        let remote = state.remote;
        match &mut state.role {
            Role::Speaks(speech) if self.stream => {
                remote.filter(|_| speech.tcp().state() != tcp::State::SynSent)
            }
            Role::Over | Role::Fresh if self.stream => None,
            _ => remote,
        }
    }

    /// How many bytes can be read, or of datagrams those of the first; none of one that listens.
    #[must_use]
    pub fn waiting_bytes(&self) -> core::option::Option<usize> {
        match &mut self.state.lock().role {
            Role::Speaks(speech) if self.stream => Some(speech.tcp().recv_queue()),
            Role::Speaks(speech) => Some(speech.udp().peek().map_or(0, |(bytes, _)| bytes.len())),
            Role::Listens(_) => None,
            Role::Fresh | Role::Over => Some(0),
        }
    }

    /// How many have not arrived yet.
    #[must_use]
    pub fn unsent_bytes(&self) -> core::option::Option<usize> {
        match &mut self.state.lock().role {
            Role::Speaks(speech) if self.stream => {
                let held = speech.cork.as_ref().map_or(0, |cork| cork.bytes());
                Some(speech.tcp().send_queue().saturating_add(held))
            }
            Role::Speaks(speech) => Some(speech.udp().send_queue()),
            Role::Listens(_) => None,
            Role::Fresh | Role::Over => Some(0),
        }
    }

    /// Whether a connection that was begun with did not come to be.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.state.lock().failed
    }

    /// Whether it listens.
    #[must_use]
    pub fn listens(&self) -> bool {
        matches!(self.state.lock().role, Role::Listens(_))
    }

    /// What has gone wrong since that was last asked.
    #[must_use]
    pub fn take_error(&self) -> core::option::Option<NetError> {
        let error = self.state.lock().error.take();
        if error.is_some() {
            self.ready.fetch_and(!ready::ERROR, Ordering::AcqRel);
        }
        error
    }

    /// Sets something. True where TCPR is to look at what may be sent now.
    pub fn set(&self, change: impl FnOnce(&mut Options)) -> bool {
        let mut state = self.state.lock();
        change(&mut state.options);
        let options = state.options;
        let Role::Speaks(speech) = &mut state.role else { return false };
        speech.apply(&options, self.stream);
        !options.cork && speech.uncork()
    }

    /// What is set.
    #[must_use]
    pub fn options(&self) -> Options {
        self.state.lock().options
    }
}

/// Bytes that a connection receives before they are read.
const RECEIVE: usize = 6_656;
/// And sends before they are acknowledged.
const SEND: usize = 8 * 1024;
/// Bytes of datagrams that wait, in each direction, and how many.
const DATAGRAMS: usize = 16 * 1024;
const EACH_WAY: usize = 32;
/// What smoltcp's socket takes beside.
const BESIDE: usize = 1024;

impl Speech {
    /// What a connection's takes on its activity's bill.
    pub const STREAM: u64 = (RECEIVE + SEND + BESIDE) as u64;
    /// The same of one for datagrams.
    pub const DATAGRAM: u64 = (2 * DATAGRAMS + BESIDE) as u64;

    /// For a connection. `None` where the heap has no room.
    pub fn stream(charged: Charged) -> core::option::Option<Box<Self>> {
        let receive = tcp::SocketBuffer::new(zeros(RECEIVE)?);
        let socket = tcp::Socket::new(receive, tcp::SocketBuffer::new(zeros(SEND)?));
        let mut set = SocketSet::new(Vec::new());
        let handle = set.add(socket);
        let (was, cork, service) = (tcp::State::Closed, None, 0);
        Some(Box::new(Self { set, handle, was, cork, service, _charged: charged }))
    }

    /// For datagrams. `None` where the heap has no room.
    pub fn datagrams(charged: Charged) -> core::option::Option<Box<Self>> {
        let buffer = || {
            let metadata = alloc::vec![udp::PacketMetadata::EMPTY; EACH_WAY];
            Some(udp::PacketBuffer::new(metadata, zeros(DATAGRAMS)?))
        };
        let socket = udp::Socket::new(buffer()?, buffer()?);
        let mut set = SocketSet::new(Vec::new());
        let handle = set.add(socket);
        let (was, cork, service) = (tcp::State::Closed, None, 0);
        Some(Box::new(Self { set, handle, was, cork, service, _charged: charged }))
    }

    pub fn tcp(&mut self) -> &mut tcp::Socket<'static> {
        self.set.get_mut(self.handle)
    }

    pub fn udp(&mut self) -> &mut udp::Socket<'static> {
        self.set.get_mut(self.handle)
    }

    /// What is set is so from now on.
    pub fn apply(&mut self, options: &Options, stream: bool) {
        self.service = options.service;
        let hops = Some(options.hops.max(1));
        if !stream {
            return self.udp().set_hop_limit(hops);
        }
        let tcp = self.tcp();
        tcp.set_hop_limit(hops);
        tcp.set_nagle_enabled(!options.no_delay);
        tcp.set_ack_delay((!options.quick).then_some(ACKNOWLEDGES));
        // How long it may be silent is looked at by TCPR (`patience`).
        let silence = smoltcp::time::Duration::from_micros(options.silence().get());
        tcp.set_keep_alive(options.keep_alive.then_some(silence));
    }

    /// What is held back goes. Whether that is anything.
    pub fn uncork(&mut self) -> bool {
        let Some(mut cork) = self.cork.take() else { return false };
        let any = cork.holds();
        cork.flush(self.tcp());
        any
    }
}

/// How long an acknowledgement waits for something to go with.
const ACKNOWLEDGES: smoltcp::time::Duration = smoltcp::time::Duration::from_millis(10);

fn zeros(bytes: usize) -> core::option::Option<Vec<u8>> {
    let mut all = Vec::new();
    all.try_reserve_exact(bytes).ok()?;
    all.resize(bytes, 0);
    Some(all)
}
