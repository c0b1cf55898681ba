//! A host that says what cannot be: an error for who asked, never more, and never a wait for
//! good.

use std::vec;
use std::vec::Vec;

use vortex_units::ActivityId;

use super::disk::{Disk, Lie};
use super::ram::Ram;
use super::world::World;
use crate::{InterruptRequest, Operation, StorageError};

fn world() -> World {
    World::found(8, vec![((0, 0), Disk::new(vec![7; 64 * 512], 512))])
}

#[test]
fn a_wrong_answer_is_an_error_for_one() {
    for (lie, error) in [
        (Lie::Nothing, StorageError::Answer),
        (Lie::Ones, StorageError::Host(0xff)),
        (Lie::Residual, StorageError::Short),
        (Lie::Host, StorageError::Host(4)),
        (Lie::Sense, StorageError::Status(2)),
    ] {
        let mut world = world();
        let a = world.activity(50);
        let data = Ram::of(&[0; 512], 512);
        world.host.lock().unwrap().lie = Some(lie);
        assert_eq!(world.done(a, "sda", Operation::Read, 3, &data), Err(error), "{lie:?}");
        assert_eq!(world.done(a, "sda", Operation::Read, 3, &data), Ok(()));
        assert_eq!(data.to_vec(), [7; 512]);
    }
}

#[test]
fn a_host_that_names_what_it_was_not_given_is_cut_off_and_all_is_answered() {
    let mut world = world();
    let (a, b) = (world.activity(50), world.activity(50));
    let sda = world.named("sda");
    // More than the ring holds, so that some wait for room.
    let all: Vec<_> = (0..30)
        .map(|block| {
            let who = if block % 2 == 0 { a } else { b };
            world.ask(who, sda, Operation::Read, block, &Ram::of(&[0; 512], 512))
        })
        .collect();
    for _ in 0..2_000 {
        world.step();
    }
    world.host.lock().unwrap().lie = Some(Lie::Used);
    world.settle();
    assert!(world.host.lock().unwrap().stopped);
    assert!(super::world::was_said("cut off: Broken"));
    let answers: Vec<_> = all.iter().map(|number| world.answer(*number).unwrap()).collect();
    assert!(answers.iter().all(|answer| *answer == Err(StorageError::Broken)), "{answers:?}");
    // So is what comes later.
    let data = Ram::of(&[0; 512], 512);
    assert_eq!(world.done(a, "sda", Operation::Read, 0, &data), Err(StorageError::Broken));
    for activity in [a, b, ActivityId::INFRASTRUCTURE] {
        assert_eq!(world.grid.activities().nodes(activity), 0);
    }
}

#[test]
fn a_host_that_never_answers_is_given_up() {
    let mut world = world();
    let a = world.activity(50);
    let sda = world.named("sda");
    world.host.lock().unwrap().deaf = true;
    let number = world.ask(a, sda, Operation::Write, 0, &Ram::of(&[0; 512], 512));
    let port = world.wiring.ports.get().unwrap().interrupts;
    let tick = |world: &mut World| {
        let own = ActivityId::INFRASTRUCTURE;
        let labels = vortex_grid::Labels::NONE;
        world.cores[1].root(own, port, labels, InterruptRequest::Tick).unwrap();
        for _ in 0..200 {
            world.step();
        }
    };
    tick(&mut world);
    assert_eq!(world.answer(number), None, "not so soon");
    // A clock of one megahertz: 61 seconds.
    world.clock.fetch_add(61_000_000, std::sync::atomic::Ordering::Relaxed);
    tick(&mut world);
    assert_eq!(world.answer(number), Some(Err(StorageError::Timeout)));
    assert_eq!(world.grid.activities().nodes(a), 0);
}

/// A command that takes too long is ended alone: others go on, and so does the device.
#[test]
fn a_command_that_takes_too_long_is_aborted_alone() {
    let mut world = world();
    let (a, b) = (world.activity(50), world.activity(50));
    let sda = world.named("sda");
    let slow = world.ask(a, sda, Operation::Read, 0, &Ram::of(&[0; 512], 512));
    for _ in 0..200 {
        world.step();
    }
    // Half a minute later, beside one that was asked for just now.
    world.clock.fetch_add(31_000_000, std::sync::atomic::Ordering::Relaxed);
    let other = world.ask(b, sda, Operation::Read, 1, &Ram::of(&[0; 512], 512));
    for _ in 0..200 {
        world.step();
    }
    let port = world.wiring.ports.get().unwrap().interrupts;
    let own = ActivityId::INFRASTRUCTURE;
    let labels = vortex_grid::Labels::NONE;
    world.cores[1].root(own, port, labels, InterruptRequest::Tick).unwrap();
    for _ in 0..400 {
        world.step();
    }
    assert_eq!(world.answer(slow), Some(Err(StorageError::Timeout)));
    assert_eq!(world.answer(other), None, "it has time");
    assert_eq!(world.host.lock().unwrap().aborted, 1);
    world.settle();
    assert_eq!(world.answer(other), Some(Ok(())));
    assert!(!world.host.lock().unwrap().stopped);
    assert!(super::world::was_said("a command of 0:0 is aborted"));
    let data = Ram::of(&[0; 512], 512);
    assert_eq!(world.done(a, "sda", Operation::Read, 0, &data), Ok(()));
    assert_eq!(world.grid.activities().nodes(a), 0);
}

#[test]
fn an_interrupt_that_was_missed_is_made_up_for() {
    let mut world = world();
    let a = world.activity(50);
    let sda = world.named("sda");
    let number = world.ask(a, sda, Operation::Read, 0, &Ram::of(&[0; 512], 512));
    for _ in 0..200 {
        world.step();
    }
    // It is done, and the interrupt is lost.
    world.host.lock().unwrap().quiet = true;
    world.work();
    for _ in 0..200 {
        world.step();
    }
    assert_eq!(world.answer(number), None);
    let port = world.wiring.ports.get().unwrap().interrupts;
    let labels = vortex_grid::Labels::NONE;
    let own = ActivityId::INFRASTRUCTURE;
    world.cores[1].root(own, port, labels, InterruptRequest::Tick).unwrap();
    for _ in 0..200 {
        world.step();
    }
    assert_eq!(world.answer(number), Some(Ok(())));
}

#[test]
fn a_target_that_lies_while_it_is_looked_at_is_left_out() {
    for lie in [Lie::Nothing, Lie::Ones, Lie::Host, Lie::Sense] {
        for step in 0..14 {
            let disks = vec![((2, 0), Disk::new(vec![0; 64 * 512], 512))];
            let mut world = World::new(8, disks);
            let port = world.wiring.ports.get().unwrap().scsi;
            let own = ActivityId::INFRASTRUCTURE;
            let labels = vortex_grid::Labels::NONE;
            world.cores[0].root(own, port, labels, crate::ScsiRequest::Find(0)).unwrap();
            for _ in 0..step {
                while world.host.lock().unwrap().works.is_empty() && !world.wiring.has_found() {
                    world.step();
                }
                world.host.lock().unwrap().work(0);
            }
            world.host.lock().unwrap().lie = Some(lie);
            world.settle();
            assert!(world.wiring.has_found(), "{lie:?} at {step}");
        }
    }
}
