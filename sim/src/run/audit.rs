//! Law 1, checked while the simulation runs.

use std::collections::BTreeMap;

use vortex_units::{ActivityId, Cycles};

use super::Simulator;
use crate::report::Deviation;

impl Simulator {
    /// Audits every core: the ledger balances, and the sum over a core's clients is what the
    /// ledger has of each activity.
    pub(crate) fn check(&mut self) {
        let mut deviations = Vec::new();
        for unit in &mut self.units {
            self.audit.checks += 1;
            let core = unit.id();
            if let Err(imbalance) = unit.core.audit() {
                let (ledger, booked) = (imbalance.elapsed, imbalance.booked);
                deviations.push(Deviation { core, activity: None, ledger, booked });
            }
            let report = unit.core.report();
            let mut clients: BTreeMap<ActivityId, Cycles> = BTreeMap::new();
            for client in &report.clients {
                *clients.entry(client.activity).or_default() += client.usage.cycles;
            }
            for (activity, used) in report.activities {
                let open = report.open.filter(|(open, _)| *open == activity);
                let ledger = used.saturating_sub(open.map_or(Cycles::ZERO, |(_, span)| span));
                let booked = clients.get(&activity).copied().unwrap_or_default();
                if ledger != booked {
                    let activity = Some(activity);
                    deviations.push(Deviation { core, activity, ledger, booked });
                }
            }
        }
        self.audit.failed += deviations.len() as u64;
        if self.audit.first.is_none() {
            self.audit.first = deviations.into_iter().next();
        }
    }
}
