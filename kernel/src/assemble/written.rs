//! What the configuration says of programs: which to start, and what they may see.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use vortex_config::{Activity, Config, Control, Performance, Restart};
use vortex_files::cpio::{Archive, Item};
use vortex_resources::monitor::Rights;
use vortex_resources::process::Start;
use vortex_units::ActivityId;

use super::Failure;

/// A file of the archive, as text.
pub(super) fn written(archive: &[u8], path: &str) -> Result<String, Failure> {
    let mut items = Archive::new(archive);
    while let Ok(Some(item)) = items.next_item() {
        if let Item::Entry(entry) = item
            && entry.is_at(path)
        {
            return String::from_utf8(entry.contents.to_vec())
                .map_err(|_| Failure::NoConfiguration(path.into()));
        }
    }
    Err(Failure::NoConfiguration(path.into()))
}

/// The activities that may see the performance data of all, and those that may change what
/// others are entitled to.
pub(super) fn rights(config: &Config, names: &[(ActivityId, String)]) -> Rights {
    let who = |may: fn(&Activity) -> bool| {
        let activities = config.activities.iter().zip(names);
        activities.filter(|(activity, _)| may(activity)).map(|(_, (id, _))| *id).collect()
    };
    Rights {
        observers: who(|activity| activity.performance == Performance::All),
        controllers: who(|activity| activity.control == Control::All),
    }
}

/// The ports of services, and whose they are: of streams, or of datagrams.
pub(super) fn ports(
    config: &Config,
    names: &[(String, ActivityId)],
) -> Vec<(bool, u16, ActivityId)> {
    let of = |service: &vortex_config::Service| {
        let activity = names.get(service.activity.index()).map(|(_, activity)| *activity);
        let ports = service.ports.iter().map(|port| (!port.datagrams, port.number));
        let ports: Vec<_> = ports.collect();
        ports.into_iter().filter_map(move |(stream, port)| Some((stream, port, activity?)))
    };
    config.services.iter().flat_map(of).collect()
}

/// The programs to start. Who may control others is told the host's secret, if it has one: so a
/// service knows whose orders these are.
pub(super) fn services(
    config: &Config,
    names: &[(String, ActivityId)],
    secret: Option<&str>,
) -> Vec<(ActivityId, Start)> {
    let bytes = |text: &String| text.as_bytes().to_vec();
    let start = |service: &vortex_config::Service| {
        let (_, activity) = names.get(service.activity.index())?;
        let own = core::iter::once(&service.program).chain(&service.arguments).map(bytes);
        let (program, arguments) = match service.restart {
            Restart::Never => (bytes(&service.program), own.collect()),
            // A process of the activity sees to it: what that costs is on its bill.
            again => {
                let name = config.activities.get(service.activity.index())?.name.as_str();
                let words = [Restart::KEEPER, "--restart", again.name(), "--name", name, "--"];
                let words = words.into_iter().map(|word| word.as_bytes().to_vec());
                (Restart::KEEPER.as_bytes().to_vec(), words.chain(own).collect())
            }
        };
        let variable = |(name, value): &(String, String)| format!("{name}={value}").into_bytes();
        let controls = config.activities.get(service.activity.index())?.control == Control::All;
        let secret = secret.filter(|_| controls).map(|secret| (Control::SECRET, secret));
        let secret = secret.map(|(name, value)| format!("{name}={value}").into_bytes());
        let environment = service.environment.iter().map(variable).chain(secret).collect();
        Some((*activity, Start::new(program, arguments, environment)))
    };
    let mut start: Vec<_> = config.services.iter().filter_map(start).collect();
    if start.is_empty()
        && let Some((_, activity)) = names.get(1)
    {
        let init = b"/init".to_vec();
        start.push((*activity, Start::new(init.clone(), vec![init], Vec::new())));
    }
    start
}
