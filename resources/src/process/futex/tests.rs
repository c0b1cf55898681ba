use alloc::vec::Vec;

use proptest::prelude::*;

use super::robust::{Death, LIMIT, Walk, Word, death};
use super::*;

const ALL: u32 = u32::MAX;

fn key(number: u8) -> Key {
    if number.is_multiple_of(2) {
        Key::Private { space: 1, address: u64::from(number) }
    } else {
        Key::Shared { frame: 1, offset: u32::from(number) }
    }
}

/// To the end, and never more than it may in one call.
fn wake_all<W>(table: &mut FutexTable<W>, wake: Wake) -> Vec<W> {
    let (mut all, mut next) = (Vec::new(), Some(wake));
    while let Some(wake) = next {
        let before = all.len();
        next = table.wake(wake, |waiter| all.push(waiter));
        assert!(all.len() - before <= STEP);
    }
    all
}

fn requeue_all<W>(table: &mut FutexTable<W>, requeue: Requeue) -> (Vec<W>, u32) {
    let (mut all, mut moved, mut next) = (Vec::new(), 0, Some(requeue));
    while let Some(requeue) = next {
        let before = all.len();
        let (more, rest) = table.requeue(requeue, |waiter| all.push(waiter), |_| {});
        assert!(all.len() - before + more as usize <= STEP);
        moved += more;
        next = rest;
    }
    (all, moved)
}

#[test]
fn who_is_moved_is_shown_and_nobody_else() {
    let mut table = FutexTable::default();
    for number in 0..4 {
        table.wait(key(1), ALL, number).unwrap();
    }
    let mut shown = Vec::new();
    let requeue = Requeue::new(key(1), key(3), 1, 2).unwrap();
    let (moved, _) = table.requeue(requeue, |_| {}, |waiter| shown.push(*waiter));
    assert_eq!((moved, shown), (2, [1, 2].to_vec()));
    let requeue = Requeue::new(key(3), key(3), 0, 2).unwrap();
    let _ = table.requeue(requeue, |_| {}, |_| panic!("it is where it was"));
}

#[test]
fn what_cannot_match_is_refused() {
    let mut table = FutexTable::default();
    assert_eq!(table.wait(key(0), 0, ()), Err(Errno::EINVAL));
    assert_eq!(Wake::new(key(0), 1, 0), Err(Errno::EINVAL));
    assert_eq!(Requeue::new(key(0), key(1), -1, 1), Err(Errno::EINVAL));
}

#[test]
fn a_long_wake_goes_on_and_passes_over_who_comes_after() {
    let mut table = FutexTable::default();
    for number in 0..STEP * 2 + 1 {
        table.wait(key(0), 1, number).unwrap();
    }
    let mut first = 0;
    let rest = table.wake(Wake::new(key(0), i32::MAX, 1).unwrap(), |_| first += 1);
    assert_eq!(first, WOKEN);
    table.wait(key(0), 1, 1000).unwrap();
    let rest = wake_all(&mut table, rest.unwrap());
    assert_eq!(rest, (WOKEN..STEP * 2 + 1).collect::<Vec<_>>());
    assert_eq!(table.len(), 1);
}

#[test]
fn operations_are_decoded_as_linux_does() {
    let encode = |change: u32, test: u32, argument: u32, against: u32| {
        change << 28 | test << 24 | argument << 12 | against
    };
    let decode = |encoded| Operation::decode(encoded).unwrap();
    let add = decode(encode(1, 4, 0xfff, 0xffe));
    assert_eq!(add.apply(5), 4);
    assert!(add.wakes(0) && !add.wakes(-2_i32 as u32));
    assert_eq!(decode(encode(0, 0, 7, 0)).apply(1), 7);
    assert_eq!(decode(encode(2, 0, 6, 0)).apply(1), 7);
    assert_eq!(decode(encode(3, 0, 1, 0)).apply(7), 6);
    assert_eq!(decode(encode(4, 0, 5, 0)).apply(7), 2);
    assert_eq!(decode(encode(8, 0, 31, 0)).apply(7), 1 << 31);
    assert_eq!(decode(encode(8, 0, 33, 0)).apply(7), 2);
    for (test, expected) in [(0, false), (1, true), (2, true), (3, true), (4, false), (5, false)] {
        assert_eq!(decode(encode(0, test, 0, 3)).wakes(2), expected, "{test}");
    }
    assert_eq!(Operation::decode(encode(5, 0, 0, 0)), Err(Errno::ENOSYS));
    assert_eq!(Operation::decode(encode(0, 6, 0, 0)), Err(Errno::ENOSYS));
}

