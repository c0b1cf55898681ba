use super::*;

fn id(number: u32) -> ClientId {
    ClientId::new(number)
}

/// Clients of these weights, all ready.
fn fair(weights: &[u64]) -> Fair {
    let mut fair = Fair::new(Metric::Requests, 1_000);
    for (number, weight) in (0..).zip(weights) {
        fair.add(id(number), *weight, None);
        assert!(fair.ready(id(number)));
    }
    fair
}

fn record(kind: RecordKind, amount: u64) -> Record {
    Record { requests: vortex_units::Requests::new(amount), ..Record::new(kind) }
}

fn charge(fair: &mut Fair, number: u32, amount: u64) {
    fair.note(id(number), &record(RecordKind::BASIC, amount));
}

fn ahead(fair: &Fair, number: u32) -> u64 {
    fair.statistics(id(number)).debt
}

/// The one that is furthest behind is served so much.
fn serve(fair: &mut Fair, clients: u32, amount: u64) -> u32 {
    let tag = |fair: &Fair, number| fair.get(id(number)).map(|account| account.tag);
    let ready = |number: &u32| fair.get(id(*number)).is_some_and(|it| it.state == State::Ready);
    let next = (0..clients).filter(ready).min_by_key(|number| tag(fair, *number)).unwrap();
    let least = tag(fair, next).unwrap();
    fair.chosen(id(next), least);
    charge(fair, next, amount);
    fair.ready(id(next));
    next
}

#[test]
fn debt_from_elsewhere_is_capped_and_worn_off() {
    let mut fair = fair(&[100, 100]);
    fair.note(id(0), &record(RecordKind::BILLED_BACK, 100_000));
    let told = fair.statistics(id(0));
    // Half of the cap is its part of the whole.
    assert_eq!((told.debt, told.forgiven, told.refuse), (499, 99_501, true));
    let turns = (0..60).take_while(|_| serve(&mut fair, 2, 10) == 1).count();
    assert_eq!(turns, 50, "until the other has as much");
    assert!(!fair.statistics(id(0)).refuse);
}

#[test]
fn a_credit_ends_at_the_present_and_a_correction_does_not() {
    let mut fair = fair(&[100, 100]);
    for _ in 0..10 {
        serve(&mut fair, 2, 10);
    }
    let before = fair.get(id(0)).unwrap().tag;
    fair.note(id(0), &record(RecordKind::BILLED_BACK, 100_000).credited());
    let present = fair.get(id(0)).unwrap().tag;
    assert!(present < before && present > Virtual::ZERO);
    fair.note(id(0), &record(RecordKind::CORRECTION, 20).credited());
    assert!(fair.get(id(0)).unwrap().tag < present, "it was charged what it had not used");
}

#[test]
fn absence_earns_nothing_and_a_suspended_one_keeps_what_it_is_ahead() {
    let mut fair = fair(&[100, 100, 100]);
    charge(&mut fair, 2, 50);
    fair.suspend(id(2));
    fair.suspend(id(1));
    for _ in 0..20 {
        assert_eq!(serve(&mut fair, 1, 10), 0);
    }
    assert!(ahead(&fair, 2).abs_diff(50) <= 1, "frozen");
    fair.ready(id(1));
    fair.ready(id(2));
    assert_eq!(ahead(&fair, 1), 0);
    assert!(ahead(&fair, 2).abs_diff(50) <= 1);
}

#[test]
fn a_part_begins_ahead_as_its_whole_is_and_leaves_it_what_it_used() {
    let mut fair = fair(&[100, 100]);
    charge(&mut fair, 0, 200);
    fair.reweigh(id(0), 50);
    fair.add(id(2), 50, Some(id(0)));
    for number in [0, 2] {
        assert!(ahead(&fair, number).abs_diff(100) <= 1, "together what it was");
    }
    fair.inherit(id(0), id(2));
    fair.remove(id(2));
    fair.reweigh(id(0), 100);
    let (now, told) = (ahead(&fair, 0), fair.statistics(id(0)).charged);
    // Rounded down at each step.
    assert!((196..=200).contains(&now) && told == 200, "{now} {told}");
}
