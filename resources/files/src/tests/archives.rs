//! Archives: what comes of good ones, what is said of bad ones, and that none panics.

use alloc::format;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;
use proptest::prelude::*;
use std::process::{Command, Stdio};

use super::{LIMIT, World};
use crate::cpio::{Archive, ArchiveError, Flaw};
use crate::{Dev, Errno, LoadError, Owner, Root, Time};

struct Entry<'a> {
    name: &'a str,
    mode: u32,
    contents: &'a [u8],
    inode: u32,
    links: u32,
    device: Dev,
}

const NOTHING: Entry =
    Entry { name: "", mode: 0, contents: b"", inode: 0, links: 1, device: Dev::new(0, 0) };

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(4), 0);
}

fn write(archive: &mut Vec<u8>, entry: &Entry) {
    let (size, name_size) = (entry.contents.len(), entry.name.len() + 1);
    let Dev { major, minor } = entry.device;
    let Entry { inode, mode, links, .. } = entry;
    archive.extend(
        format!(
            "070701{inode:08x}{mode:08x}{:08x}{:08x}{links:08x}{:08x}{size:08x}{:08x}{:08x}\
             {major:08x}{minor:08x}{name_size:08x}{:08x}",
            3, 4, 77, 8, 1, 0
        )
        .into_bytes(),
    );
    archive.extend(entry.name.bytes());
    archive.push(0);
    pad(archive);
    archive.extend(entry.contents);
    pad(archive);
}

fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut archive = Vec::new();
    for entry in entries {
        write(&mut archive, entry);
    }
    write(&mut archive, &Entry { name: "TRAILER!!!", ..NOTHING });
    archive
}

fn file<'a>(name: &'a str, contents: &'a [u8]) -> Entry<'a> {
    Entry { name, mode: abi::S_IFREG | 0o640, contents, ..NOTHING }
}

#[test]
fn everything_an_archive_holds_comes_out() {
    let bytes = archive(&[
        Entry { name: "bin", mode: abi::S_IFDIR | 0o700, ..NOTHING },
        file("bin/sh", &[7; 10_000]),
        Entry { name: "sh", mode: abi::S_IFLNK | 0o777, contents: b"bin/sh", ..NOTHING },
        Entry { name: "dev/ttyS0", mode: abi::S_IFCHR | 0o600, device: Dev::new(4, 64), ..NOTHING },
        Entry { name: "one", mode: abi::S_IFREG, inode: 9, links: 2, ..NOTHING },
        Entry { name: "two", mode: abi::S_IFREG, inode: 9, links: 2, contents: b"hard", ..NOTHING },
        file("./not/named/before", b"deep"),
    ]);
    let mut world = World::with_archive(&bytes);
    assert_eq!(world.contents("/sh").unwrap(), [7; 10_000]);
    let stat = world.stat("/bin/sh").unwrap();
    assert_eq!((stat.mode, stat.user, stat.group), (abi::S_IFREG | 0o640, 3, 4));
    assert_eq!((stat.modified, stat.size), (Time::new(77, 0), 10_000));
    let bin = world.stat("/bin").unwrap();
    assert_eq!((bin.mode, bin.modified), (abi::S_IFDIR | 0o700, Time::new(77, 0)));
    assert_eq!(world.stat("/dev/ttyS0").unwrap().device, Dev::new(4, 64));
    assert_eq!(world.contents("/one").unwrap(), b"hard");
    assert_eq!(world.stat("/one").unwrap().number, world.stat("/two").unwrap().number);
    assert_eq!(world.stat("/two").unwrap().links, 2);
    assert_eq!(world.contents("/not/named/before").unwrap(), b"deep");
}

#[test]
fn what_is_kept_from_programs_is_in_no_tree() {
    let bytes =
        archive(&[file("./etc/secret", b"s"), file("etc/open", b"o"), file("secret", b"x")]);
    let mut world = World::with_archive_without(&bytes, Some("/etc/secret"));
    for (path, there) in [("/etc/secret", false), ("/etc/open", true), ("/secret", true)] {
        assert_eq!(world.stat(path).is_ok(), there, "{path}");
    }
    assert!(World::with_archive(&bytes).stat("/etc/secret").is_ok());
}

#[test]
fn what_every_tree_has_is_added() {
    let mut world = World::new();
    assert_eq!(world.stat("/dev/null").unwrap().device, Dev::NULL);
    assert_eq!(world.stat("/tmp").unwrap().mode, abi::S_IFDIR | 0o1777);
    assert_eq!(world.stat("/dev/shm").unwrap().mode, abi::S_IFDIR | 0o1777);
    for name in ["zero", "full", "random", "urandom", "tty", "console"] {
        let mode = world.stat(&format!("/dev/{name}")).unwrap().mode;
        assert_eq!(mode & abi::S_IFMT, abi::S_IFCHR);
    }
}

#[test]
fn what_is_named_twice_is_what_it_is_last() {
    let mut bytes = archive(&[file("a", b"long before"), file("a", b"new"), file("b", b"")]);
    // A second archive behind the first, as initial file systems are put together.
    bytes.extend([0; 512]);
    bytes.extend(archive(&[file("b", b"overlaid")]));
    let mut world = World::with_archive(&bytes);
    assert_eq!(world.contents("/a").unwrap(), b"new");
    assert_eq!(world.contents("/b").unwrap(), b"overlaid");
}

#[test]
fn no_name_leads_out_of_the_tree() {
    let mut world = World::with_archive(&archive(&[file("../../up", b"x")]));
    assert_eq!(world.contents("/up").unwrap(), b"x");
}

