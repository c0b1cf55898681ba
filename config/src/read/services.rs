//! The services that run as activities: programs, and what the host does for them.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use roxmltree::Node;

use super::activities::find;
use super::element::{Field, Fields, Reader, TEXT};
use crate::{Config, Files, Place, Port, Restart, Service};

/// Ports that have been given: datagrams or connections, and the number.
#[derive(Default)]
struct Given {
    machine: BTreeMap<(bool, u16), Place>,
    host: BTreeMap<(bool, u16), Place>,
}

pub(super) fn services(reader: &mut Reader<'_>, parts: &Fields<'_, '_>, config: &mut Config) {
    let mut given = Given::default();
    for node in parts.all("service") {
        if let Some(service) = service(reader, node, config, &mut given) {
            config.services.push(service);
        }
    }
}

fn service(
    reader: &mut Reader<'_>,
    node: Node<'_, '_>,
    config: &Config,
    given: &mut Given,
) -> Option<Service> {
    let fields = reader.open(
        node,
        &["activity", "program", "restart"],
        &["argument", "environment", "port", "files"],
    );
    let activity = reader.need(&fields, "activity").and_then(|f| find(reader, config, &f, false));
    let program = reader.need(&fields, "program");
    if let Some(program) = &program {
        absolute(reader, program, "an absolute path, as /bin/thttpd");
    }
    let restart = fields.get("restart").map_or(Restart::Never, |field| restart(reader, field));
    let mut arguments: Vec<String> = Vec::new();
    for node in fields.all("argument") {
        let argument = reader.open(node, &[TEXT], &[]);
        arguments.push(argument.get(TEXT).map(|f| f.text.clone()).unwrap_or_default());
    }
    let (mut environment, mut seen) = (Vec::new(), BTreeSet::new());
    for node in fields.all("environment") {
        let entry = reader.open(node, &["name", TEXT], &[]);
        let Some(name) = reader.need(&entry, "name") else { continue };
        if name.text.contains('=') {
            reader.bad(&name, "a variable's name, without '='");
        }
        if !seen.insert(name.text.clone()) {
            let what = "a variable of the environment is set twice";
            reader.flaw(entry.place, what, "it once");
        }
        let value = entry.get(TEXT).map(|f| f.text.clone()).unwrap_or_default();
        environment.push((name.text, value));
    }
    let ports = fields.all("port").filter_map(|node| port(reader, node, given)).collect();
    let files = fields.all("files").filter_map(|node| files(reader, node)).collect();
    let (program, place) = (program?.text, fields.place);
    let activity = activity?;
    Some(Service { activity, program, arguments, environment, restart, ports, files, place })
}

fn absolute(reader: &mut Reader<'_>, path: &Field, right: &str) {
    if !path.text.starts_with('/') {
        reader.bad(path, right);
    }
}

fn restart(reader: &mut Reader<'_>, field: &Field) -> Restart {
    const ALL: [Restart; 3] = [Restart::Never, Restart::OnFailure, Restart::Always];
    match ALL.into_iter().find(|restart| restart.name() == field.text) {
        Some(restart) => restart,
        None => {
            reader.unknown(field, "way to restart", ALL.into_iter().map(Restart::name));
            Restart::Never
        }
    }
}

fn port(reader: &mut Reader<'_>, node: Node<'_, '_>, given: &mut Given) -> Option<Port> {
    let fields = reader.open(node, &["number", "host", "protocol"], &[]);
    let number = reader.need(&fields, "number");
    let datagrams = fields.get("protocol").is_some_and(|field| match field.text.as_str() {
        "udp" => true,
        "tcp" => false,
        _ => {
            reader.unknown(field, "protocol", ["tcp", "udp"].into_iter());
            false
        }
    });
    let host = fields.get("host").cloned();
    let number = number.and_then(|field| {
        let right = "another port: all services have one address";
        claim(reader, &field, datagrams, &mut given.machine, "the machine's", right)
    });
    let host = host.map(|field| {
        let right = "another port, or none: any that is free is taken then";
        claim(reader, &field, datagrams, &mut given.host, "the host's", right)
    });
    Some(Port { number: number?, host: host.flatten(), datagrams, place: fields.place })
}

/// A port that nobody has yet.
fn claim(
    reader: &mut Reader<'_>,
    field: &Field,
    datagrams: bool,
    given: &mut BTreeMap<(bool, u16), Place>,
    whose: &str,
    right: &str,
) -> Option<u16> {
    let number = reader.number32(field, 1, u16::MAX.into())?;
    let number = u16::try_from(number).ok()?;
    if let Some(before) = given.insert((datagrams, number), field.place) {
        let what = format!("{whose} port {number} is given twice, first at {before}");
        reader.flaw(field.place, what, right);
    }
    Some(number)
}

fn files(reader: &mut Reader<'_>, node: Node<'_, '_>) -> Option<Files> {
    let fields = reader.open(node, &["from", "at"], &[]);
    let (from, at) = (reader.need(&fields, "from"), reader.need(&fields, "at"));
    if let Some(at) = &at {
        absolute(reader, at, "an absolute path in the machine, as /srv/site");
        if at.text.split('/').any(|part| part == "..") {
            reader.bad(at, "a path without '..'");
        }
    }
    Some(Files { from: from?.text, at: at?.text, place: fields.place })
}
