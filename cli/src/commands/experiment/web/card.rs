//! What the kernel says of its network card at its end.

use serde::Serialize;

/// Why packets are dropped that are nobody's: they are counted elsewhere.
const NOBODY: &str = ", for nobody";

/// What the card has done from the machine's beginning to its end.
#[derive(Clone, Copy, Debug, Default, Serialize, PartialEq, Eq)]
pub struct Card {
    /// Packets that came.
    pub came: u64,
    /// Packets that were sent.
    pub sent: u64,
    /// How often it has interrupted.
    pub interrupts: u64,
    /// How often DWR was suspended.
    pub suspended: u64,
    /// Packets that nobody had room for.
    pub dropped: u64,
    /// How often DIR and DWR waited for each other, on two cores.
    pub waits: u64,
    /// Packets that are still on their way, and sockets that are left.
    pub left: u64,
}

/// It, from what was on the console. `None` where the kernel does not say it.
pub fn read(console: &str) -> Option<Card> {
    let before = |text: &str, word: &str| -> Option<u64> {
        let (before, _) = text.split_once(word)?;
        before.split_whitespace().next_back()?.parse().ok()
    };
    let after = |text: &str, word: &str| -> Option<u64> {
        let rest = text.get(text.find(word)? + word.len()..)?;
        rest.split_whitespace().next()?.parse().ok()
    };
    let lines = || console.lines().map(str::trim);
    let own = lines().find(|line| line.starts_with("network, core "))?;
    let left = lines().find(|line| line.starts_with("network: ") && line.ends_with(" left"))?;
    let drops = lines().filter(|line| {
        line.starts_with("network: ")
            && line.contains(" packets dropped, ")
            && !line.ends_with(NOBODY)
    });
    let dropped = drops.map(|line| before(line, " packets dropped")).sum::<Option<u64>>()?;
    let waits = lines().find_map(|line| line.split("waited for the ring ").nth(1));
    Some(Card {
        came: before(own, " packets in")?,
        sent: before(own, " out,")?,
        interrupts: before(own, " interrupts")?,
        suspended: after(own, "no room ")?,
        dropped,
        waits: waits.map_or(Some(0), |rest| after(rest, ""))?,
        left: before(left, " packets on their way")? + before(left, " sockets left")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        let console = "x\r\nnetwork, core 1: 10 packets in, 20 out, 3 and 4 bytes, 5 interrupts, \
                       no room 6 times\r\n";
        let drops = "network: 90 packets dropped, for nobody\r\n\
                     network: 4 packets dropped, of activities in debt\r\n\
                     network: 3 packets dropped, behind too many of their connection\r\n";
        let left = "network: 1 packets on their way, 2 sockets left\r\n";
        let waits = "network: written to by core 2, waited for the ring 8 times\r\n";
        let (came, sent, interrupts, suspended, left_over) = (10, 20, 5, 6, 3);
        let card = |dropped, waits| {
            Some(Card { came, sent, interrupts, suspended, dropped, waits, left: left_over })
        };
        assert_eq!(read(&format!("{console}{left}")), card(0, 0));
        assert_eq!(read(&format!("{console}{waits}{drops}{left}")), card(7, 8));
        assert_eq!(read(left), None);
        assert_eq!(read(console), None);
    }
}
