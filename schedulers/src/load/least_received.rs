//! `least-received`: the core where the label's activity has received least in proportion
//! to its share there (footnote 3 of the paper).
//!
//! Cores where the activity has no share are taken only if it has none anywhere; then all
//! count alike. The label stays where it last ran if the activity has received there at
//! most a sixty-fourth more than where it has received least: moving would even out less
//! than it costs in cold caches. Else equals go to the lowest core. A binding holds for
//! `ttl`, so that the answer follows what has been received since.

use vortex_grid::policy::{Binding, CoreLoad, LoadShare, LoadSharing};
use vortex_units::{Micros, Share};

/// The policy `least-received`.
#[derive(Clone, Copy, Debug)]
pub struct LeastReceived {
    ttl: Micros,
}

impl LeastReceived {
    /// With bindings that hold this long.
    #[must_use]
    pub const fn new(ttl: Micros) -> Self {
        Self { ttl }
    }
}

/// Received and share, compared as fractions without dividing.
#[derive(Clone, Copy)]
struct Portion {
    received: u128,
    share: u128,
}

impl Portion {
    fn of(load: &CoreLoad, share: Share) -> Self {
        Self { received: u128::from(load.received), share: u128::from(share.hundredths()) }
    }

    fn less_than(self, other: Self) -> bool {
        self.received * other.share < other.received * self.share
    }

    /// The products stay below 2^64 · 2^27 · 65.
    fn close_to(self, least: Self) -> bool {
        self.received * least.share * 64 <= least.received * self.share * 65
    }
}

impl LoadSharing for LeastReceived {
    fn name(&self) -> &'static str {
        "least-received"
    }

    fn choose(&self, question: &LoadShare<'_>) -> Binding {
        let nowhere = question.loads.iter().all(|load| load.share.is_none());
        let assumed = if nowhere { Some(Share::ONE) } else { None };
        let portions = question.cores.iter().zip(question.loads).filter_map(|(core, load)| {
            load.share.or(assumed).map(|share| (*core, Portion::of(load, share)))
        });
        // Cores come in ascending order, so among equals the first is the lowest.
        let least = portions.clone().reduce(|a, b| if b.1.less_than(a.1) { b } else { a });
        let core = match least {
            None => super::first(question.cores),
            Some((core, least)) => portions
                .filter(|(core, portion)| {
                    question.last_ran == Some(*core) && portion.close_to(least)
                })
                .map(|(core, _)| core)
                .next()
                .unwrap_or(core),
        };
        Binding { core, ttl: Some(self.ttl) }
    }
}
