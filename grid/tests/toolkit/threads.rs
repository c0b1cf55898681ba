//! Whole cores on threads of their own: the laws under true concurrency.
//!
//! As an ordinary test the threads are the host's. Under `--cfg shuttle` the toolkit's
//! atomics and the threads are the model checker's, which tries random schedules:
//! `RUSTFLAGS="--cfg shuttle" cargo test -p vortex-grid --release --test toolkit threads`.

use std::sync::Arc;

use vortex_grid::{Labels, Step};

use super::orders;
use super::support::{Act, First, What, World, reversed, to};

#[cfg(not(shuttle))]
use std::thread;

#[cfg(shuttle)]
use shuttle::thread;

const CORES: u16 = 3;

/// Labels wander over three cores while requests are sent from all of them.
fn cores_on_threads(rounds: u64) {
    let mut world = World::new(CORES, 4);
    let sharing = |ttl: u64| {
        First(Arc::new(move |q| {
            let turn = (q.now.get() / (2 * ttl) + q.affinity) % u64::from(CORES);
            to(turn as u16, Some(ttl))
        }))
    };
    let near = world.probe(&[0, 1, 2], Arc::new(sharing(60)));
    let far = world.probe(&[0, 1, 2], Arc::new(sharing(90)));
    let activity = world.activity(10_000);
    let (grid, next, log) = (world.grid.clone(), world.next.clone(), world.log.clone());
    let finished = 3 * rounds * u64::from(CORES);
    let threads: Vec<_> = world
        .cores
        .drain(..)
        .enumerate()
        .map(|(index, mut core)| {
            let (next, log, grid) = (next.clone(), log.clone(), grid.clone());
            thread::spawn(move || {
                for round in 0..rounds {
                    // A label a core and round: its roots come from one core, in order.
                    let label = 1 + index as u64 + 10 * (round % 2);
                    let flow = Labels::flow(label);
                    let acts = vec![
                        Act::Ask(far, Labels::flow(100 + label), vec![Act::Again]),
                        Act::Tell(near, Labels::flow(200 + label), vec![]),
                    ];
                    let id = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let job = super::support::Job { id, acts: reversed(acts) };
                    core.root(activity, near, flow, job).expect("room");
                    let _ = core.step_once();
                }
                let mut turns = 0u64;
                let done = || {
                    let log = log.lock().unwrap();
                    log.iter().filter(|e| e.what == What::Finished).count() as u64
                };
                while done() < finished || grid.activities().nodes(activity) > 0 {
                    let _ = core.step_once();
                    thread::yield_now();
                    turns += 1;
                    assert!(turns < 3_000_000, "the cores do not come to rest");
                }
                assert!(core.audit().is_ok());
                core
            })
        })
        .collect();
    let cores: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    assert_eq!(cores.iter().map(vortex_grid::Core::requests).sum::<usize>(), 0);
    let events = log.lock().unwrap().clone();
    assert_eq!(events.iter().filter(|e| e.what == What::Finished).count() as u64, finished);
    orders::hold(&events).expect("law 6");
}

/// One step, sleeping never: an idle core only looks again.
trait StepOnce {
    fn step_once(&mut self) -> Step;
}

impl StepOnce for vortex_grid::Core<super::support::Msg, super::support::TestMachine> {
    fn step_once(&mut self) -> Step {
        let step = self.step();
        if matches!(step, Step::Idle(_)) {
            self.wake();
        }
        step
    }
}

#[cfg(not(shuttle))]
#[test]
fn the_laws_hold_on_threads() {
    for _ in 0..20 {
        cores_on_threads(100);
    }
}

#[cfg(shuttle)]
#[test]
fn the_laws_hold_on_scheduled_threads() {
    let schedules = std::env::var("VORTEX_SCHEDULES").ok().and_then(|text| text.parse().ok());
    shuttle::check_random(|| cores_on_threads(6), schedules.unwrap_or(10_000));
}
