//! Pipes and counters against Linux's: the same reads, writes, sizes and readiness.

use alloc::vec;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;
use proptest::prelude::*;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::pipe::PipeFlags;
use rustix::{event, io, pipe};
use std::os::fd::{AsFd, OwnedFd};

use super::ops::ALL;
use super::{OWNER, World};
use crate::{Errno, Fd};

#[derive(Clone, Debug)]
enum Op {
    Write(usize),
    Read(usize),
    Size,
    Resize(u32),
    CloseReader,
    CloseWriter,
    Poll,
}

#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Done(Result<u64, u16>),
    Bytes(Result<Vec<u8>, u16>),
    Ready(u32, u32),
}

fn count() -> impl Strategy<Value = usize> {
    prop_oneof![0..20_usize, 4090..4100_usize, 0..20_000_usize, Just(8192_usize)]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let size = prop_oneof![0..9000_u32, 4096..70_000_u32, Just(1 << 20)];
    let op = prop_oneof![
        20 => count().prop_map(Op::Write),
        15 => count().prop_map(Op::Read),
        3 => Just(Op::Size),
        3 => size.prop_map(Op::Resize),
        1 => Just(Op::CloseReader),
        1 => Just(Op::CloseWriter),
        10 => Just(Op::Poll),
    ];
    proptest::collection::vec(op, 1..80)
}

/// What is written: a sequence, so that a lost byte shows.
fn pattern(next: &mut u8, count: usize) -> Vec<u8> {
    (0..count)
        .map(|_| {
            *next = next.wrapping_add(1);
            *next
        })
        .collect()
}

fn host_ready(fd: Option<&OwnedFd>) -> u32 {
    let Some(fd) = fd else { return abi::POLLNVAL };
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::from_bits_retain(ALL as u16))];
    event::poll(&mut fds, Some(&Timespec::default())).unwrap();
    u32::from(fds[0].revents().bits())
}

fn number<T>(result: Result<T, io::Errno>) -> Result<T, u16> {
    result.map_err(|error| error.raw_os_error() as u16)
}

struct Host {
    reader: Option<OwnedFd>,
    writer: Option<OwnedFd>,
    next: u8,
}

impl Host {
    fn run(&mut self, op: &Op) -> Reply {
        let bad = io::Errno::BADF;
        match op {
            Op::Write(count) => {
                let bytes = pattern(&mut self.next.clone(), *count);
                let done = self.writer.as_ref().ok_or(bad).and_then(|fd| io::write(fd, &bytes));
                self.next = self.next.wrapping_add(done.unwrap_or(0) as u8);
                Reply::Done(number(done.map(|done| done as u64)))
            }
            Op::Read(count) => {
                let mut bytes = vec![0; *count];
                let done =
                    self.reader.as_ref().ok_or(bad).and_then(|fd| io::read(fd, &mut bytes[..]));
                Reply::Bytes(number(done.map(|done| bytes[..done].to_vec())))
            }
            Op::Size => {
                let size = self.reader.as_ref().ok_or(bad).and_then(pipe::fcntl_getpipe_size);
                Reply::Done(number(size.map(|size| size as u64)))
            }
            Op::Resize(size) => {
                let size = *size as usize;
                let fd = self.reader.as_ref().ok_or(bad);
                let size = fd.and_then(|fd| pipe::fcntl_setpipe_size(fd, size));
                Reply::Done(number(size.map(|size| size as u64)))
            }
            Op::CloseReader => Reply::Done(number(self.reader.take().ok_or(bad).map(|_| 0))),
            Op::CloseWriter => Reply::Done(number(self.writer.take().ok_or(bad).map(|_| 0))),
            Op::Poll => {
                Reply::Ready(host_ready(self.reader.as_ref()), host_ready(self.writer.as_ref()))
            }
        }
    }
}

struct Ours {
    world: World,
    reader: Fd,
    writer: Fd,
    next: u8,
}

impl Ours {
    fn ready(&self, fd: Fd) -> u32 {
        match self.world.table.get(fd) {
            Ok(open) => self.world.root.poll(open, ALL).ready,
            Err(_) => abi::POLLNVAL,
        }
    }

    fn fcntl(&mut self, request: u32, argument: u32) -> Result<u64, Errno> {
        let World { root, table, effects, .. } = &mut self.world;
        root.fcntl(table, self.reader, request, u64::from(argument), effects).map(u64::from)
    }

    fn run(&mut self, op: &Op) -> Reply {
        let done = |result: Result<u64, Errno>| Reply::Done(result.map_err(Errno::number));
        match op {
            Op::Write(count) => {
                let bytes = pattern(&mut self.next.clone(), *count);
                let count = self.world.write(self.writer, &bytes);
                self.next = self.next.wrapping_add(count.unwrap_or(0) as u8);
                done(count.map(|count| count as u64))
            }
            Op::Read(count) => {
                Reply::Bytes(self.world.read(self.reader, *count).map_err(Errno::number))
            }
            Op::Size => done(self.fcntl(abi::F_GETPIPE_SZ, 0)),
            Op::Resize(size) => done(self.fcntl(abi::F_SETPIPE_SZ, *size)),
            Op::CloseReader => done(self.world.close(self.reader).map(|()| 0)),
            Op::CloseWriter => done(self.world.close(self.writer).map(|()| 0)),
            Op::Poll => Reply::Ready(self.ready(self.reader), self.ready(self.writer)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn linux_pipes_agree(ops in ops()) {
        let (reader, writer) = pipe::pipe_with(PipeFlags::NONBLOCK).unwrap();
        let mut host = Host { reader: Some(reader), writer: Some(writer), next: 0 };
        let mut world = World::new();
        let (reader, writer) = world.root.pipe(abi::O_NONBLOCK, OWNER, world.now).unwrap();
        let reader = world.table.install(reader, false).unwrap();
        let writer = world.table.install(writer, false).unwrap();
        let mut ours = Ours { world, reader, writer, next: 0 };
        for op in &ops {
            prop_assert_eq!(ours.run(op), host.run(op), "ours, Linux's: {:?}", op);
        }
        let World { root, table, effects, .. } = &mut ours.world;
        table.close_all(root, effects);
        prop_assert_eq!(root.held(OWNER).get(), 0);
    }

    #[test]
    fn linux_counters_agree(
        semaphore: bool,
        start in 0..5_u32,
        ops in proptest::collection::vec(
            prop_oneof![Just(None), (0..4_u64).prop_map(Some), (u64::MAX - 4..=u64::MAX).prop_map(Some)],
            1..30,
        ),
    ) {
        let mut flags = EventfdFlags::NONBLOCK;
        flags.set(EventfdFlags::SEMAPHORE, semaphore);
        let host = event::eventfd(start, flags).unwrap();
        let mut world = World::new();
        let ours = world.root.eventfd(start, flags.bits(), OWNER, world.now).unwrap();
        let fd = world.table.install(ours, false).unwrap();
        for op in ops {
            match op {
                Some(value) => {
                    let ours = world.write(fd, &value.to_le_bytes()).map_err(Errno::number);
                    prop_assert_eq!(ours, number(io::write(&host, &value.to_le_bytes())));
                }
                None => {
                    let mut bytes = [0_u8; 8];
                    let theirs = number(io::read(&host, &mut bytes[..]));
                    let ours = world.read(fd, 8).map_err(Errno::number);
                    prop_assert_eq!(ours, theirs.map(|_| bytes.to_vec()));
                }
            }
            prop_assert_eq!(world.root.poll(ours, ALL).ready, host_ready(Some(&host)));
        }
    }
}
