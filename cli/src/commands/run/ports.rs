//! The ports of this host's at which a machine's services answer: what the configuration
//! and `--publish` say, and one for the monitor.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use serde::{Deserialize, Serialize};
use vortex_config::{Config, Control, Service};

use crate::failure::Failure;
use crate::machine::network::Published;

/// The monitor, by its place in the machine.
pub const MONITOR: &str = "/vortex/monitor";
/// Where it listens if nothing else is said.
const LISTENS: u16 = 9100;

/// Where somebody answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// Whose service it is.
    pub activity: String,
    /// The port of this host.
    pub host: u16,
    /// The machine's.
    pub guest: u16,
    /// For datagrams, not connections.
    pub datagrams: bool,
    /// It is the monitor's.
    pub monitor: bool,
}

/// What is done where a port that was wished for is somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is an error.
    Fails,
    /// Another is taken.
    Another,
}

/// All ports of this host's that the machine will have: the doors' and those of `--publish`.
pub fn published(doors: &[Door], more: &[Published]) -> Vec<Published> {
    doors.iter().map(Door::published).chain(more.iter().copied()).collect()
}

/// Whether this port of the host's is one of them.
pub fn given(all: &[Published], port: u16, datagrams: bool) -> bool {
    all.iter().any(|one| one.host == port && one.datagrams == datagrams)
}

/// All doors of a configuration, none of them at a port of `--publish`.
///
/// # Errors
/// [`Failure::PortTaken`], [`Failure::NoPort`].
pub fn doors(config: &Config, taken: Taken, more: &[Published]) -> Result<Vec<Door>, Failure> {
    let mut doors: Vec<Door> = Vec::new();
    for service in &config.services {
        let activity = config.activities.get(service.activity.index());
        let activity = activity.map_or_else(|| "?".into(), |activity| activity.name.clone());
        let listens = monitor(service);
        for port in &service.ports {
            let host = free(port.host, port.datagrams, taken, &published(&doors, more))?;
            let (guest, datagrams) = (port.number, port.datagrams);
            let monitor = !datagrams && listens == Some(guest);
            doors.push(Door { activity: activity.clone(), host, guest, datagrams, monitor });
        }
        if let Some(guest) = listens
            && !doors.iter().any(|door| door.monitor)
        {
            let host = free(None, false, taken, &published(&doors, more))?;
            doors.push(Door { activity, host, guest, datagrams: false, monitor: true });
        }
    }
    Ok(doors)
}

impl Door {
    /// As QEMU is told.
    pub const fn published(&self) -> Published {
        Published { datagrams: self.datagrams, host: self.host, guest: self.guest }
    }
}

/// Whether the monitor has the right to do what it is told: its activity has `control="all"`.
pub fn takes_orders(config: &Config) -> bool {
    let monitors = config.services.iter().filter(|service| monitor(service).is_some());
    let activities = monitors.filter_map(|service| config.activities.get(service.activity.index()));
    activities.into_iter().any(|activity| activity.control == Control::All)
}

/// At which port of the machine a service is the monitor.
fn monitor(service: &Service) -> Option<u16> {
    if service.program != MONITOR {
        return None;
    }
    let place = service.arguments.iter().position(|argument| argument == "--port");
    let said = place.and_then(|place| service.arguments.get(place + 1)?.parse().ok());
    Some(said.unwrap_or(LISTENS))
}

/// A port that nobody has: the one that is wished for, or any.
fn free(
    wish: Option<u16>,
    datagrams: bool,
    taken: Taken,
    all: &[Published],
) -> Result<u16, Failure> {
    let given = |port: u16| given(all, port, datagrams);
    if let Some(port) = wish {
        if !given(port) && bind(port, datagrams).is_ok() {
            return Ok(port);
        }
        if taken == Taken::Fails {
            return Err(Failure::PortTaken(port));
        }
    }
    // One that was told may be told again: it has not been taken yet.
    for _ in 0..64 {
        let port = bind(0, datagrams).map_err(Failure::NoPort)?;
        if !given(port) {
            return Ok(port);
        }
    }
    Err(Failure::NoPort(std::io::ErrorKind::AddrInUse.into()))
}

/// Whether this port can be had; zero is any.
fn bind(port: u16, datagrams: bool) -> std::io::Result<u16> {
    let address = (Ipv4Addr::LOCALHOST, port);
    let bound = if datagrams {
        UdpSocket::bind(address).and_then(|socket| socket.local_addr())
    } else {
        TcpListener::bind(address).and_then(|socket| socket.local_addr())
    };
    bound.map(|address| address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(services: &str) -> Config {
        let text = format!(
            r#"<schedulerconfig> <cpumultiplexor tag="m" core="0" algorithm="propshare.wfq"/>
            <activity name="a" share="1"/> <activity name="b" share="1"/> {services}
            </schedulerconfig>"#
        );
        vortex_config::parse(&text).unwrap_or_else(|flaws| panic!("{flaws:?}"))
    }

    #[test]
    fn every_port_has_a_door_and_the_monitor_one_of_its_own() {
        let config = config(
            r#"<service activity="a" program="/x"> <port number="80"/>
                 <port number="53" protocol="udp"/> </service>
               <service activity="b" program="/vortex/monitor">
                 <argument>--port</argument> <argument>9200</argument> </service>"#,
        );
        let doors = doors(&config, Taken::Fails, &[]).unwrap();
        let told: Vec<_> =
            doors.iter().map(|d| (d.activity.as_str(), d.guest, d.datagrams, d.monitor)).collect();
        let wanted = [("a", 80, false, false), ("a", 53, true, false), ("b", 9200, false, true)];
        assert_eq!(told, wanted);
        assert!(doors.iter().all(|door| door.host > 0));
    }

    #[test]
    fn a_taken_port_is_an_error_or_another_is_found() {
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = holder.local_addr().unwrap().port();
        let config = config(&format!(
            r#"<service activity="a" program="/x"> <port number="80" host="{port}"/> </service>"#
        ));
        let refused = doors(&config, Taken::Fails, &[]);
        assert!(matches!(refused, Err(Failure::PortTaken(taken)) if taken == port));
        assert_ne!(doors(&config, Taken::Another, &[]).unwrap()[0].host, port);
    }
    #[test]
    fn a_published_port_is_no_services() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let host = free.local_addr().unwrap().port();
        // Nobody has it, but the machine will.
        drop(free);
        let config = config(&format!(
            r#"<service activity="a" program="/x"> <port number="80" host="{host}"/> </service>"#
        ));
        let more = |datagrams| [Published { datagrams, host, guest: 9 }];
        let refused = doors(&config, Taken::Fails, &more(false));
        assert!(matches!(refused, Err(Failure::PortTaken(taken)) if taken == host));
        assert_ne!(doors(&config, Taken::Another, &more(false)).unwrap()[0].host, host);
        assert_eq!(doors(&config, Taken::Fails, &more(true)).unwrap()[0].host, host);
    }
}
