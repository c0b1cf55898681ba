//! Trees on disks: everything is as in memory, and nothing is believed that is not so.

use alloc::vec::Vec;
use linux_raw_sys::general as abi;

use super::World;
use crate::{At, Dev, Errno, Fd};

#[test]
fn files_are_read_and_written() {
    let mut world = World::on_disk();
    world.mkdir("/a").unwrap();
    let long: Vec<u8> = (0..100_000_u32).map(|at| (at / 7) as u8).collect();
    world.file("/a/long", &long);
    world.file("/a/short", b"short");
    assert_eq!(world.contents("/a/long").unwrap(), long);
    assert_eq!(world.contents("/a/short").unwrap(), b"short");
    assert_eq!(world.stat("/a/long").unwrap().size, 100_000);
    assert_eq!(world.stat("/a").unwrap().links, 2);
    assert_eq!(world.stat("/").unwrap().links, 3);
    let names: Vec<_> = world.entries("/a").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [b"long".to_vec(), b"short".to_vec()]);
}

#[test]
fn what_is_known_is_not_asked_again() {
    let mut world = World::on_disk();
    world.file("/a", b"a");
    world.disk.as_mut().unwrap().asked.clear();
    assert_eq!(world.stat("/a").unwrap().size, 1);
    assert_eq!(world.stat("/a").unwrap().size, 1);
    assert_eq!(world.stat("/b"), Err(Errno::ENOENT));
    assert_eq!(world.stat("/b"), Err(Errno::ENOENT));
    // Once for the file's blocks, once for the name that is not there.
    assert_eq!(world.disk.as_ref().unwrap().asked, ["look at", "look up"]);
}

#[test]
fn a_removed_file_goes_with_its_last_user() {
    let mut world = World::on_disk();
    world.file("/a", b"still here");
    let fd = world.open("/a", abi::O_RDONLY).unwrap();
    world.unlink("/a").unwrap();
    assert_eq!(world.stat("/a"), Err(Errno::ENOENT));
    assert_eq!(world.read(fd, 100).unwrap(), b"still here");
    assert_eq!(world.disk.as_ref().unwrap().count(), 1);
    world.close(fd).unwrap();
    world.settle();
    assert_eq!(world.disk.as_ref().unwrap().count(), 0);
}

#[test]
fn nothing_crosses_from_one_to_another() {
    let mut world = World::new();
    let dev = Dev::new(8, 0);
    world.root.add_disk("sda", (dev, 1 << 20), crate::Owner::new(0), world.now).unwrap();
    world.disk = Some(super::disk::Disk::new());
    world.mkdir("/mnt").unwrap();
    let mount = |world: &mut World, target: &str, flags: u32| {
        let target = target.as_bytes();
        world.call(|root, caller, _| {
            root.mount(caller, b"/dev/sda", target, b"ext2", u64::from(flags))
        })
    };
    mount(&mut world, "/mnt", 0).unwrap();
    assert_eq!(mount(&mut world, "/mnt", 0), Err(Errno::EBUSY));
    assert_eq!(mount(&mut world, "/tmp", 0), Err(Errno::EBUSY));
    world.file("/there", b"there");
    world.file("/mnt/here", b"here");
    assert_eq!(world.link("/there", "/mnt/there"), Err(Errno::EXDEV));
    assert_eq!(world.rename("/mnt/here", "/here", 0), Err(Errno::EXDEV));
    assert_eq!(world.rmdir("/mnt"), Err(Errno::EBUSY));
    assert_eq!(world.rename("/mnt", "/other", 0), Err(Errno::EBUSY));
    let stat = world.stat("/mnt/here").unwrap();
    assert_eq!(stat.file_system, dev);
    assert_eq!(world.stat("/mnt/..").unwrap().number, world.stat("/").unwrap().number);
    let usage = world.call(|root, caller, _| root.statfs(caller, b"/mnt")).unwrap();
    assert_eq!((usage.blocks, usage.available, usage.free_files), (100, 45, 7));

    let unmount =
        |world: &mut World| world.call(|root, caller, _| root.unmount(caller, b"/mnt", 0));
    let fd = world.open("/mnt/here", abi::O_RDONLY).unwrap();
    assert_eq!(unmount(&mut world), Err(Errno::EBUSY));
    world.close(fd).unwrap();
    unmount(&mut world).unwrap();
    assert_eq!(world.stat("/mnt/here"), Err(Errno::ENOENT));
    assert_eq!(unmount(&mut world), Err(Errno::EINVAL));

    mount(&mut world, "/mnt", abi::MS_RDONLY).unwrap();
    assert_eq!(world.contents("/mnt/here").unwrap(), b"here");
    assert_eq!(world.unlink("/mnt/here"), Err(Errno::EROFS));
    assert_eq!(world.mkdir("/mnt/new"), Err(Errno::EROFS));
    assert_eq!(world.open("/mnt/here", abi::O_WRONLY), Err(Errno::EROFS));
    assert_eq!(world.open("/mnt/new", abi::O_WRONLY | abi::O_CREAT), Err(Errno::EROFS));
    let chmod = world.call(|root, caller, _| root.chmod(caller, At::cwd(b"/mnt/here"), 0, 0));
    assert_eq!(chmod, Err(Errno::EROFS));
}

