//! Everything at once: labels that move between cores, fan-out, devices, batches, run-on,
//! arrivals, under many seeds. Nothing is lost, every cycle is accounted for.

mod common;

use common::{for_ms, run};
use vortex_sim::{Options, Report};

fn everything() -> String {
    let cores = 0..4;
    let mux = |core| {
        format!(
            r#"<cpumultiplexor tag="m{core}" core="{core}" algorithm="propshare.wfq"
                 shares="{}"><runon> {core}0 us </runon></cpumultiplexor>"#,
            if core % 2 == 0 { "charge-through" } else { "paper" }
        )
    };
    let draw = |core| format!(r#"<cpumultiplexor tag="m{core}" share="20"/>"#);
    let draws: String = cores.clone().map(draw).collect();
    let muxes: String = cores.map(mux).collect();
    format!(
        r#"<schedulerconfig>{muxes}
      <resourcescheduler resource="resource.thread" algorithm="propshare.round-robin">
        <loadsharing ttl="1 ms"> least-received </loadsharing>{draws}
      </resourcescheduler>
      <resourcescheduler resource="resource.aior" algorithm="propshare.wfq">
        <loadsharing ttl="300 us"> least-received </loadsharing><batch> 4 </batch>{draws}
      </resourcescheduler>
      <resourcescheduler resource="resource.fcr" algorithm="fifo">
        <loadsharing ttl="2 ms" utilization="50"> fewest-cores </loadsharing>{draws}
      </resourcescheduler>
      <resourcescheduler resource="resource.dwr" algorithm="propshare.wfq" metric="bytes">
        <loadsharing core="1"> fixed </loadsharing>{draws}
      </resourcescheduler>
      <resourcescheduler resource="resource.ndrr" algorithm="propshare.round-robin">
        <loadsharing> fewest-bound </loadsharing>{draws}
      </resourcescheduler>
      <activity name="a" share="50"/>
      <activity name="b" share="30"><nodes> 40 </nodes></activity>
      <simulation duration="20 ms">
        <resource name="resource.aior" cost="1..90 us">
          <send to="resource.fcr" count="6" wait="yes"/> <send to="resource.dwr" bytes="1500"/>
        </resource>
        <resource name="resource.fcr" cost="100..4000 cycles" memory="8 KiB"/>
        <resource name="resource.dwr" cost="1 us"><device rate="50 MB" room="6000"/></resource>
        <resource name="resource.ndrr" cost="2 us" bill="causer">
          <send to="resource.dwr" count="2"/>
        </resource>
        <workload activity="a" threads="6" processes="2" stop="10 ms">
          <compute> 5..200 us </compute> <call to="resource.aior"/> <send to="resource.fcr"/>
          <sleep> 100 us </sleep>
        </workload>
        <workload activity="b" threads="5" start="1 ms" stop="10 ms">
          <compute> 1..9 us </compute> <send to="resource.aior"/> <call to="resource.fcr"/>
        </workload>
        <arrivals resource="resource.ndrr" causer="b" rate="20000" bytes="200" flows="9"
                  pattern="poisson" stop="10 ms"/>
        <arrivals resource="resource.aior" activity="a" rate="3000" flows="3" stop="10 ms"/>
      </simulation>
    </schedulerconfig>"#
    )
}

fn one(seed: u64) -> Report {
    let options = Options { seed: Some(seed), audit_every: 16, ..for_ms(60, 10) };
    run(&everything(), &options)
}

#[test]
fn nothing_is_lost_whatever_the_seed() {
    for seed in 0..6 {
        let report = one(seed);
        for row in &report.usage {
            assert_eq!(row.queued, 0, "seed {seed}: {row:?}");
            assert!(row.requests.get() > 0 || row.cycles.get() > 0, "seed {seed}: {row:?}");
        }
        let lost: Vec<_> = report.refusals.iter().filter(|r| r.reason == "no reply").collect();
        assert!(lost.is_empty(), "seed {seed}: {lost:?}");
        let calls = report.usage("a", "resource.aior").unwrap().requests.get()
            + report.usage("b", "resource.aior").unwrap().requests.get();
        let reads = report.usage("a", "resource.fcr").unwrap().requests.get();
        assert!(calls > 100 && reads > calls, "seed {seed}: {calls} {reads}");
    }
}

#[test]
fn it_is_repeatable() {
    assert_eq!(one(3), one(3));
    assert_ne!(one(3), one(4));
}