fn flaw(bytes: &[u8]) -> ArchiveError {
    match Root::load(bytes, LIMIT, Owner::new(0), Time::default()) {
        Err(LoadError::Archive(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("no flaw"),
    }
}

#[test]
fn every_flaw_has_its_name_and_place() {
    let good = archive(&[file("name", b"contents")]);
    let first = 110 + 6 + 8;
    let cut = |at: usize| flaw(&good[..at]);
    assert_eq!(cut(50), ArchiveError { flaw: Flaw::CutHeader, offset: 0 });
    assert_eq!(cut(112), ArchiveError { flaw: Flaw::CutName, offset: 0 });
    assert_eq!(cut(118), ArchiveError { flaw: Flaw::CutContents, offset: 0 });
    assert_eq!(cut(first), ArchiveError { flaw: Flaw::NoTrailer, offset: first });
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        flaw(&bytes).flaw
    };
    assert_eq!(with(0, b'1'), Flaw::Magic);
    assert_eq!(with(20, b'g'), Flaw::Number);
    assert_eq!(with(114, b'x'), Flaw::Name);
    assert_eq!(with(111, 0), Flaw::Name);
    assert!(format!("{}", cut(50)).contains("at byte 0"));
}

#[test]
fn an_entry_that_cannot_be_made_is_named() {
    let bytes = archive(&[file("a", b""), file("a/b", b"")]);
    let error = Root::load(&bytes, LIMIT, Owner::new(0), Time::default()).err();
    assert_eq!(error, Some(LoadError::Entry { name: b"a/b".to_vec(), error: Errno::ENOTDIR }));
    let big = archive(&[file("big", &[1; 100_000])]);
    let limit = vortex_units::Bytes::new(50_000);
    let error = Root::load(&big, limit, Owner::new(0), Time::default()).err();
    assert_eq!(error, Some(LoadError::Entry { name: b"big".to_vec(), error: Errno::ENOSPC }));
}

#[test]
fn an_archive_made_by_cpio_is_read() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("dir")).unwrap();
    std::fs::write(directory.path().join("dir/file"), b"by cpio").unwrap();
    let made = Command::new("sh")
        .args(["-c", "find . | cpio -o -H newc"])
        .current_dir(directory.path())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    if !made.status.success() {
        // Not every machine has cpio; the archives above are of our own making.
        return;
    }
    let mut world = World::with_archive(&made.stdout);
    assert_eq!(world.contents("/dir/file").unwrap(), b"by cpio");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Root::load(&bytes, LIMIT, Owner::new(0), Time::default());
    }

    #[test]
    fn no_damage_panics(
        names in proptest::collection::vec("[ab./]{1,5}", 1..6),
        kinds in proptest::collection::vec(0..16_u32, 6),
        damage in proptest::collection::vec((0..900_usize, any::<u8>()), 0..4),
        length in 0..1200_usize,
    ) {
        let entries: Vec<Entry> = names
            .iter()
            .zip(&kinds)
            .map(|(name, kind)| Entry {
                mode: kind << 12 | 0o644,
                inode: kind % 3,
                links: 1 + kind % 2,
                ..file(name, b"contents")
            })
            .collect();
        let mut bytes = archive(&entries);
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(length.max(110));
        let mut archive = Archive::new(&bytes);
        while let Ok(Some(_)) = archive.next_item() {}
        prop_assert!(matches!(archive.next_item(), Ok(None)), "a flaw is the end");
        let _ = Root::load(&bytes, LIMIT, Owner::new(0), Time::default());
    }
}

/// Programs with rights of their own are nobody's to change, by whatever call.
#[test]
fn what_is_sealed_is_read_and_run_and_nothing_else() {
    let bytes = archive(&[file("vortex/monitor", b"as it came"), file("other", b"another")]);
    let mut world = World::with_archive(&bytes);
    world.mkdir("/folder").unwrap();
    let no = Err(Errno::EPERM);
    let path = "/vortex/monitor";
    for flags in [abi::O_WRONLY, abi::O_RDWR, abi::O_RDONLY | abi::O_TRUNC] {
        assert_eq!(world.open(path, flags).map(drop), no, "{flags:#x}");
    }
    assert_eq!(world.open("/vortex/new", abi::O_WRONLY | abi::O_CREAT).map(drop), no);
    assert_eq!(world.mkdir("/vortex/new"), no);
    assert_eq!(world.link(path, "/mine"), no);
    assert_eq!(world.link("/other", "/vortex/new"), no);
    for (old, new, flags) in [
        (path, "/mine", 0),
        ("/other", path, 0),
        ("/other", path, abi::RENAME_EXCHANGE),
        ("/other", "/vortex/new", 0),
        ("/vortex", "/mine", 0),
        ("/folder", "/vortex", abi::RENAME_EXCHANGE),
    ] {
        assert_eq!(world.rename(old, new, flags), no, "{old} {new}");
    }
    assert_eq!(world.unlink(path), no);
    assert_eq!(world.contents(path).unwrap(), b"as it came");
    assert_eq!(world.contents("/other").unwrap(), b"another");
}

#[test]
fn a_path_of_an_archive_has_a_slash_before_it_or_not() {
    let is_at = |name: &str, path: &str| {
        let bytes = archive(&[file(name, b"")]);
        match Archive::new(&bytes).next_item().unwrap() {
            Some(crate::cpio::Item::Entry(entry)) => entry.is_at(path),
            _ => panic!("no entry"),
        }
    };
    for name in ["etc/x", "./etc/x", "/etc/x"] {
        assert!(is_at(name, "/etc/x"), "{name}");
    }
    for name in [".etc/x", "../etc/x", "etc/xy", "x"] {
        assert!(!is_at(name, "/etc/x"), "{name}");
    }
}
