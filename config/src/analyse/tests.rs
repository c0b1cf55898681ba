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
    let same = |own: Scope| match (own, scope) {
        (Scope::Whole(_), Scope::Whole(_)) => true,
        _ => own == scope,
    };
    let all = analysis.guarantees.iter().filter(|g| same(g.scope) && g.core.get() == 0);
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
    let whole = lines(text, Scope::Whole(None));
    // 50 are the resource's, and none infrastructure's.
    let expected = ["a: 33.33 %; 33.33 %", "b: 22.00 %; 22.00 %", "c: 11.33 %; 11.33 %"];
    assert_eq!(whole, expected);
    assert_eq!(lines(text, Scope::Threads), expected, "a client's part is of all it uses");
    assert!(lines(include_str!("../../../examples/paper-cpu.xml"), Scope::Whole(None)).is_empty());
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
    let (fcr, whole) = (Scope::Resource(ResourceIndex(0)), Scope::Whole(None));
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
    // Who is alone before all others has all that it divides.
    let (_, analysis) = analysed(text);
    assert!(analysis.notes.iter().all(|note| note.place.line != 4), "{:?}", analysis.notes);
    let (_, analysis) = analysed(&both);
    let note = &analysis.notes[0];
    assert_eq!((note.kind, note.place.line), (NoteKind::Unsound, 4), "{note:?}");
    // Threads are beside it: before them it would leave them nothing.
    assert_eq!(note.right.as_deref(), Some("propshare.wfq at 'm'"));
}

/// The faults of a file: the line, what is wrong, what would be sound.
fn faults(text: &str) -> Vec<(u32, String, String)> {
    let (_, analysis) = analysed(text);
    let faults = analysis.notes.into_iter().filter(|note| note.kind == NoteKind::Unsound);
    faults.map(|note| (note.place.line, note.text, note.right.unwrap())).collect()
}

/// A file for four cores, this in it.
fn four(activity: &str, more: &str) -> String {
    let cores: Vec<_> = (0..4).collect();
    let of = |each: fn(u16) -> String| cores.iter().map(|core| each(*core)).collect::<String>();
    let multiplexors = of(|core| {
        format!("<cpumultiplexor tag='m{core}' core='{core}' algorithm='propshare.wfq'/>")
    });
    let draws = of(|core| format!("<cpumultiplexor tag='m{core}'/>"));
    format!(
        "<schedulerconfig>{multiplexors}
      <resourcescheduler resource='resource.thread' algorithm='propshare.round-robin'>
      {draws} {more} </resourcescheduler>
      {activity} <activity name='b' share='40'/>
    </schedulerconfig>"
    )
}

#[test]
fn weights_of_more_cores_than_can_be_used_are_found() {
    // 60 of 100 on each of four cores are 240 %, and one thread uses 100.
    let own =
        |limits: &str| four(&format!("<activity name='a' share='60'>{limits}</activity>"), "");
    let found = faults(&own("<limits threads='1'/>"));
    let [(4, what, right)] = &found[..] else { panic!("{found:?}") };
    assert!(what.starts_with("'a' is promised 240.00 % of a core on 4 cores"), "{what}");
    // With 13.33 of 53.33 it has a quarter of each.
    assert_eq!(right, "room for 3 threads, or a share of at most 13.33");
    let with = |share: &str| own("<limits threads='1'/>").replace("share='60'", share);
    assert_eq!(faults(&with("share='13.33'")), []);
    assert_eq!(faults(&with("share='13.35'")).len(), 1);
    assert_eq!(faults(&own("<limits threads='3'/>")), []);
    assert_eq!(
        faults(&own("<limits threads='2'/>"))[0].2,
        "room for 3 threads, or a share of at most 40"
    );
    assert_eq!(faults(&own("")), []);
    // By shares of single cores.
    let one = "<entitlement core='0' share='4000'/> <entitlement core='1' share='4000'/>
        <limits threads='1'/>";
    let found = faults(&own(one));
    let [(4, what, right)] = &found[..] else { panic!("{found:?}") };
    assert!(what.contains("is promised 318.01 %"), "{what}");
    assert_eq!(right, "room for 4 threads");
    // By what is reserved.
    let reserved = "<entitlement core='0' reservation='90 %'/>
        <entitlement core='1' reservation='90 %'/> <limits threads='1'/>";
    let text = own(reserved).replace("share='60'", "share='1'");
    let found = faults(&text.replace("propshare.wfq", "deadline.cbs"));
    assert!(found.iter().any(|(line, what, _)| *line == 4 && what.contains("'a' is")), "{found:?}");
}

#[test]
fn threads_that_are_all_bound_to_one_core_cannot_use_the_others() {
    let activity = "<activity name='a' share='60'/>";
    let found = faults(&four(activity, "<loadsharing core='2'> fixed </loadsharing>"));
    let [(2, what, right)] = &found[..] else { panic!("{found:?}") };
    assert!(what.contains("bound to core 2") && what.contains("core 0, core 1, core 3"), "{what}");
    assert!(right.contains("on core 2 alone"), "{right}");
    assert_eq!(faults(&four(activity, "<loadsharing> fewest-bound </loadsharing>")), []);
}

