//! What programs set of a socket; one that is accepted has what the one had that listened.

use vortex_units::Micros;

/// It. What is counted in seconds, and how often, is as Linux has it where nobody sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Small pieces are sent at once.
    pub no_delay: bool,
    /// What does not fill a segment waits for more, a fifth of a second at most.
    pub cork: bool,
    /// What is received is acknowledged at once.
    pub quick: bool,
    /// It is looked whether the other end is there, though nothing is sent: after so many seconds
    /// of silence, from then on each so many, and so often.
    pub keep_alive: bool,
    /// The silence.
    pub idle: u16,
    /// Between two looks.
    pub interval: u16,
    /// How many.
    pub probes: u8,
    /// How long what is sent may be unanswered, in milliseconds; zero for as long as usual.
    pub patience: u32,
    /// An address in use by connections that have ended may be bound.
    pub reuse: bool,
    /// Several may be bound to one address.
    pub reuse_port: bool,
    /// It may be sent to all at once.
    pub broadcast: bool,
    /// Whether who closes it waits until all has arrived, and how many seconds; without any, the
    /// connection ends at once, and what has not arrived is lost.
    pub linger: (bool, u32),
    /// The kind of service that is asked of the network.
    pub service: u8,
    /// How many hosts may hand a packet on.
    pub hops: u8,
}

/// How long unless somebody says otherwise.
const PATIENCE: Micros = Micros::new(120_000_000);
/// How many hosts unless somebody says otherwise.
pub const HOPS: u8 = 64;

impl Default for Options {
    fn default() -> Self {
        Self {
            no_delay: false,
            cork: false,
            quick: false,
            keep_alive: false,
            idle: 7_200,
            interval: 75,
            probes: 9,
            patience: 0,
            reuse: false,
            reuse_port: false,
            broadcast: false,
            linger: (false, 0),
            service: 0,
            hops: HOPS,
        }
    }
}

impl Options {
    /// How long what is sent may be unanswered.
    pub(crate) fn answer(&self) -> Micros {
        match self.patience {
            0 => PATIENCE,
            milliseconds => Micros::new(u64::from(milliseconds).saturating_mul(1_000)),
        }
    }

    /// How long the other end may be silent until it is looked whether it is there.
    pub(crate) fn silence(&self) -> Micros {
        Micros::new(u64::from(self.idle).saturating_mul(1_000_000))
    }

    /// And until it is taken for gone.
    pub(crate) fn gone(&self) -> Micros {
        let looks = u64::from(self.interval).saturating_mul(u64::from(self.probes));
        Micros::new(u64::from(self.idle).saturating_add(looks).saturating_mul(1_000_000))
    }
}
