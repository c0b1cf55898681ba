extern crate std;

use std::format;

use vortex_grid::policy::{InitError, Metric, Params};

use super::*;

fn params() -> Params {
    let mut params = Params::new(Metric::Cycles, 1_000);
    params.frequency = Some(vortex_grid::Frequency::megahertz(1));
    params
}

#[test]
fn every_policy_listed_can_be_made() {
    for policy in POLICIES {
        assert!(make(policy.name, params()).is_ok(), "{}", policy.name);
        assert_eq!(canonical(policy.name), Some(policy.name));
    }
}

#[test]
fn names_as_the_paper_prints_them() {
    for (printed, name) in [
        ("propshare round-robin", "propshare.round-robin"),
        (" propshare.wfq ", "propshare.wfq"),
        ("\n propshare \t wfq\n", "propshare.wfq"),
        ("priority strict", "priority.strict"),
        ("priority . strict", "priority.strict"),
    ] {
        assert_eq!(canonical(printed), Some(name), "{printed:?}");
    }
    for wrong in ["", ".", "wfq", "propshare", "propshare..wfq", "propshare.wfq.", "fifo x"] {
        assert_eq!(canonical(wrong), None, "{wrong:?}");
    }
}

#[test]
fn an_unknown_name_is_told_what_there_is() {
    let error = make("cfs", params()).err().unwrap();
    assert_eq!(
        format!("{error}"),
        "there is no scheduler 'cfs'; there are propshare.wfq, propshare.round-robin, \
         propshare.stride, propshare.lottery, priority.strict, priority.multilevel, \
         deadline.edf, deadline.cbs, hierarchy, fifo, order.scan, reserve.mclock"
    );
}

#[test]
fn no_policy_accepts_a_parameter_that_it_ignores() {
    for policy in POLICIES {
        let mut params = params();
        params.insert("whim", "5");
        let error = make(policy.name, params).err();
        let expected = InitError::UnknownParameter("whim".into());
        assert_eq!(error, Some(MakeError::Init(expected)), "{}", policy.name);
    }
}
