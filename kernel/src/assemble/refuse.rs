//! What a configuration may ask for and this kernel does not do.

use alloc::format;

use vortex_config::Config;

use super::Failure;

/// The resources that there are.
const RESOURCES: [&str; 6] = [
    "resource.thread",
    "resource.process",
    "resource.asr",
    "resource.memory",
    "resource.file",
    "resource.monitor",
];

/// Refuses what a configuration asks for and this kernel does not do.
pub(super) fn refuse(config: &Config) -> Result<(), Failure> {
    let unknown =
        config.resources.iter().find(|resource| !RESOURCES.contains(&resource.resource.as_str()));
    if let Some(unknown) = unknown {
        return Err(Failure::NotOffered(format!(
            "{}: this kernel has no such resource",
            unknown.resource
        )));
    }
    // What the kernel has for itself is the machine's reserve.
    let own = config.activities.first().map(|activity| activity.memory);
    if own.is_some_and(|own| own != vortex_config::MemoryBudget::default()) {
        return Err(Failure::NotOffered("a memory budget of the infrastructure".into()));
    }
    if let Some(bus) = config.schedulers.first() {
        return Err(Failure::NotOffered(format!(
            "{}: schedulers beneath schedulers are not offered yet",
            bus.tag
        )));
    }
    Ok(())
}
