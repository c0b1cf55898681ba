extern crate std;

use super::*;

fn id(index: u32) -> ActivityId {
    ActivityId::new(index, 0)
}

fn ring(slow: u64, one_in: u32) -> Ring {
    Ring::new(Sampling { slow: Cycles::new(slow), one_in })
}

fn row(victim: u32, causer: u32, cycles: u64) -> Blame {
    Blame { victim: id(victim), causer: id(causer), cycles: Cycles::new(cycles) }
}

#[test]
fn a_wait_is_shared_among_those_who_ran_and_no_more() {
    let mut ring = ring(0, 1);
    ring.note(id(9), Cycles::new(1_000));
    let queued = ring.position();
    ring.note(id(2), Cycles::new(100));
    ring.note(id(3), Cycles::new(50));
    ring.note(id(2), Cycles::new(30));
    // It came while the first of them was under way: 20 cycles of that one are its wait.
    ring.explain(id(1), queued, Cycles::new(100));
    assert_eq!(ring.blame(), [row(1, 2, 50), row(1, 3, 50)]);
    // What ran before it was queued is nobody's fault.
    ring.explain(id(4), queued, Cycles::new(9_999));
    assert_eq!(ring.blame()[2..], [row(4, 2, 130), row(4, 3, 50)]);
}

#[test]
fn slow_waits_are_explained_and_of_the_others_a_sample() {
    let mut ring = ring(100, 4);
    ring.note(id(2), Cycles::new(1_000));
    for _ in 0..8 {
        ring.explain(id(1), 0, Cycles::new(10));
    }
    assert_eq!(ring.blame(), [row(1, 2, 20)], "two of eight");
    ring.explain(id(3), 0, Cycles::new(99));
    assert_eq!(ring.blame().len(), 1, "not slow, not sampled");
    ring.explain(id(3), 0, Cycles::new(100));
    assert_eq!(ring.blame()[1..], [row(3, 2, 100)], "slow");
}

#[test]
fn the_ring_forgets_what_is_older_than_it_is_long() {
    let mut ring = ring(0, 1);
    ring.note(id(9), Cycles::new(500));
    for _ in 0..RING {
        ring.note(id(2), Cycles::new(1));
    }
    ring.explain(id(1), 0, Cycles::new(1 << 40));
    assert_eq!(ring.blame(), [row(1, 2, RING as u64)]);
}

#[test]
fn a_long_wait_is_estimated_from_runs_spread_evenly() {
    let mut ring = ring(0, 1);
    for turn in 0..1_000u32 {
        ring.note(id(2 + turn % 3), Cycles::new(10));
    }
    ring.explain(id(1), 0, Cycles::new(10_000));
    let cycles: Vec<u64> = ring.blame().iter().map(|row| row.cycles.get()).collect();
    assert_eq!(cycles.iter().sum::<u64>(), 10_000, "the whole wait is explained");
    assert!(cycles.iter().all(|&c| c.abs_diff(3_333) < 300), "{cycles:?}");
}

#[test]
fn the_table_is_bounded_and_says_what_it_left_out() {
    let mut ring = ring(0, 1);
    ring.note(id(0), Cycles::new(5));
    for victim in 0..PAIRS as u32 + 3 {
        ring.explain(id(victim), 0, Cycles::new(5));
    }
    assert_eq!(ring.blame().len(), PAIRS);
    assert_eq!(ring.unnamed(), Cycles::new(15));
}
