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

fn judged(live: &mut Live, order: &str) -> Vec<Deed> {
    let (change, deeds) = live.judge(&order.replace("; ", "\n")).unwrap();
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
    let deeds = judged(&mut live, "at=bus; share=7");
    let [Deed::Stand(Site::Bus(0), None, own)] = &deeds[..] else { panic!() };
    assert_eq!(*own, standing);
    let deeds = judged(&mut live, "at=drwr; share=7");
    let [Deed::Stand(Site::Resource(Class(0)), None, own)] = &deeds[..] else { panic!() };
    assert_eq!(*own, standing);
    for order in ["at=bus; limit=none", "at=bus; limit=3 MB/s", "at=bus; policy=fifo"] {
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
        let Err(why) = live.judge(order) else { panic!("{order}") };
        assert!(why.text().contains(part), "{order}: {why:?}");
    }
    assert_eq!(live.config, before);
}
