//! A sample as bytes.

use alloc::vec::Vec;

use super::{
    Blame, Client, Core, Entitled, Kind, MAGIC, Memory, Reserved, Sample, Scheduling, VERSION,
};

/// Where the sample's length stands.
const LENGTH_AT: usize = 8;

/// The sample's bytes.
#[must_use]
pub fn encode(sample: &Sample) -> Vec<u8> {
    let mut to = Vec::new();
    to.extend(MAGIC.to_le_bytes());
    to.extend(VERSION.to_le_bytes());
    to.extend(u16::from(sample.whole).to_le_bytes());
    to.extend(0_u64.to_le_bytes());
    to.extend(sample.stamp.to_le_bytes());
    to.extend(sample.megahertz.to_le_bytes());
    count(&mut to, sample.names.len());
    for (activity, name) in &sample.names {
        to.extend(activity.to_le_bytes());
        string(&mut to, name);
    }
    count(&mut to, sample.memory.len());
    for Memory { activity, frames, objects } in &sample.memory {
        to.extend(activity.to_le_bytes());
        to.extend(frames.to_le_bytes());
        to.extend(objects.to_le_bytes());
    }
    count(&mut to, sample.entitled.len());
    for Entitled { activity, resource, core, hundredths, priority } in &sample.entitled {
        to.extend(activity.to_le_bytes());
        string(&mut to, resource);
        one_or_all(&mut to, *core);
        to.extend(hundredths.to_le_bytes());
        to.extend(priority.to_le_bytes());
    }
    count(&mut to, sample.said.reserved.len());
    for Reserved { activity, resource, core, reservation, limit, period } in &sample.said.reserved {
        to.extend(activity.to_le_bytes());
        string(&mut to, resource);
        one_or_all(&mut to, *core);
        for number in [reservation, limit, period] {
            to.extend(number.unwrap_or(0).to_le_bytes());
        }
    }
    count(&mut to, sample.said.schedulers.len());
    for scheduler in &sample.said.schedulers {
        let Scheduling { site, core, policy, metric, limit, share, priority } = scheduler;
        string(&mut to, site);
        one_or_all(&mut to, *core);
        string(&mut to, policy);
        string(&mut to, metric);
        to.extend(limit.unwrap_or(0).to_le_bytes());
        to.extend(share.unwrap_or(0).to_le_bytes());
        to.extend(priority.unwrap_or(u32::MAX).to_le_bytes());
    }
    count(&mut to, sample.cores.len());
    for part in &sample.cores {
        core(&mut to, part);
    }
    finish(&mut to);
    to
}

/// Writes the length to its place, now that it is known.
pub(super) fn finish(to: &mut [u8]) {
    let length = to.len() as u64;
    if let Some(place) = to.get_mut(LENGTH_AT..LENGTH_AT + 8) {
        place.copy_from_slice(&length.to_le_bytes());
    }
}

fn one_or_all(to: &mut Vec<u8>, core: Option<u16>) {
    to.extend(core.unwrap_or(u16::MAX).to_le_bytes());
}

fn core(to: &mut Vec<u8>, core: &Core) {
    to.extend(core.number.to_le_bytes());
    for number in [core.stamp, core.elapsed, core.idle, core.host, core.departed] {
        to.extend(number.to_le_bytes());
    }
    count(to, core.used.len());
    for (activity, cycles) in &core.used {
        to.extend(activity.to_le_bytes());
        to.extend(cycles.to_le_bytes());
    }
    count(to, core.clients.len());
    for part in &core.clients {
        client(to, part);
    }
    to.extend(core.unnamed.to_le_bytes());
    count(to, core.blame.len());
    for Blame { victim, causer, cycles } in &core.blame {
        to.extend(victim.to_le_bytes());
        to.extend(causer.to_le_bytes());
        to.extend(cycles.to_le_bytes());
    }
}

fn client(to: &mut Vec<u8>, client: &Client) {
    to.push(match client.kind {
        Kind::Threads => 0,
        Kind::Resource => 1,
        Kind::Holder => 2,
    });
    to.extend(client.instance.to_le_bytes());
    string(to, &client.resource);
    to.extend(client.activity.to_le_bytes());
    let Client { cycles, bytes, memory, requests, runs, waited, longest, queued, .. } = *client;
    for number in [cycles, bytes, memory, requests, runs, waited, longest, queued] {
        to.extend(number.to_le_bytes());
    }
}

pub(super) fn count(to: &mut Vec<u8>, count: usize) {
    to.extend(u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

/// A longer string than the form can say is cut, at the end of a character.
pub(super) fn string(to: &mut Vec<u8>, text: &str) {
    let most = text.floor_char_boundary(usize::from(u16::MAX));
    let bytes = text.as_bytes().get(..most).unwrap_or_default();
    to.extend((bytes.len() as u16).to_le_bytes());
    to.extend_from_slice(bytes);
}
