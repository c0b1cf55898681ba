extern crate std;

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;
use crate::parse;

fn analysed(text: &str) -> (crate::Config, Analysis) {
    let config = parse(text).unwrap();
    let analysis = analyse(&config);
    (config, analysis)
}

/// "who, of what, core: of resource, of core" of every line about this core and scope.
fn lines(text: &str, scope: Scope) -> Vec<String> {
    let (config, analysis) = analysed(text);
    let all = analysis.guarantees.iter().filter(|g| g.scope == scope && g.core.get() == 0);
    all.map(|g| {
        let name = &config.activities[g.activity.index()].name;
        format!("{name}: {}; {}", g.of_resource, g.of_core)
    })
    .collect()
}

#[test]
fn the_paper_s_cpu_experiment_gives_50_33_17() {
    let found = lines(include_str!("../../../examples/paper-cpu.xml"), Scope::Threads);
    assert_eq!(
        found,
        ["a: 50.00 %; 50.00 %", "b: 33.00 %; 33.00 %", "c: 17.00 %; 17.00 %"].map(String::from)
    );
}

#[test]
fn resources_take_half_in_the_paper_s_file_experiment() {
    let text = include_str!("../../../examples/paper-files.xml");
    let threads = lines(text, Scope::Threads);
    assert!(threads[0].starts_with("a: 24.99 %"), "{threads:?}");
    let fcr = lines(text, Scope::Resource(ResourceIndex(3)));
    // Infrastructure has half of it; 16.67 of 100.01 of the core.
    assert_eq!(fcr[0], "infrastructure: 50.00 %; 8.33 %");
    assert_eq!(fcr[1], "a: 25.00 %; 4.16 %");
}

#[test]
fn charge_through_counts_the_whole() {
    let text = include_str!("../../../examples/system-call-storm.xml");
    let whole = lines(text, Scope::Whole);
    // 50 are the resource's, and none infrastructure's.
    let expected = ["a: 33.33 %; 33.33 %", "b: 22.00 %; 22.00 %", "c: 11.33 %; 11.33 %"];
    assert_eq!(whole, expected);
    assert_eq!(lines(text, Scope::Threads), expected, "a client's part is of all it uses");
    assert!(lines(include_str!("../../../examples/paper-cpu.xml"), Scope::Whole).is_empty());
}

/// Without threads the activities are the multiplexor's clients all the same: they lend.
#[test]
fn a_whole_is_not_less_than_a_part_and_clients_without_threads_count() {
    let text = "<schedulerconfig>
      <cpumultiplexor tag='m' core='0' algorithm='propshare.wfq' shares='charge-through'/>
      <resourcescheduler resource='resource.fcr' algorithm='propshare.wfq'>
        <cpumultiplexor tag='m' share='70'/> </resourcescheduler>
      <infrastructure share='1'/>
      <activity name='a' share='10'> <entitlement resource='resource.fcr' share='78'/> </activity>
      <activity name='b' share='20'> <entitlement resource='resource.fcr' share='21'/> </activity>
    </schedulerconfig>";
    let (fcr, whole) = (Scope::Resource(ResourceIndex(0)), Scope::Whole);
    let parts = ["infrastructure: 1.00 %; 0.70 %", "a: 78.00 %; 54.60 %", "b: 21.00 %; 14.70 %"];
    assert_eq!(lines(text, fcr), parts);
    assert_eq!(lines(text, whole), ["a: 54.60 %; 54.60 %", "b: 14.70 %; 14.70 %"]);
    let idle = text.replace(
        "tag='m' core='0'",
        "tag='n' core='1' algorithm='propshare.wfq'/>
      <cpumultiplexor tag='m' core='0'",
    );
    let (_, analysis) = analysed(&idle);
    assert!(analysis.guarantees.iter().all(|g| g.core.get() == 0), "nothing runs on core 1");
    assert!(analysis.notes.iter().any(|note| note.text.contains("its turns at 'm'")));
}

#[test]
fn stacked_levels_multiply_and_bytes_are_no_time() {
    let text = include_str!("../../../examples/bus.xml");
    let (_, analysis) = analysed(text);
    let dwr = analysis.guarantees.iter().filter(|g| g.scope == Scope::Resource(ResourceIndex(2)));
    for guarantee in dwr {
        assert_eq!(guarantee.of_core, Level::None(Reason::OtherMetric));
    }
    let in_cycles = text.replace(" metric=\"bytes\"", "");
    let found = lines(&in_cycles, Scope::Resource(ResourceIndex(1)));
    // The bus has 40 %, the disk two thirds of it, the infrastructure half of that.
    assert_eq!(found[0], "infrastructure: 50.00 %; 13.33 %");
}

#[test]
fn priority_and_fifo_say_why_not() {
    let text = "<schedulerconfig>
      <cpumultiplexor tag='m' core='0' algorithm='priority.strict'/>
      <resourcescheduler resource='resource.tcp' algorithm='propshare.wfq'>
        <cpumultiplexor tag='m' priority='0'/> </resourcescheduler>
      <resourcescheduler resource='resource.fcr' algorithm='fifo'>
        <cpumultiplexor tag='m' priority='1'/> </resourcescheduler>
      <activity name='a' share='1'/>
    </schedulerconfig>";
    let tcp = lines(text, Scope::Resource(ResourceIndex(0)));
    assert_eq!(tcp[1], "a: 50.00 %; 50.00 %");
    let fcr = lines(text, Scope::Resource(ResourceIndex(1)));
    let no_shares = Level::None(Reason::NoShares).to_string();
    assert_eq!(fcr[1], format!("a: {no_shares}; {no_shares}"));
    let both = text.replace("priority='1'", "priority='0'");
    let tcp = lines(&both, Scope::Resource(ResourceIndex(0)));
    assert!(tcp[1].contains(&Level::None(Reason::NotHighest).to_string()), "{tcp:?}");
    let (_, analysis) = analysed(text);
    let note = &analysis.notes[0];
    assert_eq!((note.kind, note.place.line), (NoteKind::Unsound, 4), "{note:?}");
}

#[test]
fn entitlements_go_from_the_most_specific_to_the_least() {
    let text = "<schedulerconfig>
      <cpumultiplexor tag='m' core='0' algorithm='propshare.wfq'/>
      <cpumultiplexor tag='n' core='1' algorithm='propshare.wfq'/>
      <resourcescheduler resource='resource.tcp' algorithm='propshare.wfq'>
        <cpumultiplexor tag='m'/> <cpumultiplexor tag='n'/> </resourcescheduler>
      <activity name='a' share='1'> <entitlement resource='resource.tcp' share='2'/>
        <entitlement resource='resource.tcp' core='1' share='3'/> <entitlement core='1' share='4'/>
      </activity>
    </schedulerconfig>";
    let config = parse(text).unwrap();
    let activity = &config.activities[1];
    let at = |resource, core| {
        activity.share_at(resource, vortex_units::CoreId::new(core)).hundredths() / 100
    };
    let tcp = Some(ResourceIndex(0));
    assert_eq!([at(None, 0), at(None, 1), at(tcp, 0), at(tcp, 1)], [1, 4, 2, 3]);
}
