//! The queue against a device that does what the specification says, and one that does not.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// Pages at addresses that are not side by side.
#[derive(Clone)]
struct Memory(Rc<RefCell<Vec<[u8; PAGE]>>>);

impl Memory {
    fn new(size: u16) -> Self {
        Self(Rc::new(RefCell::new(vec![[0; PAGE]; pages(size)])))
    }

    fn bytes<const N: usize>(&self, page: usize, at: usize) -> [u8; N] {
        self.0.borrow()[page][at..at + N].try_into().unwrap()
    }

    fn set(&self, page: usize, at: usize, bytes: &[u8]) {
        self.0.borrow_mut()[page][at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// What is at an address.
    fn at<const N: usize>(&self, address: u64) -> [u8; N] {
        let page = (0..pages(256)).find(|page| self.address(*page) == address & !0xfff).unwrap();
        self.bytes(page, (address & 0xfff) as usize)
    }
}

impl Shared for Memory {
    fn get16(&self, page: usize, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes(page, at))
    }
    fn get32(&self, page: usize, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes(page, at))
    }
    fn put16(&self, page: usize, at: usize, value: u16) {
        self.set(page, at, &value.to_le_bytes());
    }
    fn put32(&self, page: usize, at: usize, value: u32) {
        self.set(page, at, &value.to_le_bytes());
    }
    fn put64(&self, page: usize, at: usize, value: u64) {
        self.set(page, at, &value.to_le_bytes());
    }
    fn address(&self, page: usize) -> u64 {
        0x10_0000 + page as u64 * 0x3000
    }
}

/// A device by the specification: it knows the addresses alone.
struct Device {
    memory: Memory,
    places: [u64; 3],
    size: u16,
    seen: u16,
    used: u16,
    /// What it works on: the head, and the segments.
    works: VecDeque<(u16, Vec<Segment>)>,
}

impl Device {
    fn word(&self, address: u64) -> u16 {
        u16::from_le_bytes(self.memory.at(address))
    }

    fn descriptor(&self, address: u64) -> (Segment, u16, u16) {
        let bytes: [u8; 16] = self.memory.at(address);
        let flags = u16::from_le_bytes(bytes[12..14].try_into().unwrap());
        let segment = Segment {
            address: u64::from_le_bytes(bytes[..8].try_into().unwrap()),
            length: u32::from_le_bytes(bytes[8..12].try_into().unwrap()),
            device_writes: flags & 2 != 0,
        };
        (segment, flags, u16::from_le_bytes(bytes[14..].try_into().unwrap()))
    }

    fn look(&mut self) {
        let [descriptors, available, _] = self.places;
        while self.word(available + 2) != self.seen {
            let head = self.word(available + 4 + u64::from(self.seen % self.size) * 2);
            self.seen = self.seen.wrapping_add(1);
            let (table, flags, _) = self.descriptor(descriptors + u64::from(head) * 16);
            assert_eq!(flags, 4, "each is a table");
            let (mut segments, mut place) = (Vec::new(), 0);
            loop {
                let (segment, flags, next) = self.descriptor(table.address + u64::from(place) * 16);
                segments.push(segment);
                if flags & 1 == 0 {
                    break;
                }
                place = next;
            }
            assert_eq!(segments.len() * 16, table.length as usize);
            self.works.push_back((head, segments));
        }
    }

    /// Puts anything into the used ring.
    fn say(&mut self, head: u32, written: u32) {
        let used = self.places[2];
        let page = (0..2).find(|page| self.memory.address(*page) == used & !0xfff).unwrap();
        let at = (used & 0xfff) as usize;
        let entry = at + 4 + usize::from(self.used % self.size) * 8;
        self.memory.put32(page, entry, head);
        self.memory.put32(page, entry + 4, written);
        self.used = self.used.wrapping_add(1);
        self.memory.put16(page, at + 2, self.used);
    }
}

fn pair(size: u16) -> (SplitQueue<Memory, u64>, Device) {
    let memory = Memory::new(size);
    let queue = SplitQueue::new(memory.clone(), size).unwrap();
    let places = queue.places();
    let works = VecDeque::new();
    (queue, Device { memory, places, size, seen: 0, used: 0, works })
}

fn reads(address: u64, length: u32) -> Segment {
    Segment { address, length, device_writes: false }
}

fn writes(address: u64, length: u32) -> Segment {
    Segment { address, length, device_writes: true }
}

#[test]
fn a_chain_reaches_the_device_as_it_was_given() {
    let (mut queue, mut device) = pair(4);
    let chain = [reads(0x5000, 51), writes(0x6000, 108), writes(0x7010, 4080)];
    assert!(queue.give(chain, 7).unwrap(), "it wants to be told");
    device.look();
    let (head, segments) = device.works.pop_front().unwrap();
    assert_eq!(segments, chain);
    assert_eq!(queue.take(), Ok(None));
    device.say(u32::from(head), 112);
    assert_eq!(queue.take(), Ok(Some(Done { payload: 7, written: 112 })));
    assert_eq!(queue.in_flight(), 0);
}

