extern crate std;

use std::format;
use std::string::String;
use std::vec::Vec;

use vortex_units::CoreId;

use super::*;
use crate::{Change, ShareForm, parse};

mod way;
mod written;

const FILE: &str = "<schedulerconfig>
  <cpumultiplexor tag='m0' core='0' algorithm='deadline.cbs'/>
  <cpumultiplexor tag='m1' core='1' algorithm='propshare.wfq'/>
  <cpumultiplexor tag='m2' core='2' algorithm='priority.strict'/>
  <scheduler tag='bus' algorithm='propshare.wfq' metric='bytes' limit='4 MB/s'>
    <cpumultiplexor tag='m0' share='20'/> </scheduler>
  <resourcescheduler resource='resource.thread' algorithm='propshare.round-robin'>
    <cpumultiplexor tag='m0'/> <cpumultiplexor tag='m1'/> <cpumultiplexor tag='m2'/>
  </resourcescheduler>
  <resourcescheduler resource='resource.drwr' algorithm='reserve.mclock' metric='bytes'>
    <scheduler tag='bus' share='30'/> </resourcescheduler>
  <resourcescheduler resource='resource.tcp' algorithm='deadline.cbs'>
    <cpumultiplexor tag='m0' share='30'/> <cpumultiplexor tag='m1' share='40'/>
  </resourcescheduler>
  <activity name='a' share='50'>
    <entitlement core='0' reservation='30 %' period='20 ms'/>
    <entitlement resource='resource.tcp' reservation='20 %'/>
  </activity>
  <activity name='b' share='50'/>
</schedulerconfig>";

fn config() -> Config {
    parse(FILE).unwrap()
}

/// Orders are written in one line here. It comes to the same in how many steps one is judged.
fn judged(config: &Config, text: &str) -> Result<Change, Refusal> {
    let read = order(config, &Known::default(), &text.replace("; ", "\n"))?;
    let (mut whole, mut pieces) = (read.clone(), read);
    let whole = whole.step(config, usize::MAX).map(|_| whole.change().clone());
    let pieces = loop {
        match pieces.step(config, 1) {
            Ok(false) => {}
            Ok(true) => break Ok(pieces.change().clone()),
            Err(why) => break Err(why),
        }
    };
    assert_eq!(whole, pieces, "{text}");
    whole
}

fn carried_out(config: &mut Config, text: &str) {
    let change = judged(config, text).unwrap_or_else(|why| panic!("{text}: {why:?}"));
    config.change(&change);
}

