//! How long the kernel ran at a stretch (law 5): told at the machine's end, if the kernel's
//! command line says `runs=told`.
//!
//! The runs of handlers are measured by the grid, always. What a thread has done for it
//! without leaving its run, and what a core does before it sleeps, is measured here, only
//! where it is to be told: it takes a reading of the clock each time.

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;

use spin::Mutex;
use vortex_grid::ClientReport;
use vortex_units::{ActivityId, Cycles};

use crate::console::print;

/// The longest stretches that are no runs of handlers, by what they were for.
#[derive(Default)]
pub struct Stretches(Mutex<BTreeMap<&'static str, Cycles>>);

impl Stretches {
    /// There was one.
    pub fn note(&self, what: &'static str, span: Cycles) {
        let mut all = self.0.lock();
        let longest = all.entry(what).or_default();
        *longest = span.max(*longest);
    }

    /// Tells of all.
    pub fn tell(&self) {
        for (what, longest) in &*self.0.lock() {
            line(format_args!("the thread's own run"), *longest, what);
        }
    }
}

/// Tells the longest runs of a core's handlers, by resource and activity.
pub fn tell(clients: &[ClientReport], names: &[(String, ActivityId)]) {
    for client in clients {
        let name = names.iter().find(|(_, activity)| *activity == client.activity);
        let name = name.map_or("another", |(name, _)| name);
        line(
            format_args!("{} for {name}", client.resource),
            client.usage.longest_run,
            client.usage.longest_of,
        );
    }
}

/// Tells how long it took a core to exchange a policy.
pub fn tell_change(longest: Cycles) {
    line(format_args!("the core's own run"), longest, "exchange of a policy");
}

fn line(of: fmt::Arguments<'_>, longest: Cycles, what: &str) {
    print(format_args!("longest run: {} cycles, {of}: {what}\n", longest.get()));
}
