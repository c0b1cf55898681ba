//! Power cuts: a run of random operations is recorded, write by write and flush by flush. What
//! a cut may leave, `e2fsck -p` has to mend, and what was synced is there.
//!
//! A cut leaves all that was written before the last flush that had ended, and any of what was
//! written since.

use std::string::String;
use std::vec::Vec;
use std::{format, println};

use super::disk::Event;
use super::driver::Driver;
use super::images::FORMS;
use super::model::{Model, Node, Op};
use super::random::{Dice, seeds};
use super::tools::{image, preen};
use crate::{Ino, New, Options, Replace};

/// A file that was synced, and what it had.
struct Synced {
    from: usize,
    /// Until the model had done something else to it.
    to: usize,
    node: usize,
    ino: Ino,
    content: Node,
}

/// What is not ordered: see decision 0104.
fn is_ordered(op: &Op, model: &mut Model) -> bool {
    match op {
        Op::Rename(.., Replace::Exchange) => false,
        Op::Rename(from, name, ..) => {
            let Node::Directory(entries) = &model.nodes[*from].0 else { return false };
            entries.get(name).is_none_or(|node| !model.is_directory(*node))
        }
        _ => true,
    }
}

/// The files that an operation may change.
fn touched(op: &Op, model: &Model) -> Vec<usize> {
    let named = |dir: usize, name: &String| match &model.nodes[dir].0 {
        Node::Directory(entries) => entries.get(name).copied(),
        _ => None,
    };
    match op {
        Op::Write(node, ..) | Op::Cut(node, _) => std::vec![*node],
        Op::Unlink(dir, name) => named(*dir, name).into_iter().collect(),
        Op::Rename(from, old, to, new, _) => {
            named(*from, old).into_iter().chain(named(*to, new)).collect()
        }
        _ => Vec::new(),
    }
}

fn length(driver: &Driver) -> usize {
    driver.disk.log.as_ref().map_or(0, Vec::len)
}

#[test]
fn a_power_cut_is_mended_and_what_was_synced_is_there() {
    for seed in seeds(6, 150) {
        let mut dice = Dice(seed);
        let form = FORMS[dice.below(FORMS.len() as u64) as usize];
        println!("seed {seed}: {form:?}");
        let start = image(form, 2000);
        let volatile = dice.below(4) != 0;
        let options = Options { volatile, ..Options::default() };
        let mut driver = Driver::mount(start.clone(), options);
        driver.disk.bytes.clone_from(&start);
        driver.disk.log = Some(Vec::new());
        driver.random = dice.throw() | 1;
        let mut model = Model::new();
        let mut inos = std::vec![Ino::ROOT];
        let mut synced: Vec<Synced> = Vec::new();
        for _ in 0..150 {
            let op = dice.operation(&model);
            if !is_ordered(&op, &mut model) {
                continue;
            }
            let now = length(&driver);
            for node in touched(&op, &model) {
                for old in synced.iter_mut().filter(|old| old.node == node) {
                    old.to = old.to.min(now);
                }
            }
            let did = model.perform(&mut driver, &mut inos, &op);
            if did == Err(vortex_abi::Errno::ENOSPC) {
                break;
            }
            assert_eq!(did, model.apply(&op), "{op:?}");
            if let Op::Sync(node) = op {
                let from = length(&driver);
                let content = model.nodes[node].0.clone();
                // One without a name goes with a cut.
                if matches!(content, Node::File(_)) && !model.nameless.contains(&node) {
                    synced.push(Synced { from, to: usize::MAX, node, ino: inos[node], content });
                }
            }
            // Now and then what is dirty is written.
            for _ in 0..dice.below(6) {
                driver.work(false);
            }
        }
        driver.drain();
        let log = driver.disk.log.take().expect("it was noted");
        cut(&start, &log, &synced, &mut dice, form, volatile);
    }
}

