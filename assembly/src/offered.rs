//! What the machine's kernel makes of a configuration that is sound: what it refuses, since it
//! cannot be what the file says, and what it leaves to the simulation. A knob that would turn
//! nothing is said to whoever turns it (law 8). The kernel asks this at boot, `./vortex check`
//! for whoever writes the file.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use vortex_config::{
    Config, MemoryBudget, Parameter, Place, ResourceScheduler, Source, StackedScheduler, THREAD,
};
use vortex_grid::Frequency;
use vortex_grid::policy::InitError;
use vortex_schedulers::MakeError;

use crate::PolicyError;

/// A clock, for who only asks whether a scheduler can be made.
const ANY: Frequency = Frequency::megahertz(1_000);

/// The resources that the kernel has, beside threads; each with whether it serves on every core
/// that it is given, or is at home on one.
const RESOURCES: [(&str, bool); 6] = [
    ("resource.process", false),
    ("resource.asr", true),
    ("resource.memory", false),
    ("resource.file", false),
    ("resource.monitor", false),
    ("resource.aior", false),
];

/// The resources that the kernel has where the machine has a disk.
pub const OF_DISKS: [&str; 7] = [
    "resource.storage",
    "resource.scsi",
    "resource.sdrwr",
    "resource.drwr",
    "resource.dir",
    "resource.fcr",
    "resource.ext2",
];

/// Those of the network that the kernel has only where the machine has a card.
pub const OF_CARDS: [&str; 2] = ["resource.ndir", "resource.dwr"];

/// The resources of the network.
pub const OF_NETWORK: [&str; 6] = [
    "resource.ndir",
    "resource.dwr",
    "resource.ndrr",
    "resource.ndwr",
    "resource.tcp",
    "resource.tcptimer",
];

/// Those of them that are at home on one core; the others serve on every core that they are
/// given.
const AT_HOME: [&str; 4] = ["resource.fcr", "resource.ext2", "resource.ndir", "resource.dwr"];

/// The names of all resources that the kernel has beside threads.
pub fn resources() -> impl Iterator<Item = &'static str> {
    RESOURCES.into_iter().map(|(known, _)| known).chain(OF_DISKS).chain(OF_NETWORK)
}

/// The place of a resource among those that the kernel has beside threads: what tells them
/// apart where the configuration names none.
#[must_use]
pub fn place_of(name: &str) -> Option<usize> {
    resources().position(|known| known == name)
}

/// What is to be said of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The element; line zero where it is not written.
    pub place: Place,
    /// What is to be said.
    pub text: String,
}

/// What the kernel does not do: a file with any of it is refused at boot.
#[must_use]
pub fn refused(config: &Config) -> Vec<Remark> {
    let mut all: Vec<Remark> = config.resources.iter().filter_map(resource).collect();
    all.extend(config.resources.iter().filter_map(favoured));
    all.extend(config.resources.iter().filter_map(|written| not_made(config, written)));
    // What the kernel has for itself is the machine's reserve.
    if let Some(own) = config.activities.first()
        && own.memory != MemoryBudget::default()
    {
        let text = "the kernel has no memory budget for the infrastructure".into();
        all.push(Remark { place: own.place, text });
    }
    all.extend(config.schedulers.iter().filter_map(stacked));
    let threads = config.thread().map_or(&[][..], |thread| &thread.draws);
    let threads = threads.iter().filter(|draw| matches!(draw.from, Source::Scheduler(_)));
    all.extend(threads.map(|draw| {
        let text = "the kernel's threads are clients of multiplexors, at their activities".into();
        Remark { place: draw.place, text }
    }));
    all.sort_by_key(|remark| remark.place);
    all
}

/// Why a resource is refused.
fn resource(written: &ResourceScheduler) -> Option<Remark> {
    let name = &written.resource;
    if name == THREAD {
        return None;
    }
    let of_devices = OF_DISKS.iter().chain(&OF_NETWORK);
    let of_devices = of_devices.map(|known| (*known, !AT_HOME.contains(known)));
    match RESOURCES.into_iter().chain(of_devices).find(|(known, _)| known == name) {
        None => {
            let text = format!("'{name}': the kernel has no such resource");
            Some(Remark { place: written.place, text })
        }
        Some((_, false)) if written.cores.len() > 1 => {
            let place = written.draws.get(1).map_or(written.place, |draw| draw.place);
            let text = format!(
                "'{name}' is at home on one core in the kernel: its shares on others would have \
                 no effect"
            );
            Some(Remark { place, text })
        }
        Some(_) => None,
    }
}

