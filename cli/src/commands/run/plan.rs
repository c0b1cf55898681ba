//! How a machine comes to be hosted: who else is told of it, its dashboard, its figures.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use vortex_config::Config;

use super::hosting::{Hosting, State};
use super::ports::{self, Door};
use crate::args::Run;
use crate::dashboard::{self, Dashboard};
use crate::failure::Failure;
use crate::human;
use crate::machine::console::{Backtrace, Symbols};
use crate::machine::network::{self, Published};
use crate::machine::qemu::Machine;
use crate::running::{self, About, Hosted, Secret};
use crate::screen::Screen;
use crate::watch::follow::follow;
use crate::watch::history::History;
use crate::watch::standing::Standing;

/// The dashboard's port, if nobody has it.
const DASHBOARD: u16 = 8080;

/// What is known before.
pub struct Plan<'a> {
    /// What was asked for.
    pub arguments: &'a Run,
    /// The checkout.
    pub root: &'a Path,
    /// The configuration's file.
    pub file: &'a Path,
    /// What it says.
    pub config: &'a Config,
    /// Of whoever may give it orders.
    pub secret: Option<&'a Secret>,
    /// The kernel's.
    pub symbols: Symbols,
}

impl Plan<'_> {
    /// Everything but the machine itself.
    ///
    /// # Errors
    /// [`Failure::NoDashboard`], [`Failure::DashboardTaken`], [`Failure::Unwritable`].
    pub fn hosting(self, machine: &Machine, doors: Vec<Door>) -> Result<Hosting, Failure> {
        let file = self.file.strip_prefix(self.root).unwrap_or(self.file);
        let accelerator = machine.accelerator.name().to_string();
        let cores = human::count(machine.cores.get().into(), "core", "cores");
        let title = format!("{} on {cores} ({accelerator})", file.display());
        let dashboard = self.dashboard(&doors)?;
        let port = dashboard.as_ref().map(Dashboard::port).transpose();
        let port = port.map_err(Failure::NoDashboard)?;
        let begun = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        let about = About {
            process: std::process::id(),
            begun,
            configuration: self.file.canonicalize().unwrap_or_else(|_| self.file.into()),
            doors: doors.clone(),
            dashboard: port,
            host: network::host(self.config.machine.network.as_ref()),
        };
        let hosted = Hosted::begin(&running::folder(self.root), &about, self.secret)?;
        let log = hosted.console()?;
        let (standing, history) = (Standing::of(self.config), History::default());
        if let Some(dashboard) = dashboard {
            let (title, doors, standing) = (title.clone(), doors.clone(), standing.clone());
            let machine = dashboard::Machine { title, accelerator, begun, doors, standing };
            dashboard.serve(machine, history.clone());
        }
        let monitor = doors.iter().find(|door| door.monitor).map(|door| door.host);
        Ok(Hosting {
            title,
            doors,
            dashboard: port,
            standing,
            history: history.clone(),
            log,
            console: Backtrace::new(self.symbols),
            every: self.arguments.every,
            screen: Screen::open(),
            state: State::new(),
            _kept: (hosted, monitor.map(|port| follow(port, history))),
        })
    }

    /// The dashboard's port, taken: the one that was asked for, or one that there is.
    fn dashboard(&self, doors: &[Door]) -> Result<Option<Dashboard>, Failure> {
        let all = ports::published(doors, &self.arguments.publish);
        at(self.arguments.dashboard, &all)
    }
}

/// The dashboard at this port, or at any if none is said; no dashboard at zero.
fn at(wish: Option<u16>, all: &[Published]) -> Result<Option<Dashboard>, Failure> {
    let found = match wish {
        Some(0) => return Ok(None),
        Some(port) if ports::given(all, port, false) => return Err(Failure::DashboardTaken(port)),
        Some(port) => Dashboard::at(port),
        None => any(all),
    };
    found.map(Some).map_err(Failure::NoDashboard)
}

/// A port that the machine will not have: those are not taken before it runs.
fn any(all: &[Published]) -> io::Result<Dashboard> {
    let given = |port: u16| ports::given(all, port, false);
    if !given(DASHBOARD)
        && let Ok(dashboard) = Dashboard::at(DASHBOARD)
    {
        return Ok(dashboard);
    }
    for _ in 0..64 {
        let dashboard = Dashboard::at(0)?;
        if !given(dashboard.port()?) {
            return Ok(dashboard);
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_services_port_is_not_the_dashboards() {
        let one = [Published { datagrams: false, host: DASHBOARD, guest: 80 }];
        assert_ne!(any(&one).unwrap().port().unwrap(), DASHBOARD);
        let refused = at(Some(DASHBOARD), &one).map(|_| ());
        assert!(matches!(refused, Err(Failure::DashboardTaken(DASHBOARD))));
        assert!(matches!(at(Some(0), &one), Ok(None)));
    }
}