#[test]
fn more_names_than_are_remembered() {
    let mut world = World::on_disk();
    for number in 0..9_000 {
        let path = alloc::format!("/{number}");
        let fd = world.open(&path, abi::O_CREAT | abi::O_WRONLY).unwrap();
        world.close(fd).unwrap();
    }
    assert!(world.root.objects() < 8_300, "{}", world.root.objects());
    assert_eq!(world.stat("/0").unwrap().size, 0);
    world.unlink("/0").unwrap();
    world.unlink("/8999").unwrap();
    assert_eq!(world.disk.as_ref().unwrap().count(), 8_998);
    let fd = world.open("/5", abi::O_RDONLY).unwrap();
    assert_eq!(world.list(fd, 100), Err(Errno::ENOTDIR));
    assert_eq!(world.open_at(At::new(Fd::CWD, b"5/x"), 0, 0), Err(Errno::ENOTDIR));
}

/// What is known makes room for what is to be known, and for all else that its owner needs.
#[test]
fn more_names_than_there_is_room_for() {
    let mut world = World::on_disk();
    world.mkdir("/dir").unwrap();
    world.file("/dir/open", b"still here");
    let open = world.open("/dir/open", abi::O_RDONLY).unwrap();
    let many: Vec<_> = (0..30)
        .map(|number| {
            let path = alloc::format!("/held{number}");
            world.open(&path, abi::O_CREAT | abi::O_WRONLY).unwrap()
        })
        .collect();
    // For some forty names, with those that are open.
    let limit = world.root.held(super::OWNER).get() + 8_192;
    world.root.set_budget(super::OWNER, Some(vortex_units::Bytes::new(limit)));
    for number in 0..500 {
        let path = alloc::format!("/dir/{number}");
        let fd = world.open(&path, abi::O_CREAT | abi::O_WRONLY).unwrap();
        world.close(fd).unwrap();
        world.mkdir(&alloc::format!("/sub{number}")).unwrap();
        assert!(world.root.held(super::OWNER).get() <= limit);
    }
    assert_eq!(world.disk.as_ref().unwrap().count(), 1_032);
    for number in 0..500 {
        assert_eq!(world.stat(&alloc::format!("/dir/{number}")).unwrap().size, 0);
        assert_eq!(world.stat(&alloc::format!("/sub{number}")).unwrap().links, 2);
        world.link(&alloc::format!("/dir/{number}"), &alloc::format!("/link{number}")).unwrap();
        let (from, to) = (alloc::format!("/sub{number}"), alloc::format!("/dir/sub{number}"));
        world.rename(&from, &to, 0).unwrap();
    }
    // What is open was known all the time: that nobody has it any more makes room for more.
    world.disk.as_mut().unwrap().asked.clear();
    assert_eq!(world.stat("/dir/open").unwrap().size, 10);
    assert_eq!(
        world.disk.as_ref().unwrap().asked.iter().filter(|ask| **ask == "look up").count(),
        0
    );
    assert_eq!(world.read(open, 100).unwrap(), b"still here");
    let pipes: Vec<_> = (0..16).map(|_| world.open("/dir/open", abi::O_RDONLY).unwrap()).collect();
    for fd in many.into_iter().chain(pipes).chain([open]) {
        world.close(fd).unwrap();
    }
    for number in 0..500 {
        world.unlink(&alloc::format!("/dir/{number}")).unwrap();
        world.unlink(&alloc::format!("/link{number}")).unwrap();
        world.rmdir(&alloc::format!("/dir/sub{number}")).unwrap();
    }
    assert_eq!(world.disk.as_ref().unwrap().count(), 32);
    world.root.set_budget(super::OWNER, None);
}

/// Who has no room for what the tree notes of a new name has the disk not changed either.
#[test]
fn a_name_that_there_is_no_room_for_is_not_made() {
    let mut world = World::on_disk();
    let text = "t".repeat(3_000);
    let (mut made, mut refused) = (0, 0);
    for more in (0..6_000).step_by(50) {
        while world.root.forget_for(super::OWNER) {}
        let limit = world.root.held(super::OWNER).get() + more;
        world.root.set_budget(super::OWNER, Some(vortex_units::Bytes::new(limit)));
        let before = world.disk.as_ref().unwrap().count();
        let result = world.symlink(&text, &alloc::format!("/link{more}"));
        world.root.set_budget(super::OWNER, None);
        let now = world.disk.as_ref().unwrap().count();
        match result {
            Ok(()) => made += 1,
            Err(_) => refused += 1,
        }
        assert_eq!(now, before + usize::from(result.is_ok()), "with {more}: {result:?}");
    }
    assert!(made > 10 && refused > 10, "{made} {refused}");
}

