//! Resource schedulers.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use roxmltree::Node;
use vortex_units::CoreId;

use super::element::{Field, Fields, Reader, TEXT};
use super::schedulers::{Of, draws, policy};
use super::whole::Tags;
use super::{graph, names};
use crate::{Config, LoadSharing, Place, ResourceScheduler, limits};

pub(super) fn resources(
    reader: &mut Reader<'_>,
    tags: &Tags,
    nodes: &[Node<'_, '_>],
    simulation: Option<Node<'_, '_>>,
    config: &mut Config,
) {
    const VALUES: &[&str] = &["resource", "algorithm", "metric", "batch", "favours"];
    const ELEMENTS: &[&str] = &["param", "cpumultiplexor", "scheduler", "loadsharing"];
    let declared = declared(simulation);
    let mut seen: BTreeMap<String, Place> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        let fields = reader.open(*node, VALUES, ELEMENTS);
        if index >= limits::SCHEDULERS {
            let right = format!("at most {}", limits::SCHEDULERS);
            reader.flaw(fields.place, "there are too many resource schedulers", right);
            break;
        }
        let name = reader.need(&fields, "resource");
        if let Some(name) = &name {
            let known = reader.known.resources.iter();
            let all = || known.clone().chain(&declared).map(String::as_str);
            if !all().any(|known| known == name.text) {
                // One that has a scheduler already is not meant.
                reader.unknown(name, "resource", all().filter(|own| !seen.contains_key(*own)));
            }
            if let Some(before) = seen.insert(name.text.clone(), name.place) {
                let what = format!("'{}' has two schedulers, the first at {before}", name.text);
                reader.flaw(name.place, what, "one resource scheduler a resource");
            }
        }
        let (algorithm, metric, params) =
            policy(reader, &fields, Of::Resource(name.as_ref().map_or("", |name| &name.text)));
        let batch = fields.get("batch").and_then(|field| reader.number(field, 1, 1_000));
        let favours = favours(reader, &fields, &declared, name.as_ref());
        let asked = draws(reader, tags, &fields, &config.multiplexors, &config.schedulers);
        let cores = graph::cores(reader, &asked, &config.schedulers, fields.place);
        let load_sharing = load_sharing(reader, &fields, &cores);
        config.resources.push(ResourceScheduler {
            resource: name.map(|name| name.text).unwrap_or_default(),
            algorithm,
            metric,
            load_sharing,
            params,
            batch: batch.and_then(|n| u16::try_from(n).ok()).unwrap_or(1),
            favours,
            draws: asked,
            cores,
            place: fields.place,
        });
    }
}

/// The resource whose requests go first: one that there is, and another.
fn favours(
    reader: &mut Reader<'_>,
    fields: &Fields<'_, '_>,
    declared: &BTreeSet<String>,
    own: Option<&Field>,
) -> Option<String> {
    let field = fields.get("favours")?;
    let known = reader.known.resources.iter();
    let all = || known.clone().chain(declared).map(String::as_str);
    let is_own = |name: &str| own.is_some_and(|own| own.text == name);
    if !all().any(|known| known == field.text) {
        reader.unknown(field, "resource", all().filter(|name| !is_own(name)));
    } else if is_own(&field.text) {
        reader.bad(field, "another resource, which sends to this one");
    }
    Some(field.text.clone())
}

/// The names that the simulation part declares.
fn declared(simulation: Option<Node<'_, '_>>) -> BTreeSet<String> {
    let children = simulation.into_iter().flat_map(|node| node.children());
    let resources = children.filter(|child| child.has_tag_name("resource"));
    let names = resources.filter_map(|node| node.attribute("name").map(str::trim));
    names.filter(|name| name.len() <= limits::VALUE).map(String::from).collect()
}

fn load_sharing(reader: &mut Reader<'_>, fields: &Fields<'_, '_>, cores: &[CoreId]) -> LoadSharing {
    let default = LoadSharing::FewestBound { ttl: None };
    let mut nodes = fields.all("loadsharing");
    let Some(node) = nodes.next() else { return default };
    for second in nodes {
        let place = reader.place(second.range().start);
        reader.flaw(place, "there is a second <loadsharing>", "it once");
    }
    let sharing = reader.open(node, &[TEXT, "core", "ttl", "utilization"], &[]);
    let Some(name) = reader.need(&sharing, TEXT) else { return default };
    let used: &[&str] = match name.text.as_str() {
        "fewest-bound" | "least-received" => &["ttl"],
        "fixed" => &["core"],
        "fewest-cores" => &["ttl", "utilization"],
        other => {
            const ALL: [&str; 4] = ["fewest-bound", "least-received", "fixed", "fewest-cores"];
            let right = names::expected(other, ALL.into_iter());
            reader.bad(&name, &right);
            return default;
        }
    };
    for knob in ["core", "ttl", "utilization"] {
        if let Some(field) = sharing.get(knob)
            && !used.contains(&knob)
        {
            let right = format!("only: {}", used.join(", "));
            reader.flaw(field.place, format!("{} ignores '{knob}'", name.text), right);
        }
    }
    let ttl = sharing.get("ttl").filter(|_| used.contains(&"ttl")).and_then(|field| {
        let ttl = reader.micros(field)?;
        if ttl.is_zero() {
            reader.bad(field, "a time of at least 1 us");
        }
        Some(ttl)
    });
    if cores.len() == 1 && name.text != "fixed" {
        reader.warn(sharing.place, "load sharing has one core only to choose from");
    }
    match name.text.as_str() {
        "fixed" => {
            let Some(field) = reader.need(&sharing, "core") else { return default };
            let Some(core) = reader.core(&field) else { return default };
            if !cores.is_empty() && !cores.contains(&core) {
                let list: Vec<_> = cores.iter().map(|core| format!("{}", core.get())).collect();
                let right = format!("one of its cores: {}", list.join(", "));
                let what = format!("the resource requests no time on {core}");
                reader.flaw(field.place, what, right);
            }
            LoadSharing::Fixed { core }
        }
        "least-received" => LoadSharing::LeastReceived { ttl },
        "fewest-cores" => {
            let utilization = sharing.get("utilization").and_then(|field| {
                let share = reader.share(field)?;
                if share.hundredths() > 10_000 {
                    reader.bad(field, "at most 100 %");
                }
                u16::try_from(share.hundredths()).ok()
            });
            LoadSharing::FewestCores { ttl, utilization: utilization.unwrap_or(8_000) }
        }
        _ => LoadSharing::FewestBound { ttl },
    }
}
