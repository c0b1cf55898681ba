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
use crate::{Ino, Options, Replace};

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
                if let Node::File(_) = content {
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
