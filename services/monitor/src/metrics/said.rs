//! What was said of activities and schedulers, and holds now.

use vortex_abi::performance::{Counts, Reserved, Sample, Scheduling};

use super::{Labels, Page, Type};
use crate::text::{name, seconds};

/// Microseconds, as a clock of one megahertz counts them.
const MICROS: u32 = 1;

fn units(hundredths: u32) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// What is reserved or limited, in the base unit of what is counted, with that unit's name.
fn rate(sample: &Sample, at: &str, amount: u64) -> (String, &'static str) {
    match sample.said.counts(at) {
        Counts::Time => (seconds(amount, MICROS), "seconds"),
        Counts::Bytes => (amount.to_string(), "bytes"),
        Counts::Requests => (amount.to_string(), "requests"),
        Counts::Else => (amount.to_string(), "amounts"),
    }
}

impl Page<'_> {
    /// A line that is of a core where that is said.
    fn line_on(&mut self, family: &str, core: Option<u16>, labels: Labels<'_>, value: &str) {
        let core = core.map(|core| core.to_string());
        let core = core.as_deref().map(|core| ("core", core));
        let labels: Vec<_> = labels.iter().copied().chain(core).collect();
        self.line(family, "", &labels, value);
    }

    /// What activities are entitled to.
    pub(super) fn entitled(&mut self) {
        let sample = self.sample;
        let family = "vortex_activity_entitled_shares";
        let help = "The activity's share now: of the processors, and where it is another; on a core \
                    where it is another there.";
        self.family(family, Type::Gauge, "", help);
        for of in &sample.entitled {
            let labels = [("activity", &*name(sample, of.activity)), ("resource", &of.resource)];
            self.line_on(family, of.core, &labels, &units(of.hundredths));
        }
        let family = "vortex_activity_entitled_priority";
        let help = "The activity's priority now, likewise; lower goes first, where a policy looks.";
        self.family(family, Type::Gauge, "", help);
        for of in &sample.entitled {
            let labels = [("activity", &*name(sample, of.activity)), ("resource", &of.resource)];
            self.line_on(family, of.core, &labels, &of.priority.to_string());
        }
        let family = "vortex_activity_reserved_per_second";
        let help = "What is reserved for the activity: seconds, bytes or requests, as labelled.";
        self.reserved(family, help, |of| of.reservation);
        let family = "vortex_activity_limited_per_second";
        self.reserved(family, "What the activity has at most, likewise.", |of| of.limit);
        let family = "vortex_activity_served_within_seconds";
        let help = "Within what time the activity is to be served.";
        self.family(family, Type::Gauge, "seconds", help);
        for of in &sample.said.reserved {
            let Some(period) = of.period else { continue };
            let labels = [("activity", &*name(sample, of.activity)), ("resource", &*of.resource)];
            self.line_on(family, of.core, &labels, &seconds(period, MICROS));
        }
    }

    fn reserved(&mut self, family: &str, help: &str, of: impl Fn(&Reserved) -> Option<u64>) {
        let sample = self.sample;
        self.family(family, Type::Gauge, "", help);
        for row in &sample.said.reserved {
            let Some(amount) = of(row) else { continue };
            let (value, unit) = rate(sample, &row.resource, amount);
            let activity = name(sample, row.activity);
            let labels = [("activity", &*activity), ("resource", &*row.resource), ("unit", unit)];
            self.line_on(family, row.core, &labels, &value);
        }
    }

    /// By which policies schedulers decide, and how they stand.
    pub(super) fn schedulers(&mut self) {
        let sample = self.sample;
        let family = "vortex_scheduler_policy";
        self.family(family, Type::Gauge, "", "One, of the policy by which a scheduler decides.");
        for of in &sample.said.schedulers {
            let Scheduling { site, core, policy, metric, .. } = of;
            let labels = [("scheduler", &**site), ("policy", &**policy), ("metric", &**metric)];
            self.line_on(family, *core, &labels, "1");
        }
        let family = "vortex_scheduler_shares";
        let help = "The scheduler's share where it requests time, where any is said.";
        self.family(family, Type::Gauge, "", help);
        for of in &sample.said.schedulers {
            let Some(share) = of.share else { continue };
            self.line_on(family, of.core, &[("scheduler", &*of.site)], &units(share));
        }
        let family = "vortex_scheduler_limited_per_second";
        let help = "What all clients of the scheduler have together at most.";
        self.family(family, Type::Gauge, "", help);
        for of in &sample.said.schedulers {
            let Some(limit) = of.limit else { continue };
            let (value, unit) = rate(sample, &of.site, limit);
            self.line_on(family, of.core, &[("scheduler", &*of.site), ("unit", unit)], &value);
        }
    }
}
