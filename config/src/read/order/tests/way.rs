use super::*;

/// The monitor's activity gives orders; a bus carries them.
const WAY: &str = "<schedulerconfig>
  <cpumultiplexor tag='m0' core='0' algorithm='propshare.wfq' shares='paper'/>
  <cpumultiplexor tag='m1' core='1' algorithm='priority.strict'/>
  <scheduler tag='card' algorithm='propshare.wfq' metric='bytes' limit='4 MB/s'>
    <cpumultiplexor tag='m0' share='20'/> </scheduler>
  <scheduler tag='disk' algorithm='propshare.wfq' metric='bytes' limit='4 MB/s'>
    <cpumultiplexor tag='m0' share='20'/> </scheduler>
  <resourcescheduler resource='resource.dwr' algorithm='reserve.mclock' metric='bytes'>
    <scheduler tag='card' share='30'/> </resourcescheduler>
  <resourcescheduler resource='resource.drwr' algorithm='reserve.mclock' metric='bytes'>
    <scheduler tag='disk' share='30'/> </resourcescheduler>
  <resourcescheduler resource='resource.tcp' algorithm='reserve.mclock'>
    <cpumultiplexor tag='m0' share='30'/> <cpumultiplexor tag='m1'/> </resourcescheduler>
  <resourcescheduler resource='resource.fcr' algorithm='priority.strict' metric='requests'>
    <cpumultiplexor tag='m0' share='30'/> <cpumultiplexor tag='m1'/> </resourcescheduler>
  <infrastructure share='100'/>
  <activity name='shop' share='50'/>
  <activity name='watch' share='5' control='all'/>
</schedulerconfig>";

#[test]
fn no_order_makes_the_way_of_orders_unusable() {
    let own = parse(WAY).unwrap();
    for (text, part) in [
        ("activity=watch; at=dwr; limit=1 B/s", "by 'watch' orders come, which this would keep"),
        ("activity=watch; at=dwr; limit=99999 B/s", "at least 100 KB/s, or none"),
        ("activity=watch; at=tcp; limit=0.9 %", "at least 1 %, or none"),
        ("activity=infrastructure; at=dwr; limit=1 B/s", "by 'infrastructure' orders come"),
        ("activity=watch; at=drwr; limit=1 B/s", "by 'watch' orders come"),
        ("at=card; limit=1 B/s", "by 'card' orders come"),
        ("activity=shop; at=dwr; reservation=4 MB/s", "of which 100 KB/s are for orders"),
        ("activity=shop; at=all; share=1000000", "'watch', by which orders come, would have less"),
        ("activity=watch; at=cpu; share=0.01; core=0", "than a thousandth at the processors on"),
        ("activity=infrastructure; at=tcp; share=0.01", "'infrastructure', by which orders come"),
        ("at=tcp; share=0.01; core=0", "'resource.tcp', by which orders come"),
        ("at=disk; share=1000000", "would have less than a thousandth"),
        ("activity=watch; at=cpu; core=1; priority=1", "would go before 'watch' at the processors"),
        ("activity=watch; at=all; priority=1", "would go before 'watch' at the processors on"),
        ("at=tcp; priority=1; core=1", "would go before 'resource.tcp'"),
    ] {
        match judged(&own, text) {
            Err(Refusal::Held(why) | Refusal::Full(why)) if why.contains(part) => {}
            other => panic!("{text}: {other:?}"),
        }
    }
    for text in [
        "activity=watch; at=dwr; limit=100 KB/s",
        "activity=watch; at=tcp; limit=1 %",
        "activity=watch; at=fcr; priority=9",
        "activity=shop; at=dwr; limit=1 B/s",
        "activity=shop; at=dwr; reservation=3900 KB/s",
        "activity=shop; at=drwr; reservation=4 MB/s",
        "activity=shop; at=all; share=4000",
        "activity=shop; at=all; priority=1",
        "activity=watch; at=all; share=1; priority=0",
        "at=card; limit=100 KB/s",
        "at=disk; limit=1 B/s",
        "at=tcp; share=1; core=0",
        "at=fcr; priority=9; core=1",
        "at=fcr; policy=fifo",
    ] {
        judged(&own, text).unwrap_or_else(|why| panic!("{text}: {why:?}"));
    }
    // With another policy they stand otherwise.
    let mut own = own;
    carried_out(&mut own, "at=tcp; policy=priority.strict");
    carried_out(&mut own, "activity=shop; at=tcp; priority=2");
    carried_out(&mut own, "activity=watch; at=tcp; priority=2");
    let why = judged(&own, "activity=shop; at=tcp; priority=1").unwrap_err();
    assert!(why.text().contains("no less than 2"), "{why:?}");
}

