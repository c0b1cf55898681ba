//! `poll`: what is asked of whom.

use linux_raw_sys::general as abi;

use super::{OWNER, World};
use crate::{Dev, Side};

#[test]
fn files_are_always_ready_for_what_is_asked() {
    let mut world = World::new();
    world.file("/a", b"");
    let fd = world.open("/a", abi::O_RDONLY).unwrap();
    let open = world.table.get(fd).unwrap();
    assert_eq!(world.root.poll(open, abi::POLLIN).ready, abi::POLLIN);
    assert_eq!(world.root.poll(open, abi::POLLIN | abi::POLLOUT).ready, 5);
    assert_eq!(world.root.poll(open, abi::POLLPRI).ready, 0);
}

#[test]
fn a_closed_file_and_a_mere_path_are_invalid() {
    let mut world = World::new();
    let fd = world.open("/", abi::O_PATH).unwrap();
    let open = world.table.get(fd).unwrap();
    assert_eq!(world.root.poll(open, abi::POLLIN).ready, abi::POLLNVAL);
    world.close(fd).unwrap();
    assert_eq!(world.root.poll(open, abi::POLLIN).ready, abi::POLLNVAL);
}

#[test]
fn the_console_and_external_objects_are_asked_by_the_caller() {
    let mut world = World::new();
    let fd = world.open("/dev/console", abi::O_RDWR).unwrap();
    let open = world.table.get(fd).unwrap();
    assert_eq!(world.root.poll(open, abi::POLLIN).device, Some(Dev::CONSOLE));
    let socket = world.root.open_external(42, abi::S_IFSOCK, 0, OWNER, world.now).unwrap();
    assert_eq!(world.root.poll(socket, abi::POLLIN).external, Some(42));
}

#[test]
fn each_end_of_a_pipe_waits_for_its_side() {
    let mut world = World::new();
    let (reader, writer) = world.root.pipe(0, OWNER, world.now).unwrap();
    let polled = world.root.poll(reader, abi::POLLIN);
    assert_eq!(polled.ready, 0);
    assert_eq!(polled.waits[0].unwrap().side, Side::Readable);
    let polled = world.root.poll(writer, abi::POLLOUT);
    assert_eq!(polled.ready, abi::POLLOUT);
    assert_eq!(polled.waits[1].unwrap().side, Side::Writable);
}
