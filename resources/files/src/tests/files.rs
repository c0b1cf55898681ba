//! Contents and devices: what the comparison with Linux does not draw.

use linux_raw_sys::general as abi;

use super::World;
use crate::{At, Dev, Errno, Node, Outcome, WINDOW};

#[test]
fn no_file_becomes_larger_than_its_writer_may_make_it() {
    let mut world = World::new();
    let fd = world.open("/limited", abi::O_RDWR | abi::O_CREAT).unwrap();
    world.largest = 6;
    assert_eq!(world.try_write(fd, b"0123", None), Ok(Outcome::Done(4)));
    assert_eq!(world.try_write(fd, b"4567", None), Ok(Outcome::Done(2)), "the part that fits");
    assert_eq!(world.try_write(fd, b"8", None), Err(Errno::EFBIG));
    assert_eq!(world.try_write(fd, b"", None), Ok(Outcome::Done(0)));
    let open = world.table.get(fd).unwrap();
    let cut = |world: &mut World, size| {
        world.call(|root, caller, _| root.truncate_open(caller, open, size))
    };
    assert_eq!(cut(&mut world, 7), Err(Errno::EFBIG));
    assert_eq!(cut(&mut world, 3), Ok(()));
    world.largest = 2;
    assert_eq!(cut(&mut world, 3), Ok(()), "it is no larger");
    let more = world.call(|root, caller, _| root.allocate(caller, open, 0, 0, 4));
    assert_eq!(more, Err(Errno::EFBIG));
}

#[test]
fn one_call_moves_a_window_at_most() {
    let mut world = World::new();
    let fd = world.open("/a", abi::O_CREAT | abi::O_RDWR).unwrap();
    let mut written = 0;
    while written < 100_000 {
        let now = world.write(fd, &[1; 100_000]).unwrap();
        assert!(now <= WINDOW);
        written += now;
    }
    assert_eq!(world.read_at(fd, 100_000, Some(0)).unwrap().len(), WINDOW);
}

#[test]
fn a_page_that_is_mapped_keeps_what_it_held() {
    let mut world = World::new();
    world.file("/a", b"before");
    let fd = world.open("/a", abi::O_RDWR).unwrap();
    let node = world.root.node(world.table.get(fd).unwrap()).unwrap();
    let page_of = |world: &mut World, node: &Node, index| {
        world.see(&crate::NoProc, |root, caller, _| root.page(caller, node, index))
    };
    let page = page_of(&mut world, &node, 0).unwrap().unwrap();
    assert_eq!(page.bytes().as_ptr() as usize % 4096, 0);
    world.write(fd, b"after!").unwrap();
    assert_eq!(&page.bytes()[..6], b"before");
    assert_eq!(world.contents("/a").unwrap(), b"after!");
    assert!(page_of(&mut world, &node, 1).unwrap().is_none());
    let proc = Node::Proc((*b"x").into());
    assert!(matches!(page_of(&mut world, &proc, 0), Err(Errno::ENODEV)));
}

#[test]
fn offsets_have_an_end() {
    let mut world = World::new();
    let fd = world.open("/a", abi::O_CREAT | abi::O_RDWR).unwrap();
    let open = world.table.get(fd).unwrap();
    assert_eq!(world.try_write(fd, b"x", Some(-1)), Err(Errno::EINVAL));
    assert_eq!(world.try_write(fd, b"xy", Some(i64::MAX)), Err(Errno::EFBIG));
    assert_eq!(world.try_write(fd, b"xy", Some(i64::MAX - 1)), Ok(Outcome::Done(1)));
    assert_eq!(world.root.seek(open, 0, abi::SEEK_END), Ok(i64::MAX as u64));
    assert_eq!(world.root.seek(open, 1, abi::SEEK_CUR), Err(Errno::EINVAL));
    assert_eq!(world.root.seek(open, 0, 9), Err(Errno::EINVAL));
    world.see(&crate::NoProc, |root, c, _| {
        assert_eq!(root.truncate_open(c, open, -1), Err(Errno::EINVAL));
        assert_eq!(root.truncate(c, b"/a", 3), Ok(()));
        assert_eq!(root.truncate(c, b"/dev", 3), Err(Errno::EISDIR));
        assert_eq!(root.truncate(c, b"/dev/null", 3), Err(Errno::EINVAL));
        assert_eq!(root.allocate(c, open, 0, i64::MAX, 2), Err(Errno::EFBIG));
        assert_eq!(root.allocate(c, open, 0, 0, 0), Err(Errno::EINVAL));
    });
    assert_eq!(world.contents("/a").unwrap(), [0; 3]);
}

