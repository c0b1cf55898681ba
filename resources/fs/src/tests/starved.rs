//! Who waits for the disk waits for what was unwritten when it came, though a neighbour goes on
//! changing names without end.

use std::format;
use std::sync::atomic::Ordering;
use std::vec::Vec;

use vortex_units::ActivityId;

use super::ext2::{Image, Served};
use super::programs::{Do, Got};
use crate::{Answer, New, Operation};

/// What the disk takes for each thing that it does, in microseconds.
const TAKES: u64 = 25_000;
/// What the cores do meanwhile.
const STEPS: usize = 200;
/// Of such things the most that anybody may have to wait for here.
const FOR_EVER: usize = 4_000;

/// One who makes files and takes their names away, in a directory of its own or another's.
struct Neighbour {
    who: ActivityId,
    folder: u32,
    number: usize,
    made: Option<u32>,
    asked: Option<usize>,
}

impl Neighbour {
    fn new(who: ActivityId, folder: u32) -> Self {
        Self { who, folder, number: 0, made: None, asked: None }
    }

    /// Goes on if what it has asked for last is done.
    fn step(&mut self, served: &mut Served) {
        let (folder, name) = (self.folder, format!("n{}", self.number % 10).into_bytes().into());
        let next = match self.asked.map(|asked| served.world.result(asked)) {
            Some(None) => return,
            Some(Some(Ok(Got::Answer(Answer::Object(_))))) => {
                Operation::Unlink { folder, name, directory: false }
            }
            Some(Some(Ok(Got::Answer(Answer::Lost(ino))))) => {
                self.made = ino;
                Operation::Release(ino.unwrap())
            }
            Some(Some(Ok(Got::Answer(Answer::Done)))) | None => {
                self.number += 1;
                let name = format!("n{}", self.number % 10).into_bytes().into();
                Operation::Create { folder, name, new: New::File, permissions: 0o644 }
            }
            Some(Some(other)) => panic!("{other:?}"),
        };
        self.asked = Some(served.world.ask(self.who, Do::Ext2(served.mount, next)));
    }

    /// While the disk does this many things; or until this one is answered. How many it did.
    fn works(&mut self, served: &mut Served, most: usize, until: Option<usize>) -> usize {
        for did in 0..most {
            for _ in 0..STEPS {
                served.world.step();
                if until.is_some_and(|until| served.world.result(until).is_some()) {
                    return did;
                }
            }
            self.step(served);
            served.world.disk.lock().unwrap().work(0);
            served.world.clock.fetch_add(TAKES, Ordering::Relaxed);
        }
        most
    }
}

/// A file system with a directory for each of two, a slow disk, and the second at work.
fn world(block: u32, seed: u64, shared: bool) -> (Image, Served, Neighbour, u32) {
    let image = Image::new();
    let mut served = Served::new(image.make(16_384, block), seed);
    let folder = |served: &mut Served, which: usize, name: &[u8]| {
        let new = New::Directory;
        let create = Operation::Create { folder: 2, name: name.into(), new, permissions: 0o755 };
        let who = served.who[which];
        match served.operate(who, create) {
            Ok(Answer::Object(object)) => object.ino,
            other => panic!("{other:?}"),
        }
    };
    let (own, its) = (folder(&mut served, 0, b"x"), folder(&mut served, 1, b"y"));
    let mut neighbour = Neighbour::new(served.who[1], if shared { own } else { its });
    served.world.held = true;
    // Until what was made first is written by itself, and longer.
    neighbour.works(&mut served, 600, None);
    (image, served, neighbour, own)
}

fn ends(image: &Image, mut served: Served, mut neighbour: Neighbour) {
    served.world.held = false;
    served.world.settle();
    // What it has made has no name any more then.
    let number = neighbour.number;
    while neighbour.number == number {
        neighbour.step(&mut served);
        served.world.settle();
    }
    image.put(&served.unmount());
    image.assert_clean("at the end");
}

fn make(served: &mut Served, folder: u32, number: usize) -> usize {
    let name = format!("file{number}").into_bytes().into();
    let new = Operation::Create { folder, name, new: New::File, permissions: 0o644 };
    served.world.ask(served.who[0], Do::Ext2(served.mount, new))
}

fn syncs(block: u32, seed: u64, shared: bool) -> usize {
    let (image, mut served, mut neighbour, own) = world(block, seed, shared);
    let mut worst = 0;
    for number in 0..20 {
        let asked = make(&mut served, own, number);
        neighbour.works(&mut served, FOR_EVER, Some(asked));
        let Some(Ok(Got::Answer(Answer::Object(object)))) = served.world.result(asked) else {
            panic!("not made");
        };
        let sync = Do::Ext2(served.mount, Operation::Sync(object.ino));
        let asked = served.world.ask(served.who[0], sync);
        let took = neighbour.works(&mut served, FOR_EVER, Some(asked));

        worst = worst.max(took);
        neighbour.works(&mut served, 37, None);
    }
    ends(&image, served, neighbour);
    worst
}

#[test]
fn a_sync_of_a_file_waits_for_what_it_needs() {
    for (block, seed) in [(1024, 1), (4096, 2)] {
        let worst = syncs(block, seed, false);
        assert!(worst <= 24, "{worst} with blocks of {block}");
    }
}

#[test]
fn a_sync_of_a_file_ends_where_another_changes_its_directory() {
    for (block, seed) in [(1024, 1), (4096, 2)] {
        let worst = syncs(block, seed, true);
        assert!(worst <= 24, "{worst} with blocks of {block}");
    }
}

#[test]
fn a_sync_of_everything_waits_for_what_had_changed() {
    for (block, seed, shared) in [(1024, 1, false), (4096, 2, false), (4096, 3, true)] {
        let (image, mut served, mut neighbour, own) = world(block, seed, shared);
        let made: Vec<_> = (0..20).map(|number| make(&mut served, own, number)).collect();
        for made in made {
            neighbour.works(&mut served, FOR_EVER, Some(made));
        }
        let all = Do::Ext2(served.mount, Operation::SyncAll);
        let asked = served.world.ask(served.who[0], all);
        let took = neighbour.works(&mut served, FOR_EVER, Some(asked));
        assert!(took <= 40, "{took} with blocks of {block}");
        ends(&image, served, neighbour);
    }
}

#[test]
fn who_owes_too_much_waits_for_what_it_owes() {
    for (block, seed) in [(1024, 1), (4096, 2)] {
        let (image, mut served, mut neighbour, own) = world(block, seed, false);
        let who = served.who[0];
        served.world.pool.limit(who, 512);
        // It makes files of which the disk writes nothing.
        (served.world.held, served.world.disk.lock().unwrap().stalls) = (false, true);
        let mut number = 0;
        while !served.world.wiring.owing.owes(served.mount, who) {
            let made = make(&mut served, own, number);
            served.world.settle();
            assert!(matches!(served.world.result(made), Some(Ok(_))), "{number}");
            number += 1;
        }
        (served.world.held, served.world.disk.lock().unwrap().stalls) = (true, false);
        let asked = served.world.ask(who, Do::Ext2(served.mount, Operation::Ease));
        let took = neighbour.works(&mut served, FOR_EVER, Some(asked));
        assert!(took <= 24, "{took} with blocks of {block}");
        ends(&image, served, neighbour);
    }
}
