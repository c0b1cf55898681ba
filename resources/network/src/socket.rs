//! A socket: what all see of it, and what TCPR alone touches.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use core::net::SocketAddrV4;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use smoltcp::socket::tcp;
use spin::Mutex;
use vortex_units::{ActivityId, Cycles};

use crate::address::Flow;
use crate::bill::Charged;
use crate::error::NetError;
use crate::options::Options;
pub(crate) use crate::speech::Speech;
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
/// So many that not even an answer has room.
const STUCK: u32 = 8;

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

    /// So many packets more wait for it, if there may be more.
    pub(crate) fn queues(&self, count: u32) -> bool {
        if !self.waiting.comes(count) {
            return false;
        }
        let room = self.queued.fetch_add(count, Ordering::Relaxed) < QUEUED;
        if !room {
            self.is_out(count);
        }
        room
    }

    /// Whether few enough wait for it, and for its activity, for one that is in debt.
    pub(crate) fn has_few(&self) -> bool {
        self.queued.load(Ordering::Relaxed) <= OWED && self.waiting.are_few()
    }

    /// So many wait no more.
    pub(crate) fn is_out(&self, count: u32) {
        self.queued.fetch_sub(count, Ordering::Relaxed);
        self.waiting.go(count);
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
        self.below.load(Ordering::Relaxed) >= STUCK
    }

    /// So many segments more are below it.
    pub(crate) fn are_below(&self, count: u32) {
        self.below.fetch_add(count, Ordering::SeqCst);
    }

    /// So many are not any more. Whether it waits for that.
    pub(crate) fn have_gone(&self, count: u32) -> bool {
        let left = self.below.fetch_sub(count, Ordering::SeqCst).saturating_sub(count);
        left < BELOW && self.wants.swap(false, Ordering::SeqCst)
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
