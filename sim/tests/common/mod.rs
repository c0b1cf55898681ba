//! What the tests of the simulation share.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "the lint's exception for tests knows no helpers")]

use vortex_config::Config;
use vortex_sim::{Options, Report, simulate};
use vortex_units::Nanos;

/// An example of the repository, as text.
pub fn example(name: &str) -> String {
    let path = format!("{}/../examples/{name}.xml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

pub fn parse(text: &str) -> Config {
    let config = vortex_config::parse_with(text, &vortex_assembly::known());
    config.unwrap_or_else(|flaws| panic!("{flaws:#?}\n{text}"))
}

/// Options for so many milliseconds, sampled every `sample` milliseconds.
pub fn for_ms(duration: u64, sample: u64) -> Options {
    Options {
        duration: Some(Nanos::new(duration * 1_000_000)),
        sample: Nanos::new(sample * 1_000_000),
        ..Options::default()
    }
}

/// Runs a configuration; every audit must have balanced.
pub fn run(text: &str, options: &Options) -> Report {
    run_config(&parse(text), options)
}

/// The same of one that has been read.
pub fn run_config(config: &Config, options: &Options) -> Report {
    let report = simulate(config, options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.audit.failed, 0, "{:?}", report.audit);
    for core in &report.cores {
        let used: u64 = core.activities.iter().map(|cycles| cycles.get()).sum();
        assert_eq!(core.elapsed.get(), core.idle.get() + used, "law 1 on {}", core.core);
    }
    report
}

/// What the activity has had of all that was used, in per cent.
pub fn received(report: &Report, activity: &str) -> f64 {
    report.share(activity, None).unwrap().received.0
}

/// That a, b and c have had 50, 33 and 17 %, within so many points.
pub fn assert_paper_shares(report: &Report, points: f64) {
    for (activity, share) in [("a", 50.0), ("b", 33.0), ("c", 17.0)] {
        let had = received(report, activity);
        assert!((had - share).abs() <= points, "{activity} had {had}, not {share}");
    }
}

/// One core of 1 GHz, `resource.thread`, activities a, b, c with 50, 33 and 17, and the
/// rest as given: resource schedulers, and what is in the simulation.
pub fn one_core(form: &str, schedulers: &str, simulation: &str) -> String {
    format!(
        r#"<schedulerconfig>
  <machine frequency="1 GHz"/>
  <cpumultiplexor tag="cpumux0" core="0" shares="{form}" algorithm="propshare.wfq"/>
  <resourcescheduler resource="resource.thread" algorithm="propshare.wfq">
    <cpumultiplexor tag="cpumux0"/>
  </resourcescheduler>
  {schedulers}
  <activity name="a" share="50"/>
  <activity name="b" share="33"/>
  <activity name="c" share="17"/>
  <simulation duration="1 s">{simulation}</simulation>
</schedulerconfig>"#
    )
}

/// A resource's scheduler on the one core, with this share.
pub fn scheduler(resource: &str, share: u32) -> String {
    format!(
        r#"<resourcescheduler resource="{resource}" algorithm="propshare.wfq">
    <cpumultiplexor tag="cpumux0" share="{share}"/>
  </resourcescheduler>"#
    )
}

/// A CPU-bound thread of an activity.
pub fn busy(activity: &str) -> String {
    format!(r#"<workload activity="{activity}"><compute> 20 ms </compute></workload>"#)
}