#[test]
fn what_a_file_says_of_the_way_is_no_reason_to_refuse_an_order() {
    let low = "<activity name='watch' share='0.01' priority='7'";
    let own = parse(&WAY.replace("<activity name='watch' share='5'", low)).unwrap();
    for text in [
        "activity=watch; at=all; share=0.02",
        "activity=shop; at=all; share=40",
        "activity=shop; at=cpu; core=1; priority=3",
        "activity=watch; at=all; priority=6",
        "at=tcp; policy=priority.strict",
    ] {
        let judged = judged(&own, text);
        let is_exchange = text.contains("policy");
        assert_eq!(judged.is_ok(), !is_exchange, "{text}: {judged:?}");
    }
}

#[test]
fn an_order_beside_very_many_activities_is_judged_in_steps() {
    let activities: String =
        (0..5_000).map(|number| format!("<activity name='a{number}' share='0.01'/>")).collect();
    let own = parse(&WAY.replace("</schedulerconfig>", &(activities + "</schedulerconfig>")));
    let own = own.unwrap();
    for text in ["activity=shop\nat=all\nshare=60", "at=tcp\npolicy=propshare.wfq"] {
        let mut judging = order(&own, &Known::default(), text).unwrap();
        let mut steps = 1;
        while !judging.step(&own, 500).unwrap() {
            steps += 1;
        }
        assert!(steps > 20, "{text}: {steps}");
    }
    let why = judged(&own, "activity=x; at=tcp; share=1").unwrap_err();
    assert!(why.text().len() < 200 && why.text().ends_with("and 4991 others"), "{why:?}");
}

#[test]
fn who_was_before_the_way_already_lets_nobody_else_pass() {
    let text = WAY
        .replace("<infrastructure share='100'/>", "<infrastructure share='100' priority='5'/>")
        .replace("name='shop' share='50'", "name='shop' share='50' priority='9'")
        .replace("name='watch' share='5'", "name='watch' share='0.02' priority='6'")
        .replace(
            "<activity name='shop'",
            "<activity name='rt' priority='1'/> <activity name='shop'",
        );
    let own = parse(&text).unwrap();
    for (text, part) in [
        ("activity=shop; at=cpu; priority=2; core=1", "'shop' would go before '"),
        ("activity=shop; at=cpu; priority=5; core=1", "no less than 6"),
        ("activity=shop; at=all; priority=2", "'shop' would go before '"),
        ("activity=watch; at=cpu; priority=10; core=1", "'shop' would go before 'watch'"),
        ("activity=infrastructure; at=all; priority=10", "before 'infrastructure'"),
        // Neither is one with too little by the file a reason to take from another.
        ("activity=infrastructure; at=tcp; share=0.02", "'infrastructure', by which orders come"),
    ] {
        match judged(&own, text) {
            Err(Refusal::Held(why)) if why.contains(part) => {}
            other => panic!("{text}: {other:?}"),
        }
    }
    for text in [
        "activity=shop; at=cpu; priority=6; core=1",
        "activity=rt; at=cpu; priority=4; core=1",
        "activity=rt; at=cpu; priority=0; core=1",
        "activity=infrastructure; at=cpu; priority=9; core=1",
        "activity=watch; at=all; priority=2",
    ] {
        judged(&own, text).unwrap_or_else(|why| panic!("{text}: {why:?}"));
    }
}

