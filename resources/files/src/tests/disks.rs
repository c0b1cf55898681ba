//! Disks as files.

use linux_raw_sys::general as abi;

use super::{OWNER, World};
use crate::{At, Collect, Dev, Errno, Fd, Object, Outcome};

const SDA: Dev = Dev::new(8, 0);
const BYTES: u64 = 1 << 20;

fn world() -> World {
    let mut world = World::new();
    world.root.add_disk("sda", (SDA, BYTES), OWNER, world.now).unwrap();
    world
}

fn moved(world: &mut World, fd: Fd, at: Option<i64>) -> Result<Outcome, Errno> {
    let open = world.table.get(fd).unwrap();
    let mut sink = Collect::new(512);
    world.call(|root, caller, effects| {
        root.read(caller, open, at, &mut sink, &mut |_| panic!("not random"), effects)
    })
}

#[test]
fn its_bytes_are_the_callers_to_move() {
    let mut world = world();
    let fd = world.open("/dev/sda", abi::O_RDWR).unwrap();
    let open = world.table.get(fd).unwrap();
    assert_eq!(world.root.object(open), Ok(Object::Disk(SDA)));
    assert_eq!(world.root.disk(open), Ok(Some((SDA, BYTES))));
    let at = |at: u64| Ok(Outcome::Disk { dev: SDA, at, left: BYTES.saturating_sub(at) });
    assert_eq!(moved(&mut world, fd, None), at(0));
    assert_eq!(moved(&mut world, fd, None), at(0), "only what was moved moves the place");
    world.root.has_moved(open, 0, 1536).unwrap();
    assert_eq!(moved(&mut world, fd, None), at(1536));
    assert_eq!(moved(&mut world, fd, Some(7)), at(7));
    assert_eq!(moved(&mut world, fd, Some(-1)), Err(Errno::EINVAL));
    assert_eq!(world.try_write(fd, &[0; 512], Some(1 << 30)), at(1 << 30));
    assert_eq!(world.root.seek(open, -512, abi::SEEK_END), Ok(BYTES - 512));
    assert_eq!(moved(&mut world, fd, None), at(BYTES - 512));
    assert_eq!(world.root.seek(open, 8, abi::SEEK_CUR), Ok(BYTES - 504));
}

#[test]
fn who_may_only_read_it_or_only_names_it_moves_nothing() {
    let mut world = world();
    let fd = world.open("/dev/sda", abi::O_RDONLY).unwrap();
    assert_eq!(world.try_write(fd, &[0; 512], None), Err(Errno::EBADF));
    let fd = world.open("/dev/sda", abi::O_PATH).unwrap();
    assert_eq!(moved(&mut world, fd, None), Err(Errno::EBADF));
    let open = world.table.get(fd).unwrap();
    assert_eq!(world.root.disk(open), Ok(None));
}

#[test]
fn a_name_is_worth_what_its_number_is() {
    let mut world = world();
    let stat = world.stat("/dev/sda").unwrap();
    assert_eq!((stat.mode, stat.device), (abi::S_IFBLK | 0o600, SDA));
    let node = |world: &mut World, path: &str, dev| {
        let at = At::cwd(path.as_bytes());
        world.call(|root, caller, _| root.mknod(caller, at, abi::S_IFBLK | 0o600, dev)).unwrap();
    };
    node(&mut world, "/tmp/again", SDA);
    node(&mut world, "/tmp/none", Dev::new(8, 16));
    assert!(world.open("/tmp/again", abi::O_RDWR).is_ok());
    assert_eq!(world.open("/tmp/none", abi::O_RDWR), Err(Errno::ENXIO));
    assert!(world.open("/tmp/none", abi::O_PATH).is_ok());
    let now = world.now;
    assert_eq!(world.root.add_disk("sda", (SDA, BYTES), OWNER, now), Err(Errno::EEXIST));
}

/// An umount waits for those whose end has begun, and not for those who begin to end after it.
#[test]
fn what_is_in_use_is_said_to_be_though_others_end_without_end() {
    let mut world = World::new();
    let dev = Dev::new(8, 0);
    world.root.add_disk("sda", (dev, 1 << 20), crate::Owner::new(0), world.now).unwrap();
    world.disk = Some(super::disk::Disk::new());
    world.mkdir("/mnt").unwrap();
    world.call(|root, caller, _| root.mount(caller, b"/dev/sda", b"/mnt", b"ext2", 0)).unwrap();
    let watch = alloc::sync::Arc::new(crate::MapWatch::default());
    world.root.watch_maps(watch.clone());
    world.file("/mnt/mapped", b"mapped");
    let fd = world.open("/mnt/mapped", abi::O_RDONLY).unwrap();
    let (mut before, mut tries) = (watch.leaves(), 0);
    let unmounted = world.call(|root, caller, _| {
        tries += 1;
        assert!(tries < 100, "made again for ever");
        // Another begins to end, and then the one before has ended: there is always one.
        let next = watch.leaves();
        watch.has_left(core::mem::replace(&mut before, next));
        root.unmount(caller, b"/mnt", 0)
    });
    assert_eq!(unmounted, Err(Errno::EBUSY));
    // One that had begun before, and takes long, is waited for: it has what is mapped.
    world.close(fd).unwrap();
    let node = node(&mut world, b"/mnt/mapped");
    let mut mapped = Some(
        world.see(&crate::NoProc, |root, _, _| root.map(&node, crate::Owner::default()).unwrap()),
    );
    let (since, mut tries) = (watch.leaves(), 0);
    let unmounted = world.call(|root, caller, _| {
        tries += 1;
        let next = watch.leaves();
        watch.has_left(core::mem::replace(&mut before, next));
        if tries == 10 {
            mapped = None;
            watch.has_left(since);
        }
        root.unmount(caller, b"/mnt", 0)
    });
    assert_eq!((unmounted, tries >= 10), (Ok(()), true));
}

#[test]
fn what_is_mapped_to_be_written_is_not_run() {
    let mut world = World::on_disk();
    world.file("/program", b"program");
    world.call(|root, caller, _| root.chmod(caller, At::cwd(b"/program"), 0o755, 0)).unwrap();
    let node = node(&mut world, b"/program");
    let run = |world: &mut World| {
        world.call(|root, caller, effects| {
            let open = root.open_executable(caller, At::cwd(b"/program"), 0)?;
            root.close(open, effects);
            Ok(())
        })
    };
    let token = world.see(&crate::NoProc, |root, _, _| root.map_written(&node).unwrap());
    assert_eq!(run(&mut world), Err(Errno::ETXTBSY));
    drop(token);
    assert_eq!(run(&mut world), Ok(()));
}

fn node(world: &mut World, path: &[u8]) -> crate::Node {
    let find = |root: &mut crate::Root, caller: &crate::Caller<'_>| {
        root.find(caller, At::cwd(path), crate::walk::Tail::Follow)
    };
    world.call(|root, caller, _| find(root, caller)).unwrap()
}
