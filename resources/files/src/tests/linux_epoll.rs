//! Random operations on sets of `epoll` over descriptors of many kinds: the host's Linux and ours
//! answer the same, event by event, in the same order.

use alloc::vec;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;
use proptest::prelude::*;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::OwnedFd;

use super::{OWNER, World};
use crate::{Errno, Fd, OpenId, Sending};

/// The descriptors: a counter, a pipe's ends, of two pairs of sockets the ends, and two sets.
const COUNTER: usize = 0;
const FIRST_SOCKET: usize = 3;
const SETS: usize = 7;
/// A set of the others: in which order these are told when one change makes several ready is
/// nobody's promise.
const OUTER: usize = 9;
const ALL: usize = 10;

#[derive(Clone, Debug)]
enum Op {
    Write(usize, usize),
    Read(usize, usize),
    Close(usize),
    Control(usize, u32, usize, u32),
    Wait(usize, usize),
    Poll(usize),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let any = || 0..ALL;
    let set = || SETS..ALL;
    let events = || {
        let bits = prop_oneof![
            4 => Just(abi::EPOLLIN),
            2 => Just(abi::EPOLLOUT),
            3 => Just(abi::EPOLLIN | abi::EPOLLOUT),
            1 => Just(abi::EPOLLIN | abi::EPOLLRDHUP),
            1 => Just(0),
        ];
        let how = prop_oneof![
            4 => Just(0),
            4 => Just(abi::EPOLLET),
            2 => Just(abi::EPOLLONESHOT),
            1 => Just(abi::EPOLLET | abi::EPOLLONESHOT),
            1 => Just(abi::EPOLLEXCLUSIVE),
        ];
        (bits, how).prop_map(|(bits, how)| bits | how)
    };
    let op = prop_oneof![
        10 => (any(), 0..40_usize).prop_map(|(a, b)| Op::Write(a, b)),
        8 => (any(), 0..60_usize).prop_map(|(a, b)| Op::Read(a, b)),
        1 => any().prop_map(Op::Close),
        12 => (set(), prop_oneof![4 => Just(1_u32), 2 => 1..4_u32, 1 => 0..6_u32], any(), events())
            .prop_map(|(set, operation, which, events)| {
                // The outer set watches sets, the others what is none, and now and then the
                // outer set, which Linux refuses as a circle.
                let which = match (set, which) {
                    (OUTER, which) => SETS + which % 2,
                    (_, SETS..OUTER) => COUNTER,
                    (_, which) => which,
                };
                Op::Control(set, operation, which, events)
            }),
        14 => (set(), 1..6_usize)
            .prop_map(|(a, b)| Op::Wait(a, if a == OUTER { ALL } else { b })),
        2 => set().prop_map(Op::Poll),
    ];
    proptest::collection::vec(op, 1..80)
}

#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Done(Result<usize, u16>),
    Events(Result<Vec<(u32, u64)>, u16>),
    Ready(u32),
}

fn number<T>(result: Result<T, io::Errno>) -> Result<T, u16> {
    result.map_err(|error| error.raw_os_error() as u16)
}

/// What is written: for the counter its word.
fn bytes(which: usize, count: usize) -> Vec<u8> {
    if which == COUNTER { (count as u64).to_le_bytes().to_vec() } else { vec![7; count] }
}

struct Host(Vec<Option<OwnedFd>>);

