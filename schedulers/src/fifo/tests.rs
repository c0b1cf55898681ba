use vortex_grid::policy::{ClientId, Readiness};
use vortex_units::Cycles;

use crate::testing::Rig;

#[test]
fn serves_in_the_order_of_becoming_ready() {
    let mut rig = Rig::new("fifo", 0, &[100, 900, 100]);
    [2, 0, 2, 1].into_iter().for_each(|id| rig.ready(id));
    assert_eq!(rig.run(7, &[1, 1_000, 5]), [2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_suspended_client_returns_at_the_end() {
    let mut rig = Rig::new("fifo", 0, &[100; 3]);
    (0..3).for_each(|id| rig.ready(id));
    rig.suspend(0);
    rig.core.remove_client(ClientId::new(2));
    rig.ready(2);
    rig.ready(0);
    assert_eq!(rig.core.poll_ready(Cycles::ZERO), Readiness::Now);
    assert_eq!((rig.next(), rig.next(), rig.next()), (Some(1), Some(0), None));
    assert_eq!(rig.core.poll_ready(Cycles::ZERO), Readiness::Idle);
}

#[test]
fn a_part_changes_no_order_and_its_count_comes_back() {
    let mut rig = Rig::new("fifo", 0, &[100, 100]);
    rig.add_beside(2, 50, 0);
    (0..3).for_each(|id| rig.ready(id));
    rig.reweigh(0, 50);
    assert_eq!(rig.run(6, &[1, 2, 3]), [0, 1, 2, 0, 1, 2]);
    rig.inherit(0, 2);
    assert_eq!((rig.told(0).charged, rig.told(2).charged), (8, 0));
    rig.inherit(9, 0);
    assert_eq!(rig.told(9).charged, 0, "of nobody");
}

#[test]
fn counts_and_credits() {
    let mut rig = Rig::new("fifo", 0, &[100]);
    rig.charge(0, 70);
    rig.credit(0, 90);
    let told = rig.told(0);
    assert_eq!((told.charged, told.cycles.get(), told.requests.get()), (-20, 0, 1));
    assert_eq!((told.debt, told.forgiven, told.refuse), (0, 0, false));
}
