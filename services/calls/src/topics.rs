//! The tests, a file for each topic.

mod aio;
mod clocks;
mod clocktimers;
mod copies;
mod cuts;
mod descriptors;
mod devices;
mod epolls;
mod exec;
mod extended;
mod faults;
mod files;
mod folders;
mod futexes;
mod inet;
mod limits;
mod locks;
mod mappings;
mod memory;
mod others;
mod pipes;
mod places;
mod polling;
mod processes;
mod procfs;
mod restarts;
mod selects;
mod signalfds;
mod signals;
mod sockets;
mod stops;
mod subactivities;
mod system;
mod threads;
mod timerfds;
mod timers;
mod vectors;
mod waiting;

use crate::Test;

/// All tests, in the order of their topics.
pub fn all() -> impl Iterator<Item = &'static Test> {
    [
        files::TESTS,
        copies::TESTS,
        folders::TESTS,
        extended::TESTS,
        descriptors::TESTS,
        pipes::TESTS,
        polling::TESTS,
        selects::TESTS,
        locks::TESTS,
        sockets::TESTS,
        inet::TESTS,
        epolls::TESTS,
        timerfds::TESTS,
        signalfds::TESTS,
        processes::TESTS,
        waiting::TESTS,
        threads::TESTS,
        exec::TESTS,
        futexes::TESTS,
        signals::TESTS,
        restarts::TESTS,
        faults::TESTS,
        stops::TESTS,
        timers::TESTS,
        clocktimers::TESTS,
        clocks::TESTS,
        memory::TESTS,
        mappings::TESTS,
        cuts::TESTS,
        limits::TESTS,
        system::TESTS,
        procfs::TESTS,
        others::TESTS,
        places::TESTS,
        devices::TESTS,
        vectors::TESTS,
        subactivities::TESTS,
        aio::TESTS,
    ]
    .into_iter()
    .flatten()
}