#[test]
fn what_is_carried_out_holds_then() {
    let mut own = config();
    let (zero, one) = (CoreId::new(0), CoreId::new(1));
    let tcp = Some(ResourceIndex(2));
    let of = |config: &Config, at, core| {
        let rate = config.activities[1].reservation_at(at, core);
        rate.map(|rate| rate.get())
    };
    carried_out(&mut own, "activity=a; at=cpu; core=0; reservation=45.5 %");
    assert_eq!(of(&own, None, zero), Some(455_000));
    assert_eq!(own.activities[1].period_at(None, zero).map(|it| it.get()), Some(20_000));
    // On one core: what was said of all stays on the other.
    carried_out(&mut own, "activity=a; at=tcp; core=1; reservation=none");
    assert_eq!([zero, one].map(|core| of(&own, tcp, core)), [Some(200_000), None]);
    carried_out(&mut own, "activity=a; at=resource.tcp; reservation=5 %; period=1 s");
    assert_eq!([zero, one].map(|core| of(&own, tcp, core)), [Some(50_000); 2]);
    carried_out(&mut own, "activity=b; at=drwr; reservation=1 MB/s; limit=2 MB/s");
    let b = &own.activities[2];
    assert_eq!(b.limit_at(ResourceIndex(1), zero).map(|it| it.get()), Some(2_000_000));
    assert_eq!(b.share, own.activities[1].share);
    carried_out(&mut own, "at=bus; limit=8 MB/s");
    assert_eq!(own.schedulers[0].limit.map(|it| it.get()), Some(8_000_000));
    carried_out(&mut own, "at=bus; policy=propshare.stride");
    assert_eq!(own.schedulers[0].algorithm.name, "propshare.stride");
    assert!(!own.schedulers[0].algorithm.work_conserving, "it is limited still");
    carried_out(&mut own, "at=m1; policy=propshare.lottery; param.seed=7");
    assert_eq!(own.multiplexors[1].algorithm.name, "propshare.lottery");
    assert_eq!(own.multiplexors[1].params[0].value, "7");
    assert_eq!(own.multiplexors[0].algorithm.name, "deadline.cbs");
    carried_out(&mut own, "at=tcp; core=1; share=7");
    let shares = |config: &Config| -> Vec<u32> {
        config.resources[2].draws.iter().map(|draw| draw.share.unwrap().hundredths()).collect()
    };
    assert_eq!(shares(&own), [3_000, 700]);
    carried_out(&mut own, "at=tcp; share=9; core=0");
    assert_eq!(shares(&own), [900, 700]);
    // A multiplexor that has not charged through does not begin to.
    carried_out(&mut own, "at=cpu; core=2; policy=propshare.wfq");
    assert_eq!(own.multiplexors[2].shares, ShareForm::Paper);
    carried_out(&mut own, "at=cpu; core=2; policy=fifo");
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    let own = config();
    for (text, kind, part) in [
        ("at=cpux; policy=fifo", 'S', "cpu, resource.drwr, resource.tcp, bus"),
        ("activity=x; at=tcp; share=1", 'A', "infrastructure, a, b"),
        ("activity=b; at=cpu; core=0; reservation=70 %", 'F', "at most 65.00 % is left"),
        ("activity=b; at=tcp; reservation=81 %", 'F', "20.00 %"),
        ("activity=b; at=drwr; reservation=5 MB/s", 'F', "'bus' carries 4000000"),
        ("activity=b; at=drwr; reservation=3 MB/s; limit=2 MB/s", 'W', "reservation ≤ limit"),
        ("activity=b; at=cpu; core=1; reservation=1 %", 'W', "propshare.wfq ignores 'reservation'"),
        ("activity=b; at=cpu; reservation=1 %", 'W', "ignores 'reservation'"),
        ("activity=b; at=cpu; core=0; limit=1 %", 'W', "ignores 'limit'"),
        ("activity=b; at=tcp; limit=1 %", 'W', "ignores 'limit'"),
        ("activity=b; at=tcp; reservation=1 MB/s", 'W', "a part of the time"),
        ("activity=b; at=tcp; period=1 us", 'W', "100 us to 60 s"),
        ("activity=b; at=cpu; core=2; share=1", 'W', "priority.strict ignores 'share'"),
        ("activity=b; at=tcp; core=2; share=1", 'W', "it is on 0, 1"),
        ("activity=b; at=bus; share=1", 'W', "resources, not activities"),
        ("activity=b; at=tcp", 'W', "what is to be is not said"),
        ("at=tcp; policy=propshare.wfq", 'H', "'a' has a reservation there on core 0"),
        ("at=cpu; core=0; policy=propshare.wfq", 'H', "'a' has a reservation there on core 0"),
        ("at=cpu; core=1; policy=priority.strict", 'W', "'m1' charges through"),
        ("at=drwr; policy=order.scan; param.windows=3", 'W', "'windows'"),
        ("at=tcp; policy=order.scan", 'W', "no position here"),
        ("at=bus; policy=deadline.edf", 'W', "for clients that are activities"),
        ("at=tcp; policy=propshare.nothing", 'W', "there is no algorithm"),
        ("at=tcp; core=1; policy=fifo", 'W', "one policy, on all its cores"),
        ("activity=a; at=tcp; priority=1", 'W', "deadline.cbs ignores 'priority'"),
        ("activity=a; at=cpu; core=2; priority=x", 'W', "a whole number from 0 to 1000000"),
        ("activity=a; at=all; reservation=5 %", 'W', "a reservation is of one place"),
        ("activity=a; at=all; limit=none", 'W', "expected cpu or a resource instead of all"),
        ("activity=a; at=all; share=1; core=0", 'W', "one core is not everywhere"),
        ("activity=a; at=all", 'W', "a share or a priority"),
        ("activity=infrastructure; at=all; share=none", 'W', "a number"),
        ("at=all; share=1", 'W', "only activities"),
        ("at=tcp; reservation=5 %", 'W', "a reservation is an activity's"),
        ("at=m1; core=0; policy=fifo", 'W', "it is on core 1"),
        ("at=bus; core=0; share=1", 'W', "one on all its cores"),
        ("at=bus; limit=4 %", 'W', "bytes a second"),
        ("at=tcp; limit=4 MB/s", 'W', "a scheduler's between others"),
        ("at=cpu; share=4", 'W', "requests of nobody"),
        ("at=tcp; priority=4", 'W', "ignores 'priority'"),
        ("at=tcp", 'W', "what is to be is not said"),
        ("at=tcp; policy=fifo; share=4", 'W', "one thing at a time"),
        ("at=tcp; shares=4", 'W', "share"),
        ("at=tcp; at=drwr; share=4", 'W', "said twice"),
        ("share=4", 'W', "where is not said"),
        ("nonsense", 'W', "no name and value"),
        ("", 'W', "where is not said"),
    ] {
        let why = judged(&own, text).unwrap_err();
        let own = match why {
            Refusal::NoActivity(_) => 'A',
            Refusal::NoScheduler(_) => 'S',
            Refusal::Wrong(_) => 'W',
            Refusal::Held(_) => 'H',
            Refusal::Full(_) => 'F',
        };
        assert!(own == kind && why.text().contains(part), "{text}: {why:?}");
    }
    let mut full = config();
    carried_out(&mut full, "activity=b; at=drwr; reservation=3 MB/s");
    let why = judged(&full, "at=bus; limit=2 MB/s").unwrap_err();
    assert!(matches!(&why, Refusal::Full(text) if text.contains("3000000")), "{why:?}");
    let why = judged(&full, "at=drwr; policy=propshare.wfq").unwrap_err();
    assert!(why.text().contains("'b' has a reservation"), "{why:?}");
    carried_out(&mut full, "activity=b; at=drwr; reservation=none");
    carried_out(&mut full, "at=drwr; policy=propshare.wfq");
    // Long ones are cut.
    let long: String = format!("at={}", "x".repeat(10_000));
    assert!(judged(&full, &long).unwrap_err().text().len() < 1_000);
    assert!(judged(&full, "\u{fe0f}=\n").is_err());
}