fn cut(
    start: &[u8],
    log: &[Event],
    synced: &[Synced],
    dice: &mut Dice,
    form: &[&str],
    volatile: bool,
) {
    for _ in 0..30 {
        let end = dice.below(log.len() as u64 + 1) as usize;
        let flush = log[..end].iter().rposition(|event| matches!(event, Event::Flush));
        let sure = if volatile { flush.unwrap_or(0) } else { end };
        let rate = dice.below(5);
        let mut bytes = start.to_vec();
        for (index, event) in log[..end].iter().enumerate() {
            let Event::Write(at, content) = event else { continue };
            if index < sure || dice.below(4) < rate {
                bytes[*at as usize..*at as usize + content.len()].copy_from_slice(content);
            }
        }
        let mended = match preen(&bytes) {
            Ok(mended) => mended,
            Err(told) => panic!("cut at {end} of {} ({form:?}): {told}", log.len()),
        };
        let mut driver = Driver::mount(mended, Options { read_only: true, ..Options::default() });
        for file in synced.iter().filter(|file| file.from <= end && end < file.to) {
            let Node::File(content) = &file.content else { continue };
            let there = driver.read(file.ino).map_err(|errno| format!("{errno:?}"));
            assert!(
                there.as_ref() == Ok(content),
                "{:?}, synced at {}, cut at {end}: {:?}",
                file.ino,
                file.from,
                there.map(|there| there.len())
            );
        }
    }
}

/// A file that is replaced again and again by a rename over it has its name after every cut, and
/// is whole: as it was, or as it came to be.
#[test]
fn what_is_replaced_by_a_rename_has_its_name_after_every_cut() {
    for seed in seeds(2, 40) {
        let mut dice = Dice(seed);
        let form = FORMS[dice.below(FORMS.len() as u64) as usize];
        let start = image(form, 2000);
        let mut driver = Driver::mount(start.clone(), Options::default());
        driver.disk.bytes.clone_from(&start);
        driver.disk.log = Some(Vec::new());
        driver.random = dice.throw() | 1;
        let content = |step: u8| std::vec![step; 3_000];
        let mut since = 0;
        for step in 1..8 {
            let name = if step == 1 { "name" } else { "new" };
            let ino = driver.create(Ino::ROOT, name, New::File).expect("room");
            driver.write(ino, 0, &content(step)).expect("room");
            driver.sync(ino);
            let (from, to) = ((Ino::ROOT, b"new".as_slice()), (Ino::ROOT, b"name".as_slice()));
            if step == 1 {
                since = length(&driver);
            } else {
                let lost = driver.run(|ext2, c| ext2.rename(c, from, to, Replace::Yes));
                let lost = lost.expect("both are there").expect("one is replaced");
                driver.run(|ext2, c| ext2.release(c, lost)).expect("it has no name");
                assert_eq!(driver.lookup_in("/new"), Err(vortex_abi::Errno::ENOENT));
                let names = driver.names(Ino::ROOT).expect("a directory");
                assert!(!names.iter().any(|(name, _)| name == "new"), "{names:?}");
            }
            for _ in 0..dice.below(12) {
                driver.work(false);
            }
        }
        driver.drain();
        assert!(driver.run(|ext2, _| Ok::<_, crate::Stop>(ext2.ghosts.is_empty())).unwrap());
        let log = driver.disk.log.take().expect("it was noted");
        for end in since..=log.len() {
            let flush = log[..end].iter().rposition(|event| matches!(event, Event::Flush));
            let rate = dice.below(5);
            let mut bytes = start.clone();
            for (index, event) in log[..end].iter().enumerate() {
                let Event::Write(at, content) = event else { continue };
                if index < flush.unwrap_or(0) || dice.below(4) < rate {
                    bytes[*at as usize..*at as usize + content.len()].copy_from_slice(content);
                }
            }
            let mended = preen(&bytes).unwrap_or_else(|told| panic!("cut at {end}: {told}"));
            let read_only = Options { read_only: true, ..Options::default() };
            let mut driver = Driver::mount(mended, read_only);
            let ino = driver.lookup_in("/name");
            let ino = ino.unwrap_or_else(|errno| panic!("{form:?}, cut at {end}: {errno:?}"));
            let there = driver.read(ino).expect("a file");
            assert!((1..8).any(|step| there == content(step)), "cut at {end}: {}", there.len());
        }
    }
}
