//! Groups of activities.

use alloc::format;
use alloc::vec::Vec;

use roxmltree::Node;
use vortex_units::Share;

use super::element::{Field, Reader};
use super::schedulers::{Of, ignored};
use crate::{Algorithm, Config, Group, GroupIndex, limits};

/// How a group divides, where nothing is said.
pub(super) const ALGORITHM: &str = "propshare.wfq";

/// Reads them; a group is within an earlier one.
pub(super) fn groups(
    reader: &mut Reader<'_>,
    nodes: &[Node<'_, '_>],
    config: &Config,
) -> Vec<Group> {
    const VALUES: &[&str] = &["name", "within", "algorithm", "share", "priority"];
    let mut found: Vec<Group> = Vec::new();
    let roots: Vec<Algorithm> = config.grouping().cloned().collect();
    for node in nodes {
        let fields = reader.open(*node, VALUES, &[]);
        if found.len() >= limits::GROUPS {
            reader.flaw(
                fields.place,
                "there are too many groups",
                format!("at most {}", limits::GROUPS),
            );
            break;
        }
        if roots.is_empty() && !config.multiplexors.is_empty() {
            let what = "no scheduler puts activities into groups";
            reader.flaw(fields.place, what, "no group, or the algorithm 'hierarchy' somewhere");
        }
        let name = reader.need(&fields, "name").map(|field| {
            let name = reader.name(&field);
            if found.iter().any(|group| group.name == name) {
                let what = format!("the group '{name}' is given twice");
                reader.flaw(field.place, what, "another name");
            }
            name
        });
        let within = fields.get("within").and_then(|field| of(reader, field, &found));
        let mut depth = 1;
        let mut above = within;
        while let Some(group) = above.and_then(|above| found.get(above.index())) {
            (depth, above) = (depth + 1, group.within);
        }
        if depth > limits::GROUPS_WITHIN {
            let right = format!("at most {} groups within each other", limits::GROUPS_WITHIN);
            reader.flaw(fields.place, "this group is too deep", right);
        }
        let parents: Vec<Algorithm> = match within.and_then(|within| found.get(within.index())) {
            Some(group) => [group.algorithm.clone()].into(),
            None => roots.clone(),
        };
        let share = fields.get("share").and_then(|field| {
            if let Some(parent) = parents.iter().find(|parent| !parent.uses_shares) {
                ignored(reader, field, "share", (parent, Of::Group));
            }
            reader.share(field)
        });
        let priority = fields.get("priority").and_then(|field| {
            if let Some(parent) = parents.iter().find(|parent| !parent.uses_priority) {
                ignored(reader, field, "priority", (parent, Of::Group));
            }
            reader.number32(field, 0, 1_000_000)
        });
        let place = fields.place;
        let written = fields.get("algorithm").map(|field| (field.place, field.text.clone()));
        let (at, text) = written.unwrap_or((place, ALGORITHM.into()));
        let field = Field { place: at, text };
        let algorithm = reader.algorithm(&field);
        let known = reader.known.policies.iter().find(|policy| policy.name == algorithm.name);
        if known.is_some_and(|policy| !policy.is_for_groups()) {
            unknown(reader, &field);
        }
        found.push(Group {
            name: name.unwrap_or_default(),
            within,
            algorithm,
            share: share.unwrap_or(Share::ONE),
            priority: priority.unwrap_or(0),
            place,
        });
    }
    found
}

/// A group by its name, of those that there are so far.
pub(super) fn of(reader: &mut Reader<'_>, field: &Field, groups: &[Group]) -> Option<GroupIndex> {
    match groups.iter().position(|group| group.name == field.text) {
        Some(place) => u16::try_from(place).ok().map(GroupIndex),
        None => {
            reader.unknown(field, "group", groups.iter().map(|group| group.name.as_str()));
            None
        }
    }
}

/// A policy that no node of a tree can have.
pub(super) fn unknown(reader: &mut Reader<'_>, field: &Field) {
    let known = reader.known;
    let fitting = known.policies.iter().filter(|policy| policy.is_for_groups());
    reader.unknown(field, "algorithm for groups", fitting.map(|policy| policy.name.as_str()));
}
