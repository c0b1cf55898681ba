//! The resources of the network, where the machine has a card (Table 1).

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use vortex_config::Config;
use vortex_grid::policy::Metric;
use vortex_grid::{Entitlement, Frequency, Grid, InstanceSpec};
use vortex_machine::Boot;
use vortex_resources::network::{
    Addresses, Demultiplexer, Driver, Interrupts, LinkWriter, NetBills, NetHooks, Network, Pool,
    Ports, Tcp, Timers, Wiring, find,
};
use vortex_resources::{Mail, System};
use vortex_units::{ActivityId, Share};

use super::Failure;
use super::instances::{home, spec, spec_by};
use crate::console::print;

/// Packets of the machine's own that are on their way, at most.
const PACKETS: usize = 2048;
/// Whose packets are for nobody: what is left of time for them, and requests.
const STRAYS: u32 = 1;
const STRAY_NODES: u32 = 256;
/// The name of that activity, where people see it.
const STRAY: &str = "network.strays";

/// Sets up the card and the network's resources, if there is one. Whose packets are for nobody,
/// and its name.
#[inline(never)] // `build`'s frame is the largest of all without this one's.
pub(super) fn add(
    config: &Config,
    grid: &Arc<Grid<Mail>>,
    system: &Arc<System>,
    boot: &Boot,
    frequency: Frequency,
) -> Result<Option<(String, ActivityId)>, Failure> {
    let driver = apart(config, spec_by(config, frequency, "resource.dwr", Metric::Bytes)?);
    let interrupts = apart(config, spec(config, frequency, "resource.ndir")?);
    let core = |spec: &InstanceSpec| spec.cores.first().map(|(core, _)| *core);
    // A resource has a core: a configuration where it has none is not sound.
    let (Some(core), Some(writer)) = (core(&interrupts), core(&driver)) else {
        return Err(Failure::NotOffered("the network's resources without a core".into()));
    };
    let found = match find((core, writer), frequency, says) {
        Ok(Some(found)) => found,
        Ok(None) => return none(config, boot),
        Err(why) => {
            says(&format!("{why}"));
            return none(config, boot);
        }
    };
    let Some(address) = boot.command_line.get("ip") else {
        says("the network card has no address: ip=ADDRESS/BITS gives it one");
        return none(config, boot);
    };
    let gateway = boot.command_line.get("gateway");
    let Some(addresses) = Addresses::parse(found.mac, address, gateway) else {
        let gateway = gateway.map_or_else(String::new, |gateway| format!(" gateway={gateway}"));
        let what = format!("ip={address}{gateway}; right is ip=10.0.2.15/24 gateway=10.0.2.2");
        return Err(Failure::Value(what));
    };
    let mut little = Entitlement::new(Share::from_units(STRAYS).unwrap_or(Share::ONE));
    little.nodes = STRAY_NODES;
    let stray = grid.activities().create(little).map_err(|_| Failure::Activities)?;
    let hooks = (Box::new(NetHooks(system.clone())) as Box<_>, Arc::new(NetBills) as Arc<_>);
    let device = (vec![found.channel], Pool::new(PACKETS));
    let wiring = Wiring::new(device, addresses, stray, frequency, hooks, says);
    let by = |name, metric| spec_by(config, frequency, name, metric);
    let ports = Ports {
        interrupts: Some(grid.add(interrupts, {
            let wiring = wiring.clone();
            move |_| Interrupts::new(wiring.clone())
        })),
        driver: Some(grid.add(driver, {
            let wiring = wiring.clone();
            move |_| Driver::new(wiring.clone())
        })),
        demultiplexer: grid.add(by("resource.ndrr", Metric::Bytes)?, {
            let wiring = wiring.clone();
            move |_| Demultiplexer::new(wiring.clone())
        }),
        link: grid.add(by("resource.ndwr", Metric::Bytes)?, {
            let wiring = wiring.clone();
            move |_| LinkWriter::new(wiring.clone())
        }),
        tcp: grid.add(by("resource.tcp", Metric::Cycles)?, {
            let wiring = wiring.clone();
            move |_| Tcp::new(wiring.clone())
        }),
        timers: grid.add(by("resource.tcptimer", Metric::Cycles)?, {
            let wiring = wiring.clone();
            move |_| Timers::new(wiring.clone())
        }),
    };
    wiring.ports.call_once(|| ports);
    let Addresses { mac, address, prefix, .. } = addresses;
    let apart = if writer == core { String::new() } else { format!(" and {}", writer.get()) };
    says(&format!("network: {mac}, {address}/{prefix}, served by core {}{apart}", core.get()));
    system.network.call_once(|| Network { wiring, card: found.card });
    Ok(Some((STRAY.into(), stray)))
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

/// There is no network: then nothing may be said of one.
fn none(config: &Config, boot: &Boot) -> Result<Option<(String, ActivityId)>, Failure> {
    if let Some(address) = boot.command_line.get("ip") {
        return Err(Failure::Value(format!("ip={address}: the machine has no network card")));
    }
    match vortex_assembly::OF_NETWORK.iter().find(|name| is_written(config, name)) {
        Some(name) => Err(Failure::NotOffered(format!("{name}: the machine has no network"))),
        None => Ok(None),
    }
}
