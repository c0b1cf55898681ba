//! Random operations on sockets of `AF_UNIX`: the host's Linux and ours answer the same.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use linux_raw_sys::general as abi;
use linux_raw_sys::net as raw;
use proptest::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::{self, IoSlice, IoSliceMut};
use rustix::net::{
    self, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketAddrAny, SocketAddrUnix, SocketFlags,
    SocketType, sockopt,
};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use super::{OWNER, World};
use crate::{Accepted, Collect, Errno, Fd, Got, OpenId, Outcome, Receiving, Sending};

/// Sockets of a sequence, names, and the events that are polled for.
const SLOTS: usize = 6;
const NAMES: usize = 4;
const EVENTS: u32 = abi::POLLIN
    | abi::POLLOUT
    | abi::POLLRDNORM
    | abi::POLLWRNORM
    | abi::POLLWRBAND
    | abi::POLLRDHUP
    | abi::POLLPRI;

#[derive(Clone, Debug)]
enum Op {
    Make(usize, u32),
    Pair(usize, usize, u32),
    Bind(usize, usize),
    Listen(usize, i32),
    Connect(usize, usize),
    Part(usize),
    Accept(usize, usize),
    Send(usize, usize),
    SendTo(usize, usize, usize),
    /// With a pipe's end.
    Pass(usize, usize),
    Receive(usize, usize, bool),
    Shut(usize, i32),
    Close(usize),
    Unlink(usize),
    Names(usize),
    Error(usize),
    Poll(usize),
}

/// What is received: how much, of how much, which bytes, from whom, and with how many
/// descriptors.
type Seen = (usize, Vec<u8>, Option<usize>, usize, bool);

#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Done(Result<usize, u16>),
    Seen(Result<Seen, u16>),
    Names(Result<Option<usize>, u16>, Result<Option<usize>, u16>),
    Error(Result<u16, u16>),
    Ready(u32),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let slot = || 0..SLOTS;
    let name = || 0..NAMES;
    let kind = || prop_oneof![3 => Just(1_u32), 2 => Just(2_u32), 2 => Just(5_u32), 1 => 0..8_u32];
    let count = || prop_oneof![0..20_usize, Just(0), 0..3000_usize];
    let op = prop_oneof![
        6 => (slot(), kind()).prop_map(|(a, b)| Op::Make(a, b)),
        5 => (slot(), slot(), kind()).prop_map(|(a, b, c)| Op::Pair(a, b, c)),
        8 => (slot(), name()).prop_map(|(a, b)| Op::Bind(a, b)),
        6 => (slot(), -1..3_i32).prop_map(|(a, b)| Op::Listen(a, b)),
        12 => (slot(), name()).prop_map(|(a, b)| Op::Connect(a, b)),
        1 => slot().prop_map(Op::Part),
        8 => (slot(), slot()).prop_map(|(a, b)| Op::Accept(a, b)),
        16 => (slot(), count()).prop_map(|(a, b)| Op::Send(a, b)),
        8 => (slot(), name(), count()).prop_map(|(a, b, c)| Op::SendTo(a, b, c)),
        3 => (slot(), count()).prop_map(|(a, b)| Op::Pass(a, b)),
        16 => (slot(), count(), any::<bool>()).prop_map(|(a, b, c)| Op::Receive(a, b, c)),
        3 => (slot(), -1..4_i32).prop_map(|(a, b)| Op::Shut(a, b)),
        5 => slot().prop_map(Op::Close),
        1 => name().prop_map(Op::Unlink),
        3 => slot().prop_map(Op::Names),
        3 => slot().prop_map(Op::Error),
        12 => slot().prop_map(Op::Poll),
    ];
    proptest::collection::vec(op, 1..90)
}

fn pattern(next: &mut u8, count: usize) -> Vec<u8> {
    (0..count)
        .map(|_| {
            *next = next.wrapping_add(1);
            *next
        })
        .collect()
}

fn number<T>(result: Result<T, io::Errno>) -> Result<T, u16> {
    result.map_err(|error| error.raw_os_error() as u16)
}

struct Host {
    slots: [Option<OwnedFd>; SLOTS],
    folder: tempfile::TempDir,
    mark: String,
    next: u8,
}

impl Host {
    /// Half of the names are in the tree.
    fn address(&self, name: usize) -> SocketAddrUnix {
        if name.is_multiple_of(2) {
            SocketAddrUnix::new(self.path(name)).unwrap()
        } else {
            SocketAddrUnix::new_abstract_name(format!("{}{name}", self.mark).as_bytes()).unwrap()
        }
    }