/// Why a scheduler between others is refused.
fn stacked(bus: &StackedScheduler) -> Option<Remark> {
    if is_uneven(bus) {
        let text = format!(
            "'{}' requests with different shares or priorities, or of different kinds of \
             schedulers: it has one standing, on all its cores",
            bus.tag
        );
        return Some(Remark { place: bus.place, text });
    }
    let error = crate::stacked(bus, None, ANY).err()?;
    Some(why(error, &bus.tag, &bus.params, bus.place))
}

/// Whether a scheduler between others does not request alike wherever it does.
#[must_use]
pub fn is_uneven(bus: &StackedScheduler) -> bool {
    let is_core = |from| matches!(from, Source::Multiplexor(_));
    let Some(first) = bus.draws.first() else { return false };
    bus.draws.iter().any(|draw| {
        let same = if is_core(first.from) { is_core(draw.from) } else { draw.from == first.from };
        !same || (draw.share, draw.priority) != (first.share, first.priority)
    })
}

/// Why a resource's policy cannot be made: what it says of a value that is written for it.
fn not_made(config: &Config, written: &ResourceScheduler) -> Option<Remark> {
    let error = crate::resource(config, written, ANY, None).err()?;
    Some(why(error, &written.resource, &written.params, written.place))
}

/// Why a policy cannot be made.
fn why(error: PolicyError, name: &str, params: &[Parameter], whole: Place) -> Remark {
    let (place, text) = match error {
        PolicyError::Field(field) => (whole, format!("'{name}': no record has a field '{field}'")),
        PolicyError::Make(why) => {
            let of = |param: &&Parameter| match &why {
                MakeError::Init(InitError::BadValue { name, .. }) => param.name == *name,
                _ => false,
            };
            let place = params.iter().find(of).map_or(whole, |param| param.place);
            (place, format!("'{name}': {why}"))
        }
    };
    Remark { place, text }
}

/// Why what a resource favours is refused.
fn favoured(written: &ResourceScheduler) -> Option<Remark> {
    let favours = written.favours.as_deref()?;
    if favours == THREAD || place_of(favours).is_some() {
        return None;
    }
    let text =
        format!("'{favours}': the kernel has no such resource whose requests could go first");
    Some(Remark { place: written.place, text })
}