impl Host {
    fn new() -> Self {
        let counter = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK).unwrap();
        let mut all = vec![counter, reader, writer];
        for kind in [SocketType::STREAM, SocketType::DGRAM] {
            let pair = socketpair(AddressFamily::UNIX, kind, SocketFlags::NONBLOCK, None).unwrap();
            all.extend([pair.0, pair.1]);
        }
        for _ in SETS..ALL {
            all.push(epoll::create(CreateFlags::CLOEXEC).unwrap());
        }
        Self(all.into_iter().map(Some).collect())
    }

    fn get(&self, which: usize) -> io::Result<&OwnedFd> {
        self.0[which].as_ref().ok_or(io::Errno::BADF)
    }

    fn run(&mut self, op: &Op) -> Reply {
        match *op {
            Op::Write(which, count) => {
                let bytes = bytes(which, count);
                let socket = (FIRST_SOCKET..SETS).contains(&which);
                Reply::Done(number(self.get(which).and_then(|fd| {
                    if socket {
                        send(fd, &bytes, SendFlags::NOSIGNAL)
                    } else {
                        io::write(fd, &bytes)
                    }
                })))
            }
            Op::Read(which, count) => {
                let mut room = vec![0; count];
                Reply::Done(number(self.get(which).and_then(|fd| io::read(fd, &mut room[..]))))
            }
            Op::Close(which) => {
                self.0[which] = None;
                Reply::Done(Ok(0))
            }
            Op::Control(set, operation, which, events) => {
                let flags = EventFlags::from_bits_retain(events);
                let data = EventData::new_u64(which as u64);
                let done = self.get(set).and_then(|set| {
                    let fd = self.get(which)?;
                    match operation {
                        1 => epoll::add(set, fd, data, flags),
                        2 => epoll::delete(set, fd),
                        3 => epoll::modify(set, fd, data, flags),
                        // The others cannot be said here; Linux has them wrong.
                        _ => Err(io::Errno::INVAL),
                    }
                });
                Reply::Done(number(done.map(|()| 0)))
            }
            Op::Wait(set, most) => {
                let flags = EventFlags::empty();
                let mut events = vec![Event { flags, data: EventData::new_u64(0) }; most];
                let time = Timespec::default();
                let count =
                    self.get(set).and_then(|set| epoll::wait(set, &mut events[..], Some(&time)));
                Reply::Events(number(count.map(|count| {
                    let told = |event: &Event| {
                        let (flags, data) = (event.flags, event.data);
                        (flags.bits(), data.u64())
                    };
                    events[..count].iter().map(told).collect()
                })))
            }
            Op::Poll(which) => {
                use rustix::event::{PollFd, PollFlags, poll};
                let Ok(fd) = self.get(which) else { return Reply::Ready(abi::POLLNVAL) };
                let mut fds = [PollFd::new(fd, PollFlags::IN)];
                poll(&mut fds, Some(&Timespec::default())).unwrap();
                Reply::Ready(fds[0].revents().bits().into())
            }
        }
    }
}

struct Ours {
    world: World,
    all: Vec<Option<Fd>>,
}

fn look(_: crate::Outside, _: u32) -> u32 {
    0
}

impl Ours {
    fn new() -> Self {
        let mut world = World::new();
        let now = world.now;
        let mut all = vec![world.root.eventfd(0, abi::O_NONBLOCK, OWNER, now).unwrap()];
        let (reader, writer) = world.root.pipe(abi::O_NONBLOCK, OWNER, now).unwrap();
        all.extend([reader, writer]);
        for kind in [1, 2] {
            let pair = world.see(&crate::NoProc, |root, caller, _| {
                root.unix_pair(caller, kind | abi::O_NONBLOCK, 0).unwrap()
            });
            all.extend([pair.0, pair.1]);
        }
        for _ in SETS..ALL {
            all.push(world.root.epoll(0, OWNER, now).unwrap());
        }
        let all = all.into_iter().map(|open| world.table.install(open, false).ok()).collect();
        Self { world, all }
    }

    fn get(&self, which: usize) -> Result<(Fd, OpenId), Errno> {
        let fd = self.all[which].ok_or(Errno::EBADF)?;
        Ok((fd, self.world.table.get(fd)?))
    }

    /// Changes reach the sets.
    fn settle(&mut self) {
        let World { root, effects, .. } = &mut self.world;
        while root.bury(64, effects) {}
        while !effects.wakes().is_empty() {
            let wakes = effects.wakes().to_vec();
            effects.clear();
            for key in wakes {
                if !root.is_watched(key.object) {
                    continue;
                }
                let mut from = 0;
                while let Some(next) = root.spread(key, from, 2, effects) {
                    from = next;
                }
            }
        }
    }

