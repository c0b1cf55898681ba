//! `getdents64`: records as Linux lays them out, offsets that stay.

use alloc::vec::Vec;
use linux_raw_sys::general as abi;

use super::World;
use crate::Errno;

/// The names and types of records; checks what every record must be.
pub(crate) fn records(mut bytes: &[u8]) -> Vec<(Vec<u8>, u8)> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(u16::from_le_bytes([bytes[16], bytes[17]]));
        assert_eq!(length % 8, 0);
        let name = bytes[19..length].split(|&byte| byte == 0).next().unwrap();
        assert!(length - 19 - name.len() >= 1, "a zero ends the name");
        records.push((name.to_vec(), bytes[18]));
        bytes = &bytes[length..];
    }
    records
}

#[test]
fn a_listing_goes_on_where_it_was_whatever_is_removed() {
    let mut world = World::new();
    world.mkdir("/d").unwrap();
    for number in 0..50 {
        world.file(&alloc::format!("/d/{number:02}"), b"");
    }
    let fd = world.open("/d", abi::O_RDONLY).unwrap();
    let mut seen = Vec::new();
    loop {
        let (part, done) = world.list(fd, 24 * 7).unwrap();
        if done == 0 {
            break;
        }
        for (name, kind) in part {
            if kind == 8 {
                let path = alloc::format!("/d/{}", core::str::from_utf8(&name).unwrap());
                world.unlink(&path).unwrap();
                seen.push(name);
            }
        }
    }
    assert_eq!(seen.len(), 50);
    world.rmdir("/d").unwrap();
    assert_eq!(world.list(fd, 1000), Err(Errno::ENOENT));
}

#[test]
fn too_little_room_is_said_so() {
    let mut world = World::new();
    let fd = world.open("/", abi::O_RDONLY).unwrap();
    assert_eq!(world.list(fd, 23), Err(Errno::EINVAL));
    assert_eq!(world.list(fd, 24).unwrap().0, [(b".".to_vec(), 4)]);
    assert_eq!(world.list(fd, 47).unwrap().0, [(b"..".to_vec(), 4)]);
    let file = world.open("/dev/null", abi::O_RDONLY).unwrap();
    assert_eq!(world.list(file, 1000), Err(Errno::ENOTDIR));
}

#[test]
fn offsets_of_a_listing_can_be_returned_to() {
    let mut world = World::new();
    let fd = world.open("/dev", abi::O_RDONLY).unwrap();
    let open = world.table.get(fd).unwrap();
    let all = world.list(fd, 10_000).unwrap().0;
    world.root.seek(open, 0, abi::SEEK_SET).unwrap();
    world.list(fd, 24 * 4).unwrap();
    let at = world.root.seek(open, 0, abi::SEEK_CUR).unwrap();
    let rest = world.list(fd, 10_000).unwrap().0;
    assert_eq!(rest[..], all[all.len() - rest.len()..]);
    world.root.seek(open, at as i64, abi::SEEK_SET).unwrap();
    assert_eq!(world.list(fd, 10_000).unwrap().0, rest);
}
