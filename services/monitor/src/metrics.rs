//! A sample as metrics, in the two forms that Prometheus and its like read.
//!
//! Names and units follow OpenMetrics and cAdvisor: seconds and bytes, counters that end in
//! `_total`, `_cpu_usage_seconds` and `_memory_usage_bytes`; the labels are `activity`,
//! `resource` and `core`. OpenMetrics names a counter's family without `_total` and ends
//! with a line of its own; the older form names it in full.

mod said;

use std::fmt::Write as _;

use vortex_abi::performance::{Client, Core, Kind, Sample};

use crate::text::{name, residue, seconds, signed_seconds};
use crate::upward::Upward;

/// A frame, in bytes.
const FRAME: u64 = 4096;

/// How the metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Prometheus' own text, version 0.0.4.
    Plain,
    /// OpenMetrics 1.0.
    Open,
}

impl Form {
    /// The answer's type.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::Open => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What a family's values are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    Counter,
    Gauge,
}

struct Page<'a> {
    form: Form,
    text: String,
    sample: &'a Sample,
    upward: &'a mut Upward,
    /// Families so far.
    families: u8,
}

/// The metrics of a sample.
pub fn text(sample: &Sample, form: Form, upward: &mut Upward) -> String {
    upward.next_sample();
    let mut page =
        Page { form, text: String::with_capacity(16 << 10), sample, upward, families: 0 };
    page.cores();
    page.activities();
    page.entitled();
    page.schedulers();
    page.multiplexors();
    page.resources();
    page.blame();
    if form == Form::Open {
        page.text.push_str("# EOF\n");
    }
    page.text
}

/// Labels of a line.
type Labels<'l> = &'l [(&'static str, &'l str)];