    fn run(&mut self, op: &Op) -> Reply {
        let reply = self.perform(op);
        self.settle();
        match reply {
            Ok(reply) => reply,
            Err(error) if matches!(op, Op::Wait(..)) => Reply::Events(Err(error.number())),
            Err(_) if matches!(op, Op::Poll(..)) => Reply::Ready(abi::POLLNVAL),
            Err(error) => Reply::Done(Err(error.number())),
        }
    }

    fn perform(&mut self, op: &Op) -> Result<Reply, Errno> {
        match *op {
            Op::Write(which, count) => {
                let (fd, open) = self.get(which)?;
                let bytes = bytes(which, count);
                if (FIRST_SOCKET..SETS).contains(&which) {
                    let sent = self.world.see(&crate::NoProc, |root, caller, effects| {
                        let sending = Sending::default();
                        root.send(caller, open, &sending, &mut &bytes[..], effects)
                    })?;
                    let crate::Outcome::Done(sent) = sent else { panic!("{sent:?}") };
                    return Ok(Reply::Done(Ok(sent)));
                }
                Ok(Reply::Done(Ok(self.world.write(fd, &bytes)?)))
            }
            Op::Read(which, count) => {
                let (fd, _) = self.get(which)?;
                Ok(Reply::Done(Ok(self.world.read(fd, count)?.len())))
            }
            Op::Close(which) => {
                if let Some(fd) = self.all[which].take() {
                    self.world.close(fd)?;
                }
                Ok(Reply::Done(Ok(0)))
            }
            Op::Control(set, operation, which, events) => {
                let ((_, set), (fd, open)) = (self.get(set)?, self.get(which)?);
                let target = crate::Watched { fd, open, signals: 0 };
                if !(1..=3).contains(&operation) {
                    return Err(Errno::EINVAL);
                }
                let World { root, effects, .. } = &mut self.world;
                let event = Some((events, which as u64)).filter(|_| operation != 2);
                root.epoll_control((OWNER, set), operation, target, event, &look, effects)?;
                Ok(Reply::Done(Ok(0)))
            }
            Op::Wait(set, most) => {
                let (_, set) = self.get(set)?;
                let mut events = Vec::new();
                let mut left = None;
                loop {
                    let most = most - events.len();
                    let mut give = |event, data| events.push((event, data));
                    let root = &mut self.world.root;
                    let got = root.epoll_collect(set, most, left, &look, &mut give)?;
                    if got.left == 0 || got.count == most {
                        return Ok(Reply::Events(Ok(events)));
                    }
                    left = Some(got.left);
                }
            }
            Op::Poll(which) => {
                let (_, open) = self.get(which)?;
                let polled =
                    self.world.root.poll_some(open, abi::POLLIN, &look, &mut usize::MAX.clone());
                Ok(Reply::Ready(polled.unwrap().ready))
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: ProptestConfig::default().cases.max(400),
        ..ProptestConfig::default()
    })]

    #[test]
    fn linux_sets_agree(ops in ops()) {
        let (mut host, mut ours) = (Host::new(), Ours::new());
        let nested = ops.iter().any(|op| matches!(op, Op::Control(SETS..OUTER, _, OUTER, _)));
        for op in &ops {
            let op = &match *op {
                Op::Wait(set, _) if nested => Op::Wait(set, ALL),
                _ => op.clone(),
            };
            let (mut own, mut theirs) = (ours.run(op), host.run(op));
            if let (Op::Wait(_, ALL), Reply::Events(Ok(own)), Reply::Events(Ok(theirs))) =
                (op, &mut own, &mut theirs)
            {
                own.sort_unstable();
                theirs.sort_unstable();
            }
            prop_assert_eq!(own, theirs, "ours, Linux's: {:?}", op);
        }
        for which in 0..ALL {
            ours.run(&Op::Close(which));
        }
        prop_assert_eq!(ours.world.root.held(OWNER).get(), 0, "all is back");
        let watched = (1..100).any(|object| ours.world.root.is_watched(object));
        prop_assert!(!watched, "nothing is watched");
    }
}
