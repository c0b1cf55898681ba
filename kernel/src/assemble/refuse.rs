//! What a configuration may ask for and this kernel does not do.

use alloc::format;

use vortex_config::Config;

use super::Failure;

/// The resources that there are.
const RESOURCES: [&str; 5] =
    ["resource.thread", "resource.process", "resource.asr", "resource.file", "resource.monitor"];

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
    let budget = config
        .activities
        .iter()
        .find(|activity| activity.memory != vortex_config::MemoryBudget::default());
    if let Some(activity) = budget {
        return Err(Failure::NotOffered(format!(
            "{}: memory budgets are not enforced yet",
            activity.name
        )));
    }
    if let Some(bus) = config.schedulers.first() {
        return Err(Failure::NotOffered(format!(
            "{}: schedulers beneath schedulers are not offered yet",
            bus.tag
        )));
    }
    Ok(())
}
