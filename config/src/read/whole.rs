//! The root element, and in which order its parts are read: what is referred to first.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use roxmltree::Node;
use vortex_units::CoreId;

use super::element::{Field, Fields, Reader};
use crate::{Config, Machine, Network, Place, SchedulerIndex};

/// The names that may be referred to, and where they were given.
#[derive(Default)]
pub(super) struct Tags {
    pub(super) multiplexors: BTreeMap<String, Option<CoreId>>,
    pub(super) schedulers: BTreeMap<String, SchedulerIndex>,
    places: BTreeMap<String, Place>,
}

impl Tags {
    /// Whether a tag is new; a flaw if not. Multiplexors and schedulers share their names.
    pub(super) fn claim(&mut self, reader: &mut Reader<'_>, tag: &Field) -> bool {
        if let Some(before) = self.places.get(&tag.text) {
            let what = format!("the tag '{}' is given twice, first at {before}", tag.text);
            reader.flaw(tag.place, what, "another tag");
            return false;
        }
        self.places.insert(tag.text.clone(), tag.place);
        true
    }
}

const PARTS: &[&str] = &[
    "machine",
    "cpumultiplexor",
    "memorymultiplexor",
    "scheduler",
    "resourcescheduler",
    "group",
    "activity",
    "infrastructure",
    "service",
    "simulation",
];

pub(super) fn whole(reader: &mut Reader<'_>, root: Node<'_, '_>) -> Config {
    let mut config = Config {
        machine: Machine::default(),
        reclamation: reader
            .known
            .reclamations
            .first()
            .map(|first| first.name.clone())
            .unwrap_or_default(),
        multiplexors: Vec::new(),
        schedulers: Vec::new(),
        resources: Vec::new(),
        groups: Vec::new(),
        activities: Vec::new(),
        services: Vec::new(),
        simulation: None,
        warnings: Vec::new(),
    };
    if root.tag_name().name() != "schedulerconfig" {
        let place = reader.place(root.range().start);
        let what = format!("the root element is <{}>", super::names::short(root.tag_name().name()));
        reader.flaw(place, what, "<schedulerconfig>");
        return config;
    }
    let parts = reader.open(root, &[], PARTS);
    for name in ["machine", "memorymultiplexor", "infrastructure", "simulation"] {
        for node in parts.all(name).skip(1) {
            let place = reader.place(node.range().start);
            reader.flaw(place, format!("there is a second <{name}>"), "it once");
        }
    }
    let mut tags = Tags::default();
    if let Some(node) = parts.all("machine").next() {
        config.machine = machine(reader, node);
    }
    if let Some(node) = parts.all("memorymultiplexor").next() {
        config.reclamation = reclamation(reader, node);
    }
    let nodes = parts.all("cpumultiplexor").collect::<Vec<_>>();
    config.multiplexors = super::schedulers::multiplexors(reader, &mut tags, &nodes);
    if nodes.is_empty() {
        reader.flaw(parts.place, "there is no <cpumultiplexor>", "one for each core to be used");
    }
    let nodes = parts.all("scheduler").collect::<Vec<_>>();
    config.schedulers = super::schedulers::stacked(reader, &mut tags, &nodes, &config.multiplexors);
    let nodes = parts.all("resourcescheduler").collect::<Vec<_>>();
    super::resources::resources(reader, &tags, &nodes, parts.all("simulation").next(), &mut config);
    super::graph::idle(reader, &config);
    let nodes = parts.all("group").collect::<Vec<_>>();
    config.groups = super::groups::groups(reader, &nodes, &config);
    super::activities::activities(reader, &parts, &mut config);
    super::services::services(reader, &parts, &mut config);
    if let Some(node) = parts.all("simulation").next() {
        config.simulation = super::simulation::simulation(reader, node, &config);
    }
    config
}

fn reclamation(reader: &mut Reader<'_>, node: Node<'_, '_>) -> String {
    let fields = reader.open(node, &["algorithm"], &[]);
    let Some(field) = reader.need(&fields, "algorithm") else { return String::new() };
    let name = field.text.replace(' ', ".");
    let known = reader.known;
    if !known.reclamations.iter().any(|policy| policy.name == name) {
        let dotted = Field { place: field.place, text: name.clone() };
        let names = known.reclamations.iter().map(|policy| policy.name.as_str());
        reader.unknown(&dotted, "algorithm of the memory multiplexor", names);
    }
    name
}

/// Where the machine's card is.
fn network(reader: &mut Reader<'_>, fields: &Fields<'_, '_>) -> Option<Network> {
    const ADDRESS: &str = "an address with the bits of its network, as 10.0.2.15/24";
    let near = "an address of another in the machine's network, as 10.0.2.2";
    let gateway = fields.get("gateway");
    let Some(field) = fields.get("address") else {
        if let Some(field) = gateway {
            let what = "a gateway without an address of the machine's";
            reader.flaw(field.place, String::from(what), "address=\"10.0.2.15/24\" beside it");
        }
        return None;
    };
    let Some((address, bits)) = address(&field.text) else {
        reader.bad(field, ADDRESS);
        return None;
    };
    let mut network = Network { address, bits, gateway: None };
    if let Some(field) = gateway {
        network.gateway = field.text.parse().ok().filter(|gateway| network.is_near(*gateway));
        if network.gateway.is_none() {
            reader.bad(field, near);
        }
    }
    Some(network)
}

/// An address that one machine can have, and how many bits of it are the network's.
fn address(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, bits) = text.split_once('/')?;
    let (address, bits): (Ipv4Addr, u8) = (address.parse().ok()?, bits.parse().ok()?);
    let one = !(address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_broadcast());
    (one && (1..=32).contains(&bits)).then_some((address, bits))
}

fn machine(reader: &mut Reader<'_>, node: Node<'_, '_>) -> Machine {
    const VALUES: &[&str] =
        &["frequency", "memory", "reserve", "swap", "timeslice", "overhead", "address", "gateway"];
    let fields = reader.open(node, VALUES, &[]);
    let mut machine = Machine::default();
    if let Some(value) = fields.get("frequency").and_then(|f| reader.frequency(f)) {
        machine.frequency = value;
    }
    if let Some(value) = fields.get("memory").and_then(|f| reader.frames(f)) {
        machine.memory = value;
    }
    if let Some(value) = fields.get("reserve").and_then(|f| reader.frames(f)) {
        machine.reserve = value;
    }
    if let Some(value) = fields.get("swap").and_then(|f| reader.frames(f)) {
        machine.swap = value;
    }
    if let Some(field) = fields.get("timeslice")
        && let Some(value) = reader.micros(field)
    {
        if value.get() < 100 {
            reader.bad(field, "a time slice of at least 100 us");
        }
        machine.timeslice = value;
    }
    if let Some(value) = fields.get("overhead").and_then(|f| reader.cycles(f, machine.frequency)) {
        machine.overhead = value;
    }
    machine.network = network(reader, &fields);
    let simulated = ["frequency", "overhead"].into_iter().filter_map(|name| fields.get(name));
    machine.simulated = simulated.map(|field| field.place).min();
    let Machine { memory, reserve, swap, .. } = machine;
    if reserve > memory {
        let what = format!("the reserve ({reserve}) exceeds the memory ({memory})");
        reader.flaw(fields.place, what, "a smaller <reserve> or more <memory>");
    } else if reserve.saturating_add(swap) > memory {
        let what = format!("reserve and swap ({reserve}, {swap}) exceed the memory ({memory})");
        reader.flaw(fields.place, what, "a smaller <swap> or more <memory>");
    }
    machine
}
