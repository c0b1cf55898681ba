//! The operations of the comparison with Linux, how they are drawn, and what they answer.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use linux_raw_sys::general as abi;
use proptest::prelude::*;

/// Open files that a sequence has at most.
pub(crate) const SLOTS: usize = 3;

/// The events that are polled for.
pub(crate) const ALL: u32 = abi::POLLIN | abi::POLLOUT | abi::POLLRDNORM | abi::POLLWRNORM;

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Open { slot: usize, path: String, flags: u32, mode: u32 },
    OpenIn { slot: usize, dir: usize, path: String, flags: u32, mode: u32 },
    Close { slot: usize },
    Flags { slot: usize },
    Poll { slot: usize },
    ChmodOpen { slot: usize, mode: u32 },
    Dup { from: usize, to: usize },
    Read { slot: usize, count: usize, at: Option<u32> },
    Write { slot: usize, count: usize, byte: u8, at: Option<u32> },
    Seek { slot: usize, offset: i64, whence: u32 },
    Resize { slot: usize, size: u32 },
    Allocate { slot: usize, mode: u32, offset: u32, length: u32 },
    Append { slot: usize, on: bool },
    StatOpen { slot: usize },
    ListOpen { slot: usize },
    Mkdir { path: String, mode: u32 },
    Rmdir { path: String },
    Unlink { path: String },
    Rename { old: String, new: String, flags: u32 },
    Link { old: String, new: String, follow: bool },
    Symlink { text: String, path: String },
    Readlink { path: String },
    Stat { path: String, keep: bool },
    Chmod { path: String, mode: u32 },
    Chown { path: String, keep: bool },
    Access { path: String, mode: u32 },
    Fifo { path: String },
    List { path: String },
}

/// What an operation answers, without what only its own system can know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Unit,
    Number(u64),
    Bytes(Vec<u8>),
    Stat { mode: u32, links: u64, size: u64, blocks: u64 },
    Names(Vec<(Vec<u8>, u8)>),
}

/// Names that nothing else has, should a path ever lead out of the directory.
const NAMES: &[&str] = &["vxa", "vxb", "vxc", "vxd"];

fn component() -> impl Strategy<Value = String> {
    prop_oneof![
        16 => proptest::sample::select(NAMES).prop_map(String::from),
        1 => Just(String::from(".")),
        1 => Just(String::from("..")),
    ]
}

fn path() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        6 => proptest::collection::vec(component(), 1),
        4 => proptest::collection::vec(component(), 2),
        2 => proptest::collection::vec(component(), 3),
    ];
    let long = prop_oneof![60 => Just(None), 1 => Just(Some(255_usize)), 1 => Just(Some(256))];
    (parts, proptest::bool::weighted(0.08), long).prop_map(|(mut parts, slash, long)| {
        if let Some(length) = long {
            parts.push("x".repeat(length));
        }
        let mut path = parts.join("/");
        if slash {
            path.push('/');
        }
        path
    })
}

fn open_flags() -> impl Strategy<Value = u32> {
    let access =
        prop_oneof![Just(abi::O_RDWR), Just(abi::O_RDWR), Just(abi::O_RDONLY), Just(abi::O_WRONLY)];
    let flag = |flag: u32, chance: f64| {
        proptest::bool::weighted(chance).prop_map(move |on| if on { flag } else { 0 })
    };
    // Always without waiting, for the FIFOs among the files.
    let flags = (
        access,
        flag(abi::O_CREAT, 0.6),
        flag(abi::O_EXCL, 0.15),
        flag(abi::O_TRUNC, 0.2),
        flag(abi::O_APPEND, 0.1),
        flag(abi::O_DIRECTORY, 0.1),
        flag(abi::O_NOFOLLOW, 0.1),
        flag(abi::O_PATH, 0.05),
    );
    flags.prop_map(|(a, b, c, d, e, f, g, h)| a | b | c | d | e | f | g | h | abi::O_NONBLOCK)
}

fn offset() -> impl Strategy<Value = u32> {
    prop_oneof![0..64_u32, 4000..4200_u32, 0..20_000_u32]
}

fn count() -> impl Strategy<Value = usize> {
    prop_oneof![0..40_usize, 4000..4200_usize, 0..9000_usize]
}

