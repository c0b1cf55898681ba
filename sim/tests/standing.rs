//! Who goes first where priorities decide: resources at a multiplexor or a bus, activities
//! at one resource or on one core.

mod common;

use common::{busy, for_ms, one_core, parse, run};
use vortex_sim::{BuildError, Options, Problem, Report, SimError, simulate};

/// The core's time that a resource has had from all activities.
fn cycles(report: &Report, resource: &str) -> u64 {
    let of = |activity| report.usage(activity, resource).map_or(0, |row| row.cycles.get());
    ["infrastructure", "a", "b"].map(of).iter().sum()
}

/// Two resources, each with more to do than there is, that draw as given.
fn two(above: &str, fcr: &str, dwr: &str) -> String {
    let scheduler = |resource, draw| {
        format!(
            r#"<resourcescheduler resource="{resource}" algorithm="propshare.wfq">{draw}</resourcescheduler>"#
        )
    };
    let (fcr, dwr) = (scheduler("resource.fcr", fcr), scheduler("resource.dwr", dwr));
    format!(
        r#"<schedulerconfig>
      <machine frequency="1 GHz"/>
      {above} {fcr} {dwr}
      <activity name="a" share="50"/>
      <activity name="b" share="50"/>
      <simulation duration="20 ms">
        <resource name="resource.fcr" cost="20 us"/>
        <resource name="resource.dwr" cost="20 us"/>
        <arrivals resource="resource.fcr" activity="a" rate="100000"/>
        <arrivals resource="resource.dwr" activity="b" rate="100000"/>
      </simulation>
    </schedulerconfig>"#
    )
}

fn assert_first(text: &str, first: &str, last: &str) {
    let report = run(text, &for_ms(20, 5));
    let (first, last) = (cycles(&report, first), cycles(&report, last));
    assert!(first > 50 * last.max(1), "{first} and {last}\n{text}");
}

