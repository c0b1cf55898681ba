//! Who pays for what, and that it all comes back.

use linux_raw_sys::general as abi;

use super::{OWNER, World};
use crate::{Counted, ENTRY_COST, Errno, NODE_COST, OPEN_COST, Outcome, Owner};
use vortex_units::Bytes;

fn held(world: &World) -> u64 {
    world.root.held(OWNER).get()
}

#[test]
fn a_file_costs_its_pages_its_node_and_its_name() {
    let mut world = World::new();
    let before = world.root.used();
    world.file("/abc", &[1; 5000]);
    assert_eq!(held(&world), 2 * 4096 + NODE_COST + ENTRY_COST + 3);
    let fd = world.open("/abc", abi::O_RDWR).unwrap();
    world.unlink("/abc").unwrap();
    assert_eq!(held(&world), 2 * 4096 + NODE_COST + OPEN_COST, "open, it lives");
    assert_eq!(world.read(fd, 10).unwrap(), [1; 10]);
    world.close(fd).unwrap();
    assert_eq!(held(&world), 0);
    assert_eq!(world.root.used(), before);
}

#[test]
fn a_hole_costs_nothing() {
    let mut world = World::new();
    let fd = world.open("/a", abi::O_CREAT | abi::O_RDWR).unwrap();
    let before = held(&world);
    assert_eq!(world.try_write(fd, b"x", Some(1 << 40)), Ok(Outcome::Done(1)));
    assert_eq!(held(&world), before + 4096);
}

#[test]
fn a_full_tree_refuses_and_a_spent_budget_too() {
    let mut world = World::new();
    world.root.set_budget(OWNER, Some(Bytes::new(held(&world) + 10_000)));
    let fd = world.open("/a", abi::O_CREAT | abi::O_RDWR).unwrap();
    assert_eq!(world.write(fd, &[1; 20_000]), Ok(8192), "as much as there is room for");
    assert_eq!(world.write(fd, &[1; 20_000]), Err(Errno::EDQUOT));
    world.root.set_budget(OWNER, None);
    let mut at = 0;
    let error = loop {
        match world.try_write(fd, &[1; 65536], Some(at)) {
            Ok(_) => at += 65536,
            Err(error) => break error,
        }
    };
    assert_eq!(error, Errno::ENOSPC);
    assert_eq!(world.mkdir("/b"), Ok(()), "the last page is not cut in pieces");
}

#[test]
fn a_large_file_is_freed_in_slices_and_its_room_is_found_when_needed() {
    let mut world = World::new();
    let contents = alloc::vec![1; 40 << 20];
    world.file("/a", &contents);
    world.unlink("/a").unwrap();
    assert!(held(&world) > 30 << 20);
    assert!(world.root.reap(100));
    world.file("/b", &contents);
    assert_eq!(world.contents("/b").unwrap().len(), contents.len());
    assert!(!world.root.reap(usize::MAX));
    world.unlink("/b").unwrap();
    world.root.reap(usize::MAX);
    assert_eq!(held(&world), 0);
}

#[test]
fn a_pipe_costs_the_pages_that_it_buffers() {
    let mut world = World::new();
    let (reader, writer) = world.root.pipe(0, OWNER, world.now).unwrap();
    let reader = world.table.install(reader, false).unwrap();
    let writer = world.table.install(writer, false).unwrap();
    let empty = held(&world);
    world.write(writer, &[1; 5000]).unwrap();
    assert_eq!(held(&world), empty + 8192);
    world.read(reader, 4096).unwrap();
    assert_eq!(held(&world), empty + 4096);
    world.close(reader).unwrap();
    world.close(writer).unwrap();
    assert_eq!(held(&world), 0);
}

#[test]
fn an_owner_has_as_many_open_files_and_pipes_as_it_may_and_others_have_theirs() {
    let mut world = World::new();
    let time = crate::Time::new(0, 0);
    world.file("/a", b"x");
    world.root.set_most(OWNER, Counted::Open, Some(3));
    world.root.set_most(OWNER, Counted::Pipe, Some(1));
    let (out, into) = world.root.pipe(0, OWNER, time).unwrap();
    assert_eq!(world.root.counted(OWNER, Counted::Open), 2);
    assert_eq!(world.root.pipe(0, OWNER, time), Err(Errno::ENFILE), "a second pipe");
    let fd = world.open("/a", abi::O_RDONLY).unwrap();
    assert_eq!(world.open("/a", abi::O_RDONLY), Err(Errno::ENFILE), "a fourth file");
    let other = Owner::new(OWNER.get() + 1);
    assert!(world.root.pipe(0, other, time).is_ok(), "another's limits are not these");
    assert_eq!(world.root.counted_in_all(), 3 + 1 + 3);
    let mut effects = crate::Effects::new();
    world.root.close(out, &mut effects);
    assert_eq!(world.root.counted(OWNER, Counted::Pipe), 1, "while one end is open");
    world.root.close(into, &mut effects);
    world.close(fd).unwrap();
    let counted = [Counted::Open, Counted::Pipe].map(|what| world.root.counted(OWNER, what));
    assert_eq!(counted, [0, 0]);
    assert!(world.root.pipe(0, OWNER, time).is_ok());
}

#[test]
fn a_pipe_that_finds_no_room_for_its_ends_leaves_nothing() {
    let mut world = World::new();
    world.root.set_most(OWNER, Counted::Open, Some(1));
    let before = (world.root.objects(), world.root.used());
    assert_eq!(world.root.pipe(0, OWNER, crate::Time::new(0, 0)), Err(Errno::ENFILE));
    assert_eq!((world.root.objects(), world.root.used()), before);
    assert_eq!(world.root.counted_in_all(), 0);
}