fn on_files() -> impl Strategy<Value = Op> {
    let slot = 0..SLOTS;
    let at = || proptest::option::weighted(0.4, offset());
    let whence = prop_oneof![
        Just(abi::SEEK_SET),
        Just(abi::SEEK_CUR),
        Just(abi::SEEK_END),
        Just(abi::SEEK_DATA),
        Just(abi::SEEK_HOLE),
    ];
    const PUNCH: u32 = abi::FALLOC_FL_PUNCH_HOLE | abi::FALLOC_FL_KEEP_SIZE;
    let mode = prop_oneof![Just(0), Just(abi::FALLOC_FL_KEEP_SIZE), Just(PUNCH), Just(2)];
    prop_oneof![
        6 => (slot.clone(), path(), open_flags(), any::<u16>()).prop_map(
            |(slot, path, flags, mode)| Op::Open { slot, path, flags, mode: u32::from(mode & 0o1777) | 0o600 }),
        2 => (slot.clone(), 0..SLOTS, path(), open_flags(), any::<u16>()).prop_map(
            |(slot, dir, path, flags, mode)| {
                let mode = u32::from(mode & 0o1777) | 0o600;
                Op::OpenIn { slot, dir, path, flags, mode }
            }),
        1 => slot.clone().prop_map(|slot| Op::Close { slot }),
        1 => slot.clone().prop_map(|slot| Op::Flags { slot }),
        1 => slot.clone().prop_map(|slot| Op::Poll { slot }),
        1 => (slot.clone(), 0..0o10000_u32).prop_map(
            |(slot, mode)| Op::ChmodOpen { slot, mode: mode | 0o700 }),
        1 => (slot.clone(), slot.clone()).prop_map(|(from, to)| Op::Dup { from, to }),
        3 => (slot.clone(), count(), at()).prop_map(
            |(slot, count, at)| Op::Read { slot, count, at }),
        5 => (slot.clone(), count(), 1..=255_u8, at()).prop_map(
            |(slot, count, byte, at)| Op::Write { slot, count, byte, at }),
        2 => (slot.clone(), -50..20_000_i64, whence).prop_map(
            |(slot, offset, whence)| Op::Seek { slot, offset, whence }),
        1 => (slot.clone(), offset()).prop_map(|(slot, size)| Op::Resize { slot, size }),
        1 => (slot.clone(), mode, offset(), offset()).prop_map(
            |(slot, mode, offset, length)| Op::Allocate { slot, mode, offset, length }),
        1 => (slot.clone(), any::<bool>()).prop_map(|(slot, on)| Op::Append { slot, on }),
        2 => slot.clone().prop_map(|slot| Op::StatOpen { slot }),
        1 => slot.prop_map(|slot| Op::ListOpen { slot }),
    ]
}

fn on_names() -> impl Strategy<Value = Op> {
    let rename = prop_oneof![
        6 => Just(0),
        2 => Just(abi::RENAME_NOREPLACE),
        3 => Just(abi::RENAME_EXCHANGE),
        1 => Just(3),
    ];
    prop_oneof![
        4 => (path(), 0..0o2000_u32).prop_map(|(path, mode)| Op::Mkdir { path, mode: mode | 0o700 }),
        2 => path().prop_map(|path| Op::Rmdir { path }),
        2 => path().prop_map(|path| Op::Unlink { path }),
        4 => (path(), path(), rename).prop_map(|(old, new, flags)| Op::Rename { old, new, flags }),
        2 => (path(), path(), any::<bool>()).prop_map(
            |(old, new, follow)| Op::Link { old, new, follow }),
        2 => (path(), path()).prop_map(|(text, path)| Op::Symlink { text, path }),
        1 => path().prop_map(|path| Op::Readlink { path }),
        3 => (path(), any::<bool>()).prop_map(|(path, keep)| Op::Stat { path, keep }),
        1 => (path(), 0..0o10000_u32).prop_map(|(path, mode)| Op::Chmod { path, mode: mode | 0o700 }),
        1 => (path(), any::<bool>()).prop_map(|(path, keep)| Op::Chown { path, keep }),
        1 => (path(), 0..8_u32).prop_map(|(path, mode)| Op::Access { path, mode }),
        1 => path().prop_map(|path| Op::Fifo { path }),
        1 => path().prop_map(|path| Op::List { path }),
    ]
}

pub(crate) fn ops() -> impl Strategy<Value = Vec<Op>> {
    proptest::collection::vec(prop_oneof![on_files(), on_names()], 1..60)
}
