//! Names: what the comparison with Linux cannot see, or only by luck.

use alloc::string::String;
use linux_raw_sys::general as abi;

use super::World;
use crate::{At, Errno};

#[test]
fn forty_links_are_followed_and_not_one_more() {
    let mut world = World::new();
    world.file("/l0", b"end");
    for number in 1..=41 {
        let text = alloc::format!("l{}", number - 1);
        world.symlink(&text, &alloc::format!("/l{number}")).unwrap();
    }
    assert_eq!(world.contents("/l40").unwrap(), b"end");
    assert_eq!(world.contents("/l41"), Err(Errno::ELOOP));
    world.symlink("self", "/self").unwrap();
    assert_eq!(world.contents("/self"), Err(Errno::ELOOP));
}

#[test]
fn a_path_is_shorter_than_4096() {
    let mut world = World::new();
    let path = "/".repeat(4095);
    assert!(world.stat(&path).is_ok());
    assert_eq!(world.stat(&"/".repeat(4096)), Err(Errno::ENAMETOOLONG));
    let text = "x".repeat(4096);
    assert_eq!(world.symlink(&text, "/a"), Err(Errno::ENAMETOOLONG));
    assert_eq!(world.symlink(&text[1..], "/a"), Ok(()));
}

#[test]
fn a_maze_of_links_is_bounded() {
    let mut world = World::new();
    world.mkdir("/a").unwrap();
    let round: String = "a/../".repeat(800);
    world.symlink(&round, "/0").unwrap();
    for number in 1..40 {
        let text = alloc::format!("{}/{round}", number - 1);
        world.symlink(&text, &alloc::format!("/{number}")).unwrap();
    }
    assert_eq!(world.contents("/39"), Err(Errno::ELOOP));
}

#[test]
fn the_current_directory_has_a_path_until_it_is_removed() {
    let mut world = World::new();
    world.mkdir("/a").unwrap();
    world.mkdir("/a/b").unwrap();
    world.chdir("a/b").unwrap();
    assert_eq!(world.root.getcwd(&world.place).unwrap(), b"/a/b");
    world.rename("/a", "/c", 0).unwrap();
    assert_eq!(world.root.getcwd(&world.place).unwrap(), b"/c/b");
    world.rmdir("/c/b").unwrap();
    assert_eq!(world.root.getcwd(&world.place), Err(Errno::ENOENT));
    assert_eq!(world.mkdir("x"), Err(Errno::ENOENT));
    world.rmdir("/c").unwrap();
    // `..` is still the directory that was above, and so on.
    world.chdir("../..").unwrap();
    assert_eq!(world.root.getcwd(&world.place).unwrap(), b"/");
    assert_eq!(world.chdir("/nowhere"), Err(Errno::ENOENT));
}

#[test]
fn removed_directories_are_freed_when_nobody_is_in_them() {
    let mut world = World::new();
    let before = world.root.objects();
    world.mkdir("/a").unwrap();
    world.mkdir("/a/b").unwrap();
    world.chdir("/a/b").unwrap();
    world.rmdir("/a/b").unwrap();
    world.rmdir("/a").unwrap();
    assert_eq!(world.root.objects(), before + 2);
    world.chdir("/").unwrap();
    assert_eq!(world.root.objects(), before);
}

#[test]
fn places_are_copied_and_dropped() {
    let mut world = World::new();
    world.mkdir("/a").unwrap();
    world.chdir("/a").unwrap();
    let mut copy = world.root.fork_place(&world.place);
    assert_eq!(copy.set_umask(0o7077), 0o022);
    assert_eq!(copy.umask(), 0o077);
    world.chdir("/").unwrap();
    world.rmdir("/a").unwrap();
    let before = world.root.objects();
    world.root.drop_place(copy, &mut world.effects);
    assert_eq!(world.root.objects(), before - 1);
}

#[test]
fn a_directory_may_pass_its_group_on() {
    let mut world = World::new();
    world.mkdir("/a").unwrap();
    world.see(&crate::NoProc, |root, c, _| {
        root.chown(c, At::cwd(b"/a"), None, Some(50), 0).unwrap();
        root.chmod(c, At::cwd(b"/a"), 0o2755, 0).unwrap();
    });
    world.mkdir("/a/b").unwrap();
    world.file("/a/c", b"");
    let inner = world.stat("/a/b").unwrap();
    assert_eq!((inner.group, inner.mode), (50, abi::S_IFDIR | 0o2755));
    assert_eq!(world.stat("/a/c").unwrap().group, 50);
}

#[test]
fn changes_of_names_change_times() {
    let mut world = World::new();
    world.mkdir("/a").unwrap();
    let before = world.stat("/a").unwrap().modified;
    world.file("/a/b", b"");
    let made = world.stat("/a").unwrap().modified;
    assert!(made > before);
    world.link("/a/b", "/c").unwrap();
    assert_eq!(world.stat("/a").unwrap().modified, made);
    assert!(world.stat("/c").unwrap().changed > made);
    world.unlink("/a/b").unwrap();
    assert!(world.stat("/a").unwrap().modified > made);
}

#[test]
fn an_open_file_has_the_path_by_which_it_was_opened() {
    let mut world = World::new();
    world.mkdir("/d").unwrap();
    world.file("/d/a", b"");
    world.symlink("d/a", "/l").unwrap();
    let fd = world.open("/l", abi::O_RDONLY).unwrap();
    let open = world.table.get(fd).unwrap();
    assert_eq!(world.root.path_of_open(open).unwrap(), b"/d/a");
    world.rename("/d", "/e", 0).unwrap();
    assert_eq!(world.root.path_of_open(open).unwrap(), b"/e/a");
    world.unlink("/e/a").unwrap();
    assert_eq!(world.root.path_of_open(open).unwrap(), b"/e/a (deleted)");
    let fd = world.open("/e", abi::O_RDONLY).unwrap();
    let open = world.table.get(fd).unwrap();
    assert_eq!(world.root.path_of_open(open).unwrap(), b"/e");
    let (reader, _) = world.root.pipe(0, super::OWNER, world.now).unwrap();
    assert!(world.root.path_of_open(reader).unwrap().starts_with(b"pipe:["));
}

#[test]
fn the_state_can_move_to_its_home_core() {
    fn is_send<T: Send>() {}
    is_send::<crate::Root>();
    is_send::<crate::Table>();
    is_send::<crate::Place>();
    is_send::<crate::Effects>();
}