    fn path(&self, name: usize) -> PathBuf {
        self.folder.path().join(format!("n{name}"))
    }

    fn name(&self, address: Option<SocketAddrAny>) -> Option<usize> {
        let address = SocketAddrUnix::try_from(address?).ok()?;
        (0..NAMES).find(|&name| {
            let its = self.address(name);
            its.path_bytes() == address.path_bytes()
                && its.abstract_name() == address.abstract_name()
                && !address.is_unnamed()
        })
    }

    fn slot(&self, slot: usize) -> Result<&OwnedFd, io::Errno> {
        self.slots[slot].as_ref().ok_or(io::Errno::BADF)
    }

    fn run(&mut self, op: &Op) -> Reply {
        let done = |result: io::Result<usize>| Reply::Done(number(result));
        let nothing = |result: io::Result<()>| Reply::Done(number(result.map(|()| 0)));
        match *op {
            Op::Make(slot, kind) => {
                let made = net::socket_with(
                    AddressFamily::UNIX,
                    SocketType::from_raw(kind),
                    SocketFlags::NONBLOCK,
                    None,
                );
                nothing(made.map(|made| self.slots[slot] = Some(made)))
            }
            Op::Pair(one, other, kind) => {
                let made = net::socketpair(
                    AddressFamily::UNIX,
                    SocketType::from_raw(kind),
                    SocketFlags::NONBLOCK,
                    None,
                );
                nothing(made.map(|(first, second)| {
                    self.slots[one] = Some(first);
                    self.slots[other] = Some(second);
                }))
            }
            Op::Bind(slot, name) => {
                nothing(self.slot(slot).and_then(|fd| net::bind(fd, &self.address(name))))
            }
            Op::Listen(slot, backlog) => {
                nothing(self.slot(slot).and_then(|fd| net::listen(fd, backlog)))
            }
            Op::Connect(slot, name) => {
                nothing(self.slot(slot).and_then(|fd| net::connect(fd, &self.address(name))))
            }
            Op::Part(slot) => nothing(self.slot(slot).and_then(net::connect_unspec)),
            Op::Accept(slot, to) => {
                let made = self.slot(slot);
                let made = made.and_then(|fd| net::accept_with(fd, SocketFlags::NONBLOCK));
                nothing(made.map(|made| self.slots[to] = Some(made)))
            }
            Op::Send(slot, count) => {
                let bytes = pattern(&mut self.next, count);
                done(self.slot(slot).and_then(|fd| net::send(fd, &bytes, SendFlags::NOSIGNAL)))
            }
            Op::SendTo(slot, name, count) => {
                let bytes = pattern(&mut self.next, count);
                let address = self.address(name);
                done(
                    self.slot(slot)
                        .and_then(|fd| net::sendto(fd, &bytes, SendFlags::NOSIGNAL, &address)),
                )
            }
            Op::Pass(slot, count) => {
                let bytes = pattern(&mut self.next, count);
                let (pipe, _other) = rustix::pipe::pipe().unwrap();
                let fds = [pipe.as_fd()];
                let mut space = [MaybeUninit::uninit(); 64];
                let mut control = SendAncillaryBuffer::new(&mut space);
                assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
                done(self.slot(slot).and_then(|fd| {
                    net::sendmsg(fd, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)
                }))
            }
            Op::Receive(slot, count, peek) => Reply::Seen(number(self.receive(slot, count, peek))),
            Op::Shut(slot, how) => {
                let how = match how {
                    0 => Shutdown::Read,
                    1 => Shutdown::Write,
                    _ => Shutdown::Both,
                };
                nothing(self.slot(slot).and_then(|fd| net::shutdown(fd, how)))
            }
            Op::Close(slot) => {
                self.slots[slot] = None;
                nothing(Ok(()))
            }
            Op::Unlink(name) => {
                let unlinked = rustix::fs::unlink(self.path(name));
                nothing(unlinked)
            }
            Op::Names(slot) => {
                let own = self.slot(slot).and_then(net::getsockname);
                let other = self.slot(slot).and_then(net::getpeername);
                Reply::Names(
                    number(own.map(|own| self.name(Some(own)))),
                    number(other.map(|other| self.name(other))),
                )
            }
            Op::Error(slot) => {
                let error = self.slot(slot).and_then(sockopt::socket_error);
                Reply::Error(number(
                    error.map(|error| {
                        error.map_or_else(|error| error.raw_os_error() as u16, |()| 0)
                    }),
                ))
            }
            Op::Poll(slot) => {
                let Ok(fd) = self.slot(slot) else { return Reply::Ready(abi::POLLNVAL) };
                let flags = PollFlags::from_bits_retain(EVENTS as u16);
                let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), flags)];
                rustix::event::poll(&mut fds, Some(&Timespec::default())).unwrap();
                Reply::Ready(fds[0].revents().bits().into())
            }
        }
    }

    fn receive(&self, slot: usize, count: usize, peek: bool) -> io::Result<Seen> {
        let mut bytes = alloc::vec![0; count];
        let mut space = [MaybeUninit::uninit(); 256];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = if peek { RecvFlags::PEEK } else { RecvFlags::empty() };
        let fd = self.slot(slot)?;
        let message = net::recvmsg(fd, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?;
        let rights = control.drain().map(|message| match message {
            RecvAncillaryMessage::ScmRights(rights) => rights.count(),
            _ => 0,
        });
        let rights = rights.sum();
        bytes.truncate(message.bytes);
        let cut = message.flags.bits() & raw::MSG_TRUNC != 0;
        Ok((message.bytes, bytes, self.name(message.address), rights, cut))
    }
}

