extern crate std;

use std::boxed::Box;
use std::vec::Vec;

use proptest::prelude::*;
use vortex_grid::policy::NoQueues;
use vortex_units::{Bytes, Share};

use super::*;

/// Bytes a second, and a clock of one megahertz: a byte takes ten cycles.
const LIMIT: u64 = 100_000;

fn limit() -> Limit {
    Limit::new(Metric::Bytes, Rate::new(LIMIT), Frequency::megahertz(1))
}

fn cores(shares: &[u32], count: u16) -> Vec<Box<dyn SchedulerCore>> {
    let mut params = Params::new(Metric::Bytes, 1_000_000);
    params.frequency = Some(Frequency::megahertz(1));
    let inner = crate::make("propshare.wfq", params).unwrap();
    let whole = limited(inner, &limit());
    let one = |core| {
        let mut core = whole.init_core(CoreId::new(core));
        for (id, share) in (0..).zip(shares) {
            let share = Share::from_hundredths(*share).unwrap();
            let params = ClientParams { share, ..ClientParams::default() };
            core.add_client(ClientId::new(id), &params);
            core.client_ready(ClientId::new(id), Cycles::ZERO);
        }
        core
    };
    (0..count).map(one).collect()
}

/// All are always ready, on all cores: what each had until then, as charges of these lengths.
fn run(shares: &[u32], count: u16, lengths: &[u64], until: u64) -> Vec<u64> {
    let mut cores = cores(shares, count);
    let (mut now, mut had) = (0, std::vec![0; shares.len()]);
    while now < until {
        let mut next = u64::MAX;
        for core in &mut cores {
            match core.poll_ready(Cycles::new(now)) {
                Readiness::Idle => panic!("all are ready"),
                Readiness::After(span) => {
                    assert!(core.schedule(Cycles::new(now), &mut NoQueues).is_none());
                    next = next.min(now + span.get());
                }
                Readiness::Now => {
                    let id = core.schedule(Cycles::new(now), &mut NoQueues).unwrap().client;
                    let bytes = lengths[id.index()];
                    let record =
                        Record { bytes: Bytes::new(bytes), ..Record::new(RecordKind::BASIC) };
                    core.resource_record(id, &record, Cycles::new(now));
                    core.client_ready(id, Cycles::new(now));
                    had[id.index()] += bytes;
                    next = next.min(now + 1);
                }
            }
        }
        now = next;
    }
    had
}

#[test]
fn all_together_have_the_limit_and_each_its_share() {
    let had = run(&[200, 100], 1, &[500, 500], 10_000_000);
    let all = had[0] + had[1];
    // Ten seconds, the burst, and a charge.
    assert!((1_000_000..=1_000_500 + 1_000).contains(&all), "{all}");
    assert!(had[0].abs_diff(2 * had[1]) <= 1_500, "{had:?}");
}

#[test]
fn what_was_used_elsewhere_is_not_carried_here_and_credits_count() {
    let mut core = cores(&[100], 1).pop().unwrap();
    let id = ClientId::new(0);
    let record = |kind| Record { bytes: Bytes::new(1_000), ..Record::new(kind) };
    core.resource_record(id, &record(RecordKind::THROUGH), Cycles::ZERO);
    assert_eq!(core.poll_ready(Cycles::ZERO), Readiness::Now);
    core.resource_record(id, &record(RecordKind::BASIC), Cycles::ZERO);
    assert_eq!(core.poll_ready(Cycles::ZERO), Readiness::After(Micros::new(10_000)));
    core.resource_record(id, &record(RecordKind::BILLED_BACK).credited(), Cycles::ZERO);
    assert_eq!(core.poll_ready(Cycles::ZERO), Readiness::Now);
}

#[test]
fn who_was_away_has_no_more_than_the_burst() {
    let mut core = cores(&[100], 1).pop().unwrap();
    let (id, late) = (ClientId::new(0), Cycles::new(60_000_000));
    let bytes = Bytes::new(LIMIT / 100);
    let record = Record { bytes, ..Record::new(RecordKind::BASIC) };
    core.resource_record(id, &record, late);
    // A hundredth of a second, of which the burst is half.
    assert_eq!(core.poll_ready(late), Readiness::After(Micros::new(5_000)));
}

proptest! {
    #[test]
    fn the_limit_holds_on_several_cores(
        count in 1_u16..5,
        a in 1_u64..5_000,
        b in 1_u64..5_000,
    ) {
        let until = 2_000_000;
        let all: u64 = run(&[100, 300], count, &[a, b], until).iter().sum();
        let most = LIMIT * (until + BURST.get()) / 1_000_000 + u64::from(count) * a.max(b);
        prop_assert!(all <= most, "{all} of {most}");
        prop_assert!(all >= LIMIT * until / 1_000_000, "{all}");
    }
}

/// A limit that becomes another is that one from then on; what was had is waited for by it, and
/// the policy beneath may be exchanged meanwhile.
#[test]
fn a_limit_becomes_another_and_stays_around_the_next_policy() {
    let make = |name: &str, limit: &Limit| {
        let inner = crate::make(name, Params::new(Metric::Bytes, 1_000_000)).unwrap();
        let mut core = limited(inner, limit).init_core(CoreId::new(0));
        core.add_client(ClientId::new(0), &ClientParams::default());
        core.client_ready(ClientId::new(0), Cycles::ZERO);
        core
    };
    let left = |core: &mut Box<dyn SchedulerCore>, now| match core.poll_ready(Cycles::new(now)) {
        Readiness::After(span) => span.get(),
        _ => 0,
    };
    let limit = limit();
    let mut core = make("propshare.wfq", &limit);
    let mut record = Record::new(RecordKind::BASIC);
    record.bytes = Bytes::new(10_000);
    core.resource_record(ClientId::new(0), &record, Cycles::new(1_000_000));
    // 100,000 cycles, of which 5,000 were behind the clock.
    assert_eq!(left(&mut core, 1_000_000), 95_000);
    let mut next = make("propshare.stride", &limit);
    assert_eq!(left(&mut next, 1_000_000), 95_000);
    limit.set(Rate::new(10 * LIMIT), Cycles::new(1_000_000));
    assert_eq!([left(&mut core, 1_000_000), left(&mut next, 1_005_000)], [9_500, 4_500]);
    next.resource_record(ClientId::new(0), &record, Cycles::new(1_009_500));
    assert_eq!(left(&mut next, 1_009_500), 10_000);
}