#[test]
fn shares_and_priorities_are_kept_and_taken_back() {
    let mut own = config();
    let (two, tcp) = (CoreId::new(2), Some(ResourceIndex(2)));
    let at = |config: &Config, index: usize, at, core| {
        let activity = &config.activities[index];
        (activity.share_at(at, core).hundredths(), activity.priority_at(at, core))
    };
    carried_out(&mut own, "activity=a; at=cpu; core=2; priority=3");
    carried_out(&mut own, "activity=a; at=tcp; core=1; share=7");
    let one = CoreId::new(1);
    assert_eq!((at(&own, 1, None, two), at(&own, 1, tcp, one)), ((5_000, 3), (700, 0)));
    // What was said of all cores, and is of another kind, stays.
    assert_eq!(own.activities[1].reservation_at(tcp, one).map(|rate| rate.get()), Some(200_000));
    // Everywhere, whatever was said of one place.
    carried_out(&mut own, "activity=a; at=all; share=9; priority=4");
    assert_eq!((at(&own, 1, None, two), at(&own, 1, tcp, one)), ((900, 4), (900, 4)));
    assert_eq!(own.activities[1].reservation_at(tcp, one).map(|rate| rate.get()), Some(200_000));
    carried_out(&mut own, "activity=a; at=tcp; share=3");
    // Now a policy that ignores shares would have to pass it over.
    carried_out(&mut own, "activity=a; at=tcp; reservation=none");
    let why = judged(&own, "at=tcp; policy=fifo").unwrap_err();
    let wanted = "'a' has a share there on core 0, which fifo does not keep: expected none (share \
                  = none) before the policy is another";
    assert_eq!(why, Refusal::Held(wanted.into()));
    carried_out(&mut own, "activity=a; at=tcp; share=none");
    carried_out(&mut own, "at=tcp; policy=fifo");
    let why = judged(&own, "activity=a; at=tcp; share=3").unwrap_err();
    assert!(why.text().starts_with("fifo ignores 'share': expected no share, or"), "{why:?}");
    let why = judged(&own, "activity=a; at=tcp; priority=3").unwrap_err();
    assert!(why.text().contains("ignores 'priority'"), "{why:?}");
    carried_out(&mut own, "at=tcp; policy=priority.strict");
    carried_out(&mut own, "activity=b; at=tcp; priority=3; core=0");
    assert_eq!(at(&own, 2, tcp, CoreId::new(0)), (5_000, 3));
    let why = judged(&own, "at=tcp; policy=fifo").unwrap_err();
    assert!(why.text().contains("'b' has a priority there on core 0"), "{why:?}");
    // Where resources stand with a share a policy without any does not come.
    let mut paper = parse(&FILE.replace("core='1' ", "core='1' shares='paper' ")).unwrap();
    let why = judged(&paper, "at=m1; policy=fifo").unwrap_err();
    assert!(why.text().contains("'resource.tcp' has a share there, which fifo"), "{why:?}");
    carried_out(&mut paper, "at=tcp; core=1; share=none");
    carried_out(&mut paper, "at=m1; policy=fifo");
    assert!(judged(&paper, "at=tcp; core=1; share=3").is_err());
}

