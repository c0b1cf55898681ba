//! The resources of the network (Table 1): those of a card where the machine has one.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use vortex_config::Config;
use vortex_grid::{Entitlement, Frequency, Grid, InstanceSpec};
use vortex_machine::Boot;
use vortex_resources::network::{
    Addresses, Card, Channel, Demultiplexer, Driver, Interrupts, LinkWriter, Machine, NetBills,
    NetHooks, Network, Pool, Ports, Tcp, Timers, Wiring, find,
};
use vortex_resources::{Mail, System};
use vortex_units::{ActivityId, CoreId, Share};

use super::Failure;
use super::instances::{home, spec};
use crate::console::print;

/// Packets of the machine's own that are on their way, at most.
const PACKETS: usize = 2048;
/// Whose packets are for nobody: what is left of time for them, and requests.
const STRAYS: u32 = 1;
const STRAY_NODES: u32 = 256;
/// The name of that activity, where people see it.
const STRAY: &str = "network.strays";

/// Whose packets are for nobody, and its name.
type Stray = (String, ActivityId);

/// What there is of a network: the card, and the rings that it serves, with its addresses.
struct Outside {
    card: Card,
    channel: Channel<Machine>,
    addresses: Addresses,
}

/// Sets up the network's resources, with the card if there is one: without, programs of the
/// machine talk with each other. Whose packets are for nobody, where some can come.
#[inline(never)] // `build`'s frame is the largest of all without this one's.
pub(super) fn add(
    config: &Config,
    grid: &Arc<Grid<Mail>>,
    system: &Arc<System>,
    boot: &Boot,
    frequency: Frequency,
) -> Result<Option<Stray>, Failure> {
    let driver = apart(config, spec(config, frequency, "resource.dwr")?);
    let interrupts = apart(config, spec(config, frequency, "resource.ndir")?);
    let core = |spec: &InstanceSpec| spec.cores.first().map(|(core, _)| *core);
    // A resource has a core: a configuration where it has none is not sound.
    let (Some(core), Some(writer)) = (core(&interrupts), core(&driver)) else {
        return Err(Failure::NotOffered("the network's resources without a core".into()));
    };
    let outside = outside(config, boot, (core, writer), frequency)?;
    let stray = match &outside {
        Some(_) => Some((STRAY.into(), strays(grid)?)),
        None => None,
    };
    let hooks = (Box::new(NetHooks(system.clone())) as Box<_>, Arc::new(NetBills) as Arc<_>);
    let (card, channels, addresses) = match outside {
        Some(Outside { card, channel, addresses }) => (Some(card), vec![channel], addresses),
        None => (None, Vec::new(), Addresses::loopback()),
    };
    let nobody = stray.as_ref().map_or(ActivityId::INFRASTRUCTURE, |(_, stray)| *stray);
    let device = (channels, Pool::new(PACKETS));
    let wiring = Wiring::new(device, addresses, nobody, frequency, hooks, says);
    let by = |name| spec(config, frequency, name);
    let has_card = card.is_some();
    let ports = Ports {
        interrupts: has_card.then(|| {
            let wiring = wiring.clone();
            grid.add(interrupts, move |_| Interrupts::new(wiring.clone()))
        }),
        driver: has_card.then(|| {
            let wiring = wiring.clone();
            grid.add(driver, move |_| Driver::new(wiring.clone()))
        }),
        demultiplexer: grid.add(by("resource.ndrr")?, {
            let wiring = wiring.clone();
            move |_| Demultiplexer::new(wiring.clone())
        }),
        link: grid.add(by("resource.ndwr")?, {
            let wiring = wiring.clone();
            move |_| LinkWriter::new(wiring.clone())
        }),
        tcp: grid.add(by("resource.tcp")?, {
            let wiring = wiring.clone();
            move |_| Tcp::new(wiring.clone())
        }),
        timers: grid.add(by("resource.tcptimer")?, {
            let wiring = wiring.clone();
            move |_| Timers::new(wiring.clone())
        }),
    };
    wiring.ports.call_once(|| ports);
    if has_card {
        let Addresses { mac, address, prefix, .. } = addresses;
        let apart = if writer == core { String::new() } else { format!(" and {}", writer.get()) };
        says(&format!("network: {mac}, {address}/{prefix}, served by core {}{apart}", core.get()));
    }
    system.network.call_once(|| Network { wiring, card });
    Ok(stray)
}

/// The card, if the machine has one, and an address for it.
#[inline(never)] // Its frame must not lie beneath what `add` does next.
fn outside(
    config: &Config,
    boot: &Boot,
    cores: (CoreId, CoreId),
    frequency: Frequency,
) -> Result<Option<Outside>, Failure> {
    let found = match find(cores, frequency, says) {
        Ok(Some(found)) => found,
        Ok(None) => return none(config, boot),
        Err(why) => {
            says(&format!("{why}"));
            return none(config, boot);
        }
    };
    let Some(address) = boot.command_line.get("ip") else {
        let Some(at) = config.machine.network else {
            says(
                "the network card has no address: <machine address=\"ADDRESS/BITS\"> gives it one",
            );
            return none(config, boot);
        };
        let addresses = Addresses::new(found.mac, at.address, at.bits, at.gateway);
        return Ok(Some(Outside { card: found.card, channel: found.channel, addresses }));
    };
    let gateway = boot.command_line.get("gateway");
    let Some(addresses) = Addresses::parse(found.mac, address, gateway) else {
        let gateway = gateway.map_or_else(String::new, |gateway| format!(" gateway={gateway}"));
        let what = format!("ip={address}{gateway}; right is ip=10.0.2.15/24 gateway=10.0.2.2");
        return Err(Failure::Value(what));
    };
    Ok(Some(Outside { card: found.card, channel: found.channel, addresses }))
}

/// The activity of packets for nobody.
fn strays(grid: &Grid<Mail>) -> Result<ActivityId, Failure> {
    let mut little = Entitlement::new(Share::from_units(STRAYS).unwrap_or(Share::ONE));
    little.nodes = STRAY_NODES;
    grid.activities().create(little).map_err(|_| Failure::Activities)
}

fn says(line: &str) {
    print(format_args!("vortex: {line}\n"));
}

/// A resource that is at home on one core: the first that is written, else the machine's last,
/// where programs' threads are least in its way.
fn apart(config: &Config, spec: InstanceSpec) -> InstanceSpec {
    if is_written(config, &spec.name) {
        return home(spec);
    }
    let cores: Vec<_> = spec.cores.into_iter().rev().take(1).collect();
    InstanceSpec { cores, ..spec }
}

fn is_written(config: &Config, name: &str) -> bool {
    config.resources.iter().any(|written| written.resource == name)
}

/// There is no card: then nothing may be said of one.
fn none(config: &Config, boot: &Boot) -> Result<Option<Outside>, Failure> {
    if let Some(address) = boot.command_line.get("ip") {
        return Err(Failure::Value(format!("ip={address}: the machine has no network card")));
    }
    if let Some(at) = config.machine.network {
        let what = format!("address {}: the machine has no network card", at.address);
        return Err(Failure::NotOffered(what));
    }
    match vortex_assembly::OF_CARDS.iter().find(|name| is_written(config, name)) {
        Some(name) => Err(Failure::NotOffered(format!("{name}: the machine has no network card"))),
        None => Ok(None),
    }
}
