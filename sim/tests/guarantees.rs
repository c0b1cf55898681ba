//! What `analyse` promises is given: with all activities busy with threads on every core,
//! and a resource asked by all for more than it can do, nobody has less than its guarantee.

#![allow(clippy::unwrap_used, reason = "the lint's exception for tests knows no helpers")]

mod common;

use common::{example, for_ms, parse, run};
use proptest::prelude::*;
use vortex_config::{Level, Scope, analyse};

/// What may be missing, in points: slices and requests are not infinitely short.
const POINTS: f64 = 0.5;

/// Long against a slice of 5 ms.
const MILLIS: u64 = 1_000;

/// The configuration's schedulers and activities, with a simulation that saturates them and
/// one resource: requests waiting in a second would hold the nodes that the first needs.
fn saturated(text: &str, busy: Option<&str>) -> String {
    let config = parse(text);
    let head = text.split("<simulation").next().unwrap();
    let head = head.trim_end().trim_end_matches("</schedulerconfig>");
    // Threads on every core.
    let head = head.replace(r#"<loadsharing core="3"> fixed"#, "<loadsharing> fewest-bound");
    let names: Vec<_> = config.activities.iter().map(|activity| activity.name.as_str()).collect();
    let threads = config.multiplexors.len();
    let mut work = String::new();
    if let Some(resource) = busy {
        work += &format!(r#"<resource name="{resource}" cost="20 us"/>"#);
    }
    for name in names.iter().skip(1) {
        work += &format!(
            r#"<workload activity="{name}" threads="{threads}"><compute> 20 ms </compute></workload>"#
        );
    }
    for (resource, name) in busy.iter().flat_map(|r| names.iter().map(move |name| (r, name))) {
        work += &format!(
            r#"<arrivals resource="{resource}" activity="{name}" rate="60000" bytes="100"/>"#
        );
    }
    format!(r#"{head}<simulation duration="1 s">{work}</simulation></schedulerconfig>"#)
}

/// With each of the resources busy in turn; without any, with threads alone.
fn assert_kept(what: &str, text: &str, resources: &[&str]) {
    if resources.is_empty() {
        assert_kept_with(what, text, None);
    }
    for resource in resources {
        assert_kept_with(what, text, Some(resource));
    }
}

/// Every line about all that an activity uses, or its threads; where there is one core only,
/// also those about the busy resource.
fn assert_kept_with(what: &str, text: &str, busy: Option<&str>) {
    kept(what, text, busy, true);
}

/// The same; whether anything has to be promised.
fn kept(what: &str, text: &str, busy: Option<&str>, any: bool) {
    let text = saturated(text, busy);
    let config = parse(&text);
    let report = run(&text, &for_ms(MILLIS, MILLIS));
    let mut compared = 0;
    for line in &analyse(&config).guarantees {
        let Level::AtLeast(part) = line.of_core else { continue };
        let core = report.cores.iter().find(|core| core.core == line.core).unwrap();
        let activity = line.activity.index();
        let name = &config.activities[activity].name;
        let used = match line.scope {
            Scope::Whole | Scope::Threads => core.activities[activity].get(),
            Scope::Resource(resource) => {
                let resource = &config.resources[resource.index()].resource;
                if report.cores.len() > 1 || busy != Some(resource) {
                    continue;
                }
                report.usage(name, resource).map_or(0, |row| row.cycles.get())
            }
        };
        let had = 100.0 * used as f64 / core.elapsed.get() as f64;
        let promised = f64::from(part.billionths()) / 1e7;
        assert!(
            had >= promised - POINTS,
            "{what}, {busy:?}: {name} had {had:.2} % of {}, not {promised:.2} %: {line:?}\n{text}",
            line.core
        );
        compared += 1;
    }
    assert!(compared > 0 || !any, "{what}: nothing is promised");
}

#[test]
fn the_examples_give_what_they_promise() {
    let all: [(&str, &[&str]); 5] = [
        ("paper-cpu", &[]),
        ("paper-files", &["resource.asr", "resource.aior", "resource.fcr"]),
        ("paper-web", &["resource.dir", "resource.tcp", "resource.aior", "resource.fcr"]),
        ("system-call-storm", &["resource.process"]),
        ("bus", &["resource.drwr", "resource.dwr"]),
    ];
    for (name, costs) in all {
        assert_kept(name, &example(name), costs);
    }
}

fn one(form: &str, rest: &str) -> String {
    format!(
        r#"<schedulerconfig><machine frequency="1 GHz"/>
      <cpumultiplexor tag="m" core="0" algorithm="propshare.wfq" shares="{form}"/>
      {rest}</schedulerconfig>"#
    )
}

fn draws(resource: &str, share: &str) -> String {
    format!(
        r#"<resourcescheduler resource="{resource}" algorithm="propshare.wfq">
        <cpumultiplexor tag="m" {share}/></resourcescheduler>"#
    )
}

/// Infrastructure with much to do in resources that have more than the activities do.
#[test]
fn resources_busy_for_infrastructure_leave_the_activities_theirs() {
    let rest = [
        &draws("resource.thread", ""),
        &draws("resource.fcr", r#"share="60""#),
        &draws("resource.dwr", r#"share="15""#),
        r#"<infrastructure share="300"/>
        <activity name="a" share="50"/> <activity name="b" share="5"/>"#,
    ]
    .concat();
    for form in ["charge-through", "paper"] {
        assert_kept(form, &one(form, &rest), &["resource.fcr", "resource.dwr"]);
    }
}

/// An activity entitled to more in a resource than at its own client.
#[test]
fn a_part_larger_than_the_client_s_is_had_in_all() {
    let rest = [
        &draws("resource.thread", r#"share="20""#),
        &draws("resource.fcr", r#"share="80""#),
        r#"<infrastructure share="1"/> <activity name="a" share="20">
          <entitlement resource="resource.fcr" share="70"/> </activity>
        <activity name="b" share="80"> <entitlement resource="resource.fcr" share="29"/>
        </activity>"#,
    ]
    .concat();
    assert_kept("part", &one("charge-through", &rest), &["resource.fcr"]);
}

/// A bus beside a resource and threads.
#[test]
fn a_bus_gives_what_it_promises() {
    let rest = r#"<scheduler tag="bus" algorithm="propshare.wfq">
        <cpumultiplexor tag="m" share="40"/> </scheduler>
      <resourcescheduler resource="resource.dwr" algorithm="propshare.wfq">
        <scheduler tag="bus" share="3"/> </resourcescheduler>
      <resourcescheduler resource="resource.drwr" algorithm="propshare.wfq">
        <scheduler tag="bus" share="1"/> </resourcescheduler>"#;
    let rest = [
        rest,
        &draws("resource.thread", r#"share="50""#),
        &draws("resource.fcr", r#"share="10""#),
        r#"<activity name="a" share="70"/> <activity name="b" share="30"/>"#,
    ]
    .concat();
    let costs = ["resource.dwr", "resource.drwr", "resource.fcr"];
    assert_kept("bus", &one("charge-through", &rest), &costs);
}

/// Each policy of shares at the multiplexor and at a resource; the drawn lots need longer, as
/// they hold on average.
#[test]
fn every_policy_of_shares_gives_what_it_promises() {
    for policy in ["propshare.wfq", "propshare.round-robin", "propshare.stride", "deadline.cbs"] {
        let rest = [
            &draws("resource.thread", ""),
            &draws("resource.fcr", r#"share="40""#),
            r#"<activity name="a" share="50"/> <activity name="b" share="20"/>"#,
        ]
        .concat();
        let text = one("charge-through", &rest).replace("propshare.wfq", policy);
        let text = text.replacen(
            r#"resource="resource.thread" algorithm="deadline.cbs""#,
            r#"resource="resource.thread" algorithm="propshare.wfq""#,
            1,
        );
        assert_kept(policy, &text, &[]);
        assert_kept(policy, &text, &["resource.fcr"]);
    }
}

/// What is reserved is had beside any shares, and the rest is divided by them.
#[test]
fn reservations_of_a_core_are_kept() {
    for policy in ["deadline.cbs", "reserve.mclock"] {
        for form in ["charge-through", "paper"] {
            let rest = [
                &draws("resource.thread", ""),
                &draws("resource.fcr", r#"share="40""#),
                r#"<activity name="a" share="1"> <entitlement core="0" reservation="30 %"/>
                </activity>
                <activity name="b" share="50"> <entitlement core="0" reservation="15 %"/>
                </activity> <activity name="c" share="200"/>"#,
            ]
            .concat();
            let text = one(form, &rest);
            let multiplexor = r#"core="0" algorithm="propshare.wfq""#;
            let text = text.replacen(multiplexor, &format!(r#"core="0" algorithm="{policy}""#), 1);
            assert_kept(policy, &text, &[]);
            let config = parse(&saturated(&text, None));
            let promised = analyse(&config).guarantees;
            let of_a = promised.iter().find(|line| line.activity.index() == 1).unwrap();
            let Level::AtLeast(part) = of_a.of_core else { panic!("nothing is promised") };
            assert!(part.billionths() >= 300_000_000, "{part}");
        }
    }
}

/// Groups within groups, with policies of their own: what is promised on the way is had.
#[test]
fn groups_give_what_they_promise() {
    let rest = [
        &draws("resource.thread", ""),
        &draws("resource.fcr", r#"share="40""#),
        r#"<group name="shops" share="60"/> <group name="lab" share="30" algorithm="priority.strict"/>
        <group name="books" within="shops" share="1" algorithm="propshare.stride"/>
        <activity name="a" group="books" share="10"/> <activity name="b" group="books" share="30"/>
        <activity name="c" group="shops" share="3"/> <activity name="d" group="lab" priority="1"/>
        <activity name="e" group="lab" priority="2"/> <activity name="f" share="10"/>"#,
    ]
    .concat();
    let text = one("charge-through", &rest);
    let multiplexor = r#"core="0" algorithm="propshare.wfq""#;
    let text = text.replacen(multiplexor, r#"core="0" algorithm="hierarchy""#, 1);
    assert_kept("groups", &text, &[]);
    assert_kept("groups", &text, &["resource.fcr"]);
    let resource = r#"resource="resource.fcr" algorithm="propshare.wfq""#;
    let text = text.replacen(resource, r#"resource="resource.fcr" algorithm="hierarchy""#, 1);
    assert_kept("groups at the resource too", &text, &["resource.fcr"]);
    let promised = |name: &str| {
        let config = parse(&saturated(&text, None));
        let place = config.activities.iter().position(|activity| activity.name == name).unwrap();
        let lines = analyse(&config).guarantees;
        let line = lines.iter().find(|line| line.activity.index() == place).unwrap();
        match line.of_core {
            Level::AtLeast(part) => f64::from(part.billionths()) / 1e7,
            Level::None(_) => 0.0,
        }
    };
    // Of 60 + 30 + 10, and 40 of the resource; the whole is the most of the parts.
    let wanted = [("a", 2.67), ("b", 8.03), ("c", 32.14), ("d", 21.42), ("e", 0.0), ("f", 7.14)];
    for (name, wanted) in wanted {
        assert!((promised(name) - wanted).abs() < 0.1, "{name}: {}", promised(name));
    }
}

/// A random configuration of one core: its text, without a simulation, and its resources.
fn any_configuration() -> impl Strategy<Value = (String, Vec<&'static str>)> {
    const SHARING: [&str; 5] = [
        "propshare.wfq",
        "propshare.round-robin",
        "propshare.stride",
        "deadline.cbs",
        "reserve.mclock",
    ];
    const AT_RESOURCES: [&str; 5] =
        ["propshare.wfq", "propshare.round-robin", "propshare.stride", "deadline.cbs", "fifo"];
    const NAMES: [&str; 3] = ["resource.fcr", "resource.tcp", "resource.asr"];
    let resource = (0..AT_RESOURCES.len(), 5..100_u32, any::<bool>());
    let activity = (1..100_u32, 0..35_u32, prop::option::of((0..3_usize, 1..100_u32)));
    let whole = (any::<bool>(), 0..SHARING.len(), 0..200_u32, prop::option::of(1..100_u32));
    let resources = prop::collection::vec(resource, 1..=3);
    (whole, resources, prop::collection::vec(activity, 2..=4)).prop_map(|(whole, below, all)| {
        let (through, policy, infrastructure, bus) = whole;
        let form = if through { "charge-through" } else { "paper" };
        let policy = SHARING[policy];
        let mut text = draws("resource.thread", "").replace("wfq", "round-robin");
        if let Some(share) = bus {
            text += &format!(
                r#"<scheduler tag="bus" algorithm="propshare.stride">
                <cpumultiplexor tag="m" share="{share}"/> </scheduler>"#
            );
        }
        let names: Vec<_> = NAMES.into_iter().take(below.len()).collect();
        for (name, (own, share, beneath)) in names.iter().zip(&below) {
            let (own, share) = (AT_RESOURCES[*own], format!(r#"share="{share}""#));
            let mut one = draws(name, &share).replace("propshare.wfq", own);
            if *beneath && bus.is_some() {
                one = one.replace(r#"<cpumultiplexor tag="m""#, r#"<scheduler tag="bus""#);
            }
            text += &one;
        }
        if bus.is_some() && !below.iter().any(|(_, _, beneath)| *beneath) {
            text = text.replacen(r#"<cpumultiplexor tag="m" share"#, "<MARK share", 1);
            let last = text.rfind(r#"<cpumultiplexor tag="m" share"#).unwrap_or(0);
            text.replace_range(
                last..last + r#"<cpumultiplexor tag="m""#.len(),
                r#"<scheduler tag="bus""#,
            );
            text = text.replacen("<MARK share", r#"<cpumultiplexor tag="m" share"#, 1);
        }
        if infrastructure > 0 {
            text += &format!(r#"<infrastructure share="{infrastructure}"/>"#);
        }
        let (mut left, reserves) = (90, policy == "deadline.cbs" || policy == "reserve.mclock");
        for (place, (share, reserved, at)) in all.iter().enumerate() {
            let mut own = String::new();
            if reserves && *reserved > 0 && *reserved <= left {
                left -= reserved;
                own += &format!(r#"<entitlement core="0" reservation="{reserved} %"/>"#);
            }
            if let Some((at, share)) = at.filter(|(at, _)| {
                below.get(*at).is_some_and(|(own, ..)| AT_RESOURCES[*own] != "fifo")
            }) {
                let name = NAMES[at];
                own += &format!(r#"<entitlement resource="{name}" share="{share}"/>"#);
            }
            text += &format!(r#"<activity name="a{place}" share="{share}">{own}</activity>"#);
        }
        let text = one(form, &text);
        let first = r#"core="0" algorithm="propshare.wfq""#;
        (text.replacen(first, &format!(r#"core="0" algorithm="{policy}""#), 1), names)
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Each is two seconds of a machine: fewer than of what is quick.
        cases: ProptestConfig::default().cases / 8,
        ..ProptestConfig::default()
    })]

    /// Whatever the configuration: with all busy, nobody has less than what is promised.
    #[test]
    fn random_configurations_give_what_they_promise(
        (text, resources) in any_configuration(),
        busy in prop::option::of(0..3_usize),
    ) {
        let busy = busy.and_then(|busy| resources.get(busy).copied());
        kept("random", &text, busy, false);
    }
}