struct Ours {
    world: World,
    slots: [Option<Fd>; SLOTS],
    next: u8,
}

impl Ours {
    fn address(name: usize) -> Vec<u8> {
        let zero = if name.is_multiple_of(2) { "" } else { "\0" };
        let mut address = 1_u16.to_le_bytes().to_vec();
        address.extend(format!("{zero}n{name}").as_bytes());
        address
    }

    fn name(address: &[u8]) -> Option<usize> {
        (0..NAMES).find(|&name| {
            let mut its = Self::address(name);
            if name.is_multiple_of(2) {
                its.push(0);
            }
            its == address
        })
    }

    fn open(&self, slot: usize) -> Result<OpenId, Errno> {
        self.world.table.get(self.slots[slot].ok_or(Errno::EBADF)?)
    }

    fn put(&mut self, slot: usize, open: OpenId) {
        if let Some(old) = self.slots[slot].take() {
            self.world.close(old).unwrap();
        }
        self.slots[slot] = Some(self.world.table.install(open, false).unwrap());
    }

    fn bury(&mut self) {
        while self.world.root.bury(64, &mut self.world.effects) {}
    }

    fn run(&mut self, op: &Op) -> Reply {
        let reply = self.perform(op);
        self.bury();
        self.world.effects.clear();
        reply
    }

