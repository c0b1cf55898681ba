//! A machine's network: QEMU's own, behind which the host is, without anybody's rights.
//!
//! The machine is 10.0.2.15 there, the host 10.0.2.2, and who knows names 10.0.2.3. What the
//! machine serves is reached at the host's ports that are published.

use std::ffi::OsString;
use std::str::FromStr;

/// What the kernel is told: its address, and who knows the way to others.
const WORDS: [&str; 2] = ["ip=10.0.2.15/24", "gateway=10.0.2.2"];

/// The host, as the machine reaches it.
pub const HOST: &str = "10.0.2.2";

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
    card(published, "")
}

/// The same for a card with a pace.
pub fn paced(published: &[Published], pace: Pace) -> Vec<OsString> {
    let Pace { every, packets } = pace;
    card(published, &format!(",tx=timer,x-txtimer={every},x-txburst={packets}"))
}

fn card(published: &[Published], more: &str) -> Vec<OsString> {
    let mut network = String::from("user,id=net");
    for Published { datagrams, host, guest } in published {
        let kind = if *datagrams { "udp" } else { "tcp" };
        network += &format!(",hostfwd={kind}:127.0.0.1:{host}-:{guest}");
    }
    // No code to boot from the network.
    let card = format!("virtio-net-pci,netdev=net,romfile={more}");
    ["-netdev".into(), network, "-device".into(), card].map(OsString::from).into()
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
        let line: Vec<_> = arguments(&[web]).into_iter().map(|word| word.into_string()).collect();
        assert_eq!(line[1], Ok("user,id=net,hostfwd=tcp:127.0.0.1:8080-:80".into()));
    }
}
