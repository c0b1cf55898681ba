//! Pipes and FIFOs: what waits, whom it wakes, what an end means.

use alloc::vec;
use linux_raw_sys::general as abi;

use super::{OWNER, World};
use crate::{At, Collect, Errno, Fd, Opened, Outcome, Side, Sink, Source, WaitKey};

fn pipe(world: &mut World) -> (Fd, Fd) {
    let (reader, writer) = world.root.pipe(0, OWNER, world.now).unwrap();
    (world.table.install(reader, false).unwrap(), world.table.install(writer, false).unwrap())
}

fn read_outcome(world: &mut World, fd: Fd) -> Outcome {
    let open = world.table.get(fd).unwrap();
    let mut sink = Collect::new(10);
    world
        .call(|root, c, effects| root.read(c, open, None, &mut sink, &mut |_| {}, effects))
        .unwrap()
}

fn woken(world: &mut World, side: Side) -> bool {
    let woken = world.effects.wakes().iter().any(|key| key.side == side);
    world.effects.clear();
    woken
}

#[test]
fn an_empty_pipe_says_what_to_wait_for_and_a_write_wakes_it() {
    let mut world = World::new();
    let (reader, writer) = pipe(&mut world);
    let Outcome::WouldBlock(key) = read_outcome(&mut world, reader) else { panic!() };
    assert_eq!(key.side, Side::Readable);
    world.effects.clear();
    assert_eq!(world.write(writer, b"x"), Ok(1));
    assert_eq!(world.effects.wakes(), [key]);
    assert_eq!(read_outcome(&mut world, reader), Outcome::Done(1));
}

#[test]
fn a_full_pipe_is_written_again_when_a_slot_is_free() {
    let mut world = World::new();
    let (reader, writer) = pipe(&mut world);
    assert_eq!(world.write(writer, &[1; 65536]), Ok(45056));
    assert_eq!(world.write(writer, &[1; 20480]), Ok(20480));
    let Ok(Outcome::WouldBlock(WaitKey { side: Side::Writable, .. })) =
        world.try_write(writer, b"x", None)
    else {
        panic!()
    };
    world.effects.clear();
    world.read(reader, 4095).unwrap();
    assert!(!woken(&mut world, Side::Writable), "no slot is free yet");
    world.read(reader, 1).unwrap();
    assert!(woken(&mut world, Side::Writable));
    assert_eq!(world.write(writer, b"x"), Ok(1));
}

#[test]
fn without_readers_it_is_broken_and_without_writers_at_its_end() {
    let mut world = World::new();
    let (reader, writer) = pipe(&mut world);
    world.write(writer, b"rest").unwrap();
    world.effects.clear();
    world.close(writer).unwrap();
    assert!(woken(&mut world, Side::Readable));
    assert_eq!(world.read(reader, 10).unwrap(), b"rest");
    assert_eq!(world.read(reader, 10).unwrap(), b"");

    let (reader, writer) = pipe(&mut world);
    world.close(reader).unwrap();
    assert_eq!(world.write(writer, b"x"), Err(Errno::EPIPE));
    assert_eq!(world.write(writer, b""), Ok(0));
}

#[test]
fn a_small_write_is_whole_or_waits() {
    let mut world = World::new();
    let (reader, writer) = pipe(&mut world);
    for _ in 0..16 {
        assert_eq!(world.write(writer, &[1; 4000]), Ok(4000));
    }
    assert_eq!(world.write(writer, &[2; 96]), Ok(96));
    assert!(matches!(world.try_write(writer, &[3; 97], None), Ok(Outcome::WouldBlock(_))));
    world.read(reader, 4000).unwrap();
    assert_eq!(world.write(writer, &[3; 97]), Ok(97));
}

#[test]
fn a_fault_loses_nothing() {
    struct Broken;
    impl Sink for Broken {
        fn room(&self) -> usize {
            10
        }
        fn put(&mut self, _: &[u8]) -> Result<(), Errno> {
            Err(Errno::EFAULT)
        }
    }
    impl Source for Broken {
        fn left(&self) -> usize {
            10
        }
        fn take(&mut self, _: &mut [u8]) -> Result<(), Errno> {
            Err(Errno::EFAULT)
        }
    }
    let mut world = World::new();
    let (reader, writer) = pipe(&mut world);
    world.write(writer, b"precious").unwrap();
    let (from, to) = (world.table.get(reader).unwrap(), world.table.get(writer).unwrap());
    let read =
        world.call(|root, c, effects| root.read(c, from, None, &mut Broken, &mut |_| {}, effects));
    assert_eq!(read, Err(Errno::EFAULT));
    let written = world.call(|root, c, effects| root.write(c, to, None, &mut Broken, effects));
    assert_eq!(written, Err(Errno::EFAULT));
    assert_eq!(world.read(reader, 100).unwrap(), b"precious");
}

fn open(world: &mut World, flags: u32) -> Result<Opened, Errno> {
    world.call(|root, caller, effects| root.open(caller, At::cwd(b"/fifo"), flags, 0, effects))
}

#[test]
fn the_ends_of_a_fifo_wait_for_each_other() {
    let mut world = World::new();
    world.mkfifo("/fifo").unwrap();
    assert_eq!(open(&mut world, abi::O_WRONLY | abi::O_NONBLOCK), Err(Errno::ENXIO));
    let Ok(Opened::Waiting { open: reader, key }) = open(&mut world, abi::O_RDONLY) else {
        panic!()
    };
    assert!(matches!(world.root.continue_open(reader), Ok(Opened::Waiting { .. })));
    world.effects.clear();
    let Ok(Opened::Ready(writer)) = open(&mut world, abi::O_WRONLY) else { panic!() };
    assert_eq!(world.effects.wakes(), [key]);
    // Even if the writer is gone before the reader looks.
    world.root.close(writer, &mut world.effects);
    assert_eq!(world.root.continue_open(reader), Ok(Opened::Ready(reader)));
    let fd = world.table.install(reader, false).unwrap();
    assert_eq!(world.read(fd, 10).unwrap(), vec![]);
}

#[test]
fn a_reader_that_did_not_wait_sees_no_end_before_there_was_a_writer() {
    let mut world = World::new();
    world.mkfifo("/fifo").unwrap();
    let Ok(Opened::Ready(reader)) = open(&mut world, abi::O_RDONLY | abi::O_NONBLOCK) else {
        panic!()
    };
    assert_eq!(world.root.poll(reader, abi::POLLIN).ready, 0);
    let Ok(Opened::Ready(writer)) = open(&mut world, abi::O_WRONLY) else { panic!() };
    world.root.close(writer, &mut world.effects);
    assert_eq!(world.root.poll(reader, abi::POLLIN).ready, abi::POLLHUP);
}

#[test]
fn an_open_that_gave_up_leaves_nothing() {
    let mut world = World::new();
    world.mkfifo("/fifo").unwrap();
    let Ok(Opened::Waiting { open: reader, .. }) = open(&mut world, abi::O_RDONLY) else {
        panic!()
    };
    world.root.close(reader, &mut world.effects);
    assert_eq!(open(&mut world, abi::O_WRONLY | abi::O_NONBLOCK), Err(Errno::ENXIO));
    assert_eq!(world.root.open_files(), 0);
}
