//! Law 6, checked over the events of a run.

use std::collections::HashMap;

use proptest::prelude::*;
use vortex_units::CoreId;

use super::support::{Event, What};

/// Order within every dependency label, and one core at a time for every affinity label.
pub fn hold(events: &[Event]) -> Result<(), TestCaseError> {
    // Law 6: order within a dependency label, from its beginning to its end.
    let mut lines: HashMap<_, Vec<_>> = HashMap::new();
    for event in events {
        if let Some(dependency) = event.labels.dependency_label() {
            let key = (event.sender, event.activity, event.instance, dependency);
            lines.entry(key).or_default().push(event);
        }
    }
    for (label, line) in &lines {
        let mut last_begun = 0;
        let mut open: Option<u64> = None;
        for event in line {
            match event.what {
                What::Began => {
                    prop_assert!(open.is_none(), "{:?}: overtaken at {:?}", label, event);
                    prop_assert!(event.id > last_begun, "{:?}: out of order {:?}", label, line);
                    last_begun = event.id;
                    open = Some(event.id);
                }
                What::Finished => open = None,
                What::Answered(_) => {}
            }
        }
    }

    // Law 6: at no time do two cores run requests of one affinity label.
    let mut places: HashMap<_, (CoreId, u32)> = HashMap::new();
    for event in events {
        if let Some(affinity) = event.labels.affinity_label() {
            let key = (event.activity, event.instance, affinity);
            let place = places.entry(key).or_insert((event.core, 0));
            if place.0 != event.core {
                prop_assert_eq!(place.1, 0, "{:?} runs on two cores", event);
                place.0 = event.core;
            }
            match event.what {
                What::Began => place.1 += 1,
                What::Finished => place.1 -= 1,
                What::Answered(_) => {}
            }
        }
    }
    Ok(())
}
