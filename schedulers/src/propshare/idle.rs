//! Debt wears off while a core has nothing to do, under each policy of shares that knows debt.

use crate::testing::Rig;

#[test]
fn idle_time_wears_off_debt_and_earns_nothing() {
    for policy in ["propshare.wfq", "propshare.round-robin", "propshare.stride"] {
        let mut rig = Rig::new(policy, 1_000_000, &[100, 100]);
        rig.ready(0);
        rig.ready(1);
        rig.run(10, &[10, 10]);
        // Both leave, one of them while it is in service.
        for _ in 0..2 {
            let id = rig.next().unwrap();
            rig.charge(id, 10);
        }
        rig.bill(0, 800_000);
        let owed = rig.told(0).debt;
        assert!(owed > 0, "{policy}");
        rig.idle(1_000);
        assert!((1..owed).contains(&rig.told(0).debt), "{policy}: {} of {owed}", rig.told(0).debt);
        rig.idle(5_000_000);
        assert_eq!((rig.told(0).debt, rig.told(0).refuse), (0, false), "{policy}");
        rig.ready(0);
        rig.ready(1);
        let chosen = rig.run(20, &[10, 10]);
        let zeros = chosen.iter().filter(|id| **id == 0).count();
        assert!((9..=11).contains(&zeros), "{policy}: {chosen:?}");
    }
}
