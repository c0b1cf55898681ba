//! Who pokes a core pays for what that costs there, and pokes it once.

use std::sync::atomic::Ordering;

use vortex_grid::{Labels, Step};
use vortex_units::{ActivityId, CoreId, Cycles};

use super::support::{Act, First, World};

/// What the interrupt takes on the core that it comes to.
const INTERRUPT: u64 = 500;

/// Two cores: on the second, a thread of the last activity is in user mode.
fn running() -> (World, [ActivityId; 3]) {
    let mut world = World::new(2, 5);
    let activities = [world.activity(64), world.activity(64), world.activity(64)];
    let thread = world.probe(&[1], First::anywhere());
    world.probe(&[0], First::anywhere());
    world.root(1, activities[2], thread, Labels::NONE, vec![Act::Enter, Act::Enter]).unwrap();
    while !matches!(world.cores[1].step(), Step::Enter(_)) {}
    world.pokes.lock().unwrap().clear();
    (world, activities)
}

/// An activity's handler on the first core pokes the second.
fn poke(world: &mut World, activity: ActivityId) {
    let sender = world.ports[1];
    let acts = vec![Act::Poke(CoreId::new(1)); 3];
    world.root(0, activity, sender, Labels::NONE, acts).unwrap();
    let _ = world.cores[0].step();
}

/// The interrupt comes, and the thread's core is back.
fn come(world: &mut World) -> Step {
    let left_at = Cycles::new(world.clock.0.load(Ordering::Relaxed));
    world.clock.0.fetch_add(INTERRUPT, Ordering::Relaxed);
    world.cores[1].interrupted(left_at);
    world.cores[1].leave(Cycles::ZERO)
}

#[test]
fn the_sender_pays_and_nobody_else() {
    let (mut world, [sender, other, thread]) = running();
    poke(&mut world, sender);
    assert_eq!(world.pokes.lock().unwrap().as_slice(), [CoreId::new(1)], "one is outstanding");
    // While it is on its way, another's is not sent.
    poke(&mut world, other);
    assert_eq!(world.pokes.lock().unwrap().len(), 1);
    let used = |world: &World, who| world.cores[1].ledger().used(who);
    let (infrastructure, before) = (used(&world, ActivityId::INFRASTRUCTURE), used(&world, thread));
    let step = come(&mut world);
    assert!(matches!(step, Step::Enter(_)), "the thread goes on");
    assert!(used(&world, sender) >= Cycles::new(INTERRUPT));
    assert_eq!(used(&world, other), Cycles::ZERO);
    assert_eq!(used(&world, ActivityId::INFRASTRUCTURE), infrastructure);
    assert!(used(&world, thread) - before < Cycles::new(INTERRUPT), "the sufferer pays");
    assert!(world.cores[1].audit().is_ok());
    // It rests anew: the next poke is another one, and its sender's.
    poke(&mut world, other);
    assert_eq!(world.pokes.lock().unwrap().len(), 2);
    let _ = come(&mut world);
    assert!(used(&world, other) >= Cycles::new(INTERRUPT));
}

#[test]
fn what_nobody_has_caused_is_the_infrastructure_s() {
    let (mut world, [sender, ..]) = running();
    let _ = come(&mut world);
    let used = world.cores[1].ledger().used(ActivityId::INFRASTRUCTURE);
    assert!(used >= Cycles::new(INTERRUPT));
    assert_eq!(world.cores[1].ledger().used(sender), Cycles::ZERO);
}

#[test]
fn the_dead_are_not_billed() {
    let (mut world, [sender, ..]) = running();
    poke(&mut world, sender);
    let pokes = world.pokes.clone();
    world.grid.kill(sender, Cycles::ZERO, |core| pokes.lock().unwrap().push(core));
    let _ = world.cores[0].step();
    let _ = come(&mut world);
    let used = world.cores[1].ledger().used(ActivityId::INFRASTRUCTURE);
    assert!(used >= Cycles::new(INTERRUPT));
}
