//! To which step of a request's life an instruction belongs.

use crate::callgrind::Site;

/// The groups, in the order of a request's life.
pub const GROUPS: &[&str] = &[
    "send",
    "other cores",
    "choose",
    "policy: choose",
    "dispatch",
    "account",
    "policy: records",
    "policy: ready",
    "policy: heaps",
    "records, ring",
    "finish",
    "memory",
    "the loop",
];

/// Files of the toolkit, by the step that they implement; the first that fits counts.
const FILES: &[(&str, &str)] = &[
    ("grid/src/context.rs", "send"),
    ("grid/src/core/deliver.rs", "send"),
    ("grid/src/labels.rs", "send"),
    ("grid/src/message.rs", "send"),
    ("grid/src/activity.rs", "send"),
    ("grid/src/binding.rs", "send"),
    ("grid/src/core/intake.rs", "other cores"),
    ("grid/src/post.rs", "other cores"),
    ("grid/src/shared.rs", "other cores"),
    ("queues/src/inbox.rs", "other cores"),
    ("grid/src/core/choose.rs", "choose"),
    ("grid/src/level.rs", "choose"),
    ("grid/src/slot.rs", "dispatch"),
    ("grid/src/core/serve.rs", "dispatch"),
    ("grid/src/resource.rs", "dispatch"),
    ("queues/src/", "dispatch"),
    ("grid/src/ledger.rs", "account"),
    ("grid/src/blame.rs", "records, ring"),
    ("grid/src/policy/", "records, ring"),
    ("grid/src/core/finish.rs", "finish"),
    ("grid/src/pool.rs", "finish"),
    ("grid/src/core/", "the loop"),
    ("memory/src/", "memory"),
    ("bench/src/", "the loop"),
];

/// Functions of the schedulers and the toolkit, where the file is a library's.
const FUNCTIONS: &[(&str, &str)] = &[
    ("::resource_record", "policy: records"),
    ("::client_ready", "policy: ready"),
    ("::client_suspended", "policy: ready"),
    ("::poll_ready", "policy: ready"),
    ("::schedule", "policy: choose"),
    ("vortex_schedulers::", "policy: heaps"),
    ("core::deliver::", "send"),
    ("::context::", "send"),
    ("::post::", "other cores"),
    ("core::intake::", "other cores"),
    ("core::choose::", "choose"),
    ("::level::", "choose"),
    ("::slot::", "dispatch"),
    ("core::serve::", "dispatch"),
    ("::resource::", "dispatch"),
    ("core::finish::", "finish"),
    ("::pool::", "finish"),
    ("vortex_memory::", "memory"),
];

/// The group of a site: by the file that the line was written in, where that is ours; a
/// library's code counts for the function that it was compiled into.
pub fn group(site: &Site) -> &'static str {
    let by_function = || {
        let found = FUNCTIONS.iter().find(|(part, _)| site.function.contains(part));
        found.map(|(_, group)| *group)
    };
    // A policy's own files serve all its functions: the function says for which.
    if site.file.contains("schedulers/src/") {
        return by_function().unwrap_or("policy: heaps");
    }
    let by_file = FILES.iter().find(|(part, _)| site.file.contains(part));
    by_file.map(|(_, group)| *group).or_else(by_function).unwrap_or("the loop")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_code_counts_where_it_was_compiled_into() {
        let site =
            |file: &str, function: &str| Site { file: file.into(), function: function.into() };
        assert_eq!(group(&site("/x/core/src/option.rs", "vortex_grid::slot::take")), "dispatch");
        assert_eq!(group(&site("/x/grid/src/context.rs", "vortex_grid::core::serve::run")), "send");
        let charge = "vortex_schedulers::propshare::wfq::resource_record";
        assert_eq!(group(&site("/x/schedulers/src/heap.rs", charge)), "policy: records");
    }

    #[test]
    fn every_group_is_listed() {
        for (_, group) in FILES.iter().chain(FUNCTIONS) {
            assert!(GROUPS.contains(group), "{group}");
        }
    }
}
