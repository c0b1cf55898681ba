//! What the kernel says of its network card at its end.

use serde::Serialize;

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
    /// Packets that are still on their way, and sockets that are left.
    pub left: u64,
}

/// It, from what was on the console. `None` where the kernel does not say it.
pub fn read(console: &str) -> Option<Card> {
    let before = |text: &str, word: &str| -> Option<u64> {
        text.split(word).next()?.split_whitespace().next_back()?.parse().ok()
    };
    let lines = || console.lines().map(str::trim);
    let own = lines().find(|line| line.starts_with("network, core "))?;
    let left = lines().find(|line| line.starts_with("network: ") && line.ends_with(" left"))?;
    let suspended = own.split("no room ").nth(1)?.split_whitespace().next()?.parse().ok()?;
    Some(Card {
        came: before(own, " packets in")?,
        sent: before(own, " out,")?,
        interrupts: before(own, " interrupts")?,
        suspended,
        dropped: before(own, " dropped")?,
        left: before(left, " packets on their way")? + before(left, " sockets left")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        let console = "x\r\nnetwork, core 1: 10 packets in, 20 out, 3 and 4 bytes, 5 interrupts, \
                       no room 6 times, 7 dropped\r\n\
                       network: 1 packets on their way, 2 sockets left\r\n";
        let (came, sent, interrupts, suspended, dropped, left) = (10, 20, 5, 6, 7, 3);
        let card = Card { came, sent, interrupts, suspended, dropped, left };
        assert_eq!(read(console), Some(card));
        assert_eq!(read("network: 0 packets on their way, 0 sockets left"), None);
    }
}