/// Two resources beneath one bus, one of which carries orders.
fn one_bus() -> Config {
    parse(&WAY.replace("<scheduler tag='disk' share='30'/>", "<scheduler tag='card' share='100'/>"))
        .unwrap()
}

#[test]
fn beneath_a_scheduler_between_others_orders_come_too() {
    let mut own = one_bus();
    for (text, part) in [
        ("at=dwr; share=0.01", "'resource.dwr', by which orders come, would have less than a thou"),
        ("at=drwr; share=1000000", "'resource.dwr', by which orders come, would have less"),
    ] {
        match judged(&own, text) {
            Err(Refusal::Held(why)) if why.contains(part) && why.contains("beneath 'card'") => {}
            other => panic!("{text}: {other:?}"),
        }
    }
    judged(&own, "at=dwr; share=3").unwrap();
    carried_out(&mut own, "at=drwr; share=none");
    carried_out(&mut own, "at=dwr; share=none");
    carried_out(&mut own, "at=card; policy=priority.strict");
    let why = judged(&own, "at=dwr; priority=5").unwrap_err();
    assert!(
        why.text().contains("'resource.drwr' would go before 'resource.dwr' beneath"),
        "{why:?}"
    );
    carried_out(&mut own, "at=drwr; priority=5");
    carried_out(&mut own, "at=dwr; priority=5");
    let why = judged(&own, "at=drwr; priority=4").unwrap_err();
    assert!(why.text().contains("no less than 5"), "{why:?}");
}

#[test]
fn beneath_a_bus_what_a_file_says_is_no_reason_either() {
    let text = WAY
        .replace("<scheduler tag='disk' share='30'/>", "<scheduler tag='card' share='1000'/>")
        .replace("<scheduler tag='card' share='30'/>", "<scheduler tag='card' share='0.5'/>")
        .replace("tag='card' algorithm='propshare.wfq'", "tag='card' algorithm='propshare.stride'");
    let own = parse(&text).unwrap();
    judged(&own, "at=card; policy=propshare.wfq").unwrap();
    judged(&own, "at=dwr; share=0.6").unwrap();
    let why = judged(&own, "at=dwr; share=0.4").unwrap_err();
    assert!(why.text().contains("beneath 'card'"), "{why:?}");
}

#[test]
fn under_charge_through_a_resource_of_the_way_keeps_its_own_share() {
    // Packets whose owner is not known yet run on it alone.
    let text = WAY.replace(" shares='paper'", "").replace(
        "<infrastructure",
        "<resourcescheduler resource='resource.ndrr' algorithm='propshare.wfq' metric='bytes'>
           <cpumultiplexor tag='m0' share='100'/> </resourcescheduler> <infrastructure",
    );
    let own = parse(&text).unwrap();
    for (text, part) in [
        ("at=ndrr; share=0.01; core=0", "'resource.ndrr', by which orders come, would have less"),
        ("activity=shop; at=cpu; share=1000000; core=0", "would have less than a thousandth"),
        ("at=fcr; share=1000000; core=0", "would have less than a thousandth"),
    ] {
        match judged(&own, text) {
            Err(Refusal::Held(why)) if why.contains(part) => {}
            other => panic!("{text}: {other:?}"),
        }
    }
    for text in ["at=ndrr; share=1; core=0", "at=fcr; share=0.01; core=0"] {
        judged(&own, text).unwrap_or_else(|why| panic!("{text}: {why:?}"));
    }
    // What an unnamed one has usually, and a written one without a share, is no reason.
    let none = text.replace("tag='m0' share='100'", "tag='m0'").replace("'50'", "'950'");
    let mut small = parse(&none).unwrap();
    carried_out(&mut small, "activity=shop; at=all; share=960");
    carried_out(&mut small, "at=ndrr; share=30; core=0");
    let why = judged(&small, "at=ndrr; share=none; core=0").unwrap_err();
    assert!(why.text().contains("'resource.ndrr', by which"), "{why:?}");
    // Beside the activities by which they come, and whose shares are large enough.
    let large = text.replace("name='watch' share='5'", "name='watch' share='9000'");
    let own = parse(&large).unwrap();
    let why = judged(&own, "activity=shop; at=cpu; share=30000; core=0").unwrap_err();
    assert!(why.text().contains("'resource.dwr'") || why.text().contains("'card'"), "{why:?}");
}

