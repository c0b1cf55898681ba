use vortex_units::Frames;

use super::*;
use crate::Budget;

fn standing(charged: u64, soft: Option<u64>) -> Standing {
    let budget = Budget { soft: soft.map(Frames::new), ..Budget::default() };
    Standing { charged: Frames::new(charged), budget, ..Standing::default() }
}

const OLD: Candidate = Candidate { recency: 1, modified: true, born: 9, sharers: 1 };
const NEW: Candidate = Candidate { recency: 0x80, modified: false, born: 2, sharers: 1 };

#[test]
fn each_is_found_by_its_name_and_no_other() {
    for policy in POLICIES {
        assert_eq!(named(policy.name()).map(Policy::name), Some(policy.name()));
    }
    assert!(named("reclaim").is_none() && named("").is_none());
}

#[test]
fn over_budget_ranks_by_what_is_beyond_the_soft_limit() {
    let policy = named("reclaim.over-budget").unwrap();
    let far = policy.rank(&standing(500, Some(100)));
    let near = policy.rank(&standing(900, Some(800)));
    let within = policy.rank(&standing(900, Some(900)));
    assert!(policy.uses_soft() && far > near && near > within);
    assert_eq!(within, policy.rank(&standing(10_000, None)), "no soft limit is none exceeded");
    assert!(policy.key(&OLD) < policy.key(&NEW));
}

#[test]
fn lru_and_fifo_know_no_budget() {
    for name in ["reclaim.lru", "reclaim.fifo"] {
        let policy = named(name).unwrap();
        assert!(!policy.uses_soft());
        assert_eq!(policy.rank(&standing(500, Some(1))), policy.rank(&standing(1, None)));
    }
    let (lru, fifo) = (named("reclaim.lru").unwrap(), named("reclaim.fifo").unwrap());
    assert!(lru.key(&OLD) < lru.key(&NEW), "the least recently used goes first");
    assert!(lru.key(&Candidate { modified: false, ..OLD }) < lru.key(&OLD), "clean first");
    let shared = Candidate { sharers: 3, modified: false, ..OLD };
    assert!(lru.key(&OLD) < lru.key(&shared), "what others need too goes later");
    assert!(lru.key(&shared) < lru.key(&NEW));
    assert!(fifo.key(&NEW) < fifo.key(&OLD), "the earliest allocated goes first");
}
