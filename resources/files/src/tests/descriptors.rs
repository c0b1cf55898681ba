//! Descriptor tables: numbers, sharing, limits.

use alloc::vec::Vec;
use linux_raw_sys::general as abi;

use super::{OWNER, World};
use crate::{Effects, Errno, Fd, Table};

fn fd(number: i32) -> Fd {
    Fd::new(number)
}

fn dup(world: &mut World, from: Fd, least: i32) -> Result<Fd, Errno> {
    world.table.duplicate(&mut world.root, from, fd(least), false)
}

fn dup_to(world: &mut World, from: Fd, to: i32, flags: Option<u32>) -> Result<Fd, Errno> {
    let World { root, table, effects, .. } = world;
    table.duplicate_to(root, from, fd(to), flags, effects)
}

fn fcntl(world: &mut World, on: Fd, request: u32, argument: u32) -> Result<u32, Errno> {
    let World { root, table, effects, .. } = world;
    root.fcntl(table, on, request, u64::from(argument), effects)
}

fn numbers(table: &Table) -> Vec<i32> {
    table.iter().map(|(fd, _)| fd.get()).collect()
}

#[test]
fn the_lowest_free_number_is_given() {
    let mut world = World::new();
    for number in 0..4 {
        assert_eq!(world.open("/dev/null", abi::O_RDWR), Ok(fd(number)));
    }
    world.close(fd(2)).unwrap();
    world.close(fd(1)).unwrap();
    assert_eq!(world.open("/dev/null", abi::O_RDWR), Ok(fd(1)));
    assert_eq!(dup(&mut world, fd(0), 0), Ok(fd(2)));
    assert_eq!(dup(&mut world, fd(0), 10), Ok(fd(10)));
    assert_eq!(dup(&mut world, fd(0), 0), Ok(fd(4)));
    assert_eq!(world.close(fd(7)), Err(Errno::EBADF));
    assert_eq!(world.close(fd(-1)), Err(Errno::EBADF));
}

#[test]
fn duplicates_share_offset_and_flags_but_not_close_on_exec() {
    let mut world = World::new();
    world.file("/a", b"abcdef");
    let one = world.open("/a", abi::O_RDWR | abi::O_CLOEXEC).unwrap();
    let two = dup(&mut world, one, 0).unwrap();
    let apart = world.open("/a", abi::O_RDWR).unwrap();
    assert_eq!(world.read(one, 2).unwrap(), b"ab");
    assert_eq!(world.read(two, 2).unwrap(), b"cd");
    assert_eq!(world.read(apart, 2).unwrap(), b"ab");
    fcntl(&mut world, one, abi::F_SETFL, abi::O_APPEND | abi::O_CREAT | abi::O_WRONLY).unwrap();
    let flags = abi::O_RDWR | abi::O_APPEND | abi::O_LARGEFILE;
    assert_eq!(fcntl(&mut world, two, abi::F_GETFL, 0), Ok(flags));
    assert_eq!(fcntl(&mut world, one, abi::F_GETFD, 0), Ok(abi::FD_CLOEXEC));
    assert_eq!(fcntl(&mut world, two, abi::F_GETFD, 0), Ok(0));
    assert_eq!(fcntl(&mut world, two, abi::F_SETFD, 1), Ok(0));
    assert_eq!(fcntl(&mut world, two, abi::F_GETFD, 0), Ok(1));
    assert_eq!(fcntl(&mut world, two, abi::F_SETLK, 0), Err(Errno::EINVAL));
}

