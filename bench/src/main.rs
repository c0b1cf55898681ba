//! The program that `./vortex bench grid` runs under callgrind.
//!
//! `vortex-bench SCENARIO ACTIVITIES STEPS [POLICY]` brings a grid into its steady state and then
//! takes so many steps in [`measured`], which is all that callgrind collects; it prints how
//! many requests those steps served. Two runs with different numbers of steps, subtracted,
//! leave what a request costs. `vortex-bench bytes` prints sizes.
//!
//! The steady state is requests that circulate: every handler sends one request, so that
//! each request served is exactly one send, one decision of each scheduler, one dispatch
//! and one accounting, and the queues never run dry.

mod bytes;
mod grid;
mod memory;
mod scenario;

use std::process::ExitCode;

use scenario::{Scenario, World};

/// Counts what is allocated, for `bytes`.
#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["bytes"] => {
            bytes::print();
            ExitCode::SUCCESS
        }
        [memory::NAME, activities, steps] => {
            let parsed = (activities.parse().ok().and_then(memory::Memory::new), steps.parse());
            let (Some(mut memory), Ok(steps)) = parsed else { return usage() };
            let before = memory.served();
            measured_frames(&mut memory, steps);
            println!("{}", memory.served() - before);
            ExitCode::SUCCESS
        }
        [scenario, activities, steps, rest @ ..] if rest.len() < 2 => {
            let policy = rest.first().copied().unwrap_or(grid::WFQ);
            let parsed =
                (Scenario::named(scenario), activities.parse::<u32>(), steps.parse::<u64>());
            let (Some(scenario), Ok(activities), Ok(steps)) = parsed else { return usage() };
            let Some(mut world) = World::new(scenario, activities, policy) else {
                eprintln!("vortex-bench: the grid refused {activities} activities by {policy}");
                return ExitCode::FAILURE;
            };
            world.warm_up();
            let before = world.served();
            measured(&mut world, steps);
            println!("{}", world.served() - before);
            ExitCode::SUCCESS
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: vortex-bench bytes | vortex-bench SCENARIO ACTIVITIES STEPS [POLICY]");
    let names = Scenario::NAMES.map(|(name, _)| name).join(", ");
    eprintln!("scenarios: {names}, {}", memory::NAME);
    ExitCode::from(2)
}

/// What callgrind collects, found by its name.
#[inline(never)]
fn measured(world: &mut World, steps: u64) {
    for _ in 0..steps {
        world.step();
    }
}

/// The same for frames of memory.
#[inline(never)]
fn measured_frames(memory: &mut memory::Memory, steps: u64) {
    for _ in 0..steps {
        memory.step();
    }
}
