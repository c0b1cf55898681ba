//! Who has come to the cap on debt is refused until half of it is worn off, in all policies of
//! this kind; however little is charged meanwhile.

use crate::testing::Rig;

const POLICIES: [&str; 4] =
    ["propshare.wfq", "propshare.stride", "propshare.round-robin", "propshare.lottery"];

/// Half of the cap of 1,000 is its part of the whole.
const CAP: u64 = 500;

#[test]
fn little_that_comes_meanwhile_ends_nothing() {
    for policy in POLICIES {
        let mut rig = Rig::new(policy, 1_000, &[100, 100]);
        rig.ready(1);
        // Virtual time goes on with what is charged: the cap is come to in steps.
        (0..16).for_each(|_| rig.bill(0, 100_000));
        assert!(rig.told(0).refuse, "{policy}: {:?}", rig.told(0));
        let (mut refused, mut debts) = (0, alloc::vec::Vec::new());
        for _ in 0..1_000 {
            let told = rig.told(0);
            assert!(!told.refuse || told.debt + 20 >= CAP / 2, "{policy}: {told:?}");
            assert!(told.refuse || told.debt <= CAP / 2 + 20, "{policy}: {told:?}");
            debts.push(told.debt);
            refused += u32::from(told.refuse);
            if told.debt == 0 {
                break;
            }
            // Of the two this kind of policy may know one.
            rig.run(1, &[10, 10]);
            rig.idle(20_000);
            rig.bill(0, 1);
        }
        assert!(refused > 10 && !rig.told(0).refuse, "{policy}: {debts:?}");
    }
}