#[test]
fn dup2_and_dup3_replace() {
    let mut world = World::new();
    let one = world.open("/dev/null", abi::O_RDWR).unwrap();
    assert_eq!(dup_to(&mut world, one, 5, None), Ok(fd(5)));
    assert_eq!(dup_to(&mut world, fd(5), 5, None), Ok(fd(5)));
    assert_eq!(dup_to(&mut world, fd(5), 5, Some(0)), Err(Errno::EINVAL));
    assert_eq!(dup_to(&mut world, fd(6), 6, None), Err(Errno::EBADF));
    assert_eq!(dup_to(&mut world, one, 5, Some(1)), Err(Errno::EINVAL));
    assert_eq!(dup_to(&mut world, one, 5, Some(abi::O_CLOEXEC)), Ok(fd(5)));
    assert_eq!(world.table.close_on_exec(fd(5)), Ok(true));
    assert_eq!(dup_to(&mut world, one, 1024, None), Err(Errno::EBADF));
    assert_eq!(dup_to(&mut world, one, -1, None), Err(Errno::EBADF));
    assert_eq!(world.root.open_files(), 1);
}

#[test]
fn the_limit_is_kept() {
    let mut world = World::new();
    world.table.set_limit(3);
    for _ in 0..3 {
        world.open("/dev/null", abi::O_RDWR).unwrap();
    }
    assert_eq!(world.open("/not/there", abi::O_RDWR), Err(Errno::EMFILE));
    assert_eq!(dup(&mut world, fd(0), 0), Err(Errno::EMFILE));
    assert_eq!(dup(&mut world, fd(0), 3), Err(Errno::EINVAL));
    assert_eq!(world.table.make_room(1), Err(Errno::EMFILE));
    world.close(fd(1)).unwrap();
    assert_eq!(world.table.make_room(1), Ok(()));
    assert_eq!(world.table.make_room(2), Err(Errno::EMFILE));
}

#[test]
fn a_fork_shares_open_files_and_copies_numbers() {
    let mut world = World::new();
    world.file("/a", b"abcdef");
    let one = world.open("/a", abi::O_RDONLY).unwrap();
    let mut child = world.table.fork(&mut world.root).unwrap();
    world.read(one, 3).unwrap();
    world.close(one).unwrap();
    assert_eq!(world.root.open_files(), 1);
    core::mem::swap(&mut child, &mut world.table);
    assert_eq!(world.read(one, 3).unwrap(), b"def");
    world.table.close_all(&mut world.root, &mut Effects::new());
    assert_eq!(world.root.open_files(), 0);
}

#[test]
fn exec_sweeps_and_close_range_closes() {
    let mut world = World::new();
    for flags in [0, abi::O_CLOEXEC, 0, abi::O_CLOEXEC, 0, 0] {
        world.open("/dev/null", flags).unwrap();
    }
    let World { root, table, effects, .. } = &mut world;
    table.sweep(root, effects);
    assert_eq!(numbers(table), [0, 2, 4, 5]);
    let most = usize::MAX;
    assert_eq!(table.close_range(root, (3, 2), 3, 0, most, effects), Err(Errno::EINVAL));
    assert_eq!(table.close_range(root, (0, 1), 0, 1, most, effects), Err(Errno::EINVAL));
    assert_eq!(table.close_range(root, (5, u32::MAX), 5, 4, most, effects), Ok(None));
    assert_eq!(table.close_on_exec(fd(5)), Ok(true));
    // One at a time: it says where to go on.
    assert_eq!(table.close_range(root, (1, u32::MAX), 1, 0, 1, effects), Ok(Some(3)));
    assert_eq!(numbers(table), [0, 4, 5]);
    assert_eq!(table.close_range(root, (1, u32::MAX), 3, 0, most, effects), Ok(None));
    assert_eq!(numbers(table), [0]);
    assert_eq!(world.open("/dev/null", 0), Ok(fd(1)));
}

#[test]
fn an_external_object_is_released_at_its_last_close() {
    let mut world = World::new();
    let socket = world.root.open_external(42, abi::S_IFSOCK, 0, OWNER, world.now).unwrap();
    let one = world.table.install(socket, false).unwrap();
    let two = dup(&mut world, one, 0).unwrap();
    world.close(one).unwrap();
    assert!(world.effects.released().is_empty());
    world.close(two).unwrap();
    assert_eq!(world.effects.released(), [42]);
}
