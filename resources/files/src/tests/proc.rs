//! `/proc`, made up by the caller.

use alloc::vec;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;

use super::World;
use crate::{
    At, Collect, Errno, Node, OpenId, Opened, Outcome, ProcEntry, ProcKind, ProcLink, ProcName,
    ProcSource, ProcText,
};

/// A `/proc` with `version`, and `self` with a link to an open file.
#[derive(Default)]
struct Made {
    file: Option<Node>,
}

impl ProcSource for Made {
    fn entry(&self, path: &[u8]) -> Option<ProcEntry> {
        let kind = match path {
            b"" | b"self" | b"self/fd" => ProcKind::Directory,
            b"version" => ProcKind::File,
            b"self/exe" | b"self/fd/0" => ProcKind::Link,
            _ => return None,
        };
        Some(ProcEntry { kind, permissions: 0o555 })
    }

    fn list(&self, path: &[u8], from: u64) -> Vec<ProcName> {
        let name = |name: &[u8], kind, next| ProcName { name: name.to_vec(), kind, next };
        match (path, from) {
            (b"", 0) => vec![name(b"self", ProcKind::Directory, 7)],
            (b"", 7) => vec![name(b"version", ProcKind::File, 9)],
            _ => Vec::new(),
        }
    }

    fn read(&self, path: &[u8], from: u64) -> Option<ProcText> {
        let text = |bytes: &[u8], next| Some(ProcText { bytes: bytes.to_vec(), next });
        match (path, from) {
            (b"version", 0) => text(b"Linux ", Some(5)),
            (b"version", 5) => text(b"version 2011", None),
            _ => None,
        }
    }

    fn link(&self, path: &[u8]) -> Option<ProcLink> {
        Some(match path {
            b"self/exe" => ProcLink { text: b"/bin/sh".to_vec(), target: None },
            _ => ProcLink { text: b"/gone (deleted)".to_vec(), target: self.file.clone() },
        })
    }
}

fn open(world: &mut World, proc: &Made, path: &str, flags: u32) -> Result<OpenId, Errno> {
    let at = At::cwd(path.as_bytes());
    match world.call_with(proc, |root, c, effects| root.open(c, at, flags, 0, effects))? {
        Opened::Ready(open) => Ok(open),
        Opened::Waiting { .. } => panic!("it waits"),
    }
}

fn read(world: &mut World, proc: &Made, open: OpenId, count: usize) -> Vec<u8> {
    let mut sink = Collect::new(count);
    let outcome = world
        .call_with(proc, |root, c, effects| {
            root.read(c, open, None, &mut sink, &mut |_| {}, effects)
        })
        .unwrap();
    assert!(matches!(outcome, Outcome::Done(_)));
    sink.into_bytes()
}

#[test]
fn its_files_are_read_in_parts() {
    let (mut world, proc) = (World::new(), Made::default());
    let version = open(&mut world, &proc, "/proc/./self/../version", abi::O_RDONLY).unwrap();
    assert_eq!(read(&mut world, &proc, version, 5), b"Linux");
    assert_eq!(read(&mut world, &proc, version, 100), b" ");
    assert_eq!(read(&mut world, &proc, version, 100), b"version 2011");
    assert_eq!(read(&mut world, &proc, version, 100), b"");
    let mut sink = Collect::new(4);
    let mut at = |offset, sink: &mut Collect| {
        let mut random = |_: &mut [u8]| {};
        let outcome = world.call_with(&proc, |root, c, effects| {
            root.read(c, version, Some(offset), sink, &mut random, effects)
        });
        outcome.unwrap()
    };
    assert_eq!(at(1, &mut sink), Outcome::Done(4), "from its beginning again");
    assert_eq!(at(14, &mut Collect::new(4)), Outcome::Done(4), "the piece behind it");
    assert_eq!(at(0, &mut Collect::new(4)), Outcome::Done(4));
    assert_eq!(at(60, &mut Collect::new(4)), Outcome::Done(0), "behind the last");
    assert_eq!(open(&mut world, &proc, "/proc/none", abi::O_RDONLY), Err(Errno::ENOENT));
    let made = open(&mut world, &proc, "/proc/none", abi::O_RDWR | abi::O_CREAT);
    assert_eq!(made, Err(Errno::ENOENT));
}

#[test]
fn its_links_lead_out_by_text_or_to_the_thing_itself() {
    let (mut world, mut proc) = (World::new(), Made::default());
    world.mkdir("/bin").unwrap();
    world.file("/bin/sh", b"shell");
    world.file("/gone", b"no name");
    let fd = world.open("/gone", abi::O_RDONLY).unwrap();
    world.unlink("/gone").unwrap();
    proc.file = Some(world.root.node(world.table.get(fd).unwrap()).unwrap());
    let exe = open(&mut world, &proc, "/proc/self/exe", abi::O_RDONLY).unwrap();
    assert_eq!(read(&mut world, &proc, exe, 100), b"shell");
    let again = open(&mut world, &proc, "/dev/stdin", abi::O_RDONLY).unwrap();
    assert_eq!(read(&mut world, &proc, again, 100), b"no name");
    let text = world.call_with(&proc, |root, c, _| root.readlink(c, At::cwd(b"/proc/self/fd/0")));
    assert_eq!(text.unwrap(), b"/gone (deleted)");
}

#[test]
fn it_is_listed_and_cannot_be_changed() {
    let (mut world, proc) = (World::new(), Made::default());
    let directory = open(&mut world, &proc, "/proc", abi::O_RDONLY | abi::O_DIRECTORY).unwrap();
    let mut sink = Collect::new(1000);
    while world.call_with(&proc, |root, c, _| root.list(c, directory, &mut sink)).unwrap() > 0 {}
    let names: Vec<_> = super::listing::records(&sink.into_bytes());
    assert_eq!(
        names,
        [(b".".to_vec(), 4), (b"..".to_vec(), 4), (b"self".to_vec(), 4), (b"version".to_vec(), 8)]
    );
    let version = At::cwd(b"/proc/version");
    world.see(&proc, |root, c, _| {
        assert_eq!(root.unlink(c, version, 0), Err(Errno::EPERM));
        assert_eq!(root.rename(c, version, At::cwd(b"/version"), 0), Err(Errno::EXDEV));
        assert_eq!(root.unlink(c, At::cwd(b"/proc"), abi::AT_REMOVEDIR), Err(Errno::EBUSY));
        assert_eq!(root.rename(c, At::cwd(b"/proc"), At::cwd(b"/p"), 0), Err(Errno::EBUSY));
        assert_eq!(root.chmod(c, version, 0, 0), Err(Errno::EPERM));
    });
}

#[test]
fn one_can_be_in_it() {
    let (mut world, proc) = (World::new(), Made::default());
    let node = world.call_with(&proc, |root, c, _| root.find_directory(c, b"/proc/self")).unwrap();
    world.root.enter(&mut world.place, node, &mut world.effects);
    assert_eq!(world.root.getcwd(&world.place).unwrap(), b"/proc/self");
    let up = world.call_with(&proc, |root, c, _| root.find_directory(c, b"../..")).unwrap();
    assert_eq!(up, world.root.top());
}
