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
use crate::error::NetError;
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

/// What can be set of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Option {
    /// Small pieces are sent at once.
    NoDelay(bool),
    /// It is looked whether the other end is there, though nothing is sent.
    KeepAlive(bool),
    /// An address in use by connections that have ended may be bound.
    ReuseAddress(bool),
    /// Several may be bound to one address.
    ReusePort(bool),
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
    /// Its buffers.
    pub _charged: Charged,
}

/// What is behind the lock.
pub(crate) struct State {
    pub local: core::option::Option<SocketAddrV4>,
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
    pub no_delay: bool,
    pub keep_alive: bool,
    pub reuse: bool,
    pub reuse_port: bool,
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
            no_delay: false,
            keep_alive: false,
            reuse: false,
            reuse_port: false,
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

    /// The other end's.
    #[must_use]
    pub fn remote(&self) -> core::option::Option<SocketAddrV4> {
        self.state.lock().remote
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

    /// Sets something.
    pub fn set(&self, option: Option) {
        let mut state = self.state.lock();
        match option {
            Option::NoDelay(on) => state.no_delay = on,
            Option::KeepAlive(on) => state.keep_alive = on,
            Option::ReuseAddress(on) => state.reuse = on,
            Option::ReusePort(on) => state.reuse_port = on,
        }
        let (no_delay, keep_alive) = (state.no_delay, state.keep_alive);
        if let Role::Speaks(speech) = &mut state.role
            && self.stream
        {
            speech.set_options(no_delay, keep_alive);
        }
    }

    /// What is set: no delay, keep alive, reuse of addresses, of ports.
    #[must_use]
    pub fn options(&self) -> [bool; 4] {
        let state = self.state.lock();
        [state.no_delay, state.keep_alive, state.reuse, state.reuse_port]
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
        Some(Box::new(Self { set, handle, was: tcp::State::Closed, _charged: charged }))
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
        Some(Box::new(Self { set, handle, was: tcp::State::Closed, _charged: charged }))
    }

    pub fn tcp(&mut self) -> &mut tcp::Socket<'static> {
        self.set.get_mut(self.handle)
    }

    pub fn udp(&mut self) -> &mut udp::Socket<'static> {
        self.set.get_mut(self.handle)
    }

    pub fn set_options(&mut self, no_delay: bool, keep_alive: bool) {
        use smoltcp::time::Duration;
        const ALIVE: Duration = Duration::from_secs(75);
        const DEAD: Duration = Duration::from_secs(120);
        let tcp = self.tcp();
        tcp.set_nagle_enabled(!no_delay);
        tcp.set_keep_alive(keep_alive.then_some(ALIVE));
        tcp.set_timeout(Some(DEAD));
    }
}

fn zeros(bytes: usize) -> core::option::Option<Vec<u8>> {
    let mut all = Vec::new();
    all.try_reserve_exact(bytes).ok()?;
    all.resize(bytes, 0);
    Some(all)
}