    fn send(&mut self, slot: usize, address: Option<&[u8]>, count: usize, pass: bool) -> Reply {
        let bytes = pattern(&mut self.next, count);
        let open = self.open(slot);
        let now = self.world.now;
        let pipe = pass.then(|| self.world.root.pipe(0, OWNER, now).unwrap());
        let rights: Vec<OpenId> = pipe.map(|(reader, _)| reader).into_iter().collect();
        let sent = open.and_then(|open| {
            self.world.see(&crate::NoProc, |root, caller, effects| {
                let sending = Sending { address, rights: &rights, ..Sending::default() };
                root.send(caller, open, &sending, &mut &bytes[..], effects)
            })
        });
        if let Some((reader, writer)) = pipe {
            self.world.root.close(reader, &mut self.world.effects);
            self.world.root.close(writer, &mut self.world.effects);
        }
        Reply::Done(match sent {
            Ok(Outcome::Done(sent)) => Ok(sent),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.number()),
        })
    }

    fn receive(&mut self, slot: usize, count: usize, peek: bool) -> Result<Seen, Errno> {
        let open = self.open(slot)?;
        let mut sink = Collect::new(count);
        let receiving = Receiving { peek, ..Receiving::default() };
        let World { root, effects, .. } = &mut self.world;
        let got = root.receive(open, receiving, &mut sink, effects)?;
        let Got::Done(received) = got else { panic!("{got:?}") };
        let rights = received.rights.len();
        for open in received.rights {
            root.close(open, effects);
        }
        let bytes = sink.into_bytes();
        let from = received.address.as_deref().and_then(Self::name);
        let cut = received.is_message && received.length > received.count;
        Ok((received.count, bytes, from, rights, cut))
    }

    fn perform(&mut self, op: &Op) -> Reply {
        let nothing = |result: Result<(), Errno>| {
            Reply::Done(match result {
                Ok(()) => Ok(0),
                Err(error) => Err(error.number()),
            })
        };
        const NONBLOCK: u32 = abi::O_NONBLOCK;
        match *op {
            Op::Make(slot, kind) => {
                let made = self.world.see(&crate::NoProc, |root, caller, _| {
                    root.unix_socket(caller, kind | NONBLOCK, 0)
                });
                nothing(made.map(|made| self.put(slot, made)))
            }
            Op::Pair(one, other, kind) => {
                let made = self.world.see(&crate::NoProc, |root, caller, _| {
                    root.unix_pair(caller, kind | NONBLOCK, 0)
                });
                nothing(made.map(|(first, second)| {
                    self.put(one, first);
                    self.put(other, second);
                }))
            }
            Op::Bind(slot, name) => {
                let open = self.open(slot);
                nothing(open.and_then(|open| {
                    self.world.see(&crate::NoProc, |root, caller, _| {
                        root.bind(caller, open, &Self::address(name))
                    })
                }))
            }
            Op::Listen(slot, backlog) => {
                let open = self.open(slot);
                nothing(open.and_then(|open| {
                    self.world.see(&crate::NoProc, |root, caller, effects| {
                        root.listen(caller, open, backlog, effects)
                    })
                }))
            }
            Op::Connect(slot, _) | Op::Part(slot) => {
                let address = match *op {
                    Op::Connect(_, name) => Self::address(name),
                    _ => 0_u16.to_le_bytes().to_vec(),
                };
                let open = self.open(slot);
                nothing(open.and_then(|open| {
                    self.world.see(&crate::NoProc, |root, caller, effects| {
                        root.connect(caller, open, &address, effects).map(|_| ())
                    })
                }))
            }
            Op::Accept(slot, to) => {
                let open = self.open(slot);
                let made = open.and_then(|open| {
                    self.world.see(&crate::NoProc, |root, caller, effects| {
                        root.accept(caller, open, NONBLOCK, effects)
                    })
                });
                nothing(made.map(|made| {
                    let Accepted::Ready(made) = made else { panic!("{made:?}") };
                    self.put(to, made);
                }))
            }
            Op::Send(slot, count) => self.send(slot, None, count, false),
            Op::SendTo(slot, name, count) => {
                self.send(slot, Some(&Self::address(name)), count, false)
            }
            Op::Pass(slot, count) => self.send(slot, None, count, true),
            Op::Receive(slot, count, peek) => {
                Reply::Seen(self.receive(slot, count, peek).map_err(Errno::number))
            }
            Op::Shut(slot, how) => {
                let how = if (0..2).contains(&how) { how } else { 2 };
                let open = self.open(slot);
                let World { root, effects, .. } = &mut self.world;
                nothing(open.and_then(|open| root.shutdown(open, how, effects)))
            }
            Op::Close(slot) => {
                if let Some(fd) = self.slots[slot].take() {
                    self.world.close(fd).unwrap();
                }
                nothing(Ok(()))
            }
            Op::Unlink(name) => nothing(self.world.unlink(&format!("/n{name}"))),
            Op::Names(slot) => {
                let open = self.open(slot);
                let own = open.and_then(|open| self.world.root.socket_name(open));
                let other = open.and_then(|open| self.world.root.peer_name(open));
                let named = |name: Result<Vec<u8>, Errno>| {
                    name.map(|name| Self::name(&name)).map_err(Errno::number)
                };
                Reply::Names(named(own), named(other))
            }
            Op::Error(slot) => {
                let option = self
                    .open(slot)
                    .and_then(|open| self.world.root.option(open, raw::SOL_SOCKET, raw::SO_ERROR));
                Reply::Error(
                    option
                        .map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()) as u16)
                        .map_err(Errno::number),
                )
            }
            Op::Poll(slot) => match self.open(slot) {
                Ok(open) => Reply::Ready(self.world.root.poll(open, EVENTS).ready),
                Err(_) => Reply::Ready(abi::POLLNVAL),
            },
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
    fn linux_sockets_agree(ops in ops()) {
        let folder = tempfile::tempdir().unwrap();
        let mark = format!("{}-", folder.path().display());
        let mut host = Host { slots: [const { None }; SLOTS], folder, mark, next: 0 };
        let mut ours = Ours { world: World::new(), slots: [None; SLOTS], next: 0 };
        let held = ours.world.root.held(OWNER);
        for op in &ops {
            prop_assert_eq!(ours.run(op), host.run(op), "ours, Linux's: {:?}", op);
        }
        for slot in 0..SLOTS {
            ours.run(&Op::Close(slot));
        }
        for name in 0..NAMES {
            ours.run(&Op::Unlink(name));
        }
        prop_assert_eq!(ours.world.root.held(OWNER), held, "all is back");
    }
}