#[test]
fn groups_are_not_left_without_who_looks_at_them() {
    let text = FILE.replace("algorithm='priority.strict'/>", "algorithm='hierarchy'/>");
    let text = text.replace("<activity name='a'", "<group name='g' share='3'/> <activity name='a'");
    let own = parse(&text).unwrap();
    let why = judged(&own, "at=m2; policy=propshare.wfq");
    assert!(why.is_ok(), "who is of no group is none of its business: {why:?}");
    let paper = text.replace("core='2' ", "core='2' shares='paper' ");
    let mut own = parse(&paper).unwrap();
    let why = judged(&own, "at=m2; policy=hierarchy; param.root=priority.strict").unwrap_err();
    assert!(why.text().contains("the group 'g' has a share"), "{why:?}");
    carried_out(&mut own, "at=m2; policy=hierarchy; param.root=propshare.stride");
    // A priority inside a group is looked at there, and then not.
    let inner =
        "<group name='g' algorithm='priority.strict'/> <activity name='c' group='g' priority='2'/>";
    let text = text.replace("<group name='g' share='3'/>", inner);
    let mut own = parse(&text).unwrap();
    for text in
        ["at=m0; policy=deadline.cbs", "at=tcp; policy=deadline.cbs", "at=drwr; policy=fifo"]
    {
        carried_out(&mut own, text);
    }
    carried_out(&mut own, "at=m2; policy=hierarchy; param.root=propshare.stride");
    carried_out(&mut own, "at=drwr; policy=hierarchy");
    carried_out(&mut own, "at=m2; policy=propshare.wfq");
    carried_out(&mut own, "at=m2; policy=hierarchy");
    carried_out(&mut own, "at=drwr; policy=priority.strict");
    // Who is of none is looked at by the others alone.
    carried_out(&mut own, "activity=b; at=all; priority=3");
    let why = judged(&own, "at=drwr; policy=propshare.wfq").unwrap_err();
    assert!(why.text().starts_with("'b' has a priority, which no scheduler would look"), "{why:?}");
    carried_out(&mut own, "activity=b; at=all; priority=none");
    carried_out(&mut own, "at=drwr; policy=propshare.wfq");
}

#[test]
fn a_changed_configuration_is_judged_as_a_file_is() {
    // What was reserved live counts for the next who asks, and what was given back does not.
    let mut own = config();
    carried_out(&mut own, "activity=b; at=cpu; core=0; reservation=60 %");
    assert!(judged(&own, "activity=a; at=cpu; core=0; reservation=40 %").is_err());
    assert!(judged(&own, "activity=a; at=cpu; core=0; reservation=35 %").is_ok());
    carried_out(&mut own, "activity=b; at=cpu; core=0; reservation=none");
    carried_out(&mut own, "activity=a; at=cpu; core=0; reservation=90 %");
    assert_eq!(own.activities[1].reservation_at(None, CoreId::new(0)).unwrap().get(), 900_000);
}