#[test]
fn orders_are_served_in_time() {
    let text = WAY
        .replace(
            "resource.tcp' algorithm='reserve.mclock'",
            "resource.tcp' algorithm='deadline.edf'",
        )
        .replace("core='0' algorithm='propshare.wfq'", "core='0' algorithm='deadline.cbs'")
        .replace("<scheduler tag='disk' share='30'/>", "<scheduler tag='disk'/>");
    let own = parse(&text).unwrap();
    for text in [
        "activity=watch; at=tcp; period=60 s",
        "activity=infrastructure; at=tcp; period=1001 ms; core=1",
        "activity=watch; at=cpu; period=2 s; core=0",
        "at=tcp; policy=deadline.edf; param.period=3600000000",
        "at=tcp; policy=priority.multilevel; param.patience=1000001",
        "at=card; policy=priority.multilevel; param.patience=60000000",
        "at=cpu; core=0; policy=deadline.cbs; param.period=60000000",
    ] {
        match judged(&own, text) {
            Err(Refusal::Held(why)) if why.contains("from coming in time: expected") => {}
            other => panic!("{text}: {other:?}"),
        }
    }
    for text in [
        "activity=watch; at=tcp; period=1 s",
        "activity=shop; at=tcp; period=60 s",
        "activity=watch; at=tcp; period=none",
        "at=tcp; policy=deadline.edf; param.period=1000000",
        "at=fcr; policy=deadline.edf; param.period=3600000000",
        "at=disk; policy=priority.multilevel; param.patience=60000000",
    ] {
        judged(&own, text).unwrap_or_else(|why| panic!("{text}: {why:?}"));
    }
    // What a file says may become better, and what would come of a file's not by an order.
    let slow = "algorithm='deadline.edf'> <param name='period'>60000000</param>";
    let mut own = parse(&text.replace("algorithm='deadline.edf'>", slow)).unwrap();
    carried_out(&mut own, "activity=watch; at=tcp; period=30 s");
    carried_out(&mut own, "activity=watch; at=tcp; period=1 s");
    assert!(judged(&own, "activity=watch; at=tcp; period=none").is_err());
}

#[test]
fn what_comes_from_the_network_is_not_limited_by_the_infrastructures_limit() {
    let limited = "<infrastructure share='100'> <entitlement resource='resource.tcp' core='0'
                   limit='2 %'/> </infrastructure>";
    let text = WAY.replace("<infrastructure share='100'/>", limited).replace(
        "<infrastructure",
        "<resourcescheduler resource='resource.ndrr' algorithm='reserve.mclock' metric='bytes'>
           <cpumultiplexor tag='m0' share='100'/> </resourcescheduler> <infrastructure",
    );
    let own = parse(&text).unwrap();
    for text in [
        "activity=infrastructure; at=ndrr; limit=100 KB/s",
        "activity=infrastructure; at=ndrr; limit=1 GB/s",
        "activity=infrastructure; at=tcp; limit=50 %",
        "activity=infrastructure; at=tcp; limit=1 %; core=0",
    ] {
        match judged(&own, text) {
            Err(Refusal::Held(why)) if why.contains("comes by 'infrastructure' at") => {}
            other => panic!("{text}: {other:?}"),
        }
    }
    for text in [
        "activity=infrastructure; at=tcp; limit=3 %; core=0",
        "activity=infrastructure; at=tcp; limit=none",
        "activity=infrastructure; at=dwr; limit=100 KB/s",
        "activity=watch; at=ndrr; limit=100 KB/s",
    ] {
        judged(&own, text).unwrap_or_else(|why| panic!("{text}: {why:?}"));
    }
}