#[test]
fn a_full_queue_and_a_long_chain_are_refused_with_their_payload() {
    let (mut queue, _) = pair(2);
    assert!(matches!(queue.give([], 1), Err(Refused::Segments(1))));
    let long = [reads(0, 1); MOST_SEGMENTS + 1];
    assert!(matches!(queue.give(long, 2), Err(Refused::Segments(2))));
    assert!(queue.give([reads(0, 1); MOST_SEGMENTS], 3).is_ok());
    assert!(queue.give([reads(0, 1)], 4).is_ok());
    assert!(matches!(queue.give([reads(0, 1)], 5), Err(Refused::Full(5))));
    assert!(!queue.has_room());
    assert_eq!(queue.take_all().collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn sizes_are_powers_of_two_up_to_a_page() {
    for (offered, size) in [(0, 0), (1, 1), (3, 2), (128, 128), (300, 256), (32768, 256)] {
        assert_eq!(SplitQueue::<Memory, ()>::size_of(offered), size);
    }
    for wrong in [0, 3, 512] {
        assert!(SplitQueue::<Memory, ()>::new(Memory::new(1), wrong).is_none());
    }
}

#[test]
fn a_quiet_queue_says_when_it_has_missed_something() {
    let (mut queue, mut device) = pair(2);
    queue.be_quiet();
    assert_eq!(device.word(device.places[1]), 1);
    queue.give([reads(0, 1)], 1).unwrap();
    assert!(!queue.listen());
    assert_eq!(device.word(device.places[1]), 0);
    device.look();
    device.say(u32::from(device.works[0].0), 0);
    assert!(queue.listen());
}

#[test]
fn a_device_that_needs_no_telling_is_not_told() {
    let (mut queue, device) = pair(2);
    device.memory.put16(1, 1024, 1);
    assert!(!queue.give([reads(0, 1)], 1).unwrap());
}

#[test]
fn what_a_device_cannot_say_breaks_the_queue_alone() {
    // Never given; not that many; no such head; twice the same.
    type Lie = fn(&mut Device);
    let lies: [Lie; 4] = [
        |device| device.say(1 - u32::from(device.works[0].0), 0),
        |device| {
            device.used = device.used.wrapping_add(7);
            device.say(u32::from(device.works[0].0), 0);
        },
        |device| device.say(0x1_0000 | u32::from(device.works[0].0), 0),
        |device| {
            device.say(u32::from(device.works[0].0), 0);
            device.say(u32::from(device.works[0].0), 0);
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let (mut queue, mut device) = pair(2);
        queue.give([writes(0, 9)], 1).unwrap();
        device.look();
        lie(&mut device);
        let mut first = queue.take();
        if number == 3 {
            // It could be believed once, but for the count.
            assert_eq!(first, Err(Broken));
        }
        while let Ok(Some(_)) = first {
            first = queue.take();
        }
        assert_eq!(first, Err(Broken), "lie {number}");
        assert_eq!(queue.take(), Err(Broken));
        assert!(queue.listen(), "whoever drains it must come and see");
        assert!(queue.is_broken());
        // What the device may still write to is kept until it has been stopped.
        assert_eq!(queue.take_all().collect::<Vec<_>>(), [1], "lie {number}");
        assert!(matches!(queue.give([reads(0, 1)], 9), Err(Refused::Full(9))));
    }
}

#[test]
fn no_more_is_written_than_there_was_room() {
    let (mut queue, mut device) = pair(2);
    queue.give([reads(0, 100), writes(0, 9), writes(0, 3)], 1).unwrap();
    device.look();
    device.say(u32::from(device.works[0].0), u32::MAX);
    assert_eq!(queue.take(), Ok(Some(Done { payload: 1, written: 12 })));
}

proptest! {
    /// Whatever is given and in whatever order the device is done, each payload comes back
    /// once, in that order, over more than one turn of the indices.
    #[test]
    fn chains_come_back_in_the_devices_order(
        size in (0_u32..5).prop_map(|shift| 1_u16 << shift),
        steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..600),
    ) {
        let (mut queue, mut device) = pair(size);
        let (mut number, mut out) = (0_u64, 0);
        for (give, index) in steps {
            if give {
                let given = queue.give([reads(number, 1), writes(number, 8)], number);
                match given {
                    Ok(_) => {
                        out += 1;
                        number += 1;
                    }
                    Err(Refused::Full(payload)) => {
                        prop_assert_eq!(payload, number);
                        prop_assert_eq!(out, size);
                    }
                    Err(Refused::Segments(_)) => prop_assert!(false),
                }
                device.look();
            } else if !device.works.is_empty() {
                let place = index.index(device.works.len());
                let (head, segments) = device.works.remove(place).unwrap();
                device.say(u32::from(head), 8);
                let payload = segments[0].address;
                prop_assert_eq!(queue.take(), Ok(Some(Done { payload, written: 8 })));
                out -= 1;
            }
            prop_assert_eq!(queue.in_flight(), out);
            prop_assert_eq!(queue.has_room(), out < size);
        }
    }

    /// A device that writes anything anywhere into the rings.
    #[test]
    fn no_rings_contents_do_harm(
        writes in prop::collection::vec((0_usize..2, 0_usize..2048, any::<u16>()), 0..40),
    ) {
        let (mut queue, device) = pair(8);
        for number in 0..6 {
            queue.give([Segment { address: 1, length: 5, device_writes: true }], number).unwrap();
        }
        let mut back = 0;
        for (page, at, value) in writes {
            device.memory.put16(page, at * 2 % 4096, value);
            while let Ok(Some(done)) = queue.take() {
                prop_assert!(done.written <= 5);
                back += 1;
            }
            let _ = queue.listen();
        }
        prop_assert!(back <= 6);
        prop_assert_eq!(queue.take_all().count(), 6 - back);
    }
}
