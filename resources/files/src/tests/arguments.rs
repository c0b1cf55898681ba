//! Arguments that no program should use: every call answers, and nothing is lost.

use alloc::vec::Vec;
use proptest::prelude::*;

use super::{OWNER, World};
use crate::{At, Collect, Dev, Fd, Opened, Stamp};

fn flags() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), (0..32_u32).prop_map(|bit| 1 << bit), 0..16_u32]
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        Just(i64::MIN),
        Just(i64::MAX),
        (0..14_u32).prop_map(|by| (1 << 62) >> (4 * by)),
        -2..9000_i64,
    ]
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    const PARTS: &[&[u8]] = &[b"a", b"b", b"/", b".", b"..", b"dev", b"proc", b"null", b"\xff\n"];
    let part = proptest::sample::select(PARTS);
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_argument_panics(
        calls in proptest::collection::vec(
            (0..20_u8, path(), path(), -2..6_i32, flags(), flags(), number(), number()),
            1..60,
        ),
    ) {
        let mut world = World::new();
        for (call, path, other, fd, flags, mode, offset, length) in calls {
            run(&mut world, call, &path, &other, Fd::new(fd), (flags, mode), (offset, length));
        }
        let World { root, table, effects, .. } = &mut world;
        while table.close_some(root, 2, effects) {}
        prop_assert_eq!(root.open_files(), 0);
    }
}

fn run(
    world: &mut World,
    call: u8,
    path: &[u8],
    other: &[u8],
    fd: Fd,
    (flags, mode): (u32, u32),
    (offset, length): (i64, i64),
) {
    let at = At::new(if flags & 1 == 0 { Fd::CWD } else { fd }, path);
    let open = world.table.get(fd).unwrap_or(crate::Key::from_bits(u64::from(flags)));
    if call < 4 {
        let opened = world.call(|root, c, effects| root.open(c, at, flags, mode, effects));
        if let Ok(Opened::Ready(open) | Opened::Waiting { open, .. }) = opened
            && world.table.install(open, flags & 1 == 0).is_err()
        {
            world.root.close(open, &mut world.effects);
        }
        return;
    }
    let World { root, table, effects, now, .. } = world;
    let _ = match call {
        4 => root.fcntl(table, fd, flags, length as u64, effects).map(|_| ()),
        5 => table.duplicate_to(root, fd, Fd::new(mode as i32), Some(flags), effects).map(|_| ()),
        6 => {
            let range = (flags, mode);
            let from = flags as usize;
            table.close_range(root, range, from, flags & 7, usize::MAX, effects).map(|_| ())
        }
        7 => root.pipe(flags & 0x800, OWNER, *now).map(|(reader, writer)| {
            for end in [reader, writer] {
                if table.install(end, false).is_err() {
                    root.close(end, effects);
                }
            }
        }),
        _ => Ok(()),
    };
    let _ = world.root.poll(open, flags);
    let _ = world.root.path_of_open(open);
    world.see(&crate::NoProc, |root, c, effects| {
        let mut sink = Collect::new(mode as usize & 0xffff);
        let _ = match call {
            8 => root.read(c, open, Some(offset), &mut sink, &mut |_| {}, effects).map(|_| ()),
            9 => root.read(c, open, None, &mut sink, &mut |_| {}, effects).map(|_| ()),
            10 => root.write(c, open, Some(offset), &mut &[1; 9000][..], effects).map(|_| ()),
            11 => root.seek(open, offset, flags & 7).map(|_| ()),
            12 => root.truncate_open(c, open, offset),
            13 => root.allocate(c, open, mode & 3, offset, length).map(|_| ()),
            14 => root.mknod(c, at, mode, Dev::decoded(length as u64)),
            15 => root.rename(c, at, At::cwd(other), flags & 7),
            16 => root.hard_link(c, at, At::cwd(other), mode),
            17 => root.unlink(c, at, mode & 0x200),
            18 => root.list(c, open, &mut sink).map(|_| ()),
            19 => Stamp::from_timespec(offset, length)
                .and_then(|stamp| root.utimens(c, at, [stamp, stamp], flags & 0x1100)),
            _ => Ok(()),
        };
    });
}
