//! Who does much in a resource, beside others who compute: in turns that it has lent, or in those
//! in which its threads have asked. It is chosen for all of them, and has no more than it pays for.

use vortex_config::{Config, Level, Scope, ShareForm, analyse};
use vortex_sim::Report;

use crate::common::{for_ms, parse, run_config};

/// What a multiplexor, or a group at one, decides by; and whether it knows reservations.
const POLICIES: [(&str, bool); 8] = [
    ("propshare.wfq", false),
    ("propshare.round-robin", false),
    ("propshare.stride", false),
    ("propshare.lottery", false),
    ("deadline.cbs", false),
    ("deadline.cbs", true),
    ("reserve.mclock", false),
    ("reserve.mclock", true),
];
const MILLIS: u64 = 2_000;

/// Requests that come, or that threads make.
fn of_the_first(calls: bool) -> &'static str {
    match calls {
        true => {
            r#"<workload activity="first" threads="8"><compute> 5 us </compute>
               <call to="resource.file"/></workload>"#
        }
        false => r#"<arrivals resource="resource.file" activity="first" rate="60000" flows="8"/>"#,
    }
}

fn text((policy, reserves): (&str, bool), shares: [u32; 3], calls: bool) -> String {
    let [first, second, third] = shares;
    let reservation = match reserves {
        true => r#"<entitlement core="0" reservation="30 %"/>"#,
        false => "",
    };
    let load = of_the_first(calls);
    format!(
        r#"<schedulerconfig><machine frequency="1 GHz" timeslice="5 ms"/>
        <cpumultiplexor tag="m" core="0" algorithm="{policy}"/>
        <resourcescheduler resource="resource.thread" algorithm="propshare.round-robin">
          <cpumultiplexor tag="m"/></resourcescheduler>
        <resourcescheduler resource="resource.file" algorithm="propshare.wfq">
          <cpumultiplexor tag="m"/></resourcescheduler>
        <activity name="first" share="{first}">{reservation}</activity>
        <activity name="second" share="{second}"/> <activity name="third" share="{third}"/>
        <simulation duration="2 s"><resource name="resource.file" cost="20 us"/> {load}
        <workload activity="second" threads="2"><compute> 20 ms </compute></workload>
        <workload activity="third" threads="2"><compute> 20 ms </compute></workload>
        </simulation></schedulerconfig>"#
    )
}

/// What those who compute have of the core, and are promised.
fn had_and_promised(config: &Config, report: &Report, name: &str) -> (f64, f64) {
    let index = config.activities.iter().position(|own| own.name == name).unwrap();
    let core = &report.cores[0];
    let had = 100.0 * core.activities[index].get() as f64 / core.elapsed.get() as f64;
    let all = analyse(config).guarantees;
    let mut its = all.iter().filter(|line| line.activity.index() == index);
    let threads = its.find(|line| line.scope == Scope::Threads).expect(name);
    let Level::AtLeast(part) = threads.of_core else { panic!("{name}: nothing is promised") };
    (had, f64::from(part.billionths()) / 1e7)
}

fn assert_harmless(text: &str, others: &[&str]) {
    let config = parse(text);
    assert_eq!(config.multiplexors[0].shares, ShareForm::ChargeThrough);
    let report = run_config(&config, &for_ms(MILLIS, MILLIS));
    for name in others {
        let (had, promised) = had_and_promised(&config, &report, name);
        assert!(had >= promised - 3.0, "{name} had {had:.2} %, not {promised:.2} %: {text}");
    }
}

#[test]
fn who_works_in_a_resource_has_no_more_than_it_pays_for() {
    for policy in POLICIES {
        for calls in [false, true] {
            for shares in [[1, 60, 40], [50, 30, 20]] {
                assert_harmless(&text(policy, shares, calls), &["second", "third"]);
            }
        }
    }
}

#[test]
fn nor_does_its_group() {
    for policy in ["propshare.wfq", "propshare.lottery", "propshare.stride"] {
        for calls in [false, true] {
            let text = text(("hierarchy", false), [1, 100, 90], calls);
            let text = text
                .replace("<activity name=\"first\"", "<activity name=\"first\" group=\"both\"")
                .replace("<activity name=\"second\"", "<activity name=\"second\" group=\"both\"");
            let group = format!("<group name=\"both\" share=\"10\" algorithm=\"{policy}\"/>");
            let text = text.replacen("<activity", &format!("{group}<activity"), 1);
            assert_harmless(&text, &["second", "third"]);
        }
    }
}
