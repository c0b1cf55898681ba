//! A machine's network: QEMU's own, behind which the host is, without anybody's rights.
//!
//! The machine is 10.0.2.15 there, the host 10.0.2.2, and who knows names 10.0.2.3. What the
//! machine serves is reached at the host's ports that are published.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::str::FromStr;

use vortex_config::Network;

/// What the kernel is told: its address, and who knows the way to others.
const WORDS: [&str; 2] = ["ip=10.0.2.15/24", "gateway=10.0.2.2"];

/// The host, as the machine reaches it where its configuration does not say where it is.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

/// The host, as a machine reaches it.
pub fn host(place: Option<&Network>) -> Ipv4Addr {
    let Some(place) = place else { return HOST };
    // QEMU's own choice is the second address.
    place.gateway.unwrap_or_else(|| Ipv4Addr::from_bits(place.first().to_bits() | 2))
}

/// A port of the host's that is one of the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Of datagrams, not of connections.
    pub datagrams: bool,
    /// The host's, of its own address 127.0.0.1.
    pub host: u16,
    /// The machine's.
    pub guest: u16,
}

impl FromStr for Published {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (ports, datagrams) = match text.strip_suffix("/udp") {
            Some(ports) => (ports, true),
            None => (text.strip_suffix("/tcp").unwrap_or(text), false),
        };
        let wrong = || "HOSTPORT:GUESTPORT, such as 8080:80 or 5353:53/udp".to_string();
        let (host, guest) = ports.split_once(':').ok_or_else(wrong)?;
        let port = |text: &str| text.parse().ok().filter(|port| *port > 0);
        let (host, guest) = port(host).zip(port(guest)).ok_or_else(wrong)?;
        Ok(Self { datagrams, host, guest })
    }
}

/// A card that sends no more than so many packets in so long: what its ring has beside waits
/// there, and is not dropped.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Nanoseconds.
    pub every: u32,
    /// Packets.
    pub packets: u32,
}

/// QEMU's arguments for a card with these ports published.
pub fn arguments(published: &[Published]) -> Vec<OsString> {
    card(published, None, "")
}

/// The same for one whose machine has its place from its configuration, if it has.
pub fn arguments_at(published: &[Published], place: Option<&Network>) -> Vec<OsString> {
    card(published, place, "")
}

/// The same for a card with a pace.
pub fn paced(published: &[Published], pace: Pace) -> Vec<OsString> {
    let Pace { every, packets } = pace;
    card(published, None, &format!(",tx=timer,x-txtimer={every},x-txburst={packets}"))
}

fn card(published: &[Published], place: Option<&Network>, more: &str) -> Vec<OsString> {
    let mut network = String::from("user,id=net");
    let mut machine = String::new();
    if let Some(place) = place {
        network += &format!(",net={}/{}", place.first(), place.bits);
        if let Some(gateway) = place.gateway {
            network += &format!(",host={gateway}");
        }
        if let Some(names) = names(place) {
            network += &format!(",dns={names}");
        }
        machine = place.address.to_string();
    }
    for Published { datagrams, host, guest } in published {
        let kind = if *datagrams { "udp" } else { "tcp" };
        network += &format!(",hostfwd={kind}:127.0.0.1:{host}-{machine}:{guest}");
    }
    // No code to boot from the network.
    let card = format!("virtio-net-pci,netdev=net,romfile={more}");
    ["-netdev".into(), network, "-device".into(), card].map(OsString::from).into()
}

/// Who knows names in such a network: the first address that nobody has. `None` in one that is too
/// small, where QEMU decides.
fn names(place: &Network) -> Option<Ipv4Addr> {
    let first = place.first().to_bits();
    let others = (2..8).map(|at| Ipv4Addr::from_bits(first | at));
    let free = |other: &Ipv4Addr| place.is_near(*other) && Some(*other) != place.gateway;
    // The second is the host, where no gateway is given.
    others.skip(usize::from(place.gateway.is_none())).find(free)
}

/// The words of the kernel's command line.
pub fn words() -> impl Iterator<Item = String> {
    WORDS.into_iter().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_published_for_connections_or_datagrams() {
        let read = |text: &str| text.parse::<Published>();
        let web = Published { datagrams: false, host: 8080, guest: 80 };
        assert_eq!(read("8080:80"), Ok(web));
        assert_eq!(read("8080:80/tcp"), Ok(web));
        assert_eq!(read("53:53/udp"), Ok(Published { datagrams: true, host: 53, guest: 53 }));
        for wrong in ["80", "0:80", "80:65536", "a:80", "80:80/sctp"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        let place = |address: &str, gateway: &str| Network {
            address: address.parse().unwrap(),
            bits: 24,
            gateway: gateway.parse().ok(),
        };
        let at = arguments_at(&[web], Some(&place("192.168.7.15", "192.168.7.2")));
        let wanted = "user,id=net,net=192.168.7.0/24,host=192.168.7.2,dns=192.168.7.3,\
                      hostfwd=tcp:127.0.0.1:8080-192.168.7.15:80";
        assert_eq!(at[1], wanted);
        let at = arguments_at(&[], Some(&place("192.168.7.3", "none")));
        assert_eq!(at[1], "user,id=net,net=192.168.7.0/24,dns=192.168.7.4");
        let line: Vec<_> = arguments(&[web]).into_iter().map(|word| word.into_string()).collect();
        assert_eq!(line[1], Ok("user,id=net,hostfwd=tcp:127.0.0.1:8080-:80".into()));
    }
}