#[test]
fn the_priority_of_a_draw_decides_at_a_multiplexor() {
    let above = r#"<cpumultiplexor tag="m" core="0" algorithm="priority.strict"/>"#;
    let draw = |priority| format!(r#"<cpumultiplexor tag="m" priority="{priority}"/>"#);
    assert_first(&two(above, &draw(1), &draw(2)), "resource.fcr", "resource.dwr");
    assert_first(&two(above, &draw(2), &draw(1)), "resource.dwr", "resource.fcr");
    let unsaid = r#"<cpumultiplexor tag="m"/>"#;
    assert_first(&two(above, &draw(1), unsaid), "resource.dwr", "resource.fcr");
}

#[test]
fn the_priority_of_a_draw_decides_at_a_bus() {
    let above = r#"<cpumultiplexor tag="m" core="0" algorithm="propshare.wfq"/>
      <scheduler tag="bus" algorithm="priority.strict"><cpumultiplexor tag="m"/></scheduler>"#;
    let draw = |priority| format!(r#"<scheduler tag="bus" priority="{priority}"/>"#);
    assert_first(&two(above, &draw(1), &draw(2)), "resource.fcr", "resource.dwr");
    assert_first(&two(above, &draw(2), &draw(1)), "resource.dwr", "resource.fcr");
}

/// A bus against a resource: the bus is the client here.
#[test]
fn the_priority_of_a_bus_decides_at_its_multiplexor() {
    let above = |priority| {
        format!(
            r#"<cpumultiplexor tag="m" core="0" algorithm="priority.strict"/>
      <scheduler tag="bus" algorithm="fifo">
        <cpumultiplexor tag="m" priority="{priority}"/>
      </scheduler>"#
        )
    };
    let (bus, mux) = (r#"<scheduler tag="bus"/>"#, r#"<cpumultiplexor tag="m" priority="5"/>"#);
    assert_first(&two(&above(4), bus, mux), "resource.fcr", "resource.dwr");
    assert_first(&two(&above(6), bus, mux), "resource.dwr", "resource.fcr");
}

/// What a and b have had of a resource's time.
fn of(report: &Report, resource: &str) -> [u64; 2] {
    ["a", "b"].map(|activity| report.usage(activity, resource).map_or(0, |row| row.cycles.get()))
}

#[test]
fn an_entitlement_has_a_priority_of_its_own_at_one_resource() {
    let strict = |resource| {
        format!(
            r#"<resourcescheduler resource="{resource}" algorithm="priority.strict">
        <cpumultiplexor tag="cpumux0" share="1"/>
      </resourcescheduler>"#
        )
    };
    let callers = |activity, resource| {
        format!(
            r#"<workload activity="{activity}" threads="8">
        <compute> 1 us </compute> <call to="{resource}"/>
      </workload>"#
        )
    };
    let work = [
        r#"<resource name="resource.fcr" cost="50 us"/>"#,
        r#"<resource name="resource.dwr" cost="50 us"/>"#,
        &callers("a", "resource.fcr"),
        &callers("b", "resource.fcr"),
        &callers("a", "resource.dwr"),
        &callers("b", "resource.dwr"),
    ]
    .concat();
    let schedulers = [strict("resource.fcr"), strict("resource.dwr")].concat();
    let text = one_core("paper", &schedulers, &work)
        .replace(r#"name="b""#, r#"name="b" priority="2""#)
        .replace(r#"name="a" share="50"/>"#, r#"name="a" share="50" priority="1">{}</activity>"#);
    let with = |entitlement| run(&text.replace("{}", entitlement), &for_ms(100, 25));
    let ahead = |[first, last]: [u64; 2]| assert!(first > 20 * last.max(1), "{first}, {last}");
    let behind = |[last, first]: [u64; 2]| ahead([first, last]);

    let report = with("");
    ahead(of(&report, "resource.fcr"));
    ahead(of(&report, "resource.dwr"));

    let report = with(r#"<entitlement resource="resource.fcr" priority="3"/>"#);
    behind(of(&report, "resource.fcr"));
    ahead(of(&report, "resource.dwr"));

    // What is said of the core as well is more exact.
    let report = with(
        r#"<entitlement resource="resource.fcr" priority="3"/>
           <entitlement resource="resource.fcr" core="0" priority="0"/>
           <entitlement resource="resource.dwr" core="0" priority="3"/>"#,
    );
    ahead(of(&report, "resource.fcr"));
    behind(of(&report, "resource.dwr"));
}

/// One multiplexor where a goes first, one where b does.
#[test]
fn an_entitlement_has_a_priority_of_its_own_on_one_core() {
    let mux = |core| {
        format!(r#"<cpumultiplexor tag="m{core}" core="{core}" algorithm="priority.strict"/>"#)
    };
    let many = |activity| busy(activity).replace("<workload", r#"<workload threads="4""#);
    let text = format!(
        r#"<schedulerconfig>
      <machine frequency="1 GHz"/> {} {}
      <resourcescheduler resource="resource.thread" algorithm="fifo">
        <cpumultiplexor tag="m0"/> <cpumultiplexor tag="m1"/>
      </resourcescheduler>
      <activity name="a" priority="1"> <entitlement core="1" priority="3"/> </activity>
      <activity name="b" priority="2"/>
      <simulation duration="1 s">{}{}</simulation>
    </schedulerconfig>"#,
        mux(0),
        mux(1),
        many("a"),
        many("b")
    );
    let report = run(&text, &for_ms(500, 100));
    let had = |activity, core: usize| report.share(activity, Some(report.cores[core].core));
    for (core, first, last) in [(0, "a", "b"), (1, "b", "a")] {
        let had = [first, last].map(|name| had(name, core).map_or(0.0, |row| row.received.0));
        assert!(had[0] > 95.0 && had[1] < 5.0, "on core {core}: {had:?}");
    }
}

#[test]
fn a_priority_that_would_decide_nothing_is_refused() {
    let problems = |text: &str| match simulate(&parse(text), &Options::default()) {
        Err(SimError::Build(BuildError(found))) => {
            found.into_iter().map(|(_, problem)| problem).collect::<Vec<_>>()
        }
        other => panic!("accepted: {other:?}"),
    };
    let threads = one_core("paper", "", &busy("a"))
        .replace("shares=\"paper\" algorithm=\"propshare.wfq\"", "algorithm=\"priority.strict\"")
        .replace(
            r#"<cpumultiplexor tag="cpumux0"/>"#,
            r#"<cpumultiplexor tag="cpumux0" priority="1"/>"#,
        )
        .replace(r#" share="50""#, "")
        .replace(r#" share="33""#, "")
        .replace(r#" share="17""#, "");
    assert_eq!(problems(&threads), [Problem::ThreadPriority]);

    // Another priority on another core: the grid has one for a bus.
    let uneven = two(
        r#"<cpumultiplexor tag="m" core="0" algorithm="priority.strict"/>
      <cpumultiplexor tag="n" core="1" algorithm="priority.strict"/>
      <scheduler tag="bus" algorithm="fifo">
        <cpumultiplexor tag="m" priority="1"/> <cpumultiplexor tag="n" priority="2"/>
      </scheduler>"#,
        r#"<scheduler tag="bus"/>"#,
        r#"<scheduler tag="bus"/>"#,
    );
    assert_eq!(problems(&uneven), [Problem::UnevenDraws("bus".into())]);
}