#[test]
fn a_limited_bus_carries_what_orders_take_beside_the_others() {
    // By its share DWR has 30 of 130 of it.
    let mut own = one_bus();
    let why = judged(&own, "at=card; limit=433333 B/s").unwrap_err();
    assert!(why.text().contains("limit of at least 433334 a second there"), "{why:?}");
    carried_out(&mut own, "at=card; limit=433334 B/s");
    let why = judged(&own, "at=drwr; share=101").unwrap_err();
    assert!(why.text().contains("by 'resource.dwr', beneath 'card', orders come"), "{why:?}");
    judged(&own, "at=dwr; share=29").unwrap_err();
    judged(&own, "at=drwr; share=99").unwrap();
    carried_out(&mut own, "at=card; limit=none");
    carried_out(&mut own, "at=drwr; share=200");
    // What a file says may become better.
    let text =
        WAY.replace("<scheduler tag='disk' share='30'/>", "<scheduler tag='card' share='9'/>");
    let text = text.replace(
        "tag='card' algorithm='propshare.wfq' metric='bytes' limit='4 MB/s'",
        "tag='card' algorithm='propshare.wfq' metric='bytes' limit='120 KB/s'",
    );
    let own = parse(&text).unwrap();
    judged(&own, "at=card; limit=121 KB/s").unwrap();
    judged(&own, "at=card; limit=119 KB/s").unwrap_err();
    judged(&own, "at=drwr; share=8").unwrap();
}

#[test]
fn what_is_everywhere_is_judged_on_every_core() {
    let other = |cores: &[u16], said: &str| {
        let draws = |core: u16| format!("<cpumultiplexor tag='m{core}' share='30'/>");
        let more = |core: u16| {
            format!("<cpumultiplexor tag='m{core}' core='{core}' algorithm='propshare.wfq'/>")
        };
        let (more, draws): (String, String) =
            ((2..5).map(more).collect(), (2..5).map(draws).collect());
        let row = |core| format!("<entitlement resource='resource.tcp' core='{core}' {said}/>");
        let rows: String = cores.iter().map(row).collect();
        let activity = format!("<activity name='watch' share='5' control='all'>{rows}</activity>");
        let text = WAY.replace("<scheduler tag='card' alg", &(more + "<scheduler tag='card' alg"));
        let text = text.replace(
            "<cpumultiplexor tag='m1'/> </resourcescheduler>
  <resourcescheduler resource='resource.fcr'",
            &format!(
                "<cpumultiplexor tag='m1'/> {draws} </resourcescheduler>
  <resourcescheduler resource='resource.fcr'"
            ),
        );
        text.replace("<activity name='watch' share='5' control='all'/>", &activity)
    };
    let share = "activity=shop; at=all; share=2000";
    judged(&parse(&other(&[], "")).unwrap(), share).unwrap();
    judged(&parse(&other(&[1, 3], "share='5'")).unwrap(), share).unwrap();
    for core in 0..5 {
        let why = judged(&parse(&other(&[core], "share='1'")).unwrap(), share).unwrap_err();
        let at = format!("would have less than a thousandth at resource.tcp on core {core}");
        assert!(why.text().contains(&at), "{why:?}");
    }
    // What is not said of the first core is looked at on one of the others.
    let on = |core: u16| format!("<entitlement core='{core}' share='5'/>");
    let on: String = [0, 2, 3, 4].into_iter().map(on).collect();
    let few = "name='watch' share='0.05' control='all'>
               <entitlement resource='resource.dwr' share='5'/>";
    let text = other(&[0, 1], "share='5'");
    let text = text.replace("name='watch' share='5' control='all'>", &(String::from(few) + &on));
    let why = judged(&parse(&text).unwrap(), "activity=shop; at=all; share=60").unwrap_err();
    assert!(why.text().contains("thousandth at resource.tcp on core 2"), "{why:?}");
}