/// Who may have little knows little, and who looks up much pushes out its own names.
#[test]
fn each_has_its_part_of_what_is_known() {
    let mut world = World::on_disk();
    world.root.set_budget(super::OWNER, Some(vortex_units::Bytes::new(1 << 20)));
    for number in 0..1_000 {
        world.mkdir(&alloc::format!("/{number}")).unwrap();
    }
    // An eighth of a mebibyte, as names are counted.
    assert!(world.root.objects() < 200, "{}", world.root.objects());
    assert!(world.root.held(super::OWNER).get() < 1 << 17);
    world.root.set_budget(super::OWNER, None);
    let other = crate::Owner::new(77);
    world.owner = other;
    for number in 0..10_000 {
        world.mkdir(&alloc::format!("/other{number}")).unwrap();
    }
    world.disk.as_mut().unwrap().asked.clear();
    let known = world.root.held(super::OWNER);
    world.owner = super::OWNER;
    world.stat("/999").unwrap();
    assert!(!world.disk.as_ref().unwrap().asked.contains(&"look up"), "it is known as before");
    // Until it looks up as much itself.
    for number in 0..10_000 {
        world.stat(&alloc::format!("/other{number}")).unwrap();
    }
    let (one, two) = (world.root.held(super::OWNER).get(), world.root.held(other).get());
    assert!(one > known.get() && one.abs_diff(two) < one / 8, "{one} {two}");
    assert!(world.root.objects() < 8_300, "{}", world.root.objects());
}

/// What one looks up and another holds open is on the other's bill when room is wanted.
#[test]
fn what_another_holds_open_is_on_that_ones_bill() {
    let mut world = World::on_disk();
    let other = crate::Owner::new(77);
    let number = |number: u32| alloc::format!("/{number}");
    for at in 0..200 {
        world.file(&number(at), b"held");
    }
    let limit = 100 << 10;
    world.root.set_budget(super::OWNER, Some(vortex_units::Bytes::new(limit)));
    let mut held = Vec::new();
    for at in 0..200 {
        world.stat(&number(at)).unwrap();
        world.owner = other;
        held.push(world.open(&number(at), abi::O_RDONLY).unwrap());
        world.owner = super::OWNER;
    }
    // One of them both have open, and the first closes it.
    let both = world.open("/0", abi::O_RDONLY).unwrap();
    while world.root.forget_for(super::OWNER) {}
    world.close(both).unwrap();
    while world.root.forget_for(super::OWNER) {}
    let (own, all) = (world.root.held(super::OWNER).get(), world.root.used().get());
    let its = world.root.held(other).get();
    assert!(own < 8 * 1_024, "{own}");
    assert!(its >= 190 * (512 + 128 + 256), "{its}");
    assert!(own + its <= all);
    // There is room for as many more.
    for at in 200..1_000 {
        world.file(&number(at), b"more");
    }
    world.owner = other;
    for fd in held {
        world.close(fd).unwrap();
    }
    // And when nobody has them any more, the one who had forgets them.
    while world.root.forget_for(other) {}
    assert!(world.root.held(other).get() < 8 * 1_024, "{}", world.root.held(other).get());
    world.root.set_budget(super::OWNER, None);
}

#[test]
fn what_nobody_has_does_not_hinder_an_unmount() {
    let mut world = World::new();
    let dev = Dev::new(8, 0);
    world.root.add_disk("sda", (dev, 1 << 20), crate::Owner::new(0), world.now).unwrap();
    world.disk = Some(super::disk::Disk::new());
    world.mkdir("/mnt").unwrap();
    world.call(|root, caller, _| root.mount(caller, b"/dev/sda", b"/mnt", b"ext2", 0)).unwrap();
    world.mkdir("/mnt/sub").unwrap();
    world.mkdir("/mnt/sub/dir").unwrap();
    world.file("/mnt/a", b"a");
    world.file("/mnt/sub/file", b"file");
    world.symlink("sub", "/mnt/link").unwrap();
    world.rename("/mnt/a", "/mnt/sub/dir/b", 0).unwrap();
    world.rename("/mnt/sub/dir", "/mnt/dir", 0).unwrap();
    world.unlink("/mnt/link").unwrap();
    world.entries("/mnt/dir");
    assert_eq!(world.contents("/mnt/dir/b").unwrap(), b"a");
    world.call(|root, caller, _| root.unmount(caller, b"/mnt", 0)).unwrap();
    assert!(!world.root.has_mounts());
}

#[test]
fn what_could_not_be_written_is_told_once_to_each_open_file() {
    let mut world = World::on_disk();
    world.file("/a", b"a");
    let (one, other) = (world.open("/a", abi::O_RDWR), world.open("/a", abi::O_RDONLY));
    let sync = |world: &mut World, fd: Fd| {
        let open = world.table.get(fd)?;
        world.call(|root, caller, _| match root.sync_of(open, false)? {
            Some(ask) => Err::<(), _>(caller.ask(ask)),
            None => Ok(()),
        })
    };
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(sync(&mut world, one), Ok(()));
    world.disk.as_mut().unwrap().fail();
    assert_eq!(sync(&mut world, one), Err(Errno::EIO));
    assert_eq!(sync(&mut world, one), Ok(()));
    assert_eq!(sync(&mut world, other), Err(Errno::EIO));
    let later = world.open("/a", abi::O_RDWR).unwrap();
    assert_eq!(sync(&mut world, later), Ok(()));
}