impl Page<'_> {
    /// A new family: its name without a counter's ending, its unit, what it tells.
    fn family(&mut self, name: &str, kind: Type, unit: &str, help: &str) {
        self.families += 1;
        let counter = kind == Type::Counter;
        let ending = if counter && self.form == Form::Plain { "_total" } else { "" };
        let kind = if counter { "counter" } else { "gauge" };
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "# TYPE {name}{ending} {kind}");
        if self.form == Form::Open && !unit.is_empty() {
            let _ = writeln!(self.text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(self.text, "# HELP {name}{ending} {help}");
    }

    fn line(&mut self, name: &str, ending: &str, labels: Labels<'_>, value: &str) {
        let _ = write!(self.text, "{name}{ending}");
        for (place, (label, value)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{label}=\"{}\"", escaped(value));
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn counted(&mut self, core: &Core, kind: u8, instance: u32, activity: u32, value: u64) -> u64 {
        self.upward.value((self.families, core.number, kind, instance, activity), value)
    }

    fn seconds(&self, cycles: u64) -> String {
        seconds(cycles, self.sample.megahertz)
    }

    /// A counter of each core, of cycles.
    fn by_core(&mut self, name: &str, help: &str, of: impl Fn(&Core) -> u64) {
        self.family(name, Type::Counter, "seconds", help);
        for core in &self.sample.cores {
            let value = self.counted(core, 0, 0, 0, of(core));
            let value = self.seconds(value);
            self.line(name, "_total", &[("core", &core.number.to_string())], &value);
        }
    }

    fn cores(&mut self) {
        let name = "vortex_clock_hertz";
        self.family(name, Type::Gauge, "hertz", "The rate of the counter that stamps samples.");
        self.line(name, "", &[], &(u64::from(self.sample.megahertz) * 1_000_000).to_string());
        self.by_core("vortex_core_elapsed_seconds", "Time since the core started.", |c| c.elapsed);
        if self.sample.whole {
            let name = "vortex_core_idle_seconds";
            self.by_core(name, "Time with nothing to do.", |core| core.idle);
            let name = "vortex_core_stolen_seconds";
            self.by_core(name, "Time that the hypervisor took.", |core| core.host);
            let name = "vortex_core_departed_seconds";
            self.by_core(name, "Time used by activities that are gone.", |core| core.departed);
            let name = "vortex_core_residue_seconds";
            let help = "Time on no bill: elapsed less idle, stolen, departed and all activities'.";
            self.family(name, Type::Gauge, "seconds", help);
            for core in &self.sample.cores {
                let value = signed_seconds(residue(core), self.sample.megahertz);
                self.line(name, "", &[("core", &core.number.to_string())], &value);
            }
        }
    }

    fn activities(&mut self) {
        let family = "vortex_activity_cpu_usage_seconds";
        let help = "Processor time on the activity's bill, the kernel's work for it included.";
        self.family(family, Type::Counter, "seconds", help);
        for core in &self.sample.cores {
            for (activity, cycles) in &core.used {
                let value = self.counted(core, 0, 0, *activity, *cycles);
                let value = self.seconds(value);
                let labels = [
                    ("activity", &*name(self.sample, *activity)),
                    ("core", &core.number.to_string()),
                ];
                self.line(family, "_total", &labels, &value);
            }
        }
        let family = "vortex_activity_memory_usage_bytes";
        let help = "Frames that the activity is charged: pages, page tables, pages of files.";
        self.family(family, Type::Gauge, "bytes", help);
        for of in &self.sample.memory {
            let value = of.frames.saturating_mul(FRAME).to_string();
            self.line(family, "", &[("activity", &name(self.sample, of.activity))], &value);
        }
        let family = "vortex_activity_kernel_memory_usage_bytes";
        let help = "Kernel memory that the activity's objects take.";
        self.family(family, Type::Gauge, "bytes", help);
        for of in &self.sample.memory {
            let value = of.objects.to_string();
            self.line(family, "", &[("activity", &name(self.sample, of.activity))], &value);
        }
    }

    /// What the multiplexors know of their clients.
    fn multiplexors(&mut self) {
        let family = "vortex_multiplexor_cpu_seconds";
        let help = "Processor time that the core's multiplexor has charged to its client: \
                    an activity, or a resource.";
        self.family(family, Type::Counter, "seconds", help);
        for core in &self.sample.cores {
            for client in core.clients.iter().filter(|of| of.kind != Kind::Holder) {
                let kind = u8::from(client.kind == Kind::Resource);
                let value =
                    self.counted(core, kind, client.instance, client.activity, client.cycles);
                let value = self.seconds(value);
                let activity = name(self.sample, client.activity);
                let whose = match client.kind {
                    Kind::Resource => ("resource", client.resource.as_str()),
                    _ => ("activity", activity.as_str()),
                };
                self.line(family, "_total", &[whose, ("core", &core.number.to_string())], &value);
            }
        }
    }

    /// A family of what the resources' schedulers know of activities.
    fn by_holder(
        &mut self,
        family: &str,
        (kind, unit): (Type, &str),
        help: &str,
        value: impl Fn(&Client) -> Option<u64>,
    ) {
        self.family(family, kind, unit, help);
        for core in &self.sample.cores {
            for client in core.clients.iter().filter(|of| of.kind == Kind::Holder) {
                let Some(mut value) = value(client) else { continue };
                let mut ending = "";
                if kind == Type::Counter {
                    ending = "_total";
                    value = self.counted(core, 0, client.instance, client.activity, value);
                }
                let value = if unit == "seconds" { self.seconds(value) } else { value.to_string() };
                let labels = [
                    ("activity", &*name(self.sample, client.activity)),
                    ("resource", resource(&client.resource)),
                    ("core", &core.number.to_string()),
                ];
                self.line(family, ending, &labels, &value);
            }
        }
    }

    fn resources(&mut self) {
        let (time, count) = ((Type::Counter, "seconds"), (Type::Counter, ""));
        let some = |value: u64| (value > 0).then_some(value);
        let name = "vortex_resource_cpu_usage_seconds";
        let help = "Processor time that the resource's scheduler has charged to the activity.";
        self.by_holder(name, time, help, |of| Some(of.cycles));
        let (name, unit) = ("vortex_resource_transferred_bytes", (Type::Counter, "bytes"));
        let help = "Bytes that the resource moved for the activity.";
        self.by_holder(name, unit, help, |of| some(of.bytes));
        let (name, unit) = ("vortex_resource_memory_usage_bytes", (Type::Gauge, "bytes"));
        let help = "Memory that the resource's scheduler has charged to the activity.";
        self.by_holder(name, unit, help, |of| some(of.memory.saturating_mul(FRAME)));
        let name = "vortex_resource_requests";
        let help = "Requests that the activity was charged for.";
        self.by_holder(name, count, help, |of| Some(of.requests));
        let name = "vortex_resource_runs";
        self.by_holder(name, count, "Runs of the activity's requests.", |of| Some(of.runs));
        let name = "vortex_resource_wait_seconds";
        let help = "Time that the activity's requests waited until they first ran, in sum.";
        self.by_holder(name, time, help, |of| Some(of.waited));
        let (name, unit) = ("vortex_resource_longest_wait_seconds", (Type::Gauge, "seconds"));
        let help = "The longest that one of the activity's requests waited.";
        self.by_holder(name, unit, help, |of| Some(of.longest));
        let (name, unit) = ("vortex_resource_queued_requests", (Type::Gauge, ""));
        let help = "The activity's requests that wait now.";
        self.by_holder(name, unit, help, |of| Some(of.queued));
    }

    fn blame(&mut self) {
        let family = "vortex_activity_blamed_wait_seconds";
        let help = "Time that requests of the activity waited while the causer had the core, of \
                    the waits that were looked into: the long ones, and one in some of the others.";
        self.family(family, Type::Counter, "seconds", help);
        for core in &self.sample.cores {
            for row in &core.blame {
                let value = self.counted(core, 0, row.causer, row.victim, row.cycles);
                let value = self.seconds(value);
                let labels = [
                    ("activity", &*name(self.sample, row.victim)),
                    ("causer", &*name(self.sample, row.causer)),
                    ("core", &core.number.to_string()),
                ];
                self.line(family, "_total", &labels, &value);
            }
        }
        let name = "vortex_core_unnamed_wait_seconds";
        let help = "Of the waits that were looked into, time for which nobody is named any more.";
        self.by_core(name, help, |core| core.unnamed);
    }
}

/// A resource without whose instance it is: of `resource.thread of web` the first word.
fn resource(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
}

/// A label's value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