/// Words of eight bytes at these addresses.
fn walk(head: u64, memory: &[(u64, u64)]) -> Vec<Word> {
    let mut walk = Walk::new(head);
    let read = |address| memory.iter().find(|(at, _)| *at == address).map(|(_, v)| *v).ok_or(());
    let mut words = Vec::new();
    loop {
        match walk.step(read) {
            Ok(Some(word)) => words.push(word),
            Ok(None) => return words,
            Err(()) => {
                words.extend(walk.give_up());
                assert_eq!(walk.step(read), Ok(None));
                return words;
            }
        }
    }
}

fn word(address: u64, pending: bool, inherits: bool) -> Word {
    Word { address, pending, inherits }
}

#[test]
fn a_robust_list_is_walked_to_its_head() {
    let head = [(0x100, 0x200), (0x108, 0x10), (0x110, 0x400)];
    let entries = [(0x200, 0x301), (0x300, 0x400), (0x400, 0x100)];
    let memory = [&head[..], &entries[..]].concat();
    let words = walk(0x100, &memory);
    // The pending entry is on the list, and comes once, at the end.
    let expected = [word(0x210, false, false), word(0x310, false, true), word(0x410, true, false)];
    assert_eq!(words, expected);
    assert_eq!(walk(0, &memory), []);
    // Where the second entry cannot be read, its word is still there.
    let memory = [&head[..], &entries[..1]].concat();
    assert_eq!(walk(0x100, &memory), expected[..2]);
    // A list that is empty, and negative offsets.
    let memory = [(0x100, 0x100), (0x108, 8_u64.wrapping_neg()), (0x110, 0x400)];
    assert_eq!(walk(0x100, &memory), [word(0x3f8, true, false)]);
    // A word that is not aligned ends all.
    let memory = [(0x100, 0x202), (0x108, 0), (0x110, 0x400), (0x202, 0x100)];
    assert_eq!(walk(0x100, &memory), []);
}

#[test]
fn a_ring_ends() {
    let head = [(0x100, 0x200), (0x108, 0), (0x110, 0)];
    let memory = [&head[..], &[(0x200, 0x200)]].concat();
    assert_eq!(walk(0x100, &memory).len(), LIMIT as usize);
    let head = [(0x100, 0x200), (0x108, 0), (0x110, 0x200)];
    let memory = [&head[..], &[(0x200, 0x200)]].concat();
    assert_eq!(walk(0x100, &memory), [word(0x200, true, false)]);
}

#[test]
fn only_the_threads_own_words_are_marked() {
    const WAITERS: u32 = 1 << 31;
    const DIED: u32 = 1 << 30;
    let plain = word(0, false, false);
    let marked = |new, wake| Death::Mark { new, wake };
    assert_eq!(death(plain, 7, 7), marked(DIED, false));
    assert_eq!(death(plain, 7 | WAITERS, 7), marked(DIED | WAITERS, true));
    assert_eq!(death(word(0, false, true), 7 | WAITERS, 7), marked(DIED | WAITERS, false));
    assert_eq!(death(plain, 8 | WAITERS, 7), Death::Leave);
    assert_eq!(death(plain, 0, 7), Death::Leave);
    assert_eq!(death(word(0, true, false), 0, 7), Death::Wake);
    assert_eq!(death(word(0, true, true), 0, 7), Death::Leave);
}