#[test]
fn a_large_allocation_goes_in_steps() {
    let mut world = World::new();
    let fd = world.open("/a", abi::O_CREAT | abi::O_RDWR).unwrap();
    let open = world.table.get(fd).unwrap();
    let (mut at, end) = (100, 3 << 20);
    let mut steps = 0;
    while at < end {
        at += world.call(|root, c, _| root.allocate(c, open, 0, at, end - at)).unwrap() as i64;
        steps += 1;
    }
    assert_eq!((at, steps), (end, 128));
    assert_eq!(world.stat("/a").unwrap().size, 3 << 20);
    const PUNCH: u32 = abi::FALLOC_FL_PUNCH_HOLE | abi::FALLOC_FL_KEEP_SIZE;
    let mut at = 100;
    while at < end {
        at += world.call(|root, c, _| root.allocate(c, open, PUNCH, at, end - at)).unwrap() as i64;
    }
    assert_eq!(world.stat("/a").unwrap().blocks, 8);
}

#[test]
fn the_devices_of_memory() {
    let mut world = World::new();
    let mut open = |name: &str| world.open(&alloc::format!("/dev/{name}"), abi::O_RDWR).unwrap();
    let (null, zero, full, random) = (open("null"), open("zero"), open("full"), open("urandom"));
    assert_eq!(world.read(null, 10).unwrap(), []);
    assert_eq!(world.write(null, b"gone"), Ok(4));
    assert_eq!(world.read(zero, 1000).unwrap(), [0; 1000]);
    assert_eq!(world.read(full, 3).unwrap(), [0; 3]);
    assert_eq!(world.write(full, b"x"), Err(Errno::ENOSPC));
    assert_eq!(world.read(random, 700).unwrap(), [0x5a; 700]);
    assert_eq!(world.read(random, 10_000).unwrap(), [0x5a; 1024]);
    assert_eq!(world.read_at(zero, 5, Some(1 << 50)).unwrap(), [0; 5]);
    let open = world.table.get(null).unwrap();
    assert_eq!(world.root.seek(open, 55, abi::SEEK_SET), Ok(0));
}

#[test]
fn other_devices_are_the_callers() {
    let mut world = World::new();
    let console = world.open("/dev/console", abi::O_RDWR).unwrap();
    assert_eq!(world.try_write(console, b"hello", None), Ok(Outcome::Device(Dev::CONSOLE)));
    assert_eq!(world.try_write(console, b"hello", Some(0)), Err(Errno::ESPIPE));
    let disk = At::cwd(b"/disk");
    let mode = abi::S_IFBLK | 0o600;
    world.call(|root, c, _| root.mknod(c, disk, mode, Dev::new(8, 0))).unwrap();
    assert_eq!(world.open("/disk", abi::O_RDONLY), Err(Errno::ENXIO));
    let encoded = Dev::new(0x12345, 0x6789a);
    assert_eq!(Dev::decoded(encoded.encoded()), encoded);
}

#[test]
fn a_nameless_file_is_gone_with_its_last_descriptor_or_gets_a_name() {
    let mut world = World::new();
    const TMPFILE: u32 = 0o20_200_000;
    let before = world.root.objects();
    let fd = world.open("/tmp", TMPFILE | abi::O_RDWR).unwrap();
    assert_eq!(world.write(fd, b"text"), Ok(4));
    let mut named = |fd, to: &'static [u8]| {
        let from = At::new(fd, b"");
        world.call(|root, c, _| root.hard_link(c, from, At::cwd(to), abi::AT_EMPTY_PATH))
    };
    assert_eq!(named(fd, b"/tmp/a"), Ok(()));
    assert_eq!(world.close(fd), Ok(()));
    assert_eq!(world.root.objects(), before + 1);
    let once = world.open("/tmp", TMPFILE | abi::O_RDWR | abi::O_EXCL).unwrap();
    let from = At::new(once, b"");
    let link =
        world.call(|root, c, _| root.hard_link(c, from, At::cwd(b"/tmp/b"), abi::AT_EMPTY_PATH));
    assert_eq!(link, Err(Errno::ENOENT));
    assert_eq!(world.close(once), Ok(()));
    assert_eq!(world.root.objects(), before + 1);
    assert_eq!(world.open("/tmp", TMPFILE | abi::O_RDONLY), Err(Errno::EINVAL));
    let made = world.open("/tmp/a", abi::O_CREAT | abi::O_DIRECTORY | abi::O_RDWR);
    assert_eq!(made, Err(Errno::EINVAL));
}
