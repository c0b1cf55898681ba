use vortex_grid::policy::{ClientId, Readiness};
use vortex_units::Cycles;

use crate::testing::Rig;

fn rig(priorities: &[u32]) -> Rig {
    let mut rig = Rig::new("priority strict", 0, &[]);
    (0..).zip(priorities).for_each(|(id, priority)| rig.add(id, 100, *priority));
    rig
}

#[test]
fn lower_numbers_first_and_arrival_among_equals() {
    let mut rig = rig(&[5, 1, 5, 1, u32::MAX]);
    [4, 2, 0, 3, 1].into_iter().for_each(|id| rig.ready(id));
    rig.ready(2); // is ready already and keeps its place
    let order = [(); 6].map(|()| rig.next());
    assert_eq!(order, [Some(3), Some(1), Some(2), Some(0), Some(4), None]);
}

#[test]
fn equals_take_turns_and_higher_numbers_starve() {
    let mut rig = rig(&[0, 0, 1]);
    (0..3).rev().for_each(|id| rig.ready(id));
    assert_eq!(rig.run(6, &[900, 1, 1]), [1, 0, 1, 0, 1, 0]);
    rig.suspend(0);
    rig.suspend(1);
    assert_eq!(rig.run(2, &[900, 1, 1]), [2, 2]);
    rig.ready(0);
    assert_eq!(rig.run(2, &[900, 1, 1]), [0, 0]);
}

#[test]
fn the_removed_are_gone() {
    let mut rig = rig(&[0, 1]);
    rig.ready(0);
    rig.core.remove_client(ClientId::new(0));
    rig.ready(0);
    assert_eq!(rig.core.poll_ready(Cycles::ZERO), Readiness::Idle);
    rig.ready(1);
    assert_eq!((rig.next(), rig.next()), (Some(1), None));
}

#[test]
fn a_part_has_its_wholes_priority_and_its_count_comes_back() {
    let mut rig = Rig::new("priority.strict", 0, &[]);
    rig.add(0, 100, 1);
    rig.add(1, 100, 2);
    rig.add(2, 50, 1);
    (0..3).for_each(|id| rig.ready(id));
    assert_eq!(rig.run(4, &[1, 2, 3]), [0, 2, 0, 2]);
    // Another priority is at once the one by which it waits.
    let last = vortex_grid::policy::ClientParams { priority: 3, ..Default::default() };
    rig.core.client_reweighed(
        vortex_grid::policy::ClientId::new(2),
        &last,
        vortex_units::Cycles::ZERO,
    );
    rig.suspend(0);
    assert_eq!(rig.run(2, &[1, 2, 3]), [1, 1]);
    rig.inherit(0, 2);
    assert_eq!((rig.told(0).charged, rig.told(2).charged), (8, 0));
}
