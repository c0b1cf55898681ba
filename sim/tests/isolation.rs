//! Nobody gains by more senders, threads, processes or system calls; who causes work pays.

mod common;

use common::{assert_paper_shares, busy, example, for_ms, one_core, received, run, scheduler};

/// c makes a system call every 5 us of its own time, each of which costs twice as much.
fn storm(form: &str) -> String {
    let calls = r#"<workload activity="c" threads="4">
        <compute> 5 us </compute> <send to="resource.process"/>
      </workload>"#;
    let cost = r#"<resource name="resource.process" cost="10 us"/>"#;
    let work = [cost, &busy("a"), &busy("b"), calls].concat();
    one_core(form, &scheduler("resource.process", 50), &work)
}

#[test]
fn a_storm_of_system_calls_gains_nothing_under_charge_through() {
    let report = run(&storm("charge-through"), &for_ms(4_000, 1_000));
    assert_paper_shares(&report, 0.2);
}

#[test]
fn a_storm_of_system_calls_gains_under_the_form_of_the_paper() {
    let report = run(&storm("paper"), &for_ms(500, 100));
    let had = received(&report, "c");
    assert!(had > 30.0, "the resource's share comes on top: c had {had}");
}

/// With this run-on quantum at the multiplexor.
fn with_run_on(text: &str, micros: u32) -> String {
    let (plain, open) = (r#"algorithm="propshare.wfq"/>"#, r#"algorithm="propshare.wfq">"#);
    text.replacen(plain, &format!("{open}<runon> {micros} us </runon></cpumultiplexor>"), 1)
}

/// Calls that are waited for: c computes hardly at all, and is busy all the same.
#[test]
fn a_storm_of_waiting_calls_leaves_every_share() {
    assert_paper_shares(&run(&example("system-call-storm"), &for_ms(1_000, 500)), 0.2);
}

/// Work without threads, well within its entitlement, beside threads that never stop.
#[test]
fn an_activity_without_threads_has_what_it_asks_for_within_its_share() {
    let arrivals = r#"<arrivals resource="resource.process" activity="b" rate="4000"/>"#;
    let cost = r#"<resource name="resource.process" cost="100 us"/>"#;
    let work = [cost, &busy("a"), arrivals].concat();
    let text = one_core("charge-through", &scheduler("resource.process", 10), &work);
    let had = received(&run(&text, &for_ms(2_000, 1_000)), "b");
    assert!(had > 33.0, "b is entitled to 33 and asks for 40 of 100: it had {had}");
}

/// Who waits in a resource that serves others first lends its own turns, not its neighbour's.
#[test]
fn a_flood_in_a_resource_takes_nothing_from_who_does_not_use_it() {
    let flood = r#"<resource name="resource.process" cost="20 us"/>
      <arrivals resource="resource.process" activity="infrastructure" rate="100000"/>
      <arrivals resource="resource.process" activity="c" rate="100000"/>"#;
    let work = [flood, &busy("b")].concat();
    let text = one_core("charge-through", &scheduler("resource.process", 10), &work);
    let report = run(&text, &for_ms(1_000, 1_000));
    let row = report.share("b", None).expect("b has a row");
    let cycles = row.cycles.get() as f64 / report.cores[0].elapsed.get() as f64;
    assert!(cycles > 0.33, "b is entitled to 33 %: it had {cycles}");
}

/// A share of a resource that sets off long work in another one is no share of that.
#[test]
fn a_chain_of_requests_gains_nothing_in_the_turns_of_resources() {
    let chain = r#"<resource name="resource.process" cost="1 us"> <send to="resource.fcr"/> </resource>
      <resource name="resource.fcr" cost="150 us"/>
      <arrivals resource="resource.process" activity="c" rate="20000"/>"#;
    let work = [chain, &busy("a"), &busy("b")].concat();
    let schedulers = [scheduler("resource.process", 20), scheduler("resource.fcr", 5)].concat();
    let report = run(&one_core("charge-through", &schedulers, &work), &for_ms(1_000, 500));
    assert_paper_shares(&report, 0.2);
    // In the form of the paper, c has what the resources have.
    let text = one_core("paper", &schedulers, &work);
    let report = run(&with_run_on(&text, 200), &for_ms(1_000, 500));
    let had = received(&report, "c");
    assert!(had < 7.0, "c had {had} in resources with 25 of 125");
}

/// Packets, or what else is the infrastructure's, in a resource that c calls all the time: c's
/// calls are served in its own turns, and the resource keeps its share for others.
#[test]
fn who_calls_a_resource_in_its_own_turns_leaves_it_to_others() {
    let calls = r#"<resource name="resource.process" cost="10 us"/>
      <workload activity="c" threads="4">
        <compute> 5 us </compute> <call to="resource.process"/>
      </workload>
      <arrivals resource="resource.process" activity="infrastructure" rate="200"/>"#;
    let work = [calls, &busy("b")].concat();
    for (form, share) in [("charge-through", 5), ("charge-through", 20), ("paper", 5)] {
        let text = one_core(form, &scheduler("resource.process", share), &work);
        let report = run(&with_run_on(&text, 200), &for_ms(2_000, 1_000));
        let waits = report.usage("infrastructure", "resource.process").unwrap();
        assert!(waits.requests.get() >= 395, "{form}, {share} %: served {:?}", waits.requests);
        // At most b's slice, and c's quantum.
        let longest = waits.longest_wait.get();
        assert!(longest < 5_300_000, "{form}, {share} %: waited for {longest} cycles");
    }
}

#[test]
fn senders_threads_and_processes_move_no_share() {
    let many = r#"<workload activity="c" processes="5" threads="20">
        <compute> 300..900 us </compute> <send to="resource.process"/>
      </workload>"#;
    let cost = r#"<resource name="resource.process" cost="2 us"/>"#;
    let work = [cost, &busy("a"), &busy("b"), many].concat();
    let text = one_core("charge-through", &scheduler("resource.process", 50), &work);
    assert_paper_shares(&run(&text, &for_ms(4_000, 1_000)), 0.2);
}

#[test]
fn a_share_of_a_resource_does_not_grow_with_the_threads_that_use_it() {
    let callers = |activity, threads| {
        format!(
            r#"<workload activity="{activity}" threads="{threads}">
              <compute> 1 us </compute> <call to="resource.process"/>
            </workload>"#
        )
    };
    let cost = r#"<resource name="resource.process" cost="50 us"/>"#;
    let work = [cost, &callers("a", 4), &callers("b", 4), &callers("c", 80)].concat();
    let text = one_core("paper", &scheduler("resource.process", 1), &work);
    let report = run(&text, &for_ms(2_000, 500));
    let cycles = |activity| report.usage(activity, "resource.process").unwrap().cycles.get();
    let all = (cycles("a") + cycles("b") + cycles("c")) as f64;
    for (activity, share) in [("a", 50.0), ("b", 33.0), ("c", 17.0)] {
        let had = 100.0 * cycles(activity) as f64 / all;
        assert!((had - share).abs() < 0.3, "{activity} had {had}");
    }
}

/// Packets for c come in as infrastructure. What they cost is taken off what c has.
#[test]
fn a_causer_billed_back_loses_service() {
    let work = |rate: u32| {
        let arrivals =
            format!(r#"<arrivals resource="resource.dir" causer="c" rate="{rate}" bytes="64"/>"#);
        let costs = r#"<resource name="resource.dir" cost="2 us" bill="causer"/>"#;
        [costs, &busy("a"), &busy("b"), &busy("c"), &arrivals].concat()
    };
    let text = |rate| one_core("charge-through", &scheduler("resource.dir", 50), &work(rate));
    let quiet = run(&text(1), &for_ms(3_000, 1_000));
    let loud = run(&text(20_000), &for_ms(3_000, 1_000));
    assert_paper_shares(&quiet, 0.2);
    assert_paper_shares(&loud, 0.3);
    let threads = |report: &vortex_sim::Report, activity| {
        report.usage(activity, "resource.thread").unwrap().cycles.get() as f64
    };
    let packets = loud.usage("c", "resource.dir").unwrap().cycles.get() as f64;
    let lost = threads(&quiet, "c") - threads(&loud, "c");
    assert!(packets > 0.04 * 3e9, "{packets} cycles were billed to c");
    assert!((lost - packets).abs() < 0.1 * packets, "c lost {lost} for {packets}");
    let kept = loud.usage("infrastructure", "resource.dir").unwrap().cycles.get();
    assert_eq!(kept, 0, "nothing is left with the infrastructure");
}

/// Different shares, resources and threads on different cores.
#[test]
fn an_asymmetric_configuration_holds_each_core_s_own_shares() {
    let text = r#"<schedulerconfig>
      <cpumultiplexor tag="m0" core="0" algorithm="propshare.wfq"/>
      <cpumultiplexor tag="m2" core="2" algorithm="propshare.wfq"/>
      <resourcescheduler resource="resource.thread" algorithm="propshare.wfq">
        <cpumultiplexor tag="m0"/> <cpumultiplexor tag="m2"/>
      </resourcescheduler>
      <resourcescheduler resource="resource.fcr" algorithm="propshare.wfq">
        <cpumultiplexor tag="m2" share="50"/>
      </resourcescheduler>
      <activity name="a" share="50"> <entitlement core="2" share="20"/> </activity>
      <activity name="b" share="50"> <entitlement core="2" share="80"/> </activity>
      <simulation duration="2 s">
        <resource name="resource.fcr" cost="5 us"/>
        <workload activity="a" threads="2"><compute> 10 ms </compute></workload>
        <workload activity="b" threads="2">
          <compute> 10 ms </compute> <send to="resource.fcr"/>
        </workload>
      </simulation>
    </schedulerconfig>"#;
    let report = run(text, &for_ms(2_000, 500));
    for (core, a) in [(0, 50.0), (2, 20.0)] {
        let row = report.share("a", Some(vortex_units::CoreId::new(core))).unwrap();
        assert!((row.received.0 - a).abs() < 0.3 && row.deviation.0.abs() < 0.3, "{row:?}");
    }
    let served = report.usage("b", "resource.fcr").unwrap();
    assert!(served.requests.get() > 100, "the resource of core 2 serves both cores: {served:?}");
}

/// Who sends to a core in user mode waits for the thread's patience, not for its slice.
#[test]
fn a_core_in_user_mode_looks_when_its_patience_ends() {
    let text = r#"<schedulerconfig>
      <cpumultiplexor tag="m0" core="0" algorithm="propshare.wfq"/>
      <cpumultiplexor tag="m1" core="1" algorithm="propshare.wfq"/>
      <resourcescheduler resource="resource.thread" algorithm="propshare.wfq">
        <cpumultiplexor tag="m0"/> <cpumultiplexor tag="m1"/>
      </resourcescheduler>
      <resourcescheduler resource="resource.fcr" algorithm="propshare.wfq">
        <cpumultiplexor tag="m1" share="50"/>
      </resourcescheduler>
      <activity name="caller" share="50"/>
      <activity name="busy" share="50"/>
      <simulation duration="1 s">
        <resource name="resource.fcr" cost="5 us"/>
        <workload activity="caller">
          <compute> 5 us </compute> <call to="resource.fcr"/>
        </workload>
        <workload activity="busy"><compute> 20 ms </compute></workload>
      </simulation>
    </schedulerconfig>"#;
    let report = run(text, &for_ms(300, 100));
    let core = report.cores.iter().find(|core| core.activities[2].get() > 0).unwrap();
    assert_eq!(core.core.get(), 1, "the second thread is on the core with fewest");
    let calls = report.usage("caller", "resource.fcr").unwrap().requests.get();
    assert!(calls > 1_000, "{calls} calls in 300 ms: a slice of 5 ms each would be 60");
}