#[derive(Clone, Debug)]
enum Call {
    Wait(u8, u32),
    Wake(u8, i32, u32),
    Requeue(u8, u8, i32, i32),
    Cancel(usize),
}

fn call() -> impl Strategy<Value = Call> {
    let bits = 1..8_u32;
    prop_oneof![
        8 => (0..3_u8, bits.clone()).prop_map(|(key, bits)| Call::Wait(key, bits)),
        1 => (0..3_u8, -1..100, bits).prop_map(|(key, count, bits)| Call::Wake(key, count, bits)),
        1 => (0..3_u8, 0..3_u8, 0..20, 0..200).prop_map(|(a, b, c, d)| Call::Requeue(a, b, c, d)),
        1 => any::<usize>().prop_map(Call::Cancel),
    ]
}

/// A waiter of the model: they stand in the order of waiting.
#[derive(Clone, Debug)]
struct Modelled {
    key: u8,
    bits: u32,
    name: u32,
    id: WaiterId,
}

proptest! {
    #[test]
    fn the_table_is_a_line(calls in prop::collection::vec(call(), 0..400)) {
        let mut table = FutexTable::default();
        let mut model: Vec<Modelled> = Vec::new();
        let mut ids = Vec::new();
        for (name, call) in (0..).zip(calls) {
            match call {
                Call::Wait(at, bits) => {
                    let id = table.wait(key(at), bits, name).unwrap();
                    prop_assert!(!ids.contains(&id));
                    ids.push(id);
                    model.push(Modelled { key: at, bits, name, id });
                }
                Call::Wake(at, count, bits) => {
                    let woken = wake_all(&mut table, Wake::new(key(at), count, bits).unwrap());
                    let mut expected = Vec::new();
                    model.retain(|waiter| {
                        let matches = waiter.key == at && waiter.bits & bits != 0;
                        let stays = !matches || expected.len() as i32 >= count.max(1);
                        if !stays {
                            expected.push(waiter.name);
                        }
                        stays
                    });
                    prop_assert_eq!(woken, expected);
                }
                Call::Requeue(from, to, wake, moves) => {
                    let requeue = Requeue::new(key(from), key(to), wake, moves).unwrap();
                    let (woken, moved) = requeue_all(&mut table, requeue);
                    let (mut expected, mut behind, mut kept) = (Vec::new(), Vec::new(), 0);
                    model.retain(|waiter| {
                        if waiter.key != from {
                            return true;
                        }
                        if (expected.len() as i32) < wake {
                            expected.push(waiter.name);
                            return false;
                        }
                        if behind.len() as i32 + kept >= moves {
                            return true;
                        }
                        if from == to {
                            kept += 1;
                            return true;
                        }
                        behind.push(Modelled { key: to, ..waiter.clone() });
                        false
                    });
                    prop_assert_eq!(woken, expected);
                    prop_assert_eq!(moved as usize, behind.len() + kept as usize);
                    model.extend(behind);
                }
                Call::Cancel(index) => {
                    if !ids.is_empty() {
                        let id = ids[index % ids.len()];
                        let place = model.iter().position(|waiter| waiter.id == id);
                        let expected = place.map(|place| model.remove(place).name);
                        prop_assert_eq!(table.cancel(id), expected);
                    }
                }
            }
            prop_assert_eq!(table.len(), model.len());
            prop_assert_eq!(table.is_empty(), model.is_empty());
        }
        for at in 0..3 {
            let left = wake_all(&mut table, Wake::new(key(at), i32::MAX, ALL).unwrap());
            let expected: Vec<u32> =
                model.iter().filter(|waiter| waiter.key == at).map(|waiter| waiter.name).collect();
            prop_assert_eq!(left, expected);
        }
        prop_assert!(table.is_empty() && table.places.is_empty());
    }
}