/// What the kernel does not look at, since it is said for `./vortex simulate`.
#[must_use]
pub fn simulated(config: &Config) -> Vec<Remark> {
    let machine = config.machine.simulated.map(|place| {
        let text = "frequency and overhead of <machine> are for simulation alone: the kernel \
                    measures its clock, and its own work costs what it costs";
        Remark { place, text: text.into() }
    });
    let simulation = config.simulation.as_ref().map(|simulation| {
        let text = "<simulation> is for './vortex simulate' alone: the kernel runs services";
        Remark { place: simulation.place, text: text.into() }
    });
    machine.into_iter().chain(simulation).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file for two cores with this in it, after its threads' resource.
    fn config(more: &str) -> Config {
        let text = format!(
            "<schedulerconfig>\n\
             <cpumultiplexor tag=\"m0\" core=\"0\" algorithm=\"propshare.wfq\"/>\n\
             <cpumultiplexor tag=\"m1\" core=\"1\" algorithm=\"propshare.wfq\"/>\n\
             <resourcescheduler resource=\"resource.thread\" algorithm=\"propshare.round-robin\">\n\
             <cpumultiplexor tag=\"m0\"/> <cpumultiplexor tag=\"m1\"/>\n\
             </resourcescheduler>\n\
             {more}\n\
             <activity name=\"a\" share=\"100\"/>\n</schedulerconfig>\n"
        );
        vortex_config::parse(&text).unwrap()
    }

    fn scheduler(resource: &str, tags: &[&str]) -> String {
        let draws =
            tags.iter().map(|tag| format!("\n<cpumultiplexor tag=\"{tag}\" share=\"50\"/>"));
        let draws: String = draws.collect();
        format!(
            "<resourcescheduler resource=\"{resource}\" algorithm=\"propshare.wfq\">{draws}\
             </resourcescheduler>"
        )
    }

    #[test]
    fn a_resource_at_home_on_one_core_is_refused_others_by_their_place() {
        assert_eq!(refused(&config("")), []);
        assert_eq!(refused(&config(&scheduler("resource.process", &["m1"]))), []);
        assert_eq!(refused(&config(&scheduler("resource.asr", &["m0", "m1"]))), []);
        let two = refused(&config(&scheduler("resource.process", &["m0", "m1"])));
        assert!(matches!(&two[..], [one] if one.place == Place { line: 9, column: 1 }), "{two:?}");
        assert!(two[0].text.starts_with("'resource.process' is at home on one core"));
    }

    #[test]
    fn what_there_is_not_is_refused_by_name() {
        let bus = "<scheduler tag=\"bus\" algorithm=\"propshare.wfq\">\
                   <cpumultiplexor tag=\"m0\" share=\"1\"/><cpumultiplexor tag=\"m1\" share=\"2\"/>\
                   </scheduler>\
                   <resourcescheduler resource=\"resource.er\" algorithm=\"fifo\">\
                   <scheduler tag=\"bus\"/></resourcescheduler>\
                   <infrastructure><memory minimum=\"1 MiB\"/></infrastructure>";
        let all: Vec<_> = refused(&config(bus)).into_iter().map(|remark| remark.text).collect();
        assert_eq!(all.len(), 3, "{all:?}");
        for (text, has) in all.iter().zip(["'bus'", "'resource.er'", "infrastructure"]) {
            assert!(text.contains(has), "{text}");
        }
    }

    #[test]
    fn a_scheduler_above_drivers_is_offered_and_not_above_threads() {
        let with = |resource: &str, what: &str| {
            let bus = format!(
                "<scheduler tag=\"bus\" algorithm=\"propshare.wfq\" {what}>\
                 <cpumultiplexor tag=\"m0\" share=\"1\"/></scheduler>\
                 <resourcescheduler resource=\"{resource}\" algorithm=\"propshare.wfq\">\
                 <scheduler tag=\"bus\"/></resourcescheduler>"
            );
            refused(&config(&bus)).into_iter().map(|remark| remark.text).collect::<Vec<_>>()
        };
        let none: [String; 0] = [];
        assert_eq!(with("resource.drwr", ""), none);
        assert_eq!(with("resource.dwr", "metric=\"bytes\" limit=\"4 MB/s\""), none);
        let threads = vortex_config::parse(
            "<schedulerconfig>\n<cpumultiplexor tag=\"m0\" core=\"0\" algorithm=\"propshare.wfq\"/>\n\
             <scheduler tag=\"bus\" algorithm=\"propshare.wfq\"><cpumultiplexor tag=\"m0\"/></scheduler>\n\
             <resourcescheduler resource=\"resource.thread\" algorithm=\"propshare.round-robin\">\n\
             <scheduler tag=\"bus\"/></resourcescheduler>\n\
             <activity name=\"a\" share=\"100\"/></schedulerconfig>",
        );
        let threads = refused(&threads.unwrap());
        let [one] = &threads[..] else { panic!("{threads:?}") };
        assert_eq!(one.place.line, 5);
        assert!(one.text.contains("threads"), "{threads:?}");
    }

    #[test]
    fn a_value_that_its_policy_does_not_take_is_refused_by_its_place() {
        let with = |value: &str| {
            let written =
                scheduler("resource.drwr", &["m0"]).replace("propshare.wfq", "order.scan");
            let param = format!("\n<param name=\"window\">{value}</param></resourcescheduler>");
            refused(&config(&written.replace("</resourcescheduler>", &param)))
        };
        assert_eq!(with("40"), []);
        let wrong = with("many");
        assert!(
            matches!(&wrong[..], [one] if one.place.line == 8 || one.place.line == 9),
            "{wrong:?}"
        );
        assert!(wrong[0].text.contains("'window' is 'many'"), "{wrong:?}");
    }

    #[test]
    fn whose_requests_could_never_go_first_is_refused() {
        let favouring = |resource: &str, favours: &str| {
            let written = scheduler(resource, &["m0"]);
            let attribute = format!("algorithm=\"propshare.wfq\" favours=\"{favours}\"");
            refused(&config(&written.replace("algorithm=\"propshare.wfq\"", &attribute)))
        };
        assert_eq!(favouring("resource.file", "resource.asr"), []);
        assert_eq!(favouring("resource.file", "resource.thread"), []);
        let none = favouring("resource.file", "resource.er");
        assert!(matches!(&none[..], [one] if one.text.starts_with("'resource.er'")), "{none:?}");
    }

    #[test]
    fn what_is_for_simulation_alone_is_told() {
        assert_eq!(simulated(&config("<machine memory=\"64 MiB\"/>")), []);
        for machine in ["<machine frequency=\"2 GHz\"/>", "<machine overhead=\"9\"/>"] {
            let told = simulated(&config(machine));
            assert!(matches!(&told[..], [one] if one.place.line == 7), "{told:?}");
        }
        let told = simulated(&config("\n<simulation duration=\"1 s\"/>"));
        assert!(matches!(&told[..], [one] if one.place.line == 8), "{told:?}");
    }
}
