//! A thread's program, and the ways of requests through the simulated resources.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use vortex_units::{Bytes, Cycles};

use super::element::{Fields, Reader, TEXT};
use super::simulation::{first_place, target};
use crate::{Config, ResourceIndex, Simulation, Span, Step, limits};

/// What is known of a request sent to each resource, all that it leads to included.
pub(super) struct Ways {
    bills: Vec<bool>,
}

impl Ways {
    pub(super) fn bills(&self, resource: ResourceIndex) -> bool {
        self.bills.get(resource.index()).copied().unwrap_or(false)
    }
}

/// Follows every way; a flaw where one returns to itself, leads to a resource that is not
/// described, or multiplies too far.
pub(super) fn ways(
    reader: &mut Reader<'_>,
    config: &Config,
    simulation: &Simulation,
    places: &[Option<usize>],
) -> Ways {
    let count = config.resources.len();
    let mut requests: Vec<Option<u64>> = vec![None; count];
    let mut bills = vec![false; count];
    for resource in &simulation.resources {
        for send in &resource.sends {
            if places.get(send.to.index()).is_some_and(Option::is_none) {
                let name = config.resources.get(send.to.index()).map(|r| r.resource.as_str());
                let name = name.unwrap_or_default();
                let what = format!("'{name}' is sent to and not described");
                reader.flaw(send.place, what, format!("<resource name=\"{name}\" cost=\"…\"/>"));
                if let Some(slot) = requests.get_mut(send.to.index()) {
                    *slot = Some(1);
                }
            }
        }
    }
    // As many rounds as a way can be long; what is then unknown leads into a circle.
    for _ in 0..count {
        let mut changed = false;
        for resource in &simulation.resources {
            let at = resource.resource.index();
            if requests.get(at).copied().flatten().is_some() {
                continue;
            }
            let (mut sum, mut billed) = (Some(1_u64), resource.bills_causer);
            for send in &resource.sends {
                let further = requests.get(send.to.index()).copied().flatten();
                sum = sum.zip(further).map(|(sum, further)| {
                    sum.saturating_add(further.saturating_mul(u64::from(send.count)))
                });
                billed |= bills.get(send.to.index()).copied().unwrap_or(false);
            }
            let Some(total) = sum else { continue };
            changed = true;
            if let (Some(slot), Some(bill)) = (requests.get_mut(at), bills.get_mut(at)) {
                (*slot, *bill) = (Some(total.min(limits::FAN_OUT)), billed);
            }
            if total > limits::FAN_OUT {
                let right = format!("at most {}", limits::FAN_OUT);
                let what = format!("one request here leads to {total} requests");
                reader.flaw(first_place(resource), what, right);
            }
        }
        if !changed {
            break;
        }
    }
    for resource in &simulation.resources {
        if requests.get(resource.resource.index()).is_some_and(Option::is_none) {
            let name = config.resources.get(resource.resource.index());
            let name = name.map(|r| r.resource.as_str()).unwrap_or_default();
            let what = format!("requests to '{name}' are sent on in a circle");
            reader.flaw(first_place(resource), what, "sends that come to an end");
        }
    }
    Ways { bills }
}

/// A thread's program, in the order of the file.
pub(super) fn steps(
    reader: &mut Reader<'_>,
    fields: &Fields<'_, '_>,
    config: &Config,
    places: &[Option<usize>],
) -> Vec<Step> {
    let mut steps = Vec::new();
    for node in &fields.elements {
        let kind = node.tag_name().name();
        if kind == "compute" || kind == "sleep" {
            let step = reader.open(*node, &[TEXT], &[]);
            let Some(field) = reader.need(&step, TEXT) else { continue };
            if kind == "sleep" {
                steps.extend(reader.time(&field).map(Step::Sleep));
                continue;
            }
            let Some(span) = reader.span(&field, config.machine.frequency) else { continue };
            steps.push(Step::Compute(span));
            continue;
        }
        let step = reader.open(*node, &["to", "bytes"], &[]);
        let resource = reader.need(&step, "to");
        let resource = resource.and_then(|field| target(reader, config, places, &field));
        let bytes = step.get("bytes").and_then(|field| reader.bytes(field));
        let bytes = bytes.unwrap_or(Bytes::ZERO);
        let Some(resource) = resource else { continue };
        steps.push(match kind {
            "call" => Step::Call { resource, bytes },
            _ => Step::Send { resource, bytes },
        });
    }
    let takes_time = |step: &Step| match step {
        Step::Compute(Span { least, .. }) => *least > Cycles::ZERO,
        Step::Sleep(time) => !time.is_zero(),
        Step::Call { .. } => true,
        Step::Send { .. } => false,
    };
    if fields.elements.is_empty() {
        reader.flaw(fields.place, "this workload has no program", "<compute>, <call>, <sleep>…");
    } else if steps.len() == fields.elements.len() && !steps.iter().any(takes_time) {
        let what = "this program takes no time and would repeat for ever";
        reader.flaw(fields.place, what, "a <compute>, <call> or <sleep> that takes some");
    }
    steps
}
