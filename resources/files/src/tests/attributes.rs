//! The bytes of `struct stat` and its relatives, and what changes them.

use linux_raw_sys::general as abi;

use super::World;
use crate::{At, Errno, STAT_SIZE, STATFS_SIZE, STATX_SIZE, Stamp, Time};

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn the_structures_have_linuxs_sizes_and_offsets() {
    assert_eq!((STAT_SIZE, STATX_SIZE, STATFS_SIZE), (144, 256, 120));
    let mut world = World::new();
    world.file("/a", &[1; 5000]);
    let stat = world.stat("/a").unwrap();
    let bytes = stat.stat_bytes();
    assert_eq!(word(&bytes, 8), stat.number);
    assert_eq!((word(&bytes, 16), half(&bytes, 24)), (1, abi::S_IFREG | 0o644));
    assert_eq!((word(&bytes, 48), word(&bytes, 56), word(&bytes, 64)), (5000, 4096, 16));
    assert_eq!(word(&bytes, 88), stat.modified.seconds as u64);
    let bytes = stat.statx_bytes();
    assert_eq!(half(&bytes, 0), abi::STATX_BASIC_STATS | abi::STATX_BTIME);
    assert_eq!((word(&bytes, 32), word(&bytes, 40), word(&bytes, 48)), (stat.number, 5000, 16));
    assert_eq!(word(&bytes, 112), stat.modified.seconds as u64);
    let null = world.stat("/dev/null").unwrap();
    assert_eq!(word(&null.stat_bytes(), 40), 0x103);
    assert_eq!((half(&null.statx_bytes(), 128), half(&null.statx_bytes(), 132)), (1, 3));
}

#[test]
fn statfs_tells_what_is_free() {
    let mut world = World::new();
    let before = world.call(|root, c, _| root.statfs(c, b"/")).unwrap();
    world.file("/a", &[1; 40_960]);
    let after = world.call(|root, c, _| root.statfs(c, b"/a")).unwrap();
    assert_eq!((before.magic, before.blocks), (0x0102_1994, 16384));
    assert!((10..=11).contains(&(before.free - after.free)));
    let bytes = after.bytes();
    assert_eq!((word(&bytes, 0), word(&bytes, 8), word(&bytes, 64)), (0x0102_1994, 4096, 255));
    assert_eq!(world.call(|root, c, _| root.statfs(c, b"/proc")).unwrap().magic, 0x9fa0);
}

#[test]
fn times_are_set_kept_or_now() {
    let mut world = World::new();
    world.file("/a", b"");
    let before = world.stat("/a").unwrap();
    let given = Time::new(-5, 999_999_999);
    world.utimens("/a", [Stamp::Omit, Stamp::At(given)]).unwrap();
    let after = world.stat("/a").unwrap();
    assert_eq!((after.accessed, after.modified), (before.accessed, given));
    assert!(after.changed > before.changed);
    assert_eq!(world.utimens("/none", [Stamp::Omit, Stamp::Omit]), Ok(()));
    assert_eq!(world.utimens("/none", [Stamp::Now, Stamp::Omit]), Err(Errno::ENOENT));
    assert_eq!(Stamp::from_timespec(1, 2), Ok(Stamp::At(Time::new(1, 2))));
    assert_eq!(Stamp::from_timespec(1, i64::from(abi::UTIME_NOW)), Ok(Stamp::Now));
    assert_eq!(Stamp::from_timespec(1, i64::from(abi::UTIME_OMIT)), Ok(Stamp::Omit));
    assert_eq!(Stamp::from_timespec(1, 1_000_000_000), Err(Errno::EINVAL));
}

#[test]
fn the_time_of_access_follows_relatime() {
    let mut world = World::new();
    world.file("/a", b"text");
    world.contents("/a").unwrap();
    let first = world.stat("/a").unwrap().accessed;
    assert!(first > world.stat("/a").unwrap().modified);
    world.contents("/a").unwrap();
    assert_eq!(world.stat("/a").unwrap().accessed, first);
    world.now.seconds += 24 * 60 * 60;
    world.contents("/a").unwrap();
    assert!(world.stat("/a").unwrap().accessed > first);
}

#[test]
fn only_what_somebody_may_execute_is_executed() {
    let mut world = World::new();
    world.file("/a", b"");
    world.symlink("a", "/l").unwrap();
    world.see(&crate::NoProc, |root, c, _| {
        let opened = |root: &mut crate::Root, path| root.open_executable(c, At::cwd(path), 0);
        assert_eq!(opened(root, b"/l"), Err(Errno::EACCES));
        assert_eq!(root.access(c, At::cwd(b"/a"), abi::X_OK, 0), Err(Errno::EACCES));
        root.chmod(c, At::cwd(b"/a"), 0o001, 0).unwrap();
        let open = opened(root, b"/l").unwrap();
        assert_eq!(root.path_of_open(open).unwrap(), b"/a");
        assert_eq!(root.access(c, At::cwd(b"/a"), 7, 0), Ok(()));
        assert_eq!(root.access(c, At::cwd(b"/a"), 8, 0), Err(Errno::EINVAL));
        assert_eq!(opened(root, b"/dev"), Err(Errno::EACCES));
        assert_eq!(opened(root, b"/none"), Err(Errno::ENOENT));
    });
}

#[test]
fn another_owner_takes_the_privileges_of_the_last() {
    let mut world = World::new();
    world.file("/a", b"");
    world.see(&crate::NoProc, |root, c, _| {
        root.chmod(c, At::cwd(b"/a"), 0o6755, 0).unwrap();
        root.chown(c, At::cwd(b"/a"), Some(1), None, 0).unwrap();
    });
    let stat = world.stat("/a").unwrap();
    assert_eq!((stat.user, stat.group, stat.mode & 0o7777), (1, 0, 0o755));
}

#[test]
fn a_descriptor_stands_for_its_file_with_an_empty_path() {
    let mut world = World::new();
    world.file("/a", b"12345");
    let fd = world.open("/a", abi::O_PATH).unwrap();
    let at = At::new(fd, b"");
    world.see(&crate::NoProc, |root, c, _| {
        assert_eq!(root.stat(c, at, abi::AT_EMPTY_PATH).unwrap().size, 5);
        assert_eq!(root.stat(c, at, 0), Err(Errno::ENOENT));
        let open = c.table.get(fd).unwrap();
        assert_eq!(root.stat_open(c, open).unwrap().size, 5);
        assert_eq!(root.chmod_open(c, open, 0), Err(Errno::EBADF));
        assert_eq!(root.stat(c, At::new(fd, b"x"), 0), Err(Errno::ENOTDIR));
    });
}
