extern crate std;

use super::*;

fn id(index: u32) -> ActivityId {
    ActivityId::new(index, 0)
}

fn at(cycles: u64) -> Cycles {
    Cycles::new(cycles)
}

#[test]
fn every_interval_is_booked_once() {
    let mut ledger = Ledger::new(at(100), 3);
    assert_eq!(ledger.charge(id(1), at(150)), (at(50), at(50)));
    ledger.idle(at(170));
    ledger.host(at(175));
    assert_eq!(ledger.charge(id(2), at(275)), (at(100), at(100)));
    assert_eq!(ledger.charge(id(1), at(276)), (at(1), at(51)));
    assert_eq!((ledger.idle_time(), ledger.host_time()), (at(20), at(5)));
    assert_eq!(ledger.elapsed(), at(176));
    assert_eq!(ledger.last(), at(276));
    assert_eq!(ledger.audit(), Ok(()));
}

#[test]
fn a_clock_that_steps_back_books_nothing() {
    let mut ledger = Ledger::new(at(100), 2);
    ledger.charge(id(1), at(150));
    assert_eq!(ledger.charge(id(1), at(120)), (at(0), at(50)));
    assert_eq!(ledger.last(), at(150));
    assert_eq!(ledger.audit(), Ok(()));
}

#[test]
fn a_transfer_moves_what_there_is() {
    let mut ledger = Ledger::new(at(0), 3);
    ledger.charge(id(0), at(40));
    assert_eq!(ledger.transfer(id(0), id(2), at(30)), at(30));
    assert_eq!(ledger.transfer(id(0), id(2), at(30)), at(10), "not more than there is");
    assert_eq!(ledger.transfer(id(0), id(7), at(1)), at(0), "not to nobody");
    assert_eq!((ledger.used(id(0)), ledger.used(id(2))), (at(0), at(40)));
    assert_eq!(ledger.audit(), Ok(()));
}

#[test]
fn the_dead_keep_what_they_used_and_their_place_starts_from_zero() {
    let mut ledger = Ledger::new(at(0), 2);
    ledger.charge(id(1), at(40));
    ledger.charge(id(5), at(47));
    ledger.close(id(1));
    assert_eq!((ledger.used(id(1)), ledger.departed()), (at(0), at(47)));
    assert_eq!(ledger.audit(), Ok(()));
}

#[test]
fn an_audit_finds_what_is_missing() {
    let mut ledger = Ledger::new(at(0), 2);
    ledger.charge(id(1), at(40));
    ledger.idle = at(1);
    assert_eq!(ledger.audit(), Err(Imbalance { elapsed: at(40), booked: at(41) }));
}