#[test]
fn more_reserved_of_a_resource_than_it_has_itself_is_found() {
    let text = |share: &str, reservation: &str| {
        format!(
            "<schedulerconfig>
      <cpumultiplexor tag='m' core='0' algorithm='propshare.wfq' shares='paper'/>
      <resourcescheduler resource='resource.tcp' algorithm='deadline.cbs'>
        <cpumultiplexor tag='m' share='{share}'/> </resourcescheduler>
      <resourcescheduler resource='resource.fcr' algorithm='propshare.wfq'>
        <cpumultiplexor tag='m' share='75'/> </resourcescheduler>
      <activity name='a' share='1'>
        <entitlement resource='resource.tcp' reservation='{reservation}'/> </activity>
    </schedulerconfig>"
        )
    };
    assert_eq!(faults(&text("25", "25 %")), []);
    let found = faults(&text("25", "25.01 %"));
    let [(3, what, right)] = &found[..] else { panic!("{found:?}") };
    assert!(what.contains("25.01 % of core 0's time") && what.contains("of 25.00 %"), "{what}");
    assert!(right.starts_with("reservations of 25.00 % together"), "{right}");
    let first =
        text("25", "1 %").replace("algorithm='propshare.wfq' shares='paper'", "algorithm='fifo'");
    let first = first.replace("share='25'", "").replace("share='75'", "");
    let found = faults(&first);
    assert!(
        found.iter().any(|(line, what, _)| *line == 3 && what.contains("of 0.00 %")),
        "{found:?}"
    );
}

/// Reservations are of the core, shares divide what they leave of the resource's part.
#[test]
fn shares_divide_what_is_left_of_a_part_beside_reservations() {
    let text = |policy: &str| {
        format!(
            "<schedulerconfig>
      <cpumultiplexor tag='m' core='0' algorithm='propshare.wfq' shares='paper'/>
      <resourcescheduler resource='resource.tcp' algorithm='{policy}'>
        <cpumultiplexor tag='m' share='25'/> </resourcescheduler>
      <resourcescheduler resource='resource.fcr' algorithm='propshare.wfq'>
        <cpumultiplexor tag='m' share='75'/> </resourcescheduler>
      <infrastructure share='10'/>
      <activity name='a' share='10'>
        <entitlement resource='resource.tcp' reservation='20 %'/> </activity>
      <activity name='b' share='20'/>
    </schedulerconfig>"
        )
    };
    let tcp = Scope::Resource(ResourceIndex(0));
    // A quarter, and half, of 5.
    let rest = lines(&text("deadline.cbs"), tcp);
    assert_eq!(rest[1..], ["a: 40.00 %; 21.25 %", "b: 10.00 %; 2.50 %"]);
    // The least of a's is where 20 % of the core are a quarter: 80, of which it has 25.
    let least = lines(&text("reserve.mclock"), tcp);
    assert_eq!(least[1..], ["a: 24.99 %; 20.00 %", "b: 10.00 %; 2.50 %"]);
    // More than there is: nothing is certain.
    let over = text("deadline.cbs").replace("20 %", "26 %");
    let none = Level::None(Reason::Overbooked);
    assert_eq!(lines(&over, tcp)[1], format!("a: {none}; {none}"));
    // Who is limited has what is reserved.
    let over = text("reserve.mclock").replace("'20 %'", "'20 %' limit='30 %'");
    assert_eq!(lines(&over, tcp)[1], "a: 20.00 %; 20.00 %");
}

#[test]
fn more_reserved_than_a_bus_lets_through_is_found() {
    let text = |rate: &str| {
        format!(
            "<schedulerconfig>
      <cpumultiplexor tag='m' core='0' algorithm='propshare.wfq'/>
      <scheduler tag='bus' algorithm='propshare.wfq' metric='bytes' limit='4 MB/s'>
        <cpumultiplexor tag='m'/> </scheduler>
      <resourcescheduler resource='resource.drwr' algorithm='reserve.mclock' metric='bytes'>
        <scheduler tag='bus'/> </resourcescheduler>
      <resourcescheduler resource='resource.dwr' algorithm='reserve.mclock' metric='bytes'>
        <scheduler tag='bus'/> </resourcescheduler>
      <activity name='a'> <entitlement resource='resource.drwr' reservation='3 MB/s'/>
        <entitlement resource='resource.dwr' reservation='{rate}'/> </activity>
    </schedulerconfig>"
        )
    };
    let carried = |text: &str| faults(text).into_iter().find(|(line, ..)| *line == 3);
    assert_eq!(carried(&text("1 MB/s")), None);
    let (_, what, right) = carried(&text("2 MB/s")).unwrap();
    assert!(what.contains("5 MB/s are reserved beneath 'bus'"), "{what}");
    assert!(right.contains("a limit of 5 MB/s"), "{right}");
}

#[test]
fn deadlines_in_whatever_time_there_is_are_none() {
    let text = |below: &str, draw: &str| {
        format!(
            "<schedulerconfig>
      <cpumultiplexor tag='m' core='0' algorithm='{below}'/>
      <resourcescheduler resource='resource.tcp' algorithm='deadline.edf'>
        <cpumultiplexor tag='m' {draw}/> </resourcescheduler>
      <resourcescheduler resource='resource.fcr' algorithm='fifo'>
        <cpumultiplexor tag='m' {after}/> </resourcescheduler>
      <activity name='a' {own}/>
    </schedulerconfig>",
            after = draw.replace('0', "1"),
            own = if draw.is_empty() { "" } else { "priority='1'" },
        )
    };
    // Nor over others' deadlines: a multiplexor knows those of activities alone.
    for below in ["propshare.wfq", "deadline.cbs"] {
        let text = text(below, "");
        let text = text.replace("<activity name='a' ", "<activity name='a' share='1' ");
        let found = faults(&text);
        assert!(
            matches!(&found[..], [(4, what, right)] if what.contains("deadlines at 'resource.tcp'")
                && right.starts_with("deadline.cbs at 'resource.tcp', with")),
            "{found:?}"
        );
    }
    let found = faults(&text("deadline.edf", ""));
    assert!(found[0].2.contains("and propshare.wfq at 'm'"), "{found:?}");
    let first = faults(&text("priority.strict", "priority='0'"));
    assert!(first.iter().all(|(line, ..)| *line != 4), "{first:?}");
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
