extern crate std;

use vortex_units::Rate;

use super::*;

const FILE: &str = "<schedulerconfig>
  <cpumultiplexor tag='m0' core='0' algorithm='propshare.wfq'/>
  <cpumultiplexor tag='m1' core='1' algorithm='deadline.cbs'/>
  <scheduler tag='bus' algorithm='propshare.wfq' metric='bytes' limit='4 MB/s'>
    <cpumultiplexor tag='m0' share='20'/> </scheduler>
  <resourcescheduler resource='resource.drwr' algorithm='propshare.wfq' metric='bytes'>
    <scheduler tag='bus' share='30'/> </resourcescheduler>
  <activity name='a' share='50'/>
</schedulerconfig>";

fn live() -> Live {
    let config = vortex_config::parse(FILE).unwrap();
    let frequency = Frequency::megahertz(1_000);
    let limits = config.schedulers.iter().map(|bus| limit_of(bus, frequency)).collect();
    let cores = || Vec::from([CoreId::new(0), CoreId::new(1)]);
    let grid = Vec::from([
        ("resource.drwr".to_string(), Class(0), cores()),
        ("resource.tcp".to_string(), Class(77), cores()),
    ]);
    Live::new(config, grid, limits, frequency)
}

/// What comes of an order in the end.
fn judge(live: &mut Live, order: &str) -> Result<(Change, Vec<Deed>), Refusal> {
    let mut ordered = Ordered::default();
    loop {
        if let Some(done) = live.step(order, &mut ordered)? {
            return Ok(done);
        }
    }
}

fn judged(live: &mut Live, order: &str) -> Vec<Deed> {
    let (change, deeds) = judge(live, &order.replace("; ", "\n")).unwrap();
    live.keep(&change, Cycles::ZERO);
    deeds
}

#[test]
fn an_order_becomes_what_the_grid_is_to_do() {
    let mut live = live();
    let deeds = judged(&mut live, "activity=a; at=cpu; core=1; reservation=25 %");
    let [Deed::Grant(1, Reach::On(MULTIPLEXOR, core), terms)] = &deeds[..] else { panic!() };
    assert_eq!((core.get(), terms.share), (1, None));
    // Cycles of this clock.
    assert_eq!(terms.reservation, Some(Some(Rate::new(250_000_000))));
    // One that the file does not name has its own class, and can be anything.
    let deeds = judged(&mut live, "at=tcp; policy=reserve.mclock; param.burst=10");
    let [Deed::Renew(Site::Resource(Class(77)), None, _)] = &deeds[..] else { panic!() };
    let deeds = judged(&mut live, "activity=a; at=tcp; limit=10 %");
    let [Deed::Grant(1, Reach::At(Class(77)), terms)] = &deeds[..] else { panic!() };
    assert_eq!(terms.limit, Some(Some(Rate::new(100_000_000))));
    let deeds = judged(&mut live, "at=cpu; policy=hierarchy; core=0");
    let [Deed::Renew(Site::Multiplexors, Some(core), _)] = &deeds[..] else { panic!() };
    assert_eq!(core.get(), 0);
    let deeds = judged(&mut live, "at=tcp; share=7");
    let standing = Standing { share: Share::from_units(7).unwrap(), priority: 0 };
    let on = |deed: &Deed| match deed {
        Deed::Stand(Site::Resource(Class(77)), Some(core), own) if *own == standing => core.get(),
        _ => panic!(),
    };
    assert_eq!(deeds.iter().map(on).collect::<Vec<_>>(), [0, 1]);
    // What is said no more is as it was where nothing was said.
    let deeds = judged(&mut live, "at=tcp; share=none; core=1");
    let [Deed::Stand(_, Some(_), own)] = &deeds[..] else { panic!() };
    assert_eq!(own.share, Share::from_units(UNNAMED).unwrap());
    let deeds = judged(&mut live, "at=bus; share=7");
    let [Deed::Stand(Site::Bus(0), None, own)] = &deeds[..] else { panic!() };
    assert_eq!(*own, standing);
    let deeds = judged(&mut live, "at=drwr; share=7");
    let [Deed::Stand(Site::Resource(Class(0)), None, own)] = &deeds[..] else { panic!() };
    assert_eq!(*own, standing);
    for order in ["at=bus; limit=none", "at=bus; limit=3 MB/s", "at=bus; policy=propshare.stride"] {
        let deeds = judged(&mut live, order);
        let [Deed::Renew(Site::Bus(0), None, _)] = &deeds[..] else { panic!("{order}") };
    }
    assert!(live.limits[0].is_some());
    judged(&mut live, "at=bus; limit=none");
    assert!(live.limits[0].is_none());
}

#[test]
fn what_a_policy_does_not_take_is_refused_and_changes_nothing() {
    let mut live = live();
    let before = live.config.clone();
    for (order, part) in [
        ("at=tcp\npolicy=reserve.mclock\nparam.burst=many", "'burst' is 'many'"),
        ("at=fcr\npolicy=fifo", "there is no scheduler 'fcr'"),
        ("activity=a\nat=cpu\ncore=1\nreservation=96 %", "at most 95.00 % is left"),
    ] {
        let Err(why) = judge(&mut live, order) else { panic!("{order}") };
        assert!(why.text().contains(part), "{order}: {why:?}");
    }
    assert_eq!(live.config, before);
}

#[test]
fn shares_and_priorities_are_an_orders_as_all_else_is() {
    let mut live = live();
    let own = |deeds: Vec<Deed>| match &deeds[..] {
        [Deed::Grant(1, reach, terms)] => (*reach, *terms),
        _ => panic!("{}", deeds.len()),
    };
    let (reach, terms) = own(judged(&mut live, "activity=a; at=all; share=7"));
    assert_eq!((reach, terms.share), (Reach::Everywhere, Share::from_units(7).ok()));
    assert!(live.step("activity=a\nat=all\npriority=7", &mut Ordered::default()).is_err());
    judged(&mut live, "at=tcp; policy=priority.strict");
    let (reach, terms) = own(judged(&mut live, "activity=a; at=tcp; priority=3"));
    assert_eq!((reach, terms.priority, terms.share), (Reach::At(Class(77)), Some(3), None));
    let (_, terms) = own(judged(&mut live, "activity=a; at=cpu; share=3; core=0"));
    assert_eq!(terms.share, Share::from_units(3).ok());
    let (reach, terms) = own(judged(&mut live, "activity=a; at=cpu; core=0; share=none"));
    let zero = CoreId::new(0);
    assert_eq!((reach, terms.share), (Reach::On(MULTIPLEXOR, zero), Share::from_units(7).ok()));
}

#[test]
fn an_order_is_judged_anew_where_another_came_before_it() {
    let mut live = live();
    let (text, mut ordered) = ("activity=a\nat=cpu\ncore=1\nreservation=60 %", Ordered::default());
    assert!(live.step(text, &mut ordered).unwrap().is_none());
    judged(&mut live, "activity=infrastructure; at=cpu; core=1; reservation=50 %");
    let why = loop {
        match live.step(text, &mut ordered) {
            Ok(None) => {}
            Ok(Some(_)) => panic!("more is reserved than there is"),
            Err(why) => break why,
        }
    };
    assert!(why.text().contains("at most 45.00 % is left"), "{why:?}");
}
