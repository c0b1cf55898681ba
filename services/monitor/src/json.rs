//! A sample as JSON, all of it and nothing else.
//!
//! Written by hand: it is one shape of numbers, and what writes it is on the bill of every
//! sample. Cycles are whole numbers; a core's `residue` is what of its time is on no bill.

use std::fmt::Write as _;

use vortex_abi::performance::{
    Blame, Client, Core, Entitled, Kind, Memory, Reserved, Sample, Scheduling,
};

use crate::text::{quoted, residue};

/// A version for readers; higher where the shape has changed.
const FORM: u32 = 3;

fn list<T>(items: &[T], mut each: impl FnMut(&T) -> String) -> String {
    let mut text = String::from("[");
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        text += &each(item);
    }
    text.push(']');
    text
}

/// It.
pub fn text(sample: &Sample) -> String {
    let Sample { whole, stamp, megahertz, .. } = sample;
    let names = list(&sample.names, |(activity, name)| {
        format!("{{\"activity\":{activity},\"name\":{}}}", quoted(name))
    });
    let memory = list(&sample.memory, |Memory { activity, frames, objects }| {
        format!("{{\"activity\":{activity},\"frames\":{frames},\"objects\":{objects}}}")
    });
    let entitled = list(&sample.entitled, entitled);
    let reserved = list(&sample.said.reserved, reserved);
    let schedulers = list(&sample.said.schedulers, scheduler);
    let cores = list(&sample.cores, core);
    format!(
        "{{\"form\":{FORM},\"whole\":{whole},\"stamp\":{stamp},\"megahertz\":{megahertz},\
         \"activities\":{names},\"memory\":{memory},\"entitled\":{entitled},\
         \"reserved\":{reserved},\"schedulers\":{schedulers},\"cores\":{cores}}}\n"
    )
}

/// A field that is left out where it says nothing.
fn any<T: std::fmt::Display>(name: &str, value: Option<T>) -> String {
    value.map(|value| format!(",\"{name}\":{value}")).unwrap_or_default()
}

fn units(hundredths: u32) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn entitled(of: &Entitled) -> String {
    let (activity, resource, share) = (of.activity, quoted(&of.resource), units(of.hundredths));
    let (core, priority) = (any("core", of.core), of.priority);
    format!(
        "{{\"activity\":{activity},\"resource\":{resource}{core},\"share\":{share},\
         \"priority\":{priority}}}"
    )
}

fn reserved(of: &Reserved) -> String {
    let (activity, resource) = (of.activity, quoted(&of.resource));
    let said = [
        any("core", of.core),
        any("reservation", of.reservation),
        any("limit", of.limit),
        any("period", of.period),
    ];
    format!("{{\"activity\":{activity},\"resource\":{resource}{}}}", said.concat())
}

fn scheduler(of: &Scheduling) -> String {
    let said = [
        any("core", of.core),
        any("limit", of.limit),
        any("share", of.share.map(units)),
        any("priority", of.priority),
    ];
    format!(
        "{{\"scheduler\":{},\"policy\":{},\"metric\":{}{}}}",
        quoted(&of.site),
        quoted(&of.policy),
        quoted(&of.metric),
        said.concat()
    )
}

fn core(core: &Core) -> String {
    let Core { number, stamp, elapsed, idle, host, departed, unnamed, .. } = core;
    let used = list(&core.used, |(activity, cycles)| {
        format!("{{\"activity\":{activity},\"cycles\":{cycles}}}")
    });
    let clients = list(&core.clients, client);
    let blame = list(&core.blame, |Blame { victim, causer, cycles }| {
        format!("{{\"victim\":{victim},\"causer\":{causer},\"cycles\":{cycles}}}")
    });
    format!(
        "{{\"number\":{number},\"stamp\":{stamp},\"elapsed\":{elapsed},\"idle\":{idle},\
         \"host\":{host},\"departed\":{departed},\"residue\":{},\"used\":{used},\
         \"clients\":{clients},\"unnamed\":{unnamed},\"blame\":{blame}}}",
        residue(core)
    )
}

fn client(client: &Client) -> String {
    let kind = match client.kind {
        Kind::Threads => "threads",
        Kind::Resource => "resource",
        Kind::Holder => "holder",
    };
    let mut text = format!("{{\"kind\":\"{kind}\",\"instance\":{}", client.instance);
    // Writing to a string does not fail.
    if client.kind != Kind::Threads {
        let _ = write!(text, ",\"resource\":{}", quoted(&client.resource));
    }
    if client.kind != Kind::Resource {
        let _ = write!(text, ",\"activity\":{}", client.activity);
    }
    let Client { cycles, bytes, memory, requests, runs, waited, longest, queued, .. } = client;
    let _ = write!(
        text,
        ",\"cycles\":{cycles},\"bytes\":{bytes},\"memory\":{memory},\"requests\":{requests},\
         \"runs\":{runs},\"waited\":{waited},\"longest\":{longest},\"queued\":{queued}}}"
    );
    text
}
